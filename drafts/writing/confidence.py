"""How sure a draft is, from things that can be checked; no model is asked how sure it feels.

    confidence = 0.35 support + 0.25 relevance + 0.25 agreement + 0.15 margin

support    share of the draft's factual sentences that a passage bears
relevance  how well the best cited passage answers the question (`relevance.best_by_passage`)
agreement  the two searches, by meaning and by words, put the same passage first: 1; it is in the first three of both:
           0.6; both found it, lower down: 0.4; only one of them did: 0.2
margin     the best document's lead over the next one, relative and doubled: a close race means an unclear question

A draft without a source is worth 0.05, one with an unsourced sentence at most 0.6, one that a person must see (a refund,
an upset customer, a planted instruction) at most 0.5. Then the topic's history counts (`rates.history`), and what people did with drafts
as sure as this one (`calibration`). The outcome is for ordering and for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from drafts.writing.port import Source, Statement
from drafts.writing.reading import Need

NO_SOURCE, WITH_UNSOURCED, WITH_NEED = 0.05, 0.6, 0.5
_CAPPING = {Need.REFUND, Need.UPSET, Need.LEGAL, Need.SAFETY, Need.PERSON, Need.INJECTION, Need.LANGUAGE}


def rate(
    *,
    statements: Sequence[Statement],
    sources: Sequence[Source],
    needs: Sequence[Need],
    relevance: Mapping[UUID, float],
) -> tuple[float, tuple[str, ...]]:
    """(confidence 0 to 1, the reasons in words), by the formula above. ``relevance`` is 0 to 1 for each passage."""
    cited = [source for source in sources if any(source.passage_id in statement.source_ids for statement in statements)]
    if not cited:
        return NO_SOURCE, ("No source answers the question.",)
    sourced = sum(1 for statement in statements if statement.source_ids)
    support = sourced / len(statements)
    agreement, agreed = max(map(_agreement, cited))
    margin = _margin(sources, relevance)
    fit = min(1.0, max(relevance.get(source.passage_id, 0.0) for source in cited))
    value = 0.35 * support + 0.25 * fit + 0.25 * agreement + 0.15 * margin
    reasons = [
        f"{sourced} of {len(statements)} {'statement has' if len(statements) == 1 else 'statements have'} a source.",
        agreed,
    ]
    if fit >= 0.6:
        reasons.append("A passage speaks directly to the question.")
    elif fit < 0.45:
        reasons.append("The passages touch the question only loosely.")
    if margin < 0.1:
        reasons.append("Several documents fit about equally well.")
    if sourced < len(statements):
        value = min(value, WITH_UNSOURCED)
    if held := [need for need in needs if need in _CAPPING]:
        value = min(value, WITH_NEED)
        reasons.append("A person should look: " + ", ".join(held) + ".")
    return round(value, 3), tuple(reasons)


def _agreement(source: Source) -> tuple[float, str]:
    ranks = [rank for rank in (source.dense_rank, source.text_rank) if rank is not None]
    if len(ranks) == 2 and max(ranks) == 1:
        return 1.0, "Search by meaning and by words agree on the best passage."
    if len(ranks) == 2 and max(ranks) <= 3:
        return 0.6, "Search by meaning and by words both found the passage."
    if len(ranks) == 2:
        return 0.4, "Search by meaning and by words found the passage, not both near the top."
    return 0.2, "Only one of two searches found the passage."


def _margin(sources: Sequence[Source], relevance: Mapping[UUID, float]) -> float:
    best: dict[UUID, float] = {}
    for source in sources:
        best[source.document_id] = max(relevance.get(source.passage_id, 0.0), best.get(source.document_id, 0.0))
    scores = sorted(best.values(), reverse=True)
    if len(scores) < 2 or scores[0] <= 0:
        return 1.0
    return min(1.0, 2 * (scores[0] - scores[1]) / scores[0])
