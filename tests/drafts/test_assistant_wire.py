"""What goes over the wire to a model: chats with cards in every state, to an endpoint as strict as the strictest of the field.

A tool call without its return, or a return without its call, is refused by such endpoints, and with it the whole chat from
then on: the fault that bricks the chats of other products.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from drafts.assistant.model import ModelAssistant
from drafts.assistant.port import Request, Shown, Spoken
from drafts.llm.endpoint import Endpoint
from tests.drafts.test_assistant_model import Shelf, request
from tests.servers import in_background

HISTORIES = int(os.environ.get("COUNTERSIGN_WIRE_HISTORIES", "40"))  # the figure in the docs is of 500
OUTCOMES = [
    "It waits on a card. Nothing has happened.",
    "It was done.",
    "The person refused it. No, she is right. \u2028 {}",
]
TOOLS = ["set_tags", "assign", "a_tool_that_is_gone"]


def faults(messages: list[dict[str, Any]]) -> list[str]:
    """What a strict endpoint would refuse."""
    wrong, open_calls = [], set[str]()
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            if message["tool_call_id"] not in open_calls:
                wrong.append(f"{at}: a return of no call")
            open_calls.discard(message["tool_call_id"])
            continue
        if open_calls:
            wrong.append(f"{at}: {len(open_calls)} calls without a return")
            open_calls = set()
        if role not in {"system", "developer", "user", "assistant"}:
            wrong.append(f"{at}: {role}")
        for call in message.get("tool_calls") or ():
            if not isinstance(json.loads(call["function"]["arguments"]), dict) or call["id"] in open_calls:
                wrong.append(f"{at}: a call of no shape")
            open_calls.add(call["id"])
        if not message.get("content") and not message.get("tool_calls"):
            wrong.append(f"{at}: nothing said")
    return wrong + [f"the end: {len(open_calls)} calls without a return"] * bool(open_calls)


class Strict:
    """A chat-completions endpoint that streams; it looks up once now and then, and answers 400 to what it finds wrong."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, Any]]] = []
        self.wrong: list[str] = []
        self.looks_up = False
        strict = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
                strict.asked.append(messages)
                found = faults(messages)
                strict.wrong += found
                self.send_response(400 if found else 200)
                self.send_header("Content-Type", "application/json" if found else "text/event-stream")
                self.end_headers()
                if found:
                    self.wfile.write(json.dumps({"error": {"message": "; ".join(found)}}).encode())
                    return
                for piece in strict.pieces(messages):
                    self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        in_background(self.server)

    def pieces(self, messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        call = {
            "index": 0, "id": f"look{len(self.asked)}", "type": "function",
            "function": {"name": "find_sources", "arguments": '{"query": "hose"}'},
        }  # fmt: skip
        looking = self.looks_up and messages[-1]["role"] == "user"
        says: dict[str, Any] = {"tool_calls": [call]} if looking else {"content": "PTFE hose resists E85."}
        yield {**common, "choices": [{"index": 0, "delta": {"role": "assistant", **says}, "finish_reason": None}]}
        end = "tool_calls" if looking else "stop"
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": end}], "usage": usage}


@pytest.fixture
def strict() -> Iterator[Strict]:
    found = Strict()
    yield found
    found.server.shutdown()
    found.server.server_close()


def ask(strict: Strict, asked: Request) -> str:
    endpoint = Endpoint("openai", "m", url=strict.url, key="k", timeout=20.0)
    return ModelAssistant(endpoint).turn(asked, Shelf(), tell=lambda text, steps: True).text


def history(dice: random.Random) -> list[Spoken]:
    """People talk on while cards are open, answers follow answers, and an answer may carry several cards."""
    said = []
    for at in range(dice.randrange(0, 13)):
        cards = [
            Shown(
                f"card_{at}_{number}", dice.choice(TOOLS), {"add": ["vip"] * dice.randrange(3)}, dice.choice(OUTCOMES)
            )
            for number in range(dice.choice((0, 0, 1, 1, 2, 3)))
        ]
        is_person = dice.random() < 0.5
        said.append(
            Spoken(is_person, dice.choice(("Yes.", "And now?", "“No”, she says")), cards=() if is_person else cards)
        )
    return said


def test_every_call_has_its_return_whatever_became_of_its_card(strict: Strict) -> None:
    for seed in range(HISTORIES):
        dice = random.Random(seed)
        strict.looks_up = dice.random() < 0.3
        assert ask(strict, request("And the hose?", earlier=history(dice))) == "PTFE hose resists E85.", seed
    assert strict.wrong == []
    assert sum(bool(message.get("tool_calls")) for asked in strict.asked for message in asked) > HISTORIES


def test_a_card_tells_the_model_what_became_of_it(strict: Strict) -> None:
    cards = [
        Shown("card_1", "set_tags", {"add": ["vip"]}, "The person refused it. Nothing was changed. She is no VIP.")
    ]
    ask(strict, request("And now?", earlier=[Spoken(True, "Tag her"), Spoken(False, "Here is a card.", cards=cards)]))
    _, person, answer, outcome, now = strict.asked[0]
    assert (person["content"], now["content"]) == ("Tag her", "And now?")
    assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"add": ["vip"]}
    assert (outcome["role"], outcome["tool_call_id"]) == ("tool", answer["tool_calls"][0]["id"])
    assert outcome["content"].endswith("She is no VIP.")


def test_the_endpoint_is_strict() -> None:
    """The control: what it must refuse."""
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "x", "arguments": "{}"}}]}
    back, user = {"role": "tool", "tool_call_id": "1", "content": "x"}, {"role": "user", "content": "x"}
    assert faults([user, call, back, user]) == []
    assert all(faults(bad) for bad in ([call], [call, user], [user, back], [call, back, back], [call, user, back]))
