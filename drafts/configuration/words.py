"""Differences in words, as pages, cards and commands say them. What is secret is not said."""

from __future__ import annotations

from typing import Any

from drafts.configuration.differences import Difference, Place, masked
from drafts.configuration.writing import inline

KINDS = {
    "value_mismatch": "Other value",
    "missing_in_db": "Missing in the desk",
    "missing_in_yaml": "Missing in the file",
}
TITLES = {
    "account": "Account", "settings": "Settings", "retention": "Retention", "policy": "Policy", "channels": "Channels",
    "prompts": "Prompts", "lanes": "Lanes", "sites": "Sites", "tags": "Tags",
}  # fmt: skip
ABSENT = "not there"
LONGEST = 300


def value(place: Place, found: Any, *, is_there: bool = True) -> str:
    """One side's value on one line."""
    if not is_there:
        return ABSENT
    found = masked(place, found)
    if isinstance(found, dict):
        found = {name: one for name, one in found.items() if one not in ("", None)}
        said = ", ".join(f"{name}: {one if isinstance(one, str) else inline(one)}" for name, one in found.items())
    else:
        said = found if isinstance(found, str) else inline(found)
    said = " / ".join(said.split("\n")) or "empty"
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def file_says(difference: Difference) -> str:
    return value(difference.place, difference.file, is_there=difference.kind != "missing_in_yaml")


def desk_says(difference: Difference) -> str:
    return value(difference.place, difference.desk, is_there=difference.kind != "missing_in_db")


def name_of(difference: Difference) -> str:
    """What it is called inside of its section."""
    place = difference.place
    entry = place.entry.replace("/", " / ") if place.section in ("policy", "lanes") else place.entry
    return ", ".join(part for part in (entry, place.field) if part)


def line(difference: Difference) -> str:
    return f"{KINDS[difference.kind]}: {difference.path}: desk {desk_says(difference)}, file {file_says(difference)}"
