"""Text of others among our own words: it may run from right to left, and must never turn ours round.

In HTML a name, subject, address or file name stands in `<bdi>`, which ends what it began. Where there are no elements
(a title, an attribute, a mail, a sentence of the trail) `isolated` does the same with the signs that Unicode has for it.
"""

from __future__ import annotations

import re
import unicodedata

#: The signs that turn or nest the order of what follows (UAX #9 section 2): embeddings, overrides, isolates.
CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FIRST_STRONG_ISOLATE, _POP = "\u2068", "\u2069"


def plain(text: str) -> str:
    """Without the signs that turn the order of what follows."""
    return CONTROLS.sub("", text)


def isolated(text: str) -> str:
    """Safe between our words: no turning signs of its own, and text that runs from the right set apart (UAX #9 X5c)."""
    if text.isascii():
        return text
    text = plain(text)
    if any(unicodedata.bidirectional(sign) in {"R", "AL", "AN"} for sign in text):
        return f"{_FIRST_STRONG_ISOLATE}{text}{_POP}"
    return text
