"""Refusals. The message is for the person: what happened, what was kept, what to do."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A verb declined; nothing was written. `status` is the HTTP answer."""

    status = 409

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class Conflict(Refusal):
    """The world is not what the person saw (409)."""


class Invalid(Refusal):
    """What was asked is not possible as asked (422)."""

    status = 422


class Locked(Refusal):
    """Somebody else holds it (423)."""

    status = 423


class TooMuch(Refusal):
    """A limit is reached; it is possible again later (429)."""

    status = 429


class NotKept(Refusal):
    """What was brought could not be stored at this moment (503)."""

    status = 503


class NotThere(Refusal):
    """What was asked for is on a machine that does not answer (503)."""

    status = 503


class Shut(Refusal):
    """What was asked for is not handed to anybody, at this moment or at all (409)."""
