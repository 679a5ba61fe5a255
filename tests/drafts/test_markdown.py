"""What a passage says, read out of its Markdown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drafts.writing.markdown import Kind, pieces_of, read_out
from drafts.writing.statements import normalised, supports

TABLE = "| service | time | price |\n| --- | --- | --- |\n| Ground | 2 days | 9.95 USD, free from 149 USD |\n| Air | | 24.95 USD |"


def texts(passage: str) -> list[str]:
    return [piece.text for piece in pieces_of(passage)]


def test_a_row_is_read_out_with_the_names_of_its_columns() -> None:
    assert texts(TABLE) == ["Ground – time: 2 days; price: 9.95 USD, free from 149 USD.", "Air – price: 24.95 USD."]
    assert {(piece.kind, piece.group) for piece in pieces_of(TABLE)} == {(Kind.ROW, 1)}


def test_a_table_whose_head_is_in_another_passage_still_reads() -> None:
    assert texts("| Ground | 2 days | 9.95 USD |\n| Air | 1 day |") == ["Ground – 2 days; 9.95 USD.", "Air – 1 day."]


def test_cells_lose_their_markup_and_keep_their_bars() -> None:
    assert texts("| a | b |\n|---|:-:|\n| **Pipe** \\| bar | [here](https://x.test) |") == ["Pipe | bar – b: here."]


def test_a_list_is_one_group_with_the_sentence_that_introduces_it() -> None:
    found = pieces_of("We need it all. What differs in the trial:\n\n- 25 messages\n* no money\n\nAsk us any time.")
    assert [(piece.text, piece.mark, piece.group) for piece in found] == [
        ("We need it all.", "", 0),
        ("What differs in the trial:", "", 1),
        ("25 messages", "-", 1),
        ("no money", "*", 1),
        ("Ask us any time.", "", 0),
    ]


def test_two_lists_are_two_groups_and_a_colon_without_a_list_is_a_fragment() -> None:
    found = pieces_of("You need:\n1. a hose\n2. a wrench\n\n## Then\n\nNote well this:\n\n> said somebody\n\n- dry it.")
    assert [(piece.text, piece.heading, piece.group) for piece in found] == [
        ("You need:", "", 1),
        ("a hose", "", 1),
        ("a wrench", "", 1),
        ("dry it.", "Then", 2),
    ]


def test_a_piece_knows_its_heading_and_all_that_stands_under_it() -> None:
    first, second = pieces_of(
        "Hose is sold by the foot.\n\n### Care ###\n\nKeep **it** dry and\nout of the sun.", heading="Sizes"
    )
    assert (first.heading, first.block) == ("Sizes", "Hose is sold by the foot.")
    assert (second.heading, second.block, second.text) == ("Care", second.text, "Keep it dry and out of the sun.")


def test_what_is_read_out_of_a_table_is_borne_by_it_and_nothing_else_is() -> None:
    assert supports("Ground – time: 2 days; price: 9.95 USD, free from 149 USD.", TABLE)
    assert not supports("Air – time: 2 days; price: 24.95 USD.", TABLE)
    assert not supports("Ground – time: 3 days; price: 9.95 USD, free from 149 USD.", TABLE)


@given(st.text(alphabet="ab|-#>*1. :?\n\\é", max_size=80))
def test_every_piece_of_any_text_stands_in_what_the_text_says(text: str) -> None:
    for piece in pieces_of(text):
        assert normalised(piece.text) in normalised(read_out(text))
