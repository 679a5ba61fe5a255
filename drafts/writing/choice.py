"""What of the sources answers what was asked, and how much of it is quoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from drafts.writing.letter import Quote
from drafts.writing.markdown import NAME_ENDS, Kind
from drafts.writing.relevance import Ask, Candidate
from ingestion.knowledge.words import terms

ENOUGH = 0.48
"""A piece that is worth less (`_worth_of`) is no answer. Chosen on the halves for choosing of four sets of questions (docs/quality.md);
a lower one answers more questions, and more of those that no page answers."""
LEAD, MAX_LEAD, UNKNOWN_LEAD = 1.0, 0.2, 0.1
"""What the lead over the next document counts, how much of it, and what stands for it where there is no other document."""
ALONE = 0.22  # of its own a question must have so much, whatever the message around it is about
AT_HAND = 0.06  # so much less is enough for a piece of a document that answers another question of the message
UNCLEAR = 0.62  # what is enough where the message says so little that it should rather be asked back
CLOSE = 0.80  # another piece of the passage joins the best one from this share of its score,
MIN_SCORE = 0.42  # if it has so much itself,
CONTINUED = 0.68  # and the one right after it from this share: it usually goes on about the same
MAX_ALSO = 3
SHORT_BLOCK = 400  # characters; of so short a paragraph all is quoted
BESIDE = 0.6  # that is worth this share of the best
MAX_LIST = 10  # items; of a longer one only those that answer are quoted

_NEEDS_CONTEXT = re.compile(
    r"(?:it|its|this|that|they|their|these|those|he|she|then|there|otherwise|instead|also|however|but|and|so|above|below"
    r"|after that|if (?:it|they|not|so)|the same|in that case|both|either)\b",
    re.IGNORECASE,
)
Unit = list[Candidate]  # what is quoted together or not at all


def choose(
    asks: Sequence[Ask],
    scored: Sequence[Candidate],
    *,
    most: int,
    settled: Collection[Ask] = (),
    enough: float | None = None,
) -> tuple[list[Quote], list[Ask]]:
    """(what to quote, in the order of the asks and then as the passage has it; the asks without an answer).

    At most ``most`` pieces, where a list counts as one. ``settled`` asks are answered otherwise.
    """
    enough = ENOUGH if enough is None else enough
    rows = [row for row, ask in enumerate(asks) if ask not in settled]
    units = {row: _answer(asks[row], row, scored, enough) for row in rows}
    # What answers one question of a letter makes it likely that the same page answers the next.
    at_hand = {unit[0].source.document_id for found in units.values() for unit in found}
    for row in rows:
        if not units[row] and at_hand:
            near = [each for each in scored if each.source.document_id in at_hand]
            units[row] = _answer(asks[row], row, near, enough - AT_HAND, among=scored)
    chosen: dict[tuple[UUID, int], Candidate] = {}
    count = 0
    for row in rows:
        for n, unit in enumerate(units[row]):
            new = {_place(each): each for each in unit if _place(each) not in chosen}
            said = {each.text for each in chosen.values()}
            # The piece that answers is quoted however many questions came before it; only what stands beside it is counted out.
            if new and (count < most or n == 0) and not said & {each.text for each in new.values()}:
                count += 1 if unit[0].piece.group else len(new)
                chosen |= new
    passages = list(dict.fromkeys(passage for passage, _ in chosen))
    ordered = sorted(chosen.values(), key=lambda each: (passages.index(each.source.passage_id), each.position))
    quotes = [Quote(each.source, each.text, each.piece) for each in ordered]
    return quotes, [asks[row] for row in rows if not units[row]]


def _answer(
    ask: Ask, row: int, scored: Sequence[Candidate], enough: float, *, among: Sequence[Candidate] | None = None
) -> list[Unit]:
    """The best piece that is worth enough, and what of its passage goes with it; nothing where no piece is."""
    by_place = {_place(each): each for each in scored}
    worth = _worth_of(row, among or scored)
    # Ties go to the better found passage, then to the earlier piece: the order must not depend on chance.
    ranked = sorted(scored, key=lambda c: (-c.scores[row], -c.source.score, str(c.source.passage_id), c.position))
    worthy = (each for each in ranked if worth(each) >= enough and each.own(row) >= ALONE)
    best, unit = next(((each, unit) for each in worthy if (unit := _unit(each, by_place))), (None, []))
    if best is None:
        return []
    also = _beside(best, row, ask, unit, ranked)
    return [unit, *(_unit(each, by_place) for each in also)]


def _beside(best: Candidate, row: int, ask: Ask, unit: Unit, ranked: Sequence[Candidate]) -> list[Candidate]:
    """What of its passage joins the best piece: all that stands with it under one heading where that is short, because a rule without
    its condition is half of an answer; else what is about as good, and what goes on right after it."""
    top, mine = best.scores[row], [c for c in ranked if c.source.passage_id == best.source.passage_id]
    if not best.piece.group:
        block = [c for c in mine if c.piece.block == best.piece.block and c.piece.heading == best.piece.heading]
        if len(best.piece.block) <= SHORT_BLOCK and not any(c.piece.group for c in block):
            goes_on = best.position + 1  # "It must be uncut." is the condition of what stands before it
            return [
                c
                for c in block
                if c is not best
                and (c.scores[row] >= BESIDE * top or (c.position == goes_on and _NEEDS_CONTEXT.match(c.text)))
            ]
    close = [c for c in mine if c.scores[row] >= max(MIN_SCORE, CLOSE * top)]
    after = next((c for c in mine if c.position == unit[-1].position + 1), None)
    if after and not best.piece.group and after.scores[row] >= CONTINUED * top:
        close = [*close[:MAX_ALSO], after]
    return [each for each in close[: MAX_ALSO + 1] if _is_of_the_same(each, best, ask)]


def _place(candidate: Candidate) -> tuple[UUID, int]:
    return candidate.source.passage_id, candidate.position


def _worth_of(row: int, scored: Sequence[Candidate]) -> Callable[[Candidate], float]:
    """How well a piece answers an ask: its score, and how far it is ahead of the other documents. A question that several documents
    nearly answer is mostly answered by none."""
    best: dict[UUID, Candidate] = {}
    for each in scored:
        first = best.setdefault(each.source.document_id, each)
        if each.scores[row] > first.scores[row]:
            best[each.source.document_id] = each

    def worth(candidate: Candidate) -> float:
        score = candidate.scores[row]
        others = (each for key, each in best.items() if key != candidate.source.document_id)
        rival = max((each.scores[row] for each in others if each.text != candidate.text), default=None)
        return score + LEAD * (UNKNOWN_LEAD if rival is None else min(MAX_LEAD, score - rival))

    return worth


def _is_of_the_same(candidate: Candidate, best: Candidate, ask: Ask) -> bool:
    """Rows of a table are alike but for what they are about, and so are items of a long list: another one joins the best if it has the
    same words of the ask."""
    if not best.piece.group or candidate.piece.group != best.piece.group:
        return True
    asked, name = set(terms(ask.whole)), set(terms(_named(best)))
    return asked & name <= set(terms(_named(candidate)))


def _named(candidate: Candidate) -> str:
    """What a row is about: its first cell."""
    return candidate.text.split(NAME_ENDS)[0]


def _unit(candidate: Candidate, by_place: dict[tuple[UUID, int], Candidate]) -> Unit:
    """A list with the sentence that introduces it, because half of the steps are no answer; or a sentence with those before it that
    it leans on ("It holds 58 psi"), and nothing when they are out of reach."""
    passage, piece = candidate.source.passage_id, candidate.piece
    if piece.group and piece.kind is not Kind.ROW:
        listed = [c for (key, _), c in by_place.items() if key == passage and c.piece.group == piece.group]
        return listed if len(listed) <= MAX_LIST else [c for c in listed if c is candidate or not c.piece.mark]
    unit = [candidate]
    while piece.kind is Kind.TEXT and _NEEDS_CONTEXT.match(unit[0].text):
        before = by_place.get((passage, unit[0].position - 1))
        if before is None or before.piece.group or len(unit) == 3:
            return []
        unit.insert(0, before)
    return unit
