"""Where a file and the desk say different things. Both are looked at with every default filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from conversations.people.account_settings import KEPT_FOR
from drafts.configuration.shapes import (
    KEYED,
    PLAIN,
    SECTIONS,
    SETTINGS,
    ChannelEntry,
    Configuration,
    Entry,
    SiteEntry,
    setting_path,
)

MOST = 500
Kind = Literal["missing_in_db", "missing_in_yaml", "value_mismatch"]
_SECRET = re.compile(r"passw|secret|credential|api_?key|private_?key|access_?token", re.IGNORECASE)
_PATH = re.compile(r"(?P<section>[a-z]+)(?:\[(?P<entry>.*)\])?(?:\.(?P<field>[a-z0-9_.]+))?", re.DOTALL)
_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")
MASK = "••••"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a section, the entry of a list, and the field of either."""

    section: str
    entry: str = ""
    field: str = ""

    def __str__(self) -> str:
        entry = f"[{self.entry}]" if self.section in KEYED else ""
        return f"{self.section}{entry}{'.' if self.field else ''}{self.field}"

    @classmethod
    def of(cls, path: str) -> Place:
        """The place that a path names; of something that is no path, one where nothing stands."""
        found = _PATH.fullmatch(path)
        return cls(found["section"], found["entry"] or "", found["field"] or "") if found else cls("", path)


@dataclass(frozen=True, slots=True)
class Difference:
    """What the file says and what the desk says; None where a side does not say it, which `kind` tells from an empty one."""

    place: Place
    kind: Kind
    file: Any = None
    desk: Any = None

    @property
    def path(self) -> str:
        return str(self.place)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`silent` are the sections that the file does not have: it says nothing about them. At most `MOST`; `more` are not shown."""

    differences: Sequence[Difference]
    silent: Sequence[str]
    more: int = 0

    def at(self, path: str) -> Difference | None:
        return next((one for one in self.differences if one.path == path), None)


def compare(file: Configuration, desk: Configuration) -> Comparison:
    found = [one for section in SECTIONS if getattr(file, section) is not None for one in _of(section, file, desk)]
    silent = [section for section in SECTIONS if getattr(file, section) is None]
    return Comparison(found[:MOST], silent, max(0, len(found) - MOST))


def values_of(config: Configuration) -> dict[str, Any]:
    """Everything that a side says, by where it stands: an entry of a list as a whole, and each of its fields."""
    found: dict[str, Any] = {}
    for section in PLAIN:
        found |= {str(Place(section, field=name)): value for name, (value, _) in _plain(section, config).items()}
    for section in KEYED:
        for key, entry in _entries(section, config).items():
            found[str(Place(section, key))] = whole(entry)
            if not is_whole(entry):
                for name, (value, _) in _fields(entry).items():
                    found[str(Place(section, key, name))] = value
    return found


def whole(entry: Entry | str) -> Any:
    """An entry as one value."""
    return entry if isinstance(entry, str) else entry.model_dump(mode="json", exclude_defaults=True)


def is_whole(entry: Entry | str) -> bool:
    return isinstance(entry, str) or entry.is_whole


def masked(place: Place, value: Any) -> Any:
    """A value as it may be shown: nothing that is called a secret, no password inside of an address."""
    if _SECRET.search(place.field):
        return MASK
    if isinstance(value, str):
        return _IN_ADDRESS.sub(f"{MASK}@", value)
    if isinstance(value, dict):
        return {name: masked(Place(place.section, place.entry, name), one) for name, one in value.items()}
    return value


def _of(section: str, file: Configuration, desk: Configuration) -> Iterator[Difference]:
    if section in PLAIN:
        yield from _values(Place(section), _plain(section, file), _plain(section, desk))
        return
    theirs, ours = _entries(section, file), _entries(section, desk)
    if (
        section == "lanes"
    ):  # one that the desk does not know is shut, and one that the file does not name is none of its business
        for key, entry in theirs.items():
            if key in ours and whole(ours[key]) != whole(entry):
                yield Difference(Place(section, key), "value_mismatch", whole(entry), _lane(ours[key]))
        return
    for key, entry in theirs.items():
        place = Place(section, key)
        if key not in ours:
            yield Difference(place, "missing_in_db", file=whole(entry))
        elif not is_whole(entry):
            yield from _values(place, _fields(entry), _fields(ours[key]))
        elif whole(entry) != whole(ours[key]) and section != "tags":
            yield Difference(place, "value_mismatch", whole(entry), whole(ours[key]))
    for key, entry in ours.items():
        if key not in theirs:
            yield Difference(Place(section, key), "missing_in_yaml", desk=whole(entry))


def _values(
    place: Place, theirs: Mapping[str, tuple[Any, bool]], ours: Mapping[str, tuple[Any, bool]]
) -> Iterator[Difference]:
    for name, (value, is_written) in theirs.items():
        now = ours.get(name, (None, False))[0]
        if value != now:
            at = Place(place.section, place.entry, name)
            yield (
                Difference(at, "value_mismatch", value, now)
                if is_written
                else Difference(at, "missing_in_yaml", desk=now)
            )


def _lane(entry: Any) -> dict[str, Any]:
    return {"intent": entry.intent, "channel": entry.channel, "state": entry.state}


def _entries(section: str, config: Configuration) -> dict[str, Any]:
    """By what tells them apart. Tags are one however they are written."""
    entries = getattr(config, section) or ()
    return (
        {entry.casefold(): entry for entry in entries}
        if section == "tags"
        else {entry.named: entry for entry in entries}
    )


def _plain(section: str, config: Configuration) -> dict[str, tuple[Any, bool]]:
    """Field -> (value, whether the file wrote it)."""
    part = getattr(config, section)
    if part is None:
        return {}
    if section == "account":
        return {"timezone": (part.timezone, "timezone" in part.model_fields_set)}
    names = SETTINGS if section == "settings" else KEPT_FOR
    return {
        ".".join(setting_path(name)[1:]) if section == "settings" else name: (
            getattr(part, name),
            name in part.model_fields_set,
        )
        for name in names
    }


def _fields(entry: Any) -> dict[str, tuple[Any, bool]]:
    written = entry.model_fields_set
    if isinstance(entry, ChannelEntry):
        said = {"provider"} & written if entry.provider else set()
        said |= {f"settings.{name}" for name in entry.settings}
        filled = {name: (value, name in said) for name, value in entry.filled.items()}
        return {"name": (entry.name, True), **filled}
    assert isinstance(entry, SiteEntry)
    return {name: (getattr(entry, name), name in written) for name in ("name", "max_pages", "every_hours")}
