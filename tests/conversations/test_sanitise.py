"""HTML of strangers: nothing survives that runs, fetches, submits or styles."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from conversations.channels.email.reading.html_text import html_to_text
from conversations.web.sanitise import MAX_ATTRIBUTES, MAX_CHARS, has_endless_tag, sanitise_html

pytestmark = [
    pytest.mark.filterwarnings("ignore::bs4.XMLParsedAsHTMLWarning"),
    pytest.mark.filterwarnings("ignore::bs4.MarkupResemblesLocatorWarning"),
]
CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "xss-html" / "dev"
needs_corpus = pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus of malicious HTML is not beside us")

TAGS = set(
    """a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em
    figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strike strong
    sub sup table tbody td tfoot th thead tr tt u ul var wbr""".split()  # noqa: SIM905
)
ATTRIBUTES = set(
    "href title src alt width height border align valign dir lang colspan rowspan span start type rel target".split()  # noqa: SIM905
)
LINK = re.compile(r"\s*(https?://|mailto:|tel:)", re.IGNORECASE)
PICTURE = re.compile(r"\s*(cid:|data:image/(png|gif|jpe?g|webp);base64,)", re.IGNORECASE)


class Elements(HTMLParser):
    """A second, sloppier reading of the same text than the one of BeautifulSoup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, list[tuple[str, str]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [(name, value or "") for name, value in attrs]))


def elements(html: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    sloppy = Elements()
    sloppy.feed(html)
    sloppy.close()
    yield from sloppy.found
    for tag in BeautifulSoup(html, "lxml").find_all(True):
        if tag.name not in {"html", "body"}:
            yield (
                tag.name,
                [(name, " ".join(value) if isinstance(value, list) else value) for name, value in tag.attrs.items()],
            )


def dangers(html: str) -> list[str]:
    found = []
    for tag, attributes in elements(html):
        if tag not in TAGS:
            found.append(f"<{tag}>")
        for name, value in attributes:
            if name not in ATTRIBUTES:
                found.append(f"<{tag} {name}>")
            if name == "href" and not LINK.match(value):
                found.append(f"<{tag} href={value!r}>")
            if name == "src" and (tag != "img" or not PICTURE.match(value)):
                found.append(f"<{tag} src={value!r}>")
    return found


def payloads_of(path: Path) -> list[str]:
    return [json.loads(line)["payload"] for line in path.read_text("utf-8").split("\n") if line]


@needs_corpus
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_nothing_dangerous_survives_in_the_payloads_of(path: Path) -> None:
    payloads = payloads_of(path)
    left = {payload: found for payload in payloads if (found := dangers(sanitise_html(payload)))}
    assert not left
    # The positive control: the same eyes see the danger in what goes in.
    assert sum(bool(dangers(payload)) for payload in payloads) > len(payloads) / 2


@needs_corpus
def test_cleaning_twice_changes_nothing_more() -> None:
    paths = list(CORPUS.glob("*.jsonl"))
    assert paths
    for path in paths:
        for payload in payloads_of(path)[:200]:
            once = sanitise_html(payload)
            assert dangers(sanitise_html(once)) == []
            assert BeautifulSoup(sanitise_html(once), "lxml").get_text() == BeautifulSoup(once, "lxml").get_text()


@given(st.text(st.sampled_from("<>/=\"' abc:&;#x0-!srchefonimgvtdy\n\x00"), max_size=200))
def test_no_soup_of_markup_brings_anything_dangerous_through(html: str) -> None:
    assert dangers(sanitise_html(html)) == []


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<p>Hello <b>you</b></p>", "<p>Hello <b>you</b></p>"),
        (
            '<a href="https://example.com/?a=1&amp;b=2" onclick="x()">shop</a>',
            '<a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener nofollow noreferrer">shop</a>',
        ),
        (
            '<a href="//evil.example">x</a>',
            '<a target="_blank" rel="noopener nofollow noreferrer">x</a>',
        ),
        (
            '<a href="javascript:alert(1)" rel="opener">x</a>',
            '<a target="_blank" rel="noopener nofollow noreferrer">x</a>',
        ),
        ('<img src="https://t.example/pixel.gif" alt="Logo">', '<img alt="Logo">'),
        ('<img src="//t.example/pixel.gif">', "<img>"),
        ('<img srcset="https://t.example/p.gif 2x" src="pixel.gif">', "<img>"),
        ('<img src="cid:logo@example">', '<img src="cid:logo@example">'),
        ('<img src="data:image/png;base64,iVBORw0KGgo=">', '<img src="data:image/png;base64,iVBORw0KGgo=">'),
        ('<img src="data:image/svg+xml;base64,PHN2Zz4=">', "<img>"),
        ('<img src="data:text/html,<b>x</b>">', "<img>"),
        ('<p style="position:fixed" class="btn" id="csrf" name="x">text</p>', "<p>text</p>"),
        ('<div hx-get="/x" data-hx-post="/y" hx-on:click="z()" data-x="1">text</div>', "<div>text</div>"),
        ("<style>body{display:none}</style><link rel=stylesheet href=https://t.example/a.css>text", "text"),
        ("<form action=/approve method=post><button>Send</button></form>", "Send"),
        ("<svg><script>alert(1)</script></svg><math><mi>x</mi></math>text", "text"),
        (
            '<table background="https://t.example/b.png"><tr><td>1</td></tr></table>',
            "<table><tbody><tr><td>1</td></tr></tbody></table>",
        ),
        ("<!-- comment --><base href=https://t.example>text", "text"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("", ""),
    ],
)
def test_it_keeps_the_text_and_drops_the_rest(html: str, clean: str) -> None:
    assert sanitise_html(html) == clean


