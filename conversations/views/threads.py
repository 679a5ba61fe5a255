"""One conversation: its thread and what can be done with it, its files, its HTML as it was sent."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Refusal
from conversations.messages import blocking, inbox, there
from conversations.models import Conversation, Delivery, Message, RelatedConversation, Tag, Watcher
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views import present
from conversations.views.access import person, signed_in
from conversations.views.customers import beside
from conversations.views.life import life_of
from conversations.views.links import see_other
from conversations.views.talk import talk_of
from conversations.views.words import clock_for, mood_of, plural
from conversations.visible import Visible

SUGGESTED = 5  # conversations that it might be merged with
HTML_POLICY = {
    "default-src": ["'none'"],
    "img-src": ["data:"],
    "style-src": ["'none'"],
    "frame-ancestors": ["'self'"],
    "sandbox": [],
}


def get_conversation_for(request: HttpRequest, pk: uuid.UUID) -> Conversation:
    """The tenant's customer conversation, of the person's own channels; foreign and absent ids get the same 404."""
    channels = require_tenant(request).channels
    found = (
        Conversation.objects.of_customers().within(channels).select_related("channel", "owner").filter(pk=pk).first()
    )
    if found is None:
        raise Http404("There is no such conversation in this account.")
    return found


@require_safe
@signed_in
@require(Verb.READ)
def conversation_detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The thread, its newest part, oldest first; `before` is where an earlier part ends."""
    return thread_page(request, get_conversation_for(request, pk))


def thread_page(
    request: HttpRequest, conversation: Conversation, *, problem: str = "", status: int = 200
) -> HttpResponse:
    """The page of a conversation; `problem` is why something that was pressed on it was not done."""
    tenant, clock, user = require_tenant(request), clock_for(request), person(request)
    family = Conversation.objects.family(conversation)
    talk = talk_of(
        conversation,
        family,
        clock,
        account=tenant.name,
        before=request.GET.get("before", ""),
        may_correct=may(tenant, Verb.REGENERATE),
        may_fetch=may(tenant, Verb.EDIT),
        reader=str(user.pk) if may(tenant, Verb.NOTE) else "",
    )
    is_blocked = blocking.is_blocked([conversation.customer_email])
    heading, draft_url = present.heading(conversation, clock), _draft_url(conversation)
    context = {
        "nav": "history",
        "problem": problem,
        "may_assist": may(tenant, Verb.ASSIST),
        "assistant_url": reverse("conversations:assistant-of", args=[conversation.pk]),
        "conversation": heading,
        "tags": list(Tag.objects.for_menu(conversation)),
        "note_typed": request.POST.get("note_text", "").replace("\x00", ""),
        "thread": talk.entries,
        "earlier_url": f"{heading.url}?before={talk.earlier}" if talk.earlier else "",
        "merged_into": _link(family[0]) if conversation.merged_into_id else None,
        "parts": [_link(one) for one in family[1:] if one.pk != conversation.pk],
        "might_be": _might_be(conversation, tenant.channels) if may(tenant, Verb.MERGE) else [],
        "customer": beside(conversation, tenant.channels, clock),
        "facts": _facts(conversation),
        "deliveries": _unsettled(conversation, may(tenant, Verb.RESOLVE_DELIVERY)),
        "draft_url": draft_url,
        "life": life_of(conversation, tenant, user, clock, has_draft=bool(draft_url), is_blocked=is_blocked),
        "is_blocked": is_blocked,
        "is_watching": Watcher.objects.filter(conversation=conversation, user=user).exists(),
        "blockable": bool(conversation.customer_email),
        "related": _related(conversation, tenant.channels),
    }
    return render(request, "conversations/detail.html", context, status=status)


def _facts(conversation: Conversation) -> list[tuple[str, str]]:
    facts = [("Messages", str(conversation.message_count))]
    if conversation.average_sentiment is not None:
        theirs = conversation.user_message_count
        facts.append(("Mood", mood_of(conversation.average_sentiment, conversation.sentiment_count, theirs)))
    if not conversation.customer_address_id:
        facts = [("Customer", conversation.customer), ("Address", conversation.customer_email), *facts]
    return [(name, value) for name, value in facts if value]


def _link(conversation: Conversation) -> dict[str, str]:
    return {
        "id": str(conversation.pk),
        "number": f"#{conversation.number}",
        "title": present.title_of(conversation.subject, conversation.title),
        "url": reverse("conversations:detail", args=[conversation.pk]),
    }


