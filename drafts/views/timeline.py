"""The audit timeline of a conversation: what happened, in words, with its place in the account's chain."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypedDict

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Coalesce, Left, NullIf
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations import audit
from conversations.models import AuditEvent, Message
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views import present
from conversations.views.access import is_fragment, signed_in
from conversations.views.threads import get_conversation_for
from conversations.views.words import Clock, clock_for, plural
from drafts import diffing
from drafts.models import ACTS, Draft, DraftAction
from drafts.views import exports
from drafts.views.present import REASONS, Change, shortened

PAGE = 200
QUOTE = 280

Kind = audit.Kind
SHOWS = {"": "All", "messages": "Messages", "drafts": "Drafts", "people": "People", "delivery": "Delivery"}
#: Colour and icon of each kind of event; what is not named is drawn by its first word.
LOOKS = {
    Kind.MESSAGE_RECEIVED: ("in", "mail"),
    Kind.MESSAGE_BY_A_PERSON: ("p", "mail"),
    Kind.DRAFT_WRITTEN: ("ai", "assist"),
    Kind.DRAFT_FAILED: ("bad", "alert"),
    Kind.DRAFT_RETIRED: ("sys", "redo"),
    Kind.DRAFT_CLAIMED: ("p", "lock"),
    Kind.DRAFT_RELEASED: ("p", "lock"),
    Kind.DRAFT_EDITED: ("p", "edit"),
    Kind.DRAFT_BROUGHT: ("p", "edit"),
    Kind.DRAFT_APPROVED: ("p", "check"),
    Kind.DRAFT_REJECTED: ("p", "x"),
    Kind.DRAFT_REGENERATED: ("p", "redo"),
    Kind.DRAFT_KEPT: ("p", "check"),
    Kind.DRAFT_SNOOZED: ("p", "clock"),
    Kind.DRAFT_READDRESSED: ("p", "mail"),
    Kind.DRAFT_FORMATTED: ("p", "edit"),
    Kind.DRAFT_FILE_ADDED: ("p", "clip"),
    Kind.DRAFT_FILE_REMOVED: ("p", "clip"),
    Kind.DRAFT_UNDONE: ("p", "undo"),
    Kind.DRAFT_ANSWERED_ELSEWHERE: ("p", "check"),
    Kind.DELIVERY_RELEASED: ("p", "send"),
    Kind.DELIVERY_SENT: ("out", "send"),
    Kind.DELIVERY_CANCELLED: ("sys", "undo"),
    Kind.DELIVERY_RETRIED: ("sys", "redo"),
    Kind.DELIVERY_FAILED: ("bad", "alert"),
    Kind.DELIVERY_UNCERTAIN: ("bad", "alert"),
    Kind.DELIVERY_RESOLVED: ("p", "check"),
    Kind.DELIVERY_BOUNCED: ("bad", "alert"),
    Kind.CONVERSATION_OPENED: ("sys", "inbox"),
    Kind.CONVERSATION_CLOSED: ("p", "check"),
    Kind.CONVERSATION_REOPENED: ("p", "undo"),
    Kind.CONVERSATION_OWED: ("p", "clock"),
    Kind.CONVERSATION_ASSIGNED: ("p", "user"),
    Kind.CONVERSATION_ANSWERED: ("p", "check"),
    Kind.CONVERSATION_SNOOZED: ("p", "clock"),
    Kind.CONVERSATION_TAGGED: ("p", "tag"),
    Kind.CONVERSATION_MERGED: ("p", "merge"),
    Kind.CONVERSATION_UNMERGED: ("p", "merge"),
    Kind.SENDER_BLOCKED: ("p", "ban"),
    Kind.SENDER_UNBLOCKED: ("p", "ban"),
    Kind.CONVERSATION_WATCHED: ("p", "eye"),
    Kind.CONVERSATION_UNWATCHED: ("p", "eye"),
    Kind.NOTE_WRITTEN: ("p", "lock"),
    Kind.NOTE_REMOVED: ("p", "lock"),
    Kind.DRAFT_BEGUN: ("p", "edit"),
    Kind.CONVERSATION_FORWARDED: ("p", "send"),
    Kind.MESSAGE_ERASED: ("sys", "x"),
    Kind.ACTION_PROPOSED: ("p", "assist"),
    Kind.ACTION_CONFIRMED: ("p", "check"),
    Kind.ACTION_SECOND_CONFIRMED: ("p", "sign"),
    Kind.ACTION_REJECTED: ("p", "x"),
    Kind.ACTION_EXECUTED: ("p", "check"),
    Kind.ACTION_FAILED: ("bad", "alert"),
    Kind.ACTION_EXPIRED: ("sys", "clock"),
    Kind.ACTION_REVERTED: ("p", "undo"),
    Kind.CUSTOMER_RENAMED: ("p", "user"),
}
CHAIN_SQL = """
SELECT count(*), count(*) FILTER (WHERE bound AND (joined OR is_first)), min(seq) FILTER (WHERE NOT bound OR NOT joined)
  FROM (SELECT e.seq, e.forgotten_at IS NOT NULL OR e.hash = audit_hash(e) AS bound, p.hash = e.prev_hash AS joined,
               e.seq = 1 AND e.prev_hash = encode(sha256(convert_to(e.account_id::text, 'UTF8')), 'hex') AS is_first
          FROM conversations_auditevent e
          LEFT JOIN conversations_auditevent p ON p.account_id = e.account_id AND p.seq = e.seq - 1
         WHERE e.account_id = %s AND e.conversation_id = %s
        OFFSET 0) links  -- fenced, so that each event is hashed once
