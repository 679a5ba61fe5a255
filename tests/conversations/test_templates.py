"""What no template may contain under a strict policy, and how heavy the desk may be."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings
from rcssmin import cssmin
from rjsmin import jsmin

from config.static import whole_sheet
from conversations.templatetags.desk import MODULES

TEMPLATES = sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
STATIC = Path(settings.BASE_DIR) / "static"
FORBIDDEN = {
    "an inline style": r"""\sstyle\s*=""",
    "an inline handler": r"""\son[a-z]+\s*=\s*["']""",
    # A data block (HTML, "the script element") is never run: allauth's passkey script reads its settings from one.
    "an inline script": r"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/json\")[^>]*>",
    "a style block": r"<style",
    "what needs eval in htmx": r"hx-on|js:|hx-vars|hx-trigger=\"[^\"]*\[",
    "an address elsewhere": r"""(?:src|href)=["'](?:https?:)?//""",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_passes_the_strict_policy(path: Path) -> None:
    text = path.read_text()
    assert [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)] == []


def test_the_row_of_the_queue_computes_nothing() -> None:
    """Fifty times a page: addresses and dates are made in the view."""
    row = (Path(settings.BASE_DIR) / "templates/drafts/_rows.html").read_text()
    assert "{% url" not in row
    assert re.search(r"\{\{[^}]*\|", row) is None


def _weight(*names: str) -> int:
    """Bytes of these files as they are served: smaller and compressed, each by itself."""
    minify = {".css": cssmin, ".js": jsmin}
    files = [STATIC / "desk" / name for name in names]
    return sum(len(gzip.compress(minify[file.suffix](whole_sheet(file)).encode(), 9)) for file in files)


def test_the_desk_stays_light() -> None:
    """What one page loads: the desk's own sheet beside the common one, or the other pages' sheet."""
    assert 1000 < _weight("desk.css", "review.css") <= 11 * 1024
    assert 1000 < _weight("desk.css", "pages.css") <= 11 * 1024
    assert 1000 < _weight(*_modules("desk.js"), *_modules("live.js") - _modules("desk.js")) <= 12 * 1024 + 512


def _imports(name: str) -> list[str]:
    return re.findall(r"^import (?:.* from )?'\./([\w.]+)';", (STATIC / "desk" / name).read_text(), re.MULTILINE)


def _modules(entry: str) -> set[str]:
    """This script and all that it imports."""
    found: set[str] = set()
    todo = [entry]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _imports(name)
    return found


def test_a_page_asks_for_every_module_at_once() -> None:
    assert {f"desk/{name}" for name in _modules("desk.js") - {"desk.js"}} == {f"desk/{name}.js" for name in MODULES}


def test_modules_import_in_one_direction_only() -> None:
    """A circle would run a module before what it needs."""
    for name in _modules("desk.js"):
        behind = {other for each in _imports(name) for other in _modules(each)}
        assert name not in behind, name


def test_no_form_is_included_without_what_proves_it_ours() -> None:
    """`include ... only` leaves the token of {% csrf_token %} out: the form would be refused by every real browser."""
    root = Path(settings.BASE_DIR) / "templates"
    texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in TEMPLATES}
    with_token = {name for name, text in texts.items() if "{% csrf_token %}" in text}
    bare = [
        (name, included)
        for name, text in texts.items()
        for included, given in re.findall(r'{% include "([^"]+)"([^%]*) only %}', text)
        if included in with_token and "csrf_token=" not in given
    ]
    assert len(with_token) > 10
    assert bare == []
