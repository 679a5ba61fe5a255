"""The box in which somebody asks the assistant, on a chat's page and beside a conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.middleware.csrf import get_token

from conversations.chats import sessions
from conversations.models import AssistantSession
from conversations.models.base import new_id
from conversations.views.answers import live_turn
from conversations.views.words import clock_for

#: Icon, the words that a press says, what comes of it.
OF_A_CASE = (
    ("lines", "Summarise it", "Who wants what, what was promised, what is open"),
    ("search", "Have we answered this before?", "Closed conversations, with the sent reply"),
    ("right", "What should I do next?", "What is owed here, and what waits"),
    ("redo", "Redraft it shorter", "As a card. A person still approves it"),
    ("clock", "Snooze it until tomorrow at 9", "As a card, for you to confirm"),
    ("info", "What can you do?", "What it reads, and what it may propose"),
)
IN_GENERAL = (
    ("search", "Find my earlier chats about refunds", "By their words. Only your own are searched"),
    (
        "book",
        "How long do customers have to return something?",
        "Answered in your sources\u2019 own words, with each source",
    ),
    ("gear", "What is the hold time for approved replies?", "A setting, its value and its default, for admins"),
    ("info", "What can you do?", "What it reads, and what it may propose"),
)


@dataclass(slots=True)
class Asked:
    """What a form brought that was refused: why, its status, and what was typed, which is given back."""

    problem: str = ""
    status: int = 200
    typed: dict[str, str] = field(default_factory=dict)


def request_id(request: HttpRequest) -> str:
    return request.POST.get("request_id", "").replace("\x00", "")[:64]


def context(request: HttpRequest, session: AssistantSession | None, asked: Asked) -> dict[str, Any]:
    is_of_a_case = session is not None and session.context_type == sessions.Context.CASE
    return {
        "problem": asked.problem,
        "typed": asked.typed,
        "request_id": new_id().hex,
        "max_chars": sessions.MAX_CHARS,
        "live": live_turn(session, clock_for(request)) if session else None,
        "starters": OF_A_CASE if is_of_a_case else IN_GENERAL,
        "csrf": get_token(request),
    }
