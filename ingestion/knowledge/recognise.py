"""Which of the approved answers a question asks for, and whether it asks for any: learned from their own questions.

Many approved questions share an answer. For each question that is asked a kernel ridge classifier is solved from the
approved questions nearest to it: for each answer a figure that is near 1 where it is meant and near 0 where another is. The
highest says which answer; whether it is high enough is decided by what is said of questions whose answer is left out.
Only neighbours count, so that 50,000 approved questions cost hardly more than 1,000, and all of them, rare answers too, are on one
scale. There is no chance in it and nothing to tune for a tenant. Plain numpy, any embedder.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy

SHARPNESS, RIDGE = 3.0, 0.1
"""Of the kernel exp(SHARPNESS * (cosine - 1)) and of the ridge. Chosen on splits that no report uses (docs/quality.md)."""
NEIGHBOURS = 200  # approved questions that one classifier is solved from; 100 know less, 400 no more
STRICT = 0.925
"""The share of left-out questions that the threshold turns away. It turned away 0.94 of what four other splits removed."""
ENOUGH_ANSWERS = 8  # with as many questions; fewer teach nothing
ENOUGH_EACH = 5  # answers with fewer questions are ranked, and not judged
MAX_QUESTIONS = 50_000  # about 65 MB of memory where they are used
SAMPLE = 2_000  # questions that are left out to see what is said of them
VOTES, LIKENESS = 20, 16  # meaning alone: the nearest vote, by their cosine to this power
WIDTH, SHORTLIST = 64, 600
"""Vectors are looked through by their shadows on the WIDTH directions that say most; the SHORTLIST of them is compared whole. It
holds 0.996 of the nearest 200 among 50,000, in a tenth of the time."""
Matrix = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Known:
    """What is known about one question: for each answer near it a figure (about 1 it is meant, about 0 it is not), and the
    nearest question that has it, by its place, with the cosine."""

    recogniser: Recogniser
    scores: dict[int, float]
    closest: dict[int, tuple[int, float]]

    def score(self, document_id: UUID) -> float | None:
        """Of the answer of this document; None where the document was not learned."""
        row = self.recogniser.rows.get(document_id)
        return None if row is None else self.scores.get(int(self.recogniser.labels[row]), 0.0)

    def vote(self, cosine: float) -> float:
        """What a question so near counts where meaning alone decides."""
        return float(max(0.0, cosine) ** LIKENESS)

    def is_asked(self, document_id: UUID) -> bool | None:
        """Whether this document's answer is what is asked, and none other; None where its answer is not judged."""
        row = self.recogniser.rows.get(document_id)
        label = None if row is None else int(self.recogniser.labels[row])
        if label is None or not self.recogniser.judged[label]:
            return None
        best = max(self.scores, key=lambda each: self.scores[each])
        return label == best and self.scores[best] > self.recogniser.threshold

    def nearest(self, answers: int = 8) -> list[tuple[UUID, float]]:
        """The most likely answers, each by its question that is nearest to this one, with the cosine."""
        best = sorted(self.scores, key=lambda label: (-self.scores[label], -self.closest[label][1]))[:answers]
        return [(self.recogniser.documents[row], cosine) for row, cosine in (self.closest[label] for label in best)]


