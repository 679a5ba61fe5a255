"""A person's own chats: the list, one of them with its box, and what is done with it. All of it works without a script."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from conversations import hooks
from conversations.chats import exporting, listing, sessions, turns
from conversations.chats.finding import by_words
from conversations.chats.listing import LISTS, Row
from conversations.errors import Refusal
from conversations.models import AssistantSession, Conversation, Message
from conversations.models.chats import OPEN
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views import asking
from conversations.views.access import person, signed_in
from conversations.views.answers import shown
from conversations.views.asking import Asked
from conversations.views.cursors import cursor, place_of
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for, mood_of, plural

MESSAGES = 50
ICONS = {"general": "assist", "case": "mail", "project": "gear", "infrastructure": "gear", "practice": "users"}
ACTS = ("pin", "unpin", "favourite", "unfavourite", "archive", "unarchive", "rename", "tags", "end", "delete")
EMPTY = {
    "": ("No chat yet", "Write the first line on the right. Only you can read it."),
    "favourites": ("No favourite yet", "The star beside a title makes one."),
    "archived": ("Nothing is put away", "Chats that nobody wrote in for 30 days come here by themselves."),
}


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.ASSIST)
def chats(request: HttpRequest) -> HttpResponse:
    """The list beside a box for a new chat. POST begins one with its first message."""
    if request.method != "POST":
        return page(request, None, Asked())
    tenant, user = require_tenant(request), person(request)
    text = request.POST.get("text", "")
    try:
        sessions.readable(text)
        with transaction.atomic():  # a chat that nothing may be asked in is none
            session, _ = sessions.start_session(actor=user, account_id=tenant.account_id)
            turns.post(session_id=session.pk, actor=user, text=text, request_id=asking.request_id(request))
    except Refusal as refusal:
        return page(request, None, Asked(str(refusal), refusal.status, {"text": text}))
    return see_other(reverse("conversations:chat", args=[session.pk]))


@require_safe
@signed_in
@require(Verb.ASSIST)
def chat(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One chat, its newest messages, oldest first; `before` and `after` are the sequence numbers to go on from. A practice has
    a page of its own."""
    session = _own(request, pk)
    if session.context_type == sessions.Context.PRACTICE:
        return redirect("drafts:practise", pk=pk)
    return page(request, session, Asked())


