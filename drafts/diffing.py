"""Word diffs of two texts as JSON that replays: what a person changed in a draft.

The document is ``{"v": 1, "algo": "lev-word", "unit": "codepoint", "src_sha256": .., "dst_sha256": .., "src_len": ..,
"dst_len": .., "ops": [["=", 12], ["-", "Thanks"], ["+", "Thank you"], ..], "stats": {"kept", "ins", "del", "ratio"}}``.
``=`` skips a number of code points of the source, ``-`` removes the text it carries, ``+`` adds it. Lengths are code
points, so replay needs no tokenizer: a later change of the tokenizer cannot break a stored diff. A ``-`` carries its
text, so a diff can be checked and inverted. Pure Python: no Django, no models.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Literal

from rapidfuzz.distance import Levenshtein

MAX_TOKENS = 20_000
"""Above this many tokens on either side the diff is one replacement: the alignment costs the product of both sides."""

# Kana and Han are written without spaces: each sign is a token, or a one-sign edit would replace the whole sentence.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"\s+|[{_CJK}]|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*|[^\w\s]")
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*")
_JOINERS = {"\u200d", "\u200c", *(chr(c) for c in range(0x1F3FB, 0x1F400))}  # ZWJ, ZWNJ, skin tones

RenderKind = Literal["same", "del", "ins"]


class ReplayError(ValueError):
    """The operations do not belong to this text, or are damaged; nothing was changed."""


def diff_ops(source: str, target: str) -> dict[str, Any]:
    """Describe how ``source`` became ``target``, as the JSON document above; ``apply_ops(source, it) == target``.

    Edits that touch, or are apart only by blanks within a line, are one edit, so that people read phrases and not
    confetti. Between two unchanged stretches stands at most one ``-`` followed by at most one ``+``.
    """
    ops: list[list[Any]] = []
    for kind, text in _edits(source, target):
        if kind == "=" and ops and ops[-1][0] == "=":
            ops[-1][1] += len(text)
        else:
            ops.append([kind, len(text) if kind == "=" else text])
    return {
        "v": 1,
        "algo": "lev-word",
        "unit": "codepoint",
        "src_sha256": _sha256(source),
        "dst_sha256": _sha256(target),
        "src_len": len(source),
        "dst_len": len(target),
        "ops": ops,
        "stats": _stats(ops, len(source)),
    }


def apply_ops(source: str, ops: dict[str, Any]) -> str:
    """Replay a diff on the text it was made from and return the other text.

    Raises ReplayError when ``source`` is another text, when an operation does not fit, or when the outcome is not the
    text the diff was made for.
    """
    target = "".join(text for kind, text in render_ops(ops, source) if kind != "del")
    if len(target) != ops.get("dst_len") or _sha256(target) != ops.get("dst_sha256"):
        raise ReplayError("The operations replay to another text than the one they were made for.")
    return target


def invert(ops: dict[str, Any]) -> dict[str, Any]:
    """The diff that leads back: ``apply_ops(target, invert(diff_ops(source, target))) == source``."""
    swapped: list[list[Any]] = []
    for kind, value in _checked(ops):
        if kind == "=":
            swapped.append(["=", value])
        elif kind == "-":
            swapped.append(["+", value])
        elif swapped and swapped[-1][0] == "+":
            swapped.insert(len(swapped) - 1, ["-", value])  # keep the order of a replacement: out, then in
        else:
            swapped.append(["-", value])
    return {
        **ops,
        "src_sha256": ops.get("dst_sha256"),
        "dst_sha256": ops.get("src_sha256"),
        "src_len": ops.get("dst_len"),
        "dst_len": ops.get("src_len"),
        "ops": swapped,
        "stats": _stats(swapped, int(ops.get("dst_len") or 0)),
    }


def word_counts(ops: dict[str, Any]) -> tuple[int, int]:
    """How many words the edit took out and put in; punctuation and blanks are not words."""
    counts = {"-": 0, "+": 0}
    for kind, value in _checked(ops):
        if kind != "=":
            counts[kind] += sum(1 for _ in _WORD.finditer(value))
    return counts["-"], counts["+"]


def similarity(ops: dict[str, Any]) -> float:
    """How alike the two texts are, 0 to 1: twice the code points kept, over the length of both. 1 only if equal."""
    kept = sum(value for kind, value in _checked(ops) if kind == "=")
    total = int(ops.get("src_len") or 0) + int(ops.get("dst_len") or 0)
    return 2 * kept / total if total else 1.0


def render_ops(ops: dict[str, Any], source: str) -> list[tuple[RenderKind, str]]:
    """The diff as pieces for a page, in reading order: ("same" | "del" | "ins", text). Raises ReplayError."""
    checked = _checked(ops)
    if len(source) != ops.get("src_len") or _sha256(source) != ops.get("src_sha256"):
        raise ReplayError("The operations were made for another text than this one.")
    pieces: list[tuple[RenderKind, str]] = []
    position = 0
    for kind, value in checked:
        if kind == "=":
            pieces.append(("same", source[position : position + value]))
            position += value
        elif kind == "+":
            pieces.append(("ins", value))
        else:
            if not source.startswith(value, position):
                raise ReplayError(f"The text to remove is not at position {position}.")
            pieces.append(("del", value))
            position += len(value)
    if position != len(source):
        raise ReplayError("The operations end before the text does, or run past its end.")
    return pieces


def _edits(source: str, target: str) -> Iterator[tuple[str, str]]:
    """(kind, text) in order, empty pieces left out."""
    left, right = _tokens(source), _tokens(target)
    if len(left) > MAX_TOKENS or len(right) > MAX_TOKENS:
        groups = [("!", left, right)]
    else:
        groups = _grouped(left, right)
    for _, removed, added in groups:
        head, tail = _common_ends(removed, added)
        pieces = (
            ("=", removed[:head]),
            ("-", removed[head : len(removed) - tail]),
            ("+", added[head : len(added) - tail]),
            ("=", removed[len(removed) - tail :]),
        )
        yield from ((piece, "".join(words)) for piece, words in pieces if words)


def _grouped(left: list[str], right: list[str]) -> list[tuple[str, list[str], list[str]]]:
    """Runs of ("=", same, same) and ("!", removed, added), edits apart only by blanks within a line joined."""
    # Numbers instead of words: rapidfuzz compares hashes, and equal hashes of unequal words would corrupt a diff.
    numbers: dict[str, int] = {}
    coded = [[numbers.setdefault(token, len(numbers)) for token in side] for side in (left, right)]
    groups: list[tuple[str, list[str], list[str]]] = []
    for op in Levenshtein.opcodes(coded[0], coded[1]):
        removed, added = left[op.src_start : op.src_end], right[op.dest_start : op.dest_end]
        if op.tag == "equal":
            groups.append(("=", removed, added))
        elif groups and groups[-1][0] == "!":
            groups[-1] = ("!", groups[-1][1] + removed, groups[-1][2] + added)
        elif len(groups) > 1 and _is_gap(groups[-1][1]):
            gap = groups.pop()[1]
            groups[-1] = ("!", groups[-1][1] + gap + removed, groups[-1][2] + gap + added)
        else:
            groups.append(("!", removed, added))
    return groups


def _is_gap(tokens: list[str]) -> bool:
    # A line break stays an anchor: joined over it, two rewritten paragraphs would read as one long replacement.
    return all(token.isspace() and "\n" not in token for token in tokens)


def _common_ends(left: list[str], right: list[str]) -> tuple[int, int]:
    shorter = min(len(left), len(right))
    head = 0
    while head < shorter and left[head] == right[head]:
        head += 1
    tail = 0
    while tail < shorter - head and left[-1 - tail] == right[-1 - tail]:
        tail += 1
    return head, tail


def _tokens(text: str) -> list[str]:
    """Blanks, words and single signs that join up to ``text``; what the eye sees as one sign is never split."""
    tokens: list[str] = []
    for token in _TOKEN.findall(text):
        if tokens and not tokens[-1].isspace() and _continues(tokens[-1], token):
            tokens[-1] += token
        else:
            tokens.append(token)
    return tokens


def _continues(before: str, token: str) -> bool:
    if _is_mark(token[0]):
        return True
    if before[-1] == "\u200d":
        return not token.isspace()
    return token[0].isalnum() and before[0].isalnum() and _is_mark(before[-1])  # a word goes on after its accent


def _is_mark(sign: str) -> bool:
    return sign in _JOINERS or unicodedata.category(sign).startswith("M")


def _checked(ops: dict[str, Any]) -> list[tuple[str, Any]]:
    """The operations, after a look at their shape. Raises ReplayError for what this version cannot replay."""
    if not isinstance(ops, dict) or ops.get("v") != 1 or ops.get("unit") != "codepoint":
        raise ReplayError("This is not a version 1 diff in code points.")
    listed = ops.get("ops")
    if not isinstance(listed, list):
        raise ReplayError("The diff carries no list of operations.")
    checked: list[tuple[str, Any]] = []
    for op in listed:
        if not isinstance(op, (list, tuple)) or len(op) != 2:
            raise ReplayError(f"Not an operation: {op!r:.80}")
        kind, value = op
        count = kind == "=" and type(value) is int and value > 0
        text = kind in ("-", "+") and isinstance(value, str) and value != ""
        if not (count or text):
            raise ReplayError(f"Not an operation: {op!r:.80}")
        checked.append((kind, value))
    return checked


def _stats(ops: list[list[Any]], source_length: int) -> dict[str, Any]:
    """Code points kept, put in, taken out; ``ratio`` is the share of the source that was kept."""
    kept = sum(value for kind, value in ops if kind == "=")
    added = sum(len(value) for kind, value in ops if kind == "+")
    removed = sum(len(value) for kind, value in ops if kind == "-")
    ratio = kept / source_length if source_length else float(not added)
    return {"kept": kept, "ins": added, "del": removed, "ratio": round(ratio, 4)}


def _sha256(text: str) -> str:
    # Lone surrogates (broken mail) have no UTF-8 form; "surrogatepass" gives them one, so hashing never fails.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
