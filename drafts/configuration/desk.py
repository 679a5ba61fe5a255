"""What the desk says: an account's rows as a configuration. Nothing secret is read for it."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from conversations.metadata import AccountSettings
from conversations.models import Account, Channel, PolicyRule, Tag
from conversations.people.account_settings import KEPT_FOR
from conversations.people.roles import Verb
from drafts.configuration.shapes import (
    SETTINGS,
    AccountPart,
    ChannelEntry,
    Configuration,
    LaneEntry,
    PromptEntry,
    RetentionPart,
    RuleEntry,
    SiteEntry,
)
from drafts.models import Lane, PromptVersion
from ingestion.models import Site

_RULE = ("role", "verb", "kind", "allowed", "four_eyes")
_SITE = ("url", "name", "max_pages", "every_hours")


def look(account: Account) -> Configuration:
    """The caller is in the tenant. Rows are taken as they are: what is stored is not refused for how it is written."""
    settings = account.options
    return Configuration.model_construct(
        version=1,
        account=AccountPart(slug=account.slug, timezone=account.timezone),
        settings=AccountSettings.model_construct(**{name: getattr(settings, name) for name in SETTINGS}),
        retention=RetentionPart.model_construct(**{name: getattr(account, name) for name in KEPT_FOR}),
        policy=_policy(account),
        channels=_channels(account),
        prompts=_prompts(account),
        lanes=_lanes(account),
        sites=[SiteEntry.model_construct(**row) for row in Site.objects.filter(account=account).order_by("url").values(*_SITE)],
        tags=sorted(Tag.objects.filter(account=account, is_retired=False).values_list("name", flat=True), key=str.casefold),
    )  # fmt: skip


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _policy(account: Account) -> list[RuleEntry]:
    rows = PolicyRule.objects.filter(account=account, verb__in=set(Verb.values) - {Verb.MANAGE})
    return [RuleEntry.model_construct(**row) for row in rows.order_by("role", "verb", "kind").values(*_RULE)]


def _channels(account: Account) -> list[ChannelEntry]:
    rows = Channel.objects.filter(account=account).defer("credentials").order_by("type", "external_id")
    return [
        ChannelEntry.model_construct(
            type=row.type, external_id=row.external_id, provider=row.provider, name=row.name,
            settings=row.options.model_dump(mode="json", exclude_defaults=True),
        )
        for row in rows
    ]  # fmt: skip


def _prompts(account: Account) -> list[PromptEntry]:
    rows = PromptVersion.objects.filter(account=account, status=PromptVersion.Status.ACTIVE).order_by("key")
    return [PromptEntry.model_construct(key=row.key, active_sha256=digest(row.text)) for row in rows]


def _lanes(account: Account) -> list[LaneEntry]:
    """One for each topic and channel, over all prompts and models: `open` where one of them is."""
    states: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for intent, channel, state in Lane.objects.filter(account=account).values_list(
        "intent", "channel__external_id", "state"
    ):
        states[intent, channel].add(state)
    return [
        LaneEntry.model_construct(intent=intent, channel=channel, state="open" if Lane.State.OPEN in found else "shut")
        for (intent, channel), found in sorted(states.items())
    ]  # fmt: skip
