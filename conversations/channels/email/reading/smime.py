"""What is inside an S/MIME envelope (RFC 8551, RFC 5652): the signed mail is taken out, signatures are not checked.

A walk over the tags of BER, which real mailers write (lengths that are told only at the end, strings in pieces); the libraries at
hand read DER alone. Each step moves on, none recurses.
"""

from __future__ import annotations

import enum

TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
SIGNATURE_TYPES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
_SEQUENCE, _OCTETS, _OCTETS_IN_PIECES, _EXPLICIT, _END = 0x30, 0x04, 0x24, 0xA0, 0x00
_SIGNED = bytes.fromhex("06092a864886f70d010702")
_ENCRYPTED = (
    bytes.fromhex("06092a864886f70d010703"),  # enveloped
    bytes.fromhex("060b2a864886f70d0109100117"),  # authenticated and enveloped
)


class Kind(enum.Enum):
    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    OTHER = "other"


def open_envelope(data: bytes) -> tuple[Kind, bytes]:
    """What kind of envelope it is, and the mail inside a signed one (b"" where there is none to be read). Never raises."""
    try:
        start = _inside(data, 0, _SEQUENCE)
        if data.startswith(_ENCRYPTED, start):
            return Kind.ENCRYPTED, b""
        if not data.startswith(_SIGNED, start):
            return Kind.OTHER, b""
        position = _inside(data, _inside(data, start + len(_SIGNED), _EXPLICIT), _SEQUENCE)
        position = _after(data, _after(data, position))  # the version and the digests
        position = _after(data, _inside(data, position, _SEQUENCE))  # the type of the content
        return Kind.SIGNED, _octets(data, _inside(data, position, _EXPLICIT))
    except (IndexError, ValueError):
        return Kind.OTHER, b""


def _header(data: bytes, position: int) -> tuple[int, int, int | None]:
    """Tag, start and length of the content; None is a length that an end mark tells."""
    tag, length = data[position], data[position + 1]
    start = position + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("A tag of many bytes has no place here.")
    if length == 0x80:
        return tag, start, None
    if length > 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("The bytes end early.")
    return tag, start, length


def _inside(data: bytes, position: int, expected: int) -> int:
    tag, start, _ = _header(data, position)
    if tag != expected:
        raise ValueError("Something else was expected here.")
    return start


def _after(data: bytes, position: int) -> int:
    depth = 0
    while True:
        tag, start, length = _header(data, position)
        depth += (length is None) - (tag == _END and length == 0)
        position = start + (length or 0)
        if depth <= 0:
            return position


def _octets(data: bytes, position: int) -> bytes:
    tag, start, length = _header(data, position)
    if tag == _OCTETS and length is not None:
        return data[start : start + length]
    if tag != _OCTETS_IN_PIECES:
        raise ValueError("The content is no string.")
    pieces: list[bytes] = []
    end = len(data) if length is None else start + length
    depth, position = 1, start
    while depth and position < end:
        tag, start, size = _header(data, position)
        if tag == _END:
            depth -= 1
        elif tag == _OCTETS_IN_PIECES:
            depth += size is None
        elif tag == _OCTETS:
            pieces.append(data[start : start + (size or 0)])
            start += size or 0
        else:
            raise ValueError("A piece of the content is no string.")
        position = start
    return b"".join(pieces)
