"""Mail inside a mail's part: S/MIME and winmail.dat are opened, what cannot be is told, and no such part costs more than its bytes."""

from __future__ import annotations

import base64
import random
import struct
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from compressed_rtf import compress
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from conversations.channels.base import Inbound
from conversations.channels.email.reading.parse import parse_mail
from conversations.channels.email.reading.smime import Kind, open_envelope
from conversations.channels.email.reading.tnef import unpack

INNER = b"Content-Type: text/plain; charset=utf-8\r\n\r\nWhich pump do I need for 600 hp? Gr\xc3\xbc\xc3\x9fe\r\n"
SIGNED = "The message is signed with S/MIME; the signature was not checked."
ENCRYPTED = "The message is encrypted with S/MIME and cannot be read here; it is kept as a file."


def mail(kind: str, content: bytes, before: str = "") -> Inbound:
    body = base64.encodebytes(content).decode()
    part = f"Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{body}"
    if before:
        part = f'Content-Type: multipart/mixed; boundary="b"\n\n--b\n{before}\n--b\n{part}\n--b--\n'
    return parse_mail(f"From: Nadia <nadia@example.com>\nSubject: Pump\nMIME-Version: 1.0\n{part}".encode())


@cache
def signer() -> tuple[Any, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nadia@example.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=9))
    return key, built.sign(key, hashes.SHA256())


def signed(content: bytes, encoding: Any = serialization.Encoding.DER, options: Any = ()) -> bytes:
    key, certificate = signer()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(encoding, [pkcs7.PKCS7Options.Binary, *options])


def enveloped(content: bytes) -> bytes:
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(signer()[1])
    return builder.encrypt(serialization.Encoding.DER, [])


