"""A question and its answer, looked at while it is written, stopped, asked again; and the chat beside a conversation."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from conversations.chats import sessions, turns
from conversations.errors import Refusal
from conversations.models import AssistantSession, AssistantTurn, Conversation, Message
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views import asking, chats, present
from conversations.views.access import is_fragment, person, signed_in
from conversations.views.answers import shown, under_way
from conversations.views.asking import Asked
from conversations.views.links import see_other
from conversations.views.threads import get_conversation_for
from conversations.views.words import clock_for, plural

NO_MORE_POLLS = 286  # htmx asks no more
MESSAGES = 50
SPOKEN = 200  # characters
OUT_OF_SIGHT = "You do not see the conversation of this chat any more. Nothing was asked."


@require_safe
@signed_in
@require(Verb.ASSIST)
def turn(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How far an answer is; once it is there, the answer itself and the button that sends the next question."""
    found = _own(request, pk)
    if not is_fragment(request):
        return see_other(_place(found.session))
    in_panel = "panel" in request.GET
    context: dict[str, Any] = {"ajax": in_panel, **asking.context(request, found.session, Asked())}
    if found.is_live:
        context["turn"] = under_way(found, clock_for(request))
        return render(request, "assistant/_turn.html", context)
    said = [found.answer] if found.answer else []
    context |= {
        "messages_shown": shown(request, found.session, said),
        "turn": under_way(found, clock_for(request)) if not found.answer else None,
        "ask_url": _ask_url(found.session, in_panel),
        "spoken": _spoken(found),
        "count": "" if in_panel else plural(found.session.conversation.message_count, "message"),
    }
    return render(request, "assistant/ended.html", context, status=NO_MORE_POLLS)


@require_POST
@signed_in
@require(Verb.ASSIST)
def stop(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = _own(request, pk)
    turns.stop(turn_id=pk, actor=person(request))
    return HttpResponse(status=204) if is_fragment(request) else see_other(_place(found.session))


@require_POST
@signed_in
@require(Verb.ASSIST)
def ask_again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = _own(request, pk)
    engine = turns.Engine.OFFLINE if request.POST.get("engine") == "offline" else turns.Engine.CONFIGURED
    asked, case = Asked(), None
    if found.session.case_id:  # looked for first: what nobody sees is not asked about
        try:
            case = get_conversation_for(request, found.session.case_id)
        except Http404:
            if is_fragment(request):
                raise
            return chats.page(request, found.session, Asked(OUT_OF_SIGHT, 409))
    try:
        turns.ask_again(turn_id=pk, actor=person(request), engine=engine)
    except Refusal as refusal:
        asked = Asked(str(refusal), refusal.status)
    if case and (is_fragment(request) or asked.problem):
        return _panel(request, case, asked)
    if asked.problem:
        return chats.page(request, found.session, asked)
    return see_other(_place(found.session))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.ASSIST)
def of_case(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The person's chat about a conversation, beside it or as a page. POST asks; the first question begins the chat."""
    conversation = get_conversation_for(request, pk)
    if request.method != "POST":
        return HttpResponse() if "closed" in request.GET else _panel(request, conversation, Asked())
    tenant, user, text = require_tenant(request), person(request), request.POST.get("text", "")
    try:
        sessions.readable(text)
        session, _ = sessions.start_session(
            actor=user, account_id=tenant.account_id, context=sessions.Context.CASE, case=pk
        )
        turns.post(session_id=session.pk, actor=user, text=text, request_id=asking.request_id(request))
    except Refusal as refusal:
        return _panel(request, conversation, Asked(str(refusal), refusal.status, {"text": text}))
    return _panel(request, conversation, Asked()) if is_fragment(request) else see_other(f"{request.path}#box")


def _panel(request: HttpRequest, conversation: Conversation, asked: Asked) -> HttpResponse:
    mine = AssistantSession.objects.of(person(request).pk).kept().select_related("conversation")
    session = mine.open().filter(account_id=conversation.account_id, case=conversation.pk).first()
    found: list[Message] = []
    if session:
        messages = Message.objects.filter(account_id=session.account_id, conversation=session.conversation_id).shown()
        found = list(reversed(messages.order_by("-seq")[:MESSAGES]))
    head = present.heading(conversation, clock_for(request))
    is_page = not is_fragment(request)
    url = reverse("conversations:assistant-of", args=[conversation.pk])
    context = {
        "nav": "history",
        **asking.context(request, session, asked),
        "starters": asking.OF_A_CASE,
        "ask_url": url,
        "panel_url": url,
        "chat": {"messages": plural(len(found), "message")} if session and found else None,
        "chat_url": reverse("conversations:chat", args=[session.pk]) if session and found else "",
        "chats_url": reverse("conversations:chats"),
        "case": {"number": f"#{conversation.number}", "title": head.title, "url": head.url},
        "messages_shown": shown(request, session, found) if session else [],
        "is_page": is_page,
        "ajax": not is_page,
    }
    return render(request, "assistant/case.html" if is_page else "assistant/_panel.html", context, status=asked.status)


def _own(request: HttpRequest, pk: uuid.UUID) -> AssistantTurn:
    require_tenant(request)
    try:
        return turns.turn_of(pk, person(request))
    except AssistantTurn.DoesNotExist:
        raise Http404("You asked no such thing.") from None


def _spoken(ended: AssistantTurn) -> str:
    """What is said once to who does not see it: the first of an answer, or how the turn ended."""
    if ended.answer is None:
        return ended.error or "Stopped."
    first = next((line for line in ended.answer.body_text.splitlines() if line.strip()), "")
    return f"{first[:SPOKEN]}{'' if ended.status == turns.Status.DONE else ' Stopped.'}"


def _ask_url(session: AssistantSession, in_panel: bool) -> str:
    if in_panel and session.case_id:
        return reverse("conversations:assistant-of", args=[session.case_id])
    return reverse("conversations:say", args=[session.pk])


def _place(session: AssistantSession) -> str:
    """Where a page without a script goes on: the chat."""
    return reverse("conversations:chat", args=[session.pk]) + "#box"
