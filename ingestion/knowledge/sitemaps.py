"""Sitemaps (sitemaps.org, version 0.9): XML from outside, read without entities, DTDs or network."""

from __future__ import annotations

from urllib.parse import urlsplit

from ingestion.knowledge.fetch import FetchError, unpack

MAX_BYTES = 20_000_000  # unpacked; the protocol allows 50 MB, no help centre needs it
MAX_ADDRESSES = 50_000
MAX_SITEMAPS = 50


class BadSitemap(Exception):
    """It is no sitemap; the message is a clause that says why."""


def read_sitemap(body: bytes) -> tuple[list[str], list[str]]:
    """(addresses of pages, addresses of further sitemaps). Gzip is told by its first bytes. Raises BadSitemap."""
    from lxml import etree

    if body[:2] == b"\x1f\x8b":
        try:
            body = unpack([body], most=MAX_BYTES)
        except FetchError as error:
            raise BadSitemap(str(error)) from error
    if b"<!DOCTYPE" in body[:2000] or b"<!ENTITY" in body:
        raise BadSitemap("it declares entities, which no sitemap needs")
    # No text form: a page that answers everything with HTML would count as one.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadSitemap(f"it is no XML ({error})"[:200]) from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise BadSitemap(f"its first element is {kind[:40]!r}")
    found: dict[str, None] = {}
    for entry in root:
        if not isinstance(entry.tag, str):
            continue  # a comment
        for child in entry:
            if isinstance(child.tag, str) and etree.QName(child).localname == "loc" and child.text:
                found[child.text.strip()] = None
        if len(found) >= MAX_ADDRESSES:
            break
    return ([], list(found)) if kind == "sitemapindex" else (list(found), [])


def looks_like_sitemap(url: str) -> bool:
    """By the ending of its address."""
    try:
        return urlsplit(url).path.lower().endswith((".xml", ".xml.gz"))
    except ValueError:
        return False
