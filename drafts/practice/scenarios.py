"""Scenarios: written, set ready, retired. Who manages the account does it; a ready one is frozen, a change is a new version."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.people.roles import Verb, check
from drafts.models import Scenario
from drafts.models.rubric import phrases_of

Status = Scenario.Status


@dataclass(frozen=True, slots=True)
class Script:
    """What a person writes of a scenario. `facts` and `rubric` have the shapes of `drafts.models.rubric`."""

    title: str
    persona_name: str
    opening: str
    goal: str
    language: str = "en"
    persona: str = ""
    subject: str = ""
    patience: int = 3
    facts: list[dict[str, Any]] = field(default_factory=list)
    rubric: list[dict[str, Any]] = field(default_factory=list)


def write_scenario(
    *, actor: User, account_id: uuid.UUID, script: Script, scenario_id: uuid.UUID | None = None
) -> Scenario:
    """A new draft of a scenario, or the change of one. Of one that is ready, or was, the change is a draft of its next version.

    Raises Invalid (422) with a sentence for each thing that is wrong, Scenario.DoesNotExist (404), PermissionDenied (403).
    """
    check(actor, Verb.MANAGE, account_id=account_id)
    given = {name: value.strip() if isinstance(value, str) else value for name, value in asdict(script).items()}
    old = _locked(scenario_id, account_id) if scenario_id else None
    if old is None:
        scenario, what = Scenario(account_id=account_id, written_by=actor, **given), "wrote"
    elif old.status == Status.DRAFT:
        scenario, what = old, "changed"
        for name, value in given.items():
            setattr(scenario, name, value)
        scenario.written_by = actor
    else:
        waiting = Scenario.objects.filter(account_id=account_id, replaces=old, status=Status.DRAFT)
        if waiting.exists():
            raise Conflict("A next version of it is being written already. Change that one; nothing was stored.")
        scenario, what = Scenario(account_id=account_id, written_by=actor, version=old.version + 1, replaces=old, **given), "wrote"  # fmt: skip
        scenario.mined_from_id, scenario.redacted = old.mined_from_id, old.redacted
    _look_through(scenario)
    scenario.save()
    _record(scenario, actor, what)
    return scenario


def set_ready(*, scenario_id: uuid.UUID, actor: User, account_id: uuid.UUID) -> Scenario:
    """Frozen and offered to everybody who practises; the version before it retires. Raises Conflict (409) unless a draft."""
    check(actor, Verb.MANAGE, account_id=account_id)
    scenario = _locked(scenario_id, account_id)
    if scenario.status != Status.DRAFT:
        raise Conflict("Only a draft is set ready. Nothing was changed.")
    _look_through(scenario)
    if scenario.replaces_id:
        before = _locked(scenario.replaces_id, account_id)
        if before.status == Status.READY:
            _move(before, Status.RETIRED, actor, "retired")
    _move(scenario, Status.READY, actor, "set ready")
    return scenario


def retire(*, scenario_id: uuid.UUID, actor: User, account_id: uuid.UUID) -> Scenario:
    """Offered no more; what was practised with it, and its scores, stay. Raises Conflict (409) if it is already."""
    check(actor, Verb.MANAGE, account_id=account_id)
    scenario = _locked(scenario_id, account_id)
    if scenario.status == Status.RETIRED:
        raise Conflict("This scenario is retired already. Nothing was changed.")
    _move(scenario, Status.RETIRED, actor, "retired")
    return scenario


def _locked(scenario_id: uuid.UUID, account_id: uuid.UUID) -> Scenario:
    return Scenario.objects.select_for_update(of=("self",)).kept().get(pk=scenario_id, account_id=account_id)


def _move(scenario: Scenario, status: Scenario.Status, actor: User, what: str) -> None:
    scenario.status = status
    scenario.save(update_fields=["status", "updated_at"])
    _record(scenario, actor, what)


def _record(scenario: Scenario, actor: User | audit.Actor, what: str) -> None:
    audit.record(
        audit.Kind.SCENARIO_CHANGED,
        actor=actor,
        about=scenario,
        data={"what": what, "version": scenario.version, "status": str(scenario.status)},
    )


def _look_through(scenario: Scenario) -> None:
    """Raises Invalid with all that a person has to put right."""
    wrong = []
    try:
        scenario.clean_fields(exclude=["account", "replaces", "mined_from", "written_by"])
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            label = LABELS.get(name, name.replace("_", " ").capitalize())
            wrong += [f"{label}: {_plain(message)}" for message in messages]
    if not phrases_of(scenario.goal) and not wrong:
        wrong.append(f"{LABELS['goal']}: a persona who wants nothing is never content.")
    if "\x00" in f"{scenario.title}{scenario.opening}{scenario.facts}{scenario.rubric}":
        wrong.append("A text has a sign that cannot be stored.")
    if wrong:
        raise Invalid(" ".join([*wrong, "Nothing was stored."]))


LABELS = {
    "title": "Title", "persona_name": "Name", "persona": "Who they are", "opening": "They open with", "goal": "A reply has to say",
    "facts": "What they know", "rubric": "Rubric", "patience": "Patience", "language": "Language", "subject": "Subject",
}  # fmt: skip


def _plain(message: str) -> str:
    """Of a schema's message what a person can read: without the path in front and the library's own words."""
    text = message.rpartition(": ")[2].removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."
