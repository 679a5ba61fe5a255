"""The tree of a mail's parts (RFC 2045, RFC 2046) as offsets into its bytes: bounded, iterative, nothing copied.

The standard library's parser recurses once for each level (a mail of 10,000 levels ends in RecursionError), compares
every line with every open boundary and keeps several copies of the mail; a help desk reads mail from strangers. Here
a level is one search in C, the depth and the number of parts are capped, and what lies beyond is kept as one file.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from dataclasses import dataclass, field
from functools import cached_property

from conversations.channels.email.reading.headers import Headers, Parameters, parse_headers, parse_parameters

MAX_DEPTH = 30
MAX_PARTS = 1000
# Lines that begin like a delimiter, looked at for one multipart: an honest mail has a few more than parts.
MAX_DELIMITERS = 50_000
MAX_UU_FILES = 100
# More than any honest header block; the search for its end never reads further than this.
HEADER_BLOCK_BYTES = 1024 * 1024
_GUESSED_BOUNDARY = re.compile(
    rb"^--([^\s-][^\s]{0,199}|-[^\s]{1,199})[ \t]*\r?\nContent-", re.MULTILINE | re.IGNORECASE
)
_TYPE = re.compile(r"[\w!#$&^*+.-]{1,80}/[\w!#$&^*+.-]{1,120}")
_CHARSET = re.compile(rb"charset\s{0,5}=\s{0,5}\"?([\w.:-]{2,40})", re.IGNORECASE)
# What is decoded at a time; whole groups of base64.
BLOCK_BYTES = 1024 * 1024
_WHITE_SPACE = b" \t\n\r\x0b\x0c"
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_NO_PADDING = re.compile(rb"[^=]+")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?$", re.MULTILINE)


@dataclass
class Part:
    """One part: its headers, where its body lies in the raw mail, and its children when it is a multipart."""

    raw: bytes = field(repr=False)
    headers: Headers
    body_start: int
    body_end: int
    depth: int = 0
    default_type: str = "text/plain"
    charset_hint: str = ""  # for raw 8-bit parameters: the charset last named before this part
    parent_type: str = ""
    children: list[Part] = field(default_factory=list)
    cut: bool = False  # a multipart too deep or too rich to be opened
    problems: list[str] = field(default_factory=list)

    @cached_property
    def content_type(self) -> Parameters:
        raw = self.headers.raw("content-type")
        # Tolerates a missing semicolon: multipart/mixed boundary="x".
        raw = re.sub(rb"^\s*([\w!#$&^*+.-]+\s*/\s*[\w!#$&^*+.-]+)\s+(?=\w+\*?=)", rb"\1; ", raw, count=1)
        parsed = parse_parameters(raw, charset=self.charset_hint)
        value = re.sub(r"\s+", "", parsed.value)
        if not _TYPE.fullmatch(value):
            # RFC 2045 section 5.2: an unreadable type is text, except where a bare "text" or "html" says which.
            value = {"html": "text/html", "text": "text/plain", "plain": "text/plain"}.get(value, self.default_type)
        return Parameters(value, parsed.parameters)

    @cached_property
    def disposition(self) -> Parameters:
        return parse_parameters(self.headers.raw("content-disposition"), charset=self.charset_hint)

    @property
    def type(self) -> str:
        return self.content_type.value

    @property
    def file_name(self) -> str:
        """As the sender gave it, "" when they gave none."""
        return self.disposition.get("filename") or self.content_type.get("name")

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    @property
    def body(self) -> bytes:
        return self.raw[self.body_start : self.body_end]

    @cached_property
    def content(self) -> bytes:
        """The body without its transfer encoding. A wrong encoding never raises and never loses bytes."""
        # A view: the body of the largest mail is not copied to be decoded.
        body = memoryview(self.raw)[self.body_start : self.body_end]
        content, problem = decode_transfer(body, self.headers.raw("content-transfer-encoding"))
        if problem:
            self.problems.append(problem)
        return content


def parse_tree(raw: bytes) -> Part:
    """Return the root part of a mail. Never raises; at most MAX_PARTS parts, at most MAX_DEPTH levels."""
    root = _open_part(raw, (0, len(raw)), default_type="text/plain")
    count = 1
    stack = [root]
    while stack:
        part = stack.pop()
        if not part.type.startswith("multipart/"):
            continue
        spans = _child_spans(part)
        if not spans:
            continue
        if part.depth + 1 >= MAX_DEPTH or count + len(spans) > MAX_PARTS:
            part.cut = True
            part.problems.append(
                "The message is nested too deeply or has too many parts; the rest is kept as one file."
            )
            continue
        count += len(spans)
        inner_default = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
        for start, end in spans:
            previous = part.children[-1] if part.children else part
            part.children.append(
                _open_part(raw, (start, end), default_type=inner_default, parent=part, before=previous)
            )
        stack.extend(reversed(part.children))
    return root


def walk(root: Part) -> list[Part]:
    """Return every part of the tree, parents first, in the order of the mail."""
    found: list[Part] = []
    stack = [root]
    while stack:
        part = stack.pop()
        found.append(part)
        stack.extend(reversed(part.children))
    return found


def _open_part(
    raw: bytes, span: tuple[int, int], *, default_type: str, parent: Part | None = None, before: Part | None = None
) -> Part:
    start, end = span
    headers, offset = parse_headers(raw[start : min(end, start + HEADER_BLOCK_BYTES)])
    named = _CHARSET.search(headers.raw("content-type"))
    return Part(
        raw=raw,
        headers=headers,
        body_start=min(start + offset, end),
        body_end=end,
        depth=parent.depth + 1 if parent else 0,
        default_type=default_type,
        charset_hint=named[1].decode("ascii") if named else (before.charset_hint if before else ""),
        parent_type=parent.type if parent else "",
    )


def _child_spans(part: Part) -> list[tuple[int, int]]:
    """Find where the children of a multipart lie; an absent or wrong boundary is guessed from the body."""
    boundary = part.content_type.get("boundary").encode("utf-8", "replace").rstrip()
    spans = _spans_between(part, boundary) if boundary else []
    if not spans:
        guess = _GUESSED_BOUNDARY.search(part.raw, part.body_start, part.body_end)
        if guess:
            part.problems.append("The boundary between the parts is wrong or missing; it was guessed.")
            spans = _spans_between(part, guess[1])
    return spans


def _spans_between(part: Part, boundary: bytes) -> list[tuple[int, int]]:
    raw, needle = part.raw, b"\n--" + boundary
    spans: list[tuple[int, int]] = []
    open_at: int | None = None
    # The delimiter may stand on the first line of the body, right after the empty line.
    position = max(0, part.body_start - 1)
    for _ in range(MAX_DELIMITERS):
        found = raw.find(needle, position, part.body_end)
        if found < 0:
            break
        after = found + len(needle)
        line_end = raw.find(b"\n", after, min(part.body_end, after + 1000))
        line_end = min(part.body_end, after + 1000) if line_end < 0 else line_end
        position = max(after, line_end - 1)
        trailing = raw[after:line_end].rstrip(b" \t\r")
        if trailing not in {b"", b"--"}:
            continue  # another boundary that begins like this one
        if open_at is not None:
            spans.append((open_at, max(open_at, _before_line_break(raw, found + 1))))
        # A part after the closing delimiter is broken mail, not an epilogue: only text without delimiter is.
        open_at = None if trailing else min(line_end + 1, part.body_end)
        if len(spans) > MAX_PARTS:
            return spans
    if open_at is not None and open_at < part.body_end:
        spans.append((open_at, part.body_end))  # never closed: cut off in transit
    return spans


def _before_line_break(raw: bytes, position: int) -> int:
    """The line break before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)."""
    position -= raw[position - 1 : position] == b"\n"
    return position - (raw[position - 1 : position] == b"\r")


def decode_transfer(body: memoryview, encoding: bytes) -> tuple[bytes, str]:
    """Undo a Content-Transfer-Encoding; return the bytes and a problem in words ("" when none)."""
    name = encoding.split(b";")[0].strip(b" \t\"'").lower()
    if name in {b"", b"7bit", b"8bit", b"binary", b"7-bit", b"8-bit"}:
        return bytes(body), ""
    if name in {b"quoted-printable", b"quotedprintable"}:
        return binascii.a2b_qp(body), ""
    if name in {b"base64", b"base-64", b"b"}:
        return _decode_base64(body)
    if name in {b"x-uuencode", b"uuencode", b"uue", b"x-uue"}:
        found = uudecode(bytes(body))
        return (found[0][1], "") if found else (bytes(body), "The uuencoded part could not be decoded.")
    return (
        bytes(body),
        f"The transfer encoding “{name[:40].decode('ascii', 'replace')}” is unknown; the part is kept as it is.",
    )


def _decode_base64(body: memoryview) -> tuple[bytes, str]:
    out, rest = io.BytesIO(), b""
    try:
        # In blocks: the lines of a large file, each an object, would take several times its memory.
        for start in range(0, len(body), BLOCK_BYTES):
            block = rest + bytes(body[start : start + BLOCK_BYTES]).translate(None, _WHITE_SPACE)
            # The last group, which alone may be padded, waits for what follows it.
            whole = max(0, len(block) - 1) // 4 * 4
            if b"=" in block[:whole]:
                raise binascii.Error("There is something behind the padding.")
            out.write(base64.b64decode(block[:whole], validate=True))
            rest = block[whole:]
        if rest not in {b"=", b"=="}:  # padding that was not needed
            out.write(base64.b64decode(rest, validate=True))
        return out.getvalue(), ""
    except binascii.Error:
        return _decode_damaged_base64(body)


def _decode_damaged_base64(body: memoryview) -> tuple[bytes, str]:
    """Text after the padding is a mailing list's footer, anything else outside the alphabet is damage."""
    stripped = bytes(body).translate(None, _NOT_BASE64)
    if len(stripped) < len(body) // 2:
        return bytes(body), "A part said to be base64 is not; it is kept as it is."
    out = io.BytesIO()
    for run in _NO_PADDING.finditer(stripped):
        start, end = run.span()
        end -= (end - start) % 4 == 1
        for at in range(start, end, BLOCK_BYTES):
            group = stripped[at : min(at + BLOCK_BYTES, end)]
            out.write(base64.b64decode(group + b"=" * (-len(group) % 4)))
    return out.getvalue(), "A part is damaged base64; what could be decoded is kept."


def uudecode(body: bytes) -> list[tuple[str, bytes, int, int]]:
    """Return the uuencoded files inside `body`: name, content, and the span to cut out of the text."""
    files: list[tuple[str, bytes, int, int]] = []
    position = 0
    while len(files) < MAX_UU_FILES and (begin := _UU_BEGIN.search(body, position)):
        position = begin.end() + 1
        content, ended, cursor = bytearray(), False, position
        while cursor < len(body):
            line_end = body.find(b"\n", cursor)
            after = len(body) if line_end < 0 else line_end + 1
            line = body[cursor:after].rstrip(b"\r\n")
            cursor = after
            if line == b"end":
                ended = True
                break
            if len(line) > 90 or (line and not 32 <= line[0] <= 96):
                break
            try:
                content += binascii.a2b_uu(line) if line else b""
            except binascii.Error:
                # Encoders that pad wrongly: decode the bytes that the length character promises.
                length = (((line[0] - 32) & 63) * 4 + 5) // 3
                try:
                    content += binascii.a2b_uu(line[:length])
                except binascii.Error:
                    break
        if ended:
            name = begin[1].decode("utf-8", "replace").strip().strip('"')
            files.append((name, bytes(content), begin.start(), cursor))
            position = cursor
    return files
