"""Spam: closed, the sender's further mail set aside and kept, and every step of it can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import Party
from conversations.errors import Conflict, Invalid, Locked
from conversations.models import AuditEvent, BlockedSender, Conversation, Message, Notification, User
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.desk import editing, life, spam
from drafts.models import Draft
from ingestion import quarantine
from ingestion.models import InboundEvent
from ingestion.receive import read_event, receive_mail
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]
SPAMMER = "Win@Spam.test"


@pytest.fixture
def talk(world: World) -> Any:
    return factories.message(world.mail, "You won", sender=Party(SPAMMER, "Win"))


def mark(world: World, talk: Any, *, block: bool = True) -> None:
    with tenant_context(world.acme.pk):
        spam.mark(conversation_id=talk.conversation_id, actor=world.ada, block=block)


def arrives(world: World, text: str = "You won again", sender: str = "win@spam.test", more: str = "") -> Any:
    raw = f"From: {sender}\r\nTo: support@acme.test\r\n{more}Subject: Won\r\nMessage-ID: <{text}@x>\r\n\r\n{text}\r\n"
    return receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=raw.encode())


def count(world: World, model: Any, **of: Any) -> int:
    with tenant_context(world.acme.pk):
        found: int = model.objects.filter(**of).count()
        return found


def test_it_closes_owes_nothing_and_its_draft_expires(world: World, talk: Any) -> None:
    factories.draft(talk)
    mark(world, talk)
    with tenant_context(world.acme.pk):
        found = Conversation.objects.get(pk=talk.conversation_id)
        assert (found.status, found.outcome, found.owed, Draft.objects.get().status) == (
            "closed",
            "spam",
            "",
            "expired",
        )
        assert BlockedSender.objects.get().address == "win@spam.test"
        kinds = list(AuditEvent.objects.order_by("-id").values_list("kind", flat=True)[:2])
        blocked = AuditEvent.objects.get(kind="sender.blocked")
    assert kinds == ["sender.blocked", "conversation.closed"]
    assert "spam.test" not in str(blocked.data)


def test_further_mail_is_set_aside_without_asking_anybody(committed_world: World) -> None:
    world = committed_world
    talk = factories.message(world.mail, "You won", sender=Party(SPAMMER, "Win"))
    mark(world, talk)
    event = arrives(world).event
    assert (event.status, event.detail, event.sender) == ("set_aside", "Its sender is blocked.", "win@spam.test")
    assert count(world, Message) == 1
    assert count(world, Notification) == 0
    assert count(world, AuditEvent, kind="inbound.set_aside") == 1
    # Another is not, and neither is who wrote by the same form.
    assert arrives(world, "Hello", "marcus@customer.test").message is not None


def test_it_can_be_let_in_and_the_sender_unblocked(committed_world: World) -> None:
    world = committed_world
    talk = factories.message(world.mail, "You won", sender=Party(SPAMMER, "Win"))
    mark(world, talk)
    event = arrives(world).event
    with tenant_context(world.acme.pk):
        quarantine.retry(event_id=event.pk, actor=world.ada)
    assert read_event(account_id=world.acme.pk, event_id=event.pk).message is not None
    with tenant_context(world.acme.pk):
        spam.unblock(conversation_id=talk.conversation_id, actor=world.ada)
    assert arrives(world, "Third").message is not None


def test_closing_without_blocking_lets_mail_in(committed_world: World) -> None:
    world = committed_world
    talk = factories.message(world.mail, "You won", sender=Party(SPAMMER, "Win"))
    mark(world, talk, block=False)
    assert arrives(world).message is not None


def test_a_reply_of_ours_unblocks_nothing_and_the_page_says_so(world: World, signed_in: Browser, talk: Any) -> None:
    mark(world, talk)
    with tenant_context(world.acme.pk):
        life.reopen(conversation_id=talk.conversation_id, actor=world.ada)
    factories.approved(factories.draft(talk), world.ada)
    assert count(world, BlockedSender) == 1
    client = signed_in(world.cy)
    page = BeautifulSoup(client.get(f"/conversations/{talk.conversation_id}/").content, "html.parser")
    [banner] = [one for one in page.select(".banner") if "The sender is blocked" in one.text]
    assert client.post(banner.select_one("form")["action"]).status_code == 303
    assert count(world, BlockedSender) == 0
    assert count(world, AuditEvent, kind="sender.unblocked") == 1


def test_refusals_write_nothing(world: World, signed_in: Browser, talk: Any) -> None:
    own = factories.message(world.mail, "Loop", sender=Party("support@acme.test"))
    nobody = factories.message(world.mail, "Nobody")
    with tenant_context(world.acme.pk):
        Conversation.objects.filter(pk=nobody.conversation_id).update(customer_email="")
    for one, words in ((own, "address of our own"), (nobody, "no address")):
        with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match=words):
            mark(world, one)
    draft = factories.draft(talk)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.dan)
    with assert_nothing_written_in(world.acme), pytest.raises(Locked):
        mark(world, talk)
    auditor, stranger, agent = (signed_in(one) for one in (world.bo, world.eve, world.cy))
    for act in ("spam", "unblock"):
        url = f"/conversations/{talk.conversation_id}/{act}/"
        with assert_nothing_written_in(world.acme):
            assert auditor.post(url).status_code == 403
            assert stranger.post(url).status_code == 404
            assert agent.get(url).status_code == 405
    mark(world, nobody, block=False)
    with assert_nothing_written_in(world.acme), pytest.raises(Conflict, match="spam already"):
        mark(world, nobody, block=False)


def test_a_block_is_one_accounts_own(world: World, talk: Any) -> None:
    mark(world, talk)
    with tenant_context(world.globex.pk):
        assert not BlockedSender.objects.exists()


def test_an_admin_sees_the_list_and_unblocks(world: World, signed_in: Browser, talk: Any) -> None:
    mark(world, talk)
    with tenant_context(world.acme.pk):
        pk = BlockedSender.objects.get().pk
    admin = signed_in(world.dan)
    assert "win@spam.test" in admin.get("/admin/conversations/blockedsender/").content.decode()
    values = {"action": "unblock", "_selected_action": str(pk)}
    assert admin.post("/admin/conversations/blockedsender/", values).status_code == 302
    assert count(world, BlockedSender) == 0
    assert count(world, AuditEvent, kind="sender.unblocked") == 1


def test_an_erasure_takes_the_address_from_the_list(world: World, talk: Any) -> None:
    mark(world, talk)
    retention.erase_customer(account_id=world.acme.pk, email=SPAMMER, dry_run=False)
    assert count(world, BlockedSender) == 0


def test_mail_by_a_form_is_blocked_by_who_filled_it_in(committed_world: World) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        BlockedSender.objects.create(account=world.acme, address="win@spam.test")
    event = arrives(
        world, "Form", "forms@acme-shop.test", "Reply-To: win@spam.test\r\nAuto-Submitted: auto-generated\r\n"
    )
    other = arrives(
        world, "Form 2", "forms@acme-shop.test", "Reply-To: ann@customer.test\r\nAuto-Submitted: auto-generated\r\n"
    )
    assert (event.event.status, other.event.status) == ("set_aside", "processed")
    assert InboundEvent.Status.SET_ASIDE == "set_aside"


@pytest.mark.parametrize("by_form", [True, False])
def test_spam_in_the_name_of_a_customer_does_not_have_their_mail_set_aside(world: World, by_form: bool) -> None:
    """Anybody can write another's address into From, or into the Reply-To of what looks like a website's form."""
    big = Party("big@customer.test", "Big")
    factories.message(world.mail, "Our order", sender=big, authentication=factories.PROVED)
    if by_form:
        program = Party("no-reply@evil.test")
        forged = {"sender": program, "answer_to": (big,), "customer": big, "authentication": factories.PROVED}
    else:
        forged = {"sender": big, "authentication": factories.FORGED}
    talk = factories.message(world.mail, "You won", **forged)
    with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match="not proved"):
        mark(world, talk)
    mark(world, talk, block=False)
    assert count(world, Conversation, outcome="spam") == 1


def test_who_wrote_nothing_but_spam_is_blocked_also_where_nothing_is_proved(world: World) -> None:
    for _ in range(2):
        talk = factories.message(world.mail, "Won", sender=Party(SPAMMER), authentication=factories.FORGED)
        mark(world, talk, block=False)
    mark(world, talk)
    assert count(world, BlockedSender) == 1


def test_a_customer_who_proves_who_they_are_is_blocked(world: World) -> None:
    for text in ("Our order", "You won"):
        talk = factories.message(world.mail, text, sender=Party(SPAMMER), authentication=factories.PROVED)
    mark(world, talk)
    assert count(world, BlockedSender) == 1
