"""What a file is, told by its first bytes; what its sender calls it is never believed."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN, PDF = "application/octet-stream", "application/pdf"
#: What a browser draws by itself and cannot run.
PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
}
#: Further types that no browser runs in the page of whoever opens them. HTML, SVG and XML are left out: those it runs.
_OTHERS: Sequence[tuple[str, int, bytes]] = (
    ("image/webp", 8, b"WEBP"),
    ("image/tiff", 0, b"II*\x00"),
    ("image/tiff", 0, b"MM\x00*"),
    ("image/bmp", 0, b"BM"),
    ("image/heic", 4, b"ftypheic"),
    (PDF, 0, b"%PDF-"),
    ("application/zip", 0, b"PK\x03\x04"),  # also the newer documents of office programs
    ("application/gzip", 0, b"\x1f\x8b"),
    ("application/x-7z-compressed", 0, b"7z\xbc\xaf\x27\x1c"),
    ("application/vnd.rar", 0, b"Rar!\x1a\x07"),
    ("application/rtf", 0, b"{\\rtf"),
    ("application/x-ole-storage", 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("audio/mpeg", 0, b"ID3"),
    ("audio/ogg", 0, b"OggS"),
    ("audio/wav", 8, b"WAVE"),
    ("video/mp4", 4, b"ftyp"),
    ("video/webm", 0, b"\x1a\x45\xdf\xa3"),
)


def kind_of(content: bytes) -> str:
    """The media type of a file by its first bytes; `UNKNOWN` for what is none of those that are harmless to open."""
    for kind, magic in PICTURES.items():
        if content.startswith(magic):
            return kind
    return next((kind for kind, at, magic in _OTHERS if content[at : at + len(magic)] == magic), UNKNOWN)
