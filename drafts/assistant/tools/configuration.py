"""Where the configuration file and the desk differ: the desk follows the file, or the file takes in what the desk says."""

from __future__ import annotations

import json
import uuid
from typing import Any

from pydantic import Field

from conversations.errors import Invalid
from conversations.people.roles import Verb
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    Scope,
    Tool,
    Wrong,
)
from drafts.configuration import documents, editing, following, words
from drafts.configuration.desk import digest, look
from drafts.configuration.differences import Difference, Place, masked, values_of
from drafts.configuration.reading import File
from drafts.configuration.shapes import PLAIN

DESK = frozenset({Context.GENERAL, Context.PROJECT, Context.INFRASTRUCTURE})


class Somewhere(Arguments):
    path: str = Field(
        min_length=1, max_length=1400, description="The place of the difference, as the comparison names it."
    )
    document: int = Field(ge=1, le=2_000_000_000, description="The number of the newest document.")


def _found(scope: Scope, args: Somewhere) -> tuple[File, Difference]:
    """Raises Wrong (422)."""
    newest = documents.current(scope.account.pk)
    if newest is None:
        raise Wrong("There is no configuration file yet. An admin uploads one on its page.")
    if newest.number != args.document:
        raise Wrong(f"Document {newest.number} is the newest by now. Compare again.")
    file, comparison = documents.difference(scope.account, newest)
    found = comparison.at(args.path)
    if found is None:
        raise Wrong(f"The file and the desk say the same about “{args.path}”, or neither says anything.")
    return file, found


def _check_apply(scope: Scope, args: Somewhere) -> None:
    _, found = _found(scope, args)
    if why := following.why_not(scope.account, found):
        raise Wrong(why)


def _check_adopt(scope: Scope, args: Somewhere) -> None:
    file, found = _found(scope, args)
    try:
        editing.checked(editing.adopt(file, found))
    except Invalid as refusal:
        raise Wrong(str(refusal)) from refusal


def _facts(scope: Scope, args: Somewhere) -> Facts:
    """What the desk says there, "not there" included, and which document is the newest."""
    said, place = values_of(look(scope.account)), Place.of(args.path)
    value = said.get(args.path)
    kept = value if masked(place, value) == value else digest(json.dumps(value, sort_keys=True))
    newest = documents.current(scope.account.pk)
    number = newest.number if newest else None
    shown = words.value(place, value, is_there=args.path in said)
    return (
        Fact("desk", "The desk says", [args.path in said, kept], shown),
        Fact("document", "The file is", number, f"document {number}" if number else "none"),
    )


def _describe_apply(scope: Scope, args: Somewhere, facts: Facts) -> Effect:
    _, found = _found(scope, args)
    place = found.place
    new = words.file_says(found)
    if found.kind == "missing_in_yaml" and (place.field and place.section != "channels"):
        new = f"{words.value(place, following.default_of(found))}, the default"
    twice, notes = following.what_it_empties(scope.account, found)
    if place.section == "channels" and found.kind == "missing_in_db":
        notes.append("It comes without its secret, and switched off.")
    if place.section == "prompts":
        notes.append("The version has to pass its evaluation, as by hand.")
    return Effect(
        f"Make the desk follow the file: {words.name_of(found)}",
        [Change("The desk", [words.desk_says(found)], [new])],
        notes,
        twice=twice,
    )


def _describe_adopt(scope: Scope, args: Somewhere, facts: Facts) -> Effect:
    _, found = _found(scope, args)
    new = words.desk_says(found) if found.place.section != "lanes" else words.ABSENT
    return Effect(
        f"Take it into the file: {words.name_of(found)}",
        [Change("The file", [words.file_says(found)], [new])],
        ["Only this place of the file is touched; its comments stay. The desk stays as it is."],
    )


def _run_apply(scope: Scope, args: Somewhere) -> Done:
    file, found = _found(scope, args)
    following.follow(account=scope.account, actor=scope.actor, difference=found, file=file.says)
    return Done(f"The desk says what document {args.document} says about {words.name_of(found)}.")


def _run_adopt(scope: Scope, args: Somewhere) -> Done:
    _, found = _found(scope, args)
    new = documents.take_in(account_id=scope.account.pk, actor=scope.actor, path=args.path)
    return Done(f"Document {new.number} says what the desk says about {words.name_of(found)}.")


def _no_conversation(scope: Scope, args: Any) -> tuple[uuid.UUID, ...]:
    return ()


def kind_of(place: Place) -> str:
    """What a change there is called among suggestions (seed 001)."""
    if place.section in ("channels", "account"):
        return "infrastructure"
    if place.section in ("prompts", "tags"):
        return "custom_field"
    automatic = place.section not in PLAIN and place.section != "policy"
    automatic = automatic or place.section == "retention" or place.field.startswith(("lane", "canary", "close_after"))
    return "automation_rule" if automatic else "workflow"


APPLY_DIFFERENCE = Tool(
    name="apply_difference", icon="db", about="Make the desk say what the configuration file says, in one place.",
    args=Somewhere, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", is_fixed=True, touches=_no_conversation,
    check=_check_apply, facts=_facts, describe=_describe_apply, run=_run_apply,
)  # fmt: skip
ADOPT_DIFFERENCE = Tool(
    name="adopt_difference", icon="lines", about="Write what the desk says into the configuration file, in one place.",
    args=Somewhere, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", is_fixed=True, touches=_no_conversation,
    check=_check_adopt, facts=_facts, describe=_describe_adopt, run=_run_adopt,
)  # fmt: skip
