"""The built-in drafter: answers in the sources' own sentences, and says so when they do not hold the answer.

No model, no network, no chance: the same request gives the same draft. It quotes and never invents, so every factual
sentence it writes has a source.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drafts.writing import confidence
from drafts.writing.acts import Act, after_choosing, before_reading_sources
from drafts.writing.choice import UNCLEAR, choose
from drafts.writing.coverage import coverage
from drafts.writing.letter import Quote, compose
from drafts.writing.port import DraftRequest, DraftResult, OnText, Source
from drafts.writing.reading import Need, plants_instruction, read_question
from drafts.writing.relevance import Ask, Candidate, asks_of, best_by_passage, score_pieces
from drafts.writing.slots import Slot, missing
from ingestion.knowledge.embed import Embedder, EmbedderDown
from ingestion.knowledge.words import terms

if TYPE_CHECKING:
    from ingestion.knowledge.recognise import Known

MODEL_KEY = "offline-quote-v2"
SAME_QUESTION = 0.80
"""Cosine from which an approved answer's question is taken for the customer's. On 2,028 held-back questions of a public set
with 77 topics, of which a quarter had no answer: 84 % of those are not answered, 13 % of the others neither, and 95 % of
the answers given are the right topic's (docs/quality.md)."""
IDENTICAL = 0.97  # so like that nothing learned can say otherwise

_SHORTER = re.compile(r"\b(?:short(?:er|en)?|brief(?:er|ly)?|concise|less|trim)\b", re.IGNORECASE)
_LONGER = re.compile(r"\b(?:long(?:er)?|more detail(?:ed|s)?|detail(?:ed|s)?|expand|fuller)\b", re.IGNORECASE)
_ENGLISH = re.compile(r"^\s*(?:en(?:[-_].*|glish)?)?\s*$", re.IGNORECASE)


# What someone wants to know who reports and does not ask: "I ordered four -8 and got -6."
_UNASKED = {
    "order_problem": "What do you do when the wrong part was sent, or a part is missing or damaged?",
    "order_status": "What do you do when tracking does not move or the parcel is lost?",
    "returns": "How do I return parts, and what can be returned?",
    "refund": "When and how do I get a refund?",
    "warranty": "What does the warranty cover and how do I claim it?",
}


