"""What the desk shows, as plain values: rows, the review pane, banners, the outbox strip. No query happens here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict
from urllib.parse import parse_qsl

from conversations.bidi import isolated
from conversations.channels.registry import icon_of
from conversations.models import Role
from conversations.roles import Policy, Verb
from conversations.views.present import FileView, MessageView, title_of
from conversations.views.words import Clock, initials, span
from drafts.desk.text import fetched_text
from drafts.models import Draft
from drafts.queue import COUNT_CAP, Filters
from drafts.views.prose import Block

UNCHANGED = 60  # characters of unchanged text kept on either side of a change
SOON = timedelta(minutes=15)
OLD_SOURCE = timedelta(days=30)

#: Why a person should look twice (`needs_human` codes of the drafter), as a tag: words and colour, most urgent first.
NEEDS = {
    "sender": ("Sender not proved", "tag--bad"),
    "safety": ("Safety", "tag--bad"),
    "legal": ("Legal", "tag--bad"),
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
    """One line of the queue: text only, so that the template has nothing to compute."""

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


def due_words(due_at: datetime, clock: Clock) -> tuple[str, str]:
    """("4 min", "soon" | "late" | "calm"): how long is left, or how late it is."""
    left = due_at - clock.now
    if left < timedelta(0):
        return f"{span(-left)} late", "late"
    return span(left), "soon" if left < SOON else "calm"


def row(found: Mapping[str, Any], clock: Clock, base_url: str, tail: str = "") -> Row:
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
class Action:
    """A button of a banner: a link, or a submit of the pane's form when `post`. `key` is the act whose cap it shows."""

    label: str
    url: str
    post: bool = False
    act: str = ""
    key: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Both:
    """Two people's texts: theirs as saved, and the other's, marked with what differs from theirs."""

    theirs: list[str]
    theirs_by: str
    yours: list[Change]


@dataclass(frozen=True, slots=True)
class Banner:
    kind: str
    icon: str
    title: str
    text: str
    actions: tuple[Action, ...] = ()
    alert: bool = False
    both: Both | None = None
    poll: str = ""  # asked every second for this banner anew
    prose: tuple[str, ...] = ()  # paragraphs, while they are being written
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceView:
    n: int
    title: str
    quote: str
    url: str
    age: str
    old: bool
    cited: bool


@dataclass(frozen=True, slots=True)
class Check:
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


@dataclass(frozen=True, slots=True)
class More:
    label: str
    url: str
    act: str
    icon: str


@dataclass(frozen=True, slots=True)
class Can:
    """What the person may press on this draft. The verbs ask again; this only decides what is drawn."""

    approve: bool = False
    edit: bool = False
    reject: bool = False
    regenerate: bool = False
    snooze: bool = False
    claim: bool = False
    elsewhere: bool = False
    take_over: bool = False
    keep: bool = False

    @property
    def any(self) -> bool:
        return self.approve or self.edit or self.reject or self.regenerate

    def opens(self, form: str) -> bool:
        """Whether this form of the pane is theirs to fill in."""
        forms = {"edit": self.edit, "reject": self.reject, "redraft": self.regenerate, "snooze": self.snooze}
        return forms.get(form, form == "handover" and self.claim)

    @classmethod
    def of(cls, policy: Policy, role: Role | None, draft: Draft) -> Can:
        def may(verb: Verb) -> bool:
            return policy.answer(role, verb).allowed

        approve = policy.answer(role, Verb.APPROVE, fetched_text(draft).kind).allowed
        if draft.status == Draft.Status.STALE:
            return cls(approve=approve, regenerate=may(Verb.REGENERATE), keep=may(Verb.EDIT))
        if draft.status != Draft.Status.PENDING:
            return cls()
        return cls(
            approve=approve,
            edit=may(Verb.EDIT),
            reject=may(Verb.REJECT),
            regenerate=may(Verb.REGENERATE),
            snooze=may(Verb.SNOOZE),
            claim=may(Verb.CLAIM),
            elsewhere=may(Verb.ANSWER_ELSEWHERE),
            take_over=may(Verb.TAKE_OVER),
            keep=may(Verb.EDIT),
        )


@dataclass(frozen=True, slots=True)
class Urls:
    """Addresses of one draft. Built from its id: a `reverse` per button would cost more than the page."""

    detail: str
    extra: str
    approve: str
    edit: str
    reject: str
    regenerate: str
    snooze: str
    claim: str
    release: str
    handover: str
    ask: str
    give: str
    progress: str
    hold_on: str
    elsewhere: str
    keep: str
    reopen: str
    queue: str
    next: str
    prev: str
    conversation: str
    timeline: str

    @classmethod
    def of(cls, draft: Draft, *, base: str, queue: str, conversations: str, query: str) -> Urls:
        own = f"{base}{draft.pk}/"
        conversation = f"{conversations}{draft.conversation_id}/"
        listed = f"{queue}?{query}" if query else queue
        sign = "&" if query else "?"
        return cls(
            detail=own,
            extra=f"&{query}" if query else "",
            **{
                verb: f"{own}{verb}/"
                for verb in (
                    "approve",
                    "edit",
                    "reject",
                    "regenerate",
                    "snooze",
                    "claim",
                    "release",
                    "keep",
                    "reopen",
                    "handover",
                    "ask",
                    "give",
                    "progress",
                )
            },
            hold_on=f"{own}keep-claim/",
            elsewhere=f"{own}answered-elsewhere/",
            queue=listed,
            next=f"{listed}{sign}next={draft.pk}",
            prev=f"{listed}{sign}prev={draft.pk}",
            conversation=conversation,
            timeline=f"{conversation}timeline/",
        )


@dataclass(frozen=True, slots=True)
class Pane:
    """Everything of the review pane."""

    id: str
    urls: Urls
    can: Can
    title: str
    customer: str
    icon: str
    channel: str
    reference: str
    due: str
    due_class: str
    presence: list[dict[str, str]]
    hidden: list[tuple[str, str]]
    recipients: str
    earlier: list[MessageView]
    latest: list[MessageView]
    has_draft: bool
    no_draft: str
    draft_title: str
    written: str
    text: str
    blocks: list[Block]
    statements: int
    unsourced: int
    second: str
    original: str
    draft_files: list[FileView]
    checks: list[Check]
    sources: list[SourceView]
    support: str
    support_notes: list[str]
    meter: list[bool]
    customer_facts: list[tuple[str, str]]
    related: list[tuple[str, str]]
    provenance: list[tuple[str, str, bool]]
    hold_note: str
    approve_label: str
    readonly_note: str
    edit_reasons: list[Choice]
    reject_reasons: list[Choice]
    snoozes: list[Choice]
    more: list[More]
    do: str = ""
    banner: Banner | None = None
    blocked: str = ""
    own_text: str = ""
    kept: list[Block] = field(default_factory=list)
    saved: str = ""
    field_error: str = ""
    changes: list[Change] = field(default_factory=list)
    change_counts: str = ""
    colleagues: list[Choice] = field(default_factory=list)
    figure: str = ""
    stamp: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)  # the person's key caps, by act
    follows: str = ""

    @property
    def editing(self) -> bool:
        return self.do == "edit"
