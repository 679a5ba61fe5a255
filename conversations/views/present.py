"""What conversation pages show: messages and headings as plain values, from rows or from a query's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.urls import reverse

from conversations.channels.addresses import is_same
from conversations.channels.registry import icon_of
from conversations.messages import scanning
from conversations.messages.there import GAVE_UP
from conversations.metadata import AuthenticationShape
from conversations.models import Conversation, RelatedConversation
from conversations.views.life import due_words, state_of
from conversations.views.words import Clock, initials, size


@dataclass(frozen=True, slots=True)
class FileView:
    name: str
    size: str
    url: str
    id: str = ""
    shut: str = ""  # why it may not be opened
    picture_url: str = ""  # of what calls itself a picture, or a PDF: its first page; the view looks
    pages_url: str = ""  # of what calls itself a PDF

    @classmethod
    def of(cls, pk: Any, name: str, size_bytes: int, verdict: str = "") -> FileView:
        shut = scanning.why_not(verdict)
        is_pdf = not shut and name.lower().endswith(".pdf")
        is_picture = is_pdf or (not shut and name.lower().endswith((".png", ".jpg", ".jpeg", ".gif")))
        return cls(
            name=name,
            size=size(size_bytes),
            url=reverse("conversations:attachment", args=[pk]),
            id=str(pk),
            shut=shut,
            picture_url=reverse("conversations:picture", args=[pk]) if is_picture else "",
            pages_url=reverse("conversations:pages", args=[pk]) if is_pdf else "",
        )


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message, as text. `quoted` is what the new text leaves out: shown on demand, never dropped."""

    is_note: ClassVar[bool] = False

    id: str
    by: str
    initials: str
    avatar: str
    at: str
    at_iso: str
    paragraphs: list[str]
    quoted: list[str]
    notes: list[str]
    files: list[FileView]
    html_url: str = ""
    lang: str = ""
    person_url: str = ""
    problems: list[str] = field(default_factory=list)
    there: list[tuple[str, str]] = field(default_factory=list)  # files that are not here yet, and why
    fetch_url: str = ""  # where one of them waits for a person
    copied: str = ""  # who else got it
    all_files_url: str = ""  # where there are several


@dataclass(frozen=True, slots=True)
class Heading:
    """What a conversation's pages say on top."""

    title: str
    customer: str
    channel: str
    icon: str
    reference: str
    opened: str
    url: str
    timeline_url: str
    list_url: str


def title_of(subject: str, title: str) -> str:
    return subject or title or "No subject"


def channel_words(label: str, name: str) -> str:
    """Email via Zoho, or just the channel's name when it says so already."""
    return name if not name or label.lower() in name.lower() else f"{label} via {name}"


def heading(conversation: Conversation, clock: Clock) -> Heading:
    channel = conversation.channel
    url = reverse("conversations:detail", args=[conversation.pk])
    return Heading(
        title=title_of(conversation.subject, conversation.title),
        customer=conversation.customer,
        channel=channel_words(channel.provided_by.label, channel.name) if channel else "Assistant",
        icon=channel.provided_by.icon if channel else "assist",
        reference=f"#{conversation.number}",
        opened=f"Opened {clock.stamp(conversation.started_at)}",
        url=url,
        timeline_url=f"{url}timeline/",
        list_url=reverse("conversations:list"),
    )


