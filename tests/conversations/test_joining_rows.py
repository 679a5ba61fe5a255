"""Which conversation a message belongs to, asked of the functions themselves: the nearest, by whose right, and what is said."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from conversations.channels.base import Automatic, Party
from conversations.messages import joining
from conversations.messages.inbox import record_inbound
from conversations.messages.joining import Place, bounced_delivery, find_place, relate, same_mail_elsewhere, takes_part
from conversations.models import AuditEvent, Channel, Conversation, Delivery, Message, RelatedConversation
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

INGRID, ANN = Party("ingrid@customer.test", "Ingrid"), Party("ann@customer.test", "Ann")
Reason = RelatedConversation.Reason


@pytest.fixture(autouse=True)
def _files(attachments_dir: Any) -> None:
    pass


def place(channel: Channel, **changes: Any) -> Place:
    return find_place(channel, factories.inbound("More", **{"sender": INGRID, **changes}))


def conversation(message: Message) -> Conversation:
    found: Conversation = Conversation.objects.get(pk=message.conversation_id)
    return found


# --- the place -----------------------------------------------------------------------------------------------------------
def test_a_message_that_names_nothing_is_a_new_conversations(world: World, acme: Any) -> None:
    factories.message(world.mail, sender=INGRID)
    assert place(world.mail) == Place(None, None)
    assert place(world.mail, references=("<nobody@knows.test>",)) == Place(None, None)


def test_a_providers_thread_is_looked_for_on_its_own_channel_alone(world: World, acme: Any) -> None:
    one, two = (factories.channel(world.acme, type="chat", external_id=name, name=name) for name in ("c1", "c2"))
    first, _ = record_inbound(channel=one, inbound=factories.inbound("a", thread_id="t"))
    record_inbound(channel=one, inbound=factories.inbound("b", thread_id="u"))
    assert place(one, thread_id="t") == Place(first.conversation_id)
    assert place(two, thread_id="t") == Place(None)


def test_the_nearest_thread_that_the_sender_takes_part_in_is_joined(world: World, acme: Any) -> None:
    theirs, older, newer = (factories.message(world.mail, sender=who) for who in (ANN, INGRID, INGRID))
    both = (theirs.external_id, older.external_id, newer.external_id)
    assert place(world.mail, references=both) == Place(older.conversation_id)
    assert place(world.mail, references=both[::-1]) == Place(newer.conversation_id)
    assert place(world.mail, references=both, sender=ANN) == Place(theirs.conversation_id)
    stranger = Party("thief@evil.test")
    assert place(world.mail, references=both, sender=stranger) == Place(None, theirs.conversation_id)
    assert place(world.mail, references=both[::-1], sender=stranger) == Place(None, newer.conversation_id)


def test_only_what_came_in_on_this_channel_is_known_by_its_own_id(world: World, acme: Any) -> None:
    sales = factories.channel(world.acme, external_id="sales@acme.test", name="Sales")
    there = factories.message(sales, sender=INGRID)
    assert place(world.mail, references=(there.external_id,)) == Place(None, None)
    first = factories.message(world.mail, sender=INGRID)
    delivery = factories.approved(factories.draft(first), world.ada)
    Message.objects.filter(pk=delivery.message_id).update(external_id="<ours@acme.test>")
    assert place(world.mail, references=("<ours@acme.test>",)) == Place(None, None), (
        "an outbound's id was not signed by us"
    )
    assert place(world.mail, references=(delivery.idempotency_key,)) == Place(first.conversation_id)
    assert place(sales, references=(delivery.idempotency_key,)) == Place(None, None)
    beside = ("<nobody@knows.test>", delivery.idempotency_key)
    assert place(world.mail, references=beside) == Place(first.conversation_id)


# --- who takes part --------------------------------------------------------------------------------------------------------
def test_each_way_to_take_part_is_one(world: World, acme: Any) -> None:
    asked = {
        "reply_to": Party("reply@customer.test"),
        "answer_to": (Party("x@customer.test"), Party("y@customer.test")),
    }
    first = factories.message(world.mail, sender=INGRID, **asked)
    factories.reply_to(first, sender=Party("reply@customer.test"))
    pk = first.conversation_id
    for address in ("Ingrid@customer.test", "reply@customer.test", "x@customer.test", "y@customer.test"):
        assert takes_part(pk, address), address
    for address in ("", "  ", "no address", "thief@evil.test"):
        assert not takes_part(pk, address), address
    assert not takes_part(uuid.uuid4(), "ingrid@customer.test")


def test_a_mail_that_failed_makes_only_its_sender_one_and_a_machines_nobody(world: World, acme: Any) -> None:
    first = factories.message(world.mail, sender=INGRID)
    asked = {"reply_to": Party("reply@evil.test"), "answer_to": (Party("x@evil.test"),)}
    for changes in ({"authentication": factories.FORGED}, {"automatic": Automatic.AUTO_REPLY}):
        mail = factories.inbound("More", sender=INGRID, references=(first.external_id,), **asked, **changes)
        message, _ = record_inbound(channel=world.mail, inbound=mail)
        assert message.conversation_id == first.conversation_id
    for address in ("reply@evil.test", "x@evil.test"):
        assert not takes_part(first.conversation_id, address)


def test_whom_we_wrote_to_takes_part_unless_it_was_taken_back(world: World, acme: Any) -> None:
    first = factories.message(world.mail, sender=INGRID)
    delivery = factories.approved(factories.draft(first), world.ada)
    parties = [{"address": "to@customer.test", "name": ""}], [{"address": "cc@customer.test", "name": ""}]
    envelope = {**delivery.envelope, "to": parties[0], "cc": parties[1]}
    Delivery.objects.filter(pk=delivery.pk).update(envelope=envelope)
    other = factories.message(world.mail, sender=ANN)
    for address in ("to@customer.test", "cc@customer.test"):
        assert takes_part(first.conversation_id, address)
        assert not takes_part(other.conversation_id, address)
    Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    assert not takes_part(first.conversation_id, "to@customer.test")


# --- bounces ---------------------------------------------------------------------------------------------------------------
def bounce(delivery: Delivery, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "sender": Party("mailer-daemon@relay.test"),
        "to": (Party("Support@acme.test"),),
        "automatic": Automatic.BOUNCE,
        "bounced_message_id": delivery.idempotency_key,
        "bounced_addresses": ("marcus@customer.test",),
        **changes,
    }
    return factories.inbound(values.pop("text", "550 no such user"), **values)


def test_a_bounce_is_placed_in_its_deliverys_thread(world: World, acme: Any) -> None:
    first = factories.message(world.mail)
    delivery = factories.approved(factories.draft(first), world.ada)
    assert find_place(world.mail, bounce(delivery)) == Place(first.conversation_id)
    assert bounced_delivery(world.mail, bounce(delivery, to=(), recipient="support@acme.test")) == delivery
    sales = factories.channel(world.acme, external_id="sales@acme.test", name="Sales")
    assert bounced_delivery(sales, bounce(delivery)) is None
    Delivery.objects.filter(pk=delivery.pk).update(return_path="")
    assert bounced_delivery(world.mail, bounce(delivery)) == delivery, "it came to where the reply was sent from"
    assert bounced_delivery(world.mail, bounce(delivery, to=(Party("other@acme.test"),))) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("An MARCUS@customer.test: voll", True),
        ("<marcus@customer.test>", True),
        ("xmarcus@customer.test", False),
        ("marcus@customer.testing", False),
        ("m.marcus@customer.test", False),
        ("marcus+1@customer.test", False),
        ("nobody", False),
        ("", False),
    ],
)
def test_prose_names_a_recipient_by_the_whole_address(world: World, acme: Any, text: str, names: bool) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    found = bounced_delivery(world.mail, bounce(delivery, text=text, bounced_addresses=()))
    assert found == (delivery if names else None)


def test_prose_is_read_to_a_bound(world: World, acme: Any, monkeypatch: Any) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    monkeypatch.setattr(joining, "BOUNCE_CHARS", 30)
    for blanks, found in ((10, delivery), (11, None)):
        mail = bounce(delivery, text=" " * blanks + "marcus@customer.test", bounced_addresses=())
        assert bounced_delivery(world.mail, mail) == found


# --- what is said ------------------------------------------------------------------------------------------------------------
def test_two_threads_are_related_once_and_both_say_so(world: World, acme: Any) -> None:
    one, two = conversation(factories.message(world.mail)), conversation(factories.message(world.mail, sender=ANN))
    relate(conversation=two, other_id=one.pk, reason=Reason.NOT_A_PARTICIPANT)
    found = RelatedConversation.objects.get()
    assert (found.account_id, found.conversation_id, found.other_id) == (world.acme.pk, two.pk, one.pk)
    assert found.reason == Reason.NOT_A_PARTICIPANT
    told = AuditEvent.objects.filter(kind="conversation.related").order_by("id")
    assert [(event.conversation_id, event.object_id, event.actor_type, event.data) for event in told] == [
        (two.pk, str(two.pk), "system", {"number": one.number, "reason": Reason.NOT_A_PARTICIPANT.label}),
        (one.pk, str(two.pk), "system", {"number": two.number, "reason": Reason.NOT_A_PARTICIPANT.label}),
    ]
    with assert_nothing_written():
        relate(conversation=two, other_id=one.pk, reason=Reason.SAME_MAIL)
        relate(conversation=two, other_id=two.pk, reason=Reason.SAME_MAIL)


def test_the_same_mail_is_found_on_the_accounts_other_channels_of_its_type(world: World, acme: Any) -> None:
    desks = [factories.channel(world.acme, external_id=f"desk{n}@acme.test", name=f"Desk {n}") for n in range(6)]
    mail = factories.inbound("To all", external_id="<all@customer.test>", sender=INGRID)
    own, _ = record_inbound(channel=world.mail, inbound=mail)
    assert same_mail_elsewhere(world.mail, own) == []
    there = [record_inbound(channel=desk, inbound=mail)[0] for desk in desks]
    assert len(same_mail_elsewhere(world.mail, own)) == 5, "that many are enough to say"
    Message.objects.filter(pk__in=[message.pk for message in there[2:]]).delete()
    assert set(same_mail_elsewhere(world.mail, own)) == {message.conversation_id for message in there[:2]}
    other = factories.inbound("Another text", external_id="<all@customer.test>", sender=INGRID)
    record_inbound(channel=desks[5], inbound=other)
    record_inbound(channel=desks[5], inbound=factories.inbound("To all", sender=INGRID))
    assert len(same_mail_elsewhere(world.mail, own)) == 2


def test_another_accounts_copy_of_a_mail_is_not_told(unbound: World) -> None:
    mail = factories.inbound("To both", external_id="<both@customer.test>", sender=INGRID)
    with tenant_context(unbound.globex.pk):
        record_inbound(channel=unbound.other_mail, inbound=mail)
    with tenant_context(unbound.acme.pk):
        own, _ = record_inbound(channel=unbound.mail, inbound=mail)
        assert same_mail_elsewhere(unbound.mail, own) == []
        assert not RelatedConversation.objects.exists()
