"""The vector store: Chroma's HTTP API, version 2, and the only module that knows it.

One collection per account, named by the account's id, cosine space. A collection holds nothing but passage ids and their
vectors: no text, no metadata that could leak. The server has no idea of who may read what, so whoever asks re-reads the
ids through PostgreSQL under the tenant. Vectors are never the only copy: ``index.rebuild_vectors`` makes them anew.
API: https://docs.trychroma.com/reference and ``/openapi.json`` of a running server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import stamina
from django.conf import settings

BATCH = 1_000  # the server refuses more than 5,461; 1,000 vectors are about 8 MB of JSON
PAGE = 5_000
_API = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class VectorStoreDown(Exception):
    """The vector store did not do what was asked. Passages are safe in the database; full text still finds them."""


class EmbedderMismatch(VectorStoreDown):
    """The account's vectors were made by another embedder, so distances would mean nothing. Run rebuild_vectors."""


class VectorStore:
    """The collections of one server, written and read with one embedder. Safe to share between threads."""

    def __init__(self, *, url: str, embedder_name: str, timeout: float = 5.0) -> None:
        import httpx2

        self._embedder_name = embedder_name
        self._client = httpx2.Client(base_url=url.rstrip("/"), timeout=timeout)
        self._collections: dict[UUID, tuple[str, dict[str, Any]]] = {}

    def upsert(self, account_id: UUID, ids: Sequence[UUID], vectors: Sequence[Sequence[float]]) -> None:
        """Store or replace the vectors. Raises VectorStoreDown (some may be stored; repeating is safe)."""
        for start in range(0, len(ids), BATCH):
            batch = {
                "ids": [str(key) for key in ids[start : start + BATCH]],
                "embeddings": [list(vector) for vector in vectors[start : start + BATCH]],
            }
            self._in_collection(account_id, "upsert", batch, dimension=len(vectors[0]), create=True, timeout=30.0)

    def query(self, account_id: UUID, vector: Sequence[float], limit: int) -> list[tuple[UUID, float]]:
        """The nearest ids with their cosine distance (0 same, 2 opposite), nearest first; none without a collection."""
        return self.query_many(account_id, [vector], limit)[0]

    def query_many(
        self, account_id: UUID, vectors: Sequence[Sequence[float]], limit: int
    ) -> list[list[tuple[UUID, float]]]:
        """``query`` for several vectors in one request. Raises VectorStoreDown."""
        asked = {"query_embeddings": [list(vector) for vector in vectors], "n_results": limit, "include": ["distances"]}
        answer = self._in_collection(account_id, "query", asked, dimension=len(vectors[0]))
        if answer is None:
            return [[] for _ in vectors]
        try:
            return [
                [(UUID(key), float(distance)) for key, distance in zip(keys, distances, strict=True)]
                for keys, distances in zip(answer["ids"], answer["distances"], strict=True)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise VectorStoreDown(f"The vector store answered in an unknown form: {error!r:.200}") from error

    def delete(self, account_id: UUID, ids: Sequence[UUID]) -> None:
        """Remove vectors; unknown ids and a missing collection are fine. Raises VectorStoreDown."""
        for start in range(0, len(ids), BATCH):
            self._in_collection(account_id, "delete", {"ids": [str(key) for key in ids[start : start + BATCH]]})

    def existing(self, account_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these ids have a vector. Raises VectorStoreDown."""
        found: set[UUID] = set()
        for start in range(0, len(ids), BATCH):
            asked = {"ids": [str(key) for key in ids[start : start + BATCH]], "include": []}
            answer = self._in_collection(account_id, "get", asked)
            found.update(UUID(key) for key in (answer or {}).get("ids", ()))
        return found

    def ids(self, account_id: UUID) -> set[UUID]:
        """Every id that has a vector, read in pages. Raises VectorStoreDown."""
        found: set[UUID] = set()
        while True:
            asked = {"limit": PAGE, "offset": len(found), "include": []}
            answer = self._in_collection(account_id, "get", asked)
            page = {UUID(key) for key in (answer or {}).get("ids", ())} - found
            if not page:
                return found
            found |= page

    def count(self, account_id: UUID) -> int:
        """How many vectors the account has; 0 without a collection. Raises VectorStoreDown."""
        return int(self._in_collection(account_id, "count", None) or 0)

    def drop(self, account_id: UUID) -> None:
        """Remove the account's collection, if there is one, whatever embedder made it. Raises VectorStoreDown."""
        self._collections.pop(account_id, None)
        self._call("DELETE", f"{_API}/{_name(account_id)}", absent_is_fine=True)

    def is_up(self) -> bool:
        try:
            self._call("GET", "/api/v2/heartbeat")
        except VectorStoreDown:
            return False
        return True

    def _in_collection(
        self,
        account_id: UUID,
        verb: str,
        payload: dict[str, Any] | None,
        *,
        dimension: int | None = None,
        create: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """The answer of one call, or None when there is no collection."""
        for _ in range(2):
            key = self._collection(account_id, dimension=dimension, create=create)
            if key is None:
                return None
            method = "POST" if payload is not None else "GET"
            answer = self._call(method, f"{_API}/{key}/{verb}", payload, absent_is_fine=True, timeout=timeout)
            if answer is not None:
                return answer
            self._collections.pop(account_id, None)  # another process dropped it, and may have made it anew
        return None

    def _collection(self, account_id: UUID, *, dimension: int | None, create: bool) -> str | None:
        """The collection's id, kept for the next call. Raises EmbedderMismatch."""
        if account_id not in self._collections:
            found = self._call("GET", f"{_API}/{_name(account_id)}", absent_is_fine=True)
            if found is None and create:
                wanted = {
                    "name": _name(account_id),
                    "get_or_create": True,
                    "configuration": {"hnsw": {"space": "cosine"}},
                    "metadata": {"embedder": self._embedder_name, "dimension": dimension},
                }
                found = self._call("POST", _API, wanted)
            if found is None:
                return None
            self._collections[account_id] = (found["id"], found.get("metadata") or {})
        key, metadata = self._collections[account_id]
        if dimension is not None and metadata != {"embedder": self._embedder_name, "dimension": dimension}:
            self._collections.pop(account_id, None)
            raise EmbedderMismatch(
                f"The vectors of account {account_id} were made by {metadata.get('embedder', 'an unknown embedder')} "
                f"({metadata.get('dimension', '?')} dimensions), and {self._embedder_name} ({dimension}) is in use now. "
                "Nothing was changed. Run the command rebuild_vectors for this account."
            )
        return key

    def _call(
        self,
        method: str,
        path: str,
        payload: dict[str, Any] | None = None,
        *,
        absent_is_fine: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """One call, tried twice: every call here may be repeated without harm. Raises VectorStoreDown."""
        import httpx2

        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        try:
            for attempt in self._attempts():
                with attempt:
                    response = self._client.request(method, path, json=payload, **extra)
                    if absent_is_fine and response.status_code == 404:
                        return None
                    response.raise_for_status()
            return response.json()
        except httpx2.HTTPStatusError as error:
            detail = f"{error.response.status_code} {error.response.text[:200]}"
            raise VectorStoreDown(f"The vector store refused {method} {path}: {detail}") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise VectorStoreDown(f"The vector store did not answer: {type(error).__name__} {error}") from error

    @staticmethod
    def _attempts() -> Iterator[stamina.Attempt]:
        return iter(stamina.retry_context(on=_is_passing, attempts=2, timeout=30.0, wait_initial=0.1, wait_jitter=0.1))


def get_vector_store(embedder_name: str) -> VectorStore | None:
    """The store at CHROMA_URL, or None when that is empty: then search uses full text only."""
    url: str = settings.CHROMA_URL
    return _store(url, embedder_name) if url else None


@lru_cache(maxsize=8)
def _store(url: str, embedder_name: str) -> VectorStore:
    return VectorStore(url=url, embedder_name=embedder_name)


def _name(account_id: UUID) -> str:
    return f"account-{UUID(str(account_id))}"


def _is_passing(error: Exception) -> bool:
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx2.TransportError)
