"""The shapes of our JSON columns. JSON is validated on write by these models and is never the only home of a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.utils.deconstruct import deconstructible
from pydantic import BaseModel, Field, field_validator
from pydantic import ValidationError as SchemaError

from conversations import hours, keys
from conversations.answer_shapes import (
    AnswerClaim,
    AnswerSource,
    ComparisonResults,
    ConfigReference,
    DocumentationLink,
    Step,
    Steps,
    Suggestion,
)
from conversations.channels.provider import ChannelSettings
from conversations.errors import Invalid
from conversations.shapes import Shape

__all__ = ["ChannelSettings", "Shape", "Steps"]  # migrations look for the first and the last here


class AccountSettings(Shape):
    """How an account works. `hold_seconds` is the undo window before an approved reply leaves.

    `lanes` allows automatic approval at all: a lane opens when the Wilson lower bound of "sent unchanged" over the last
    `lane_reviewed` decisions reaches `lane_bound`. At most `lane_per_hour` replies leave by lanes within an hour, and
    `lane_per_sender_hour` to one address. `canary_share` of the drafts are check drafts (0: none).
    `due_minutes` count within `business_hours` without the `holidays` (`conversations.hours`).
    `close_after_days` closes what waits for a customer who did not write for so long (0: nothing closes by itself).
    `second_factor` is what everybody needs to get in; it is set by `factors.require_second_factor` alone.
    """

    agent_approval: Literal["none", "sourced", "all"] = Field(
        default="sourced",
        title="Agents approve",
        description="Reviewers and admins approve every draft, auditors none.",
        json_schema_extra={
            "choices": {
                "none": "Nothing, they hand over",
                "sourced": "What has a source for every statement",
                "all": "Everything",
            }
        },
    )
    hold_seconds: int = Field(
        default=10,
        ge=0,
        le=60,
        title="Hold approved replies",
        description="They can be taken back that long. 0 to 60; each person may choose a longer time.",
        json_schema_extra={"unit": "seconds"},
    )
    reply_name: str = Field(
        default="", title="Sender name", description="Used by channels that have none of their own."
    )
    due_minutes: int = Field(
        default=240,
        ge=1,
        le=60 * 24 * 30,
        title="First answer within",
        description="From the customer's newest message, in business hours. A channel may have its own.",
        json_schema_extra={"unit": "minutes"},
    )
    business_hours: str = Field(
        default="",
        max_length=1000,
        title="Business hours",
        description="A rule on each line, in the account's time zone: Mon to Fri 8:00 to 12:00, 13:00 to 17:00. "
        "Empty is always open.",
        json_schema_extra={"lines": 3, "width": "full"},
    )
    holidays: str = Field(
        default="",
        max_length=8000,
        title="Holidays",
        description="A date on each line, with a name if you like: 2026-12-25 Christmas. Closed all day.",
        json_schema_extra={"lines": 3, "width": "full"},
    )
    draft_burst_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        title="Wait before drafting",
        description="Customers often write twice. 0 drafts at once, 600 at most.",
        json_schema_extra={"unit": "seconds"},
    )
    lanes: bool = Field(
        default=False,
        title="Let proven kinds of question leave by themselves (lanes)",
        description="Each kind opens alone, after enough of its drafts went out unchanged, and shuts by itself. "
        "Never money, never a failed proof of sender.",
    )
    lane_reviewed: int = Field(
        default=50,
        ge=20,
        le=10_000,
        title="A kind needs",
        description="That many decisions of people come first. 20 to 10,000.",
        json_schema_extra={"unit": "decided drafts"},
    )
    lane_bound: float = Field(
        default=0.9,
        ge=0.5,
        lt=1,
        title="Of these, unchanged",
        description="A share: 0.9 is nine of ten. The lower end of the 95 % interval counts, so luck does not.",
        json_schema_extra={"unit": "at least"},
    )
    canary_share: float = Field(
        default=0.0,
        ge=0,
        le=0.02,
        title="Check drafts",
        description="Wrong on purpose, never sent, revealed at once: they show if drafts are read. 0 to 0.02.",
        json_schema_extra={"unit": "of all drafts"},
    )
    close_after_days: Literal[0, 7, 14, 30] = Field(
        default=0,
        title="Close by itself",
        description="What was answered and to which the customer said nothing. Their next message opens it again.",
        json_schema_extra={
            "choices": {
                "0": "Never",
                "7": "After 7 quiet days",
                "14": "After 14 quiet days",
                "30": "After 30 quiet days",
            }
        },
    )
    second_factor: bool = Field(
        default=False,
        title="Everybody needs a second factor",
        description="Who has none is led to set one up and sees nothing of the account until then.",
    )
    assistant_tokens_a_day: int = Field(
        default=200_000,
        ge=0,
        le=100_000_000,
        title="Each person at most",
        description="What a model reads and writes for one person, from midnight on. The built-in assistant takes none.",
        json_schema_extra={"unit": "tokens a day"},
    )
    assistant_tokens_of_all: int = Field(
        default=2_000_000,
        ge=0,
        le=1_000_000_000,
        title="All together at most",
        description="Of the whole account, whoever asks.",
        json_schema_extra={"unit": "tokens a day"},
    )
    lane_per_hour: int = Field(
        default=60,
        ge=0,
        le=10_000,
        title="By lanes at most",
        description="What is more waits for a person.",
        json_schema_extra={"unit": "an hour"},
    )
    lane_per_sender_hour: int = Field(
        default=3,
        ge=0,
        le=100,
        title="To one address at most",
        description="So that two machines do not answer each other without end.",
        json_schema_extra={"unit": "an hour"},
    )

    @field_validator("business_hours")
    @classmethod
    def _hours_are_understood(cls, text: str) -> str:
        hours.parse_week(text)
        return text

    @field_validator("holidays")
    @classmethod
    def _holidays_are_dates(cls, text: str) -> str:
        hours.parse_holidays(text)
        return text


class Preferences(Shape):
    """What one person chose. `hold_seconds` None follows the account; 3600 and more means "until I press Send".

    `muted` are the types of notification that this person does not want, `moved` the single keys that they put elsewhere.
    """

    hold_seconds: int | None = Field(default=None, ge=0, le=86_400)
    single_keys: Literal["on", "alt", "off"] = "on"
    theme: Literal["auto", "light", "dark"] = "auto"
    time_zone: str = ""
    signature: str = Field(default="", max_length=1000)
    muted: list[str] = Field(default=[], max_length=40)
    moved: dict[str, str] = {}

    @field_validator("moved")
    @classmethod
    def _one_act_a_key(cls, moved: dict[str, str]) -> dict[str, str]:
        try:
            return keys.chosen(moved)
        except Invalid as error:
            raise ValueError(str(error)) from error

    @property
    def caps(self) -> dict[str, str]:
        """Act -> its key as it is printed on buttons."""
        return {act: key.upper() for act, key in keys.keys_of(self.moved).items()}


class PartyShape(Shape):
    address: str
    name: str = ""


class AuthenticationShape(Shape):
    """`channels.base.Authentication`, as it is kept."""

    verdict: Literal["pass", "fail", "none"] = "none"
    server: str = ""
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""

    @property
    def words(self) -> str:
        """What was found, for a person; "" when the server said nothing that decides."""
        said = ", ".join(
            f"{n.upper()} {v}" for n, v in (("dmarc", self.dmarc), ("dkim", self.dkim), ("spf", self.spf)) if v
        )
        if self.verdict == "pass":
            return f"Sender proved ({said})"
        return f"Sender not proved ({said or 'it is not the one address in From'})" if self.verdict == "fail" else ""


class ThereShape(Shape):
    """A file of a message that stands at its vendor, and is not here yet."""

    name: str
    address: str
    tries: int = 0
    problem: str = ""


class MessageMetadata(Shape):
    """Everything a channel or the assistant tells about a message beside its text (seeds 001 and 004)."""

    configReferences: list[ConfigReference] | None = None
    documentationLinks: list[DocumentationLink] | None = None
    suggestions: list[Suggestion] | None = None
    comparisonResults: ComparisonResults | None = None
    headers: dict[str, str] = {}
    to: list[str] = []
    cc: list[str] = []
    reply_to: str = ""
    answer_to: list[PartyShape] = []
    forwarded: PartyShape | None = None
    sender: str = ""
    sender_name: str = ""
    recipient: str = ""
    authentication: AuthenticationShape = AuthenticationShape()
    problems: list[str] = []
    there: list[ThereShape] = []
    automatic: str = ""
    automatic_reason: str = ""
    source: dict[str, Any] = {}
    sources: list[AnswerSource] = []
    claims: list[AnswerClaim] = []
    steps: list[Step] = []
    choices: list[str] = Field(default=[], max_length=12)
    stopped: bool = False
    tainted: bool = False


class SessionContext(Shape):
    """What a chat with an assistant has in mind beside its messages: `summary` of those up to `up_to`, and the one detail
    that it asked for and waits for (seed 000's context): `open_slot` is what it is missing, for `open_words`."""

    summary: str = Field(default="", max_length=8000)
    up_to: int = Field(default=0, ge=0)
    open_slot: str = Field(default="", max_length=60)
    open_words: str = Field(default="", max_length=2000)


@deconstructible
@dataclass
class validate_with:  # noqa: N801 - a validator, used like a function
    shape: type[BaseModel]

    def __call__(self, value: Any) -> None:
        try:
            self.shape.model_validate(value)
        except SchemaError as error:
            raise ValidationError([explain(e) for e in error.errors()]) from error


def explain(error: Mapping[str, Any]) -> str:
    """One line of a schema error: where, and what is wrong."""
    where = ".".join(map(str, error["loc"])) or "value"
    return f"{where}: {error['msg']}"
