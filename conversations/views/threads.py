"""One conversation: its thread and what can be done with it, its files, its HTML as it was sent."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Refusal
from conversations.messages import files, inbox
from conversations.models import Attachment, Conversation, Delivery, Message, RelatedConversation
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views import present
from conversations.views.access import person, signed_in
from conversations.views.life import life_of
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for, plural
from conversations.visible import Visible

MESSAGES = 100
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
    """The thread, newest `MESSAGES` messages, oldest first; `before` is the sequence number to go back from."""
    return thread_page(request, get_conversation_for(request, pk))


def thread_page(
    request: HttpRequest, conversation: Conversation, *, problem: str = "", status: int = 200
) -> HttpResponse:
    """The page of a conversation; `problem` is why something that was pressed on it was not done."""
    tenant, clock = require_tenant(request), clock_for(request)
    before = request.GET.get("before", "")
    messages = (
        Message.objects.shown().filter(conversation=conversation).prefetch_related("attachments").order_by("-seq")
    )
    if before.isdecimal() and len(before) < 10:
        messages = messages.filter(seq__lt=int(before))
    found = list(messages[: MESSAGES + 1])
    shown = list(reversed(found[:MESSAGES]))
    heading, draft_url = present.heading(conversation, clock), _draft_url(conversation)
    context = {
        "nav": "history",
        "problem": problem,
        "conversation": heading,
        "thread": [
            present.message_view(
                _as_entry(message),
                clock,
                customer=conversation.customer,
                account=tenant.name,
                address=conversation.customer_email,
                may_correct=may(tenant, Verb.REGENERATE),
            )
            for message in shown
        ],
        "earlier_url": f"{heading.url}?before={shown[0].seq}" if len(found) > MESSAGES else "",
        "facts": _facts(conversation, clock),
        "deliveries": _unsettled(conversation, may(tenant, Verb.RESOLVE_DELIVERY)),
        "draft_url": draft_url,
        "life": life_of(conversation, tenant, person(request), clock, has_draft=bool(draft_url)),
        "related": _related(conversation, tenant.channels),
    }
    return render(request, "conversations/detail.html", context, status=status)


def _as_entry(message: Message) -> dict[str, Any]:
    return {
        "id": message.pk,
        "direction": message.direction,
        "text": message.body_text,
        "new": message.body_new,
        "has_html": bool(message.body_html),
        "sent_at": message.sent_at,
        "is_automatic": message.is_automatic,
        "erased_at": message.erased_at,
        **{
            name: message.metadata.get(name)
            for name in ("sender", "sender_name", "reply_to", "answer_to", "cc", "authentication", "problems")
        },
        "files": [{"id": f.pk, "name": f.file_name, "size": f.size_bytes} for f in message.attachments.all()],
    }


def _facts(conversation: Conversation, clock: Clock) -> list[tuple[str, str]]:
    facts = [("Customer", conversation.customer)]
    if conversation.customer_email:
        facts.append(("Address", conversation.customer_email))
    facts.append(("Messages", str(conversation.message_count)))
    if conversation.tags:
        facts.append(("Tags", ", ".join(map(str, conversation.tags))))
    return facts


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


def _may_see(found: Attachment, channels: Visible) -> bool:
    """Whether a file's message, or the draft that it belongs to, is in the person's own channels."""
    if channels.is_all:
        return True
    mine = Conversation.objects.within(channels)
    # This app knows drafts only as data.
    of_it = {"drafts__id": found.draft_id} if found.draft_id else {"messages__id": found.message_id}
    return mine.filter(**of_it).exists()


@require_safe
@signed_in
@require(Verb.READ)
def attachment(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    """One file as a download, never shown inline; the name is sent by RFC 6266, the type is never guessed."""
    found = Attachment.objects.filter(pk=pk).first()
    if found is None or not _may_see(found, require_tenant(request).channels):
        raise Http404("There is no such file in this account.")
    try:
        stream = files.open_whole(found.storage_key, found.sha256)
    except files.Damaged as error:
        raise Http404(str(error)) from None
    response = FileResponse(stream, content_type="application/octet-stream")
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in found.file_name)[:150]
    name = quote(found.file_name.replace("\x00", ""), safe="")
    response["Content-Disposition"] = f"attachment; filename=\"{ascii_name or 'file'}\"; filename*=UTF-8''{name}"
    response["Content-Length"] = str(found.size_bytes)
    response["X-Content-Type-Options"] = "nosniff"
    response.csp = {"default-src": ["'none'"], "sandbox": []}  # type: ignore[attr-defined]
    return response
