from __future__ import annotations

import json
import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stamina

from ingestion.knowledge import embed
from ingestion.knowledge.embed import (
    EmbedderDown,
    HttpEmbedder,
    MiniLmEmbedder,
    RememberingEmbedder,
    get_embedder,
    get_remembering_embedder,
)
from tests.servers import in_background


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


QUESTIONS = {
    "How tight should I make the nut?": "Turn the fitting one more flat of the hex with a wrench.",
    "Can I send it back if I change my mind?": "Unused parts may be returned within 30 days.",
    "Does my gasoline line survive ethanol?": "PTFE hose is safe for E85 and methanol.",
    "When will the parcel be here?": "Ground shipping takes two to five business days.",
}


def test_the_offline_model_puts_an_answer_next_to_its_question() -> None:
    vectors = MiniLmEmbedder().embed([*QUESTIONS, *QUESTIONS.values()])
    questions, answers = vectors[: len(QUESTIONS)], vectors[len(QUESTIONS) :]
    for place, question in enumerate(questions):
        likeness = [cosine(question, answer) for answer in answers]
        assert likeness.index(max(likeness)) == place


def test_offline_vectors_have_length_one_and_the_promised_dimension() -> None:
    embedder = MiniLmEmbedder()
    for vector in embedder.embed(["", "one", "two words", "\ud800 broken", "x" * 50_000]):
        assert len(vector) == embedder.dimension == 384
        assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-5)
    assert embedder.embed([]) == []


def test_a_text_has_one_vector_whatever_stands_beside_it() -> None:
    texts = [f"Passage number {n}. " * (n % 7 + 1) for n in range(40)]
    together = MiniLmEmbedder(batch_size=16).embed(texts)
    for n in (0, 13, 39):
        assert cosine(together[n], MiniLmEmbedder().embed([texts[n]])[0]) == pytest.approx(1.0, abs=1e-4)


def test_short_texts_about_different_things_are_not_alike() -> None:
    olive, parcel, tube = MiniLmEmbedder().embed(["olive", "tracking number", "the tracking number of my parcel"])
    assert cosine(olive, parcel) < 0.3 < 0.6 < cosine(parcel, tube)


def test_only_the_first_256_tokens_count() -> None:
    base = "hose " * 300
    first, second = MiniLmEmbedder().embed([base, base + "elephants in Alaska " * 50])
    assert first == pytest.approx(second)


def test_damaged_model_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "_minilm", None)
    monkeypatch.setattr(embed, "TOKENIZER_SHA256", "0" * 64)
    with pytest.raises(EmbedderDown, match="damaged") as caught:
        MiniLmEmbedder().embed(["x"])
    assert not caught.value.retryable


