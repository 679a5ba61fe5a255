"""Which sentences of the sources speak to the question: by meaning where an embedder answers, by words always."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from drafts.writing.claims import is_courtesy, plain_text, unwrap
from drafts.writing.port import Source
from drafts.writing.sentences import split_sentences, terms
from ingestion.knowledge.embed import Embedder, EmbedderDown

log = logging.getLogger(__name__)

MOST_ASKS = 6  # a long letter is read for its first questions; the rest is for the person


@dataclass(frozen=True)
class Candidate:
    """A sentence of a source that a reply could quote. ``scores`` has one figure from 0 to 1 for each ask."""

    source: Source
    position: int
    text: str
    scores: tuple[float, ...]

    @property
    def score(self) -> float:
        return max(self.scores, default=0.0)


def asks_of(question: str) -> list[str]:
    """The separate things a message asks: its questions, or all its statements when it asks none outright."""
    sentences = [s.text for s in split_sentences(question)]
    questions = [text for text in sentences if text.endswith("?") and len(terms(text)) >= 2]
    rest = [text for text in sentences if not is_courtesy(text) and len(terms(text)) >= 2]
    chosen = questions or rest or [question.strip()]
    return [ask for ask in dict.fromkeys(chosen) if ask][:MOST_ASKS]


def score_sentences(
    *, asks: Sequence[str], context: str, sources: Sequence[Source], embedder: Embedder | None
) -> list[Candidate]:
    """The quotable sentences of the sources, in reading order, each scored against each ask.

    ``context`` (the whole message) settles what "it" in an ask is about. Without an embedder, or when it is down, only
    words count and scores are lower, so a caller's threshold makes the draft more cautious, not less.
    """
    quotable = [(source, n, text) for source in sources for n, text in enumerate(quotable_sentences(source.text))]
    if not quotable or not asks:
        return []
    rarity = _rarity([terms(f"{source.title} {text}") for source, _, text in quotable])
    meanings = _meanings(asks, context, quotable, embedder)
    found: list[Candidate] = []
    for place, (source, n, text) in enumerate(quotable):
        scores = []
        for row, ask in enumerate(asks):
            words = _overlap(terms(f"{source.title} {text}"), set(terms(ask)), rarity)
            meaning = meanings[row][place] if meanings else 0.0
            scores.append(round(0.75 * meaning + 0.25 * words if meanings else 0.6 * words, 4))
        found.append(Candidate(source, n, text, tuple(scores)))
    return found


def best_by_passage(candidates: Sequence[Candidate]) -> dict[UUID, float]:
    """For each passage, how well its best sentence answers."""
    best: dict[UUID, float] = {}
    for candidate in candidates:
        key = candidate.source.passage_id
        best[key] = max(candidate.score, best.get(key, 0.0))
    return best


def quotable_sentences(passage: str) -> list[str]:
    """Whole sentences that can stand in a reply: no headings, tables, questions, fragments or link lists."""
    lines = [line for line in unwrap(passage).split("\n") if line.strip() and line.lstrip()[0] not in "#|>"]
    found: list[str] = []
    for sentence in split_sentences("\n".join(lines)):
        text = " ".join(plain_text(sentence.text).split())
        if len(text.split()) >= 4 and text[-1] in ".!)”\"。" and not is_courtesy(text):
            found.append(text)
    return found


def _meanings(
    asks: Sequence[str], context: str, quotable: Sequence[tuple[Source, int, str]], embedder: Embedder | None
) -> list[list[float]] | None:
    """Cosine of each ask (blended with the whole message) with each sentence; None without an embedder."""
    if embedder is None:
        return None
    texts = [*asks, context, *(f"{source.title}: {text}" for source, _, text in quotable)]
    try:
        vectors = embedder.embed(texts)
    except EmbedderDown as error:
        log.warning("Sentences are compared by words only: %s", error)
        return None
    whole, sentences = vectors[len(asks)], vectors[len(asks) + 1 :]
    share = 0.3 if len(asks) > 1 or context.strip() != asks[0].strip() else 0.0
    return [
        [max(0.0, (1 - share) * _cosine(ask, sentence) + share * _cosine(whole, sentence)) for sentence in sentences]
        for ask in vectors[: len(asks)]
    ]


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(map(float.__mul__, left, right))  # the vectors have length 1


def _rarity(documents: Sequence[tuple[str, ...]]) -> Mapping[str, float]:
    count = Counter(word for words in documents for word in set(words))
    return {word: math.log(1 + len(documents) / times) for word, times in count.items()}


def _overlap(words: Sequence[str], asked: set[str], rarity: Mapping[str, float]) -> float:
    """The share of what is asked that the sentence has, rare words counting more. Words in no source count as rare."""
    rarest = max(rarity.values(), default=1.0)
    total = sum(rarity.get(word, rarest) for word in asked)
    return sum(rarity.get(word, 0.0) for word in asked & set(words)) / total if total else 0.0
