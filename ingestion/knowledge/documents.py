"""PDF and DOCX to Markdown, in a process of their own: `python documents.py pdf < file`. Imports nothing of ours.

A file from outside can ask for any amount of memory and time, so that process has a limit on both.
"""

from __future__ import annotations

import json
import resource
import sys
from io import BytesIO
from typing import Any

MAX_TEXT = 3_000_000  # characters of a document: about a thousand pages
SECONDS, MEMORY = 60, 1_500_000_000
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
#: Deleted by a reviewer, moved away, codes of fields, and the second copy of a drawing for old programs: no page shows them.
_UNSEEN = {f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", f"{_W}delText", _FALLBACK}


class Unreadable(Exception):
    """There is no text to be had; the message is a clause that says why."""


def read_pdf(content: bytes) -> dict[str, Any]:
    """A page that is a picture has no words for us; it is named, so that people know what drafts cannot quote."""
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("it is encrypted; save it without a password")
    parts, pictures, size = [], [], 0
    for number, page in enumerate(reader.pages, 1):
        text = (page.extract_text() or "").strip()
        size += len(text)
        if size > MAX_TEXT:
            raise Unreadable(f"it holds more than {MAX_TEXT:,} characters; cut it into several files")
        if text:
            parts.append(f"## Page {number}\n\n{text}")
        elif _has_picture(page):
            pictures.append(f"Page {number} is a picture without text, a scan perhaps.")
    title = reader.metadata.title if reader.metadata else ""
    return {"title": str(title or ""), "text": "\n\n".join(parts), "missing": pictures}


def _has_picture(page: Any) -> bool:
    try:
        objects = page["/Resources"]["/XObject"]
        return any(objects[name]["/Subtype"] == "/Image" for name in objects)
    except (KeyError, TypeError):
        return False


def read_docx(content: bytes) -> dict[str, Any]:
    """With content controls, text boxes, notes and nested tables; insertions that wait for a reviewer count as made."""
    from docx import Document

    document = Document(BytesIO(content))
    styles = {style.style_id: style.name or "" for style in document.styles}
    parts: list[str] = []
    for text in _blocks(document.element.body, styles, _notes(document)):
        if text.startswith("- ") and parts and parts[-1].rpartition("\n")[2].startswith("- "):
            parts[-1] += f"\n{text}"
        else:
            parts.append(text)
    return {"title": document.core_properties.title or "", "text": "\n\n".join(parts), "missing": []}


def _blocks(parent: Any, styles: dict[str, str], notes: dict[str, str]) -> list[str]:
    found: list[str] = []
    for child in parent:
        if child.tag in _UNSEEN:
            continue
        if child.tag == f"{_W}p":
            found += [text for text in [_paragraph(child, styles, notes)] if text]
            for box in _boxes(child):
                found += _blocks(box, styles, notes)
        elif child.tag == f"{_W}tbl":
            found += _table(child, styles, notes)
        elif isinstance(child.tag, str):  # content controls, insertions, custom XML: what they wrap stands on the page
            found += _blocks(child, styles, notes)
    return found


def _paragraph(paragraph: Any, styles: dict[str, str], notes: dict[str, str]) -> str:
    text = _words(paragraph, notes).strip()
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    name = styles.get(style.get(f"{_W}val"), "") if style is not None else ""
    if not text:
        return ""
    if name == "Title":
        return f"# {text}"
    if name.startswith("Heading ") and name[8:].isdigit():
        return f"{'#' * min(6, int(name[8:]))} {text}"
    is_item = name.startswith("List") or paragraph.find(f"{_W}pPr/{_W}numPr") is not None
    return f"- {text}" if is_item else text


def _words(parent: Any, notes: dict[str, str]) -> str:
    """In order; not those of text boxes, which are paragraphs of their own."""
    parts: list[str] = []
    for child in parent:
        if child.tag in _UNSEEN or child.tag == f"{_W}txbxContent":
            continue
        if child.tag == f"{_W}t":
            parts.append(child.text or "")
        elif child.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif child.tag == f"{_W}tab" and parent.tag == f"{_W}r":
            parts.append("\t")
        elif child.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif child.tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
            note = notes.get(child.tag[len(_W) : len(_W) + 3] + child.get(f"{_W}id", ""), "")
            parts.append(f" ({note.rstrip('.')})" if note else "")
        elif not _is_hidden(child):
            parts.append(_words(child, notes))
    return "".join(parts)


def _is_hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish") if run.tag == f"{_W}r" else None
    return vanish is not None and vanish.get(f"{_W}val") not in ("0", "false")


def _boxes(paragraph: Any) -> list[Any]:
    """The text boxes that hang on a paragraph, outermost only, not their copies for old programs."""
    return [
        box
        for box in paragraph.iter(f"{_W}txbxContent")
        if not any(above.tag in (*_UNSEEN, f"{_W}txbxContent") for above in box.iterancestors())
    ]


def _table(table: Any, styles: dict[str, str], notes: dict[str, str]) -> list[str]:
    """Its rows with merged cells said in each place that they cover; tables inside of it follow it."""
    rows: list[list[str]] = []
    inner: list[str] = []
    for row in _own(table, f"{_W}tr"):
        cells: list[str] = []
        for cell in _own(row, f"{_W}tc"):
            across = cell.find(f"{_W}tcPr/{_W}gridSpan")
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            at = len(cells)
            if merged is not None and merged.get(f"{_W}val") != "restart" and rows and at < len(rows[-1]):
                text = rows[-1][at]
            else:
                blocks = _blocks(cell, styles, notes)
                text = " ".join(" ".join(each.split()) for each in blocks if not each.startswith("|")).replace(
                    "|", "\\|"
                )
                inner += [each for each in blocks if each.startswith("|")]
            cells += [text] * min(60, int(across.get(f"{_W}val")) if across is not None else 1)
        if any(cells):
            rows.append(cells)
    if not rows:
        return inner
    if len(rows) == 1 or max(map(len, rows)) == 1:
        return [*[cell for row in rows for cell in dict.fromkeys(row) if cell], *inner]
    width = max(map(len, rows))
    if not _has_names(table):
        rows.insert(0, [""] * width)
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in rows]
    return ["\n".join([lines[0], f"|{'---|' * width}", *lines[1:]]), *inner]


