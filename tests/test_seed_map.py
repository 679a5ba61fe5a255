"""docs/seed-map.md says where each line of the seeds lives and which test shows it: every such word is looked up here."""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.core.management import get_commands
from django.urls import Resolver404, resolve

BASE = Path(settings.BASE_DIR)
PAGE = BASE / "docs" / "seed-map.md"
STATES = ("built", "replaced", "not yet")
SOME_ID = "0194e0b2-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Row:
    seed: str
    words: str
    state: str
    where: str
    test: str


def rows() -> Iterator[Row]:
    seed = ""
    for line in PAGE.read_text().splitlines():
        if found := re.match(r"## (\d{3}): ", line):
            seed = found[1]
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if seed and line.startswith("|") and len(cells) == 4 and cells[1] in STATES:
            yield Row(seed, *cells)


ROWS = list(rows())


@cache
def names_in_the_database() -> set[str]:
    """Constraints, indexes, and triggers and functions of our own."""
    found = set()
    for model in apps.get_models():
        found |= {one.name for one in (*model._meta.constraints, *model._meta.indexes)}
    for file in BASE.glob("*/sql/*.up.sql"):
        found |= set(re.findall(r"CREATE (?:CONSTRAINT )?(?:TRIGGER|FUNCTION) (\w+)", file.read_text()))
    return found


def look_up(dotted: str) -> object:
    """`app.Model.field`, else whatever import finds. Raises LookupError, AttributeError, ImportError or FieldDoesNotExist."""
    app, name, *rest = dotted.split(".")
    if not name[:1].isupper():
        return pkgutil.resolve_name(dotted)
    model = apps.get_model(app, name)
    return model._meta.get_field(rest[0]) if rest else model


def stands(place: str) -> bool:
    """Whether what a backticked word of the "where" column names is really there."""
    if place.startswith("/"):
        url = place.replace("<id>", SOME_ID)
        try:
            # Health pages are answered by a middleware, before any URL is looked at.
            return place in {"/healthz", "/readyz"} or bool(resolve(url))
        except Resolver404:
            return False
    if place.startswith("manage.py "):
        return place.split()[1] in get_commands()
    if "/" in place or place == "Makefile":
        return (BASE / place).exists()
    if place.startswith(("conversations.", "ingestion.", "drafts.", "config.")):
        try:
            look_up(place)
        except (LookupError, AttributeError, ImportError, FieldDoesNotExist):
            return False
        return True
    return place in names_in_the_database()


def test_the_page_has_a_row_for_every_state_and_seed() -> None:
    assert {row.seed for row in ROWS} == {"000", "001", "002", "003", "004"}
    assert {row.state for row in ROWS} == {"built", "replaced"}
    assert len(ROWS) > 400


def test_every_table_line_is_a_row_with_a_known_state() -> None:
    """A mistyped state would drop its row from every other check."""
    body = PAGE.read_text().partition('<a id="000">')[2]
    lines = [line for line in body.splitlines() if line.startswith("|") and not line.startswith(("| seed |", "| ---"))]
    assert len(lines) == len(ROWS)


def test_the_summary_counts_what_the_tables_say() -> None:
    summary = {
        found[0]: tuple(map(int, found[1:]))
        for found in re.findall(
            r"^\| \[?(\d{3}|all)\b[^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE
        )
    }
    counted = Counter((row.seed, row.state) for row in ROWS)
    for seed in ("000", "001", "002", "003", "004"):
        figures = [counted[seed, state] for state in STATES]
        assert summary[seed] == (*figures, sum(figures))
    assert summary["all"][3] == len(ROWS)


def test_every_row_names_a_place_or_says_what_is_missing() -> None:
    assert [row.words for row in ROWS if not row.where] == []


def test_what_stands_has_a_test_and_what_does_not_claims_none() -> None:
    assert [row.words for row in ROWS if (row.state == "not yet") == bool(row.test)] == []


def test_a_row_without_a_test_of_its_own_names_a_place() -> None:
    assert [row.words for row in ROWS if row.test == "exists" and "`" not in row.where] == []


def test_every_place_named_exists() -> None:
    places = {place for row in ROWS for place in re.findall(r"`([^`]+)`", row.where)}
    assert len(places) > 200
    assert sorted(place for place in places if not stands(place)) == []


def test_every_test_named_exists_also_on_the_other_pages() -> None:
    pages = [BASE / "README.md", *(BASE / "docs").rglob("*.md")]
    named = {test for page in pages for test in re.findall(r"\btests/[\w/]+\.py::\w+", page.read_text())}
    named |= {row.test.strip("`") for row in ROWS if row.test not in {"", "exists"}}
    assert len(named) > 80
    missing = []
    for entry in named:
        path, _, name = entry.partition("::")
        file = BASE / path
        if not file.exists() or not re.search(rf"^(?:async )?def {name}\(", file.read_text(), re.MULTILINE):
            missing.append(entry)
    assert sorted(missing) == []


def test_every_file_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.(?:py|sql|toml|yaml))`", (BASE / "docs" / "architecture.md").read_text()))
    assert len(named) > 25
    assert sorted(name for name in named if not (BASE / name).exists()) == []


@pytest.mark.parametrize(
    "place",
    [
        "drafts.Draft.nothing",
        "drafts.desk.decisions.nothing",
        "idx_nothing",
        "/nothing/<id>/",
        "manage.py nothing",
        "no/file",
    ],
)
def test_a_place_that_is_not_there_is_noticed(place: str) -> None:
    assert not stands(place)
