"""What practice pages show, as plain values; the draft and its evidence in the shapes of the review page's partials."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from django.urls import reverse

from conversations.models import Message, User
from conversations.views.present import MessageView
from conversations.views.words import Clock, initials, plural, span
from drafts.diffing import word_counts
from drafts.models import PracticeTurn, Scenario, ScoreCard
from drafts.models.rubric import Grades, Rubric, Span
from drafts.practice.progress import Line
from drafts.views.pane.evidence import Evidence, Source
from drafts.views.pane.reply import Check
from drafts.views.prose import Block, blocks, paragraphs

READY = 80  # a score from here on is "ready for the queue"
CHIPS = {"draft": "warn", "ready": "ok", "retired": ""}
MARKS = {"met": ("check", "", "Met"), "not_met": ("x", "no", "Not met"), "undecided": ("info", "q", "Undecided")}


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    title: str
    sub: str
    status: str
    chip: str
    runs: str
    last: int | None  # the person's own newest score
    start_url: str  # "" for one that is not ready
    open_url: str  # the person's own open practice of it
    edit_url: str

    @classmethod
    def of(cls, one: Scenario, *, runs: int, last: int | None, open_one: uuid.UUID | None) -> ScenarioRow:
        origin = "From a real conversation, names taken out" if one.mined_from_id else "Written by your team"
        if one.mined_from_id and one.status == Scenario.Status.DRAFT:
            origin = "From a real conversation: a person must look through it"
        return cls(
            title=one.title,
            sub=f"{one.persona_name} · {one.get_language_display()} · {origin}",
            status=one.get_status_display(),
            chip=CHIPS[one.status],
            runs=plural(runs, "run") if runs else "not run yet",
            last=last,
            start_url=reverse("drafts:start-practice", args=[one.pk]) if one.status == "ready" else "",
            open_url=reverse("drafts:practise", args=[open_one]) if open_one else "",
            edit_url=reverse("drafts:scenario", args=[one.pk]),
        )


@dataclass(frozen=True, slots=True)
class CardRow:
    title: str
    at: str
    total: int | None
    url: str

    @classmethod
    def of(cls, card: ScoreCard, clock: Clock) -> CardRow:
        url = reverse("drafts:practice-score", args=[card.session_id])
        return cls(card.scenario.title or "Erased scenario", clock.stamp(card.scored_at), card.total, url)


@dataclass(frozen=True, slots=True)
class ProgressLine:
    name: str
    points: str  # of a polyline in a box of 100 by 20
    said: str
    shares: list[str]
    now: str

    @classmethod
    def of(cls, line: Line) -> ProgressLine:
        known = [(n, share) for n, share in enumerate(line.shares) if share is not None]
        step = 96 / max(1, len(line.shares) - 1)
        places = [(round(2 + step * n, 1), round(17 - share * 0.14, 1)) for n, share in known]
        if len(places) == 1:
            places = [(2, places[0][1]), (98, places[0][1])]
        shares = ["–" if share is None else str(share) for share in line.shares]
        return cls(
            name=line.name,
            points=" ".join(f"{x},{y}" for x, y in places),
            said=", ".join(shares),
            shares=shares,
            now="–" if line.now is None else str(line.now),
        )


@dataclass(frozen=True, slots=True)
class PracticeReply:
    """The drafter's draft, for `drafts/_draft.html`."""

    written: str
    blocks: list[Block]
    statements: int
    unsourced: int
    checks: list[Check]
    title: str = "Draft reply"
    act: str = ""
    html: str = ""
    not_answered: int = 0

    @classmethod
    def of(cls, turn: PracticeTurn) -> PracticeReply:
        numbers = {str(entry["passage"]): n for n, entry in enumerate(turn.sources, 1)}
        unsourced = sum(1 for one in turn.statements if not any(str(key) in numbers for key in one["sources"]))
        seconds = (turn.latency_ms or 0) / 1000
        checks = [Check("ok", "Goes to the persona only")]
        if unsourced:
            noun = "statement has" if unsourced == 1 else "statements have"
            checks.append(Check("warn", f"{unsourced} {noun} no source"))
        return cls(
            written=f"Written by the drafter, {seconds:.1f} s" if turn.suggested_text else "",
            blocks=blocks(turn.suggested_text, turn.statements, numbers),
            statements=len(turn.statements),
            unsourced=unsourced,
            checks=checks,
        )


