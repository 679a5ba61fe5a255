"""The arguments of a tool as the fields of a form, and a form as arguments again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conversations.views.words import Clock
from drafts.assistant.tools import Tool

_LOCAL = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class Field:
    """`kind`: text, lines, words (a list with commas), choice, moment, number, yes."""

    name: str
    label: str
    kind: str
    value: str
    hint: str
    choices: tuple[tuple[str, str], ...] = ()
    longest: int = 0


def fields_of(tool: Tool[Any], arguments: Mapping[str, Any], typed: Mapping[str, str], clock: Clock) -> list[Field]:
    """One for each argument; what was typed stays as it was typed."""
    out = []
    for name, schema in tool.args.model_json_schema().get("properties", {}).items():
        kind = _kind(schema)
        value = typed.get(name, _written(kind, arguments.get(name), clock))
        choices = tuple((str(one), str(one).replace("_", " ") or "no reason") for one in schema.get("enum", ()))
        label = name.replace("_", " ").capitalize()
        out.append(Field(name, label, kind, value, schema.get("description", ""), choices, schema.get("maxLength", 0)))
    return out


def arguments_from(tool: Tool[Any], form: Mapping[str, str], clock: Clock) -> dict[str, Any]:
    """What a form says, as the arguments that the tool's shape then checks."""
    out: dict[str, Any] = {}
    for name, schema in tool.args.model_json_schema().get("properties", {}).items():
        text = form.get(f"arg-{name}", "").replace("\x00", "").replace("\r\n", "\n").strip()
        match _kind(schema):
            case "words":
                out[name] = [word.strip() for word in text.split(",") if word.strip()]
            case "yes":
                out[name] = bool(text)
            case "number":
                out[name] = text.lstrip("#")
            case "moment":
                out[name] = _moment(text, clock)
            case _:
                out[name] = text
    return out


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    match schema.get("type"), schema.get("format"):
        case "array", _:
            return "words"
        case "boolean", _:
            return "yes"
        case "integer" | "number", _:
            return "number"
        case _, "date-time":
            return "moment"
    return "lines" if schema.get("maxLength", 0) > 200 else "text"


def _written(kind: str, value: Any, clock: Clock) -> str:
    if value is None:
        return ""
    if kind == "words":
        return ", ".join(value)
    if kind == "moment":
        return clock.local(datetime.fromisoformat(value)).strftime(_LOCAL)
    return str(value)


def _moment(text: str, clock: Clock) -> str:
    """A time as a browser's field says it, in the person's zone; what is none is left to the tool's shape."""
    try:
        return datetime.strptime(text, _LOCAL).replace(tzinfo=clock.zone).isoformat()
    except ValueError:
        return text
