"""Header fields of a mail: found, unfolded and decoded, however broken (RFC 5322, 2047, 2231, 6532).

The standard library's header classes raise on real mail and its address parser recurses, so this module reads fields
itself: every function is linear in its input and none raises.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from conversations.channels.email.reading.charsets import clean_text, codec_for, decode_bytes

# One field longer than this is cut; a mail with more fields than this loses the rest (the raw bytes are kept anyway).
FIELD_BYTES = 64 * 1024
MAX_FIELDS = 1000
# RFC 2047 says 75 characters; mailers write whole subjects. The bound keeps a run of openings without end linear.
ENCODED_WORD = re.compile(r"=\?([\w!#$%&'*+.^`{|}~-]{1,60})\?([bBqQ])\?(.{0,2000}?)\?=", re.DOTALL)
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
# Fields that prove that a header block goes on after a line that is none.
_KNOWN_FIELD = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|sender|reply-to|return-path|received|message-id|in-reply-to|references|"
    rb"mime-version|content-[a-z-]+|x-[a-z0-9-]+|dkim-[a-z-]+|arc-[a-z-]+|list-[a-z-]+|resent-[a-z-]+|"
    rb"authentication-results|delivered-to|user-agent|importance|precedence|auto-submitted|thread-[a-z]+)[ \t]*:",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,990})>")
_NUMERIC_DATE = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)[T ](\d\d?):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")


class Headers:
    """The fields of one header block in their order; names in lower case, values as raw bytes until asked for."""

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self.fields = fields

    def raw(self, name: str) -> bytes:
        """Return the first field of that name, b"" when absent. A later duplicate never overrides the first."""
        return next((value for key, value in self.fields if key == name), b"")

    def all_raw(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def text(self, name: str, *, charset: str = "") -> str:
        """Return the first field decoded, white space at both ends cut, "" when absent."""
        return decode_words(self.plain(name, charset=charset)).strip()

    def plain(self, name: str, *, charset: str = "") -> str:
        """Return the first field as text with its encoded words still encoded: for values that have a grammar."""
        return raw_to_text(self.raw(name), charset=charset)


def parse_headers(block: bytes) -> tuple[Headers, int]:
    """Read the header block at the start of `block`; return it and the offset at which the body starts.

    A line that is no field counts as a continuation that lost its indent when a known field follows within a few
    lines; else the body starts there.
    """
    fields: list[tuple[str, bytearray]] = []
    position, end = 0, len(block)
    while position < end:
        line_end = block.find(b"\n", position)
        after = end if line_end < 0 else line_end + 1
        line = block[position : min(after, position + FIELD_BYTES)].rstrip(b"\r\n")
        if not line.strip(b" \t\r\x00"):
            # White space alone folds nothing by RFC 5322, but broken mailers put it between two fields.
            if line and fields and _KNOWN_FIELD.match(block, after):
                position = after
                continue
            return _headers(fields), after
        match = _FIELD.match(line)
        if line[:1] in b" \t" and fields:
            if len(fields[-1][1]) < FIELD_BYTES:
                fields[-1][1].extend(b" " + line.strip(b" \t"))
        elif match:
            if len(fields) < MAX_FIELDS:
                fields.append((match[1].decode("ascii").lower(), bytearray(match[2].strip(b" \t"))))
        elif position == 0 and line[:5] in {b"From ", b">From"}:
            pass  # the separator line of an mbox
        elif not _goes_on(block, after):
            return _headers(fields), position
        elif fields and len(fields[-1][1]) < FIELD_BYTES:
            fields[-1][1].extend(b" " + line)
        position = after
    return _headers(fields), end


def _goes_on(block: bytes, position: int) -> bool:
    for _ in range(8):
        if _KNOWN_FIELD.match(block, position):
            return True
        line_end = block.find(b"\n", position, position + 2000)
        if line_end < 0 or not block[position:line_end].strip():
            return False
        position = line_end + 1
    return False


def _headers(fields: list[tuple[str, bytearray]]) -> Headers:
    return Headers([(name, bytes(value[:FIELD_BYTES])) for name, value in fields])


def raw_to_text(value: bytes, *, charset: str = "") -> str:
    """Decode raw 8-bit header bytes: UTF-8 (RFC 6532), else the charset of the body, else Windows-1252."""
    return decode_bytes(value, charset if charset and not value.isascii() else "")[0]


def decode_words(text: str) -> str:
    """Decode the encoded words of RFC 2047, joining neighbours before decoding: mailers split inside a character."""
    if "=?" not in text:
        return clean_text(text)
    out: list[str] = []
    pending: list[tuple[str, bytes]] = []

    def flush() -> None:
        for label, content in pending:
            out.append(decode_bytes(content, label)[0])
        pending.clear()

    position = 0
    for word in ENCODED_WORD.finditer(text):
        between = text[position : word.start()]
        if between.strip() or (between and not pending):
            flush()
            out.append(between)
        label = word[1].split("*", 1)[0]  # RFC 2231 section 5 adds a language: utf-8*en
        content = _word_bytes(word[2], word[3])
        if pending and codec_for(pending[-1][0]) == codec_for(label):
            pending[-1] = (pending[-1][0], pending[-1][1] + content)
        else:
            pending.append((label, content))
        position = word.end()
    flush()
    out.append(text[position:])
    return clean_text("".join(out))


def _word_bytes(encoding: str, payload: str) -> bytes:
    raw = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw, header=True)
    # Each padded group on its own: some mailers join two complete base64 runs in one word.
    pieces = []
    for group in re.split(rb"=+", re.sub(rb"[^A-Za-z0-9+/=]", b"", raw)):
        group = group[:-1] if len(group) % 4 == 1 else group
        pieces.append(base64.b64decode(group + b"=" * (-len(group) % 4)))
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A structured field such as Content-Type: the value in lower case and the decoded parameters."""

    value: str
    parameters: dict[str, str]

    def get(self, name: str) -> str:
        return self.parameters.get(name, "")


