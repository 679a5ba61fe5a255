"""Which of the approved answers a question asks for, and whether it asks for any: learned from their own questions.

Many approved questions share an answer. From enough of them a kernel ridge classifier is learned: for each answer a
function of the question's vector that is near 1 at its questions and near 0 at the others'. The highest value says which
answer; whether it is high enough is decided by what the same functions say where the answer is left out. Both follow
in closed form from one matrix (Rasmussen & Williams, Gaussian Processes for Machine Learning, section 5.4.2), so there is no
chance in it and nothing to tune for a tenant. Plain numpy, any embedder.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy

SHARPNESS, RIDGE = 3.0, 0.1
"""Of the kernel exp(SHARPNESS * (cosine - 1)) and of the ridge. Chosen on splits that no report uses (docs/quality.md)."""
STRICT = 0.92
"""The share of left-out questions that the threshold turns away. It turned away 0.958 of what other splits removed."""
ENOUGH_ANSWERS, ENOUGH_EACH = 8, 5  # fewer answers, or answers with fewer questions, teach nothing
MAX_QUESTIONS = 8_000  # questions: learning takes their cube, about ten seconds of two cores for these
MAX_WEIGHTS = 2_000_000  # questions times answers
Matrix = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Known:
    """What is known about one question. ``scores`` has a figure for each answer: about 1 it is meant, about 0 it is not."""

    recogniser: Recogniser
    scores: Matrix
    cosines: Matrix

    def score(self, document_id: UUID) -> float | None:
        """Of the answer of this document; None where the document was not learned."""
        row = self.recogniser.rows.get(document_id)
        return None if row is None else float(self.scores[self.recogniser.labels[row]])

    def is_asked(self, document_id: UUID) -> bool | None:
        """Whether this document's answer is what is asked, and none other; None where the document was not learned."""
        row = self.recogniser.rows.get(document_id)
        if row is None:
            return None
        label = int(self.scores.argmax())
        return int(self.recogniser.labels[row]) == label and float(self.scores[label]) > self.recogniser.threshold

    def nearest(self, answers: int = 8) -> list[tuple[UUID, float]]:
        """The most likely answers, each by its question that is nearest to this one, with the cosine."""
        found = []
        for label in numpy.argsort(-self.scores, kind="stable")[:answers]:
            rows = numpy.flatnonzero(self.recogniser.labels == label)
            row = int(rows[self.cosines[rows].argmax()])
            found.append((self.recogniser.documents[row], float(self.cosines[row])))
        return found


@dataclass(frozen=True)
class Recogniser:
    """Learned from ``documents`` (approved questions), of which those with one label have one answer."""

    documents: tuple[UUID, ...]
    labels: Matrix
    vectors: Matrix
    weights: Matrix
    threshold: float
    rows: dict[UUID, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", {document: row for row, document in enumerate(self.documents)})

    @cached_property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    def recognise(self, vectors: Sequence[Sequence[float]]) -> list[Known]:
        """For each question's vector (of length 1). Raises ValueError when another embedder made it."""
        asked = numpy.asarray(vectors, dtype=numpy.float32)
        if asked.ndim != 2 or asked.shape[1] != self.dimension:
            raise ValueError(f"The answers were learned with vectors of {self.dimension} numbers.")
        cosines = asked @ self.vectors.T
        scores = _kernel(cosines) @ self.weights
        return [Known(self, *each) for each in zip(scores, cosines, strict=True)]

    def to_bytes(self) -> bytes:
        file = io.BytesIO()
        numpy.savez_compressed(
            file,
            documents=numpy.frombuffer(b"".join(document.bytes for document in self.documents), dtype=numpy.uint8),
            labels=self.labels.astype(numpy.int32),
            vectors=self.vectors.astype(numpy.float16),
            weights=self.weights.astype(numpy.float16),
            threshold=numpy.float64(self.threshold),
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Recogniser:
        with numpy.load(io.BytesIO(stored), allow_pickle=False) as found:
            ids = found["documents"].tobytes()
            return cls(
                documents=tuple(UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)),
                labels=found["labels"],
                vectors=found["vectors"].astype(numpy.float32),
                weights=found["weights"].astype(numpy.float32),
                threshold=float(found["threshold"]),
            )


def learnable(answers: Sequence[str]) -> list[int]:
    """Which of the approved questions, given the answer of each, newest first, can be learned from; empty: too few."""
    chosen = list(range(min(len(answers), MAX_QUESTIONS)))
    counted = Counter(answers[at] for at in chosen)
    often = [answer for answer, times in counted.most_common(MAX_WEIGHTS // MAX_QUESTIONS) if times >= ENOUGH_EACH]
    if len(often) < ENOUGH_ANSWERS:
        return []
    kept = set(often)
    return [at for at in chosen if answers[at] in kept]


def learn(documents: Sequence[UUID], answers: Sequence[str], vectors: Sequence[Sequence[float]]) -> Recogniser:
    """From approved questions: the id, the answer and the vector of each. Ask `learnable` first."""
    names = {answer: label for label, answer in enumerate(dict.fromkeys(answers))}
    labels = numpy.array([names[answer] for answer in answers])
    known = numpy.asarray(vectors, dtype=numpy.float32)
    inverse = numpy.linalg.inv(_kernel(known @ known.T) + numpy.float32(RIDGE) * numpy.eye(len(known), dtype="f4"))
    wanted = numpy.eye(len(names), dtype=numpy.float32)[labels]
    weights = inverse @ wanted
    left_out = []
    for label in range(len(names)):
        rows = numpy.flatnonzero(labels == label)
        # What would be said of these questions, had none of them been learned.
        said = -numpy.linalg.solve(inverse[numpy.ix_(rows, rows)].astype(numpy.float64), weights[rows])
        said[:, label] = -numpy.inf
        left_out.append(said.max(axis=1))
    threshold = float(numpy.quantile(numpy.concatenate(left_out), STRICT))
    return Recogniser(tuple(documents), labels, known, weights, threshold)


def _kernel(cosines: Matrix) -> Matrix:
    return numpy.exp(numpy.float32(SHARPNESS) * (cosines - 1))
