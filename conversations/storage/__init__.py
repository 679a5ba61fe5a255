"""Where the bytes of files stand: a folder of this machine (`local`), or a bucket that all machines see (`objects`)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from conversations.storage.local import UNFINISHED, WholeFiles

__all__ = ["UNFINISHED", "Away", "Links", "WholeFiles"]


class Away(OSError):
    """The store does not answer, or refuses us: nothing is known of the file, and asking again later is right."""


@runtime_checkable
class Links(Protocol):
    """A store that hands a file over by itself, to whoever shows it a link that was signed for that."""

    def link(self, name: str, *, seconds: int, disposition: str, kind: str) -> str:
        """An address at which whoever has it gets this object for so many seconds. It is signed here; nobody is asked."""
        ...
