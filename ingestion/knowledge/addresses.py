"""Web addresses as the crawler compares them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ingestion.knowledge.fetch import check_address

_NO_PAGE = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svg|ico|css|js|mjs|json|xml|rss|atom|zip|gz|tar|rar|7z|exe|dmg|apk|mp[34]|m4[av]|mov"
    r"|avi|webm|ogg|wav|woff2?|ttf|eot|xlsx?|pptx?|csv)$",
    re.IGNORECASE,
)
_TRACKING = re.compile(r"^(?:utm_\w+|fbclid|gclid|msclkid|mc_[ce]id|ref)$")


def same_site(url: str, other: str) -> bool:
    """One host and port; a leading www. makes no difference."""
    first, second = urlsplit(url), urlsplit(other)
    return _host(first.hostname) == _host(second.hostname) and first.port == second.port


def _host(name: str | None) -> str:
    return (name or "").removeprefix("www.")


def tidy(url: str) -> str:
    """The address without what only says where a visitor came from. Raises FetchError."""
    parts = urlsplit(check_address(url))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if any(_TRACKING.match(name) for name, _ in pairs):
        parts = parts._replace(query=urlencode([pair for pair in pairs if not _TRACKING.match(pair[0])]))
    return urlunsplit(parts)


def may_be_page(url: str) -> bool:
    """Whether the ending of an address does not already say that it is a picture, a film or a program."""
    return _NO_PAGE.search(urlsplit(url).path) is None


def joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target  # no address at all; `check_address` says so
