"""No cell of a file that we write is calculated by the program that opens it."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from django.conf import settings

from conversations.web import spreadsheet

SIGNS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"]
BEFORE = ["", " ", "\u3000", "\ufeff", "\u200b", "\u202e", "\u2067"]


@pytest.mark.parametrize("sign", SIGNS, ids=lambda sign: f"U+{ord(sign):04X}")
@pytest.mark.parametrize("before", BEFORE, ids=lambda text: f"after {text.encode('unicode_escape').decode()!r}")
def test_a_formula_is_text_whatever_sign_it_begins_with(sign: str, before: str) -> None:
    text = f"{before}{sign}HYPERLINK(1)"
    written = spreadsheet.line(["safe", text])
    assert next(csv.reader(io.StringIO(written, newline=""))) == ["safe", f"'{text}"]


def test_other_cells_are_as_they_were() -> None:
    row = ["a-b", "x=1", "O'Hara", 'say "hi", please', "", "zwei\nZeilen", "１＋１"]
    assert next(csv.reader(io.StringIO(spreadsheet.line(row), newline=""))) == row
    assert spreadsheet.line([-3, 2.5, None]) == "-3,2.5,\r\n"


def test_nobody_else_writes_csv() -> None:
    """A second writer would forget the rule."""
    found = {
        file.relative_to(settings.BASE_DIR).as_posix()
        for app in ("config", "conversations", "ingestion", "drafts")
        for file in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)|\"text/csv", file.read_text())
    }
    assert found == {"conversations/web/spreadsheet.py", "drafts/views/exports.py"}
    assert "csv.writer" not in (Path(settings.BASE_DIR) / "drafts/views/exports.py").read_text()
