"""What an answer of the assistant says beside its text, as it is kept with the message (seed 001): what it quotes, which sentence
rests on what, and changes that it suggests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from conversations.shapes import Shape


class ConfigReference(Shape):
    path: str
    type: Literal["yaml", "database", "both"]


class DocumentationLink(Shape):
    file: str
    section: str | None = None


class SuggestedChange(Shape):
    """A change by the tool that would make it: what no tool can do is not suggested. Each kind has tools of its own."""

    arguments: dict[str, Any] = {}


class WorkflowChange(SuggestedChange):
    tool: Literal["set_setting", "set_policy", "apply_difference", "adopt_difference"]


class FieldChange(SuggestedChange):
    tool: Literal["add_prompt_version", "apply_difference", "adopt_difference"]


class RuleChange(SuggestedChange):
    tool: Literal["set_setting", "set_retention", "shut_lane", "set_site", "apply_difference", "adopt_difference"]


class InfrastructureChange(SuggestedChange):
    tool: Literal["apply_difference", "adopt_difference"]


class _Suggested(Shape):
    explanation: str = Field(max_length=600)


class WorkflowSuggestion(_Suggested):
    type: Literal["workflow"]
    config: WorkflowChange


class FieldSuggestion(_Suggested):
    type: Literal["custom_field"]
    config: FieldChange


class RuleSuggestion(_Suggested):
    type: Literal["automation_rule"]
    config: RuleChange


class InfrastructureSuggestion(_Suggested):
    type: Literal["infrastructure"]
    config: InfrastructureChange


#: One of seed 001's four kinds.
Suggestion = Annotated[
    WorkflowSuggestion | FieldSuggestion | RuleSuggestion | InfrastructureSuggestion, Field(discriminator="type")
]


class Difference(Shape):
    path: str
    yamlValue: Any = None
    dbValue: Any = None
    type: Literal["missing_in_db", "missing_in_yaml", "value_mismatch"]


class ComparisonResults(Shape):
    differences: list[Difference] = []


class Step(Shape):
    """Something the assistant did on the way to its answer, in words, and how long it took."""

    text: str = Field(max_length=200)
    seconds: float = Field(default=0.0, ge=0)


class Steps(RootModel[list[Step]]):
    pass


class Said(Shape):
    """A message that a line of an answer rests on: where it stands, and what it is called there ("14:48")."""

    conversation: str
    message: str = ""
    label: str = Field(max_length=60)


class AnswerSource(Shape):
    """A passage that an answer quotes, as it was then."""

    passage: str
    title: str = Field(default="", max_length=300)
    url: str = Field(default="", max_length=2000)
    quote: str = Field(default="", max_length=600)


class AnswerClaim(Shape):
    """A sentence of an answer, by code points ``[start, end)``, with the numbers of the sources or the messages that say so.

    ``label`` is what stands before it in a summary ("Wants"). One with neither is unsourced.
    """

    start: int = Field(ge=0)
    end: int = Field(ge=0)
    sources: list[int] = []
    said: list[Said] = []
    label: str = Field(default="", max_length=20)
