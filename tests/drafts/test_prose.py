"""A reply's text as paragraphs and lists, with its statements' sources."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drafts.views.prose import Segment, blocks

NUMBERS = {"a": 1, "b": 2}


def words(text: str) -> list[str]:
    """What of a text must be seen again: everything but blanks and the marks of a list."""
    return [word for word in text.split() if word not in {"-", "*", "•"}]


def shown(text: str, statements: list[dict[str, object]]) -> str:
    parts = []
    for block in blocks(text, statements, NUMBERS):
        for segments in block.items or (block.segments,):
            parts.append("".join(segment.text for segment in segments))
    return "\n".join(parts)


def test_statements_carry_their_numbers_and_unsourced_ones_say_so() -> None:
    text = "Hi,\n\nUse PTFE. Torque is 18."
    statements = [{"start": 5, "end": 14, "sources": ["b", "a"]}, {"start": 15, "end": 28, "sources": []}]
    greeting, body = blocks(text, statements, NUMBERS)
    assert greeting.segments == (Segment("Hi,"),)
    assert body.segments == (
        Segment("Use PTFE.", "statement", (1, 2)),
        Segment(" "),
        Segment("Torque is 18.", "none"),
    )


def test_a_source_that_is_not_shown_counts_as_none() -> None:
    (block,) = blocks("Use PTFE.", [{"start": 0, "end": 9, "sources": ["gone"]}], NUMBERS)
    assert block.segments == (Segment("Use PTFE.", "none"),)


def test_lines_with_a_dash_are_a_list_also_right_after_their_sentence() -> None:
    sentence, items = blocks("You need:\n- Feed: 15 ft\n- Return: 15 ft")
    assert sentence.segments == (Segment("You need:"),)
    assert [item[0].text for item in items.items] == ["Feed: 15 ft", "Return: 15 ft"]
    (only,) = blocks("* one\n• two")
    assert [item[0].text for item in only.items] == ["one", "two"]


def test_a_claim_across_paragraphs_is_shown_in_both() -> None:
    text = "One.\n\nTwo."
    first, second = blocks(text, [{"start": 0, "end": len(text), "sources": ["a"]}], NUMBERS)
    assert [first.segments[0].kind, second.segments[0].kind] == ["statement", "statement"]


@given(
    st.text(alphabet="ab .-*\n\u2028é😀", max_size=60),
    st.lists(
        st.builds(lambda start, end, key: {"start": start, "end": end, "sources": [key]}, st.integers(0, 60), st.integers(0, 60), st.sampled_from(["a", "x"])),
        max_size=4,
    ),
)  # fmt: skip
def test_no_word_is_lost_or_said_twice(text: str, statements: list[dict[str, object]]) -> None:
    assert words(shown(text, statements)) == words(text)
