"""What the built-in assistant says and proposes about the configuration: compared with its file, a setting told and changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from conversations.answer_shapes import ComparisonResults, ConfigReference, DocumentationLink, Suggestion
from conversations.answer_shapes import Difference as Told
from drafts.assistant.orders import Missing
from drafts.assistant.port import OnFile, Proposed, Reply, Request, Setting
from drafts.assistant.reader import Reading
from drafts.assistant.tools.configuration import kind_of
from drafts.configuration import documentation, words
from drafts.configuration.differences import Difference, Place, masked
from drafts.configuration.shapes import setting_path

SHOWN, SUGGESTED, AT_ONCE = 40, 6, 10
NO_FILE = "There is no configuration file yet. An admin begins one on the page of the configuration."
SAME = "The desk and document {number} say the same."
_SUGGESTION: TypeAdapter[Suggestion] = TypeAdapter(Suggestion)
_OFF = re.compile(r"\b(?:off|disable|deactivate|no|false|never)\b", re.IGNORECASE)
_ON = re.compile(r"\b(?:on|enable|activate|yes|true|allow)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?")
_TO = re.compile(r"\bto\s+(.+)$", re.IGNORECASE)
_LANE = re.compile(
    r"(?:shut|close|stop|suspend|disable|turn off|switch off|halt)\s+(?:down\s+)?(?:the\s+|our\s+)?(?:lanes?\s+(?:for|of|about)\s+(?P<after>.+)|(?P<before>.+?)\s+lanes?\b)",
    re.IGNORECASE,
)
_INTO_FILE = re.compile(r"\binto the file\b|\badopt\b", re.IGNORECASE)


def compared(found: OnFile | None) -> Reply:
    """The differences as typed metadata, with what they suggest; the text is their sum."""
    if found is None:
        return Reply(NO_FILE, intent="compare", links=_links([documentation.FILE]))
    differences = found.comparison.differences
    if not differences:
        return Reply(
            SAME.format(number=found.document) + _silent(found), intent="compare", links=_links([documentation.FILE])
        )
    counts = [
        f"{sum(one.kind == kind for one in differences)} {label.lower()}"
        for kind, label in words.KINDS.items()
        if any(one.kind == kind for one in differences)
    ]
    count = len(differences) + found.comparison.more
    text = f"{count} difference{'' if count == 1 else 's'} between the desk and document {found.document}: {', '.join(counts)}."
    if count > SHOWN:
        text += f" The first {SHOWN} are below, all are on the page of the configuration."
    suggestions = [_suggestion(found, one) for one in differences[:SUGGESTED]]
    return Reply(
        text + _silent(found),
        intent="compare",
        comparison=ComparisonResults(differences=[_told(one) for one in differences[:SHOWN]]),
        references=[_reference(one) for one in differences[:SHOWN]],
        links=_links([documentation.FILE, *(documentation.link_of(one.place) for one in differences[:SHOWN])]),
        suggestions=suggestions,
        choices=[f"Apply the difference {one.path}" for one in differences[:SUGGESTED] if one.path not in found.stuck],
    )


def told(setting: Setting, changed: str, found: OnFile | None) -> Reply:
    """A setting's value, default and meaning, who changed it, and whether the file says the same."""
    default = "the default" if setting.value == setting.default else f"the default is {setting.default}"
    text = f"{setting.title}: {setting.value} ({default}). {setting.about}".strip()
    if changed:
        text += f"\nLast changed by {changed}."
    path = ".".join(setting_path(setting.key))
    difference = found.comparison.at(path) if found else None
    if found and difference:
        text += f"\nDocument {found.document} says: {words.file_says(difference)}."
    in_file = found is not None and "settings" not in found.comparison.silent
    suggestion = _suggestion(found, difference) if found and difference else None
    return Reply(
        text,
        intent="show_setting",
        references=[ConfigReference(path=path, type="both" if in_file else "database")],
        links=_links([documentation.link_of(Place.of(path))]),
        suggestions=[suggestion] if suggestion else [],
        choices=[f"Apply the difference {path}"] if suggestion else [],
    )


def differences_meant(found: OnFile | None, order: Reading) -> list[Proposed] | Missing:
    """Which differences an order is about, and which way."""
    if found is None:
        return Missing(why=NO_FILE)
    differences = found.comparison.differences
    if not differences:
        return Missing(why=SAME.format(number=found.document))
    low = order.words.casefold()
    meant = [one for one in differences if any(form in low for form in _forms(one))]
    if not meant and (len(differences) == 1 or re.search(r"\ball\b", low)):
        meant = list(differences)
    into_file = bool(_INTO_FILE.search(order.words))
    if not meant:
        lead = "Adopt the difference" if into_file else "Apply the difference"
        return Missing("difference", choices=[f"{lead} {one.path}" for one in differences[:SUGGESTED]])
    tool = "adopt_difference" if into_file else "apply_difference"
    return [Proposed(tool, {"path": one.path, "document": found.document}) for one in meant[:AT_ONCE]]