def test_a_large_embedded_picture_is_dropped() -> None:
    assert sanitise_html(f'<img alt="x" src="data:image/png;base64,{"A" * 300_000}">') == '<img alt="x">'


@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 100_000 + "the text",
        "<b><i>" * 60_000 + "the text",
        "<p>filler</p>" * 150_000 + "the text",
        "x" * (MAX_CHARS + 1) + "the text",
        "<script>" + "x" * MAX_CHARS + "</script>the text",
        "<table><tr><td>" * 5_000 + "the text",
        f"<p {' '.join(f'a{n}=b' for n in range(1_500))}>the text",
    ],
    ids=["divs", "formatting", "many tags", "long", "script", "tables", "attributes"],
)
def test_a_bomb_becomes_its_text(bomb: str) -> None:
    clean = sanitise_html(bomb)
    assert clean.startswith("<div>")
    assert clean.endswith("the text</div>")
    assert set(re.findall(r"<[^>]*>", clean)) <= {"<div>", "</div>", "<br>"}


MANY = 200_000
ENDLESS = {
    "plain": f"<p {' '.join(f'a{n}' for n in range(MANY))}>",
    "with slashes": f"<p{''.join(f'/a{n}' for n in range(MANY))}>",
    "without gaps": "<p " + "".join(f'a{n}="b"' for n in range(MANY)) + ">",
    "ends in values": '<p a=b" ' + " ".join(f'c{n}=">"' for n in range(MANY)) + ">",
    "behind a comment's quote": '<!-- <p a=" -->' + f"<p {' '.join(f'a{n}' for n in range(MANY))}>" + '"',
    "a quote that is not closed": '<p a="' + "".join(f"<p a{n} " for n in range(MANY)),
    "a tag in each": "".join(f"<p a{n} " for n in range(MANY)),
    "many quotes": '<p a=\'"<q b="' * MANY,
}


@pytest.mark.parametrize("html", ENDLESS.values(), ids=list(ENDLESS))
def test_a_tag_without_end_is_seen_at_once_however_it_hides(html: str) -> None:
    """A parser needs minutes for it: it compares each attribute with all before it."""
    began = time.process_time()
    assert has_endless_tag(f"<div>A mail</div>{html}the text")
    assert "A mail" in html_to_text(f"<div>A mail</div>{html}the text")
    assert "A mail" in sanitise_html(f"<div>A mail</div>{html}the text")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "html",
    [
        f"<p {' '.join(f'a{n}' for n in range(MAX_ATTRIBUTES))}>" * 3,
        "<div class='a b' style=\"color: red\">x</div>" * 40_000,
        f'<img alt="{"a word " * 50_000}" src="data:image/png;base64,{"A" * 300_000}">',
        f"<p>{'1 < 2 and a / b ' * 20_000}</p>",
        f"<p {' ' * 300_000}>",
    ],
    ids=["as many as are allowed", "divs", "long values", "less than", "spaces"],
)
def test_no_honest_mail_has_one(html: str) -> None:
    assert not has_endless_tag(html)


def test_an_honest_large_mail_is_cleaned_and_not_flattened() -> None:
    links = "".join(f'<a href="https://example.com/{number}">link {number}</a> ' for number in range(20_000))
    assert sanitise_html(links).count("<a href=") == 20_000
    blocks = "<div>x</div>" * 90_000
    assert sanitise_html(blocks) == blocks
    unclosed = "<ul>" + "<li>item" * 5_000 + "</ul>"
    assert sanitise_html(unclosed).count("<li>") == 5_000
