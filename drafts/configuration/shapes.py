"""What stands in `countersign.yaml`: sections with every default filled in, and nothing that is secret.

Credentials, people, tokens, the second factor, who may manage, legal hold and approved answers are not in it: a file is read
by many, and each of these has a page that asks more than a file can.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from conversations.channels.provider import ChannelType
from conversations.channels.registry import PROVIDERS, provider_of
from conversations.metadata import AccountSettings
from conversations.models import PolicyRule, Role
from conversations.people.account_settings import MAX_DAYS, NOT_HERE
from conversations.people.roles import Verb
from conversations.shapes import Shape
from ingestion.sites import MAX_HOURS, MAX_PAGES

#: A section that is a mapping of values; the others are lists, each entry with a key of its own.
PLAIN = ("account", "settings", "retention")
KEYED = ("policy", "channels", "prompts", "lanes", "sites", "tags")
SECTIONS = (*PLAIN, *KEYED)
#: Settings that stand in a group of their own, by what their names begin with.
GROUPS = ("assistant",)
SETTINGS = tuple(name for name in AccountSettings.model_fields if name not in NOT_HERE)


class AccountPart(Shape):
    slug: str
    timezone: str = "UTC"


class RetentionPart(Shape):
    """Days from the closing of a conversation; 0 keeps."""

    archive_bodies_after_days: int = Field(default=0, ge=0, le=MAX_DAYS)
    purge_after_days: int = Field(default=0, ge=0, le=MAX_DAYS)
    expire_sessions_after_days: int = Field(default=30, ge=0, le=MAX_DAYS)


class Entry(Shape):
    """One of a list. `named` is what it is called there; nothing else may be called the same."""

    #: Its fields are one value: they are set together.
    is_whole: ClassVar[bool] = False

    @property
    def named(self) -> str:
        raise NotImplementedError  # pragma: no cover


class RuleEntry(Entry):
    is_whole = True
    role: Literal["agent", "reviewer", "admin", "auditor"]
    verb: str
    kind: Literal["any", "sourced", "unsourced", "money", "proposed"] = "any"
    allowed: bool
    four_eyes: bool = False

    @field_validator("verb")
    @classmethod
    def _a_rule_may_be_about_it(cls, verb: str) -> str:
        if verb not in Verb.values or verb == Verb.MANAGE:
            raise ValueError("there is no act of that name that a file may allow")
        return verb

    @property
    def named(self) -> str:
        return f"{self.role}/{self.verb}/{self.kind}"

    @property
    def rule(self) -> dict[str, Any]:
        return {"role": Role(self.role), "verb": Verb(self.verb), "kind": PolicyRule.Kind(self.kind)}


class ChannelEntry(Entry):
    """A file neither switches a channel on or off nor holds its secret: what it needs for that, its page asks."""

    type: str
    external_id: str = Field(min_length=1, max_length=255)
    provider: str = ""
    name: str = Field(min_length=1, max_length=120)
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _its_providers_own_settings(self) -> Self:
        if self.type not in ChannelType.values:
            raise ValueError(f"there is no type of channel “{self.type}”")
        if self.provider not in {"", *(one.key for one in PROVIDERS if one.type == self.type)}:
            raise ValueError(f"there is no provider “{self.provider}” of this type")
        provider_of(self.provider, self.type).settings.model_validate(self.settings, strict=True)
        return self

    @property
    def named(self) -> str:
        return f"{self.type}/{self.external_id}"

    @property
    def filled(self) -> dict[str, Any]:
        """The settings with every default, and its provider's own key."""
        provider = provider_of(self.provider, self.type)
        settings = provider.settings.model_validate(self.settings).model_dump(mode="json")
        return {"provider": provider.key, **{f"settings.{name}": value for name, value in settings.items()}}


class PromptEntry(Entry):
    is_whole = True
    key: Literal["reply"]
    active_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def named(self) -> str:
        return self.key


class LaneEntry(Entry):
    """A kind of draft that people decide. A file may shut it, never open it: that takes evidence."""

    is_whole = True
    intent: str = Field(min_length=1, max_length=100)
    channel: str = Field(min_length=1, max_length=255)
    state: Literal["shut"] = "shut"

    @property
    def named(self) -> str:
        return f"{self.intent}/{self.channel}"


class SiteEntry(Entry):
    url: str = Field(min_length=8, max_length=1000)
    name: str = Field(default="", max_length=120)
    max_pages: int = Field(default=500, ge=1, le=MAX_PAGES)
    every_hours: int = Field(default=24, ge=0, le=MAX_HOURS)

    @property
    def named(self) -> str:
        return self.url


class Configuration(Shape):
    """The whole of it. Of a file, the sections that it does not have are None: it says nothing about them."""

    version: Literal[1]
    account: AccountPart
    settings: AccountSettings | None = None
    retention: RetentionPart | None = None
    policy: list[RuleEntry] | None = None
    channels: list[ChannelEntry] | None = None
    prompts: list[PromptEntry] | None = None
    lanes: list[LaneEntry] | None = None
    sites: list[SiteEntry] | None = None
    tags: list[str] | None = None

    @field_validator("settings", mode="before")
    @classmethod
    def _out_of_their_groups(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if locked := [name for name in NOT_HERE if name in given]:
            raise ValueError(f"{locked[0]} is set on its own page, never by a file")
        if loose := [name for name in given if name.startswith(tuple(f"{group}_" for group in GROUPS))]:
            group, _, rest = loose[0].partition("_")
            raise ValueError(f"write {loose[0]} as {group}: {{{rest}: …}}")
        flat = {name: value for name, value in given.items() if name not in GROUPS}
        for group in GROUPS:
            inside = given.get(group, {})
            if not isinstance(inside, dict):
                raise ValueError(f"{group} is a group of settings")
            flat |= {f"{group}_{name}": value for name, value in inside.items()}
        return flat

    @field_validator("tags")
    @classmethod
    def _tags_are_names(cls, tags: list[str] | None) -> list[str] | None:
        for name in tags or ():
            if not 1 <= len(name) <= 40 or name != " ".join(name.split()) or not name.isprintable():
                raise ValueError(f"“{name[:40]}” is no tag: a word or two, of 40 characters at most")
        return tags

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        for section in KEYED:
            seen: set[str] = set()
            for key in keys_of(section, getattr(self, section) or ()):
                folded = key.casefold() if section == "tags" else key
                if folded in seen:
                    raise ValueError(f"{section}: {key} stands there twice")
                seen.add(folded)
        return self


def keys_of(section: str, entries: Iterable[Any]) -> list[str]:
    return [entry if section == "tags" else entry.named for entry in entries]


def setting_path(name: str) -> tuple[str, ...]:
    """A setting as it stands in the file: in its group, if it has one."""
    group, _, rest = name.partition("_")
    return ("settings", group, rest) if group in GROUPS else ("settings", name)
