"""Who gets the reply and which files go with it: what is shown, and what can be changed before anybody approves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conversations.messages import scanning
from conversations.views.present import FileView
from conversations.views.words import plural, size
from drafts.desk.recipients import Choice, other_recipient
from drafts.models import Draft


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address as a chip; `is_new`: neither the customer nor in the mail."""

    words: str
    kind: str  # "", "copy", "hidden copy"
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    chips: list[Recipient]
    lines: list[tuple[str, str, str]]  # name of the field, its label, its text; none where nothing can be changed
    typed: Mapping[str, str]  # what a refusal gives back, by field: it stands in the fields again
    subject: str  # to be changed where the reply answers nothing
    begins: bool
    instead: Choice | None  # whom the reply could go to as well
    quick: Choice | None  # everybody in the mail, or its writer alone
    is_formatted: bool
    may_format: bool
    signature: str
    files: list[FileView]
    size: str  # of all files
    takes_files: bool
    thread_files: list[tuple[str, str]]  # id and name of what came in the thread and is not attached

    @classmethod
    def of(cls, draft: Draft, envelope: Mapping[str, Any], *, may_change: bool, typed: Mapping[str, str]) -> Sending:
        channel = draft.conversation.channel
        provider = channel.provided_by if channel else None
        may_write_to = bool(may_change and provider and provider.by_address)
        takes_files = bool(may_change and provider and provider.limits.files)
        own: list[dict[str, Any]] = draft.own_files  # type: ignore[attr-defined]
        return cls(
            chips=_chips(draft, envelope),
            lines=[
                (f"{name}_line", label, _line(envelope.get(name, ())))
                for name, label in (("to", "To"), ("cc", "Copy"), ("bcc", "Hidden copy"))
            ]
            if may_write_to
            else [],
            typed=typed if may_write_to else {},
            subject=draft.subject,
            begins=draft.base_message_id is None,
            instead=other_recipient(draft) if may_change and channel else None,
            quick=_quick(draft, envelope) if may_write_to else None,
            is_formatted=draft.is_formatted,
            may_format=may_write_to,
            signature=str(envelope.get("signature", "")),
            files=[FileView.of(file["id"], file["name"], file["size"], file.get("verdict", "")) for file in own],
            size=f"{plural(len(own), 'file')}, {size(sum(file['size'] for file in own))}" if own else "",
            takes_files=takes_files,
            thread_files=_thread_files(draft, own) if takes_files else [],
        )

    @property
    def fields(self) -> list[tuple[str, str, str]]:
        """The lines as they stand in the form."""
        return [(name, label, self.typed.get(name, text)) for name, label, text in self.lines]

    @property
    def subject_typed(self) -> str:
        return self.typed.get("subject_line", self.subject)


def _chips(draft: Draft, envelope: Mapping[str, Any]) -> list[Recipient]:
    base = draft.base_message
    details = base.details if base else None
    known = {one.lower() for one in (details.sender, details.reply_to, *details.to, *details.cc)} if details else set()
    known |= {party.address.lower() for party in details.answer_to} if details else set()
    known.add(draft.conversation.customer_email.lower())
    return [
        Recipient(_written(party), kind, party["address"].lower() not in known)
        for name, kind in (("to", ""), ("cc", "copy"), ("bcc", "hidden copy"))
        for party in envelope.get(name, ())
    ]


def _quick(draft: Draft, envelope: Mapping[str, Any]) -> Choice | None:
    """One press between everybody who is in the mail and its writer alone."""
    if draft.base_message is None or draft.to_forwarded:
        return None
    if envelope["cc"] or envelope.get("bcc"):
        return Choice("alone", "Without copies")
    others = len(draft.base_message.details.to) + len(draft.base_message.details.cc) > 1
    return Choice("all", "Reply to all") if others else None


def _written(party: Mapping[str, str]) -> str:
    return f"{party['name']} <{party['address']}>" if party.get("name") else party["address"]


def _line(parties: Any) -> str:
    """As a person would type it. What is read from it again are these addresses and no others, whatever a name has in it: names
    come from strangers, and one of `x" <thief@evil.test>, "y` is no second recipient."""
    return "; ".join(
        f"{_quoted(name)} <{party['address']}>" if (name := _plain(party)) else party["address"] for party in parties
    )


def _plain(party: Mapping[str, str]) -> str:
    """The name without the signs that part addresses, end quotes, or begin a group."""
    return " ".join(re.sub(r'["\\;:]', " ", party.get("name", "")).split())


def _quoted(name: str) -> str:
    return f'"{name}"' if set(name) & set(",<>@()[]") else name


def _thread_files(draft: Draft, own: list[dict[str, Any]]) -> list[tuple[str, str]]:
    there = {file["name"] for file in own}
    found = [file for entry in draft.thread for file in entry["files"] if not file.get("inline")]  # type: ignore[attr-defined]
    may = [file for file in found if file["name"] not in there and not scanning.why_not(file.get("verdict", ""))]
    return [(str(file["id"]), file["name"]) for file in may][:20]
