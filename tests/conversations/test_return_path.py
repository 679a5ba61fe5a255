"""What we send says where it comes back to, and that no person approved it, only where none did."""

from __future__ import annotations

import email
import uuid
from typing import Any

import pytest

from conversations.channels.base import Outbound, Party
from conversations.channels.email.building import build_mail
from conversations.channels.email.ids import MailIds, make_reply_to, make_return_path, read_reply_to, read_return_path
from conversations.channels.email.settings import MailSettings
from conversations.channels.email.smtp import SmtpAdapter
from conversations.messages.outgoing import outbound_of
from conversations.models import Channel, Delivery
from tests import factories
from tests.conftest import World
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


# --- where answers come back to ------------------------------------------------------------------------------------
def test_an_answer_that_came_to_our_signed_address_joins_whatever_became_of_the_ids(world: World, acme: Any) -> None:
    Channel.objects.filter(pk=world.mail.pk).update(metadata={"signed_reply_to": True})
    channel = Channel.objects.get(pk=world.mail.pk)
    first = factories.message(channel)
    delivery = Delivery.objects.get(pk=factories.approved(factories.draft(first), world.ada).pk)
    mail = email.message_from_bytes(build_mail(outbound_of(delivery)))
    address = mail["Reply-To"]
    assert address.startswith("support+cs.")
    assert mail["From"].endswith(channel.external_id)
    answer = {"external_id": "<replaced@vendor.test>", "references": ("<other@vendor.test>",), "to": (Party(address),)}
    joined = factories.message(channel, "It does not fit.", **answer)
    assert joined.conversation_id == first.conversation_id
    assert joined.details.to == [channel.external_id]  # who answers all does not write to us
    # Knowing the address is no right, and another's sign is none.
    stranger = factories.message(
        channel, "Me too.", external_id="<eve@evil.test>", sender=Party("eve@evil.test"), to=(Party(address),)
    )
    assert stranger.conversation_id != first.conversation_id
    forged = make_reply_to(key=b"another", delivery_id=delivery.pk, address=channel.external_id)
    other = factories.message(channel, "And?", external_id="<3@customer.test>", to=(Party(forged),))
    assert other.conversation_id != first.conversation_id


def test_answers_go_to_the_sender_where_nothing_is_signed_or_does_not_fit(world: World, acme: Any) -> None:
    delivery = Delivery.objects.get(pk=factories.approved(factories.draft(factories.message(world.mail)), world.ada).pk)
    assert outbound_of(delivery).reply_to == ""
    assert email.message_from_bytes(build_mail(outbound_of(delivery)))["Reply-To"] is None
    settings, long = MailSettings(signed_reply_to=True), f"{'a' * 30}@acme.test"
    assert MailIds().reply_to(DELIVERY, sender=long, settings=settings) == ""
    path = make_return_path(key=KEY, delivery_id=DELIVERY, address="support@acme.test")
    assert read_reply_to(path, key=KEY) is None  # one sign is not the other
    assert read_reply_to(path.replace("+b.", "+cs."), key=KEY) is None
