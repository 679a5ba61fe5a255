"""Files and web pages to Markdown with their headings. Knows no Django and no network.

PDF and DOCX are read in a process of their own with a limit on memory and time, for a file from outside can ask for any
amount of both: this module is also that process (`python extract.py pdf < file`).
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

MAX_BYTES = 25_000_000  # of a file
MAX_TEXT = 3_000_000  # characters of a document: about a thousand pages
MAX_HTML = 3_000_000  # bytes of a page that are looked at
MAX_LINKS = 400
_UNZIPPED, _MEMBERS = 200_000_000, 5_000
_SECONDS, _MEMORY = 60, 1_500_000_000
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
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]<>()#+\-.!|~])")
_FIRST_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_NOT_CONTENT = (
    "//nav|//aside|//footer|//script|//style|//noscript|//template|//form|//*[@role='navigation']|//body/header"
)


class Unreadable(Exception):
    """There is no text to be had; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Markdown, and what to call it."""

    title: str
    text: str


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
        found = Extracted("", decode(content))
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
    return Extracted(found.title.strip() or (heading[1] if heading else "") or stem or name, text)


def read_html(content: bytes, *, charset: str = "") -> Extracted:
    """The main text of a page as Markdown, without its menus and footers. Raises Unreadable."""
    tree = _tree(content, charset)
    titles = tree.xpath("string(//title)").split()
    for each in tree.xpath(_NOT_CONTENT):
        each.drop_tree()
    _mark_main(tree)
    import trafilatura

    try:
        found = trafilatura.extract(
            tree, output_format="markdown", include_tables=True, include_comments=False, config=_config()
        )
    except Exception as error:  # a library over a hostile page: whatever it raises, this page has no text
        raise Unreadable(f"its text could not be found ({error.__class__.__name__})") from error
    if not found or not found.strip():
        raise Unreadable("it holds no text")
    text = _ESCAPED.sub(r"\1", found)[:MAX_TEXT]
    heading = _FIRST_HEADING.search(text)
    return Extracted(" ".join(titles) or (heading[1] if heading else ""), text)


def links_of(content: bytes, *, base: str, charset: str = "") -> list[str]:
    """The addresses that a page links to, absolute, without fragments, in order, each once; nofollow is left out."""
    try:
        tree = _tree(content, charset)
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


def _tree(content: bytes, charset: str) -> Any:
    from lxml import etree, html

    declared = _META_CHARSET.search(content[:4096])
    text = decode(content[:MAX_HTML], charset or (declared[1].decode("ascii", "replace") if declared else ""))
    try:
        # As bytes of a known charset: a text with an XML declaration is refused by the parser.
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("it is no HTML") from error
    return tree


def _mark_main(tree: Any) -> None:
    """A page that does not say where its content is says now: everything. Nothing of it is lost to guessing then."""
    body = tree.find("body")
    if body is None or tree.xpath("//main|//article|//*[@role='main']"):
        return
    body.tag = "main"
    parent = body.getparent()
    if parent is not None:
        index = parent.index(body)
        outer = parent.makeelement("body")
        parent.insert(index, outer)
        outer.append(body)


@lru_cache(maxsize=1)
def _config() -> Any:
    """trafilatura takes short pages for failures by default; a short answer is an answer."""
    import copy

    from trafilatura.settings import DEFAULT_CONFIG

    config = copy.deepcopy(DEFAULT_CONFIG)
    for name in ("MIN_EXTRACTED_SIZE", "MIN_OUTPUT_SIZE", "MIN_FILE_SIZE"):
        config.set("DEFAULT", name, "1")
    return config


def _apart(kind: str, content: bytes) -> Extracted:
    """Read in a process of its own. Raises Unreadable, also when that process dies of its limits."""
    if kind == "docx":
        _refuse_bomb(content)
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).resolve()), kind],
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
    return Extracted(str(answer["title"]), str(answer["text"]))


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


def _pdf(content: bytes) -> Extracted:
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("it is encrypted; save it without a password")
    parts, size = [], 0
    for number, page in enumerate(reader.pages, 1):
        text = (page.extract_text() or "").strip()
        size += len(text)
        if size > MAX_TEXT:
            raise Unreadable(f"it holds more than {MAX_TEXT:,} characters; cut it into several files")
        if text:
            parts.append(f"## Page {number}\n\n{text}")
    title = reader.metadata.title if reader.metadata else ""
    return Extracted(str(title or ""), "\n\n".join(parts))


def _docx(content: bytes) -> Extracted:
    from docx import Document
    from docx.table import Table

    document = Document(BytesIO(content))
    parts: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            rows = [[" ".join(cell.text.split()).replace("|", "/") for cell in row.cells] for row in block.rows]
            lines = ["| " + " | ".join(row) + " |" for row in rows]
            if lines:
                lines.insert(1, "|" + "---|" * len(rows[0]))
            parts.append("\n".join(lines))
            continue
        text = block.text.strip()
        if not text:
            continue
        style = (block.style.name or "") if block.style is not None else ""
        if style == "Title":
            text = f"# {text}"
        elif style.startswith("Heading ") and style[8:].isdigit():
            text = f"{'#' * min(6, int(style[8:]))} {text}"
        elif style.startswith("List"):
            text = f"- {text}"
        if text.startswith("- ") and parts and parts[-1].rpartition("\n")[2].startswith("- "):
            parts[-1] += f"\n{text}"
        else:
            parts.append(text)
    return Extracted(document.core_properties.title or "", "\n\n".join(parts))


def main() -> None:
    """The process apart: bytes in, JSON out."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    try:
        found = {"pdf": _pdf, "docx": _docx}[sys.argv[1]](sys.stdin.buffer.read())
        answer = {"title": found.title[:500], "text": found.text}
    except Unreadable as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "reading it took too much memory"}
    except Exception as error:  # whatever a library says about a damaged file, it is damaged
        answer = {"error": f"it is damaged ({error.__class__.__name__})"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
