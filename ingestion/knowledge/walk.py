"""The walk through a page from top to bottom, which writes down its blocks as Markdown."""

from __future__ import annotations

import re
from typing import Any

from ingestion.knowledge.tables import Contradictory, own_rows, read_table

INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "button",
        "cite",
        "code",
        "data",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "output",
        "picture",
        "q",
        "rp",
        "rt",
        "ruby",
        "samp",
        "small",
        "source",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MARK = re.compile(r"\[?([\d*†‡§]{1,3}|[a-z])[\])]?", re.IGNORECASE)
_STARTS_LIKE_MARKDOWN = re.compile(r"^(?=#{1,6}\s|\|)")


# --- footnotes ---------------------------------------------------------------------------------------------------------
def footnotes(tree: Any) -> dict[str, str]:
    """Mark -> what stands behind it where a block begins with the mark."""
    found: dict[str, str] = {}
    for sup in tree.iter("sup"):
        mark, block = mark_of(sup), _block_of(sup)
        words = " ".join(block.text_content().split())
        if mark and _begins(block, sup) and len(words) > len(sup.text_content().strip()):
            found.setdefault(mark, words.removeprefix(sup.text_content().strip()).strip())
    return found


def mark_of(sup: Any) -> str:
    match = _MARK.fullmatch("".join(sup.text_content().split()))
    return match[1] if match else ""


def _block_of(element: Any) -> Any:
    return next((above for above in element.iterancestors() if above.tag not in INLINE), element)


def _begins(block: Any, sup: Any) -> bool:
    for stretch in block.itertext(with_tail=False):
        if stretch.strip():
            return bool(sup.text_content().strip().startswith(stretch.strip())) and sup in list(block.iter("sup"))[:1]
    return False


