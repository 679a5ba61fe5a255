"""What the team asked the assistant about a customer goes with the customer, although nobody but its person may read it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.messages.inbox import record_inbound
from conversations.models import Conversation, Message, User
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.desk import life
from tests import factories
from tests.conftest import World

SECRET = "Marcus has a heart pump"
LUIS = Party("luis@customer.test", "Luis")


def chat(world: World, person: User, about: Message) -> Conversation:
    session = factories.chat(world.acme, person, SECRET, context="case", case=about.conversation_id)
    with tenant_context(world.acme.pk, person=person.pk):
        return Conversation.objects.get(pk=session.conversation_id)


def words(world: World, person: User, of: Conversation) -> list[str]:
    with tenant_context(world.acme.pk, person=person.pk):
        return [
            Conversation.objects.get(pk=of.pk).title,
            *Message.objects.filter(conversation=of).values_list("body_text", flat=True),
        ]


@pytest.mark.parametrize("dry_run", [True, False])
def test_who_is_forgotten_is_forgotten_in_everybodys_chats_about_them(world: World, dry_run: bool) -> None:
    theirs, other = factories.message(world.mail), factories.message(world.mail, sender=LUIS)
    by_ada, by_dan = chat(world, world.ada, theirs), chat(world, world.dan, theirs)
    about_other = chat(world, world.ada, other)
    done = retention.erase_customer(account_id=world.acme.pk, email="marcus@customer.test", dry_run=dry_run)
    assert Counter({"chats emptied": 2, "messages of chats": 2}) <= done
    assert words(world, world.ada, about_other)[-1] == SECRET
    for person, one in ((world.ada, by_ada), (world.dan, by_dan)):
        assert any(SECRET in text for text in words(world, person, one)) is dry_run


def test_so_it_is_where_they_wrote_in_the_thread_of_another(world: World) -> None:
    first = factories.message(world.mail, sender=LUIS)
    with tenant_context(world.acme.pk):
        thread = Message.objects.get(pk=first.pk).conversation_id
        record_inbound(channel=world.mail, inbound=factories.inbound("By Marcus"), into=thread)
    asked = chat(world, world.ada, first)
    retention.erase_customer(account_id=world.acme.pk, email="marcus@customer.test", dry_run=False)
    with tenant_context(world.acme.pk):
        assert Message.objects.filter(conversation=thread).exclude(erased_at=None).count() == 1
    assert not any(SECRET in text for text in words(world, world.ada, asked))


def test_a_chat_about_what_retention_empties_is_emptied_too(world: World) -> None:
    message = factories.message(world.mail)
    asked = chat(world, world.ada, message)
    with tenant_context(world.acme.pk):
        world.acme.archive_bodies_after_days = 1
        world.acme.save(update_fields=["archive_bodies_after_days"])
        life.close(conversation_id=message.conversation_id, actor=world.ada, reason="other")
    done = retention.apply(account_id=world.acme.pk, dry_run=False, now=database_time.now() + timedelta(days=2))
    assert done["chats emptied"] == 1
    assert not any(SECRET in text for text in words(world, world.ada, asked))
