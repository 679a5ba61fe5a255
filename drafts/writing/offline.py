"""The built-in drafter: answers in the sources' own sentences, and says so when they do not hold the answer.

No model, no network, no chance: the same request gives the same draft. It quotes and never invents, so every factual
sentence it writes has a source.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from drafts.writing import confidence
from drafts.writing.claims import NOT_FOUND, PARTLY_FOUND, PASSED_ON, factual_sentences
from drafts.writing.port import Claim, DraftRequest, DraftResult, Source, Tell
from drafts.writing.reading import Need, plants_instruction, read_question
from drafts.writing.relevance import Ask, Candidate, asks_of, best_by_passage, score_sentences
from ingestion.knowledge.embed import Embedder, EmbedderDown
from ingestion.knowledge.recognise import Known
from ingestion.knowledge.words import terms

MODEL_KEY = "offline-quote-v1"
ENOUGH = 0.42
"""A sentence that scores less is no answer. Chosen on two sets of questions that avoid the words of the pages (docs/quality.md): at
0.40 about a third more of those that no page answers were answered, and a tenth more of the others. A person answers those: the cheaper mistake."""
SAME_QUESTION = 0.80
"""Cosine from which an approved answer's question is taken for the customer's. On 2,028 held-back questions of a public set
with 77 topics, of which a quarter had no answer: 84 % of those are not answered, 13 % of the others neither, and 95 % of
the answers given are the right topic's (docs/quality.md)."""
IDENTICAL = 0.97  # so like that nothing learned can say otherwise
CLOSE = 0.75  # another sentence of the same passage joins the best one from this share of its score,
CONTINUED = 0.55  # and the one right after it from this share: it usually goes on about the same

_NEEDS_CONTEXT = re.compile(
    r"(?:it|its|this|that|they|their|these|those|he|she|then|there|otherwise|instead|also|however|but|and|so|above|below"
    r"|after that|if (?:it|they|not|so)|the same|in that case|both|either)\b",
    re.IGNORECASE,
)
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


@dataclass(frozen=True)
class Quote:
    """What goes from a passage into the reply: a sentence, or (`is_whole`) an approved answer as it was written."""

    source: Source
    position: int
    text: str
    is_whole: bool = False


class OfflineDrafter:
    """Implements ``port.Drafter``. Without an embedder it compares words only and gives up more often."""

    def __init__(self, *, embedder: Embedder | None) -> None:
        self._embedder = embedder

    def write(self, request: DraftRequest, *, tell: Tell | None = None) -> DraftResult:
        """Never raises for any text: with nothing to quote the draft is a holding reply."""
        began = time.monotonic()
        reading = read_question(request.question)
        needs, warnings = list(reading.needs), []
        if not _ENGLISH.match(request.language_hint):
            needs.append(Need.LANGUAGE)
            warnings.append(
                f"The built-in drafter writes English only; the customer may write {request.language_hint}."
            )
        if any(plants_instruction(source.text) for source in request.sources):
            warnings.append("A source contains text that reads like an instruction to the model.")

        asks = _asks(request, reading.intent)
        scored = score_sentences(asks=asks, sources=request.sources, embedder=self._embedder)
        most = _size(request.instruction)
        quotes: list[Quote] = []
        open_asks: list[Ask] = []
        if not _belongs_to_a_person(needs):
            quotes, open_asks = _choose(asks, scored, most, _approved_answers(asks, request, self._embedder))
        if not quotes or open_asks:
            needs.append(Need.NO_SOURCE)
        text, claims = _compose(request, needs, quotes, partly=bool(open_asks))
        sure, reasons = confidence.rate(
            claims=claims, sources=request.sources, needs=needs, relevance=best_by_passage(scored)
        )
        return DraftResult(
            text=text,
            claims=claims,
            confidence=sure,
            reasons=reasons,
            intent=reading.intent,
            needs_human=tuple(needs),
            model_key=MODEL_KEY,
            tokens_used=0,
            latency_ms=round((time.monotonic() - began) * 1000),
            warnings=tuple(warnings),
        )


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
        asks.append(Ask(wish.strip()))
    return asks


def _size(instruction: str) -> int:
    if _SHORTER.search(instruction):
        return 2
    return 8 if _LONGER.search(instruction) else 5


def _belongs_to_a_person(needs: Sequence[Need]) -> bool:
    """A quoted policy is no answer to an injury, a lawyer, a call for a person, or anger about money."""
    return bool({Need.LEGAL, Need.SAFETY, Need.PERSON} & set(needs)) or {Need.REFUND, Need.UPSET} <= set(needs)


def _approved_answers(asks: Sequence[Ask], request: DraftRequest, embedder: Embedder | None) -> dict[Ask, Source]:
    """The asks that somebody answered for good: the golden whose question is the same, if one is among the sources.

    What was learned from the account's goldens decides about those that it knows; about others, and word-for-word the same
    questions, their likeness.
    """
    goldens = [source for source in request.sources if _is_golden(source)]
    if not goldens or not asks or embedder is None:
        return {}
    forms = [ask.forms[-1] for ask in asks]
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
    return (
        " ".join(request.question.split())[:1000] if ask.text in " ".join(request.question.split()) else ask.forms[-1]
    )