def evidence_of(turn: PracticeTurn, reply: PracticeReply, scenario: Scenario, clock: Clock) -> Evidence:
    """Beside the draft, as beside one in the queue."""
    sourced = reply.statements - reply.unsourced
    verb = "has" if reply.statements == 1 else "have"
    return Evidence(
        questions=[],
        told=[],
        support=f"{sourced} of {plural(reply.statements, 'statement')} {verb} a source"
        if reply.statements
        else "It states no facts",
        notes=[],
        meter=[True] * sourced + [False] * reply.unsourced,
        figure="Practice counts in no figure",
        sources=[Source.of(n, entry, clock) for n, entry in enumerate(turn.sources, 1)],
        customer=None,
        facts=[("Played", f"{scenario.persona_name}, by the assistant"), ("Language", scenario.get_language_display())],
        related=[],
        merged=[],
        provenance=[],
    )


def message_of(
    message: Message, turn: PracticeTurn | None, scenario: Scenario, user: User, clock: Clock
) -> MessageView:
    mine = message.role == Message.Role.USER
    by = user.name if mine else scenario.persona_name
    return MessageView(
        id=str(message.pk),
        by="You" if mine else by,
        initials=initials(by),
        avatar=" avatar--3" if mine else "",
        at=clock.stamp(message.sent_at),
        at_iso=message.sent_at.isoformat(timespec="seconds"),
        paragraphs=paragraphs(message.body_text) or ["The text was removed."],
        quoted=[],
        notes=[decision_words(turn)] if turn else [],
        files=[],
        lang=scenario.language,
    )


def decision_words(turn: PracticeTurn) -> str:
    if turn.decision != PracticeTurn.Decision.EDITED or not turn.operations:
        return turn.get_decision_display().lower()
    out, into = word_counts(turn.operations)
    return f"edited, {plural(out + into, 'word')}"


def outcome_words(reason: str, scenario: Scenario) -> str:
    name = scenario.first_name or "The customer"
    return {
        "resolved": f"{name} got what they came for.",
        "impatient": f"{name} gave up.",
    }.get(reason, f"You ended the talk before {name} was content.")


def took(turns: Sequence[PracticeTurn], clock: Clock) -> str:
    if not turns:
        return "Nothing was answered."
    spent = sum(
        ((one.answered_at - one.drafted_at) for one in turns if one.answered_at and one.drafted_at), timedelta()
    )
    ended = turns[-1].answered_at
    return f"{plural(len(turns), 'answer')} in {span(spent)} · {clock.stamp(ended) if ended else ''} ·"


def compared(cards: Sequence[ScoreCard], card: ScoreCard) -> str:
    """With the person's practice before this one, and how far it is to `READY`."""
    if card.total is None:
        return "Nothing in it was decided, so it counts nowhere."
    before = [one.total for one in cards if one.pk < card.pk and one.total is not None]
    parts = []
    if before:
        more = card.total - before[-1]
        parts.append(
            "As good as last time." if not more else f"{abs(more)} {'better' if more > 0 else 'less'} than last time."
        )
    parts.append(
        "Ready for the queue." if card.total >= READY else f"{READY - card.total} more and you are ready for the queue."
    )
    return " ".join(parts)


def chart(cards: Sequence[ScoreCard]) -> dict[str, object]:
    """The totals as places in a box of 300 by 100, the newest last."""
    totals = [card.total for card in cards if card.total is not None][-8:]
    step = 276 / max(1, len(totals) - 1)
    dots = [(round(12 + step * n, 1), round(92 - total * 0.84, 1)) for n, total in enumerate(totals)]
    return {
        "points": " ".join(f"{x},{y}" for x, y in dots),
        "dots": dots[:-1],
        "now": dots[-1] if dots else None,
        "band": round(92 - READY * 0.84, 1),
        "said": ", ".join(map(str, totals)),
        "ready": READY,
    }


@dataclass(frozen=True, slots=True)
class GradeView:
    name: str
    weight: int
    icon: str
    tone: str
    word: str
    outcome: str
    says: str
    places: list[tuple[int, Span]]  # number of the evidence, and where


