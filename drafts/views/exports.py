"""The audit timeline as files: JSON lines for machines, CSV for spreadsheets, HTML for people and paper."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from django.template.loader import render_to_string

from conversations import audit
from conversations.models import AuditEvent
from conversations.views.words import Clock

FORMS = {"jsonl": "JSON", "csv": "CSV", "html": "HTML"}
CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
COLUMNS = ("seq", "at", "kind", "what", "actor_type", "actor_name", "object_type", "object_id", "data", "commitments", "prev_hash", "hash")  # fmt: skip
#: A spreadsheet takes a cell that begins like this for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def written(form: str, events: Sequence[AuditEvent], *, title: str, clock: Clock) -> Iterator[str]:
    """The events in one of `FORMS`, piece by piece. Times are ISO 8601 in UTC, in HTML the reader's own."""
    if form == "csv":
        return _csv(events)
    if form == "html":
        return iter([_html(events, title, clock)])
    return _json_lines(events)


def _json_lines(events: Sequence[AuditEvent]) -> Iterator[str]:
    names = [field.attname for field in AuditEvent._meta.concrete_fields]
    for event in events:
        yield json.dumps({name: getattr(event, name) for name in names}, default=str, sort_keys=True) + "\n"


def _csv(events: Sequence[AuditEvent]) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for event in events:
        line = io.StringIO()
        csv.writer(line).writerow([_cell(_value(event, name)) for name in COLUMNS])
        yield line.getvalue()


def _value(event: AuditEvent, name: str) -> str:
    if name == "what":
        return audit.sentence(event)
    value = getattr(event, name)
    if isinstance(value, dict):
        return json.dumps(value, default=str, sort_keys=True) if value else ""
    return value.isoformat() if name == "at" else str(value if value is not None else "")


def _cell(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA) else value


def _html(events: Sequence[AuditEvent], title: str, clock: Clock) -> str:
    rows = [
        {
            "seq": event.seq,
            "at": f"{clock.day(event.at)}, {clock.time(event.at, seconds=True)}",
            "at_iso": event.at.isoformat(),
            "what": audit.sentence(event),
            "data": _value(event, "data"),
            "hash": event.hash,
        }
        for event in events
    ]
    return render_to_string(
        "conversations/timeline_export.html", {"title": title, "events": rows, "zone": str(clock.zone)}
    )
