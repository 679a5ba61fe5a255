"""Templates are written for people, one element a line, and are made small once, when they are loaded.

The rule, for whoever writes one: a line break, with the blanks around it, is nothing beside an element or a template tag,
and one blank between two words. A blank that has to be there beside an element stands on the element's own line.
Nothing is changed inside of `<pre>`, `<textarea>`, `<script>` and `<style>`.
"""

from __future__ import annotations

import re
from pathlib import Path

from django.template import Origin
from django.template.loaders import filesystem

_VALUE = r"\{%.*?%\}|\{\{.*?\}\}"
#: Constructs in which a line break means something else than in running text.
_SPECIAL = re.compile(
    r"(?P<raw><(?P<name>pre|textarea|script|style)\b.*?</(?P=name)>)"
    r"|(?P<note>\{#.*?#\}|<!--.*?-->)"
    rf"|(?P<tag><[a-zA-Z](?:{_VALUE}|\"(?:{_VALUE}|[^\"])*\"|'(?:{_VALUE}|[^'])*'|[^>\"'])*>)",
    re.DOTALL,
)
_BREAK = re.compile(r"[ \t]*\n\s*")
_EDGE_BEFORE, _EDGE_AFTER = (">", "%}", "#}"), ("<", "{%", "{#")


def compact(source: str) -> str:
    """The template without the line breaks that only its writer needs."""
    whole, out, at = source.strip(), [], 0
    for found in _SPECIAL.finditer(whole):
        out.append(_text(whole, at, found.start()))
        out.append(_BREAK.sub(" ", found[0]) if found["tag"] else found[0])
        at = found.end()
    out.append(_text(whole, at, len(whole)))
    return "".join(out)


def _text(whole: str, start: int, end: int) -> str:
    """Running text between two elements, whose neighbours decide what a line break at its edge is."""

    def joined(found: re.Match[str]) -> str:
        is_edge = whole.endswith(_EDGE_BEFORE, 0, start + found.start()) or whole.startswith(
            _EDGE_AFTER, start + found.end()
        )
        return "" if is_edge else " "

    return _BREAK.sub(joined, whole[start:end])


class Loader(filesystem.Loader):
    """Our own pages; those of libraries are loaded as they are, and so are texts of letters."""

    def get_contents(self, origin: Origin) -> str:
        contents = super().get_contents(origin)
        return compact(contents) if Path(origin.name).suffix == ".html" else contents
