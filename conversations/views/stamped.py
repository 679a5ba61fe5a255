"""A small template rendered once for each of its shapes; later uses fill their own words into the same HTML.

For what stands on a page fifty or two hundred times, where resolving every variable anew is most of the page's cost (the
figures are in docs/performance.md). The template stays the only source of the HTML; as with `Compiled`, what changes from
use to use is marked while it is rendered and filled in, escaped, after that.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from html import escape  # what Django's escape() calls
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe


@dataclass(frozen=True, slots=True)
class _Shape:
    """`pieces[0] + words[0] + pieces[1] + words[1] + ...`, where words are the fields of `order`."""

    pieces: tuple[str, ...]
    order: tuple[str, ...]

    def fill(self, words: Mapping[str, Any]) -> SafeString:
        out = [self.pieces[0]]
        for name, piece in zip(self.order, self.pieces[1:], strict=True):
            out.append(escape(words[name]))
            out.append(piece)
        return mark_safe("".join(out))


class Stamped:
    """`Stamped(template, as_)(words, **flags)` is the template's HTML with `words` as its variable `as_`.

    Words are strings, written out as they are and asked for nothing but whether they are empty; whatever else decides what
    the HTML is (a comparison, a choice) is a flag, of which there are few values. A word that does not arrive in the HTML
    as given is an error at the first use, never a value frozen into it.
    """

    MAX_SHAPES = 500

    def __init__(self, template: str, as_: str) -> None:
        self._template, self._as = template, as_
        self._shapes: dict[Hashable, _Shape] = {}

    def __call__(self, words: Mapping[str, Any], **flags: Hashable) -> SafeString:
        key = (*(name for name, word in words.items() if word), *flags.items())
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= self.MAX_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = self._shape_of(words, flags)
        return shape.fill(words)

    def _shape_of(self, words: Mapping[str, Any], flags: Mapping[str, Any]) -> _Shape:
        shape = self._rendered(words, flags, length=16)
        if shape != self._rendered(words, flags, length=20):
            # Something of a word was left behind: its length, or a part of it.
            raise RuntimeError(f"{self._template} does more with a word than write it out; that has to be a flag.")
        return shape

    def _rendered(self, words: Mapping[str, Any], flags: Mapping[str, Any], *, length: int) -> _Shape:
        marks = {name: secrets.token_hex(length) if word else "" for name, word in words.items()}
        html = render_to_string(self._template, {self._as: marks, **flags})
        places = []
        for name, mark in marks.items():
            at = html.find(mark) if mark else -1
            if mark and at < 0:
                raise RuntimeError(f"{name} does not reach {self._template} as it was given; it has to be a flag.")
            while at >= 0:
                places.append((at, name, mark))
                at = html.find(mark, at + 1)
        places.sort()
        pieces, end = [], 0
        for at, _, mark in places:
            pieces.append(html[end:at])
            end = at + len(mark)
        return _Shape((*pieces, html[end:]), tuple(name for _, name, _ in places))
