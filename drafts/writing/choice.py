"""What of the sources answers what was asked, and how much of it is quoted."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from drafts.writing.letter import Quote
from drafts.writing.markdown import NAME_ENDS, Kind
from drafts.writing.relevance import Ask, Candidate
from ingestion.knowledge.words import terms

ENOUGH = 0.49
"""A piece that is worth less (`_worth_of`) is no answer. Chosen on the halves for choosing of four sets of questions (docs/quality.md);
a lower one answers more questions, and more of those that no page answers."""
LEAD, MAX_LEAD, UNKNOWN_LEAD = 0.75, 0.2, 0.1
"""What the lead over the next document counts, how much of it, and what stands for it where there is no other document."""
CLOSE = 0.80  # another piece of the passage joins the best one from this share of its score,
MIN_SCORE = 0.42  # if it has so much itself,
CONTINUED = 0.68  # and the one right after it from this share: it usually goes on about the same
MAX_ALSO = 3
MAX_LIST = 10  # items; of a longer one only those that answer are quoted

_NEEDS_CONTEXT = re.compile(
    r"(?:it|its|this|that|they|their|these|those|he|she|then|there|otherwise|instead|also|however|but|and|so|above|below"
    r"|after that|if (?:it|they|not|so)|the same|in that case|both|either)\b",
    re.IGNORECASE,
)
Unit = list[Candidate]  # what is quoted together or not at all


def choose(
    asks: Sequence[Ask], scored: Sequence[Candidate], *, most: int, settled: Collection[Ask] = ()
) -> tuple[list[Quote], list[Ask]]:
    """(what to quote, in the order of the asks and then as the passage has it; the asks without an answer).

    At most ``most`` pieces, where a list counts as one. ``settled`` asks are answered otherwise.
    """
    chosen: dict[tuple[UUID, int], Candidate] = {}
    count = 0
    open_asks: list[Ask] = []
    for row, ask in enumerate(asks):
        if ask in settled:
            continue
        units = _answer(ask, row, scored)
        if not units:
            open_asks.append(ask)
        for unit in units:
            new = {_place(each): each for each in unit if _place(each) not in chosen}
            said = {each.text for each in chosen.values()}
            if new and count < most and not said & {each.text for each in new.values()}:
                count += 1 if unit[0].piece.group else len(new)
                chosen |= new
    passages = list(dict.fromkeys(passage for passage, _ in chosen))
    ordered = sorted(chosen.values(), key=lambda each: (passages.index(each.source.passage_id), each.position))
    return [Quote(each.source, each.text, each.piece) for each in ordered], open_asks


def _answer(ask: Ask, row: int, scored: Sequence[Candidate]) -> list[Unit]:
    """The best piece that is worth enough, and what of its passage goes with it; nothing where no piece is."""
    by_place = {_place(each): each for each in scored}
    worth = _worth_of(row, scored)
    # Ties go to the better found passage, then to the earlier piece: the order must not depend on chance.
    ranked = sorted(scored, key=lambda c: (-c.scores[row], -c.source.score, str(c.source.passage_id), c.position))
    enough = (each for each in ranked if worth(each) >= ENOUGH)
    best, unit = next(((each, unit) for each in enough if (unit := _unit(each, by_place))), (None, []))
    if best is None:
        return []
    passage, top = best.source.passage_id, best.scores[row]
    close = [c for c in ranked if c.source.passage_id == passage and c.scores[row] >= max(MIN_SCORE, CLOSE * top)]
    after = by_place.get((passage, unit[-1].position + 1))
    if after and not best.piece.group and after.scores[row] >= CONTINUED * top:
        close = [*close[:MAX_ALSO], after]
    also = [each for each in close[: MAX_ALSO + 1] if _is_of_the_same(each, best, ask)]
    return [unit, *(_unit(each, by_place) for each in also)]


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
