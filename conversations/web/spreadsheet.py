"""Rows of CSV for people's spreadsheets: the only place that writes any, so no cell can become a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

#: A spreadsheet takes a cell that begins like this for a formula; the full-width ones too, where a locale folds them.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: What is not seen before such a sign, and is skipped by the programs that read it.
_UNSEEN = (
    " \u00a0\u3000\ufeff\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\x00"
)


def line(cells: Iterable[Any]) -> str:
    """One row (RFC 4180, CRLF). A cell that a program would calculate begins with an apostrophe, which makes it text.

    After OWASP's "CSV injection". Numbers that are numbers here stay numbers.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([cell(value) for value in cells])
    return out.getvalue()


def file(rows: Iterable[Iterable[Any]]) -> str:
    """A whole table. Without the byte order mark Excel takes UTF-8 for its machine's old code page."""
    return "\ufeff" + "".join(map(line, rows))


def cell(value: Any) -> Any:
    if isinstance(value, int | float) or value is None:
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip(_UNSEEN).startswith(FORMULA) else text