def _is_golden(source: Source) -> bool:
    return source.url.startswith("golden:")


def _choose(
    asks: Sequence[Ask], scored: Sequence[Candidate], most: int, approved: Mapping[Ask, Source]
) -> tuple[list[Quote], list[Ask]]:
    """(what to quote, in the order of the asks and then as the passage has it; the questions without an answer).

    An approved answer is quoted whole where its question is asked, and nowhere else: a person stands for it as an answer to
    that question.
    """
    pages = [candidate for candidate in scored if not _is_golden(candidate.source)]
    by_place = {(candidate.source.passage_id, candidate.position): candidate for candidate in scored}
    chosen: dict[tuple[UUID, int], Candidate] = {}
    open_asks: list[Ask] = []
    for row, ask in enumerate(asks):
        if ask in approved:
            continue
        # Ties go to the better found passage, then to the earlier sentence: the order must not depend on chance.
        ranked = sorted(pages, key=lambda c: (-c.scores[row], -c.source.score, str(c.source.passage_id), c.position))
        found = next((group for c in ranked if (group := _with_context(c, by_place)) and c.scores[row] >= ENOUGH), None)
        if found is None:
            open_asks.append(ask)
            continue
        best = found[-1]
        floor = max(ENOUGH, CLOSE * best.scores[row])
        also = [c for c in ranked if c.source.passage_id == best.source.passage_id and c.scores[row] >= floor][:3]
        after = by_place.get((best.source.passage_id, best.position + 1))
        if after is not None and after.scores[row] >= CONTINUED * best.scores[row]:
            also.append(after)
        for candidate in [*found, *(each for c in also for each in _with_context(c, by_place))]:
            key = (candidate.source.passage_id, candidate.position)
            if len(chosen) < most and all(candidate.text != other.text for other in chosen.values()):
                chosen.setdefault(key, candidate)
    passages = list(dict.fromkeys(candidate.source.passage_id for candidate in chosen.values()))
    ordered = sorted(chosen.values(), key=lambda c: (passages.index(c.source.passage_id), c.position))
    whole = {source.passage_id: Quote(source, 0, source.text.strip(), is_whole=True) for source in approved.values()}
    return [*whole.values(), *(Quote(c.source, c.position, c.text) for c in ordered)], open_asks


def _with_context(candidate: Candidate, by_place: dict[tuple[UUID, int], Candidate]) -> list[Candidate]:
    """The sentence, and those before it that it leans on ("It holds 58 psi"); none when they are out of reach."""
    group = [candidate]
    while _NEEDS_CONTEXT.match(group[0].text):
        before = by_place.get((group[0].source.passage_id, group[0].position - 1))
        if before is None or len(group) == 3:
            return []
        group.insert(0, before)
    return group


def _compose(
    request: DraftRequest, needs: Sequence[Need], quotes: Sequence[Quote], *, partly: bool
) -> tuple[str, tuple[Claim, ...]]:
    name = _greeting_name(request.customer_name)
    opening = "I am sorry about the trouble." if Need.UPSET in needs else "Thanks for getting in touch."
    text = f"{f'Hi {name}' if name else 'Hello'},\n\n{opening}"
    claims: list[Claim] = []
    last: Quote | None = None
    for quote in quotes:
        if quote.is_whole:
            at = len(text) + 2
            text += f"\n\n{quote.text}"
            said = factual_sentences(quote.text)
            claims += [Claim(at + s.start, at + s.end, (quote.source.passage_id,)) for s in said]
            continue
        follows = last is not None and last.source.passage_id == quote.source.passage_id
        text += " " if follows else "\n\n"
        claims.append(Claim(len(text), len(text) + len(quote.text), (quote.source.passage_id,)))
        text += quote.text
        last = quote
    if not quotes:
        text += f"\n\n{PASSED_ON}" if _belongs_to_a_person(needs) else f"\n\n{NOT_FOUND} {PASSED_ON}"
    elif partly:
        text += f"\n\n{PARTLY_FOUND} {PASSED_ON}"
    else:
        text += "\n\nPlease let us know if you have any questions."
    return f"{text}\n\nBest regards,\n{request.account_name}", tuple(claims)


def _greeting_name(customer_name: str) -> str:
    """The first name, or nothing: the name field is the customer's to fill, with an address or a sentence if they like."""
    name = " ".join(customer_name.split())
    allowed = all(sign in " .'’-" or unicodedata.category(sign)[0] in "LM" for sign in name)
    if not name or not allowed or len(name) > 60 or len(name.split()) > 4:
        return ""
    first = name.split()[0]
    return name if first.endswith(".") or len(first) == 1 else first
