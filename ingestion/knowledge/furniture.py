"""What of a page is not content: what no reader sees, and what is there on every page of a site.

Nothing is guessed by class names, but consent to cookies: menus, headers and footers are known by their elements and roles.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

_UNSEEN = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "head",
        "title",
        "meta",
        "link",
        "svg",
        "math",
        "canvas",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "map",
        "input",
        "select",
        "textarea",
        "datalist",
        "progress",
        "meter",
        "dialog",
        "del",
        "s",
        "strike",
    ]  # what is struck through was taken back
)
_MENU_ROLES = frozenset(["navigation", "menu", "menubar", "search", "banner", "contentinfo", "dialog", "alertdialog"])
_NOT_SHOWN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_CONSENT = re.compile(r"cookie|consent|gdpr", re.IGNORECASE)
_PANEL = re.compile(r"accordion|collaps|panel|tab-pane|faq|toggle", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_LARGEST_MENU = 400  # elements; more are content, and counting them again at each level would take for ever
_TITLES = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))


def drop_furniture(tree: Any) -> None:
    """Take it out of the document. A part that a press on something else opens is content."""
    opened = _opened(tree)
    for element in list(tree.iter()):
        if element.getparent() is None:
            continue
        if not isinstance(element.tag, str) or _is_unseen(element, opened) or _is_furniture(element):
            element.drop_tree()


def _opened(tree: Any) -> set[str]:
    """The ids of parts that a press on something else shows: tabs and accordions, which readers know how to open."""
    found: set[str] = set()
    for attribute in ("aria-controls", "data-target", "data-bs-target"):
        for value in tree.xpath(f"//@{attribute}"):
            found |= {name.lstrip("#") for name in value.split()}
    return found | {value[1:] for value in tree.xpath("//a/@href[starts-with(., '#')]") if len(value) > 1}


def _is_unseen(element: Any, opened: set[str]) -> bool:
    if element.tag in _UNSEEN and not (element.tag == "dialog" and "open" in element.attrib):
        return True
    hidden = element.get("hidden")
    if hidden is None and not _NOT_SHOWN.search(element.get("style") or ""):
        return False
    return not (
        hidden == "until-found"
        or element.get("id") in opened
        or element.get("role") == "tabpanel"
        or element.get("aria-labelledby")
        or _PANEL.search(element.get("class") or "")
    )


def _is_furniture(element: Any) -> bool:
    role = (element.get("role") or "").lower()
    if element.tag in ("html", "body", "main", "article"):
        return False
    inside = _is_inside_content(element)
    if element.tag == "nav" or (role in _MENU_ROLES and not (inside and role == "banner")):
        return True
    if element.tag == "footer":
        return not inside
    if element.tag == "header":
        return not inside and not element.xpath("boolean(.//h1|.//h2|.//h3)")
    if element.tag == "button" and not _opens(element):
        return True
    if element.tag in ("aside", "ul", "div") and not inside and _is_menu(element):
        return True
    names = " ".join(element.get(name) or "" for name in ("id", "class", "aria-label"))
    is_banner = bool(_CONSENT.search(names)) and not inside and element.tag not in ("h1", "h2", "h3", "p", "a", "li")
    return is_banner and element.xpath("boolean(.//button|.//input|.//a) and not(.//h1|.//main|.//article)")


def _is_inside_content(element: Any) -> bool:
    return any(above.tag in ("main", "article", "section", "blockquote", "figure", "td") or above.get("role") == "main"
               for above in element.iterancestors())  # fmt: skip


def _opens(button: Any) -> bool:
    """A button that is the question of an accordion, not an act on the page."""
    has_state = button.get("aria-expanded") is not None or button.get("aria-controls") or button.get("role") == "tab"
    return bool(has_state) or any(above.tag in _TITLES for above in button.iterancestors())


def _is_menu(element: Any) -> bool:
    """Four links or more and hardly a word beside them."""
    if sum(1 for _ in islice(element.iter(), _LARGEST_MENU)) == _LARGEST_MENU:
        return False
    links = element.xpath(".//a[@href]")
    if len(links) < 4 or element.xpath("boolean(.//h1|.//main|.//article)"):
        return False
    words = len(_WORD.findall(element.text_content()))
    return sum(len(_WORD.findall(link.text_content())) for link in links) >= 0.8 * words
