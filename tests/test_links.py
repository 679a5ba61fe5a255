"""Where a page is, `urls.py` says: views ask it, so that a page can move."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import get_resolver

from tests.test_isolation_walk import patterns

VIEWS = sorted(
    path
    for app in ("conversations", "drafts", "ingestion")
    for path in Path(settings.BASE_DIR, app, "views").glob("*.py")
)
#: What addresses begin with: "drafts", "queue", "views", ...
ROOMS = {path.partition("/")[0] for path, _ in patterns(get_resolver())} - {""}


def written_out(source: str) -> list[str]:
    """The pieces of text in a module that look like a page's address."""
    found = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    texts = [value for value in found if isinstance(value, str)]
    return [text for text in texts if text.startswith("/") and text[1:].partition("/")[0] in ROOMS]


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_no_view_writes_an_address_out(path: Path) -> None:
    assert written_out(path.read_text()) == []


def test_an_address_that_is_written_out_is_found() -> None:
    assert {"drafts", "queue", "deliveries", "conversations", "sources", "views"} <= ROOMS
    assert len(VIEWS) > 25
    source = 'see_other(f"/drafts/{pk}/?do=edit"); url.replace("/queue/", "x"); render(request, "drafts/queue.html")'
    assert sorted(written_out(source)) == ["/drafts/", "/queue/"]
