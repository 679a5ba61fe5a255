"""What leaves as a file: a conversation's timeline (JSON lines, CSV, HTML), the account's trail and corrections.

Every export is in the trail before its first byte leaves: `told`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from conversations import audit
from conversations.models import AuditEvent, Conversation, Role
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant, tenant_context
from conversations.views.access import person, signed_in
from conversations.views.words import Clock
from conversations.web import spreadsheet
from drafts.learning import samples

FORMS = {"jsonl": "JSON", "csv": "CSV", "html": "HTML"}
CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
COLUMNS = ("seq", "at", "kind", "what", "actor_type", "actor_name", "object_type", "object_id", "data", "commitments", "prev_hash", "hash")  # fmt: skip


def record_export(request: HttpRequest, *, what: str, rows: int, conversation: Conversation | None = None) -> None:
    """Record who exports what, in a transaction of its own right after this request's: an auditor's is READ ONLY.

    If it cannot be recorded the request fails, and nothing is sent.
    """
    if request.method == "HEAD":
        return
    tenant, user = require_tenant(request), person(request)

    def record() -> None:
        with tenant_context(tenant.account_id):
            audit.record_export(
                account_id=tenant.account_id,
                actor=user,
                what=what,
                rows=rows,
                about=conversation,
                conversation_id=conversation.pk if conversation else None,
            )

    transaction.on_commit(record)


@require_safe
@signed_in
def trail(request: HttpRequest) -> StreamingHttpResponse:
    """The account's whole audit trail as JSON lines, with hashes, oldest first."""
    tenant = require_tenant(request)
    _permit(request, Verb.EXPORT_AUDIT)
    record_export(request, what="the audit trail", rows=AuditEvent.objects.filter(seq__isnull=False).count())
    return _download(tenant.account_id, lambda: audit.export(tenant.account_id), "audit-trail.jsonl")


@require_safe
@signed_in
@require(Verb.READ)
def corrections(request: HttpRequest) -> StreamingHttpResponse:
    """What people corrected, as replayable JSON lines: an admin everybody's, others with this right their own."""
    tenant = require_tenant(request)
    _permit(request, Verb.EXPORT_SAMPLES)
    user = None if tenant.role == Role.ADMIN else person(request)
    count = samples.exported(account_id=tenant.account_id, user=user, within=tenant.channels).count()
    record_export(request, what="own corrections" if user else "everybody's corrections", rows=count)
    return _download(
        tenant.account_id,
        lambda: samples.export(account_id=tenant.account_id, user=user, within=tenant.channels),
        "corrections.jsonl",
    )


def _permit(request: HttpRequest, verb: Verb) -> None:
    if not may(require_tenant(request), verb):
        raise PermissionDenied("Your role may not export this. Ask an admin of your account.")


def _download(account_id: uuid.UUID, rows: Callable[[], Iterator[dict[str, Any]]], name: str) -> StreamingHttpResponse:
    """Read while it is sent, after the request's own transaction: in one of its own, which writes nothing."""

    def lines() -> Iterator[str]:
        with tenant_context(account_id):
            for row in rows():
                yield json.dumps(row, default=str, ensure_ascii=False, sort_keys=True) + "\n"

    response = StreamingHttpResponse(lines(), content_type=CONTENT_TYPES["jsonl"])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


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
    yield spreadsheet.line(COLUMNS)
    for event in events:
        yield spreadsheet.line(_value(event, name) for name in COLUMNS)


def _value(event: AuditEvent, name: str) -> str:
    if name == "what":
        return audit.sentence(event)
    value = getattr(event, name)
    if isinstance(value, dict):
        return json.dumps(value, default=str, sort_keys=True) if value else ""
    return value.isoformat() if name == "at" else str(value if value is not None else "")


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
