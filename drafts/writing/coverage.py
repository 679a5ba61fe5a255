"""Which question of a message which statement of a reply answers: the same for every drafter, and what "covered" means."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from drafts.writing.port import Asked, Statement
from drafts.writing.relevance import Ask, Candidate

ANSWERS = 0.42
"""What a cited piece has to score against a question to be its answer, where no drafter says so itself: `choice.MIN_SCORE`."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One statement as it stands in the text, with what of its sources it says."""

    words: str
    pieces: list[Candidate]

    def worth(self, row: int) -> float:
        said = [each for each in self.pieces if each.text in self.words or self.words in each.text]
        return max((each.scores[row] for each in said or self.pieces), default=0.0)


def coverage(
    asks: Sequence[Ask],
    scored: Sequence[Candidate],
    text: str,
    statements: Sequence[Statement],
    *,
    left_open: Collection[Ask] | None = None,
) -> tuple[Asked, ...]:
    """The questions that were asked outright, in the message's order, each with the statement that answers it best; None:
    not answered. `scored` are pieces of the sources against `asks`. `left_open` is what the drafter itself knows that it left
    open; without it a statement answers what one of its sources answers well enough (`ANSWERS`)."""
    said = [
        _Said(text[one.start : one.end], [each for each in scored if each.source.passage_id in one.source_ids])
        for one in statements
    ]
    out = []
    for row, ask in enumerate(asks):
        if not ask.outright:
            continue
        worth, at = max(((one.worth(row), -n) for n, one in enumerate(said) if one.pieces), default=(0.0, 1))
        answered = at <= 0 and (worth >= ANSWERS if left_open is None else ask not in left_open)
        out.append(Asked(" ".join(ask.text.split())[:300], -at if answered else None))
    return tuple(out)
