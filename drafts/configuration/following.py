"""The desk made to follow a file in one place: by the verb that a hand would use, each with its own entry in the trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from pydantic import BaseModel

from conversations import hooks
from conversations.channels.registry import provider_of
from conversations.errors import Invalid
from conversations.metadata import AccountSettings
from conversations.models import Account, Channel, PolicyRule, Role, User
from conversations.people import account_settings
from conversations.people.roles import Verb, check
from conversations.setup import channels
from drafts.configuration.desk import digest
from drafts.configuration.differences import Difference
from drafts.configuration.shapes import (
    AccountPart,
    ChannelEntry,
    Configuration,
    RetentionPart,
    RuleEntry,
    SiteEntry,
    setting_path,
)
from drafts.desk import lanes, tag_list
from drafts.learning import prompts
from drafts.models import Lane, PromptVersion
from ingestion import sites
from ingestion.models import Site

NOTHING = "Nothing was changed."


def follow(*, account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    """In the caller's transaction. Raises what the verb raises: PermissionDenied (403), Refusal, ObjectDoesNotExist (404)."""
    if why := why_not(account, difference):
        raise Invalid(f"{why} {NOTHING}")
    _VERBS[difference.place.section](account, actor, difference, file)


def why_not(account: Account, difference: Difference) -> str:
    """Why the desk cannot be made to follow here, in a sentence; "" if it can."""
    place = difference.place
    if place.section == "channels" and removes(difference):
        return "A channel is never removed by a file: it holds conversations. Switch it off on its own page."
    if place.section == "channels" and place.field == "provider":
        return "Who provides a channel is changed on its own page, which asks for what the other one needs."
    if place.section == "prompts":
        if removes(difference):
            return "Replies are always written with some prompt. Put another version in use, on the quality page."
        if _version(account, difference) is None:
            return "No version of the prompt has this text. Add it on the quality page, or import the file with its text beside it."
    return ""


def removes(difference: Difference) -> bool:
    """Whether following takes a whole entry away that the desk has."""
    return difference.kind == "missing_in_yaml" and bool(difference.place.entry) and not difference.place.field


def what_it_empties(account: Account, difference: Difference) -> tuple[str, list[str]]:
    """Why one press is not enough, "" if it is; and what else to know."""
    place = difference.place
    if place.section == "retention" and place.field in account_settings.PERIODS:
        counts = account_settings.would_empty(account.pk, {place.field: _wanted(difference)})
        found = [f"{count:,} {words}" for words, count in counts.items() if count]
        note = f"The next run would empty: {', '.join(found)}. They cannot come back." if found else "Nothing is emptied by it today."  # fmt: skip
        return "it removes texts", [note]
    if place.section == "settings" and place.field == "close_after_days":
        days = int(_wanted(difference))
        if 0 < days < (account.options.close_after_days or 10**9):
            count = sum(handler(account_id=account.pk, days=days) for handler in hooks.closing_previews)
            return f"{count} conversation{'' if count == 1 else 's'} would close within the hour", []
    if place.section == "sites" and removes(difference):
        return "its pages are not cited any more", [
            "Its documents go out of use; waiting drafts that cite them are marked."
        ]
    return "", []


def _wanted(difference: Difference) -> Any:
    """What the desk would say then: the file's value, or the default where the file says nothing."""
    if difference.kind != "missing_in_yaml":
        return difference.file
    return default_of(difference)


def default_of(difference: Difference) -> Any:
    place = difference.place
    shapes: dict[str, type[BaseModel]] = {
        "account": AccountPart, "settings": AccountSettings, "retention": RetentionPart, "sites": SiteEntry,
    }  # fmt: skip
    return shapes[place.section].model_fields[place.field.replace(".", "_")].default


