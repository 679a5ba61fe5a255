"""Logs as one line of JSON each (LOG_FORMAT=json): what was said, of which account, and in which request.

The account is an id. What a log line says is as it always was: no customer's words (docs/deployment.md).
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

from conversations import tracing
from conversations.tracing import TRACEPARENT

_account: ContextVar[str] = ContextVar("account", default="")
_trace: ContextVar[str] = ContextVar("trace", default="")
_NO_TRACE = "0" * 32


def begin(traceparent: str) -> str:
    """A request begins: of no account yet, with the caller's trace id or a new one, which is returned."""
    found = TRACEPARENT.fullmatch(traceparent)
    trace = found[1] if found and found[1] != _NO_TRACE else secrets.token_hex(16)
    _account.set("")
    _trace.set(trace)
    return trace


def name_account(account_id: object) -> None:
    """What is logged from here to the end of the request is of this account."""
    _account.set(str(account_id))


@contextlib.contextmanager
def of_account(account_id: object) -> Iterator[None]:
    """What is logged inside is of this account."""
    before = _account.set(str(account_id))
    try:
        yield
    finally:
        _account.reset(before)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if account := _account.get():
            said["account"] = account
        if trace := tracing.trace_id() or _trace.get():  # a job's, or a request's
            said["trace"] = trace
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)