"""


class Line(TypedDict):
    """One event of the list, in words. A dictionary: two hundred stand on a page, and a template reads one the fastest."""

    seq: str
    kind: str
    icon: str
    title: str
    by: str
    at: str
    at_iso: str
    url: str
    tags: list[tuple[str, str]]  # class, text
    quote: str
    changes: list[Change]
    note: str
    selected: bool


@dataclass(frozen=True, slots=True)
class EventDetail:
    seq: int
    title: str
    facts: list[tuple[str, str, bool]]
    payload: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    ok: bool
    text: str


@require_safe
@signed_in
@require(Verb.READ)
def timeline(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Newest `PAGE` events, oldest first; `before` goes back, `show` filters, `event` fills the panel beside them."""
    conversation = get_conversation_for(request, pk)
    tenant, clock = require_tenant(request), clock_for(request)
    url = reverse("drafts:timeline", args=[pk])
    show = request.GET.get("show", "")
    show = show if show in SHOWS else ""
    before = _uuid(request.GET.get("before", ""))
    events = audit.timeline(pk, before=before, limit=PAGE)
    chosen = request.GET.get("event", "")
    selected = next((e for e in events if str(e.seq) == chosen), None)
    actions = _actions(events)
    texts = _quotes(events)
    _name_customers(events, texts, conversation.customer)
    if is_fragment(request) and request.headers.get("HX-Target") == "detail":
        panel = {"selected": _detail(selected, actions, clock) if selected else None}
        return render(request, "conversations/timeline.html#detail", panel)
    counts = {key: sum(1 for e in events if _belongs(e, key)) for key in SHOWS}
    shown = (
        (clock.day(e.at), _line(e, actions, texts, clock, f"{url}?show={show}&event={e.seq}#e{e.seq}", e is selected))
        for e in events
        if _belongs(e, show)
    )
    people = {e.actor_id for e in events if e.actor_type == AuditEvent.ActorType.USER}
    context: dict[str, Any] = {
        "nav": "history",
        "conversation": present.heading(conversation, clock),
        "summary": f"{plural(len(events), 'event')}, {plural(len(people), 'person', 'people')}",
        "days": [
            {"label": day, "events": [line for _, line in group]} for day, group in groupby(shown, key=lambda of: of[0])
        ],
        "chips": [
            {"label": label, "url": f"{url}?show={key}" if key else url, "count": counts[key], "current": key == show}
            for key, label in SHOWS.items()
        ],
        "chain": _chain(tenant.account_id, pk),
        "selected": _detail(selected, actions, clock) if selected else None,
        "exports": [{"url": f"{url}export.{form}", "label": label} for form, label in exports.FORMS.items()]
        if may(tenant, Verb.EXPORT_AUDIT)
        else [],
        "earlier_url": f"{url}?before={events[0].pk}" if len(events) == PAGE else "",
    }
    return render(request, "conversations/timeline.html", context)


