"""The order of sources by a model: what it may change, and that nothing it does wrong costs a draft."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from drafts.llm.endpoint import Endpoint
from drafts.writing.model import ModelDrafter
from drafts.writing.rerank import ModelReranker, get_reranker
from tests.drafts.test_model_drafter import GOOD, ModelServer, completion, request, source

SOURCES = tuple(source(f"Passage {n} says something.") for n in range(1, 5))


@pytest.fixture
def endpoint() -> Iterator[ModelServer]:
    made = ModelServer()
    yield made
    made.released.set()
    made.server.shutdown()
    made.server.server_close()


def order(endpoint: ModelServer, timeout: float = 10.0) -> list[int]:
    reranker = ModelReranker(Endpoint(provider="openai", model="m", url=endpoint.url, timeout=timeout))
    return [SOURCES.index(each) + 1 for each in reranker.order("Which one?", SOURCES)[0]]


def test_the_named_come_first_and_none_is_lost(endpoint: ModelServer) -> None:
    endpoint.answers(lambda asked: (200, completion({"numbers": [3, 1]})))
    assert order(endpoint) == [3, 1, 2, 4]
    assert "Passage 3 says something." in str(endpoint.asked[0]["messages"])


def test_what_the_order_took_counts_as_the_drafts_and_a_failure_takes_nothing(endpoint: ModelServer) -> None:
    endpoint.answers(lambda asked: (200, completion({"numbers": [1]})), lambda asked: (500, {}))
    reranker = ModelReranker(Endpoint(provider="openai", model="m", url=endpoint.url, timeout=10.0))
    assert reranker.order("Which one?", SOURCES)[1] == (100, 20)
    assert reranker.order("Which one?", SOURCES)[1] == (0, 0)

    endpoint.answers(lambda asked: (200, completion(GOOD)))
    drafter = ModelDrafter(Endpoint(provider="openai", model="m", url=endpoint.url), prices=(3.0, 15.0))
    result = drafter.write(request(spent=(1_000, 50)))
    assert result.tokens_used == 1_000 + 50 + 120
    assert result.cost_micros == 3 * 1_100 + 15 * 70


@pytest.mark.parametrize("numbers", [[9, 0, -1], [], [2, 2, 2, 99]])
def test_numbers_that_are_no_passages_change_nothing(endpoint: ModelServer, numbers: list[int]) -> None:
    endpoint.answers(lambda asked: (200, completion({"numbers": numbers})))
    assert order(endpoint) == ([2, 1, 3, 4] if 2 in numbers else [1, 2, 3, 4])


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"error": {"message": "overloaded"}}),
        (401, {"error": {"message": "wrong key"}}),
        (200, completion("not json")),
        (200, completion({"order": "none"})),
        (200, b"<html>"),
    ],
)
def test_after_any_failure_the_order_stays_and_nothing_is_asked_twice(endpoint: ModelServer, answer: Any) -> None:
    endpoint.answers(lambda asked: answer)
    assert order(endpoint) == [1, 2, 3, 4]
    assert len(endpoint.asked) == 1


def test_a_model_that_is_slow_is_not_waited_for(endpoint: ModelServer) -> None:
    endpoint.drips = True
    endpoint.answers(lambda asked: (200, completion({"numbers": [4]})))
    began = time.monotonic()
    assert order(endpoint, timeout=0.5) == [1, 2, 3, 4]
    assert time.monotonic() - began < 15


def test_it_is_off_unless_asked_for_and_never_with_the_offline_drafter(settings: Any) -> None:
    settings.DRAFTER, settings.DRAFTER_MODEL = "openai", "m"
    assert get_reranker() is None
    settings.RERANKER = "model"
    assert get_reranker() is not None
    settings.DRAFTER = "offline"
    assert get_reranker() is None
