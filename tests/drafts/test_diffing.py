from __future__ import annotations

import copy
import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drafts.diffing import (
    MAX_TOKENS,
    ReplayError,
    apply_ops,
    diff_ops,
    invert,
    render_ops,
    similarity,
    word_counts,
)

ANY_TEXT = st.text(max_size=200)  # every code point but surrogates
WITH_SURROGATES = st.text(alphabet=st.characters(min_codepoint=0xD700, max_codepoint=0xE010), max_size=20)
WORDS = st.lists(
    st.sampled_from(["the", "hose", "a", " ", "  ", "\n", ".", "’", "é", "e\u0301", "👩‍🚀", "軟", "管"]), max_size=40
)
RELATED = WORDS.map("".join)


def ops_of(source: str, target: str) -> list[Any]:
    return list(diff_ops(source, target)["ops"])


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANY_TEXT, RELATED, WITH_SURROGATES), st.one_of(ANY_TEXT, RELATED, WITH_SURROGATES))
def test_it_replays_and_inverts_any_two_texts(source: str, target: str) -> None:
    diff = diff_ops(source, target)
    assert apply_ops(source, diff) == target
    assert apply_ops(target, invert(diff)) == source
    assert invert(invert(diff)) == diff


@settings(max_examples=200, deadline=None)
@given(RELATED, RELATED)
def test_it_survives_json_and_keeps_its_shape(source: str, target: str) -> None:
    diff = json.loads(json.dumps(diff_ops(source, target)))
    assert apply_ops(source, diff) == target
    kinds = [kind for kind, _ in diff["ops"]]
    assert not any(pair in ("==", "--", "++", "+-") for pair in map("".join, pairwise(kinds)))
    stats = diff["stats"]
    assert stats["kept"] + stats["del"] == diff["src_len"] == len(source)
    assert stats["kept"] + stats["ins"] == diff["dst_len"] == len(target)


@settings(max_examples=200, deadline=None)
@given(RELATED, RELATED)
def test_it_renders_both_texts_in_reading_order(source: str, target: str) -> None:
    pieces = render_ops(diff_ops(source, target), source)
    assert "".join(text for kind, text in pieces if kind != "ins") == source
    assert "".join(text for kind, text in pieces if kind != "del") == target


@settings(max_examples=200, deadline=None)
@given(RELATED, RELATED)
def test_it_calls_only_equal_texts_fully_similar(source: str, target: str) -> None:
    value = similarity(diff_ops(source, target))
    assert 0 <= value <= 1
    assert (value == 1) == (source == target)


def test_it_writes_the_documented_form() -> None:
    source, target = "Hello Marcus, Thanks for it. Bye.", "Hello Marcus, Thank you for it. Bye!"
    diff = diff_ops(source, target)
    assert diff["ops"] == [["=", 14], ["-", "Thanks"], ["+", "Thank you"], ["=", 12], ["-", "."], ["+", "!"]]
    assert {key: diff[key] for key in ("v", "algo", "unit", "src_len", "dst_len")} == {
        "v": 1,
        "algo": "lev-word",
        "unit": "codepoint",
        "src_len": 33,
        "dst_len": 36,
    }
    assert diff["stats"] == {"kept": 26, "ins": 10, "del": 7, "ratio": 0.7879}


def test_it_joins_edits_that_only_blanks_keep_apart() -> None:
    assert ops_of("use the black rubber hose", "use conductive PTFE braided hose") == [
        ["=", 4],
        ["-", "the black rubber"],
        ["+", "conductive PTFE braided"],
        ["=", 5],
    ]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("a b", "x y", [["-", "a b"], ["+", "x y"]]),
        ("a  b c", "x  y c", [["-", "a  b"], ["+", "x  y"], ["=", 2]]),
        ("a b c", "x b y", [["-", "a"], ["+", "x"], ["=", 3], ["-", "c"], ["+", "y"]]),
    ],
)
def test_the_very_first_edit_is_joined_too_and_a_word_between_keeps_apart(
    source: str, target: str, expected: list[Any]
) -> None:
    assert ops_of(source, target) == expected
    assert invert(diff_ops(source, target)) == diff_ops(target, source)


