"""A draft says whom it goes to, compared with who the customer is, and warns where the mail may not be from them."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup

from conversations.channels.base import Party
from conversations.models import Conversation, Message
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.desk import batch, recipients
from drafts.desk.scene import envelope_of
from drafts.flow import drafting
from drafts.models import Draft
from drafts.queue import Filters
from drafts.writing.port import DraftResult, Statement
from tests import factories
from tests.conftest import World

INGRID = Party("ingrid@customer.test", "Ingrid")
THIEF = Party("thief@evil.test", "Ingrid")


class Writes:
    """A drafter with one sourced sentence."""

    def write(self, request: Any, *, on_text: Any = None) -> DraftResult:
        self.request = request
        return DraftResult("Yes, it fits.", (Statement(0, 13, ()),), 0.9, (), "fit", (), "offline", 1, 1)


def lines(draft: Draft) -> list[tuple[bool, str]]:
    return [(each["ok"], each["text"]) for each in draft.checks][:-1]


def written(message: Message) -> tuple[Draft, Writes]:
    drafter = Writes()
    draft = drafting.write_draft(
        account_id=message.account_id, conversation_id=message.conversation_id, drafter=drafter
    )
    assert draft is not None
    return draft, drafter


def checks_of(message: Message) -> list[tuple[bool, str]]:
    with tenant_context(message.account_id):
        conversation = Conversation.objects.select_related("channel", "account").get(pk=message.conversation_id)
        draft = Draft(conversation=conversation, base_message=message)
        found = recipients.checks(conversation, message, envelope_of(conversation, draft))
    return [(each["ok"], each["text"]) for each in found]


def test_a_reply_to_the_customer_is_as_it_should_be(world: World) -> None:
    message = factories.message(world.mail, sender=INGRID, authentication=factories.PROVED)
    assert checks_of(message) == [
        (True, "Goes to the customer"),
        (True, "Sender proved (DMARC pass, DKIM pass, SPF pass)"),
    ]
    # Another way of writing it is the same address.
    assert checks_of(factories.message(world.mail, sender=INGRID, reply_to=Party("INGRID@Customer.test."))) == [
        (True, "Goes to the customer")
    ]


def test_a_differing_reply_to_is_named_and_compared_with_the_customer(world: World) -> None:
    message = factories.message(world.mail, sender=INGRID, reply_to=THIEF, authentication=factories.FORGED)
    assert checks_of(message) == [
        (False, "Goes to thief@evil.test; the customer is ingrid@customer.test"),
        (False, "ingrid@customer.test asks for the answer at thief@evil.test (Reply-To)"),
        (False, "Sender not proved (DMARC fail, DKIM none, SPF fail)"),
    ]


def test_another_participant_is_not_the_customer(world: World) -> None:
    """Before, the check compared the recipient with the newest sender, and was always green."""
    first = factories.message(world.mail, sender=INGRID, reply_to=Party("ann@customer.test"))
    second = factories.reply_to(first, sender=Party("ann@customer.test", "Ann"))
    assert checks_of(second) == [(False, "Goes to ann@customer.test; the customer is ingrid@customer.test")]


def test_the_warning_stands_on_the_draft_in_the_queue_and_on_the_page(world: World, signed_in: Any) -> None:
    message = factories.message(world.mail, sender=INGRID, reply_to=THIEF, authentication=factories.FORGED)
    draft, _ = written(message)
    assert draft.needs_human[0] == "sender"
    assert (False, "Goes to thief@evil.test; the customer is ingrid@customer.test") in lines(draft)
    ada = signed_in(world.ada)
    page = ada.get(f"/drafts/{draft.pk}/").content.decode()
    assert "This mail may not be from ingrid@customer.test." in page
    assert "it asks for the answer at thief@evil.test" in page
    assert "Sender not proved" in ada.get("/queue/").content.decode()


@pytest.mark.parametrize("authentication", [factories.PROVED, None])
def test_a_reply_to_elsewhere_alone_is_told_and_no_alarm(world: World, authentication: Any) -> None:
    message = factories.message(world.mail, sender=INGRID, reply_to=THIEF, authentication=authentication)
    draft, _ = written(message)
    assert "sender" not in draft.needs_human
    assert not recipients.is_suspicious(message)
    assert (False, "ingrid@customer.test asks for the answer at thief@evil.test (Reply-To)") in lines(draft)


def test_who_named_a_thread_without_being_part_of_it_needs_a_person(world: World) -> None:
    first = factories.message(world.mail, sender=INGRID)
    stolen = factories.reply_to(first, sender=THIEF, authentication=factories.PROVED)
    draft, _ = written(stolen)
    assert draft.needs_human[0] == "sender"
    assert (False, "It answers a message of #1, and its sender is not part of that thread") in lines(draft)


def test_the_one_who_wrote_is_greeted(world: World) -> None:
    first = factories.message(world.mail, sender=INGRID, reply_to=Party("ann@customer.test"))
    second = factories.reply_to(first, sender=Party("ann@customer.test", "Ann Lee"))
    assert written(second)[1].request.customer_name == "Ann Lee"


def test_no_batch_takes_a_mail_that_may_be_forged(world: World, acme: Any) -> None:
    good = factories.draft(factories.message(world.mail, sender=INGRID))
    forged = factories.draft(
        factories.message(world.mail, sender=INGRID, reply_to=THIEF, authentication=factories.FORGED),
        needs_human=["sender"],
    )
    unmarked = factories.draft(
        factories.message(world.mail, sender=INGRID, reply_to=THIEF, authentication=factories.FORGED)
    )
    assert forged.pk not in batch.safe_ones(Filters(), world.ada, ALL)
    found = {one.draft.pk: one.why_not for one in batch.candidates([good.pk, forged.pk, unmarked.pk], world.ada, ALL)}
    assert found[good.pk] == ""
    assert found[forged.pk] == found[unmarked.pk] == "Its sender is not proved, and it asks for the answer elsewhere"


def test_the_page_and_the_drafter_name_who_wrote_the_message_and_not_who_opened_the_thread(
    world: World, signed_in: Any
) -> None:
    ann = Party("ann@customer.test", "Ann Lee")
    first = factories.message(world.mail, sender=INGRID, answer_to=(INGRID, ann))
    draft, drafter = written(factories.reply_to(first, sender=ann))
    assert drafter.request.customer_name == "Ann Lee"
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert page.select_one("#decide")["data-who"] == "Ann Lee"
    with tenant_context(world.acme.pk):
        assert Draft.objects.get(pk=draft.pk).conversation.customer == "Ingrid"
        Message.objects.filter(pk=draft.base_message_id).update(erased_at=draft.created_at)
        assert recipients.who_is_answered(Draft.objects.get(pk=draft.pk)) == "Ingrid"
