"""/metrics for Prometheus, as plain text (version 0.0.4): what this process answered, and how the whole installation fares.

No tenant, no person and no text stands in it: routes and states are ours, the rest is numbers. Without METRICS_TOKEN there is
no such page. The database is asked at most every ten seconds, whoever scrapes and however often.
"""

from __future__ import annotations

import hmac
import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from conversations import tracing
from conversations.web import logs

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CACHED_SECONDS = 10.0
Labels = tuple[tuple[str, str], ...]
Figure = tuple[str, Labels, float]

#: What each figure of the database says. One that is not named here is not shown.
HELP = {
    "deliveries": "Replies that are held, queued or being sent.",
    "deliveries_last_week": "Replies approved in seven days that are not on their way, by what became of them.",
    "delivery_oldest_due_seconds": "For how long the reply has waited that is due longest.",
    "attempts_last_hour": "Tries to hand a reply over in the last hour, by outcome and provider.",
    "drafts_waiting": "Drafts that wait for a person.",
    "drafts_late": "Drafts that wait and whose time is over.",
    "inbound_waiting": "What came in within seven days and is not a message yet.",
    "channels_on": "Channels that are switched on.",
    "channels_paused": "Channels that are left alone because they do not work.",
    "channels_signed_out": "Channels whose vendor ended the sign-in.",
    "channel_token_least_seconds": "Until the next access token of a channel ends.",
    "mailbox_longest_unread_seconds": "Since the mailbox that is behind most was last read to its end.",
    "jobs": "Jobs by queue and status.",
    "job_oldest_due_seconds": "For how long the job has waited that is due longest, by queue.",
    "workers_alive": "Workers that said within a minute that they are alive.",
    "webhook_endpoints": "Endpoints of outgoing webhooks, by state.",
    "webhook_deliveries_waiting": "Outgoing events that wait or are being sent.",
    "webhook_deliveries_given_up_last_week": "Outgoing events that were given up in seven days.",
}


class _Requests:
    """What this process answered. A scrape meets one process of several: `process` tells their counters apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._seconds: dict[str, float] = defaultdict(float)

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        with self._lock:
            self._counts[route, method, status] += 1
            self._seconds[route] += seconds

    def lines(self) -> Iterator[str]:
        process = ("process", str(os.getpid()))
        with self._lock:
            counts, seconds = sorted(self._counts.items()), sorted(self._seconds.items())
        yield from _head("requests_total", "counter", "Requests answered, by route, method and status.")
        for (route, method, status), count in counts:
            labels = (("method", method), process, ("route", route), ("status", str(status)))
            yield _line("requests_total", labels, count)
        yield from _head("request_seconds_total", "counter", "Time that the answers of a route took together.")
        for route, spent in seconds:
            yield _line("request_seconds_total", (process, ("route", route)), spent)


class _Figures:
    """Of the database, remembered for a while; one thread asks, the others take what is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[Figure] = []
        self._until = 0.0

    def now(self) -> list[Figure]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._known = _ask()
                self._until = time.monotonic() + CACHED_SECONDS
            return self._known

    def forget(self) -> None:
        with self._lock:
            self._until = 0.0


REQUESTS, FIGURES = _Requests(), _Figures()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class MetricsMiddleware:
    """Counts, names the trace that log lines belong to, and answers /metrics before sessions and hosts are looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/metrics" and settings.METRICS_TOKEN:
            return _answer(request)
        parent = request.headers.get("traceparent", "")
        with tracing.span("request", parent=parent) as span:
            logs.begin(tracing.header() or parent)
            began = time.monotonic()
            response = self.get_response(request)
            match: Any = getattr(request, "resolver_match", None)
            # Never a path as it was asked for: those have ids in them, and anybody can make up any number.
            route = str(match.route) if match is not None else "(none)"
            method = request.method if request.method in METHODS else "other"
            span.set_attribute("http.route", route)
            span.set_attribute("http.request.method", str(method))
            span.set_attribute("http.response.status_code", response.status_code)
        REQUESTS.add(route, str(method), response.status_code, time.monotonic() - began)
        return response


def _answer(request: HttpRequest) -> HttpResponse:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, settings.METRICS_TOKEN.encode()):
        return HttpResponse("The token is missing or wrong.\n", status=401, content_type="text/plain")
    lines = list(REQUESTS.lines())
    try:
        figures, is_up = FIGURES.now(), 1
    except DatabaseError:
        figures, is_up = [], 0  # the counters of this process are worth having all the same
    lines += [*_head("database_up", "gauge", "Whether the database answered."), _line("database_up", (), is_up)]
    for name, help_ in HELP.items():
        of_it = [(labels, value) for each, labels, value in figures if each == name]
        if of_it:
            lines += _head(name, "gauge", help_)
            lines += [_line(name, labels, value) for labels, value in sorted(of_it)]
    answer = HttpResponse("\n".join(lines) + "\n", content_type=CONTENT_TYPE)
    answer["Cache-Control"] = "no-store"
    return answer


def _ask() -> list[Figure]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, labels::text, value FROM installation_figures()")
        return [(name, _labels(labels), float(value)) for name, labels, value in cursor.fetchall()]


def _labels(written: str) -> Labels:
    found: Mapping[str, str] = json.loads(written)
    return tuple(sorted((name, str(value)) for name, value in found.items()))


def _head(name: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP countersign_{name} {help_}", f"# TYPE countersign_{name} {kind}"]


def _line(name: str, labels: Labels, value: float) -> str:
    written = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels)
    return f"countersign_{name}{f'{{{written}}}' if written else ''} {value:.15g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
