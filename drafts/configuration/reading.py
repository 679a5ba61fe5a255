"""A text as a configuration: guarded first, since anybody may upload one. YAML 1.2, so that `NO` and `on` are words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode

from conversations.errors import Invalid
from conversations.metadata import explain
from drafts.configuration.shapes import Configuration

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
NOTHING = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class File:
    """What a text says, with the tree of where it says it."""

    text: str
    says: Configuration
    root: MappingNode


@lru_cache(maxsize=16)
def read(text: str) -> File:
    """Raises Invalid (422) with the line and what is wrong there."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Invalid(f"A configuration has at most {MAX_BYTES // 1024} kB. {NOTHING}")
    try:
        _guard(text)
        root = _yaml().compose(text)
        data = _yaml().load(text)
    except DuplicateKeyError as error:
        raise Invalid(f"{_where(error)}the same key stands there twice. {NOTHING}") from error
    except YAMLError as error:
        raise Invalid(f"{_where(error)}this is not YAML that can be read. {NOTHING}") from error
    except (RecursionError, ValueError, TypeError, OverflowError) as error:
        raise Invalid(f"This is not YAML that can be read. {NOTHING}") from error
    if not isinstance(data, dict) or not isinstance(root, MappingNode):
        raise Invalid(f"A configuration begins with “version: 1” and has sections. {NOTHING}")
    return File(text, _shaped(data), root)


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _guard(text: str) -> None:
    """Refused while it is read, before anything is built of it: what grows (aliases), runs (tags) or nests without end."""
    depth = documents = 0
    for event in _yaml().parse(text):
        line = f"Line {event.start_mark.line + 1}: " if event.start_mark else ""
        documents += isinstance(event, DocumentStartEvent)
        if documents > 1:
            raise Invalid(f"{line}one file holds one document. {NOTHING}")
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise Invalid(f"{line}anchors and aliases are not read. {NOTHING}")
        if isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent) and event.tag:
            raise Invalid(f"{line}tags (!) are not read. {NOTHING}")
        if isinstance(event, ScalarEvent) and event.value == "<<":
            raise Invalid(f"{line}merges (<<) are not read. {NOTHING}")
        depth += isinstance(event, MappingStartEvent | SequenceStartEvent)
        depth -= isinstance(event, MappingEndEvent | SequenceEndEvent)
        if depth > MAX_DEPTH:
            raise Invalid(f"{line}it nests deeper than {MAX_DEPTH}. {NOTHING}")


def _where(error: Any) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f"Line {mark.line + 1}: " if mark else ""


def _shaped(data: dict[Any, Any]) -> Configuration:
    """Types are not guessed: a word is no yes, a number no text."""
    try:
        return Configuration.model_validate(data, strict=True)
    except ValidationError as error:
        said = "; ".join(explain(one) for one in error.errors()[:5])
        raise Invalid(f"{said}. {NOTHING}") from error
    except RecursionError as error:  # pragma: no cover - the guard comes first
        raise Invalid(f"This nests too deep. {NOTHING}") from error
