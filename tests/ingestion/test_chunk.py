from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingestion.knowledge.chunk import LARGEST, SCRAP, split_passages

KNOWLEDGE = sorted((Path(settings.BASE_DIR) / "drafts" / "demo" / "knowledge").glob("*.md"))
LINES = st.lists(
    st.one_of(
        st.text(max_size=80),
        st.sampled_from(
            ["", "# One", "## Two", "### Three", "- item", "| a | b |", "```", "~~~", "---", "Text. " * 40]
        ),
    ),
    max_size=30,
).map("\n".join)


def test_it_cuts_at_headings_and_carries_them() -> None:
    body = "Uncut hose may be returned within thirty days. " * 10
    text = f"# Returns\n\nWhat can come back.\n\n## Hose\n\n{body}\n\n### Cut hose\n\n{body}\n\n## Fittings\n\n{body}"
    chunks = split_passages(text, title="Returns")
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.heading for chunk in chunks] == [
        "Returns",  # the short opening and the first section in one
        "Returns > Hose > Cut hose",
        "Returns > Fittings",
    ]
    assert chunks[1].text.startswith("### Cut hose\n\nUncut hose")


def test_the_middle_of_a_long_section_still_knows_its_heading() -> None:
    body = "\n\n".join(
        f"Paragraph {n} about torque, which goes on for a while so that it fills a passage. " * 3 for n in range(8)
    )
    chunks = split_passages(f"# Torque\n\n## By angle\n\n{body}", title="Torque")
    assert len(chunks) > 3
    assert {chunk.heading for chunk in chunks[1:]} == {"Torque > By angle"}


def test_the_section_right_below_the_title_is_named() -> None:
    text = "# Shipping\n\n## Same day\n\n" + "What is ordered before 2 pm leaves on the same day. " * 6
    assert [chunk.heading for chunk in split_passages(text, title="Shipping")] == ["Shipping > Same day"]


def test_a_title_that_the_text_lacks_stands_first() -> None:
    assert split_passages("Plain text without any heading.", title="Shipping")[0].heading == "Shipping"
    assert split_passages("Plain text without any heading.", title="")[0].heading == ""


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    chunks = split_passages("# Real\n\n```\n# not a heading\n```\n\n" + "Text after it. " * 60, title="")
    assert {chunk.heading for chunk in chunks} == {"Real"}


def test_nothing_but_headings_gives_no_passage() -> None:
    assert split_passages("", title="x") == []
    assert split_passages(" \n\n ", title="x") == []
    assert split_passages("# Only\n\n## Headings", title="x") == []


def test_a_scrap_joins_the_passage_before_it() -> None:
    chunks = split_passages("A sentence about hose. " * 29 + "\n\nThe end.", title="")
    assert chunks[-1].text.endswith("The end.")
    assert len(chunks[-1].text) > SCRAP


@hypothesis_settings(max_examples=150, deadline=None)
@given(LINES)
def test_no_word_is_lost_or_made_up(text: str) -> None:
    chunks = split_passages(text, title="T")
    stored = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    position = 0
    for chunk in chunks:
        assert 0 < len(chunk.text) <= LARGEST + SCRAP
        start = stored.find(chunk.text, position)
        assert start >= 0
        between = stored[position:start]
        assert all(not line.strip() or line.lstrip().startswith("#") for line in between.split("\n"))
        position = start + len(chunk.text)
    assert all(not line.strip() or line.lstrip().startswith("#") for line in stored[position:].split("\n"))


@pytest.mark.parametrize("file", KNOWLEDGE, ids=lambda file: file.stem)
def test_the_demo_documents_make_passages_a_person_can_read_at_a_glance(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# ")
    assert 150 <= len(text.split()) <= 500
    chunks = split_passages(text, title=text.split("\n")[0].removeprefix("# "))
    assert 3 <= len(chunks) <= 8
    assert all(60 <= len(chunk.text) <= LARGEST for chunk in chunks)


def test_there_are_demo_documents() -> None:
    assert 12 <= len(KNOWLEDGE) <= 16
