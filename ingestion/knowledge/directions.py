"""What a page asks of those who read it for others: to be left out, or to be taken for a copy of another page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ingestion.knowledge.documents import Unreadable
from ingestion.knowledge.extract import parse_html

_ROBOTS = ("robots", "countersignbot")
#: A canonical link alone proves nothing: many sites name their first page on every page of a list, and its facts would go.
_FOR_PRINT = re.compile(
    r"(?<![^\W_])(?:print(?:able|er|version|view)?|druck(?:en|version)?|imprimir|amp)(?![^\W_])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Directions:
    is_noindex: bool = False
    copy_of: str = ""  # the address of the page that this one shows in another form


def directions_of(content: bytes, *, url: str, headers: Mapping[str, str], charset: str = "") -> Directions:
    """Of the page's head and of `X-Robots-Tag`. Never fails: a page that cannot be parsed asks for nothing."""
    asked = [headers.get("x-robots-tag", "")]
    canonical = ""
    try:
        tree = parse_html(content, charset)
    except Unreadable:
        tree = None
    if tree is not None:
        asked += [
            meta.get("content") or "" for meta in tree.iter("meta") if (meta.get("name") or "").lower() in _ROBOTS
        ]
        links = (link for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split())
        canonical = next((link.get("href") or "" for link in links), "").strip()
    return Directions(any(_says_noindex(each) for each in asked), _copy_of(url, canonical))


def _says_noindex(asked: str) -> bool:
    """ "noindex, nofollow"; in a header also "ourbot: noindex". What is asked of another robot is not asked of us."""
    robot, colon, rest = asked.lower().rpartition(":")
    if colon and robot.strip() not in _ROBOTS:
        return False
    return bool({"noindex", "none"} & {each.strip() for each in rest.split(",")})


def _copy_of(url: str, canonical: str) -> str:
    try:
        target = urljoin(url, canonical).partition("#")[0] if canonical else ""
        here, there = urlsplit(url), urlsplit(target)
    except ValueError:
        return ""
    if not target or target == url or here.netloc != there.netloc:
        return ""
    is_for_print = _FOR_PRINT.search(f"{here.path}?{here.query}") and not _FOR_PRINT.search(
        f"{there.path}?{there.query}"
    )
    return target if is_for_print else ""