@pytest.mark.parametrize(("source", "target"), [("a b c", "x"), ("x", "a b c"), ("a b", "x b"), ("x b", "a b")])
def test_one_token_too_many_on_either_side_makes_one_replacement(monkeypatch: Any, source: str, target: str) -> None:
    monkeypatch.setattr("drafts.diffing.MAX_TOKENS", 3)
    whole = [["-", source], ["+", target]]
    assert (ops_of(source, target) == whole) is (len(source) > 3 or len(target) > 3)


def test_how_many_tokens_are_too_many() -> None:
    assert MAX_TOKENS == 20_000


def test_texts_whose_lengths_are_not_said_are_empty() -> None:
    nothing = {"v": 1, "unit": "codepoint", "ops": []}
    assert similarity(nothing) == 1.0
    assert similarity({**nothing, "src_len": 3}) == similarity({**nothing, "dst_len": 3}) == 0.0
    assert invert({**nothing, "ops": [["+", "a"]]})["stats"] == {"kept": 0, "ins": 0, "del": 1, "ratio": 1.0}


def test_it_keeps_line_breaks_as_anchors() -> None:
    assert ops_of("one\n\ntwo", "1\n\n2") == [["-", "one"], ["+", "1"], ["=", 2], ["-", "two"], ["+", "2"]]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("cafe\u0301 au lait", "cafe au lait", [["-", "cafe\u0301"], ["+", "cafe"], ["=", 8]]),
        ("go 👩‍🚀!", "go 👩‍🔧!", [["=", 3], ["-", "👩‍🚀"], ["+", "👩‍🔧"], ["=", 1]]),
        ("👍🏽 ok", "👍 ok", [["-", "👍🏽"], ["+", "👍"], ["=", 3]]),
        ("👍🏻 ok", "👍 ok", [["-", "👍🏻"], ["+", "👍"], ["=", 3]]),
        ("👍🏿 ok", "👍 ok", [["-", "👍🏿"], ["+", "👍"], ["=", 3]]),
        ("👍🐀 ok", "👍 ok", [["=", 1], ["-", "🐀"], ["=", 3]]),  # the sign after the skin tones is one by itself
        ("می‌خواهم", "می", [["-", "می‌خواهم"], ["+", "می"]]),
        ("軟管很好", "硬管很好", [["-", "軟"], ["+", "硬"], ["=", 3]]),
        ("don’t", "do", [["-", "don’t"], ["+", "do"]]),
        ("re\u0301sume", "re\u0301sumes", [["-", "re\u0301sume"], ["+", "re\u0301sumes"]]),
        ("हिन्दी में", "हिन्दी मे", [["=", 7], ["-", "में"], ["+", "मे"]]),
    ],
)
def test_it_never_splits_what_the_eye_sees_as_one_sign(source: str, target: str, expected: list[Any]) -> None:
    assert ops_of(source, target) == expected


def test_it_says_nothing_about_equal_texts() -> None:
    assert ops_of("", "") == []
    assert ops_of("same", "same") == [["=", 4]]
    assert diff_ops("", "new")["stats"]["ratio"] == 0.0


def test_it_counts_the_words_taken_out_and_put_in() -> None:
    assert word_counts(diff_ops("Tighten it to 18 ft-lb, dry.", "Tighten it by hand.")) == (5, 2)
    assert word_counts(diff_ops("a  b", "a b")) == (0, 0)