@require_safe
@signed_in
@require(Verb.READ)
def export(request: HttpRequest, pk: uuid.UUID, form: str) -> StreamingHttpResponse:
    """The conversation's events, oldest first, with hashes, as `exports.FORMS`; read before streaming begins."""
    conversation = get_conversation_for(request, pk)
    if not may(require_tenant(request), Verb.EXPORT_AUDIT):
        raise PermissionDenied("Your role may not export the audit trail. Ask an admin of your account.")
    if form not in exports.FORMS:
        raise Http404("There is no such export.")
    found = list(AuditEvent.objects.filter(conversation_id=pk).order_by("seq"))
    title = f"Audit timeline of {present.title_of(conversation.subject, conversation.title)}, #{conversation.number}"
    exports.record_export(
        request,
        what=f"the timeline of conversation #{conversation.number} as {exports.FORMS[form]}",
        rows=len(found),
        conversation=conversation,
    )
    response = StreamingHttpResponse(
        exports.written(form, found, title=title, clock=clock_for(request)), content_type=exports.CONTENT_TYPES[form]
    )
    response["Content-Disposition"] = f'attachment; filename="conversation-{conversation.number}-timeline.{form}"'
    return response


def _belongs(event: AuditEvent, show: str) -> bool:
    subject = event.kind.partition(".")[0]
    match show:
        case "messages":
            return subject in {"message", "conversation"}
        case "drafts":
            return subject == "draft"
        case "people":
            return event.actor_type == AuditEvent.ActorType.USER
        case "delivery":
            return subject == "delivery"
        case _:
            return True


def _actions(events: Sequence[AuditEvent]) -> dict[str, DraftAction]:
    """What people did to drafts, by id, with what the timeline tells of it."""
    found = DraftAction.objects.filter(pk__in=[e.act_id for e in events]).select_related("draft")
    shown = ("version", "diff", "notes", "reasons", "viewed_ms", "sources_opened", "pressed_twice", "request_id")
    return {str(action.pk): action for action in found.only(*shown, "draft__suggested_text")}


def _quotes(events: Sequence[AuditEvent]) -> dict[str, tuple[str, str]]:
    """The texts of the messages that arrived and who wrote them, by id; the event itself holds only commitments to both."""
    ids = [e.object_id for e in events if e.kind == Kind.MESSAGE_RECEIVED]
    words = Left(Coalesce(NullIf("body_new", Value("")), "body_text"), QUOTE + 1)
    writer = ("metadata__sender_name", "metadata__sender")
    found = Message.objects.filter(pk__in=ids).values_list("pk", words, "erased_at", *writer)
    return {
        str(pk): (text if not erased else "The text was removed under the retention rules.", name or address or "")
        for pk, text, erased, name, address in found
    }


def _name_customers(events: Sequence[AuditEvent], texts: Mapping[str, tuple[str, str]], customer: str) -> None:
    """Put the names in that the trail does not hold: who wrote a message, else the conversation's customer."""
    for event in events:
        if event.actor_id == audit.CUSTOMER and event.actor_name == "Customer":
            event.actor_name = texts.get(event.object_id, ("", ""))[1] or customer


