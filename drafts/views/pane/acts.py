"""What this person can do with a draft: what is drawn, where each press goes, what the toolbar and its forms say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from conversations.messages.outbox import UNTIL_RELEASED
from conversations.people.roles import Verb
from conversations.views.words import Clock
from conversations.web.bidi import isolated
from drafts.desk.after import Sent
from drafts.desk.life import REASONS as REASONS_TO_CLOSE
from drafts.desk.text import fetched_text
from drafts.models import ACTS, BY_A_PERSON, NOTHING_ASKED, Draft
from drafts.views.pane.desk import Desk
from drafts.views.pane.reply import Reply
from drafts.views.present import REASONS, Choice
from drafts.writing.registry import follows_instructions


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
    close: bool = False
    take_over: bool = False
    keep: bool = False
    assist: bool = False

    @property
    def any(self) -> bool:
        return self.approve or self.edit or self.reject or self.regenerate

    def opens(self, form: str) -> bool:
        """Whether this form of the pane is theirs to fill in."""
        forms = {"edit": self.edit, "reject": self.reject, "redraft": self.regenerate, "snooze": self.snooze}
        return forms.get(form, form == "handover" and self.claim)

    @classmethod
    def of(cls, draft: Draft, desk: Desk) -> Can:
        may = desk.may
        approve = desk.policy.answer(desk.role, Verb.APPROVE, fetched_text(draft).kind).allowed
        if draft.status == Draft.Status.STALE:
            return cls(approve=approve, regenerate=may(Verb.REGENERATE), keep=may(Verb.EDIT), assist=may(Verb.ASSIST))
        if draft.status != Draft.Status.PENDING:
            return cls(assist=may(Verb.ASSIST))
        return cls(
            approve=approve,
            edit=may(Verb.EDIT),
            reject=may(Verb.REJECT),
            regenerate=may(Verb.REGENERATE) and draft.base_message_id is not None,
            snooze=may(Verb.SNOOZE),
            claim=may(Verb.CLAIM),
            elsewhere=may(Verb.ANSWER_ELSEWHERE),
            close=may(Verb.CLOSE),
            take_over=may(Verb.TAKE_OVER),
            keep=may(Verb.EDIT),
            assist=may(Verb.ASSIST),
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
    readdress: str
    files: str
    format: str
    snooze: str
    claim: str
    release: str
    handover: str
    ask: str
    give: str
    progress: str
    hold_on: str
    elsewhere: str
    no_answer: str
    keep: str
    reopen: str
    queue: str
    next: str
    prev: str
    conversation: str
    assistant: str
    timeline: str

    @classmethod
    def of(cls, draft: Draft, desk: Desk) -> Urls:
        query = desk.filters.query
        own = f"{desk.drafts_url}{draft.pk}/"
        conversation = f"{desk.conversations_url}{draft.conversation_id}/"
        listed = f"{desk.queue_url}?{query}" if query else desk.queue_url
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
                    "readdress",
                    "files",
                    "format",
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
            no_answer=f"{own}no-answer/",
            queue=listed,
            next=f"{listed}{sign}next={draft.pk}",
            prev=f"{listed}{sign}prev={draft.pk}",
            conversation=conversation,
            assistant=f"{conversation}assistant/",
            timeline=f"{conversation}timeline/",
        )


@dataclass(frozen=True, slots=True)
class More:
    label: str
    url: str
    act: str
    icon: str


@dataclass(frozen=True, slots=True)
class Toolbar:
    """The decisions under the draft, in words."""

    approve: str
    blocked: str  # why Approve is drawn but cannot be pressed
    elsewhere_first: bool  # it cannot be sent from here, so the way on is another one
    closes: bool  # nothing is asked: closing is the first thing offered
    more: list[More]
    hold: str
    follows: str  # the customer of the next draft
    readonly: str
    sent: list[tuple[str, str]]  # what may follow an approval

    @classmethod
    def of(
        cls, draft: Draft, desk: Desk, reply: Reply, can: Can, urls: Urls, *, editing: bool, confirm: bool, follows: str
    ) -> Toolbar:
        return cls(
            approve="Press again: send anyway" if confirm else "Approve the edit" if editing else "Approve and send",
            blocked=_blocked(draft, desk, reply, can, editing) if can.any else "",
            elsewhere_first=bool(reply.problems) and can.elsewhere,
            closes=draft.act == NOTHING_ASKED and can.close and not editing,
            more=_more(draft, desk, reply, can, urls),
            hold=_hold_words(desk.hold_seconds),
            follows=follows,
            readonly=_readonly(draft),
            sent=[(one.value, one.label) for one in Sent] if can.approve and not reply.promises else [],
        )


def _blocked(draft: Draft, desk: Desk, reply: Reply, can: Can, editing: bool) -> str:
    holder = draft.holder  # type: ignore[attr-defined]
    newer = draft.base_message_id != draft.conversation.last_inbound_message_id
    if newer or draft.status == Draft.Status.STALE:
        return "Answer the new message first"
    if not (reply.text or editing):
        return "Write the reply first"
    if reply.problems:
        return "This reply cannot be sent: see above"
    if holder and str(holder["user_id"]) != str(desk.user.pk):
        return f"Approve is off while {isolated(holder['name'] or holder['email'].partition('@')[0])} works on it"
    if not can.approve:
        return "Your role may not approve this one; a reviewer can" if can.edit else ""
    return ""


def _more(draft: Draft, desk: Desk, reply: Reply, can: Can, urls: Urls) -> list[More]:
    items = []
    if can.edit and draft.model_key == BY_A_PERSON and draft.status == Draft.Status.PENDING:
        items.append(More("Discard", f"{urls.detail}discard/", "discard", "x"))
    if can.elsewhere and not reply.problems:
        items.append(More("Answered elsewhere", urls.elsewhere, "elsewhere", "check"))
    holder = draft.holder  # type: ignore[attr-defined]
    if can.claim and not holder:
        items.append(More("Claim", urls.claim, "claim", "lock"))
    elif can.claim and str(holder["user_id"]) == str(desk.user.pk):
        items.append(More("Release", urls.release, "release", "lock"))
    return items


def _hold_words(seconds: int) -> str:
    if seconds <= 0:
        return "Sends at once"
    return "Waits until you send it" if seconds >= UNTIL_RELEASED else f"Undo for {seconds} s"


def _readonly(draft: Draft) -> str:
    if draft.status == Draft.Status.PENDING:
        return "You can read and export. Decisions are made by reviewers."
    return f"This draft is {draft.get_status_display().lower()}: there is nothing left to decide."


@dataclass(frozen=True, slots=True)
class Forms:
    """What can be picked in the forms that open under the draft."""

    reasons: list[Choice]
    snoozes: list[Choice]
    colleagues: list[Choice]
    outcomes: list[Choice]
    dues: list[Choice]
    acts: list[tuple[str, str]]
    follows_instructions: bool

    @classmethod
    def of(cls, clock: Clock, colleagues: Sequence[tuple[str, str]]) -> Forms:
        return cls(
            outcomes=[Choice(str(one.value), str(one.label)) for one in REASONS_TO_CLOSE],
            dues=_dues(clock),
            acts=ACTS,
            follows_instructions=follows_instructions(),
            reasons=[Choice(value, label) for value, label in REASONS.items()],
            snoozes=_snoozes(clock),
            colleagues=[Choice(pk, name) for pk, name in colleagues],
        )


def _dues(clock: Clock) -> list[Choice]:
    morning = (clock.local(clock.now) + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    choices = [("today in 4 hours", clock.now + timedelta(hours=4)), ("tomorrow 10:00", morning)]
    choices += [("in 3 days", morning + timedelta(days=2)), ("in a week", morning + timedelta(days=6))]
    return [Choice(at.isoformat(timespec="minutes"), label) for label, at in choices]


def _snoozes(clock: Clock) -> list[Choice]:
    local = clock.local(clock.now)
    morning = (local + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    hours = [("1 hour", clock.now + timedelta(hours=1)), ("4 hours", clock.now + timedelta(hours=4))]
    choices = [*hours, ("Tomorrow 9:00", morning), ("In a week", morning + timedelta(days=6))]
    return [Choice(at.isoformat(timespec="minutes"), label) for label, at in choices]
