"""What a reader sees of a page is in its text; what no reader sees, or every page of a site shows, is not."""

from __future__ import annotations

import random

import pytest

from ingestion.knowledge.documents import Unreadable
from ingestion.knowledge.extract import Extracted, read_html

#: A piece of a page -> what must be in its Markdown.
KINDS = {
    "a form around everything": ("<form><div><p>FACT</p></div><input value='no'></form>", "FACT"),
    "a warning": ("<aside class='warning'><p>FACT</p></aside>", "FACT"),
    "a class that sounds like furniture": ("<div class='footer share comment sidebar'><p>FACT</p></div>", "FACT"),
    "an accordion": ("<details><summary>Why NAME?</summary>FACT</details>", "## Why NAME?\n\nFACT"),
    "buttons in headings": ("<h3><button aria-expanded='false'>NAME</button></h3><div><p>FACT</p></div>", "### NAME\n\nFACT"),
    "a button that opens": ("<button aria-controls='p'>NAME</button><div id='p' hidden>FACT</div>", "# NAME\n\nFACT"),
    "a tab": ("<div role='tabpanel' hidden><p>FACT</p></div>", "FACT"),
    "found by the browser's search": ("<div hidden='until-found'>FACT</div>", "FACT"),
    "a definition": ("<dl><dt>NAME</dt><dd>FACT</dd></dl>", "- NAME: FACT"),
    "a question and its answer": ("<dl><dt>Is it NAME?</dt><dd><p>FACT</p><p>And more.</p></dd></dl>", "Is it NAME?\n\nFACT\n\nAnd more."),
    "a caption": ("<figure><img src='x'><figcaption>FACT</figcaption></figure>", "FACT"),
    "an article's footer": ("<article><p>Text.</p><footer>FACT</footer></article>", "FACT"),
    "a header with the title": ("<header><h2>NAME</h2><p>FACT</p></header>", "## NAME\n\nFACT"),
    "lists in lists": ("<ul><li>NAME<ol><li>FACT</li></ol></li></ul>", "- NAME\n  1. FACT"),
    "a quotation": ("<blockquote><p>FACT</p></blockquote>", "> FACT"),
    "code": ("<pre>FACT\n  two</pre>", "```\nFACT\n  two\n```"),
    "lines": ("<address>NAME<br>FACT</address>", "NAME\nFACT"),
    "a row of a table": ("<table><tr><th>A<th>B<tr><td>NAME<td>FACT</table>", "| NAME | FACT |"),
    "a layout table": ("<table><tr><td><h2>NAME</h2><p>FACT</p></td><td><p>x</p></td></tr></table>", "## NAME\n\nFACT"),
    "words in pieces": ("<p><b>NA</b>ME<span> <i>FACT</i></span></p>", "NAME FACT"),
    "a legend": ("<fieldset><legend>NAME</legend><label>FACT</label></fieldset>", "NAME\n\nFACT"),
}  # fmt: skip


def page(body: str, head: str = "") -> Extracted:
    return read_html(f"<html><head>{head}</head><body>{body}</body></html>".encode())


