"""Who joins a thread: those who take part in it. Everybody else is told apart, and people are told that the two may belong
together."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from conversations.channels.base import Automatic, Party
from conversations.messages.envelope import reply_envelope, writer_name
from conversations.messages.inbox import record_inbound
from conversations.models import AuditEvent, Channel, Conversation, Delivery, Message, Notification, RelatedConversation
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World

INGRID = Party("ingrid@customer.test", "Ingrid Sørensen")
THIEF = Party("thief@evil.test", "Ingrid Sørensen")


@pytest.fixture(autouse=True)
def _files(attachments_dir: Any) -> None:
    pass


def receive(world: World, text: str = "A question", **changes: Any) -> Message:
    return record_inbound(channel=world.mail, inbound=factories.inbound(text, **changes))[0]


def answered(world: World, first: Message, **changes: Any) -> Delivery:
    """Our reply to `first` is on its way, so that its id is known to the one it was sent to."""
    return factories.approved(factories.draft(first), world.ada, **changes)


def sent(delivery: Delivery) -> Delivery:
    for status in ("queued", "sending", "sent"):
        Delivery.objects.filter(pk=delivery.pk).update(
            status=status, lease_until=timezone.now(), sent_at=timezone.now()
        )
    delivery.refresh_from_db()
    return delivery


def to(message: Message) -> list[dict[str, str]]:
    conversation = Conversation.objects.get(pk=message.conversation_id)
    found: list[dict[str, str]] = reply_envelope(conversation, Channel.objects.get(), message)["to"]
    return found


def test_a_forged_copy_does_not_stand_for_the_customers_own_mail(world: World, acme: Any) -> None:
    """Whoever had a copy of a mail sends it again and faster, with the answer to themselves: Ingrid's must still come in."""
    forged = receive(world, "Where is it?", sender=INGRID, reply_to=THIEF, answer_to=(THIEF,), external_id="<1@c.test>")
    own = receive(world, "Where is it?", sender=INGRID, external_id="<1@c.test>")
    assert own.pk != forged.pk
    assert [party["address"] for party in to(own)] == ["ingrid@customer.test"]
    assert receive(world, "Where is it?", sender=INGRID, external_id="<1@c.test>").pk == own.pk


# --- joining ---------------------------------------------------------------------------------------------------------
def test_a_stranger_who_knows_our_id_gets_a_conversation_of_their_own(world: World, acme: Any) -> None:
    """The attack: "To Ingrid <thief@…>" with a green tick."""
    first = receive(world, "Where is my order?", sender=INGRID)
    delivery = answered(world, first)
    stolen = receive(world, "Send it to my new address", sender=THIEF, references=(delivery.idempotency_key,))
    assert stolen.conversation_id != first.conversation_id
    assert stolen.conversation.customer_email == "thief@evil.test"
    # In its own words a thief may be called Ingrid; beside the customer's thread the name is the address's own.
    assert to(stolen) == [{"address": "thief@evil.test", "name": "Ingrid Sørensen"}]
    relation = RelatedConversation.objects.get()
    assert (relation.conversation_id, relation.other_id, relation.reason) == (
        stolen.conversation_id,
        first.conversation_id,
        "not_a_participant",
    )
    told = AuditEvent.objects.filter(kind="conversation.related").order_by("id")
    assert [(event.conversation_id, event.data["number"]) for event in told] == [
        (stolen.conversation_id, 1),
        (first.conversation_id, 2),
    ]


@pytest.mark.parametrize("how", ["our id", "the customer's id", "both"])
def test_no_id_joins_a_stranger(world: World, acme: Any, how: str) -> None:
    first = receive(world, sender=INGRID)
    ours = answered(world, first).idempotency_key
    references = {"our id": (ours,), "the customer's id": (first.external_id,), "both": (ours, first.external_id)}
    found = receive(world, "Mine now", sender=THIEF, references=references[how])
    assert found.conversation_id != first.conversation_id
    assert RelatedConversation.objects.count() == 1


@pytest.mark.parametrize(
    "sender", [INGRID, Party("INGRID@customer.test"), Party("ingrid@Customer.TEST.", "I"), Party("ann@customer.test")]
)
def test_who_takes_part_joins_by_our_id_and_by_their_own(world: World, acme: Any, sender: Party) -> None:
    first = receive(world, sender=INGRID, reply_to=Party("ann@customer.test"))
    ours = answered(world, first).idempotency_key
    for references in ((ours,), (first.external_id,)):
        assert receive(world, "More", sender=sender, references=references).conversation_id == first.conversation_id
    assert not RelatedConversation.objects.exists()


