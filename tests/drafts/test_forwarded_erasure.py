"""What was forwarded of a customer's words goes with them when they ask to be forgotten."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from conversations.channels.base import File, Party
from conversations.database import database_time
from conversations.models import Account, Attachment, Conversation, CustomerAddress, Delivery, Message
from drafts import retention
from drafts.desk import begin, decisions
from drafts.desk.readdress import Recipients
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

SUPPLIER = Recipients.read("ana@supplier.test")
SECRET = "My heart pump needs this hose"


def wrote(world: World, text: str = SECRET, who: str = "marcus@customer.test", **more: Any) -> Message:
    return factories.message(world.mail, text, sender=Party(who), **more)


def forwarded(world: World, message: Message) -> Draft:
    return begin.forward(conversation_id=message.conversation_id, actor=world.ada, recipients=SUPPLIER)


def erase(world: World, *, dry_run: bool = False) -> Counter[str]:
    return retention.erase_customer(account_id=world.acme.pk, email="marcus@customer.test", dry_run=dry_run)


def is_left(words: str = SECRET) -> bool:
    """Whether the words stand in any draft, message or reply."""
    return (
        Draft.objects.filter(suggested_text__contains=words).exists()
        or Message.objects.filter(body_text__contains=words).exists()
        or Delivery.objects.filter(body_text__contains=words).exists()
    )


def joined_in(opened: Message) -> None:
    """Marcus writes in a thread of somebody else's."""
    theirs = factories.reply_to(opened, SECRET, sender=Party("kim@c.test"))
    marcus = CustomerAddress.objects.get(address="marcus@customer.test")
    Message.objects.filter(pk=theirs.pk).update(writer=marcus)


def sending(draft: Draft, world: World) -> Delivery:
    action = decisions.approve(draft_id=draft.pk, actor=world.dan, seen=factories.seen(draft))
    rows = Delivery.objects.filter(message=action.message_id)
    for status in ("queued", "sending"):
        rows.update(status=status, lease_until=database_time.now())
    return rows.get()


def test_a_copy_that_was_forwarded_goes_with_its_thread(world: World, acme: Account) -> None:
    photo = File("wound.jpg", "image/jpeg", b"a photo", content_id="")
    draft, other = forwarded(world, wrote(world, files=(photo,))), forwarded(world, wrote(world, "Other", "kim@c.test"))
    decisions.approve(draft_id=draft.pk, actor=world.dan, seen=factories.seen(draft))
    with assert_nothing_written():
        planned = erase(world, dry_run=True)
    assert erase(world) == planned
    assert planned["conversations"] == 2
    assert not is_left()
    assert not Attachment.objects.exists()
    assert Conversation.objects.get(pk=draft.conversation_id).subject == ""
    other.refresh_from_db()
    assert "Other" in other.suggested_text


def test_so_does_a_copy_of_the_copy(world: World, acme: Account) -> None:
    first = forwarded(world, wrote(world))
    sent = decisions.approve(draft_id=first.pk, actor=world.dan, seen=factories.seen(first))
    assert sent.message is not None
    rows = Delivery.objects.filter(message=sent.message)
    for status in ("queued", "sending", "sent"):
        rows.update(status=status, lease_until=database_time.now(), sent_at=database_time.now())
    forwarded(world, sent.message)
    planned = erase(world, dry_run=True)
    assert erase(world) == planned
    assert planned["conversations"] == 3
    assert not is_left()


@pytest.mark.parametrize("batch", [1, 200])
def test_so_does_a_copy_of_what_they_wrote_in_the_thread_of_another(
    world: World, acme: Account, monkeypatch: Any, batch: int
) -> None:
    monkeypatch.setattr(retention, "BATCH", batch)
    wrote(world, "Marcus asks")
    opened = wrote(world, "Kim asks", "kim@c.test")
    before = forwarded(world, opened)
    joined_in(opened)
    after = forwarded(world, opened)
    planned = erase(world, dry_run=True)
    assert erase(world) == planned
    assert not is_left()
    before.refresh_from_db()
    after.refresh_from_db()
    assert "Kim asks" in before.suggested_text, "it was made before they wrote"
    assert after.suggested_text == ""
    assert Message.objects.get(pk=opened.pk).body_text == "Kim asks"


def test_a_copy_of_the_thread_of_another_is_emptied_before_nobody_knows_any_more_whose_words_it_has(
    world: World, acme: Account
) -> None:
    wrote(world, "Marcus asks")
    opened = wrote(world, "Kim asks", "kim@c.test")
    joined_in(opened)
    delivery = sending(forwarded(world, opened), world)
    planned = erase(world, dry_run=True)
    assert erase(world) == planned
    assert planned["left for the next run, because a reply is being sent"] == 1
    Delivery.objects.filter(pk=delivery.pk).update(status="uncertain")
    erase(world)
    assert not is_left()


def test_while_a_copy_is_being_sent_its_thread_waits_too_so_that_the_next_run_finds_it(
    world: World, acme: Account
) -> None:
    message = wrote(world)
    delivery = sending(forwarded(world, message), world)
    planned = erase(world, dry_run=True)
    assert erase(world) == planned
    assert planned["left for the next run, because a reply is being sent"] == 1
    assert is_left()
    Delivery.objects.filter(pk=delivery.pk).update(status="uncertain")
    done = erase(world)
    assert done["conversations"] == 2
    assert not is_left()