@dataclass(frozen=True)
class Recogniser:
    """Learned from ``documents`` (approved questions), of which those with one label have one answer.

    ``judged`` says of each label whether `Known.is_asked` knows it. ``by_votes``: on the questions that were left out meaning alone was
    better, so it is what scores. ``marks`` are the questions' own, for `answers` to know which it has vectors of.
    """

    documents: tuple[UUID, ...]
    labels: Matrix
    vectors: Matrix  # half precision
    judged: Matrix
    threshold: float
    by_votes: bool
    marks: Matrix
    rows: dict[UUID, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", {document: row for row, document in enumerate(self.documents)})

    @cached_property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    @cached_property
    def _shadows(self) -> tuple[Matrix, Matrix]:
        """(the directions that say most, all vectors' shares of them)."""
        together = numpy.zeros((self.dimension, self.dimension), dtype=numpy.float64)
        for block in self._blocks():
            together += block.T @ block
        directions = numpy.linalg.eigh(together)[1][:, -WIDTH:].astype(numpy.float32)
        return directions, numpy.concatenate([block @ directions for block in self._blocks()])

    def _blocks(self) -> Iterator[Matrix]:
        for start in range(0, len(self.vectors), 4_096):
            yield self.vectors[start : start + 4_096].astype(numpy.float32)

    def recognise(self, vectors: Sequence[Sequence[float]]) -> list[Known]:
        """For each question's vector (of length 1). Raises ValueError when another embedder made it."""
        asked = numpy.asarray(vectors, dtype=numpy.float32)
        if asked.ndim != 2 or asked.shape[1] != self.dimension:
            raise ValueError(f"The answers were learned with vectors of {self.dimension} numbers.")
        return [self._recognise(each) for each in asked]

    def _recognise(self, asked: Matrix) -> Known:
        rows = numpy.arange(len(self.vectors))
        if len(rows) > SHORTLIST:
            directions, shadows = self._shadows
            rows = _highest(shadows @ (asked @ directions), SHORTLIST)
        vectors = self.vectors[rows].astype(numpy.float32)
        cosines = vectors @ asked
        near = _highest(cosines, NEIGHBOURS)
        rows, cosines = rows[near], cosines[near]
        weights = _votes(cosines) if self.by_votes else _solve(vectors[near], cosines)
        labels = self.labels[rows]
        closest: dict[int, tuple[int, float]] = {}
        for label, row, cosine in zip(labels.tolist(), rows.tolist(), cosines.tolist(), strict=True):
            closest.setdefault(label, (row, cosine))
        return Known(self, _by_label(labels, weights), closest)

    def to_bytes(self) -> bytes:
        file = io.BytesIO()
        numpy.savez(  # not compressed: vectors hardly shrink
            file,
            documents=numpy.frombuffer(b"".join(document.bytes for document in self.documents), dtype=numpy.uint8),
            labels=self.labels.astype(numpy.int32),
            vectors=self.vectors,
            judged=self.judged,
            threshold=numpy.float64(self.threshold),
            by_votes=numpy.bool_(self.by_votes),
            marks=self.marks,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Recogniser | None:
        """None where an earlier version stored it: it is learned anew within minutes."""
        with numpy.load(io.BytesIO(stored), allow_pickle=False) as found:
            if "by_votes" not in found:
                return None
            ids = found["documents"].tobytes()
            return cls(
                documents=tuple(UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)),
                labels=found["labels"],
                vectors=found["vectors"],
                judged=found["judged"],
                threshold=float(found["threshold"]),
                by_votes=bool(found["by_votes"]),
                marks=found["marks"],
            )


def learnable(answers: Sequence[str]) -> list[int]:
    """Which of the approved questions, given the answer of each, newest first, are learned from; empty: too few.

    Where there are too many, each answer's newest come first, then each answer's second: no answer is forgotten before another has
    one question less.
    """
    if sum(times >= ENOUGH_EACH for times in Counter(answers).values()) < ENOUGH_ANSWERS:
        return []
    seen: Counter[str] = Counter()
    turns = []
    for answer in answers:
        turns.append(seen[answer])
        seen[answer] += 1
    return sorted(sorted(range(len(answers)), key=lambda at: (turns[at], at))[:MAX_QUESTIONS])


def learn(
    documents: Sequence[UUID],
    answers: Sequence[str],
    vectors: Sequence[Sequence[float]] | Matrix,
    marks: Sequence[int] = (),
) -> Recogniser:
    """From approved questions: the id, the answer and the vector of each. Ask `learnable` first."""
    names = {answer: label for label, answer in enumerate(dict.fromkeys(answers))}
    labels = numpy.array([names[answer] for answer in answers], dtype=numpy.int32)
    known = numpy.asarray(vectors, dtype=numpy.float16)
    judged = numpy.bincount(labels, minlength=len(names)) >= ENOUGH_EACH
    left_out, votes_are_better = _try(known.astype(numpy.float32), labels, _sample(known, judged[labels]))
    return Recogniser(
        documents=tuple(documents),
        labels=labels,
        vectors=known,
        # A share of votes says which answer, and not whether any: then likeness decides, as where nothing was learned.
        judged=judged & (not votes_are_better),
        threshold=float(numpy.quantile(left_out, STRICT)),
        by_votes=votes_are_better,
        marks=numpy.array(marks, dtype=numpy.uint64),
    )


def _try(vectors: Matrix, labels: Matrix, sample: Matrix) -> tuple[list[float], bool]:
    """(the highest that is said of each question of the sample where its whole answer is left out; whether votes find the right
    answer more often where the question alone is)."""
    left_out = []
    solved = voted = 0
    for start in range(0, len(sample), 64):
        block = sample[start : start + 64]
        for row, cosines in zip(block, vectors[block] @ vectors.T, strict=True):
            cosines[row] = _GONE
            near = _nearest(cosines)
            solved += _first(labels[near], _solve(vectors[near], cosines[near])) == labels[row]
            voted += _first(labels[near], _votes(cosines[near])) == labels[row]
            cosines[labels == labels[row]] = _GONE
            near = _nearest(cosines)
            left_out.append(max(_by_label(labels[near], _solve(vectors[near], cosines[near])).values()))
    return left_out, voted > solved


def _sample(vectors: Matrix, wanted: Matrix) -> Matrix:
    """SAMPLE of the wanted rows, by the hash of their vectors: no matter in which order they came."""
    rows = numpy.flatnonzero(wanted)
    order = sorted(rows.tolist(), key=lambda row: hashlib.blake2b(vectors[row].tobytes(), digest_size=8).digest())
    return numpy.array(order[:SAMPLE])


def _solve(vectors: Matrix, cosines: Matrix) -> Matrix:
    """How much each of these questions says about one that is so near to them. Their shares, summed by answer, are the scores."""
    kernel = _kernel(vectors @ vectors.T)
    kernel[numpy.diag_indices_from(kernel)] += numpy.float32(RIDGE)
    return numpy.linalg.solve(kernel, _kernel(cosines))


def _votes(cosines: Matrix) -> Matrix:
    """The shares of a vote of the nearest; the cosines come in order."""
    weights = numpy.maximum(cosines, 0.0) ** LIKENESS
    weights[VOTES:] = 0
    return weights / max(float(weights.sum()), 1e-9)


def _kernel(cosines: Matrix) -> Matrix:
    return numpy.exp(numpy.float32(SHARPNESS) * (cosines - 1))


def _highest(values: Matrix, count: int) -> Matrix:
    """The places of the highest values, highest first."""
    if len(values) <= count:
        return numpy.argsort(-values, kind="stable")
    found = numpy.sort(numpy.argpartition(-values, count)[:count])
    return found[numpy.argsort(-values[found], kind="stable")]


_GONE = -2.0  # below every cosine


def _nearest(cosines: Matrix) -> Matrix:
    near = _highest(cosines, NEIGHBOURS)
    return near[cosines[near] > _GONE]


def _by_label(labels: Matrix, weights: Matrix) -> dict[int, float]:
    scores: dict[int, float] = {}
    for label, weight in zip(labels.tolist(), weights.tolist(), strict=True):
        scores[label] = scores.get(label, 0.0) + weight
    return scores


def _first(labels: Matrix, weights: Matrix) -> int:
    scores = _by_label(labels, weights)
    return max(scores, key=lambda label: scores[label])
