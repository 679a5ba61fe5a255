"""What a scanner of files says. An installation names its own by `SCAN_FILE`, the dotted path of a `Scanner`."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Literal, NamedTuple


class Verdict(NamedTuple):
    """`words` is what it found, or why it cannot say; for people, and without anything of the file's own."""

    says: Literal["clean", "infected", "unknown"]
    words: str = ""


#: Gets the stored file, opened for reading at its start. Whatever it raises counts as unknown.
Scanner = Callable[[IO[bytes]], Verdict]
