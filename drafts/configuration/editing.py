"""One value taken into a file. Only the characters that say it are touched: comments, order and layout are the file's own."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from conversations.errors import Invalid
from drafts.configuration.differences import Difference
from drafts.configuration.reading import File, read
from drafts.configuration.shapes import KEYED, keys_of
from drafts.configuration.writing import inline

BY_HAND = "This file is written in a way that cannot be changed from here. Change it by hand and upload it."


def adopt(file: File, difference: Difference) -> str:
    """The file's text with what the desk says in this place. Raises Invalid (422)."""
    place = difference.place
    steps = place.field.split(".", 1) if place.field else []
    if place.section not in KEYED:
        return _set(file.text, file.root, [place.section, *steps], difference.desk)
    if steps:
        return _set(file.text, _item(file, place.section, place.entry), steps, difference.desk)
    return _entry(file, difference)


def line_of(file: File, difference: Difference) -> int | None:
    """The line that says it, counted from 1; None where none does."""
    place = difference.place
    if difference.kind == "missing_in_yaml" and not (place.section in KEYED and place.field):
        return None
    try:
        node = _item(file, place.section, place.entry) if place.section in KEYED else _value(file.root, place.section)
    except Invalid:
        return None
    for name in place.field.split(".", 1) if place.field else ():
        node = _value(node, name) or node
    return int(node.start_mark.line) + 1 if node is not None else None


def _entry(file: File, difference: Difference) -> str:
    place, text = difference.place, file.text
    entries = _value(file.root, place.section)
    if not isinstance(entries, SequenceNode):
        raise Invalid(BY_HAND)
    if difference.kind == "missing_in_yaml":
        return _add(text, entries, inline(difference.desk))
    item = _item(file, place.section, place.entry)
    if difference.kind == "missing_in_db" or place.section == "lanes":
        return _remove(text, file.root, place.section, entries, item)
    return _replace(text, item, inline(difference.desk))


def _item(file: File, section: str, entry: str) -> Node:
    entries = _value(file.root, section)
    named = keys_of(section, getattr(file.says, section) or ())
    at = [name.casefold() if section == "tags" else name for name in named].index(entry)
    return entries.value[at]  # type: ignore[no-any-return,union-attr]


def _value(node: Node | None, name: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _set(text: str, node: Node, path: list[str], value: Any) -> str:
    """Replace the value at the end of the path, or write it where the path stops to exist."""
    name, *rest = path
    if not isinstance(node, MappingNode):
        raise Invalid(BY_HAND)
    inner = _value(node, name)
    if inner is None:
        for one in reversed(rest):
            value = {one: value}
        return _into(text, node, f"{inline(name)}: {inline(value)}")
    return _set(text, inner, rest, value) if rest else _replace(text, inner, inline(value))


def _replace(text: str, node: Node, by: str) -> str:
    start, end = node.start_mark.index, _end(text, node)
    return f"{text[:start]}{by}{text[end:]}"


def _into(text: str, node: CollectionNode, what: str) -> str:
    """At the end of a mapping or a list, in its own layout."""
    if node.flow_style or not node.value:
        end = node.end_mark.index - 1
        before = text[:end].rstrip()
        comma = "" if before.endswith((",", "{", "[")) else ", "
        return f"{before if comma else text[:end]}{comma}{what}{text[end:]}"
    last = _line_end(text, _end(text, node))
    return f"{text[:last]}\n{_indent(text, node)}{what}{text[last:]}"


def _add(text: str, node: SequenceNode, what: str) -> str:
    is_block = not node.flow_style and node.value
    return _into(text, node, f"- {what}" if is_block else what)


def _remove(text: str, root: MappingNode, section: str, node: SequenceNode, item: Node) -> str:
    at = node.value.index(item)
    if node.flow_style:
        if at:
            return text[: _end(text, node.value[at - 1])] + text[_end(text, item) :]
        after = node.value[1].start_mark.index if len(node.value) > 1 else _end(text, item)
        return text[: item.start_mark.index] + text[after:]
    start = text.rfind("\n", 0, item.start_mark.index) + 1
    end = _line_end(text, _end(text, item))
    left = f"{text[:start]}{text[end + 1 :]}"
    if len(node.value) > 1:
        return left
    key = next(key for key, _ in root.value if key.value == section)
    colon = text.index(":", key.end_mark.index) + 1
    return f"{left[:colon]} []{left[colon:]}"  # an empty list says that there is none; nothing at all would say nothing


def _indent(text: str, node: CollectionNode) -> str:
    first = node.value[0][0] if isinstance(node, MappingNode) else node.value[0]
    if isinstance(node, MappingNode):
        return " " * int(first.start_mark.column)
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    line = text[start : first.start_mark.index]
    return line[: len(line) - len(line.lstrip())]


def _end(text: str, node: Node) -> int:
    """Where the last character of a node stands; a block's own end is that of its last value."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    end = int(node.end_mark.index)
    return max(int(node.start_mark.index), len(text[:end].rstrip())) if end > node.start_mark.index else end


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def checked(text: str) -> File:
    """An edited text, read again. Raises Invalid (422) where the edit broke it."""
    try:
        return read(text)
    except Invalid as error:
        raise Invalid(BY_HAND) from error


def last_line(file: File, section: str) -> int:
    """The line that a section ends on, counted from 1."""
    node = _value(file.root, section)
    return file.text.count("\n", 0, _end(file.text, node)) + 1 if node is not None else 1