def setting_meant(text: str, settings: Sequence[Setting]) -> Setting | None:
    """The setting whose longest name stands in the text."""
    low = text.casefold()
    named = [(max((len(name) for name in one.names if name.casefold() in low), default=0), one) for one in settings]
    length, found = max(named, key=lambda one: one[0], default=(0, None))
    return found if length else None


def new_setting(request: Request, order: Reading) -> dict[str, Any] | Missing:
    setting = setting_meant(order.words, request.settings)
    if setting is None:
        return Missing(why="I know no setting of that name, or your role may not propose a change of it.")
    name = max((name for name in setting.names if name.casefold() in order.words.casefold()), key=len)
    rest = re.sub(re.escape(name), " ", order.words, flags=re.IGNORECASE)
    value = _value(setting, rest, order.quoted)
    if value is None:
        choices = [f"Set {name} to {words}" for words in setting.choices] or (
            [f"Turn {name} on", f"Turn {name} off"] if setting.kind == "yes" else []
        )
        return Missing("value", choices=choices)
    return {"name": setting.key, "value": value}


def _value(setting: Setting, text: str, quoted: Sequence[str]) -> bool | int | float | str | None:
    match setting.kind:
        case "yes":
            return False if _OFF.search(text) else True if _ON.search(text) else None
        case "number":
            found = _NUMBER.search(text)
            if found is None:
                return None
            digits = found[0].replace(",", "").replace("_", "")
            return float(digits) if "." in digits else int(digits)
        case "choice":
            low = text.casefold()
            fits = [
                value
                for said, value in setting.choices.items()
                if said in low or re.search(rf"\b{re.escape(value)}\b", low)
            ]
            chosen = fits[0] if len(fits) == 1 else None
            return int(chosen) if chosen and chosen.isdigit() else chosen
    if quoted:
        return quoted[0]
    found = _TO.search(text)
    return found[1].strip(" .") if found else None


def lane_to_shut(request: Request, order: Reading) -> dict[str, Any] | Missing:
    found = _LANE.search(order.words)
    topic = order.quoted[0] if order.quoted else (found["after"] or found["before"] or "") if found else ""
    topic = re.sub(r"^(?:the|our|a)\s+|[.!]+$", "", topic.strip(), flags=re.IGNORECASE)
    return {"topic": topic[:100]} if topic and topic.casefold() not in ("the", "that", "this", "a") else Missing("lane")


def new_prompt(request: Request, order: Reading) -> dict[str, Any] | Missing:
    """A version is a whole text, so that whoever confirms it reads all that drafters are told."""
    return {"text": order.quoted[0]} if order.quoted else Missing("text")


def _forms(one: Difference) -> set[str]:
    place = one.place
    said = {one.path, place.field, place.field.replace("_", " "), place.field.rpartition(".")[2].replace("_", " ")}
    if not place.field:
        said |= {place.entry, words.name_of(one)}
    return {form.casefold() for form in said if len(form) > 2}


def _told(one: Difference) -> Told:
    return Told(path=one.path[:400], yamlValue=_short(one, one.file), dbValue=_short(one, one.desk), type=one.kind)


def _short(one: Difference, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return words.value(one.place, masked(one.place, value))


def _reference(one: Difference) -> ConfigReference:
    where = {"value_mismatch": "both", "missing_in_db": "yaml", "missing_in_yaml": "database"}[one.kind]
    return ConfigReference.model_validate({"path": one.path[:400], "type": where})


def _suggestion(found: OnFile, one: Difference) -> Suggestion:
    """What would end it: the desk follows, or where it cannot the file does."""
    tool = "adopt_difference" if one.path in found.stuck else "apply_difference"
    says = f"takes in what the desk says: {words.desk_says(one)}" if one.path in found.stuck else f"follows the file: {words.file_says(one)}"  # fmt: skip
    side = "The file" if one.path in found.stuck else "The desk"
    return _SUGGESTION.validate_python(
        {
            "type": kind_of(one.place),
            "config": {"tool": tool, "arguments": {"path": one.path, "document": found.document}},
            "explanation": f"{side} {says} ({words.name_of(one)})"[:600],
        }
    )


def _links(wanted: Sequence[DocumentationLink | None]) -> list[DocumentationLink]:
    out: list[DocumentationLink] = []
    for one in wanted:
        if one is not None and (found := documentation.link(one)) is not None and found not in out:
            out.append(found)
    return out


def _silent(found: OnFile) -> str:
    names = [words.TITLES[section].lower() for section in found.comparison.silent]
    return f"\nThe file says nothing about: {', '.join(names)}." if names else ""
