"""Who the customer is: the record of a person, the address that a message is of, and what decides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from conversations.channels.base import Automatic, Party
from conversations.customers import identity
from conversations.messages import inbox
from conversations.models import Conversation, Customer, CustomerAddress, Message
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import counted
from tests.conftest import World

FORM = Party("forms@shop.test", "Website form")
PAT, KIM = Party("pat@customer.test", "Pat Moss"), Party("kim@customer.test", "Kim Ray")


def written(world: World, **changes: Any) -> Message:
    return Message.objects.select_related("conversation", "writer__customer").get(
        pk=factories.message(world.mail, **changes).pk
    )


def addresses() -> list[tuple[str, str, str]]:
    found = CustomerAddress.objects.order_by("address").select_related("customer")
    return [(one.address, one.name, one.customer.name) for one in found]


def test_a_first_message_makes_a_customer_who_wrote_it_and_whose_conversation_it_is(world: World, acme: Any) -> None:
    message = written(world, sender=PAT)
    assert addresses() == [("pat@customer.test", "Pat Moss", "Pat Moss")]
    assert message.writer == CustomerAddress.objects.get() == message.conversation.customer_address


def test_the_same_address_however_it_is_written_is_the_same_customer(world: World, acme: Any) -> None:
    written(world, sender=Party("Jürgen@Straße.example", "Jürgen"))
    written(world, sender=Party("JÜRGEN@xn--strae-oqa.example.", "J."))
    assert addresses() == [("jürgen@xn--strae-oqa.example", "Jürgen", "Jürgen")]


def test_a_name_that_comes_later_is_kept_and_one_that_is_known_stays(world: World, acme: Any) -> None:
    for name in ("", "Pat Moss", "The Queen", ""):
        written(world, sender=Party(PAT.address, name))
    assert addresses() == [("pat@customer.test", "Pat Moss", "Pat Moss")]


def test_two_people_behind_one_form_are_two_customers(world: World, acme: Any) -> None:
    first = written(world, sender=FORM, reply_to=PAT)
    second = written(world, sender=FORM, answer_to=(KIM,))
    assert (first.writer.customer.name, second.writer.customer.name) == ("Pat Moss", "Kim Ray")
    assert not CustomerAddress.objects.filter(address=FORM.address).exists()
    assert second.conversation.customer_address == second.writer


def test_our_own_address_in_reply_to_is_nobodys(world: World, acme: Any) -> None:
    message = written(world, sender=PAT, answer_to=(Party(world.mail.external_id.upper()), KIM))
    assert message.writer.address == KIM.address
    assert written(world, sender=PAT, reply_to=Party(world.mail.external_id)).writer.address == PAT.address


def test_who_is_among_those_to_be_answered_wrote_it(world: World, acme: Any) -> None:
    message = written(world, sender=PAT, answer_to=(KIM, Party("PAT@customer.test")))
    assert (message.writer.address, message.writer.name) == (PAT.address, PAT.name)


def test_a_colleague_who_joins_a_thread_is_the_writer_of_their_own_message(world: World, acme: Any) -> None:
    first = written(world, sender=PAT, answer_to=(PAT, KIM))
    second = written(world, sender=KIM, references=(first.external_id,))
    assert second.conversation == first.conversation
    assert second.writer.address == KIM.address
    assert Conversation.objects.get().customer_address == first.writer


def test_what_only_one_channel_knows_is_kept_to_it_and_a_mail_address_is_the_same_on_all(
    world: World, acme: Any
) -> None:
    for channel in (world.mail, factories.channel(world.acme, type="chat", external_id="c")):
        for who in (Party("visitor 7731", "Pat"), PAT):
            factories.message(channel, sender=who, thread_id=f"{channel.pk} {who.address}")
    found = CustomerAddress.objects.order_by("address", "channel__type").values_list("address", "channel__type")
    assert list(found) == [("pat@customer.test", None), ("visitor 7731", "chat"), ("visitor 7731", "email")]


def test_nobody_is_made_of_a_message_without_an_address_or_of_our_own(world: World, acme: Any) -> None:
    nameless = written(world, sender=Party("", "Somebody"))
    own = written(world, sender=Party("desk@acme.test"), automatic=Automatic.OWN)
    assert (nameless.writer, nameless.conversation.customer_address, own.writer) == (None, None, None)


def test_a_conversation_that_a_provider_opens_is_of_the_customer_whom_it_names(world: World, acme: Any) -> None:
    conversation, _ = inbox.find_or_open(channel=world.mail, external_id="t", subject="", customer=PAT, actor=world.ada)
    again, is_new = inbox.find_or_open(channel=world.mail, external_id="t", subject="", customer=KIM, actor=world.ada)
    assert (again, is_new) == (conversation, False)
    assert addresses() == [("pat@customer.test", "Pat Moss", "Pat Moss")]


def test_to_hear_of_a_customer_is_one_statement_and_changes_nothing_when_known(world: World, acme: Any) -> None:
    versions = set()
    for party in (PAT, PAT, Party(PAT.address, "Another name"), Party(PAT.address)):
        with counted() as queries:
            identity.heard(world.mail, party)
        assert len(queries) == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT ctid, name FROM conversations_customeraddress")
            versions |= set(cursor.fetchall())
    assert len(versions) == 1, "one version of one row: it is locked against going, and no more"


def test_many_first_messages_of_one_person_at_once_make_one_customer(
    committed_world: World, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    world = committed_world
    calls = [lambda: factories.message(world.mail, sender=PAT) for _ in range(8)]
    assert all(isinstance(one, Message) for one in in_threads(calls))
    with tenant_context(world.acme.pk):
        assert (Customer.objects.count(), CustomerAddress.objects.count()) == (1, 1)
        assert Message.objects.filter(writer=CustomerAddress.objects.get()).count() == 8


def test_what_we_wrote_has_no_customer_as_its_writer(world: World, acme: Any) -> None:
    message = written(world, sender=PAT)
    with pytest.raises(IntegrityError, match="message_writer_inbound"), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(direction="outbound")
