"""Text that has to be one line: a subject, a name, a file's name (RFC 5322 section 2.2: no control characters in a field)."""

from __future__ import annotations

import re

#: C0 and C1, and what Unicode calls a separator of lines or paragraphs.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RUN = re.compile(f" *{CONTROL.pattern}(?: |{CONTROL.pattern})*")


def one_line(text: str, limit: int = 2000) -> str:
    """`text` as one bounded line without control characters."""
    return _RUN.sub(" ", text[:limit]).strip()