class Endpoint:
    """A real HTTP server that answers /v1/embeddings by a script."""

    def __init__(self) -> None:
        self.script: list[tuple[int, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                endpoint.keys.append(self.headers.get("Authorization"))
                status, body = endpoint.script.pop(0) if endpoint.script else (200, endpoint.vectors())
                if self.path != "/v1/embeddings":
                    status, body = 404, {}
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        in_background(self.server)

    def vectors(self) -> dict[str, Any]:
        """In reverse order, as the API allows: `index` tells which is which."""
        rows = [
            {"index": n, "embedding": [float(len(text)), 0.0, 1.0]} for n, text in enumerate(self.asked[-1]["input"])
        ]
        return {"data": rows[::-1]}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    with stamina.set_testing(True, attempts=9, cap=True):
        yield found
    found.server.shutdown()
    found.server.server_close()


def test_an_endpoint_is_asked_in_batches_and_answers_in_order(endpoint: Endpoint) -> None:
    embedder = HttpEmbedder(url=endpoint.url, model="m-1", key="secret", batch_size=2)
    vectors = embedder.embed(["a", "bb", "ccc"])
    assert vectors[1] == pytest.approx([2 / math.sqrt(5), 0, 1 / math.sqrt(5)])
    assert [vector[0] for vector in vectors] == sorted(vector[0] for vector in vectors)
    assert [asked["input"] for asked in endpoint.asked] == [["a", "bb"], ["ccc"]]
    assert endpoint.asked[0]["model"] == "m-1"
    assert endpoint.keys == ["Bearer secret"] * 2
    assert (embedder.name, embedder.dimension) == ("m-1", 3)


def test_the_dimension_is_asked_for_once(endpoint: Endpoint) -> None:
    embedder = HttpEmbedder(url=endpoint.url + "/embeddings/", model="m-1")
    assert (embedder.dimension, embedder.dimension) == (3, 3)
    assert len(endpoint.asked) == 1
    assert endpoint.keys == [None]


def test_overload_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.script = [(429, {}), (503, {})]
    assert len(HttpEmbedder(url=endpoint.url, model="m").embed(["a"])) == 1
    assert len(endpoint.asked) == 3


def test_after_three_refusals_it_gives_up_and_may_be_tried_later(endpoint: Endpoint) -> None:
    endpoint.script = [(500, {})] * 4
    with pytest.raises(EmbedderDown, match="answered 500") as caught:
        HttpEmbedder(url=endpoint.url, model="m").embed(["a"])
    assert caught.value.retryable
    assert len(endpoint.asked) == 3


def test_a_wrong_key_is_final(endpoint: Endpoint) -> None:
    endpoint.script = [(401, {"error": "no such key"})]
    with pytest.raises(EmbedderDown, match=r"401.*no such key") as caught:
        HttpEmbedder(url=endpoint.url, model="m").embed(["a"])
    assert not caught.value.retryable
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        {},
        {"data": []},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": ["x"]}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]},
        {"data": None},
        [],
    ],
)
def test_an_answer_in_another_form_is_refused(endpoint: Endpoint, body: Any) -> None:
    endpoint.script = [(200, body)]
    with pytest.raises(EmbedderDown):
        HttpEmbedder(url=endpoint.url, model="m").embed(["a"])


def test_vectors_that_change_their_length_are_refused(endpoint: Endpoint) -> None:
    embedder = HttpEmbedder(url=endpoint.url, model="m")
    embedder.embed(["a"])
    endpoint.script = [(200, {"data": [{"index": 0, "embedding": [1.0, 2.0]}]})]
    with pytest.raises(EmbedderDown, match="different lengths"):
        embedder.embed(["a"])


def test_an_endpoint_that_is_not_there_is_said_plainly(endpoint: Endpoint) -> None:
    with pytest.raises(EmbedderDown, match="did not answer") as caught:
        HttpEmbedder(url="http://127.0.0.1:9/v1", model="m").embed(["a"])
    assert caught.value.retryable


def test_a_remembered_text_is_not_embedded_again(endpoint: Endpoint) -> None:
    embedder = RememberingEmbedder(HttpEmbedder(url=endpoint.url, model="m"), most=2)
    first = embedder.embed(["a", "bb", "a"])
    assert first[0] == first[2] != first[1]
    assert first[1] == pytest.approx([2 / math.sqrt(5), 0, 1 / math.sqrt(5)], abs=1e-6)
    assert embedder.embed(["bb", "a"]) == [first[1], first[0]]
    assert [asked["input"] for asked in endpoint.asked] == [["a", "bb"]]
    embedder.embed(["ccc"])  # the oldest, "bb", goes
    embedder.embed(["a"])
    embedder.embed(["bb"])
    assert [asked["input"] for asked in endpoint.asked] == [["a", "bb"], ["ccc"], ["bb"]]
    assert (embedder.name, embedder.dimension) == ("m", 3)


def test_the_process_shares_one_memory() -> None:
    assert get_remembering_embedder() is get_remembering_embedder()


def test_the_settings_choose_the_embedder(settings: Any) -> None:
    assert isinstance(get_embedder(), MiniLmEmbedder)
    settings.EMBEDDINGS_URL, settings.EMBEDDINGS_MODEL, settings.EMBEDDINGS_KEY = "http://127.0.0.1:9/v1", "m-2", ""
    found = get_embedder()
    assert isinstance(found, HttpEmbedder)
    assert found.name == "m-2"
    assert get_embedder() is found