def message_view(
    message: Mapping[str, Any],
    clock: Clock,
    *,
    customer: str,
    account: str,
    address: str = "",
    may_correct: bool = False,
    may_fetch: bool = False,
) -> MessageView:
    """`address` is the customer's usual one: another sender is named. `may_correct`: whether the page offers to say that an
    automatic message is a person's; `may_fetch`: to try again for files that could not be fetched.

    `message` has the keys of `drafts.queue.panes`' thread, or of `Message` values of the same names."""
    sent_at = message["sent_at"]
    at = sent_at if isinstance(sent_at, datetime) else datetime.fromisoformat(sent_at)
    inbound = message["direction"] == "inbound"
    by = customer if inbound else "System" if message["direction"] == "system" else account
    full, new = message["text"] or "", message["new"] or ""
    notes = []
    if message.get("is_automatic"):
        notes.append("automatic")
    if message.get("erased_at"):
        full = full or "The text was removed under the retention rules."
    sender = message.get("sender") or ""
    if inbound and sender and not is_same(sender, address):
        # The name shown with an address is that address's own.
        by = message.get("sender_name") or sender
        if not is_same(sender, by):
            notes.append(sender)
    if not inbound and sender:  # a colleague, at the vendor
        by = message.get("sender_name") or sender
        notes.append("not from this desk")
    if inbound:
        notes += _envelope_notes(message, sender)
    shown = new if inbound and new else full
    return MessageView(
        id=str(message["id"]),
        by=by,
        initials=initials(by),
        avatar="" if inbound else " avatar--3",
        at=clock.stamp(at),
        at_iso=at.isoformat(timespec="seconds"),
        paragraphs=_paragraphs(shown),
        quoted=_paragraphs(_rest(full, shown)),
        notes=notes,
        files=[
            FileView.of(file["id"], file["name"], file["size"], file.get("verdict", ""))
            for file in message["files"] or ()
        ],
        all_files_url=reverse("conversations:all-files", args=[message["id"]])
        if len(message["files"] or ()) > 1
        else "",
        html_url=reverse("conversations:message-html", args=[message["id"]]) if message.get("has_html") else "",
        problems=list(message.get("problems") or ()),
        there=[(one["name"], _why_there(one)) for one in message.get("there") or ()],
        fetch_url=reverse("conversations:fetch-files", args=[message["id"]])
        if may_fetch and any(one.get("tries", 0) >= GAVE_UP for one in message.get("there") or ())
        else "",
        copied=_copied(message.get("cc") or ()) if inbound else "",
        person_url=reverse("conversations:by-a-person", args=[message["id"]])
        if may_correct and inbound and message.get("is_automatic") and not message.get("erased_at")
        else "",
    )


def _why_there(one: Mapping[str, Any]) -> str:
    """Why a file is not here, in words."""
    problem = one.get("problem", "")  # what is as it began is not written down
    if one.get("tries", 0) >= GAVE_UP:
        return f"could not be fetched: {problem}"
    return f"is being fetched; not yet: {problem}" if problem else "is being fetched"


def _envelope_notes(message: Mapping[str, Any], sender: str) -> list[str]:
    """Where the answer is wanted, and what the mail server says of its sender."""
    asked = [party["address"] for party in message.get("answer_to") or ()] or [message.get("reply_to") or ""]
    notes = []
    if any(one and not is_same(one, sender) for one in asked):
        notes.append(f"asks for the answer at {', '.join(asked[:3])}")
    if words := AuthenticationShape.model_validate(message.get("authentication") or {}).words:
        notes.append(words)
    return notes


def _copied(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
    return f"copy to {', '.join(addresses[:3])}{more}" if addresses else ""


def related_words(number: int | None, reason: str) -> str:
    """One line about a conversation that may be related, or whose thread was passed on."""
    if reason == RelatedConversation.Reason.FORWARDED:
        return f"The thread of one was forwarded in the other: #{number}."
    return f"Maybe related: #{number}. {RelatedConversation.Reason(reason).label}."


def _rest(full: str, shown: str) -> str:
    """The part of a message that the shown text leaves out."""
    if full.strip() == shown.strip():
        return ""
    return full[len(shown) :] if full.startswith(shown) else full


def _paragraphs(text: str) -> list[str]:
    return [part.strip("\n") for part in text.replace("\r\n", "\n").split("\n\n") if part.strip()]


def conversation_rows(found: Sequence[Mapping[str, Any]], clock: Clock, base_url: str) -> list[dict[str, Any]]:
    """Rows of the conversation list as text. `base_url` is the list's own address: a row's is below it."""
    return [
        {
            "url": f"{base_url}{row['id']}/",
            "take": f"{row['id']}:{row['last_inbound_message'] or ''}",
            "subject": title_of(row["subject"], row["title"]),
            "snippet": (row["snippet"] or "").replace("\n", " "),
            "who": row["customer_name"] or row["customer_email"] or "Customer",
            "icon": icon_of(row["channel__provider"], row["channel__type"]),
            "channel": row["channel__name"] or "",
            "labels": row.get("labels") or [],
            "state": state_of(row, clock),
            "due": due_words(row, clock),
            "owner": row["owner__display_name"] or (row["owner__email"] or "").partition("@")[0],
            "messages": row["message_count"],
            "at": clock.stamp(row["last_message_at"]) if row["last_message_at"] else "",
        }
        for row in found
    ]