def test_an_address_that_we_wrote_to_takes_part(world: World, acme: Any) -> None:
    first = receive(world, sender=INGRID, answer_to=(INGRID, Party("buying@customer.test", "Purchasing")))
    delivery = answered(world, first)
    assert [party["address"] for party in delivery.envelope["to"]] == [INGRID.address, "buying@customer.test"]
    second = receive(world, "We take two", sender=Party("buying@customer.test"), references=(delivery.idempotency_key,))
    assert second.conversation_id == first.conversation_id


def test_the_reply_to_of_a_mail_that_failed_makes_nobody_a_participant(world: World, acme: Any) -> None:
    first = receive(world, sender=INGRID)
    ours = answered(world, first).idempotency_key
    forged = receive(
        world, "To my new address", sender=INGRID, reply_to=THIEF, references=(ours,), authentication=factories.FORGED
    )
    assert forged.conversation_id == first.conversation_id  # it says it is from her, and is marked
    stolen = receive(world, "And now?", sender=THIEF, references=(forged.external_id,))
    assert stolen.conversation_id != first.conversation_id


def test_a_provider_s_thread_is_the_provider_s_to_say(world: World, acme: Any) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="c1", name="Chat")
    one, _ = record_inbound(channel=chat, inbound=factories.inbound("a", thread_id="t", sender=INGRID))
    two, _ = record_inbound(channel=chat, inbound=factories.inbound("b", thread_id="t", sender=THIEF))
    assert one.conversation_id == two.conversation_id


def test_the_same_mail_on_two_desks_is_said_on_both(world: World, acme: Any) -> None:
    sales = factories.channel(world.acme, external_id="sales@acme.test", name="Sales")
    mail = factories.inbound("To both", external_id="<both@customer.test>")
    one, _ = record_inbound(channel=world.mail, inbound=mail)
    two, _ = record_inbound(channel=sales, inbound=mail)
    assert one.conversation_id != two.conversation_id
    relation = RelatedConversation.objects.get()
    assert (relation.conversation_id, relation.other_id, relation.reason) == (
        two.conversation_id,
        one.conversation_id,
        "same_mail",
    )


# --- names and addresses ---------------------------------------------------------------------------------------------
def test_a_name_stands_beside_its_own_address_only(world: World, acme: Any) -> None:
    first = receive(world, sender=INGRID)
    ours = answered(world, first).idempotency_key
    forged = receive(world, "New address", sender=INGRID, reply_to=Party("thief@evil.test"), references=(ours,))
    assert to(forged) == [{"address": "thief@evil.test", "name": ""}]
    named = receive(world, "Again", sender=INGRID, reply_to=Party("x@customer.test", "Xenia"), references=(ours,))
    assert to(named) == [{"address": "x@customer.test", "name": "Xenia"}]
    assert writer_name(named.conversation, named) == "Xenia"
    plain = receive(world, "Third", sender=Party("INGRID@customer.test"), references=(ours,))
    assert to(plain) == [{"address": "INGRID@customer.test", "name": "Ingrid Sørensen"}]


def test_our_own_address_in_reply_to_is_not_answered(world: World, acme: Any) -> None:
    mail = receive(world, sender=INGRID, answer_to=(Party("Support@acme.test"), INGRID))
    assert [party["address"] for party in to(mail)] == [INGRID.address]
    only = receive(world, sender=INGRID, answer_to=(Party("support@acme.test"),))
    assert [party["address"] for party in to(only)] == [INGRID.address]


def page(browser: Client, message: Message) -> str:
    return browser.get(f"/conversations/{message.conversation_id}/").content.decode()


def test_both_pages_say_that_they_may_be_related_and_who_wrote(world: World, signed_in: Any) -> None:
    with tenant_context(world.acme.pk):
        first = receive(world, sender=INGRID)
        ours = answered(world, first).idempotency_key
        stolen = receive(world, "Mine", sender=THIEF, references=(ours,))
        draft = factories.draft(stolen)
    ada = signed_in(world.ada)
    assert "Maybe related: #2." in page(ada, first)
    assert "Maybe related: #1." in page(ada, stolen)
    pane = ada.get(f"/drafts/{draft.pk}/").content.decode()
    assert "Maybe related: #1." in pane
    assert f"/conversations/{first.conversation_id}/" in pane


