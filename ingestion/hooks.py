"""What the apps above ask to be told, and the kinds of jobs they bring. Filled once, in `apps.py`; see conversations/hooks.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.models import JobRun, SourceDocument

if TYPE_CHECKING:
    from ingestion.jobs import Work

SourceHandler = Callable[[SourceDocument, Sequence[uuid.UUID]], None]
Runner = Callable[["Work"], dict[str, Any]]
Prepare = Callable[[dict[str, Any]], dict[str, Any]]

#: Passages of a document changed (their ids are new) or went. Called in the transaction that takes them away.
on_passages_gone: list[SourceHandler] = []


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one type are done.

    `prepare` makes what was asked for the stored params: it raises Invalid (422) or the DoesNotExist of what the params
    name (404), inside the tenant. `run` does the work outside of any transaction and returns the metrics; it calls
    `work.step` often (every few seconds) and may be called again with what the last step left in `work.resume`.
    """

    run: Runner
    prepare: Prepare
    unit: str


_kinds: dict[str, JobKind] = {}


def add_runner(type: JobRun.Type, kind: JobKind) -> None:
    _kinds[type] = kind


def runner(type: str) -> JobKind | None:
    """How jobs of this type are done; None for those that only a command does (retention)."""
    return _kinds.get(type)