def in_pieces(content: bytes, size: int = 20) -> bytes:
    """Signed data as mailers write it that do not know its length when they begin: BER with end marks."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    octets = b"".join(bytes([0x04, len(piece)]) + piece for piece in pieces)
    data = bytes.fromhex("06092a864886f70d010701")
    return (
        b"\x30\x80" + bytes.fromhex("06092a864886f70d010702") + b"\xa0\x80\x30\x80\x02\x01\x01\x31\x80\x30\x80\x00\x00\x00\x00"
        b"\x30\x80" + data + b"\xa0\x80\x24\x80" + octets + b"\x00\x00" * 7
    )  # fmt: skip


@pytest.mark.parametrize("wrap", [signed, in_pieces])
def test_what_is_signed_inside_an_envelope_is_read(wrap: Any) -> None:
    found = mail("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", wrap(INNER))
    assert found.body_new == "Which pump do I need for 600 hp? Grüße"
    assert found.problems == (SIGNED,)
    assert found.files == ()


def test_the_files_and_the_history_inside_are_the_mails_own() -> None:
    inner = (
        b'Content-Type: multipart/mixed; boundary="i"\r\n\r\n--i\r\n\r\nLook.\r\n\r\nOn 5 Jan 2026, at 15:00, Bo wrote:\r\n> old\r\n'
        b'--i\r\nContent-Type: image/png; name="pump.png"\r\nContent-Disposition: attachment\r\n\r\nPNG\r\n--i--\r\n'
    )
    found = mail("application/x-pkcs7-mime; name=smime.p7m", signed(inner))
    assert found.body_new == "Look."
    assert [(file.file_name, file.content) for file in found.files] == [("pump.png", b"PNG")]


def test_an_envelope_without_its_type_is_known_by_its_name() -> None:
    assert mail("application/octet-stream; name=smime.p7m", signed(INNER)).body_new.startswith("Which pump")


def test_a_clear_signature_is_named_as_not_checked() -> None:
    head = b"From: Nadia <nadia@example.com>\nSubject: Pump\n"
    found = parse_mail(head + signed(INNER, serialization.Encoding.SMIME, [pkcs7.PKCS7Options.DetachedSignature]))
    assert found.body_new == "Which pump do I need for 600 hp? Grüße"
    assert found.problems == (SIGNED,)
    assert [file.file_name for file in found.files] == ["smime.p7s"]


def test_what_is_encrypted_is_said_to_be_and_kept() -> None:
    found = mail("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", enveloped(INNER))
    assert found.body_new == "(This message is encrypted and cannot be read here.)"
    assert found.problems == (ENCRYPTED,)
    assert [file.file_name for file in found.files] == ["smime.p7m"]


def test_signed_and_then_encrypted_or_the_other_way_round() -> None:
    head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    found = mail("application/pkcs7-mime", signed(head + base64.encodebytes(enveloped(INNER))))
    assert found.problems == (SIGNED, ENCRYPTED)
    twice = mail("application/pkcs7-mime", signed(head + base64.encodebytes(signed(INNER))))
    assert twice.body_new.startswith("Which pump")


def test_text_encrypted_in_the_body_becomes_a_file() -> None:
    armour = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n=abcd\n-----END PGP MESSAGE-----"
    found = parse_mail(f"From: a@b.example\n\nHi,\n\n{armour}\n\nNadia\n".encode())
    assert found.body_new == "Hi,\n\n(This message is encrypted and cannot be read here.)\n\nNadia"
    assert [(file.file_name, file.content.decode()) for file in found.files] == [("message.asc", armour)]
    assert found.problems == ("The message is encrypted with PGP and cannot be read here; it is kept as a file.",)


def test_a_broken_envelope_stays_a_file() -> None:
    whole = signed(INNER)
    for cut in range(0, len(whole), 7):
        found = mail("application/pkcs7-mime; name=smime.p7m", whole[:cut] or b"x")
        assert len(found.files) == (0 if found.body_new.startswith("Which") else 1), cut


def test_envelopes_that_are_an_attack_cost_their_length() -> None:
    started = time.process_time()
    head = bytes.fromhex("308006092a864886f70d010702a0803080")
    for attack in (b"\x30\x80" * 500_000, head + b"\x31\x80" * 500_000, head + b"\x00\x00" * 500_000):
        assert open_envelope(attack) == (Kind.OTHER, b"")
    pieces = bytes.fromhex("308006092a864886f70d010702a080308002010131003080") + bytes.fromhex(
        "06092a864886f70d010701a080"
    )
    open_envelope(pieces + b"\x24\x80" * 500_000)
    assert time.process_time() - started < 5


def attribute(level: int, number: int, content: bytes) -> bytes:
    return struct.pack("<BHHI", level, number, 6, len(content)) + content + struct.pack("<H", sum(content) & 0xFFFF)


def properties(*values: tuple[int, int, bytes]) -> bytes:
    packed = struct.pack("<I", len(values))
    for number, kind, content in values:
        packed += struct.pack("<HH", kind, number)
        if kind not in {0x03, 0x0B}:
            packed += struct.pack("<II", 1, len(content))
        packed += content + b"\x00" * (-len(content) % 4)
    return packed


def winmail(*attributes: bytes) -> bytes:
    return struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x9007, struct.pack("<II", 1252, 0)) + b"".join(attributes)


def attached(name: str, content: bytes, *more: tuple[int, int, bytes]) -> bytes:
    return (
        attribute(2, 0x9002, b"\x00" * 14)
        + attribute(2, 0x8010, b"PUMP~1.PDF\x00")
        + (attribute(2, 0x800F, content) if content else b"")
        + attribute(2, 0x9005, properties((0x3707, 0x1F, f"{name}\x00".encode("utf-16-le")), *more))
    )


def test_the_files_in_a_winmail_dat_are_the_mails_own() -> None:
    content = b"%PDF the pump's curve\x00\x00"
    found = mail(
        "application/ms-tnef; name=winmail.dat",
        winmail(
            attribute(1, 0x800C, b"Never shown\x00"), attached("Kurve für Pumpe.pdf", content), attached("b.txt", b"B")
        ),
        before="Content-Type: text/plain\n\nHere is the curve.",
    )
    assert found.body_new == "Here is the curve."
    assert [(file.file_name, file.mime_type, file.content) for file in found.files] == [
        ("Kurve für Pumpe.pdf", "application/pdf", content),
        ("b.txt", "text/plain", b"B"),
    ]
    assert found.problems == ()


RTF = rb"{\rtf1\ansi\ansicpg1252 Which pump do I need?\par Gr\'fc\'dfe}"


@pytest.mark.parametrize(
    "inside",
    [
        attribute(1, 0x800C, "Which pump do I need?\r\nGrüße\x00".encode("cp1252")),
        attribute(1, 0x9003, properties((0x1000, 0x1F, "Which pump do I need?\nGrüße\x00".encode("utf-16-le")))),
        attribute(1, 0x9003, properties((0x1000, 0x1E, "Which pump do I need?\nGrüße".encode()), (0x3FDE, 0x03, struct.pack("<I", 65001)))),
        attribute(1, 0x9003, properties((0x1013, 0x102, b"<p>Which pump do I need?<br>Gr&uuml;&szlig;e</p><script>x()</script>"))),
        attribute(1, 0x9003, properties((0x1009, 0x102, compress(RTF)))),
    ],
    ids=["text", "unicode", "code page", "html", "rtf"],
)  # fmt: skip
def test_a_mail_that_is_only_a_winmail_dat_has_its_text(inside: bytes) -> None:
    found = mail("application/ms-tnef", winmail(inside), before="Content-Type: text/plain\n\n \n")
    assert [line for line in found.body_new.splitlines() if line.strip()] == ["Which pump do I need?", "Grüße"]
    assert found.problems == ()
    assert found.files == ()


def test_a_picture_is_where_the_html_shows_it_and_a_mail_inside_is_a_file() -> None:
    picture = attached(
        "a.png",
        b"PNG",
        (0x3712, 0x1F, "p1@x\x00".encode("utf-16-le")),
        (0x370E, 0x1F, "image/png\x00".encode("utf-16-le")),
    )
    inner = winmail(
        attribute(1, 0x9003, properties((0x0037, 0x1E, b"Old mail\x00"), (0x1000, 0x1E, b"As before\x00"))),
        attached("c.txt", b"C"),
    )
    message = bytes.fromhex("0703020000000000c000000000000046") + inner
    found = mail("application/ms-tnef", winmail(picture, attached("Old mail", b"", (0x3701, 0x0D, message))))
    assert [(file.file_name, file.content, file.content_id, file.inline) for file in found.files] == [
        ("Old mail.txt", b"As before", "", False),
        ("c.txt", b"C", "", False),
        ("a.png", b"PNG", "p1@x", True),
    ]


DAMAGED = "winmail.dat is damaged; what could be read of it is here, and it is kept as a file."


def test_of_a_damaged_winmail_dat_what_can_be_read_is_there_and_itself() -> None:
    whole = winmail(attached("a.txt", b"A"), attached("b.txt", b"B"))
    found = mail("application/ms-tnef; name=winmail.dat", whole[:-10])
    assert [file.file_name for file in found.files] == ["a.txt", "PUMP~1.PDF", "winmail.dat"]
    assert found.files[-1].content == whole[:-10]
    assert found.problems == (DAMAGED,)
    nothing = mail("application/ms-tnef; name=winmail.dat", b"not at all")
    assert [(file.file_name, file.content) for file in nothing.files] == [("winmail.dat", b"not at all")]
    assert nothing.problems == (DAMAGED,)


def header(kind: int, *numbers: int) -> bytes:
    return struct.pack(f"<IHH{len(numbers)}I", 0xFFFFFFFF, kind, 0x1234, *numbers)


NESTED = winmail(attribute(1, 0x800C, b"deep\x00"))
for _ in range(1000):
    NESTED = winmail(attached("m", b"", (0x3701, 0x0D, bytes.fromhex("0703020000000000c000000000000046") + NESTED)))
HOSTILE = {
    "a number of values without end": winmail(attribute(1, 0x9003, header(0x1002, 0xFFFFFFFF))),
    "a number of properties without end": winmail(attribute(1, 0x9003, struct.pack("<I", 0xFFFFFFFF))),
    "empty values without end": winmail(attribute(1, 0x9003, header(0x101F, 0xFFFFFFFF) + b"\x00" * 400_000)),
    "a length beyond the file": winmail(struct.pack("<BHHI", 2, 0x9005, 6, 0xFFFFFFFF)),
    "a million attributes": winmail(attribute(1, 0x8006, b"xx") * 1_000_000),
    "a hundred thousand files": winmail(attribute(2, 0x9002, b"") * 100_000),
    "mails in mails": NESTED,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_winmail_dat_that_is_an_attack_costs_its_length(name: str) -> None:
    started = time.process_time()
    found = unpack(HOSTILE[name])
    assert len(found.files) <= 200
    assert time.process_time() - started < 5


def test_compressed_text_is_read_up_to_a_length() -> None:
    long = struct.pack("<II", 300_012, 300_000) + b"MELA" + struct.pack("<I", 0) + b"{\\rtf1 a}" + b" " * 300_000
    found = unpack(winmail(attribute(1, 0x9003, properties((0x1009, 0x102, long)))))
    assert (found.text, found.problem) == ("", "The text in winmail.dat is too long to be read; it is kept as a file.")


def test_no_noise_in_a_winmail_dat_stops_the_reader() -> None:
    whole = winmail(
        attached("a.txt", b"A"),
        attribute(1, 0x9003, properties((0x1009, 0x102, compress(RTF)), (0x37, 0x1F, b"a\x00"))),
    )
    for seed in range(500):
        dice = random.Random(seed)
        noisy = bytearray(whole)
        for _ in range(dice.randrange(1, 8)):
            noisy[dice.randrange(6, len(noisy))] = dice.randrange(256)
        found = mail("application/ms-tnef; name=winmail.dat", bytes(noisy))
        assert not any("could not be read. It is shown as it arrived" in problem for problem in found.problems), seed
