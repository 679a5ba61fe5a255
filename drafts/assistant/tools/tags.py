"""Tags of the account's list, given to a conversation and taken off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from conversations.models import Tag
from conversations.people.roles import Verb
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    Proposal,
    Scope,
    Tool,
    Wrong,
)
from drafts.desk import tags

Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class Tags(Arguments):
    add: list[Name] = Field(default=[], max_length=20, description="Names of tags to give.")
    remove: list[Name] = Field(default=[], max_length=20, description="Names of tags to take off.")


def _known(scope: Scope) -> dict[str, Tag]:
    return {tag.name.casefold(): tag for tag in Tag.objects.filter(account_id=scope.account.pk)}


def _now(scope: Scope) -> list[str]:
    links = Tag.objects.filter(links__conversation=scope.conversation)
    return sorted(links.values_list("name", flat=True))


def _check(scope: Scope, args: Tags) -> None:
    known, now = _known(scope), {name.casefold() for name in _now(scope)}
    add, remove = ({name.casefold() for name in names} for names in (args.add, args.remove))
    if unknown := [name for name in (*args.add, *args.remove) if name.casefold() not in known]:
        usable = ", ".join(sorted(tag.name for tag in known.values() if not tag.is_retired)) or "none yet"
        raise Wrong(f"There is no tag “{unknown[0]}”. The tags of this account: {usable}.")
    if both := add & remove:
        raise Wrong(f"The tag “{known[both.pop()].name}” cannot be given and taken off at once.")
    if retired := [known[name].name for name in add - now if known[name].is_retired]:
        raise Wrong(f"The tag “{retired[0]}” is not in use any more.")
    if not (add - now) and not (remove & now):
        raise Wrong("The tags are like that already. There is nothing to change.")


def _facts(scope: Scope, args: Tags) -> Facts:
    now = _now(scope)
    return (Fact("tags", "Tags", now, ", ".join(now) or "none"),)


def _describe(scope: Scope, args: Tags, facts: Facts) -> Effect:
    known, now = _known(scope), list(facts[0].value)
    add = [known[name.casefold()].name for name in args.add if known[name.casefold()].name not in now]
    remove = [known[name.casefold()].name for name in args.remove if known[name.casefold()].name in now]
    words = [f"Add the tag{'s' if len(add) > 1 else ''} {', '.join(add)}"] if add else []
    if remove:
        words.append(f"{'take off' if words else 'Take off'} {', '.join(remove)}")
    new = sorted({*now, *add} - set(remove))
    return Effect(" and ".join(words), (Change("Tags", now, new, is_set=True),))


def _run(scope: Scope, args: Tags) -> Done:
    known = _known(scope)
    add, remove = ([known[name.casefold()].pk for name in names] for names in (args.add, args.remove))
    now = tags.retag(conversation_id=scope.conversation.pk, actor=scope.actor, add=add, remove=remove)
    return Done("Tags: " + (", ".join(tag.name for tag in now) or "none"))


def _revert(args: Tags, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    had = {name.casefold() for name in before["tags"]}
    return Proposal(
        "set_tags",
        {
            "add": [name for name in args.remove if name.casefold() in had],
            "remove": [name for name in args.add if name.casefold() not in had],
        },
    )


SET_TAGS = Tool(
    name="set_tags",
    icon="tag",
    about="Give the conversation tags of the account's list, or take tags off.",
    args=Tags,
    contexts=frozenset({Context.CASE}),
    verb=Verb.TAG,
    check=_check,
    facts=_facts,
    describe=_describe,
    run=_run,
    revert=_revert,
)
