"""A template that is drawn once for each of its shapes says the same as one that is rendered anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from conversations.views.stamped import Stamped
from drafts.views.present import Row

HOSTILE = ["", "plain", "<img src=x onerror=alert(1)>", "\"'&amp;&<>", "{{ row.id }}{% now 'Y' %}", "%s %(id)s {0}", "\\1 \x1f é 字 🙂"]  # fmt: skip


def words(names: Any, at: int) -> dict[str, str]:
    return {name: HOSTILE[(at + n) % len(HOSTILE)] for n, name in enumerate(names)}


@pytest.mark.parametrize("at", range(len(HOSTILE)))
@pytest.mark.parametrize("flag", [False, True])
def test_a_row_is_the_same_byte_for_byte(at: int, flag: bool) -> None:
    stamp = Stamped("drafts/_row.html", "row")
    row = words(Row.__annotations__, at)
    row["by_name"] = row["by"] and row["by_name"]  # as the view makes it
    row["tag_class"] = row["tag"] and row["tag_class"]
    flags = {"current": flag, "may_batch": not flag}
    for _ in range(2):
        assert stamp(row, **flags) == render_to_string("drafts/_row.html", {"row": row, **flags})


@pytest.mark.parametrize("at", range(len(HOSTILE)))
@pytest.mark.parametrize("tags", [(), (("tag--warn", "<b>"), ("", "3 unsourced"))])
def test_an_event_is_the_same_byte_for_byte(at: int, tags: tuple[tuple[str, str], ...]) -> None:
    stamp = Stamped("conversations/_event.html", "event")
    event = words(("seq", "kind", "icon", "title", "by", "at", "at_iso", "url", "quote", "note"), at)
    for selected in (False, True, False):
        flags = {"tags": tags, "selected": selected}
        assert stamp(event, **flags) == render_to_string("conversations/_event.html", {"event": event, **flags})


@pytest.mark.parametrize(
    "source", ["{{ it.word|upper }}", "{{ it.word }}{{ it.word|length }}", "{% if it.word == 'x' %}y{% endif %}"]
)
def test_a_word_that_is_not_written_out_as_it_is_is_an_error(source: str, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "own.html").write_text(source)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    with pytest.raises(RuntimeError, match="has to be a flag"):
        Stamped("own.html", "it")({"word": "x"})


def test_it_keeps_a_bounded_number_of_shapes() -> None:
    stamp = Stamped("drafts/_row.html", "row")
    stamp.MAX_SHAPES = 3
    names = [name for name in Row.__annotations__ if name not in {"by", "by_name", "tag", "tag_class"}]
    for at in range(7):
        stamp({**words(names, at), "by": "", "tag": ""}, current=False, may_batch=bool(at % 2))
    assert len(stamp._shapes) <= 3


def test_what_is_stamped_escapes_everything() -> None:
    for name in ("drafts/_row.html", "conversations/_event.html"):
        text = (Path(settings.BASE_DIR) / "templates" / name).read_text()
        assert "safe" not in text, name
        assert "autoescape" not in text, name
