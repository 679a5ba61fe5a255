"""Templates are written one element a line and are made small when they are loaded, without changing what a page says."""

from __future__ import annotations

import pytest
from django.template import Context, Template
from django.template.loader import get_template
from hypothesis import given
from hypothesis import strategies as st

from conversations.web.compact import compact


@pytest.mark.parametrize(
    ("written", "loaded"),
    [
        ("<ul>\n  <li>a</li>\n  <li>b</li>\n</ul>\n", "<ul><li>a</li><li>b</li></ul>"),
        ("<p>\n  one\n  two\n</p>", "<p>one two</p>"),
        ("<p>one <b>two</b> three</p>", "<p>one <b>two</b> three</p>"),
        ("<b>two</b>\nthree", "<b>two</b>three"),
        ("{{ a }}\n{{ b }}", "{{ a }} {{ b }}"),
        ("{% if a %}\n  x\n{% endif %}", "{% if a %}x{% endif %}"),
        ("{# note #}\n<p>x</p>", "{# note #}<p>x</p>"),
        ('<a class="x"\n   href="y">z</a>', '<a class="x" href="y">z</a>'),
        ('<a{% if b %} c{% endif %}\n  d="e">z</a>', '<a{% if b %} c{% endif %} d="e">z</a>'),
        (
            '<a title="{% if a > b %}x{% endif %}"\n  d="e">\n  z\n</a>',
            '<a title="{% if a > b %}x{% endif %}" d="e">z</a>',
        ),
        ("<pre>\n  a\n   b\n</pre>", "<pre>\n  a\n   b\n</pre>"),
        ("<textarea>\n{{ text }}</textarea>\n<p>x</p>", "<textarea>\n{{ text }}</textarea><p>x</p>"),
        ("<script>\n  a()\n</script>", "<script>\n  a()\n</script>"),
        ("<!doctype html>\n<html>\n<p>x", "<!doctype html><html><p>x"),
    ],
)
def test_a_line_break_is_nothing_beside_an_element_and_a_blank_between_words(written: str, loaded: str) -> None:
    assert compact(written) == loaded


@given(st.text(alphabet="ab <>/{}%#\n\"'=", max_size=60))
def test_it_never_fails_and_twice_is_once(text: str) -> None:
    once = compact(text)
    assert compact(once) == once
    assert "".join(once.split()) == "".join(text.split())


def test_our_pages_are_loaded_small_and_letters_as_they_are() -> None:
    assert "\n" not in get_template("drafts/_pane.html").template.source
    assert get_template("letters/invite_message.txt").template.source.count("\n") > 3


@pytest.mark.parametrize(
    ("written", "html"),
    [
        ('{% icon "check" %}', '<svg class="icon" aria-hidden="true"><use href="#i-check"/></svg>'),
        ('{% icon "check" "icon--s" %}', '<svg class="icon icon--s" aria-hidden="true"><use href="#i-check"/></svg>'),
        ("{% icon which %}", '<svg class="icon" aria-hidden="true"><use href="#i-&lt;b&gt;"/></svg>'),
    ],
)
def test_an_icon_is_a_picture_of_the_sprite(written: str, html: str) -> None:
    assert Template(written).render(Context({"which": "<b>"})) == html