@pytest.mark.parametrize("around", ["main", "div"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_content_is_read(kind: str, around: str) -> None:
    piece, wanted = KINDS[kind]
    found = page(f"<{around}><h1>Title</h1>{piece}</{around}>")
    assert wanted in found.text
    assert (found.lost, found.missing) == (0, ())


def test_of_a_hundred_generated_pages_no_visible_fact_is_lost() -> None:
    chance = random.Random(7)
    lost = []
    for number in range(100):
        facts: list[str] = []
        pieces: list[str] = []
        for kind in chance.sample(sorted(KINDS), k=8):
            if kind.startswith("a button"):
                continue  # its id stands once on a page
            facts.append(f"Fact {number} of {len(facts)} is {chance.randrange(10**6)} mm.")
            piece = KINDS[kind][0].replace("FACT", facts[-1]).replace("NAME", f"Name {len(facts)}")
            pieces.append(f"<{(wrap := chance.choice(['div', 'section', 'form']))}>{piece}</{wrap}>")
        found = page(f"<nav>Menu</nav><main><h1>Page</h1>{''.join(pieces)}</main><footer>Imprint</footer>")
        lost += [fact for fact in facts if fact not in found.text]
        assert (found.lost, found.missing) == (0, ())
    assert lost == []


@pytest.mark.parametrize(
    "piece",
    [
        "<nav>GONE</nav>",
        "<footer>GONE</footer>",
        "<header>GONE</header>",
        "<div role='navigation'>GONE</div>",
        "<script>GONE</script><style>GONE</style><template>GONE</template><noscript>GONE</noscript>",
        "<div hidden>GONE</div><p style='color:red; display: none'>GONE</p>",
        "<p>It costs <del>GONE</del> less.</p>",
        "<button>GONE</button><select><option>GONE</option></select>",
        "<div id='cookie-consent'><p>GONE</p><button>Accept</button></div>",
        "<aside><ul><li><a href='/1'>GONE</a><li><a href='/2'>b</a><li><a href='/3'>c</a><li><a href='/4'>d</a></ul></aside>",
    ],
)
def test_what_is_no_content_is_not_read(piece: str) -> None:
    found = page(f"<div><h1>Title</h1><p>Text.</p></div>{piece}")
    assert "GONE" not in found.text and "Text." in found.text


def test_a_page_about_cookies_is_content() -> None:
    assert (
        "Clear them." in page("<main><div class='cookie-help'><p>Clear them.</p><a href='#'>How</a></div></main>").text
    )


def test_a_line_that_looks_like_markdown_stays_text() -> None:
    assert page("<p># 5 is the hose, | no table</p>").text == "\\# 5 is the hose, | no table"


# --- tables ------------------------------------------------------------------------------------------------------------
def table(rows: str) -> str:
    return page(f"<main><h1>Title</h1><table>{rows}</table></main>").text.removeprefix("# Title\n\n")


def test_a_cell_over_several_rows_stands_in_each() -> None:
    assert table("<tr><th>Hose<th>Size<tr><td rowspan=2>PTFE<td>-6<tr><td>-8") == (
        "| Hose | Size |\n|---|---|\n| PTFE | -6 |\n| PTFE | -8 |"
    )


def test_names_above_names_are_one_name() -> None:
    assert table(
        "<thead><tr><th rowspan=2>Hose<th colspan=2>Price<tr><th>USD<th>EUR</thead><tr><td>PTFE<td>12<td>11"
    ) == ("| Hose | Price USD | Price EUR |\n|---|---|---|\n| PTFE | 12 | 11 |")


def test_the_column_that_names_the_rows_comes_first() -> None:
    assert table("<tr><th>No.<th>Hose<th>Price<tr><td>1<th>PTFE<td>12").endswith("| PTFE | 1 | 12 |")


def test_a_row_that_names_what_follows_is_a_heading() -> None:
    assert table("<tr><th>Size<th>Price<tr><th colspan=2>Rubber<tr><td>-6<td>4<tr><td colspan=2>Without tax.") == (
        "## Rubber\n\n| Size | Price |\n|---|---|\n| -6 | 4 |\n\nWithout tax."
    )


def test_a_table_without_names_is_given_none() -> None:
    assert (
        table("<tr><td>Weight<td>2 kg<tr><td>Length<td>3 m")
        == "|  |  |\n|---|---|\n| Weight | 2 kg |\n| Length | 3 m |"
    )


@pytest.mark.parametrize(
    "first", ["<td><b>Hose</b><td><b>Price</b>", "<td>Hose<td>Price"], ids=["set in bold", "alone without figures"]
)
def test_names_that_are_no_header_cells_are_known(first: str) -> None:
    assert table(f"<tr>{first}<tr><td>PTFE<td>12<tr><td>Rubber<td>4").startswith("| Hose | Price |\n|---|---|\n")


def test_a_footnote_is_said_where_its_mark_stands() -> None:
    found = page("<table><tr><th>Hose<th>Price<tr><td>PTFE<td>12<sup>1</sup></table><p><sup>1</sup> per foot.</p>")
    assert "| PTFE | 12 (per foot) |" in found.text and found.lost == 0
    assert "5 m^2" in page("<p>5 m<sup>2</sup></p>").text


def test_a_table_in_a_cell_is_read_by_itself_under_its_row() -> None:
    found = table("<tr><th>Hose<th>Sizes<tr><td>PTFE<td>these:<table><tr><th>Size<th>Price<tr><td>-6<td>9</table>")
    assert found == (
        "| Hose | Sizes |\n|---|---|\n| PTFE | these: |\n\n## PTFE\n\n| Size | Price |\n|---|---|\n| -6 | 9 |"
    )


def test_a_table_whose_cells_overlap_is_left_out_and_said() -> None:
    found = page("<p>Prices.</p><table><tr><th>A<th>B<tr><td>a<td rowspan=2>b<tr><td colspan=2>c</table>")
    assert found.text == "Prices."
    assert found.missing[0] == "A table whose cells overlap was left out: A B a b c" and found.lost == 5


def test_each_passage_of_a_long_table_has_the_names_of_its_columns() -> None:
    rows = "".join(f"<tr><td>Hose {number}<td>{number} per foot" for number in range(80))
    found = table(f"<tr><th>Hose<th>Price{rows}")
    parts = found.split("\n\n")
    assert len(parts) > 3 and all(part.startswith("| Hose | Price |\n|---|---|\n") for part in parts)
    assert [line for part in parts for line in part.split("\n")[2:]] == [
        f"| Hose {number} | {number} per foot |" for number in range(80)
    ]


def test_words_that_stand_elsewhere_too_are_missing_all_the_same() -> None:
    found = page("<p>A B a b c</p><table><tr><th>A<th>B<tr><td>a<td rowspan=2>b<tr><td colspan=2>c</table>")
    assert (found.shown, found.lost) == (10, 5)


def test_a_table_that_claims_millions_of_places_is_left_out() -> None:
    found = page("<p>Prices.</p><table><tr>" + "<td rowspan=60000 colspan=60>a" * 9 + "<tr><td>b" * 2000 + "</table>")
    assert found.text == "Prices." and found.missing[0].startswith("A table whose cells overlap was left out")


@pytest.mark.parametrize("within", ["main", "article", "section", "x-page"])
@pytest.mark.parametrize(
    "start",
    ["<!doctype html><title>Returns</title>", "<html lang='en'><head><meta charset='utf-8'><title>Returns</title>"],
)
def test_a_page_whose_head_is_not_closed_is_read_whole(start: str, within: str) -> None:
    """Its end tag may be left out (HTML Standard 13.1.2.4); the parser knows only HTML 4's elements to end it."""
    text = f"{start}<style>p {{}}</style><{within}><h1>Returns</h1><p>Within 30 days.</p></{within}><p>The end.</p>"
    found = read_html(text.encode())
    assert (found.title, found.text) == ("Returns", "# Returns\n\nWithin 30 days.\n\nThe end.")


def test_a_tag_without_end_is_refused_in_words_and_a_script_is_no_tag() -> None:
    """A parser needs minutes for 200,000 attributes; a "less than" before much code looks like such a tag."""
    endless = f"<p>Prices.</p><p {' '.join(f'a{n}' for n in range(200_000))}>"
    with pytest.raises(Unreadable, match="more attributes than anybody writes"):
        read_html(endless.encode())
    hidden = f"<p a='<script>' {' '.join(f'a{n}' for n in range(200_000))} b='</script>'>{endless}"
    with pytest.raises(Unreadable, match="more attributes than anybody writes"):
        read_html(hidden.encode())
    script = "<script>for (i = 0; i<n; i++) { " + "x = y [ i ] ; " * 3_000 + "}</script>"
    assert read_html(f"<p>Prices.</p>{script}<p>8.95 USD</p>".encode()).text == "Prices.\n\n8.95 USD"
