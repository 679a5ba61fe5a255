"""Which channels somebody sees: said outright everywhere, so that what is forgotten or empty shows nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

#: Stands in SQL for "no channel": an empty list would let the ORM leave the statement, or a part of it, out.
_NO_CHANNEL = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Visible:
    """`ALL`, or the channels that are named; naming none is seeing nothing. `kept_to` makes one of any ids."""

    only: frozenset[uuid.UUID]
    is_all: bool = field(default=False, kw_only=True)

    def __contains__(self, channel_id: uuid.UUID | None) -> bool:
        return self.is_all or channel_id in self.only

    def __bool__(self) -> NoReturn:
        """`if within` once meant "is kept to some", and an empty one "all"."""
        raise TypeError("Ask `is_all`: whether channels are named says nothing about who sees everything.")

    @property
    def ids(self) -> list[uuid.UUID] | None:
        """For SQL that takes a list: None for all, and never empty."""
        return None if self.is_all else sorted(self.only) or [_NO_CHANNEL]

    def where(self, path: str) -> dict[str, Any]:
        """For `filter`, where `path` leads to the channel's id; who sees all has their SQL unchanged."""
        return {} if self.is_all else {f"{path}__in": self.ids}


ALL = Visible(frozenset(), is_all=True)


def kept_to(channel_ids: Iterable[uuid.UUID]) -> Visible:
    return Visible(frozenset(channel_ids))
