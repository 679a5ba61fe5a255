"""Files and web pages to Markdown with their headings. Knows no Django and no network.

PDF and DOCX are read in a process of their own (documents.py), pages by a walk of what a browser shows (page.py).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from conversations.web.sanitise import has_endless_tag
from ingestion.knowledge import documents
from ingestion.knowledge.documents import MAX_TEXT, SECONDS, Unreadable
from ingestion.knowledge.page import read_page
from ingestion.knowledge.tables import repeat_names

MAX_BYTES = 25_000_000  # of a file
MAX_HTML = 3_000_000  # bytes of a page that are looked at
MAX_LINKS = 400
_UNZIPPED, _MEMBERS = 200_000_000, 5_000
_SECONDS = SECONDS
KINDS = {
    ".md": "text",
    ".markdown": "text",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
}
HTML = ("text/html", "application/xhtml+xml", "")  # a server's word for a page, or none
_FILES = {
    "application/pdf": "page.pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "page.docx",
    "text/plain": "page.txt",
    "text/markdown": "page.md",
}
_FIRST_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_IN_HEAD = {"base", "link", "meta", "noscript", "script", "style", "template", "title"}
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Extracted:
    """Markdown, what to call it, and what a reader of the original sees that is not in it."""

    title: str
    text: str
    shown: int = 0  # words
    lost: int = 0  # words of these that are not in the text
    missing: tuple[str, ...] = ()  # said to people


def read_file(name: str, content: bytes) -> Extracted:
    """The text of a Markdown, HTML, PDF or DOCX file; its kind is told by the ending of the name. Raises Unreadable."""
    kind = KINDS.get(PurePosixPath(name).suffix.lower())
    if kind is None:
        raise Unreadable(f"only {', '.join(sorted(set(KINDS)))} files are read")
    if not content.strip():
        raise Unreadable("it is empty")
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES / 1e6:.0f} MB")
    if kind == "text":
        if b"\0" in content[:4096]:
            raise Unreadable("it is not a text")
        found = Extracted("", repeat_names(decode(content)))
    elif kind == "html":
        found = read_html(content)
    else:
        found = _apart(kind, content)
    text = found.text.strip()
    if not text:
        raise Unreadable("it holds no text (a scan or pictures only, perhaps)" if kind == "pdf" else "it holds no text")
    if len(text) > MAX_TEXT:
        raise Unreadable(f"it holds more than {MAX_TEXT:,} characters; cut it into several files")
    heading = _FIRST_HEADING.search(text) if kind != "pdf" else None
    stem = PurePosixPath(name).stem.replace("-", " ").replace("_", " ").strip()
    title = found.title.strip() or (heading[1] if heading else "") or stem or name
    return replace(found, title=title, text=text)


def read_html(content: bytes, *, charset: str = "") -> Extracted:
    """The main text of a page as Markdown, without its menus and footers. Raises Unreadable."""
    tree = parse_html(content, charset)
    titles = tree.xpath("string(//title)").split()
    try:
        page = read_page(tree)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    text = page.text[:MAX_TEXT]
    if not text:
        raise Unreadable("it holds no text")
    heading = _FIRST_HEADING.search(text)
    return Extracted(" ".join(titles) or (heading[1] if heading else ""), text, page.shown, page.lost, page.missing)


def read_answer(url: str, content: bytes, *, media_type: str, charset: str) -> Extracted:
    """What a server sent for this address: a page, or a file that is read. Raises Unreadable."""
    if media_type in HTML:
        return read_html(content, charset=charset)
    if kind := _FILES.get(media_type):
        found = read_file(kind, content)
        name = urlsplit(url).path.rpartition("/")[2]
        return replace(found, title=found.title if found.title != "page" else name or url)
    raise Unreadable(f"it is neither a page nor a document ({media_type[:60]})")


def links_of(content: bytes, *, base: str, charset: str = "") -> list[str]:
    """The addresses that a page links to, absolute, without fragments, in order, each once; nofollow is left out."""
    try:
        tree = parse_html(content, charset)
    except Unreadable:
        return []
    base = urljoin(base, (tree.xpath("string(//base/@href)") or "").strip())
    found: dict[str, None] = {}
    for anchor in tree.xpath("//a[@href]"):
        if "nofollow" in (anchor.get("rel") or "").lower().split():
            continue
        try:
            link = urljoin(base, anchor.get("href").strip()).partition("#")[0]
            wanted = urlsplit(link).scheme in ("http", "https") and len(link) <= 1000
        except ValueError:
            continue
        if wanted:
            found[link] = None
        if len(found) >= MAX_LINKS:
            break
    return list(found)


def decode(content: bytes, charset: str = "") -> str:
    """Text of bytes: as UTF-8 if it is, else as said, else as Windows would. Never fails."""
    for name in ("utf-8-sig", charset or "utf-8", "cp1252"):
        try:
            return content.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("utf-8", "replace")


def parse_html(content: bytes, charset: str) -> Any:
    """The root of an lxml document. Raises Unreadable."""
    from lxml import etree, html

    declared = _META_CHARSET.search(content[:4096])
    text = decode(content[:MAX_HTML], charset or (declared[1].decode("ascii", "replace") if declared else ""))
    if has_endless_tag(text):  # perhaps it is a "less than" in a script
        text = _SCRIPT.sub("", text)
    if has_endless_tag(text):
        raise Unreadable("a tag in it has more attributes than anybody writes")
    try:
        # As bytes of a known charset: a text with an XML declaration is refused by the parser.
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("it is no HTML") from error
    _end_head(tree)
    return tree


def _end_head(tree: Any) -> None:
    """The parser (libxml2) knows HTML 4: what HTML added since, main and article too, does not end a head whose end tag was
    left out, as it may be (HTML Standard 13.1.2.4), and the whole page stands in the head. It is put into the body."""
    head, body = tree.find("head"), tree.find("body")
    if head is None:
        return
    page = list(dropwhile(lambda one: not isinstance(one.tag, str) or one.tag in _IN_HEAD, head))
    if page and body is None:
        body = tree.makeelement("body")
        tree.append(body)
    for place, one in enumerate(page):
        body.insert(place, one)


def _apart(kind: str, content: bytes) -> Extracted:
    """Read in a process of its own. Raises Unreadable, also when that process dies of its limits."""
    if kind == "docx":
        _refuse_bomb(content)
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(documents.__file__).resolve()), kind],
            input=content,
            capture_output=True,
            timeout=_SECONDS * 2,
            check=False,
        )
        answer: Any = json.loads(done.stdout or b"{}")
    except subprocess.TimeoutExpired:
        raise Unreadable("reading it took too long") from None
    except ValueError:
        answer = {}
    if answer.get("error"):
        raise Unreadable(str(answer["error"])[:200])
    if "text" not in answer:
        raise Unreadable("reading it took too much memory or time")
    return Extracted(
        str(answer["title"]),
        repeat_names(str(answer["text"])),
        missing=tuple(str(each) for each in answer["missing"][:20]),
    )


def _refuse_bomb(content: bytes) -> None:
    """By what the archive says of itself; the reader never unpacks more of a member than that."""
    try:
        members = zipfile.ZipFile(BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Unreadable("it is no DOCX file, or damaged (an encrypted one looks the same)") from None
    if len(members) > _MEMBERS or sum(member.file_size for member in members) > _UNZIPPED:
        raise Unreadable(f"unpacked it would be larger than {_UNZIPPED / 1e6:.0f} MB")
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("it is encrypted; save it without a password")
