"""Which thread a mail names by our own signs: the address that a reply is answered at; and where a mail of one of us belongs."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from conversations.channels.base import Automatic, Party
from conversations.channels.email.ids import make_reply_to
from conversations.messages import joining
from conversations.messages.joining import Place, answered_by, find_place, takes_part, without_signs
from conversations.models import Conversation, Delivery, Message
from tests import factories
from tests.conftest import World

INGRID, ANN = Party("ingrid@customer.test", "Ingrid"), Party("ann@customer.test", "Ann")
OURS = "support@acme.test"


@pytest.fixture
def delivery(world: World, acme: Any, attachments_dir: Any) -> Delivery:
    """Our reply to Ingrid; there is another thread, and one of the same people on another channel."""
    factories.approved(factories.draft(factories.message(world.mail, sender=ANN)), world.ada)
    return factories.approved(factories.draft(factories.message(world.mail, sender=INGRID)), world.ada)


def signed(delivery: Delivery) -> str:
    """Where our reply asks to be answered."""
    return make_reply_to(key=settings.MESSAGE_ID_KEY, delivery_id=delivery.pk, address=OURS)


def mail(**changes: Any) -> Any:
    return factories.inbound("More", **{"sender": INGRID, **changes})


@pytest.mark.parametrize("where", ["recipient", "to", "cc"])
def test_a_mail_to_the_address_of_a_reply_joins_its_thread(world: World, delivery: Delivery, where: str) -> None:
    to = signed(delivery)
    assert to not in {"", OURS}
    given = {where: to if where == "recipient" else (Party(OURS), Party(to))}
    assert find_place(world.mail, mail(**given)) == Place(delivery.conversation_id)
    assert find_place(world.mail, mail(sender=Party("thief@evil.test"), **given)) == Place(
        None, delivery.conversation_id
    )


def test_the_address_of_another_channels_reply_names_nothing_here(world: World, delivery: Delivery) -> None:
    sales = factories.channel(world.acme, external_id="sales@acme.test", name="Sales")
    assert find_place(sales, mail(recipient=signed(delivery))) == Place(None, None)


def test_a_message_that_is_named_is_nearer_than_the_address(world: World, delivery: Delivery) -> None:
    other = factories.message(world.mail, sender=INGRID)
    given = {"recipient": signed(delivery), "references": (other.external_id,)}
    assert find_place(world.mail, mail(**given)) == Place(other.conversation_id)
    assert find_place(world.mail, mail(**{**given, "references": ("<nobody@knows.test>",)})) == Place(
        delivery.conversation_id
    )


def test_our_signs_are_taken_off_wherever_a_mail_came_to(world: World, delivery: Delivery) -> None:
    at = signed(delivery)
    found = without_signs(world.mail, mail(recipient=at, to=(Party(at, "Us"), ANN), cc=(Party(at),)))
    assert (found.recipient, found.to, found.cc) == (OURS, (Party(OURS, "Us"), ANN), (Party(OURS),))


# --- a mail that one of us sent ------------------------------------------------------------------------------------
@pytest.mark.parametrize("where", ["to", "cc"])
def test_what_one_of_us_answered_belongs_where_it_names_a_message_and_goes_to_a_party(
    world: World, delivery: Delivery, where: str
) -> None:
    first = Message.objects.filter(conversation=delivery.conversation_id, direction="inbound").get()
    sent = {"sender": Party(OURS), "references": (first.external_id,)}
    assert answered_by(world.mail, mail(**sent, **{where: (ANN, INGRID)})) == delivery.conversation_id
    assert answered_by(world.mail, mail(**sent, **{where: (ANN,)})) is None
    assert answered_by(world.mail, mail(sender=Party(OURS), **{where: (INGRID,)})) is None


# --- who takes part ------------------------------------------------------------------------------------------------
def test_its_customer_takes_part_also_where_nobody_wrote_yet(world: World, delivery: Delivery) -> None:
    of_it = Conversation.objects.filter(pk=delivery.conversation_id)
    of_it.update(customer_email="dana@customer.test")
    assert takes_part(delivery.conversation_id, "Dana@customer.test")
    of_it.update(customer_email="")
    assert not takes_part(delivery.conversation_id, "dana@customer.test")
    assert not takes_part(delivery.conversation_id, "")


def test_who_is_only_named_in_what_we_wrote_takes_no_part(world: World, delivery: Delivery) -> None:
    """The text of a reply says nothing of who may join: its delivery does."""
    Message.objects.filter(pk=delivery.message_id).update(metadata={"sender": "boss@acme.test"})
    assert not takes_part(delivery.conversation_id, "boss@acme.test")


def test_who_had_a_blind_copy_takes_part(world: World, delivery: Delivery) -> None:
    envelope = {**delivery.envelope, "bcc": [{"address": "quiet@customer.test", "name": ""}]}
    Delivery.objects.filter(pk=delivery.pk).update(envelope=envelope)
    assert takes_part(delivery.conversation_id, "quiet@customer.test")


def test_a_bounce_in_prose_names_one_of_several_recipients(world: World, delivery: Delivery) -> None:
    parties = [{"address": one, "name": ""} for one in ("ingrid@customer.test", "ann@customer.test")]
    Delivery.objects.filter(pk=delivery.pk).update(envelope={**delivery.envelope, "to": parties})
    delivery.refresh_from_db()
    bounce = factories.inbound("ann@customer.test: no such user", automatic=Automatic.BOUNCE)
    assert joining._names_a_recipient(bounce, delivery)
