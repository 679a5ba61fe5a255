"""HTML bodies as text: inscriptis where the document is sane, a plain walk where it is a bomb."""

from __future__ import annotations

import re
from typing import Any

from conversations.channels.email.reading.charsets import clean_text
from conversations.web.sanitise import has_endless_tag, strip_tags

# Above these the layout engine is not asked: it recurses by depth and aligns by width.
MAX_HTML_CHARS = 2_000_000
MAX_NODES = 30_000
MAX_DEPTH = 120
# Private-use characters that mark cited blocks on their way through the layout engine.
_OPEN, _CLOSE = "\ue0f1", "\ue0f2"
_BLOCKS = frozenset(
    """address article blockquote body br center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr html li
    main nav ol p pre section table tr ul""".split()  # noqa: SIM905
)
_HIDDEN = frozenset({"head", "script", "style", "template", "noscript", "title", "object", "iframe"})


def html_to_text(html: str) -> str:
    """Return the visible text of an HTML body; cited blocks get `> ` before each line. Never raises, near linear.

    Of a document far larger than MAX_HTML_CHARS only the beginning is read.
    """
    import lxml.etree  # type: ignore[import-untyped]
    import lxml.html  # type: ignore[import-untyped]

    html = html.replace(_OPEN, "").replace(_CLOSE, "").strip()
    if not html:
        return ""
    if len(html) > MAX_HTML_CHARS:
        return _tidy(strip_tags(html[: 2 * MAX_HTML_CHARS]))
    if has_endless_tag(html):
        return _tidy(strip_tags(html))
    try:
        parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
        tree = lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError):
        return _tidy(strip_tags(html))
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        return _tidy(strip_tags(html))  # libxml2 drops what lies deeper than its own limit
    nodes, depth = _measure(tree)
    text = _walk_plainly(tree) if nodes > MAX_NODES or depth > MAX_DEPTH else _lay_out(tree)
    return _tidy(_prefix_cited(text))


def _measure(tree: Any) -> tuple[int, int]:
    import lxml.etree

    nodes = depth = deepest = 0
    for event, _ in lxml.etree.iterwalk(tree, events=("start", "end")):
        if event == "start":
            nodes += 1
            depth += 1
            deepest = max(deepest, depth)
            if nodes > MAX_NODES or deepest > MAX_DEPTH:
                break
        else:
            depth -= 1
    return nodes, deepest


def _lay_out(tree: Any) -> str:
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.html_engine import Inscriptis
    from inscriptis.html_properties import Display
    from inscriptis.model.config import ParserConfig
    from inscriptis.model.html_element import HtmlElement
    from inscriptis.model.tag import CustomHtmlTagHandlerMapping

    # Mails use tables for layout, and aligned columns multiply the widest cell by the number of rows.
    css = dict(STRICT_CSS_PROFILE)
    css["tr"] = HtmlElement(display=Display.block)
    css["td"] = css["th"] = HtmlElement(display=Display.inline, suffix=" ")
    css["title"] = HtmlElement(display=Display.none)
    for block in list(tree.iter("blockquote")):
        if not _is_citation(block):
            continue
        block.text = f"{_OPEN}{block.text or ''}"
        if len(block):
            block[-1].tail = f"{block[-1].tail or ''}{_CLOSE}"
        else:
            block.text += _CLOSE
    flat = CustomHtmlTagHandlerMapping(
        start_tag_mapping=dict.fromkeys(("table", "tr", "td", "th"), _nothing),
        end_tag_mapping=dict.fromkeys(("table", "td", "th"), _nothing),
    )
    try:
        text: str = Inscriptis(tree, ParserConfig(css=css, custom_html_tag_handler_mapping=flat)).get_text()
        return text
    except (RecursionError, ValueError, KeyError, IndexError, AttributeError, TypeError):
        return _walk_plainly(tree)


def _nothing(*_: Any) -> None:
    """What tables do in a mail."""


def _is_citation(block: Any) -> bool:
    classes = (block.get("class") or "").lower()
    return (block.get("type") or "").lower() == "cite" or "quote" in classes or block.get("cite") is not None


def _walk_plainly(tree: Any) -> str:
    import lxml.etree

    out: list[str] = []
    hidden = 0
    for event, node in lxml.etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        if event in {"comment", "pi"}:
            out.append("" if hidden else node.tail or "")
            continue
        tag = node.tag.lower() if isinstance(node.tag, str) else ""
        if event == "start":
            hidden += tag in _HIDDEN
            out.append("\n" if tag in _BLOCKS else "")
            out.append("" if hidden else re.sub(r"\s+", " ", node.text or ""))
        else:
            hidden -= tag in _HIDDEN
            out.append("\n" if tag in _BLOCKS and tag != "br" else "")
            out.append("" if hidden else re.sub(r"\s+", " ", node.tail or ""))
    return clean_text("".join(out))


def _prefix_cited(text: str) -> str:
    if _OPEN not in text:
        return text
    lines: list[str] = []
    depth = 0
    for line in text.split("\n"):
        for piece in re.split(f"([{_OPEN}{_CLOSE}])", line):
            if piece == _OPEN:
                depth += 1
            elif piece == _CLOSE:
                depth = max(0, depth - 1)
            elif piece.strip() or piece == line:
                lines.append("> " * min(depth, 20) + piece.strip(" ") if depth else piece)
    return "\n".join(lines)


def _tidy(text: str) -> str:
    text = clean_text(text).replace("\xa0", " ").replace("\r\n", "\n").replace("\r", "\n")
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")
