"""An answer as events, as far as it is: each request brings what is new since the last one and ends, so that any process, any
tab and a browser that was away go on where they were (`Last-Event-ID` is `fence:offset`).

An EventSource comes back by itself after `retry`; once everything was said it is told so by 204, and comes no more.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from conversations.chats import turns
from conversations.models import AssistantTurn
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in

RETRY_MS = 300
END = "end"


@require_GET
@signed_in
@require(Verb.ASSIST)
def stream(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """`delta {from, text}` and `step {text}` beyond the last event, then one of `done`, `stopped`, `failed`."""
    require_tenant(request)
    try:
        turn = turns.turn_of(pk, person(request))
    except AssistantTurn.DoesNotExist:
        raise Http404("You asked no such thing.") from None
    return answer_of(turn, request.headers.get("Last-Event-ID", ""))


def answer_of(turn: AssistantTurn, last_event: str) -> HttpResponse:
    """What is new of a turn since that event, for a page and for a person's token alike."""
    fence, offset = _place(last_event)
    if offset == END and fence == turn.fence:
        return HttpResponse(status=204)
    # A turn that began again begins at 0: what its lost worker wrote is not the beginning of this answer.
    begins = offset if isinstance(offset, int) and fence == turn.fence else 0
    return HttpResponse(f"retry: {RETRY_MS}\n\n" + "".join(_events(turn, begins)), content_type="text/event-stream")


def _events(turn: AssistantTurn, begins: int) -> Iterator[str]:
    text = turn.answer.body_text if turn.answer else turn.text
    steps = turn.answer.details.model_dump()["steps"] if turn.answer else turn.steps
    if begins > len(text):
        begins = 0
    if not begins:
        yield from (_event("step", f"{turn.fence}:0", {"text": step["text"]}) for step in steps)
    if text[begins:]:
        yield _event("delta", f"{turn.fence}:{len(text)}", {"from": begins, "text": text[begins:]})
    if not turn.is_live:
        answer = str(turn.answer_id) if turn.answer_id else None
        yield _event(turn.status, f"{turn.fence}:{END}", {"answer": answer, "error": turn.error})


def _event(name: str, mark: str, data: dict[str, Any]) -> str:
    return f"id: {mark}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _place(last: str) -> tuple[int, int | str]:
    fence, _, offset = last[:40].partition(":")
    if not (fence.isdecimal() and (offset.isdecimal() or offset == END)):
        return -1, 0
    return int(fence), offset if offset == END else int(offset)
