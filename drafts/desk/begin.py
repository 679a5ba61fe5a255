"""A conversation that we begin: to an address, or with a thread that is passed on to somebody else.

It is a conversation of its own with a draft that answers nothing (no `base_message`), written, saved and approved like any
other. A forwarded thread stays where it is, and what is owed in it too: whoever gets it answers in the new one, never to the
customer by mistake.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import transaction

from conversations import audit
from conversations.channels.base import Party
from conversations.channels.lines import one_line
from conversations.channels.provider import Limits
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages import inbox, joining, owing
from conversations.models import (
    Attachment,
    Channel,
    Conversation,
    Delivery,
    Membership,
    Message,
    RelatedConversation,
    User,
)
from conversations.people.roles import Verb, check
from conversations.visible import Visible
from drafts.desk import files
from drafts.desk.life import look
from drafts.desk.readdress import MAX_SUBJECT, Recipients
from drafts.models import BY_A_PERSON, Draft

#: Of a thread that is passed on, newest first; what is older stays in its own conversation.
MOST_MESSAGES, MOST_CHARACTERS = 50, 90_000
#: A reply of ours that did not leave is nobody's to read yet.
UNSENT = [Delivery.Status.HELD, Delivery.Status.QUEUED, Delivery.Status.SENDING, Delivery.Status.FAILED]


def channels_for(within: Visible) -> list[Channel]:
    """The channels on which who sees these can write to an address that nobody wrote from, by name."""
    return [
        channel
        for channel in Channel.objects.filter(is_active=True, **within.where("pk")).order_by("name")
        if channel.provided_by.by_address and channel.provided_by.open
    ]


def begin(*, account_id: uuid.UUID, actor: User, channel_id: uuid.UUID, recipients: Recipients, subject: str) -> Draft:
    """A new conversation with these recipients, and the empty draft in it. The first of them is its customer.

    Raises PermissionDenied (403), Channel.DoesNotExist (404, also for one that the actor does not see), Invalid (422: a
    channel that cannot write first, or no subject).
    """
    with transaction.atomic():
        check(actor, Verb.EDIT, account_id=account_id)
        return _begin(_channel(actor, account_id, channel_id), actor, recipients, subject)


def forward(*, conversation_id: uuid.UUID, actor: User, recipients: Recipients, subject: str = "") -> Draft:
    """The thread of a conversation and its files, to somebody else, in a conversation of its own that says where it is from.

    Raises Conversation.DoesNotExist (404), PermissionDenied (403), Invalid (422: no words that could be passed on, or a
    channel that cannot write first).
    """
    with transaction.atomic():
        place = look(conversation_id, actor=actor)
        place.permit(Verb.EDIT)
        conversation = place.conversation
        assert conversation.channel_id is not None, "look() gives customers' conversations alone"
        messages = Message.objects.shown().filter(conversation=conversation, erased_at__isnull=True)
        unsent = Delivery.objects.filter(conversation=conversation, status__in=UNSENT).values("message")
        passed_on = list(messages.exclude(body_text="").exclude(pk__in=unsent).order_by("-seq")[:MOST_MESSAGES])
        if not passed_on:
            raise Invalid("There is no text here that could be passed on. Nothing was changed.")
        channel = _channel(actor, conversation.account_id, conversation.channel_id)
        draft = _begin(
            channel, actor, recipients, subject or f"Fwd: {conversation.subject}", text=_quoted(conversation, passed_on)
        )
        their_files = Attachment.objects.filter(message__in=passed_on, is_inline=False).order_by("id")
        limits = channel.provided_by.limits
        Attachment.objects.bulk_create(files.copy_of(one, draft) for one in _that_fit(their_files, limits))
        joining.relate(
            conversation=draft.conversation, other_id=conversation.pk, reason=RelatedConversation.Reason.FORWARDED
        )
        audit.record(
            audit.Kind.CONVERSATION_FORWARDED,
            actor=actor,
            about=conversation,
            conversation_id=conversation.pk,
            data={"number": draft.conversation.number},
        )
    return draft


def _channel(actor: User, account_id: uuid.UUID, channel_id: uuid.UUID) -> Channel:
    mine = Membership.objects.filter(account_id=account_id, user=actor, is_active=True)
    channel = Channel.objects.get(pk=channel_id)
    if not mine.seeing(channel.pk).exists():
        raise Channel.DoesNotExist
    if not (channel.is_active and channel.provided_by.by_address and channel.provided_by.open):
        raise Invalid(f"{channel.name} cannot write to an address that nobody wrote from. Choose another channel.")
    return channel


def _begin(channel: Channel, actor: User, recipients: Recipients, subject: str, text: str = "") -> Draft:
    subject = one_line(subject)[:MAX_SUBJECT]
    if not subject:
        raise Invalid("Say in the subject what it is about. Nothing was begun.")
    first = recipients.to[0]
    conversation = inbox.open_conversation(
        channel=channel, external_id="", subject=subject, customer=Party(first["address"], first["name"]), actor=actor
    )
    conversation.owner = actor
    owing.owe(conversation, Conversation.Owed.WRITING)
    conversation.save(update_fields=owing.FIELDS)
    draft = Draft.objects.create(
        account_id=channel.account_id,
        conversation=conversation,
        author_user=actor,
        model_key=BY_A_PERSON,
        suggested_text=text,
        recipients=recipients.as_json(),
        subject=subject,
        due_at=conversation.due_at or database_time.now(),
    )
    audit.record(audit.Kind.DRAFT_BEGUN, actor=actor, about=draft, conversation_id=conversation.pk)
    return draft


def _that_fit(found: Iterable[Attachment], limits: Limits) -> list[Attachment]:
    """The first of these files that the channel takes, each once; who writes sees which, and can add others."""
    fitting: dict[tuple[str, str], Attachment] = {}
    size = 0
    for one in found:
        if len(fitting) < limits.files and size + one.size_bytes <= limits.file_bytes:
            size += 0 if (one.file_name, one.sha256) in fitting else one.size_bytes
            fitting.setdefault((one.file_name, one.sha256), one)
    return list(fitting.values())


def _quoted(conversation: Conversation, newest_first: list[Message]) -> str:
    """The messages as a mail program passes them on: below a line, each with who wrote it, when and about what."""
    parts: list[str] = []
    size = 0
    for message in newest_first:
        sender = message.details.sender_name or message.details.sender or conversation.customer
        by = sender if message.direction == Message.Direction.INBOUND else "us"
        head = f"From: {one_line(by)}\nDate: {message.sent_at:%a, %d %b %Y %H:%M} UTC"
        head += f"\nSubject: {one_line(message.subject)}" if message.subject else ""
        part = f"{head}\n\n{message.body_text.strip()}"
        size += len(part)
        if parts and size > MOST_CHARACTERS:
            break
        parts.append(part[:MOST_CHARACTERS])
    return "\n\n\n---------- Forwarded message ----------\n" + "\n\n----------\n".join(parts)
