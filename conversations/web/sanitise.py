"""HTML of strangers made harmless: nothing in it can run, fetch, style the page or address it.

This is the first of two layers; the second is the sandboxed frame with its own content policy that shows the result.
Remote images are dropped, not parked in an attribute: the raw mail keeps them, a tracking address is personal data
that need not be stored twice, and a page without the address can never fetch it by mistake. Their `alt` text stays.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape, unescape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nh3

# Beyond these the sanitiser's parser can need more than linear time; such a document is shown as its text.
MAX_CHARS = 2_000_000
MAX_TAGS = 200_000
# Nesting costs the square of its depth; the deepest honest mail measured here has 60 levels.
MAX_OPEN_TAGS = 2_000
# A data: image larger than this belongs into an attachment.
MAX_DATA_IMAGE_CHARS = 200_000

_TAGS = frozenset(
    """a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em
    figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strike strong
    sub sup table tbody td tfoot th thead tr tt u ul var wbr""".split()  # noqa: SIM905
)
# Their content is not text for people, so it goes with the tag.
_DROPPED_WITH_CONTENT = frozenset(
    """applet audio canvas embed frameset head iframe math noembed noframes noscript object script style svg template
    title video xmp""".split()  # noqa: SIM905
)
_ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "col": {"span"},
    "colgroup": {"span"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start", "type"},
    "table": {"border"},
    "td": {"colspan", "rowspan", "align", "valign"},
    "th": {"colspan", "rowspan", "align", "valign"},
}
# Void, or closed by the next of its kind: many of them are no nesting.
_FLAT = frozenset(
    "area base br col dd dt embed hr img input li link meta option p source tbody td th thead tr wbr".split()  # noqa: SIM905
)
_BREAKS = frozenset("blockquote br center dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre section table tr ul".split())  # noqa: SIM905
_LINK = re.compile(r"\s*(?:https?://|mailto:|tel:)[^\x00-\x20]", re.IGNORECASE)
_IMAGE = re.compile(
    r"\s*(?:cid:[^\s\"'<>]{1,500}|data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]+)\Z", re.IGNORECASE
)
_NUMBER = re.compile(r"\d{1,4}%?\Z")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
# A parser compares each attribute of a tag with all before it: 200,000 in one tag are minutes. Nobody writes a thousand.
MAX_ATTRIBUTES = 1_000
_FEW_ATTRIBUTES = 10_000  # characters that cannot hold enough of them to be slow
# As the HTML Standard cuts a tag (13.2.5.32 to 39). Nothing in it gives back what it took, so a match is one walk.
_ATTRIBUTE = r"[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\s>\"'][^\s>]*+)?+)?+"
_START_TAG = re.compile(rf"<[a-zA-Z][^\s/>]*+(?:{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+({_ATTRIBUTE})?")
_PATIENCE = 20  # times that a text may be walked


def sanitise_html(html: str) -> str:
    """Return `html` with only what text needs: no script, handler, form, frame, style, class, id or data attribute.

    Images survive only as `cid:` (a file of the same mail) or as a small embedded `data:` picture; links only to
    http, https, mailto and tel, with `rel="noopener nofollow noreferrer"` and a new window. A document too large or
    too deeply nested to be cleaned in bounded time becomes its plain text. Never raises.
    """
    is_large = len(html) > MAX_CHARS or html.count("<") > MAX_TAGS
    if is_large or _deepest(html) > MAX_OPEN_TAGS or has_endless_tag(html):
        return text_to_html(strip_tags(html[: 4 * MAX_CHARS]))
    return str(_cleaner().clean(html))


@cache
def _cleaner() -> nh3.Cleaner:
    import nh3

    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        attribute_filter=_filter,
        strip_comments=True,
        link_rel="noopener nofollow noreferrer",
        generic_attribute_prefixes=set(),
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        url_relative="deny",
    )


def _filter(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        return value if _LINK.match(value) else None
    if attribute == "src":
        return value if len(value) <= MAX_DATA_IMAGE_CHARS and _IMAGE.match(value) else None
    if attribute in {"width", "height", "colspan", "rowspan", "span", "start", "border"}:
        return value if _NUMBER.match(value) else None
    return value


def _deepest(html: str) -> int:
    """Return the largest number of tags open at once, each counted as open until any later tag of its name closes."""
    open_tags: dict[str, int] = {}
    depth = deepest = 0
    for match in _TAG.finditer(html):
        name = match[2].lower()
        if name in _FLAT:
            continue
        if match[1]:
            if open_tags.get(name, 0) > 0:
                open_tags[name] -= 1
                depth -= 1
        else:
            open_tags[name] = open_tags.get(name, 0) + 1
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def has_endless_tag(html: str) -> bool:
    """Whether some tag has more attributes than MAX_ATTRIBUTES. Linear: who hides tags in values of others is taken for guilty.

    Each `<` is looked at, also one inside of a comment or a value, so that no trick with quotes hides a tag from it.
    """
    if len(html) < _FEW_ATTRIBUTES:
        return False
    left = _PATIENCE * len(html)
    for opening in re.finditer(r"<[a-zA-Z]", html):
        tag = _START_TAG.match(html, opening.start())
        left -= tag.end() - tag.start() if tag else 0
        if left < 0 or (tag and tag[1]):
            return True
    return False


def text_to_html(text: str) -> str:
    """Return plain text as HTML that shows it as it is."""
    return "<div>" + escape(text).replace("\r\n", "\n").replace("\n", "<br>\n") + "</div>"


def strip_tags(html: str) -> str:
    """Return `html` without its tags, by one forward scan: no expression that could run away, no tree."""
    out: list[str] = []
    position = 0
    searchable = html.lower() if html.isascii() else html  # lower() may change the length of other text
    unclosed: set[str] = set()  # a search that failed once is not repeated for every later tag
    while (opening := html.find("<", position)) >= 0:
        out.append(html[position:opening])
        closing = html.find(">", opening)
        if closing < 0:
            position = opening
            break
        match = _TAG.match(html, opening)
        name = match[2].lower() if match else ""
        if name in {"script", "style"} and name not in unclosed and match and not match[1]:
            end = searchable.find(f"</{name}", closing)
            if end < 0:
                unclosed.add(name)
            else:
                closing = html.find(">", end)
                closing = len(html) - 1 if closing < 0 else closing
        elif name in _BREAKS:
            out.append("\n")
        position = closing + 1
    out.append(html[position:])
    return re.sub(r"\n{3,}", "\n\n", unescape("".join(out)))