# --- the walk ----------------------------------------------------------------------------------------------------------
class Walk:
    """Collects blocks of Markdown; words that are not in a block yet wait in ``open``."""

    def __init__(self, notes: dict[str, str], *, level: int = 0) -> None:
        self.notes, self.level = notes, level
        self.blocks: list[str] = []
        self.open: list[str] = []
        self.left_out: list[str] = []

    def close(self) -> None:
        words = _tidy("".join(self.open))
        self.open = []
        if words:
            self.blocks.append(_STARTS_LIKE_MARKDOWN.sub(r"\\", words))

    def into(self, element: Any) -> None:
        self.open.append(element.text or "")
        for child in element:
            if isinstance(child.tag, str):
                self.element(child)
            self.open.append(child.tail or "")

    def element(self, element: Any) -> None:
        tag = element.tag
        if tag == "br":
            self.open.append("\v")
        elif tag == "sup":
            self.open.append(self.raised(element))
        elif tag == "button":
            self.heading(element, self.level + 1)
        elif tag in INLINE:
            self.into(element)
        elif tag in _HEADINGS:
            self.level = _HEADINGS[tag]
            self.heading(element, self.level)
        else:
            self.close()
            self.block(element)
            self.close()

    def block(self, element: Any) -> None:
        tag = element.tag
        if tag == "table":
            self.table(element)
        elif tag in ("ul", "ol", "menu"):
            self.items(element)
        elif tag == "dl":
            self.definitions(element)
        elif tag == "summary":
            self.heading(element, self.level + 1)
        elif tag == "details":
            before, self.level = self.level, min(5, self.level + 1)
            for child in element:
                if child.tag == "summary":
                    self.heading(child, self.level)
            self.into_all_but(element, "summary")
            self.level = before
        elif tag == "pre":
            self.blocks.append(f"```\n{element.text_content().strip(chr(10))}\n```")
        elif tag == "blockquote":
            self.blocks += ["> " + block.replace("\n", "\n> ") for block in self.inside(element)]
        else:
            self.into(element)

    def into_all_but(self, element: Any, tag: str) -> None:
        self.open.append(element.text or "")
        for child in element:
            if child.tag != tag:
                self.element(child)
            self.open.append(child.tail or "")

    def heading(self, element: Any, level: int) -> None:
        self.close()
        words = " ".join(self.line(element).split())
        if words:
            self.blocks.append(f"{'#' * max(1, min(6, level))} {words}")

    def items(self, element: Any) -> None:
        lines: list[str] = []
        number = int(start) if (start := element.get("start") or "1").isdigit() else 1
        for child in element:
            inner = self.inside(child)
            if child.tag in ("ul", "ol"):  # a list right inside of a list, as old editors write it
                lines += [f"  {line}" for block in inner for line in block.split("\n")]
            elif inner:
                mark = f"{number}. " if element.tag == "ol" else "- "
                number += 1
                if inner[0].startswith(("|", "#", "```")):
                    lines.append(f"\n{inner[0]}\n")
                else:
                    lines.append(mark + inner[0].replace("\n", "\n  "))
                for block in inner[1:]:
                    is_apart = block.startswith(("|", "#", "```"))
                    lines.append(f"\n{block}\n" if is_apart else "  " + block.replace("\n", "\n  "))
        if lines:
            self.blocks.append("\n".join(lines).strip("\n"))

    def definitions(self, element: Any) -> None:
        """A term and its meaning on one line; what is asked and answered, or needs more than a line, under a heading."""
        terms: list[str] = []
        meanings: list[list[str]] = []

        def said() -> None:
            name = ", ".join(terms)
            is_line = len(meanings) == 1 and len(meanings[0]) == 1 and "\n" not in meanings[0][0]
            if name and is_line and not name.endswith("?") and not meanings[0][0].startswith(("|", "#", "-")):
                self.blocks.append(f"- {name}: {meanings[0][0]}")
            else:
                self.blocks += [f"{'#' * min(6, self.level + 1)} {name}"] if name else []
                self.blocks += [block for meaning in meanings for block in meaning]
            terms.clear()
            meanings.clear()

        for child in element.iter("dt", "dd"):
            if next(child.iterancestors("dl")) is not element:
                continue
            if child.tag == "dt":
                if meanings:
                    said()
                terms.append(" ".join(self.line(child).split()))
            else:
                meanings.append(self.inside(child))
        if terms or meanings:
            said()

    def table(self, table: Any) -> None:
        rows = own_rows(table)
        for caption in table.xpath("./caption"):
            self.blocks += self.inside(caption)
        if _is_layout(table, rows):
            for cell in (cell for row in rows for cell in row):
                self.close()
                self.into(cell)
            self.close()
            return
        inner = {id(each): each for cell in table.iter("td", "th") for each in cell.iter("table")}
        try:
            self.blocks += list(read_table(table, self.line, level=self.level))
        except Contradictory:
            words = " ".join(" ".join(table.itertext()).split())
            self.left_out.append(f"A table whose cells overlap was left out: {words}"[:200])
        for each in inner.values():
            if next(each.iterancestors("table"), None) is table:
                cell = next(each.iterancestors("td", "th"))
                name = self.line(next(iter(cell.getparent())))
                self.blocks += [f"{'#' * min(6, self.level + 1)} {name}"] if name else []
                self.table(each)

    def inside(self, element: Any) -> list[str]:
        walk = Walk(self.notes, level=self.level)
        if isinstance(element.tag, str):
            walk.into(element)
            walk.close()
        self.left_out += walk.left_out
        return walk.blocks

    def line(self, element: Any) -> str:
        """All of it on one line, but for tables inside of it, which are read by themselves."""
        parts: list[str] = [element.text or ""]
        for child in element:
            if child.tag == "sup":
                parts.append(self.raised(child))
            elif isinstance(child.tag, str) and child.tag != "table":
                if child.tag == "li" and child.getprevious() is not None:
                    parts.append(",")
                apart = "" if child.tag in INLINE else " "
                parts += [apart, self.line(child), apart]
            parts.append(child.tail or "")
        return re.sub(r"\s+", " ", "".join(parts))

    def raised(self, sup: Any) -> str:
        """Raised signs: a footnote's mark becomes what the note says, so that "12" with note 1 does not become 121."""
        words, mark = "".join(sup.text_content().split()), mark_of(sup)
        if mark and _begins(_block_of(sup), sup) and mark in self.notes:
            return f"[{mark}] "
        if note := self.notes.get(mark):
            return f" ({note.rstrip('.')})" if len(note) <= 200 else f" [{mark}]"
        if sup.xpath("boolean(.//a)"):
            return f" [{words}]"
        return f"^{words}" if words[:1].isdigit() else words


def _tidy(words: str) -> str:
    lines = (" ".join(line.split()) for line in words.replace("\n", " ").split("\v"))
    return "\n".join(line for line in lines if line)


def _is_layout(table: Any, rows: list[Any]) -> bool:
    """A table that only puts things side by side: it says so, has one column, or holds sections and no names."""
    if table.get("role") in ("presentation", "none"):
        return True
    own = [cell for row in rows for cell in row if cell.tag in ("td", "th")]
    if any(cell.tag == "th" for cell in own):
        return False
    if all(len(row) <= 1 for row in rows):
        return True
    return any(cell.xpath("boolean(.//table|.//h1|.//h2|.//h3|.//h4|.//p[2]|.//form)") for cell in own)