@require_POST
@signed_in
@require(Verb.ASSIST)
def say(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    session, text = _own(request, pk), request.POST.get("text", "")
    try:
        turns.post(session_id=pk, actor=person(request), text=text, request_id=asking.request_id(request))
    except Refusal as refusal:
        return page(request, session, Asked(str(refusal), refusal.status, {"text": text}))
    return see_other(reverse("conversations:chat", args=[pk]) + "#box")


@require_POST
@signed_in
@require(Verb.ASSIST)
def change(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    session, user = _own(request, pk), person(request)
    one: dict[str, Any] = {"session_id": pk, "actor": user}
    typed = {name: request.POST.get(name, "") for name in ("title", "tags")}
    try:
        match act:
            case "pin" | "unpin":
                sessions.set_flag(**one, flag="pinned", on=act == "pin")
            case "favourite" | "unfavourite":
                sessions.set_flag(**one, flag="favourite", on=act == "favourite")
            case "archive" | "unarchive":
                sessions.archive(**one, on=act == "archive")
            case "rename":
                sessions.rename(**one, title=typed["title"])
            case "tags":
                sessions.set_tags(**one, tags=typed["tags"].split(","))
            case "end":
                sessions.close_session(**one)
            case "delete":
                sessions.delete_session(**one)
                return see_other(reverse("conversations:chats"))
            case _:
                raise Http404("There is nothing of that name to do with a chat.")
    except Refusal as refusal:
        return page(request, session, Asked(str(refusal), refusal.status, typed))
    return see_other(reverse("conversations:chat", args=[pk]))


@require_safe
@signed_in
@require(Verb.ASSIST)
def export(request: HttpRequest, pk: uuid.UUID, form: str) -> HttpResponse:
    """The chat as a file: `json` or `md`. Reading it so is an act, and stands in the trail."""
    _own(request, pk)
    if form not in ("json", "md"):
        raise Http404("A chat is taken along as JSON or as Markdown.")
    found = exporting.export_session(
        session_id=pk, actor=person(request), form="json" if form == "json" else "markdown"
    )
    response = HttpResponse(found.content, content_type=found.mime_type)
    response["Content-Disposition"] = f'attachment; filename="{found.name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _own(request: HttpRequest, pk: uuid.UUID) -> AssistantSession:
    require_tenant(request)
    try:
        return sessions.session_of(pk, person(request))
    except AssistantSession.DoesNotExist:
        raise Http404("You have no such chat.") from None


def page(request: HttpRequest, session: AssistantSession | None, asked: Asked) -> HttpResponse:
    context = {
        "nav": "assistant",
        "title": (session.conversation.title or "Chat") if session else "Chats",
        **asking.context(request, session, asked),
        "ask_url": reverse("conversations:say", args=[session.pk]) if session else reverse("conversations:chats"),
        **_list(request, session),
        **(_opened(request, session) if session else {}),
    }
    return render(request, "conversations/chats.html", context, status=asked.status)


def _list(request: HttpRequest, session: AssistantSession | None) -> dict[str, Any]:
    tenant, clock = require_tenant(request), clock_for(request)
    mine = listing.chats_of(person(request), tenant.account_id)
    shown = request.GET.get("list", "")
    shown = shown if shown in LISTS else ""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    tag = request.GET.get("tag", "").replace("\x00", "").strip().lower()[: sessions.TAG_CHARS]
    asked = {key: value for key, value in (("q", words), ("list", shown), ("tag", tag)) if value}
    lists = LISTS[shown](mine)
    if tag:
        lists = lists.filter(tags__contains=[tag])
    on_top: list[Row] = []
    if words:
        hits = by_words(words)
        page = listing.Page(listing.these(mine, hits))
    else:
        after, before = (place_of(request.GET.get(name, "")) for name in ("after", "before"))
        page = listing.page_of(lists, after=after, before=before)
        on_top = [] if after or before or shown or tag else listing.pinned(mine)
    numbers = listing.counts(mine, tenant.account_id)
    current = session.pk if session else None
    return {
        "words": words,
        "tag": tag,
        "to_sign": hooks.count_signatures(person(request), tenant.account_id) if hooks.count_signatures else 0,
        "rows": [_row(row, clock, asked, current) for row in page.rows],
        "pinned": [_row(row, clock, asked, None) for row in on_top],
        "chips": [
            (label, f"?list={key}" if key else "?", _up_to(numbers[key]), key == shown and not words)
            for key, label in (("", "All"), ("favourites", "Favourites"), ("archived", "Archived"))
        ],
        "empty": ("Nothing found", "Only your own chats are searched, by their words.") if words else EMPTY[shown],
        "older": f"?{urlencode({**asked, 'after': cursor(*page.older)})}" if page.older else "",
        "newer": f"?{urlencode({**asked, 'before': cursor(*page.newer)})}" if page.newer else "",
    }


def _up_to(number: int) -> str:
    return f"{listing.COUNTED}+" if number > listing.COUNTED else str(number)


def _row(row: Row, clock: Clock, asked: dict[str, str], current: uuid.UUID | None) -> dict[str, Any]:
    url = reverse("conversations:chat", args=[row["session"]])
    return {
        "url": f"{url}?{urlencode(asked)}" if asked else url,
        "title": row["title"] or "Chat",
        "line": row["last_line"],
        "at": clock.stamp(row["last_message_at"]),
        "icon": ICONS[row["context"]],
        "messages": plural(row["message_count"], "message"),
        "tags": row["tags"],
        "pinned": row["is_pinned"],
        "favourite": row["is_favorited"],
        "ended": row["state"] not in OPEN,
        "waits": row["state"] == AssistantSession.Status.AWAITING_CONFIRMATION,
        "current": row["session"] == current,
    }


def _opened(request: HttpRequest, session: AssistantSession) -> dict[str, Any]:
    opened = session.conversation
    messages = Message.objects.filter(account_id=session.account_id, conversation=opened).shown()
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    if after is not None:
        found = list(messages.filter(seq__gt=after).order_by("seq")[:MESSAGES])
    else:
        older = messages if before is None else messages.filter(seq__lt=before)
        found = list(reversed(older.order_by("-seq")[:MESSAGES]))
    first, last = (found[0].seq, found[-1].seq) if found else (1, 0)
    return {
        "chat": {
            "title": opened.title or "Chat",
            "url": reverse("conversations:chat", args=[session.pk]),
            "acts": {act: reverse("conversations:change-chat", args=[session.pk, act]) for act in ACTS},
            "exports": [
                (label, reverse("conversations:export-chat", args=[session.pk, form]))
                for label, form in (("Markdown, to read", "md"), ("JSON, with ids", "json"))
            ],
            "about": _about(request, session),
            "pinned": opened.is_pinned,
            "favourite": opened.is_favorited,
            "archived": opened.is_archived,
            "open": session.is_open,
            "status": session.get_status_display(),
            "tags": ", ".join(opened.tags),
            "messages": plural(opened.message_count, "message"),
            "mood": mood_of(opened.average_sentiment, opened.sentiment_count, opened.user_message_count),
            "earlier": f"?before={first}" if first > 1 else "",
            "later": f"?after={last}" if last < opened.last_seq else "",
        },
        "messages_shown": shown(request, session, found),
    }


def _about(request: HttpRequest, session: AssistantSession) -> tuple[str, str] | None:
    """The conversation that it is about, and where that is; nothing of one that the person does not see any more."""
    seen = Conversation.objects.of_customers().within(require_tenant(request).channels)
    case = seen.filter(pk=session.case_id).first() if session.case_id else None
    if case is None:
        return None
    return f"#{case.number} {case.subject or case.title}".strip(), reverse("conversations:detail", args=[case.pk])


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
