"""Another draft on the way: its text is shown while a model writes it, then what it changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.models import User
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.flow import drafting, progress
from drafts.llm.endpoint import Endpoint
from drafts.models import Draft, Writing
from drafts.writing.model import ModelDrafter
from drafts.writing.port import DrafterUnavailable, DraftRequest, DraftResult, OnText
from tests import factories
from tests.conftest import World
from tests.drafts.test_model_drafter import GOOD, RETURNS, request
from tests.servers import in_background

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(world: World) -> Draft:
    return factories.draft(factories.message(world.mail))


class InPieces:
    """A drafter that tells two pieces before it is done; `between` runs after each."""

    def __init__(self, between: Callable[[], object], error: DrafterUnavailable | None = None) -> None:
        self.between, self.error, self.was_asked_for_text = between, error, False

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        for text in ("Hi Marcus,", "Hi Marcus,\nPTFE\x00 is"):
            if on_text:
                self.was_asked_for_text = True
                on_text(text)
            self.between()
        if self.error:
            raise self.error
        return DraftResult("Hi Marcus,\n\nPTFE is fine.", (), 0.5, (), "sizing", (), "pieces", 1, 1)


def asked_again(draft: Draft, user: User) -> Any:
    with tenant_context(draft.account_id):
        return decisions.regenerate(draft_id=draft.pk, actor=user, seen=factories.seen(draft), instruction="shorter")


def redraft(draft: Draft, drafter: Any, asked_by: Any) -> Draft | None:
    return drafting.write_draft(
        account_id=draft.account_id, conversation_id=draft.conversation_id, asked_by=asked_by, drafter=drafter
    )


def banner(client: Client, draft: Draft) -> Any:
    answer = client.get(f"/drafts/{draft.pk}/progress/", headers=HTMX)
    found = BeautifulSoup(answer.content, "html.parser").select_one("#banner")
    assert found is not None
    return answer.status_code, found


def test_whoever_asked_reads_along_and_is_shown_what_changed(world: World, signed_in: Browser, draft: Draft) -> None:
    client, seen = signed_in(world.ada), []
    action = asked_again(draft, world.ada)
    assert banner(client, draft)[1].select(".prose p") == []

    newer = redraft(draft, InPieces(lambda: seen.append(banner(client, draft))), action.pk)

    assert newer is not None
    assert [[p.text for p in found.select(".prose p")] for _, found in seen] == [
        ["Hi Marcus,"],
        ["Hi Marcus,", "PTFE is"],
    ]
    assert {(status, found["hx-trigger"]) for status, found in seen} == {(200, "every 1s")}
    status, ready = banner(client, draft)
    assert status == 286  # htmx: ask no more
    assert ready.get("hx-trigger") is None
    assert ready.select_one("a")["href"] == f"/drafts/{newer.pk}/"
    assert "E85" in " ".join(each.text for each in ready.select("del"))
    assert "fine" in " ".join(each.text for each in ready.select("ins"))
    with tenant_context(draft.account_id):
        assert not Writing.objects.exists()


def test_the_pulse_and_the_page_of_the_old_draft_lead_to_the_new_one(
    world: World, signed_in: Browser, draft: Draft
) -> None:
    client = signed_in(world.ada)
    newer = redraft(draft, InPieces(lambda: None), asked_again(draft, world.ada).pk)
    assert newer is not None
    for url in (f"/drafts/{draft.pk}/", f"/queue/pulse/?since=none&draft={draft.pk}"):
        page = BeautifulSoup(client.get(url).content, "html.parser")
        assert page.select_one(f"#banners-{draft.pk} a")["href"] == f"/drafts/{newer.pk}/", url
    assert client.get(f"/drafts/{draft.pk}/progress/").headers["Location"] == f"/drafts/{newer.pk}/"


def test_what_was_told_goes_when_no_draft_comes_out(world: World, draft: Draft) -> None:
    action = asked_again(draft, world.ada)
    with pytest.raises(DrafterUnavailable):
        redraft(draft, InPieces(lambda: None, DrafterUnavailable("slow", retryable=True)), action.pk)
    with tenant_context(draft.account_id):
        assert not Writing.objects.exists()
        assert Draft.objects.get().status == "pending"


def test_nobody_looks_on_while_the_first_draft_is_written(world: World) -> None:
    drafter = InPieces(lambda: None)
    message = factories.message(world.mail)
    drafting.write_draft(account_id=message.account_id, conversation_id=message.conversation_id, drafter=drafter)
    assert drafter.was_asked_for_text is False


def test_another_tenant_reads_nothing_along(world: World, signed_in: Browser, draft: Draft) -> None:
    progress.publisher(account_id=draft.account_id, conversation_id=draft.conversation_id)("Secret words")
    answer = signed_in(world.eve).get(f"/drafts/{draft.pk}/progress/", headers=HTMX)
    assert answer.status_code == 404
    assert b"Secret words" not in answer.content


# --- the wire: a real server that answers in pieces (server-sent events, OpenAI's chat completion chunks) -----------
@pytest.fixture
def chunked() -> Iterator[tuple[str, threading.Event]]:
    """An endpoint that sends the first half of an answer, and the rest once it is let."""
    text, go_on = json.dumps(GOOD), threading.Event()
    half = text.index("30 days")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert asked["stream"] is True
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            by_tool = "tools" in asked
            first, then = self._call(text[:half], name="final_result"), self._call(text[half:])
            self._chunk({"role": "assistant"} | ({"tool_calls": [first]} if by_tool else {"content": text[:half]}))
            go_on.wait(20)
            self._chunk({"tool_calls": [then]} if by_tool else {"content": text[half:]})
            self._chunk({}, finish="tool_calls" if by_tool else "stop")
            usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
            self._send({"choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")

        def _call(self, arguments: str, name: str | None = None) -> dict[str, Any]:
            function = {"arguments": arguments, **({"name": name} if name else {})}
            return {"index": 0, **({"id": "call_1", "type": "function"} if name else {}), "function": function}

        def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> None:
            self._send({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        def _send(self, found: dict[str, Any]) -> None:
            head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test"}
            self.wfile.write(f"data: {json.dumps({**head, **found})}\n\n".encode())
            self.wfile.flush()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    in_background(server)
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", go_on
    go_on.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("output", ["schema", "tool"])
def test_a_model_tells_its_text_while_it_is_still_writing(chunked: tuple[str, threading.Event], output: str) -> None:
    url, go_on = chunked
    told: list[tuple[str, int]] = []

    def tell(text: str) -> None:
        told.append((text, threading.get_ident()))
        go_on.set()

    drafter = ModelDrafter(
        Endpoint(provider="openai", model="test-model", url=url, key="k-1", timeout=20, output=output)
    )
    result = drafter.write(request(), on_text=tell)

    assert told[0] == ("Hi Luis,\nUnused, uncut hose may be returned within", threading.get_ident())
    assert [result.text[c.start : c.end] for c in result.statements] == [
        "Unused, uncut hose may be returned within 30 days of delivery."
    ]
    assert result.statements[0].source_ids == (RETURNS.passage_id,)
    assert result.tokens_used == 120
