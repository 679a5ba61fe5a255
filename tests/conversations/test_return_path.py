"""What we send says where it comes back to, and that no person approved it, only where none did."""

from __future__ import annotations

import email
import uuid

import pytest

from conversations.channels.base import Outbound, Party
from conversations.channels.email.building import build_mail
from conversations.channels.email.ids import make_return_path, read_return_path
from conversations.channels.email.smtp import SmtpAdapter
from tests.conversations.test_smtp_adapter import REPLY, ScriptedServer

KEY = b"a key"
DELIVERY = uuid.UUID("01890000-0000-7000-8000-000000000001")


def test_a_return_path_names_its_delivery_and_cannot_be_made_up() -> None:
    path = make_return_path(key=KEY, delivery_id=DELIVERY, address="support@acme.test")
    assert path.startswith("support+b.")
    assert path.endswith("@acme.test")
    assert len(path.partition("@")[0]) <= 64
    for written in (path, path.upper(), f"<{path}>", f" {path} "):
        assert read_return_path(written, key=KEY) == DELIVERY
    assert read_return_path(path, key=b"another") is None
    token = path.partition("+b.")[2].partition("@")[0]
    for position in range(0, 42, 5):
        other = "a" if token[position] != "a" else "b"
        assert read_return_path(path.replace(token, token[:position] + other + token[position + 1 :]), key=KEY) is None
    for wrong in ("support@acme.test", "support+b.@acme.test", "", "+b.", path.replace("+b.", "+c.")):
        assert read_return_path(wrong, key=KEY) is None


def test_a_tag_of_the_channels_own_is_replaced_and_a_long_address_stays_as_it_is() -> None:
    path = make_return_path(key=KEY, delivery_id=DELIVERY, address="support+sales@acme.test")
    assert path.startswith("support+b.")
    long = f"{'a' * 30}@acme.test"
    assert make_return_path(key=KEY, delivery_id=DELIVERY, address=long) == long


def test_the_server_is_told_the_return_path_and_the_reader_the_sender() -> None:
    with ScriptedServer() as server:
        outbound = Outbound(REPLY.message_id, REPLY.sender, REPLY.to, "Re", "x", return_path="desk+b.x@acme.example")
        SmtpAdapter("127.0.0.1", server.port).send(outbound, before_handover=lambda: None)
    named = [command.lower() for command in server.commands if command.lower().startswith("mail from")]
    assert ["<desk+b.x@acme.example>" in command for command in named] == [True]
    assert REPLY.sender.address.encode() in server.mails[0]
    assert b"desk+b.x" not in server.mails[0]


@pytest.mark.parametrize("automatic", [False, True])
def test_only_what_no_person_approved_says_so(automatic: bool) -> None:
    mail = email.message_from_bytes(
        build_mail(Outbound("<1@a.test>", Party("desk@a.test"), (Party("b@c.test"),), "Re", "x", automatic=automatic))
    )
    assert mail.get_all("Auto-Submitted") == (["auto-generated"] if automatic else None)
    suppress = mail.get_all("X-Auto-Response-Suppress")
    assert suppress == (["DR, OOF, AutoReply, RN, NRN"] if automatic else None)


def test_a_domain_of_other_letters_goes_to_its_own_server_and_not_to_a_namesakes() -> None:
    """IDNA 2003 made strasse.example of it."""
    with ScriptedServer() as server:
        outbound = Outbound("<1@a.test>", REPLY.sender, (Party("b@straße.example"),), "Re", "x")
        SmtpAdapter("127.0.0.1", server.port).send(outbound, before_handover=lambda: None)
    commands = [command.lower() for command in server.commands]
    assert [command for command in commands if command.startswith("rcpt")] == ["rcpt to:<b@xn--strae-oqa.example>"]