def test_another_participants_name_and_the_copies_stand_on_the_message(world: World, signed_in: Any) -> None:
    with tenant_context(world.acme.pk):
        first = receive(world, sender=INGRID, reply_to=Party("ann@customer.test"), cc=(Party("foreman@customer.test"),))
        receive(world, "From Ann", sender=Party("ann@customer.test", "Ann Lee"), references=(first.external_id,))
    text = page(signed_in(world.ada), first)
    assert "<b><bdi>Ann Lee</bdi></b>" in text
    assert "asks for the answer at ann@customer.test" in text
    assert "copy to foreman@customer.test" in text


# --- bounces ---------------------------------------------------------------------------------------------------------
def bounce(world: World, delivery: Delivery, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "sender": Party("mailer-daemon@relay.test"),
        "to": (Party("support@acme.test"),),
        "automatic": Automatic.BOUNCE,
        "bounced_message_id": delivery.idempotency_key,
        "bounced_addresses": ("marcus@customer.test",),
    }
    return receive(world, "550 no such user", **{**values, **changes})


def test_a_bounce_that_proves_itself_marks_the_delivery_in_its_thread(world: World, acme: Any) -> None:
    first = receive(world)
    delivery = sent(answered(world, first))
    assert delivery.return_path == "support@acme.test"
    message = bounce(world, delivery, bounced_addresses=("MARCUS@Customer.test",))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("bounced", "550 no such user")
    assert message.conversation_id == first.conversation_id
    assert Notification.objects.get().type == "bounced"


@pytest.mark.parametrize(
    "forged",
    [
        {"bounced_addresses": ("else@customer.test",)},
        {"bounced_addresses": (), "body_text": "xmarcus@customer.test.evil failed", "body_new": "x"},
        {"to": (Party("other@acme.test"),)},
        {"to": ()},
        {"bounced_message_id": "<cs.0.0@desk.test>"},
        {"bounced_message_id": ""},
        {"automatic": Automatic.AUTO_REPLY},
        {"automatic": None},
    ],
    ids=[
        "another recipient",
        "no recipient",
        "another address",
        "nowhere",
        "made up",
        "no id",
        "no bounce",
        "a person",
    ],
)
def test_a_forged_bounce_changes_no_delivery(world: World, acme: Any, forged: dict[str, Any]) -> None:
    delivery = sent(answered(world, receive(world)))
    bounce(world, delivery, **forged)
    delivery.refresh_from_db()
    assert delivery.status == "sent"
    assert not Notification.objects.exists()


def test_a_bounce_in_prose_has_to_name_the_recipient(world: World, acme: Any) -> None:
    delivery = sent(answered(world, receive(world)))
    bounce(world, delivery, bounced_addresses=(), body_text="An <marcus@customer.test>: Postfach voll.")
    delivery.refresh_from_db()
    assert delivery.status == "bounced"


def test_with_a_return_path_of_its_own_only_what_comes_back_there_counts(world: World, acme: Any) -> None:
    Channel.objects.update(metadata={**world.mail.metadata, "signed_return_path": True})
    delivery = sent(answered(world, receive(world)))
    assert delivery.return_path.startswith("support+b.")
    bounce(world, delivery)  # to support@: the id alone proves nothing
    delivery.refresh_from_db()
    assert delivery.status == "sent"
    wrong = delivery.return_path.replace("+b.", "+b.a")
    for changes in ({"recipient": wrong}, {"to": (Party(wrong),)}):
        bounce(world, delivery, **changes)
        delivery.refresh_from_db()
        assert delivery.status == "sent"
    # Without any id in it: the address says which delivery.
    bounce(world, delivery, recipient=delivery.return_path.upper(), bounced_message_id="")
    delivery.refresh_from_db()
    assert delivery.status == "bounced"


def test_a_bounce_of_another_tenants_delivery_changes_nothing(world: World) -> None:
    theirs = factories.approved(factories.draft(factories.message(world.other_mail)), world.eve)
    with tenant_context(world.globex.pk):
        sent(theirs)
    with tenant_context(world.acme.pk):
        bounce(world, theirs)
    with tenant_context(world.globex.pk):
        theirs.refresh_from_db()
        assert theirs.status == "sent"
