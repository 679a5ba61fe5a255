"""Light formatting of a reply: its text is Markdown, and leaves as plain text with HTML as its alternative.

The text stays the record that is compared and learned from; the HTML is made of it, never typed. What Markdown can do here is
little on purpose: bold, emphasis, lists, links, quotes, code. No HTML, no pictures, no headings.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from conversations.web.sanitise import sanitise_html

_RULES = ["newline", "emphasis", "link", "autolink", "backticks", "escape", "entity", "list", "blockquote", "code", "balance_pairs"]  # fmt: skip
#: Deeper and longer texts are sent as they are: a parser's time must not be a customer's weapon.
MAX_CHARS = 50_000


def to_html(text: str) -> str:
    """The HTML of a formatted reply, sanitised as strangers' HTML is; "" for a text that is too long to be read as Markdown."""
    return sanitise_html(_markdown().render(text)) if len(text) <= MAX_CHARS else ""


def with_signature(body_html: str, signature: str) -> str:
    """What leaves: the signature stands below, as it does in the text."""
    lines = "<br>".join(escape(line) for line in signature.splitlines())
    return f"{body_html}<p>-- <br>{lines}</p>" if signature and body_html else body_html


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("zero", {"html": False, "breaks": True, "linkify": False}).enable(_RULES)
