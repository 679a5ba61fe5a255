"""Which pieces of the sources speak to the question: by meaning where an embedder answers, by words always."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from uuid import UUID

from drafts.writing.glossary import in_english
from drafts.writing.markdown import Kind, Piece, pieces_of
from drafts.writing.port import Source
from drafts.writing.sentences import split_sentences
from drafts.writing.statements import is_courtesy
from ingestion.knowledge.embed import Embedder, EmbedderDown, knows_only_english
from ingestion.knowledge.words import overlap, rarity, terms

log = logging.getLogger(__name__)

WEIGHTS = (0.45, 0.15, 0.15)  # of the likeness of a piece, of its heading, and of its passage
MESSAGE = 0.5  # of a score is the whole message's: "can it be saved?" is about what stands around it,
VAGUE, MESSAGE_OF_VAGUE = 2, 0.75  # and more of it where a question itself has so few meaningful words
FOUND = 0.15  # of a score is what the search thought of the passage
SHORT = 2  # an ask of so few meaningful words needs the words before it,
ALONE = 4  # and one of so many can be understood without
MAX_ASKS = 6  # a long letter is read for its first questions; the rest is for the person

_ASKING_WORDS = "what|how|which|who|when|where|why|is|are|do(?! not\\b)|does|did|can|could|should|shall|will(?! do\\b)|would|may|has|have(?! a\\b)|any chance"
_ASKING = re.compile(
    rf"(?:(?:and|but|so|also|plus|or|then|hey|hi|hello|oh|ok|okay|ps|btw|by the way|quick question|one more(?: thing)?)[:,. ]+)*(?:{_ASKING_WORDS})\b",
    re.IGNORECASE,
)
_AND_ASKING = re.compile(rf"[,;]? and (?:also )?(?=(?:{_ASKING_WORDS})\b)", re.IGNORECASE)
_WONDERING = re.compile(
    r"\b(?:(?:not|un)[ -]?sure|wonder(?:ing)?|(?:like|need|want) to know|don'?t know)\b", re.IGNORECASE
)
_WISHING = re.compile(
    r"\b(?:would|'d) (?:also |really )?(?:like|love|need) (?:to (?:see|have|get|receive)|an?|the)\b|\bplease (?:send|tell|give|confirm|explain|advise)\b",
    re.IGNORECASE,
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
    """What a reply could quote of a source, the ``position``-th there. ``scores`` has one figure from 0 to 1 for each ask, and
    ``alone`` what of it is the ask's own, without the message around it."""

    source: Source
    position: int
    piece: Piece
    scores: tuple[float, ...]
    alone: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        return self.piece.text

    @property
    def score(self) -> float:
        return max(self.scores, default=0.0)

    def own(self, row: int) -> float:
        return (self.alone or self.scores)[row]


def asks_of(question: str, *, subject: str = "") -> list[Ask]:
    """The separate things a message asks: its questions, or the whole message when it asks none outright."""
    sentences = [s.text for s in split_sentences(question)]
    asks: dict[str, Ask] = {}
    for sentence, last, following in zip(sentences, ["", *sentences], [*sentences[1:], ""], strict=False):
        if not _asks_something(sentence):
            continue
        for n, part in enumerate(_parts(sentence)):
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


def _parts(sentence: str) -> list[str]:
    """The questions of a sentence: "how long and what does it cost" is two, "once I know the number and which parts, how soon" is one."""
    parts = _AND_ASKING.split(sentence)
    return parts if all(map(_asks_something, parts[:-1])) else [sentence]


def _states(sentence: str) -> bool:
    return bool(sentence) and not _asks_something(sentence) and not is_courtesy(sentence)


def _asks_something(sentence: str) -> bool:
    return bool(
        sentence.endswith("?") or _ASKING.match(sentence) or _WONDERING.search(sentence) or _WISHING.search(sentence)
    )


def _topic(subject: str) -> str:
    """A subject as the beginning of a sentence: "Re: Hose for E85" is "Hose for E85."."""
    words = _REPLY_MARK.sub("", " ".join(subject.split())[:200]).rstrip(".:!? ")
    return f"{words}." if words else ""


def score_pieces(
    *,
    asks: Sequence[Ask],
    sources: Sequence[Source],
    embedder: Embedder | None,
    message: str = "",
    language: str = "",
) -> list[Candidate]:
    """What could be quoted of the sources, in reading order, each piece scored against each ask.

    score = 0.45 likeness of the piece + 0.15 of its heading + 0.15 of its whole passage + 0.25 words shared with what stands
    under its heading, rare words counting more; the better of an ask's forms counts, and beside it the same of the whole
    ``message`` (`MESSAGE`) and the search's own score (`FOUND`). Without an embedder, or when it is down, it is 0.6 of the words that the piece itself shares: a
    caller's threshold then makes the draft more cautious, not less. In another ``language`` the words are read in English.
    """
    quotable = [(source, n, piece) for source in sources for n, piece in enumerate(quotable_pieces(source))]
    if not quotable or not asks:
        return []
    english = partial(in_english, language=language if embedder is None or knows_only_english(embedder) else "")
    whole = " ".join(english(message).split())[:1000]
    forms_of = {ask: [english(form) for form in ask.forms] for ask in asks}
    forms = [*chain.from_iterable(forms_of.values()), *([whole] if whole else [])]
    likeness = _likeness(forms, quotable, embedder)
    words = [
        # The rows of a table are told apart by their own words.
        terms(
            f"{source.title} {piece.heading} {piece.block if likeness and piece.kind is not Kind.ROW else piece.text}"
        )
        for source, _, piece in quotable
    ]
    rare = rarity(words)
    asked = {form: set(terms(form)) for form in forms}
    found: list[Candidate] = []
    for place, (source, n, piece) in enumerate(quotable):
        shared = {form: overlap(words[place], asked[form], rare) for form in forms}
        scored = {f: 0.25 * shared[f] + likeness[f][place] if likeness else 0.6 * shared[f] for f in forms}
        scores, alone = [], []
        for ask in asks:
            own = max(scored[f] for f in forms_of[ask])
            around = scored[whole] if whole and likeness and ask.outright else own
            share = MESSAGE_OF_VAGUE if len(terms(ask.text)) <= VAGUE else MESSAGE
            score = (1 - share) * own + share * around
            scores.append(round((1 - FOUND) * score + FOUND * source.score if likeness else score, 4))
            alone.append(round(own, 4))
        found.append(Candidate(source, n, piece, tuple(scores), tuple(alone)))
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
