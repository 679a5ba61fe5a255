"""Pages of PDF files as pictures: drawn by a process that may die, shown to those who may see the file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import uuid
import zlib
from typing import Any

import pytest
from bs4 import BeautifulSoup

from conversations.channels.base import File
from conversations.messages import pdf_pages
from conversations.messages.pdf_pages import Undrawable, draw
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World
from tests.conversations.test_attachments import Browser


def pdf(*pages: str, size: str = "200 300") -> bytes:
    """A file with a page for each content stream, as ISO 32000 wants it."""
    kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>"]
    for number, content in enumerate(pages):
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents {4 + 2 * number} 0 R >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    tail = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    return out + f"{tail}startxref\n{len(out)}\n%%EOF".encode()


RED, BLUE = "1 0 0 rg 0 0 200 300 re f", "0 0 1 rg 0 0 200 300 re f"


def pixel(png: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Width, height, and the first three bytes of the dot in the middle."""
    wide, high = struct.unpack(">II", png[16:24])
    channels = {0: 1, 2: 3, 6: 4}[png[25]]
    at, data = 8, b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        chunk = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + chunk)
        data += chunk if name == b"IDAT" else b""
        at += 12 + length
    rows = zlib.decompress(data)
    assert len(rows) == high * (1 + wide * channels)
    middle = (high // 2) * (1 + wide * channels) + 1 + (wide // 2) * channels
    return wide, high, tuple(rows[middle : middle + 3])


def test_each_page_is_a_picture_of_its_own() -> None:
    content = pdf(RED, BLUE)
    first, second = draw(content, number=1), draw(content, number=2)
    assert (first.number, first.of, second.number, second.of) == (1, 2, 2, 2)
    assert pixel(first.png) == (900, 1350, (255, 0, 0))
    assert pixel(second.png) == (900, 1350, (0, 0, 255))


def test_a_page_of_kilometres_is_drawn_small() -> None:
    wide, high, _ = pixel(draw(pdf(RED, size="200 14400"), number=1).png)
    assert wide * high < 1.1 * pdf_pages.MOST_PIXELS


@pytest.mark.parametrize(
    ("content", "number", "why"),
    [
        (b"", 1, "damaged"),
        (b"%PDF-1.4\nnothing", 1, "damaged"),
        (pdf(RED), 0, "no page 0"),
        (pdf(RED), 2, "no page 2"),
        (b"%PDF-" + b"x" * pdf_pages.MOST_BYTES, 1, "larger than 25 MB"),
    ],
    ids=["empty", "damaged", "page 0", "page 2", "large"],
)
def test_what_cannot_be_drawn_says_why(content: bytes, number: int, why: str) -> None:
    with pytest.raises(Undrawable, match=why):
        draw(content, number=number)


def test_a_page_that_takes_for_ever_ends_and_the_next_one_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = pdf(
        "q 1 0 0 1 0 0 cm " * 10 + "0 0 m " + "".join(f"{n % 200} {n * 7 % 300} l " for n in range(1_500_000)) + "S"
    )
    monkeypatch.setattr(pdf_pages, "SECONDS", 0.5)
    with pytest.raises(Undrawable, match=r"too (long|much)"):
        draw(endless, number=1)
    monkeypatch.undo()
    assert draw(pdf(RED), number=1).of == 1


def test_the_process_that_draws_knows_nothing_of_ours() -> None:
    """No settings, no database and no packages of the product: a bare interpreter draws."""
    done = subprocess.run(
        [sys.executable, "-I", pdf_pages.__file__, "1"],
        input=pdf(RED),
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        check=True,
    )
    assert done.stdout.startswith(b'{"pages": 1}\n\x89PNG')


def test_two_are_drawn_at_a_time_and_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(pdf_pages, "_turns", turns)
    monkeypatch.setattr(pdf_pages, "PATIENCE", 0.05)
    with turns, pytest.raises(Undrawable, match="too many"):
        draw(pdf(RED), number=1)
    assert draw(pdf(RED), number=1).of == 1
    with pytest.raises(Undrawable):
        draw(b"", number=1)
    assert draw(pdf(RED), number=1).of == 1, "one that failed gave its turn back"


@pytest.fixture
def letter(world: World, attachments_dir: Any) -> Any:
    files = (
        File("invoice.pdf", "application/pdf", pdf(RED, BLUE, RED), inline=False),
        File("list.pdf", "application/pdf", b"hoses", inline=False),
    )
    return factories.message(world.mail, "See these", files=files)


def named(message: Any, name: str) -> uuid.UUID:
    with tenant_context(message.account_id):
        return uuid.UUID(str(message.attachments.get(file_name=name).pk))


def test_a_thread_shows_the_first_page_on_demand_and_leads_to_all(
    world: World, letter: Any, signed_in: Browser
) -> None:
    ada, pk = signed_in(world.ada), named(letter, "invoice.pdf")
    thread = BeautifulSoup(ada.get(f"/conversations/{letter.conversation_id}/").content, "lxml")
    image = thread.select_one(".peek img")
    assert (image["src"], image["loading"]) == (f"/attachments/{pk}/picture/", "lazy")
    [leads] = [link["href"] for link in thread.select(".peek a") if str(pk) in link["href"]]
    page = BeautifulSoup(ada.get(leads).content, "lxml")
    assert [one["src"] for one in page.select("main img")] == [
        f"/attachments/{pk}/picture/?page={n}" for n in (1, 2, 3)
    ]
    assert page.select_one(f'a[href="/attachments/{pk}/"]')
    second = ada.get(f"/attachments/{pk}/picture/?page=2")
    assert (second.status_code, second["Content-Type"], second["X-Content-Type-Options"]) == (
        200,
        "image/png",
        "nosniff",
    )
    assert second["Content-Security-Policy"].strip() == "default-src 'none'; sandbox"
    assert pixel(second.content)[2] == (0, 0, 255)


@pytest.mark.parametrize("asked", ["?page=4", "?page=0", "?page=-1", "?page=x", "?page=²", "?page=99999"])
def test_a_page_that_it_has_not_is_404(world: World, letter: Any, signed_in: Browser, asked: str) -> None:
    pk = named(letter, "invoice.pdf")
    assert signed_in(world.ada).get(f"/attachments/{pk}/picture/{asked}").status_code == 404


def test_what_only_calls_itself_a_pdf_has_no_pages(world: World, letter: Any, signed_in: Browser) -> None:
    ada, pk = signed_in(world.ada), named(letter, "list.pdf")
    assert [ada.get(f"/attachments/{pk}/{what}/").status_code for what in ("pages", "picture")] == [404, 404]


def test_pages_of_anothers_file_are_404(world: World, letter: Any, signed_in: Browser) -> None:
    eve, pk = signed_in(world.eve), named(letter, "invoice.pdf")
    assert [eve.get(f"/attachments/{pk}/{what}/").status_code for what in ("pages", "picture")] == [404, 404]
