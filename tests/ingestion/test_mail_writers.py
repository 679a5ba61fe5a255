"""Who wrote a mail: the person behind a form, the person whose mail was passed on."""

from __future__ import annotations

import pytest

from conversations.channels.base import Party
from conversations.channels.email.reading.parse import parse_mail


@pytest.mark.parametrize(
    "program", ["forms", "no-reply", "noreply", "wordpress", "contact-form", "shop.notifications", "web"]
)
def test_who_filled_in_a_form_is_whom_it_was_sent_for(program: str) -> None:
    read = parse_mail(f"From: Shop <{program}@shop.example>\nReply-To: Ines <ines@example.org>\n\nHi".encode())
    assert read.customer == Party("ines@example.org", "Ines")
    assert read.sender.address == f"{program}@shop.example"


@pytest.mark.parametrize(
    "fields",
    [
        "From: Nadia <nadia@work.example>\nReply-To: nadia@home.example",
        "From: forms@shop.example",
        "From: forms@shop.example\nReply-To: forms@shop.example",
        "From: forms@shop.example\nReply-To: a@x.example, b@x.example",
        "From: formsby@shop.example\nReply-To: a@x.example",
    ],
)
def test_everybody_else_writes_for_themselves(fields: str) -> None:
    assert parse_mail(f"{fields}\n\nHi".encode()).customer is None


OUTLOOK = "________________________________\nFrom: Kim Dahl <kim@x.example>\nSent: Monday\nTo: Ravi\nSubject: Hose\n\nWhich hose?"
KIM = Party("kim@x.example", "Kim Dahl")


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        (
            "Fwd: Hose",
            "---------- Forwarded message ---------\nFrom: Kim Dahl <kim@x.example>\nDate: Monday\n\nWhich hose?",
        ),
        (
            "Fwd: Hose",
            "-------- Weitergeleitete Nachricht --------\nBetreff: Hose\nVon: Kim Dahl <kim@x.example>\n\nWhich hose?",
        ),
        ("Hose", "Begin forwarded message:\n\n> From: Kim Dahl <kim@x.example>\n> Subject: Hose\n>\n> Which hose?"),
        (
            "Hose",
            "---------- Forwarded message ---------\nFrom: Kim Dahl\n <kim@x.example>\nDate: Monday\n\nWhich hose?",
        ),
        *((f"{prefix}: Hose", OUTLOOK) for prefix in ("FW", "WG", "TR", "RV", "I", "VB", "İLT", "转发")),
        ("FW: Hose", OUTLOOK.partition("\n")[2]),
    ],
)
@pytest.mark.parametrize("note", ["", "Could you help my client?\n\nRavi\n\n"])
def test_who_wrote_what_is_passed_on_is_read_with_their_question(subject: str, body: str, note: str) -> None:
    read = parse_mail(f"From: ravi@x.example\nSubject: {subject}\n\n{note}{body}".encode())
    assert read.forwarded == KIM
    assert "Which hose?" in read.body_new
    assert note.strip() in read.body_new


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("RE: FW: Hose", f"Thanks.\n\n{OUTLOOK}"),
        ("Hose", f"Thanks.\n\n{OUTLOOK}"),
        ("FW: Hose", "Which hose?"),
        ("Fwd: Hose", "See.\n\n---------- Forwarded message ---------\nFrom: Ravi <ravi@x.example>\n\nWhich hose?"),
        ("Fwd: Hose", "See.\n\n---------- Forwarded message ---------\nFrom: Desk <desk@acme.test>\n\nWhich hose?"),
        ("Fwd: Hose", "See.\n\n---------- Forwarded message ---------\nFrom: somebody\n\nWhich hose?"),
    ],
)
def test_nobody_else_is_read_out_of_an_answer_or_of_what_was_ours(subject: str, body: str) -> None:
    raw = f"From: ravi@x.example\nSubject: {subject}\n\n{body}".encode()
    assert parse_mail(raw, own_addresses=frozenset({"desk@acme.test"})).forwarded is None


def test_who_wrote_an_attached_mail_is_read() -> None:
    body = "--b\n\nSee.\n--b\nContent-Type: message/rfc822\n\nFrom: Kim Dahl <kim@x.example>\nSubject: Hose\n\nWhich hose?\n--b--\n"
    raw = f"From: ravi@x.example\nContent-Type: multipart/mixed; boundary=b\n\n{body}".encode()
    assert parse_mail(raw).forwarded == KIM
