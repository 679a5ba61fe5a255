"""Which sentences of the sources speak to the question: by meaning where an embedder answers, by words always."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from drafts.writing.claims import is_courtesy, plain_text, unwrap
from drafts.writing.port import Source
from drafts.writing.sentences import split_sentences
from ingestion.knowledge.embed import Embedder, EmbedderDown
from ingestion.knowledge.words import overlap, rarity, terms

log = logging.getLogger(__name__)

SHORT = 2  # an ask of so few meaningful words needs the words before it
MOST_ASKS = 6  # a long letter is read for its first questions; the rest is for the person

_ASKING_WORDS = (
    "what|how|which|who|when|where|why|is|are|do|does|did|can|could|should|shall|will|would|may|has|have|any chance"
)
_ASKING = re.compile(rf"(?:(?:and|but|so|also|plus|or|hey|hi|hello)[, ]+)*(?:{_ASKING_WORDS})\b", re.IGNORECASE)
_AND_ASKING = re.compile(rf"[,;]? and (?:also )?(?=(?:{_ASKING_WORDS})\b)", re.IGNORECASE)
_WONDERING = re.compile(
    r"\b(?:(?:not|un)[ -]?sure|wonder(?:ing)?|(?:like|need|want) to know|don'?t know)\b", re.IGNORECASE
)
_REPLY_MARK = re.compile(r"^(?:(?:re|fwd?|aw|wg|sv|rv)\s*(?:\[\d+\])?:\s*)+", re.IGNORECASE)
_LEANING = re.compile(r"\b(?:it|its|that|this|they|them|these|those|ones?|either|both)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Ask:
    """One thing a message asks. ``before`` is what it leans on ("can I reuse them?"): a sentence or the subject.

    Not ``outright``: nothing was asked, the message as a whole stands for it.
    """

    text: str
    before: str = ""
    outright: bool = True

    @property
    def forms(self) -> tuple[str, ...]:
        """The readings to compare with; a short ask means nothing alone."""
        if not self.before:
            return (self.text,)
        together = f"{self.before} {self.text}"
        return (together,) if len(terms(self.text)) < SHORT else (self.text, together)


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


def asks_of(question: str, *, subject: str = "") -> list[Ask]:
    """The separate things a message asks: its questions, or the whole message when it asks none outright."""
    sentences = [s.text for s in split_sentences(question)]
    asks: dict[str, Ask] = {}
    for sentence, last in zip(sentences, ["", *sentences], strict=False):
        if not _asks_something(sentence):
            continue
        for n, part in enumerate(_AND_ASKING.split(sentence)):
            short = len(terms(part)) <= SHORT
            states = last and not _asks_something(last) and not is_courtesy(last)
            leans = n == 0 and len(last.split()) <= 30 and ((short and states) or _LEANING.search(part))
            if terms(part):
                asks.setdefault(part, Ask(part, before=last if leans else _topic(subject) if short else ""))
    if asks:
        return list(asks.values())[:MOST_ASKS]
    whole = " ".join(question.split())[:1000]
    return [Ask(whole, before=_topic(subject), outright=False)] if whole else []


def _asks_something(sentence: str) -> bool:
    return bool(sentence.endswith("?") or _ASKING.match(sentence) or _WONDERING.search(sentence))


def _topic(subject: str) -> str:
    """A subject as the beginning of a sentence: "Re: Hose for E85" is "Hose for E85."."""
    words = _REPLY_MARK.sub("", " ".join(subject.split())[:200]).rstrip(".:!? ")
    return f"{words}." if words else ""


def score_sentences(*, asks: Sequence[Ask], sources: Sequence[Source], embedder: Embedder | None) -> list[Candidate]:
    """The quotable sentences of the sources, in reading order, each scored against each ask.

    score = 0.5 likeness of the sentence + 0.25 likeness of its whole passage + 0.25 shared words, rare words counting
    more; the better of an ask's forms counts. Without an embedder, or when it is down, it is 0.6 of the shared words:
    a caller's threshold then makes the draft more cautious, not less.
    """
    quotable = [(source, n, text) for source in sources for n, text in enumerate(quotable_sentences(source.text))]
    if not quotable or not asks:
        return []
    forms = [form for ask in asks for form in ask.forms]
    words = [terms(f"{source.title} {text}") for source, _, text in quotable]
    rare = rarity(words)
    shared = [[overlap(each, set(terms(form)), rare) for each in words] for form in forms]
    likeness = _likeness(forms, quotable, embedder)
    table = [
        [0.25 * row[place] + likeness[form][place] if likeness else 0.6 * row[place] for place in range(len(quotable))]
        for form, row in enumerate(shared)
    ]
    found: list[Candidate] = []
    for place, (source, n, text) in enumerate(quotable):
        rows = iter(table)
        scores = tuple(round(max(next(rows)[place] for _ in ask.forms), 4) for ask in asks)
        found.append(Candidate(source, n, text, scores))
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
        if len(text.split()) >= 4 and text[-1] in '.!)”"。' and not is_courtesy(text):
            found.append(text)
    return found


def _likeness(
    forms: Sequence[str], quotable: Sequence[tuple[Source, int, str]], embedder: Embedder | None
) -> list[list[float]] | None:
    """For each form of an ask and each sentence: half its cosine and a quarter of its passage's; None without an embedder."""
    if embedder is None:
        return None
    passages = list(dict.fromkeys(source.text for source, _, _ in quotable))
    try:
        vectors = embedder.embed([*forms, *passages, *(text for _, _, text in quotable)])
    except EmbedderDown as error:
        log.warning("Sentences are compared by words only: %s", error)
        return None
    by_passage = dict(zip(passages, vectors[len(forms) :], strict=False))
    sentences = vectors[len(forms) + len(passages) :]
    return [
        [
            0.5 * max(0.0, _cosine(ask, sentence)) + 0.25 * max(0.0, _cosine(ask, by_passage[source.text]))
            for sentence, (source, _, _) in zip(sentences, quotable, strict=True)
        ]
        for ask in vectors[: len(forms)]
    ]


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(map(float.__mul__, left, right))  # the vectors have length 1
