"""What the desk shows, as plain values: filters, rows, and the words that several pages share. No query happens here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict
from urllib.parse import parse_qsl

from conversations.channels.registry import icon_of
from conversations.views.present import title_of
from conversations.views.words import Clock, initials, span
from conversations.web.bidi import isolated
from drafts.queue import COUNT_CAP, Filters

UNCHANGED = 60  # characters of unchanged text kept on either side of a change
SOON = timedelta(minutes=15)

#: Why a person should look twice (`needs_human` codes of the drafter), as a tag: words and colour, most urgent first.
NEEDS = {
    "sender": ("Sender not proved", "tag--bad"),
    "safety": ("Safety", "tag--bad"),
    "legal": ("Legal", "tag--bad"),
    "privacy": ("Personal data", "tag--bad"),
    "furious": ("Furious", "tag--bad"),
    "refund": ("Refund", "tag--bad"),
    "injection": ("Planted text", "tag--bad"),
    "upset": ("Upset", "tag--warn"),
    "person": ("Asks for a person", "tag--warn"),
    "no_source": ("No source", "tag--warn"),
    "order": ("Order", ""),
    "language": ("Language", ""),
}
#: Words for `decisions.REASONS`: why a draft was edited or rejected.
REASONS = {
    "unsupported_claim": "Unsupported claim",
    "missing_detail": "Missing detail",
    "tone": "Tone",
    "wrong_product": "Wrong product",
    "policy": "Policy",
}
MODES = {"focus"}


@dataclass(frozen=True, slots=True)
class DeskFilters(Filters):
    """The filters with how the desk is laid out: `mode` travels in the same query strings."""

    mode: str = ""

    @classmethod
    def read(cls, data: Any) -> DeskFilters:
        plain = Filters.read(data)
        mode = str(data.get("mode", ""))
        return cls(**{name: getattr(plain, name) for name in plain.__slots__}, mode=mode if mode in MODES else "")

    @classmethod
    def of_query(cls, query: str) -> DeskFilters:
        return cls.read(dict(parse_qsl(query[:300])))

    @property
    def query(self) -> str:
        own = Filters.query.fget(self)  # type: ignore[attr-defined]
        return "&".join(part for part in (own, f"mode={self.mode}" if self.mode else "") if part)

    @property
    def narrows(self) -> bool:
        """Whether drafts are hidden by it."""
        return bool(replace(self, mode="", sort="").query)


class Row(TypedDict):
    """One line of the queue: in words, so that the template has nothing to compute."""

    id: str
    url: str
    icon: str
    who: str
    channel: str
    due: str
    due_class: str
    subject: str
    snippet: str
    tag: str
    tag_class: str
    by: str
    by_name: str
    current: bool  # the draft that is open
    pick: bool  # whether it can be chosen for a batch


def due_words(due_at: datetime, clock: Clock) -> tuple[str, str]:
    """("4 min", "soon" | "late" | "calm"): how long is left, or how late it is."""
    left = due_at - clock.now
    if left < timedelta(0):
        return f"{span(-left)} late", "late"
    return span(left), "soon" if left < SOON else "calm"


def row(
    found: Mapping[str, Any], clock: Clock, base_url: str, tail: str = "", *, current: str = "", pick: bool = False
) -> Row:
    """`base_url` is the drafts' address, `tail` the filters as a query string with its question mark."""
    due, urgency = due_words(found["due_at"], clock)
    if found["snoozed_until"] and found["snoozed_until"] > clock.now:
        due, urgency = clock.stamp(found["snoozed_until"]), "calm"
    # The row's words stand in attributes too, where no <bdi> can be.
    who = isolated(found["conversation__customer_name"] or found["conversation__customer_email"] or "Customer")
    tag, tag_class = _tag(found["needs_human"], found["unsourced_count"], found["is_about_money"])
    holder = isolated(found["holder_name"] or found["holder_email"] or "")
    key = str(found["id"])
    return Row(
        id=key,
        url=f"{base_url}{key}/{tail}",
        icon=icon_of("", found["channel_type"]),
        who=who,
        channel=found["channel_name"],
        due=due,
        due_class="" if urgency == "calm" else f" row__due--{urgency}",
        subject=title_of(found["conversation__subject"], found["conversation__title"]),
        snippet=" ".join((found["snippet"] or "").split()),
        tag=tag,
        tag_class=tag_class,
        by=initials(holder) if holder else "",
        by_name=holder,
        current=key == current,
        pick=pick,
    )


def _tag(needs: Sequence[str], unsourced: int, money: bool) -> tuple[str, str]:
    for code, (words, colour) in NEEDS.items():
        if code in needs and colour == "tag--bad":
            return words, colour
    if money:
        return "Money", "tag--bad"
    if unsourced:
        return f"{unsourced} unsourced", "tag--warn"
    return next((NEEDS[code] for code in NEEDS if code in needs), ("", ""))


def count_words(count: int) -> str:
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count)


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    on: bool = False


def shortened(pieces: Iterable[tuple[str, str]]) -> list[Change]:
    """A rendered diff for reading: long unchanged stretches keep only their ends."""
    return [
        Change(
            kind, f"{text[:UNCHANGED]} … {text[-UNCHANGED:]}" if kind == "same" and len(text) > 3 * UNCHANGED else text
        )
        for kind, text in pieces
    ]
