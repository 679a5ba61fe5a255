"""winmail.dat: the text and the files of a mail as Outlook wraps them (MS-OXTNEF section 2), unpacked.

Ours, because the one library that may be used runs for ever on 21 bytes and takes all memory on 29 (docs/decisions/0042). Here
every step moves on inside the bytes at hand, nothing is copied but what is returned, and what comes before a damage is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from conversations.channels.email.reading.charsets import clean_text, decode_bytes

TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_FILES = 200
MAX_DEPTH = 3  # mails in mails
# RTF is the only thing in here that is compressed, at most to an eighth.
MAX_RTF_BYTES = 200_000

# Attributes (MS-OXTNEF section 2.1.3).
_BODY, _ATTACH_DATA, _ATTACH_TITLE = 0x800C, 0x800F, 0x8010
_ATTACH_BEGINS, _MESSAGE_PROPERTIES, _ATTACH_PROPERTIES, _CODE_PAGE = 0x9002, 0x9003, 0x9005, 0x9007
# Properties (MS-OXPROPS).
_SUBJECT, _TEXT, _RTF, _HTML, _INTERNET_CODE_PAGE = 0x0037, 0x1000, 0x1009, 0x1013, 0x3FDE
_DISPLAY_NAME, _DATA, _FILE_NAME, _LONG_NAME, _MIME_TYPE, _CONTENT_ID = 0x3001, 0x3701, 0x3704, 0x3707, 0x370E, 0x3712
# Types of properties (MS-OXCDATA section 2.11.1) by their length; values are padded to four bytes.
_LENGTHS = {0x02: 2, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 2, 0x14: 8, 0x40: 8, 0x48: 16}
_STRING, _UNICODE, _OBJECT = 0x1E, 0x1F, 0x0D
_VARIABLE = frozenset({_STRING, _UNICODE, _OBJECT, 0x102, 0x00})
_MANY, _NAMED = 0x1000, 0x8000
_MESSAGE_OBJECT = bytes.fromhex("0703020000000000c000000000000046")
_CODE_PAGES = {65001: "utf-8", 20127: "ascii", 20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp", 51932: "euc-jp",
               51949: "euc-kr", 54936: "gb18030"}  # fmt: skip


@dataclass
class TnefFile:
    name: str = ""
    content: bytes | memoryview = b""
    mime_type: str = ""
    content_id: str = ""


@dataclass
class Unpacked:
    """What could be read; `problem` says in words what could not."""

    subject: str = ""
    text: str = ""
    html: str = ""
    files: list[TnefFile] = field(default_factory=list)
    problem: str = ""


def unpack(data: bytes | memoryview, *, depth: int = 0) -> Unpacked:
    """Unpack a winmail.dat. Never raises; linear in the length of `data`."""
    return _Reader(memoryview(data), depth).read()


class _Reader:
    def __init__(self, data: memoryview, depth: int) -> None:
        self.data, self.depth = data, depth
        self.found = Unpacked()
        self.code_page = "cp1252"
        # Read at the end: the code page that they are in may stand behind them.
        self.text: tuple[int, memoryview] | None = None
        self.html: tuple[int, memoryview] | None = None
        self.rtf: memoryview | None = None

    def read(self) -> Unpacked:
        try:
            for attribute, value in self._attributes():
                self._take(attribute, value)
        except (struct.error, ValueError):
            self.found.problem = "winmail.dat is damaged; what could be read of it is here, and it is kept as a file."
        self.found.text = self._value(*self.text) if self.text else self.found.text
        self.found.html = self._value(*self.html) if self.html else ""
        if self.rtf is not None and not self.found.text.strip() and not self.found.html.strip():
            self.found.text = self._read_rtf(self.rtf)
        return self.found

    def _attributes(self) -> Iterator[tuple[int, memoryview]]:
        if bytes(self.data[:4]) != SIGNATURE:
            raise ValueError("This is no TNEF.")
        position = 6
        while position < len(self.data):
            _, attribute, _, length = struct.unpack_from("<BHHI", self.data, position)
            start = position + 9
            yield attribute, _cut(self.data, start, length)
            position = start + length + 2  # the checksum, which many programs get wrong

    def _take(self, attribute: int, value: memoryview) -> None:
        found = self.found
        if attribute == _CODE_PAGE:
            self.code_page = _label(struct.unpack_from("<I", value)[0])
        elif attribute == _BODY:
            found.text = found.text or self._string(value)
        elif attribute == _MESSAGE_PROPERTIES:
            self._message(value)
        elif attribute == _ATTACH_BEGINS:
            if len(found.files) >= MAX_FILES:
                raise ValueError("There are too many files.")
            found.files.append(TnefFile())
        elif found.files and attribute == _ATTACH_TITLE:
            found.files[-1].name = found.files[-1].name or self._string(value)
        elif found.files and attribute == _ATTACH_DATA:
            found.files[-1].content = value
        elif found.files and attribute == _ATTACH_PROPERTIES:
            self._attachment(found.files[-1], value)

    def _message(self, value: memoryview) -> None:
        for name, kind, content in _properties(value):
            if name == _SUBJECT:
                self.found.subject = self._value(kind, content)
            elif name == _TEXT:
                self.text = kind, content
            elif name == _HTML:
                self.html = kind, content
            elif name == _RTF:
                self.rtf = content
            elif name == _INTERNET_CODE_PAGE and kind == 0x03:
                self.code_page = _label(struct.unpack("<I", content)[0])

    def _attachment(self, file: TnefFile, value: memoryview) -> None:
        for name, kind, content in _properties(value):
            if name == _DATA and kind == _OBJECT and bytes(content[:16]) == _MESSAGE_OBJECT:
                self._inner_mail(file, content[16:])
            elif name == _DATA:
                file.content = content
            elif name == _LONG_NAME or (name == _FILE_NAME and not file.name):
                file.name = self._value(kind, content) or file.name
            elif name == _DISPLAY_NAME:
                file.name = file.name or self._value(kind, content)
            elif name == _MIME_TYPE:
                file.mime_type = self._value(kind, content)
            elif name == _CONTENT_ID:
                file.content_id = self._value(kind, content)

    def _inner_mail(self, file: TnefFile, content: memoryview) -> None:
        """A mail that is attached: its text becomes a file, its files stand beside it."""
        inner = unpack(content, depth=self.depth + 1) if self.depth < MAX_DEPTH else Unpacked()
        if not (inner.text or inner.html or inner.files):
            file.content, file.name = content, file.name or "message.tnef"
            return
        shown = inner.text or inner.html
        file.name = f"{inner.subject or file.name or 'message'}.{'txt' if inner.text else 'html'}"
        file.content, file.mime_type = shown.encode(), "text/plain" if inner.text else "text/html"
        self.found.files += inner.files[: MAX_FILES - len(self.found.files)]

    def _value(self, kind: int, content: memoryview) -> str:
        if kind == _UNICODE:
            return clean_text(bytes(content).decode("utf-16-le", "replace"))
        return self._string(content)

    def _string(self, content: memoryview) -> str:
        return decode_bytes(bytes(content).rstrip(b"\x00"), self.code_page)[0]

    def _read_rtf(self, content: memoryview) -> str:
        from compressed_rtf import decompress
        from striprtf.striprtf import rtf_to_text

        if len(content) > MAX_RTF_BYTES:
            self.found.problem = (
                self.found.problem or "The text in winmail.dat is too long to be read; it is kept as a file."
            )
            return ""
        try:
            rtf = decompress(bytes(content)).decode("latin-1")
            return clean_text(rtf_to_text(rtf, errors="replace"))  # type: ignore[no-untyped-call]
        except Exception:  # two libraries that read what strangers wrote, and say nowhere what they raise
            self.found.problem = "The text in winmail.dat is damaged; it is kept as a file."
            return ""


def _properties(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Name, type and content of each property that has one value (MS-OXTNEF section 2.1.3.4). Raises where the bytes end early."""
    (count,) = struct.unpack_from("<I", data)
    position = 4
    for _ in range(count):
        kind, name = struct.unpack_from("<HH", data, position)
        position += 4
        if name >= _NAMED:
            (is_string,) = struct.unpack_from("<I", data, position + 16)
            (length,) = struct.unpack_from("<I", data, position + 20)
            position += 24 + (_padded(length) if is_string else 0)
        single, many = kind & ~_MANY, kind & _MANY
        values = 1
        if many or single in _VARIABLE:
            (values,) = struct.unpack_from("<I", data, position)
            position += 4
        for _ in range(values):
            if single in _VARIABLE:
                (length,) = struct.unpack_from("<I", data, position)
                position += 4
            elif single in _LENGTHS:
                length = _LENGTHS[single]
            else:
                raise ValueError("There is no such type of property.")
            content = _cut(data, position, length)
            position += _padded(length)
            if values == 1:
                yield name, single, content


def _cut(data: memoryview, start: int, length: int) -> memoryview:
    if start + length > len(data):
        raise ValueError("The bytes end early.")
    return data[start : start + length]


def _padded(length: int) -> int:
    return length + -length % 4


def _label(code_page: int) -> str:
    if 28590 < code_page < 28606:
        return f"iso-8859-{code_page - 28590}"
    return _CODE_PAGES.get(code_page, f"cp{code_page}")