def _might_be(conversation: Conversation, channels: Visible) -> list[dict[str, str]]:
    """What it could be merged into: the customer's other conversations of this channel, the newest first."""
    if not conversation.customer_email or conversation.merged_into_id:
        return []
    others = Conversation.objects.of_customers().within(channels).exclude(pk=conversation.pk)
    found = others.filter(
        customer_email=conversation.customer_email,
        channel=conversation.channel_id,
        merged_into=None,
        archived_at=None,
    )
    return [_link(one) for one in found.newest_first()[:SUGGESTED]]


def _related(conversation: Conversation, channels: Visible) -> list[tuple[str, str]]:
    """Conversations that may be related, said by either of the two, of those that the person sees: words and address."""
    found = RelatedConversation.objects.filter(Q(conversation=conversation) | Q(other=conversation))
    pairs = found.select_related("conversation", "other").order_by("-id")[:5]
    others = [(one.other if one.conversation_id == conversation.pk else one.conversation, one.reason) for one in pairs]
    return [
        (present.related_words(other.number, reason), reverse("conversations:detail", args=[other.pk]))
        for other, reason in others
        if other.channel_id in channels
    ]


def _draft_url(conversation: Conversation) -> str:
    """The live draft by address: this app knows drafts only as data."""
    found = conversation.drafts.filter(status="pending").values_list("pk", flat=True).first()  # type: ignore[attr-defined]
    return reverse("drafts:detail", args=[found]) if found else ""


def _unsettled(conversation: Conversation, may_resolve: bool) -> list[dict[str, Any]]:
    """Deliveries that need a person: failed, uncertain, bounced; and what may be done about each."""
    words = {
        "failed": ("bad", "alert", "A reply could not be sent", ("send_again", "give_up")),
        "uncertain": ("warn", "alert", "Was this reply sent or not?", ("sent", "send_again", "give_up")),
        "bounced": ("bad", "alert", "A reply came back", ()),
    }
    labels = {"sent": "It arrived", "send_again": "Send again", "give_up": "Give up"}
    out = []
    for delivery in Delivery.objects.filter(conversation=conversation, status__in=list(words)).order_by("-id")[:5]:
        kind, icon, title, outcomes = words[delivery.status]
        tried = f"Tried {plural(delivery.attempt_count, 'time')}. " if delivery.attempt_count else ""
        out.append(
            {
                "kind": kind,
                "icon": icon,
                "title": title,
                "text": f"{tried}{delivery.error} The approved text is kept as it was.",
                "actions": [
                    {"url": reverse("drafts:resolve-delivery", args=[delivery.pk, outcome]), "label": labels[outcome]}
                    for outcome in outcomes
                ]
                if may_resolve
                else [],
            }
        )
    return out


@require_POST
@signed_in
@require(Verb.REGENERATE)
def by_a_person(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """An automatic message is a person's: the conversation is open again, and a draft is on its way."""
    found = Message.objects.filter(pk=pk).values_list("conversation_id", flat=True).first()
    if found is None:
        raise Http404("There is no such message in this account.")
    conversation = get_conversation_for(request, found)
    try:
        inbox.by_a_person(message_id=pk, actor=person(request))
    except Refusal as refusal:
        return thread_page(request, conversation, problem=str(refusal), status=refusal.status)
    return see_other(reverse("conversations:detail", args=[found]))


@require_POST
@signed_in
@require(Verb.EDIT)
def fetch_files(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What of a message stands at its vendor, and could not be fetched, is tried again."""
    found = Message.objects.filter(pk=pk).values_list("conversation_id", flat=True).first()
    if found is None:
        raise Http404("There is no such message in this account.")
    conversation = get_conversation_for(request, found)
    try:
        there.fetch_again(message_id=pk, actor=person(request))
    except Refusal as refusal:
        return thread_page(request, conversation, problem=str(refusal), status=refusal.status)
    return see_other(reverse("conversations:detail", args=[found]))


@require_safe
@signed_in
@require(Verb.READ)
@xframe_options_sameorigin
def message_html(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The sanitised HTML of one message, for a sandboxed frame, under a policy that lets nothing be fetched or run."""
    mine = Message.objects.within(require_tenant(request).channels)
    found = mine.filter(pk=pk).exclude(body_html="").values_list("body_html", flat=True).first()
    if found is None:
        raise Http404("There is no such message in this account.")
    body = mark_safe(found)
    response = render(request, "conversations/html_message.html", {"body": body})
    response.csp = HTML_POLICY  # type: ignore[attr-defined]
    return response