def _line(
    event: AuditEvent,
    actions: dict[str, DraftAction],
    texts: Mapping[str, tuple[str, str]],
    clock: Clock,
    url: str,
    selected: bool,
) -> Line:
    """One event as it is drawn."""
    kind, icon = LOOKS.get(Kind(event.kind), ("sys", "db"))
    action = actions.get(str(event.act_id))
    tags: list[tuple[str, str]] = []
    changes: list[Change] = []
    note = ""
    if event.kind == Kind.DRAFT_APPROVED and event.data.get("edited"):
        tags.append(("tag--accent", "edited"))
    if event.kind == Kind.DRAFT_APPROVED and event.data.get("unsourced"):
        tags.append(("tag--warn", f"{event.data['unsourced']} unsourced"))
    if event.kind == Kind.DRAFT_REGENERATED and event.data.get("act"):
        tags.append(("tag--accent", dict(ACTS).get(event.data["act"], "")))
    if event.kind == Kind.DRAFT_RETIRED:
        tags.append(("tag--warn", str(event.data.get("status", ""))))
    if action is not None and event.kind == Kind.DRAFT_APPROVED and action.diff:
        changes = _changes(action)
    if action is not None and action.notes and event.kind in {Kind.DRAFT_REJECTED, Kind.DRAFT_REGENERATED}:
        note = action.notes
    quote = texts.get(event.object_id, ("", ""))[0] if event.kind == Kind.MESSAGE_RECEIVED else ""
    title = audit.sentence(event)
    return Line(
        seq=str(event.seq or 0),
        kind=kind,
        icon=icon,
        title=title,
        by="" if event.actor_name in title else event.actor_name,
        at=clock.time(event.at, seconds=True),
        at_iso=event.at.isoformat(timespec="seconds"),
        url=url,
        tags=tags,
        quote=quote[:QUOTE] + ("…" if len(quote) > QUOTE else ""),
        changes=changes,
        note=note,
        selected=selected,
    )


def _changes(action: DraftAction) -> list[Change]:
    """The edit as pieces, its unchanged stretches shortened. An erased text has no pieces."""
    try:
        return shortened(diffing.render_ops(action.diff or {}, action.draft.suggested_text))
    except diffing.ReplayError:
        return []


def _detail(event: AuditEvent, actions: dict[str, DraftAction], clock: Clock) -> EventDetail:
    action = actions.get(str(event.act_id))
    facts: list[tuple[str, str, bool]] = [
        ("Who", f"{event.actor_name}, {AuditEvent.ActorType(event.actor_type).label.lower()}", False),
        ("When", f"{clock.day(event.at)}, {clock.time(event.at, seconds=True)}", False),
        ("What", event.kind, True),
    ]
    if action is not None and event.object_type == Draft._meta.model_name:
        facts.append(("Draft version", str(action.version), False))
        if action.viewed_ms is not None:
            facts.append(("Read before deciding", f"{action.viewed_ms / 1000:.0f} s", False))
        facts.append(("Sources opened", str(action.sources_opened), False))
        if action.pressed_twice:
            facts.append(("Second press", "yes", False))
        if action.diff:
            out, into = diffing.word_counts(action.diff)
            facts.append(("Words changed", f"{out} out, {into} in", False))
        if action.reasons:
            facts.append(("Reason", ", ".join(REASONS.get(r, r) for r in action.reasons), False))
        if action.request_id:
            facts.append(("Request", action.request_id[:12], True))
    return EventDetail(
        seq=event.seq or 0,
        title=audit.sentence(event),
        facts=facts,
        payload=json.dumps(
            {**event.data, **({"bound texts": event.commitments} if event.commitments else {})}, indent=1, default=str
        )
        if event.data or event.commitments
        else "",
        prev_hash=_short(event.prev_hash),
        hash=_short(event.hash),
    )


def _short(link: str) -> str:
    return f"{link[:8]}…{link[-8:]}" if link else "not sealed yet"


def _chain(account_id: uuid.UUID, conversation_id: uuid.UUID) -> Chain:
    """Whether this conversation's events still hash to what they are bound to; the whole chain has a command."""
    with connection.cursor() as cursor:
        cursor.execute(CHAIN_SQL, [account_id, conversation_id])
        total, good, broken = cursor.fetchone()
    if good == total:
        return Chain(True, f"Chain intact, {good} of {total}")
    return Chain(False, f"Chain broken at event {broken or '?'}")


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
