"""A configuration as text, the same for the same rows. What is written here is read back as it was."""

from __future__ import annotations

import json
import re
from typing import Any

from drafts.configuration.differences import whole
from drafts.configuration.shapes import KEYED, SETTINGS, Configuration, setting_path

HEAD = "# Never in this file: credentials, people, tokens, the second factor, who may manage, approved answers.\n"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?:@[A-Za-z0-9_./-]+)?")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
#: What YAML does not print, or takes for the end of a line.
_ESCAPED = re.compile(r"[\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def text_of(config: Configuration) -> str:
    account, retention = config.account, config.retention
    lines = [
        HEAD + "version: 1",
        f"account: {inline({'slug': account.slug, 'timezone': account.timezone})}",
        "settings:",
        *_settings(config),
        f"retention: {inline(dict(retention)) if retention else '{}'}",
    ]
    for section in KEYED:
        entries = getattr(config, section) or ()
        written = [_entry(section, entry) for entry in entries if getattr(entry, "state", "shut") == "shut"]
        if section == "tags":
            lines.append(f"tags: {inline(list(entries))}")
        elif written:
            lines += [f"{section}:", *(f"  - {inline(one)}" for one in written)]
        else:
            lines.append(f"{section}: []")
    return "\n".join(lines) + "\n"


def _settings(config: Configuration) -> list[str]:
    groups: dict[str, dict[str, Any]] = {}
    lines = []
    for name in SETTINGS:
        _, *path = setting_path(name)
        value = getattr(config.settings, name)
        if len(path) == 1:
            lines.append(f"  {path[0]}: {inline(value)}")
        else:
            groups.setdefault(path[0], {})[path[1]] = value
    return [*lines, *(f"  {group}: {inline(values)}" for group, values in groups.items())]


def _entry(section: str, entry: Any) -> Any:
    if section == "channels":
        return {name: value for name, value in whole(entry).items() if value not in ("", {})}
    return entry.model_dump(mode="json") if section != "tags" else entry


def inline(value: Any) -> str:
    """A value on one line. JSON is YAML; a plain word needs no quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(name)}: {inline(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
            return value
        quoted = json.dumps(value, ensure_ascii=False)
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    return json.dumps(value)
