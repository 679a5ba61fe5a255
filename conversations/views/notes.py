"""Internal notes among the messages of a conversation, as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.urls import reverse

from conversations.models import Conversation, Note
from conversations.views.present import MessageView
from conversations.views.words import Clock, initials

#: Of a note, what its view needs.
FIELDS = (
    "id",
    "conversation_id",
    "author_id",
    "author_name",
    "text",
    "mentions",
    "created_at",
    "removed_at",
    "erased_at",
)


@dataclass(frozen=True, slots=True)
class NoteView:
    """One note. `paragraphs` are pieces of text, each with whether it names a colleague."""

    is_note: ClassVar[bool] = True

    id: str
    by: str
    initials: str
    at: str
    at_iso: str
    moment: datetime
    paragraphs: list[list[tuple[str, bool]]]
    gone: str = ""
    remove_url: str = ""


def note_view(note: Mapping[str, Any], clock: Clock, *, reader: str = "") -> NoteView:
    """`note` has `FIELDS`, from a row or from a query's JSON. `reader` is who may take their own back."""
    at = note["created_at"]
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    gone = "The note was taken back by its author." if note["removed_at"] else ""
    if note["erased_at"] and not gone:
        gone = "The text was removed under the retention rules."
    address = [note["conversation_id"], note["id"]]
    return NoteView(
        id=str(note["id"]),
        by=note["author_name"],
        initials=initials(note["author_name"]),
        at=clock.stamp(moment),
        at_iso=moment.isoformat(timespec="seconds"),
        moment=moment,
        paragraphs=[_pieces(part, note["mentions"]) for part in note["text"].split("\n\n") if part.strip()],
        gone=gone,
        remove_url=reverse("drafts:remove-note", args=address)
        if reader and not gone and str(note["author_id"]) == reader
        else "",
    )


def notes_of(
    family: Sequence[Conversation], clock: Clock, *, reader: str = "", since: datetime | None, before: datetime | None
) -> list[NoteView]:
    """The notes of a part of these threads, oldest first; None: from its beginning, to its end."""
    notes = Note.objects.filter(conversation__in=family)
    if since:
        notes = notes.filter(created_at__gte=since)
    if before:
        notes = notes.filter(created_at__lt=before)
    found = notes.order_by("-created_at", "-id").values(*FIELDS)[:200]
    return [note_view(note, clock, reader=reader) for note in reversed(found)]


def among(messages: Iterable[tuple[datetime, MessageView]], notes: Iterable[NoteView]) -> list[MessageView | NoteView]:
    """One timeline: each note after the messages that had arrived when it was written. Messages keep their own order."""
    out: list[MessageView | NoteView] = []
    waiting = list(notes)
    for arrived, message in messages:
        while waiting and waiting[0].moment < arrived:
            out.append(waiting.pop(0))
        out.append(message)
    return [*out, *waiting]


def _pieces(text: str, mentions: Mapping[str, str]) -> list[tuple[str, bool]]:
    if not mentions:
        return [(text, False)]
    names = "|".join(re.escape(name) for name in sorted(mentions, key=len, reverse=True))
    return [(piece, piece in mentions) for piece in re.split(f"({names})", text) if piece]