class OfflineDrafter:
    """Implements ``port.Drafter``. Without an embedder it compares words only and gives up more often."""

    def __init__(self, *, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        """Never raises for any text: with nothing to quote the draft is a holding reply."""
        began = time.monotonic()
        reading = read_question(request.question, request.topics, subject=request.subject)
        needs, warnings = list(reading.needs), []
        foreign = "" if _ENGLISH.match(request.language_hint) else request.language_hint
        if foreign:
            needs.append(Need.LANGUAGE)
            warnings.append(f"The built-in drafter quotes your pages as they are; the customer may write {foreign}.")
        if any(plants_instruction(source.text) for source in request.sources):
            warnings.append("A source contains text that reads like an instruction to the model.")

        asks = _asks(request, reading.intent)
        message = f"{request.subject} {request.question}"
        scored = score_pieces(
            asks=asks, sources=request.sources, embedder=self._embedder, message=message, language=request.language_hint
        )
        outright = any(ask.outright for ask in asks)
        act = request.act or before_reading_sources(reading, asks_outright=outright)
        quotes: list[Quote] = []
        open_asks: list[Ask] = []
        lacking: tuple[Slot, ...] = ()
        if act in (None, Act.ANSWER, Act.PARTLY):
            lacking = missing(request.question, reading.facts)
            enough = UNCLEAR if lacking and not act else None
            quotes, open_asks = _quotes(request, asks, scored, self._embedder, enough=enough)
            found = after_choosing(answered=bool(quotes), is_open=bool(open_asks), missing=lacking)
            act = found if act is None or not quotes else act
        elif act is Act.NONE:
            asks = []  # nothing is asked any more
        else:
            open_asks = list(asks)
        if act in (Act.PARTLY, Act.HOLD, Act.PERSON, Act.ASK):
            needs.append(Need.NO_SOURCE)
        text, statements = compose(request, act, needs, quotes, missing=lacking, quoted_in="en" if foreign else "")
        sure, reasons = confidence.rate(
            statements=statements, sources=request.sources, needs=needs, relevance=best_by_passage(scored)
        )
        return DraftResult(
            text=text,
            statements=statements,
            confidence=sure,
            reasons=reasons,
            intent=request.approved_topic(statements) or reading.intent,
            needs_human=tuple(needs),
            model_key=MODEL_KEY,
            tokens_used=0,
            latency_ms=round((time.monotonic() - began) * 1000),
            warnings=tuple(warnings),
            asked=coverage(asks, scored, text, statements, left_open=open_asks),
            act=act,
            facts=reading.facts,
        )


@dataclass(frozen=True)
class Found:
    """What of the sources answers the asks, and the asks that nothing answers."""

    scored: list[Candidate]
    quotes: list[Quote]
    open_asks: list[Ask]


def find_quotes(request: DraftRequest, asks: Sequence[Ask], embedder: Embedder | None) -> Found:
    """What to quote in answer to the asks."""
    scored = score_pieces(asks=asks, sources=request.sources, embedder=embedder, language=request.language_hint)
    return Found(scored, *_quotes(request, asks, scored, embedder))


def _quotes(
    request: DraftRequest,
    asks: Sequence[Ask],
    scored: Sequence[Candidate],
    embedder: Embedder | None,
    *,
    enough: float | None = None,
) -> tuple[list[Quote], list[Ask]]:
    """(what answers, the asks that nothing answers)."""
    approved = _approved_answers(asks, request, embedder)
    pages = [candidate for candidate in scored if not _is_golden(candidate.source)]
    quotes, open_asks = choose(asks, pages, most=_size(request.instruction), settled=approved.keys(), enough=enough)
    # An approved answer is quoted whole where its question is asked, and nowhere else: a person stands for it as that.
    whole = dict.fromkeys(approved.values())
    return [*(Quote(source, source.text.strip()) for source in whole), *quotes], open_asks


def _asks(request: DraftRequest, intent: str) -> list[Ask]:
    asks = asks_of(request.question, subject=request.subject)
    if intent in _UNASKED and not any(ask.outright for ask in asks):
        asks = [Ask(_UNASKED[intent])]
    elif sum(len(terms(ask.text)) for ask in asks) < 3:
        # "and for the -8?" lives on what the customer wrote before
        earlier = [turn.text for turn in request.thread if turn.role == "customer" and turn.text != request.question]
        asks = [Ask(request.question, before=" ".join([request.subject, *earlier[-1:]]).strip())] if earlier else asks
    wish = _LONGER.sub(" ", _SHORTER.sub(" ", request.instruction))
    if len(terms(wish)) >= 2:
        asks.append(Ask(wish.strip(), outright=False))
    return asks


def _size(instruction: str) -> int:
    if _SHORTER.search(instruction):
        return 2
    return 8 if _LONGER.search(instruction) else 5


def _approved_answers(asks: Sequence[Ask], request: DraftRequest, embedder: Embedder | None) -> dict[Ask, Source]:
    """The asks that somebody answered for good: the golden whose question is the same, if one is among the sources.

    What was learned from the account's goldens decides about those that it knows; about others, and word-for-word the same
    questions, their likeness.
    """
    goldens = [source for source in request.sources if _is_golden(source)]
    if not goldens or not asks or embedder is None:
        return {}
    forms = [ask.whole for ask in asks]
    if request.recogniser and len(asks) == 1:
        forms = [_whole(request, asks[0])]  # as the approved questions were learned
    try:
        vectors = embedder.embed([*forms, *(golden.title for golden in goldens)])
    except EmbedderDown:
        return {}
    known: list[Known | None] = [None] * len(asks)
    if request.recogniser and request.recogniser.dimension == len(vectors[0]):
        known = list(request.recogniser.recognise(vectors[: len(asks)]))
    found = {}
    for ask, vector, knows in zip(asks, vectors, known, strict=False):
        alike = []
        for n, other in enumerate(vectors[len(asks) :]):
            cosine = sum(a * b for a, b in zip(vector, other, strict=True))
            asked = knows.is_asked(goldens[n].document_id) if knows else None
            if cosine >= IDENTICAL or (cosine >= SAME_QUESTION if asked is None else asked):
                alike.append((cosine, -n))
        if alike:
            found[ask] = goldens[-max(alike)[1]]
    return found


def _whole(request: DraftRequest, ask: Ask) -> str:
    """The message, unless the ask is what an operator or the topic of the message made of it."""
    return " ".join(request.question.split())[:1000] if ask.text in " ".join(request.question.split()) else ask.whole


def _is_golden(source: Source) -> bool:
    return source.url.startswith("golden:")