def _own(parent: Any, tag: str) -> list[Any]:
    """Rows or cells of a table, also those in content controls, but not those of tables inside of it."""
    found = []
    for child in parent:
        if child.tag == tag:
            is_deleted = child.find(f"{_W}trPr/{_W}del") is not None
            found += [] if is_deleted else [child]
        elif child.tag not in _UNSEEN and child.tag != f"{_W}tbl":
            found += _own(child, tag)
    return found


def _has_names(table: Any) -> bool:
    """Whether the first row names the columns: unless the table's look says that it does not."""
    look = table.find(f"{_W}tblPr/{_W}tblLook")
    repeated = table.find(f"{_W}tr/{_W}trPr/{_W}tblHeader") is not None
    return repeated or look is None or look.get(f"{_W}firstRow") not in ("0", "false")


def _notes(document: Any) -> dict[str, str]:
    """The words of foot- and endnotes by kind and number."""
    from lxml import etree

    found: dict[str, str] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rpartition("/")[2]
        if kind in ("footnotes", "endnotes") and not relation.is_external:
            parser = etree.XMLParser(resolve_entities=False, no_network=True)
            for note in etree.fromstring(relation.target_part.blob, parser):
                found[kind[:3] + note.get(f"{_W}id", "")] = " ".join(_words(note, {}).split())
    return found


def main() -> None:
    """Bytes in, JSON out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        answer = {"pdf": read_pdf, "docx": read_docx}[sys.argv[1]](sys.stdin.buffer.read())
        answer["title"] = answer["title"][:500]
    except Unreadable as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "reading it took too much memory"}
    except Exception as error:  # whatever a library says about a damaged file, it is damaged
        answer = {"error": f"it is damaged ({error.__class__.__name__})"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
