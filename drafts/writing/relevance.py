"""Which pieces of the sources speak to the question: by meaning where an embedder answers, by words always."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from drafts.writing.markdown import Kind, Piece, pieces_of
from drafts.writing.port import Source
from drafts.writing.sentences import split_sentences
from drafts.writing.statements import is_courtesy
from ingestion.knowledge.embed import Embedder, EmbedderDown
from ingestion.knowledge.words import overlap, rarity, terms

log = logging.getLogger(__name__)

WEIGHTS = (0.45, 0.15, 0.15)  # of the likeness of a piece, of its heading, and of its passage
SHORT = 2  # an ask of so few meaningful words needs the words before it,
ALONE = 4  # and one of so many can be understood without
MAX_ASKS = 6  # a long letter is read for its first questions; the rest is for the person

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
    def whole(self) -> str:
        return f"{self.before} {self.text}".strip()

    @property
    def forms(self) -> tuple[str, ...]:
        """The readings to compare with, the better one counts: "Can I still send it back?" alone means nothing."""
        return (self.whole, self.text) if self.before and len(terms(self.text)) >= ALONE else (self.whole,)


@dataclass(frozen=True)
class Candidate:
    """What a reply could quote of a source, the ``position``-th there. ``scores`` has one figure from 0 to 1 for each ask."""

    source: Source
    position: int
    piece: Piece
    scores: tuple[float, ...]

    @property
    def text(self) -> str:
        return self.piece.text

    @property
    def score(self) -> float:
        return max(self.scores, default=0.0)


def asks_of(question: str, *, subject: str = "") -> list[Ask]:
    """The separate things a message asks: its questions, or the whole message when it asks none outright."""
    sentences = [s.text for s in split_sentences(question)]
    asks: dict[str, Ask] = {}
    for sentence, last, following in zip(sentences, ["", *sentences], [*sentences[1:], ""], strict=False):
        if not _asks_something(sentence):
            continue
        for n, part in enumerate(_AND_ASKING.split(sentence)):
            short = len(terms(part)) <= SHORT
            leans = n == 0 and len(last.split()) <= 30 and ((short and _states(last)) or _LEANING.search(part))
            # "Where is my order? Tracking has not moved for a week."
            story = following if short and _states(following) and len(following.split()) <= 30 else ""
            if terms(part):
                asks.setdefault(part, Ask(part, before=last if leans else (_topic(subject) or story) if short else ""))
    if asks:
        return list(asks.values())[:MAX_ASKS]
    whole = " ".join(question.split())[:1000]
    return [Ask(whole, before=_topic(subject), outright=False)] if whole else []


def _states(sentence: str) -> bool:
    return bool(sentence) and not _asks_something(sentence) and not is_courtesy(sentence)


def _asks_something(sentence: str) -> bool:
    return bool(sentence.endswith("?") or _ASKING.match(sentence) or _WONDERING.search(sentence))


def _topic(subject: str) -> str:
    """A subject as the beginning of a sentence: "Re: Hose for E85" is "Hose for E85."."""
    words = _REPLY_MARK.sub("", " ".join(subject.split())[:200]).rstrip(".:!? ")
    return f"{words}." if words else ""


def score_pieces(*, asks: Sequence[Ask], sources: Sequence[Source], embedder: Embedder | None) -> list[Candidate]:
    """What could be quoted of the sources, in reading order, each piece scored against each ask.

    score = 0.45 likeness of the piece + 0.15 of its heading + 0.15 of its whole passage + 0.25 words shared with what stands
    under its heading, rare words counting more; the better of an ask's forms counts. Without an embedder, or when it is down,
    it is 0.6 of the words that the piece itself shares: a caller's threshold then makes the draft more cautious, not less.
    """
    quotable = [(source, n, piece) for source in sources for n, piece in enumerate(quotable_pieces(source))]
    if not quotable or not asks:
        return []
    forms = [form for ask in asks for form in ask.forms]
    likeness = _likeness(forms, quotable, embedder)
    words = [
        # The rows of a table are told apart by their own words.
        terms(
            f"{source.title} {piece.heading} {piece.block if likeness and piece.kind is not Kind.ROW else piece.text}"
        )
        for source, _, piece in quotable
    ]
    rare = rarity(words)
    found: list[Candidate] = []
    for place, (source, n, piece) in enumerate(quotable):
        shared = {form: overlap(words[place], set(terms(form)), rare) for form in forms}
        scored = {f: 0.25 * shared[f] + likeness[f][place] if likeness else 0.6 * shared[f] for f in forms}
        found.append(Candidate(source, n, piece, tuple(round(max(scored[f] for f in ask.forms), 4) for ask in asks)))
    return found


def best_by_passage(candidates: Sequence[Candidate]) -> dict[UUID, float]:
    """For each passage, how well its best sentence answers."""
    best: dict[UUID, float] = {}
    for candidate in candidates:
        key = candidate.source.passage_id
        best[key] = max(candidate.score, best.get(key, 0.0))
    return best


def quotable_pieces(source: Source) -> list[Piece]:
    """The pieces of a source that state something."""
    found = pieces_of(source.text, heading=source.section.rsplit(" > ", 1)[-1])
    return [piece for piece in found if not is_courtesy(piece.text)]


def _likeness(
    forms: Sequence[str], quotable: Sequence[tuple[Source, int, Piece]], embedder: Embedder | None
) -> dict[str, list[float]] | None:
    """For each form of an ask the likeness part of each piece's score; None without an embedder."""
    if embedder is None:
        return None
    leads = {(s.passage_id, p.group): p.text for s, _, p in quotable if p.group and p.kind is Kind.TEXT}
    compared = [
        (
            # An item alone says little: it is read after the sentence that introduces its list.
            f"{leads.get((s.passage_id, p.group), '')} {p.text}".strip() if p.kind is Kind.ITEM else p.text,
            f"{s.title}: {p.heading}",
            s.text,
        )
        for s, _, p in quotable
    ]
    texts = list(dict.fromkeys([*forms, *chain.from_iterable(compared)]))
    try:
        vectors = dict(zip(texts, embedder.embed(texts), strict=True))
    except EmbedderDown as error:
        log.warning("Pieces are compared by words only: %s", error)
        return None
    return {
        form: [
            sum(
                weight * max(0.0, _cosine(vectors[form], vectors[text]))
                for weight, text in zip(WEIGHTS, each, strict=True)
            )
            for each in compared
        ]
        for form in forms
    }


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(map(float.__mul__, left, right))  # the vectors have length 1