def _account(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    account_settings.set_timezone(account_id=account.pk, actor=actor, name=_wanted(difference))


def _settings(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    path = ("settings", *difference.place.field.split("."))
    name = next(name for name in AccountSettings.model_fields if setting_path(name) == path)
    account_settings.set_setting(account_id=account.pk, actor=actor, name=name, value=_wanted(difference))


def _retention(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    days = {difference.place.field: _wanted(difference)}
    account_settings.set_retention(account_id=account.pk, actor=actor, **days)


def _policy(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    if difference.kind == "missing_in_yaml":
        role, verb, kind = difference.place.entry.split("/")
        account_settings.remove_rule(
            account_id=account.pk, actor=actor, role=Role(role), verb=Verb(verb), kind=PolicyRule.Kind(kind)
        )
        return
    entry = _named(file.policy, difference)
    assert isinstance(entry, RuleEntry)
    account_settings.set_rule(
        account_id=account.pk, actor=actor, **entry.rule, allowed=entry.allowed, four_eyes=entry.four_eyes
    )


def _channels(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    """A new one is off and without its secret; of one that is there, one entry is changed."""
    check(actor, Verb.MANAGE, account_id=account.pk)
    entry, place = _named(file.channels, difference), difference.place
    assert isinstance(entry, ChannelEntry)
    if difference.kind == "missing_in_db":
        provider = provider_of(entry.provider, entry.type)
        channel = Channel(
            account=account, type=entry.type, external_id=entry.external_id, provider=provider.key, name=entry.name,
            metadata=entry.settings, is_active=False,
        )  # fmt: skip
        channels.save_channel(channel=channel, actor=actor, changed=["added from the file"])
        return
    found = Channel.objects.select_for_update(of=("self",))
    channel = found.get(account=account, type=entry.type, external_id=entry.external_id)
    if place.field == "name":
        channel.name = entry.name
    else:
        _, _, name = place.field.partition(".")
        channel.metadata = {**channel.metadata, name: entry.filled[place.field]}
        if name in ("smtp_host", "imap_host", "oauth_token_url"):
            # A secret goes to the server that somebody typed it for, and to no other.
            channel.credentials = channel.incoming_credentials = channel.client_secret = channel.refresh_token = ""
    channels.save_channel(channel=channel, actor=actor, changed=[place.field.replace("_", " ")])


def _prompts(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    version = _version(account, difference)
    if version is None:
        raise ObjectDoesNotExist
    prompts.activate(version_id=version.pk, actor=actor)  # its evaluation is asked for, as by hand


def _version(account: Account, difference: Difference) -> PromptVersion | None:
    wanted = (difference.file or {}).get("active_sha256")
    versions = PromptVersion.objects.filter(account=account, key=difference.place.entry).order_by("-version")
    return next((one for one in versions if digest(one.text) == wanted), None)


def _lanes(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    intent, channel = difference.desk["intent"], difference.desk["channel"]
    open_ones = Lane.objects.filter(account=account, intent=intent, channel__external_id=channel, state=Lane.State.OPEN)
    for lane in open_ones.order_by("pk"):
        lanes.shut_lane(lane_id=lane.pk, actor=actor, reason="by the configuration file")


def _sites(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    place = difference.place
    if difference.kind == "missing_in_db":
        entry = _named(file.sites, difference)
        sites.add_site(
            account_id=account.pk, actor=actor, url=entry.url, name=entry.name, max_pages=entry.max_pages,
            every_hours=entry.every_hours,
        )  # fmt: skip
        return
    site = Site.objects.get(account=account, url=place.entry)
    if not place.field:
        sites.remove_site(site_id=site.pk, actor=actor)
        return
    now = {name: getattr(site, name) for name in ("name", "max_pages", "every_hours", "is_active")}
    sites.change_site(site_id=site.pk, actor=actor, **{**now, place.field: _wanted(difference)})


def _tags(account: Account, actor: User, difference: Difference, file: Configuration) -> None:
    if difference.kind == "missing_in_yaml":
        tag_list.retire_tag(account_id=account.pk, actor=actor, name=difference.desk)
    else:
        tag_list.keep_tag(account_id=account.pk, actor=actor, name=difference.file)


def _named(entries: Any, difference: Difference) -> Any:
    return next(entry for entry in entries or () if entry.named == difference.place.entry)


_VERBS: dict[str, Callable[[Account, User, Difference, Configuration], None]] = {
    "account": _account, "settings": _settings, "retention": _retention, "policy": _policy, "channels": _channels,
    "prompts": _prompts, "lanes": _lanes, "sites": _sites, "tags": _tags,
}  # fmt: skip