def grades(card: ScoreCard, scenario: Scenario, turns: Sequence[PracticeTurn]) -> list[GradeView]:
    """The criteria of a score in the rubric's order; their places are numbered through."""
    rubric = Rubric.model_validate(scenario.rubric).root if scenario.rubric else []
    texts = {turn.number: turn for turn in turns}
    found, number = [], 0
    for at, one in enumerate(Grades.model_validate(card.criteria).root):
        places = []
        for each in one.evidence:
            number += 1
            places.append((number, each))
        icon, tone, word = MARKS[one.outcome]
        name = rubric[at].name if at < len(rubric) else one.kind
        says = _says(one.outcome, one.kind, one.evidence, texts)
        found.append(GradeView(name, one.weight, icon, tone, word, one.outcome, says, places))
    return found


def _says(outcome: str, kind: str, evidence: Sequence[Span], turns: dict[int, PracticeTurn]) -> str:
    """What was found, in a sentence that quotes it."""
    if outcome == "undecided":
        return "Nothing in this talk decided it, so it does not count."
    if not evidence:
        return "None of your answers does."
    first = evidence[0]
    turn = turns.get(first.turn)
    text = "" if turn is None else turn.suggested_text if first.of == "draft" else turn.final_text
    quote = " ".join(text[first.start : first.end].split())
    if not quote:
        return "The text it rests on was removed."
    shown = quote if len(quote) <= 90 else f"{quote[:88].rsplit(' ', 1)[0]} …"
    if kind == "catches":
        kept = "You took it out." if outcome == "met" else "You let it through."
        return f"Draft {first.turn} said “{shown}” {kept}"
    if kind in ("never_says", "no_promise", "within") and first.start == 0 and first.end == len(text):
        return f"Looked through: {plural(len({span_.turn for span_ in evidence}), 'answer')}."
    return f"Answer {first.turn}: “{shown}”"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer: plain, or marked by what was found there, with the numbers of the evidence that ends here."""

    text: str
    mark: str = ""  # "met", "not"
    numbers: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AnsweredView:
    number: int
    at: str
    decision: str
    paragraphs: list[list[Piece]]
    draft: list[list[Piece]]  # of the draft, where evidence stands in it

    @classmethod
    def of(cls, turn: PracticeTurn, graded: Sequence[GradeView], clock: Clock) -> AnsweredView:
        of_draft = _marked(turn.suggested_text, turn.number, graded, "draft")
        return cls(
            number=turn.number,
            at=clock.time(turn.answered_at) if turn.answered_at else "",
            decision=decision_words(turn),
            paragraphs=_marked(turn.final_text, turn.number, graded, "reply"),
            draft=of_draft if any(piece.mark for paragraph in of_draft for piece in paragraph) else [],
        )


def _marked(text: str, turn: int, graded: Sequence[GradeView], of: str) -> list[list[Piece]]:
    """The text cut where evidence begins or ends, in paragraphs. What spans all of it marks nothing."""
    spans = [
        (place.start, place.end, number, grade.outcome)
        for grade in graded
        for number, place in grade.places
        if place.turn == turn and place.of == of
    ]
    whole = [one for one in spans if of == "reply" and one[0] == 0 and one[1] == len(text)]
    inside = [one for one in spans if one not in whole]
    breaks = [at for at in range(len(text)) if text[at] == "\n"]
    cuts = sorted({0, len(text), *breaks, *(b + 1 for b in breaks), *(at for one in inside for at in one[:2])})
    out: list[list[Piece]] = [[]]
    for start, end in pairwise(cuts):
        if text[start:end] == "\n":
            out.append([])
            continue
        over = [one for one in inside if one[0] <= start and end <= one[1]]
        mark = "" if not over else "not" if any(one[3] == "not_met" for one in over) else "met"
        ends = tuple((one[2], "no" if one[3] == "not_met" else "") for one in over if one[1] == end)
        out[-1].append(Piece(text[start:end], mark, ends))
    found = [paragraph for paragraph in out if any(piece.text.strip() for piece in paragraph)]
    if whole and found:
        numbers = tuple((one[2], "no" if one[3] == "not_met" else "") for one in whole)
        found[-1].append(Piece("", "", numbers))
    return found