def test_it_makes_one_replacement_of_very_long_texts() -> None:
    body = "a " * (MAX_TOKENS // 2)
    source, target = f"one {body} two", f"1 {body} 2"
    diff = diff_ops(source, target)
    assert diff["ops"] == [["-", source], ["+", target]]
    assert apply_ops(source, diff) == target
    assert ops_of(source, source) == [["=", len(source)]]
    shorter = "a " * (MAX_TOKENS // 2 - 10)
    assert ops_of(f"one {shorter} two", f"1 {shorter} 2")[2][0] == "="


def test_one_long_side_is_enough_for_the_cap() -> None:
    """What stands in the middle of both is not looked for; it would be below it."""
    long, short = f"q {'a ' * (MAX_TOKENS // 2)}b r", "s b t"
    assert ops_of(long, short) == [["-", long], ["+", short]]
    assert ops_of(short, long) == [["-", short], ["+", long]]
    assert ["=", 3] in ops_of("q b r", short)


def test_above_the_cap_the_ends_that_both_have_are_kept() -> None:
    long = f"same, {'a ' * (MAX_TOKENS // 2)}b end"
    assert ops_of(long, "same, s b end") == [["=", 6], ["-", long[6:-6]], ["+", "s"], ["=", 6]]
    assert ops_of("same, s b end", long) == [["=", 6], ["-", "s"], ["+", long[6:-6]], ["=", 6]]
    assert ops_of(long, long) == [["=", len(long)]]


def test_a_mark_belongs_to_the_sign_before_it_and_a_word_only_to_a_letter() -> None:
    """An accent after a blank stands alone; a word goes on after an accented letter, not after an accented sign."""
    assert ops_of("a \u0301", "a b") == [["=", 2], ["-", "\u0301"], ["+", "b"]]
    assert ops_of("-\u0301b", "-\u0301c") == [["=", 2], ["-", "b"], ["+", "c"]]
    assert ops_of("e\u0301b", "e\u0301c") == [["-", "e\u0301b"], ["+", "e\u0301c"]]


def test_operations_may_be_pairs_of_any_kind() -> None:
    diff = diff_ops("one two", "one three")
    assert apply_ops("one two", {**diff, "ops": [tuple(op) for op in diff["ops"]]}) == "one three"


def test_it_replays_adversarial_texts_below_the_cap() -> None:
    random.seed(7)
    source = " ".join(random.choice("ab") for _ in range(MAX_TOKENS // 2))
    target = " ".join(random.choice("ab") for _ in range(MAX_TOKENS // 2))
    diff = diff_ops(source, target)
    assert apply_ops(source, diff) == target


def test_it_refuses_to_replay_on_another_text() -> None:
    diff = diff_ops("one two", "one three")
    for other in ("one tw0", "one two ", ""):
        with pytest.raises(ReplayError, match="another text"):
            apply_ops(other, diff)
        with pytest.raises(ReplayError, match="another text"):
            render_ops(diff, other)


def test_it_refuses_operations_that_lead_elsewhere() -> None:
    diff = diff_ops("one two", "one three")
    diff["ops"][-1][1] = "four!"
    with pytest.raises(ReplayError, match="replay to another text"):
        apply_ops("one two", diff)


@pytest.mark.parametrize(
    "ops",
    [
        [["=", 99]],
        [["=", 3]],
        [["=", -1]],
        [["=", 0]],
        [["=", True]],
        [["=", "3"]],
        [["-", "two"], ["=", 4]],
        [["-", 3]],
        [["+", ""]],
        [["*", "x"]],
        [["=", 0], ["=", 4], ["-", "two"], ["+", "three"]],
        [["=", 3, 4]],
        [["="]],
        [[["="], 3]],
        ["="],
        [3],
        "=",
        None,
        {"=": 1},
    ],
)
def test_it_refuses_damaged_operations(ops: Any) -> None:
    diff = {**diff_ops("one two", "one three"), "ops": ops}
    with pytest.raises(ReplayError):
        apply_ops("one two", diff)
    with pytest.raises(ReplayError):
        render_ops(diff, "one two")


@pytest.mark.parametrize("ops", [[["=", -1]], [["=", True]], [["-", 3]], [["+", ""]], ["="], None])
def test_it_counts_nothing_in_damaged_operations(ops: Any) -> None:
    diff = {**diff_ops("one two", "one three"), "ops": ops}
    for count in (invert, word_counts, similarity):
        with pytest.raises(ReplayError):
            count(diff)


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"unit": "byte"}, {"src_sha256": None}, {"dst_sha256": 3}, {"src_len": "7"}, {"dst_len": 8}]
)
def test_it_refuses_another_format(change: dict[str, Any]) -> None:
    diff = copy.deepcopy(diff_ops("one two", "one three"))
    with pytest.raises(ReplayError):
        apply_ops("one two", {**diff, **change})
    with pytest.raises(ReplayError):
        apply_ops("one two", [])  # type: ignore[arg-type]
