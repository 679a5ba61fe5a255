"""How replies come about: what is read for them, what drafters are told, and what leaves without a person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import Max
from pydantic import Field

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
from drafts.desk import lanes
from drafts.learning import prompts
from drafts.models import Lane, PromptVersion
from ingestion import sites
from ingestion.models import Site

DESK = frozenset({Context.GENERAL, Context.PROJECT, Context.INFRASTRUCTURE})


class Shut(Arguments):
    topic: str = Field(min_length=1, max_length=100, description="The topic of the lane.")
    channel: str = Field(default="", max_length=120, description="Its channel by name, where there are several.")


def _lanes(scope: Scope, args: Shut) -> list[Lane]:
    """All of this topic, whatever their state."""
    found = Lane.objects.filter(account_id=scope.account.pk, intent__iexact=args.topic).select_related("channel")
    wanted = args.channel.casefold()
    return [lane for lane in found.order_by("pk") if not wanted or lane.channel.name.casefold() == wanted]


def _lane(scope: Scope, args: Shut) -> Lane:
    """The one that is not shut. Raises Wrong (422)."""
    found = [lane for lane in _lanes(scope, args) if lane.state != Lane.State.SHUT]
    if not found:
        raise Wrong(f"No lane for “{args.topic}” is open.")
    if len(found) > 1:
        raise Wrong(f"Several lanes are: {', '.join(lanes.name_of(lane) for lane in found)}. Say which channel.")
    return found[0]


def _check_shut(scope: Scope, args: Shut) -> None:
    _lane(scope, args)


def _shut_facts(scope: Scope, args: Shut) -> Facts:
    found = _lanes(scope, args)
    shown = ", ".join(lane.get_state_display().lower() for lane in found)
    return (Fact("lane", "The lane is", [[str(lane.pk), lane.state] for lane in found], shown),)


def _describe_shut(scope: Scope, args: Shut, facts: Facts) -> Effect:
    lane = _lane(scope, args)
    return Effect(
        f"Shut the lane {lanes.name_of(lane)}",
        [Change("Lane", [facts[0].shown], ["shut"])],
        ["People decide such drafts again. What waits in the outbox stays there."],
    )


def _run_shut(scope: Scope, args: Shut) -> Done:
    lane = lanes.shut_lane(lane_id=_lane(scope, args).pk, actor=scope.actor)
    return Done(f"The lane {lanes.name_of(lane)} is shut.")


class Pages(Arguments):
    url: str = Field(min_length=8, max_length=1000, description="The address of a site that is read.")
    max_pages: int = Field(ge=1, le=sites.MAX_PAGES, description="How many pages at most.")
    every_hours: int = Field(ge=0, le=sites.MAX_HOURS, description="How often it is read; 0: by hand.")


def _site(scope: Scope, args: Pages) -> Site:
    found = Site.objects.filter(account_id=scope.account.pk, url=args.url).first()
    if found is None:
        known = ", ".join(
            Site.objects.filter(account_id=scope.account.pk).order_by("url").values_list("url", flat=True)[:10]
        )
        raise Wrong(f"No site has the address {args.url}. Known: {known or 'none'}.")
    return found


def _check_site(scope: Scope, args: Pages) -> None:
    site = _site(scope, args)
    if (site.max_pages, site.every_hours) == (args.max_pages, args.every_hours):
        raise Wrong("The site is read like that already.")


def _site_facts(scope: Scope, args: Pages) -> Facts:
    site = _site(scope, args)
    return (
        Fact("pages", "Pages at most", site.max_pages, f"{site.max_pages:,}"),
        Fact("every", "Read every", site.every_hours, f"{site.every_hours} hours" if site.every_hours else "by hand"),
    )


def _describe_site(scope: Scope, args: Pages, facts: Facts) -> Effect:
    every = f"{args.every_hours} hours" if args.every_hours else "by hand"
    new = (f"{args.max_pages:,}", every)
    changes = [
        Change(fact.label, [fact.shown], [word]) for fact, word in zip(facts, new, strict=True) if fact.shown != word
    ]
    return Effect(f"Read {args.url} otherwise", changes)


def _run_site(scope: Scope, args: Pages) -> Done:
    site = _site(scope, args)
    sites.change_site(
        site_id=site.pk, actor=scope.actor, name=site.name, max_pages=args.max_pages, every_hours=args.every_hours,
        is_active=site.is_active,
    )  # fmt: skip
    return Done("The site is read like that from now on.")


def _revert_site(args: Pages, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("set_site", {"url": args.url, "max_pages": before["pages"], "every_hours": before["every"]})


class Prompt(Arguments):
    text: str = Field(min_length=1, max_length=prompts.MAX_TEXT, description="What drafters are told, whole.")
    note: str = Field(default="", max_length=300, description="What is different, in a line.")


def _newest(scope: Scope) -> int:
    found = PromptVersion.objects.filter(account_id=scope.account.pk, key=prompts.KEY)
    return found.aggregate(newest=Max("version"))["newest"] or 0


def _prompt_facts(scope: Scope, args: Prompt) -> Facts:
    newest = _newest(scope)
    return (Fact("version", "Newest version", newest, str(newest) if newest else "the one that is shipped"),)


def _describe_prompt(scope: Scope, args: Prompt, facts: Facts) -> Effect:
    return Effect(
        f"Add version {_newest(scope) + 1} of the prompt, as a draft",
        [Change("Text", [], [args.text])],
        ["No reply is written with it until it passed its evaluation and somebody puts it in use."],
    )


def _run_prompt(scope: Scope, args: Prompt) -> Done:
    version = prompts.add(account_id=scope.account.pk, actor=scope.actor, text=args.text, note=args.note)
    return Done(f"Version {version.version} is there, as a draft.")


def _no_conversation(scope: Scope, args: Any) -> tuple[uuid.UUID, ...]:
    return ()


SHUT_LANE = Tool(
    name="shut_lane", icon="off", about="Let people decide a kind of draft again that leaves by itself now.",
    args=Shut, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    check=_check_shut, facts=_shut_facts, describe=_describe_shut, run=_run_shut,
)  # fmt: skip
SET_SITE = Tool(
    name="set_site", icon="book", about="Change how many pages of a site are read, and how often.",
    args=Pages, contexts=DESK, verb=Verb.RUN_JOBS, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    check=_check_site, facts=_site_facts, describe=_describe_site, run=_run_site, revert=_revert_site,
)  # fmt: skip
ADD_PROMPT = Tool(
    name="add_prompt_version", icon="edit", about="Add a version of the prompt that replies are written with, as a draft.",
    args=Prompt, contexts=DESK, verb=Verb.MANAGE, proposed_by=Verb.PROPOSE, risk="config", touches=_no_conversation,
    facts=_prompt_facts, describe=_describe_prompt, run=_run_prompt,
)  # fmt: skip