def parse_parameters(raw: bytes, *, charset: str = "") -> Parameters:
    """Read `value; name=text; name*0*=utf-8''part` (RFC 2045, RFC 2231) leniently. First of two equal names wins."""
    text = raw_to_text(raw, charset=charset)
    pieces = list(_split_quoted(text, ";"))
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[str, bool]]] = {}
    for piece in pieces[1:]:
        name, equals, value = piece.partition("=")
        name = name.strip().lower()
        value = _unquote(value.strip())
        if not equals or not name or len(parts) > 100:
            continue
        match = re.fullmatch(r"([^*]+)(?:\*(\d{1,3}))?(\*)?", name)
        if match is None or (match[2] is None and match[3] is None):
            plain.setdefault(name, decode_words(value))
        else:
            parts.setdefault(match[1], {}).setdefault(int(match[2] or 0), (value, bool(match[3])))
    for name, sections in parts.items():
        plain[name] = _join_sections(sections)
    return Parameters(pieces[0].strip().lower() if pieces else "", plain)


def _join_sections(sections: dict[int, tuple[str, bool]]) -> str:
    label, content, text = "", bytearray(), ""
    for number in sorted(sections):
        value, encoded = sections[number]
        if encoded and number == min(sections) and value.count("'") >= 2:
            label, _, value = value.split("'", 2)
        content += unquote_to_bytes(value) if encoded else value.encode("utf-8", "replace")
    text = decode_bytes(bytes(content), label)[0]
    return decode_words(text)  # both codings at once occur


def _split_quoted(text: str, separator: str) -> Iterator[str]:
    start, quoted, index = 0, False, 0
    closes = text.rfind('"')
    while index < len(text):
        character = text[index]
        if character == "\\" and quoted:
            index += 1
        elif character == '"':
            quoted = not quoted and index < closes  # a quote that never closes is an ordinary character
        elif character == separator and not quoted:
            yield text[start:index]
            start = index + 1
        index += 1
    yield text[start:]


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value.strip('"')


def message_ids(text: str) -> tuple[str, ...]:
    """Return the message ids of a field, each as `<left@right>`, without duplicates; a bare id gets its brackets."""
    found = [f"<{match}>" for match in _MESSAGE_ID.findall(text)]
    if not found:
        found = [f"<{word}>" for word in text.replace(",", " ").split() if "@" in word and len(word) < 990]
        found = [re.sub(r"<[<>]*([^<>]*)[<>]*>", r"<\1>", word) for word in found]
    return tuple(dict.fromkeys(clean_text(word) for word in found))


def parse_date(text: str) -> datetime | None:
    """Return the aware moment of a Date field, None when it names none. A missing zone counts as UTC."""
    text = text.strip()[:200]
    moment: datetime | None = None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        match = _NUMERIC_DATE.search(text)
        if match:
            zone = (match[7] or "+0000").replace("Z", "+0000").replace(":", "")
            stamp = f"{match[1]}-{match[2]}-{match[3]} {match[4]}:{match[5]}:{match[6] or '00'} {zone}"
            try:
                moment = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S %z")
            except ValueError:
                return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
