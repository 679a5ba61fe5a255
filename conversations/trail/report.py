"""What was checked of one account's trail, what does not hold, and what nobody can know from here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from conversations.models import AuditCheckpoint, AuditEvent
from conversations.trail import anchors, chain, checkpoints, texts
from conversations.trail.chain import Break


@dataclass(slots=True)
class Report:
    """Plain English, ready to print. `breaks` is empty if everything that can be checked holds."""

    events: int = 0
    head: str = ""
    breaks: list[Break] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def verify(account_id: uuid.UUID) -> Break | None:
    """The first thing that does not hold in the database itself; None if all does. The caller is in the tenant."""
    found = examine(account_id).breaks
    return found[0] if found else None


def examine(account_id: uuid.UUID, *, copies: Sequence[anchors.Copy] = ()) -> Report:
    """Check the chain, its checkpoints, the texts that it binds, and every copy outside. The caller is in the tenant."""
    report = Report()
    head = chain.head_of(account_id)
    report.events, report.head = (head.seq, head.hash) if head else (0, "")
    _add(report, chain.first_break(account_id), f"{report.events} events, each numbered and bound to the one before it")
    points = AuditCheckpoint.objects.filter(account_id=account_id)
    forged = checkpoints.first_forged(account_id)
    _add(report, forged, f"{points.count()} checkpoints, each numbered, signed and bound to the one before it")
    found = texts.examine(account_id)
    report.breaks += found.breaks
    if not found.breaks:
        report.checked.append(f"{found.held} texts and names, each the one that its event bound")
        report.checked.append(f"{found.witnessed} decisions, each with its event")
    for copy in copies:
        broken, told = anchors.compare(account_id, copy)
        _add(report, broken, told)
    _say_what_is_not_known(report, account_id, found, copies)
    return report


def _add(report: Report, found: Break | None, held: str) -> None:
    if found:
        report.breaks.append(found)
    else:
        report.checked.append(held)


def _say_what_is_not_known(
    report: Report, account_id: uuid.UUID, found: texts.Found, copies: Sequence[anchors.Copy]
) -> None:
    events = AuditEvent.objects.filter(account_id=account_id)
    newest = AuditCheckpoint.objects.filter(account_id=account_id).order_by("-number").first()
    covered = newest.seq if newest else 0
    say = report.unknown.append
    if found.forgotten:
        say(f"{found.forgotten} texts were erased; that they stood here is proved, what they said is not")
    if forgotten := events.filter(forgotten_at__isnull=False).count():
        say(f"{forgotten} events lost a customer's name to an erasure; their place is proved, their content is not")
    if older := events.filter(hash_form=1).count():
        say(f"{older} events are of before their ids were hashed; ids among them could be swapped by a superuser")
    if report.events > covered:
        say(
            f"{report.events - covered} events are younger than the newest checkpoint; "
            "a superuser of the database could rewrite those and the rows that they tell of"
        )
    if not any(copy.lines_of(account_id) for copy in copies):
        say(
            "no copy outside was compared; a superuser of the database could remove all checkpoints and rewrite everything "
            "(with SECRET_KEY also sign it anew)"
        )
    say("whether what the application recorded was true when it recorded it")
