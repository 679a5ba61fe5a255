"""Traces for an OpenTelemetry collector (OTLP over HTTP), from what came in to what was sent. Off unless a collector is named.

A span says which verb ran, how long, and for which ids: never a word of anybody, not even an error's message. One trace
goes through several processes: what a job was asked by travels in its arguments, and never to another tenant's job.
Nothing of OpenTelemetry is imported while it is off.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.conf import settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

#: https://www.w3.org/TR/trace-context/
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
ARGUMENT = "traceparent"  # of a job

_tracer: Any = None
#: Whose trace this is: the first account that anything was asked for in it.
_account: ContextVar[str] = ContextVar("trace_account", default="")


def start() -> None:
    """Once a process, before it answers or works. A collector that is away costs nothing but its spans."""
    global _tracer
    if _tracer is not None or not settings.TRACES_TO:
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from conversations.tracing_export import Collector

    provider = TracerProvider(resource=Resource.create({"service.name": "countersign"}))
    provider.add_span_processor(BatchSpanProcessor(Collector(settings.TRACES_TO, settings.TRACES_HEADERS)))
    _tracer = provider.get_tracer("countersign")


def is_on() -> bool:
    return _tracer is not None


class _Off:
    """What a caller gets while there are no traces."""

    def set_attribute(self, name: str, value: Any) -> None:
        return None


_OFF = _Off()


@contextlib.contextmanager
def span(name: str, *, parent: str = "", account_id: object = "", **ids: object) -> Iterator[Span | _Off]:
    """Times what is done inside, as part of what runs already, or of `parent` (a traceparent)."""
    if _tracer is None:
        yield _OFF
        return
    from opentelemetry.trace import Status, StatusCode

    if account_id:
        _account.set(str(account_id))
        ids["account_id"] = account_id
    attributes = {key: str(value) for key, value in ids.items() if value}
    with _tracer.start_as_current_span(
        name, context=_remote(parent), attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as found:
        try:
            yield found
        except Exception as error:
            # Its type alone: a message may have a customer's words in it.
            found.set_attribute("error.type", type(error).__name__)
            found.set_status(Status(StatusCode.ERROR))
            raise


def trace_id() -> str:
    """Of the trace that runs now; "" if none does."""
    found = header()
    return found[3:35]


def header(*, for_account: object = "") -> str:
    """The traceparent of what runs now, to be asked on; "" if nothing does, or if it is another tenant's."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    if for_account:
        if (whose := _account.get()) and whose != str(for_account):
            return ""
        _account.set(str(for_account))
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _remote(parent: str) -> Any:
    """The context that a traceparent means; None, which is the context that runs now, if it means none."""
    found = TRACEPARENT.fullmatch(parent)
    if not found or not int(found[1], 16) or not int(found[2], 16):
        return None
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(context))


# --- jobs --------------------------------------------------------------------------------------------------------------
async def of_job(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
    """Around each job of a worker: part of the trace that asked for it.

    Takes the argument off also where there are no traces: another process may have put it there.
    """
    given: dict[str, Any] = context.job.task_kwargs
    parent = given.pop(ARGUMENT, "")
    if _tracer is None or (not parent and "timestamp" in given):  # what the clock asks for is nobody's trace
        return await call_next()
    _account.set("")
    ids = {name: value for name, value in given.items() if name.endswith("_id")}
    with span(context.job.task_name, parent=parent, **ids):
        return await call_next()
