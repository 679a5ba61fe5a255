"""Pages of a PDF file as pictures, drawn in a process of their own that knows no Django and may die of its limits.

A PDF is a program of a stranger's: here it has ten seconds, 600 MB and no way to the network or the database.
"""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES, MOST_PAGES = 25_000_000, 200
WIDTH, MOST_PIXELS = 900, 4_000_000  # of a picture; a page that is very long is drawn smaller
SECONDS, MEMORY = 10, 600_000_000
#: Drawn at a time by one process of ours; who comes then waits this many seconds at most.
AT_ONCE, PATIENCE = 2, 15.0
_turns = threading.BoundedSemaphore(AT_ONCE)


class Undrawable(Exception):
    """There is no picture of it; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Page:
    png: bytes
    number: int
    of: int


def draw(content: bytes, *, number: int) -> Page:
    """One page, counted from 1. Raises Undrawable."""
    if len(content) > MOST_BYTES:
        raise Undrawable(f"it is larger than {MOST_BYTES / 1e6:.0f} MB")
    if not _turns.acquire(timeout=PATIENCE):
        raise Undrawable("too many are being drawn; try again in a moment")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__).resolve()), str(number)],
            input=content,
            capture_output=True,
            timeout=SECONDS * 2,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Undrawable("drawing it took too long") from None
    finally:
        _turns.release()
    head, _, png = done.stdout.partition(b"\n")
    try:
        said = json.loads(head)
    except ValueError:
        raise Undrawable("drawing it took too much memory or time") from None
    if "error" in said:
        raise Undrawable(str(said["error"])[:200])
    return Page(png, number, int(said["pages"]))


def main() -> None:
    """A PDF in; a line of JSON and the page as PNG out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    png, said = b"", dict[str, object]()
    try:
        png, pages = _drawn(sys.stdin.buffer.read(), int(sys.argv[1]))
        said = {"pages": pages}
    except Undrawable as error:
        said = {"error": str(error)}
    except MemoryError:
        said = {"error": "drawing it took too much memory"}
    except Exception as error:  # whatever the library says about a damaged file, it is damaged
        said = {"error": f"it is damaged ({error.__class__.__name__})"}
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + png)


def _drawn(content: bytes, number: int) -> tuple[bytes, int]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        raise Undrawable("it needs a password" if "password" in str(error).lower() else "it is damaged") from error
    pages = len(document)
    if not 1 <= number <= min(pages, MOST_PAGES):
        raise Undrawable(f"it has no page {number}")
    page = document[number - 1]
    wide, high = page.get_size()
    scale = min(WIDTH / max(wide, 1), (MOST_PIXELS / max(wide * high, 1)) ** 0.5)
    bitmap = page.render(scale=scale, rev_byteorder=True, no_smoothpath=False)
    return _png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride, bitmap.n_channels), pages


def _png(pixels: bytes, wide: int, high: int, stride: int, channels: int) -> bytes:
    """Rows of bytes as PNG (W3C PNG, 11.2): 1 channel grey, 3 RGB, 4 RGBA. An imaging library would be larger than the rest."""
    kind = {1: 0, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + pixels[at * stride : at * stride + wide * channels] for at in range(high))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 6)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


if __name__ == "__main__":
    main()
