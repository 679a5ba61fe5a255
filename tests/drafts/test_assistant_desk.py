"""What the assistant says of the desk itself: what waits there, and for whom."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from conversations.channels.base import Party
from conversations.models import Conversation
from conversations.people import members
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World
from tests.drafts.test_assistant_engine import Talk

ASKED = "What is waiting?"


def owed(world: World, **changes: object) -> Conversation:
    asked = factories.message(world.mail, subject="Refund", sender=Party("kim@c.test", "Kim"))
    with tenant_context(world.acme.pk):
        found = Conversation.objects.get(pk=asked.conversation_id)
    change(world, found, due_at=timezone.now() - timedelta(hours=2), **changes)
    return found


def change(world: World, conversation: Conversation, **changes: object) -> None:
    with tenant_context(world.acme.pk):
        assert Conversation.objects.filter(pk=conversation.pk).update(**changes) == 1


def test_what_waits_is_counted_and_the_first_of_it_is_named(world: World) -> None:
    draft = factories.draft(factories.message(world.mail, subject="Which hose", sender=Party("rosa@c.test", "Rosa")))
    late = owed(world, owner=world.cy)
    with tenant_context(world.acme.pk):
        number = draft.conversation.number
    said = Talk(world, world.cy).ask(ASKED)
    first, *lines = said.body_text.splitlines()
    assert first == "1 draft to decide. 1 conversation owed an answer, 1 of them late."
    assert [line.rpartition(", due")[0] or line.rpartition(" since")[0] for line in lines] == [
        f"#{number} Rosa, Which hose: a draft",
        f"#{late.number} Kim, Refund: owed",
    ]
    assert lines[1].endswith(", late")
    cited = [(said.body_text[one.start : one.end], one.said[0].conversation) for one in said.details.claims]
    assert cited == [(lines[0], str(draft.conversation_id)), (lines[1], str(late.pk))]
    assert said.intent == "waiting" and [step.text for step in said.details.steps] == ["Looked at the queue"]


def test_nothing_that_waits_is_said_too(world: World) -> None:
    assert Talk(world, world.cy).ask(ASKED).body_text.startswith("Nothing waits")


def test_what_an_agent_does_not_see_does_not_wait_for_them(world: World) -> None:
    factories.draft(factories.message(world.mail))
    owed(world)
    other = factories.channel(world.acme, external_id="b@acme.test")
    with tenant_context(world.acme.pk):
        members.set_channels(account_id=world.acme.pk, user=world.cy, channels=[other.pk], actor=world.dan)
    assert Talk(world, world.cy).ask(ASKED).body_text.startswith("Nothing waits")
    assert Talk(world, world.ada).ask(ASKED).body_text.startswith("1 draft to decide. 1 conversation owed")


def test_drafts_of_ones_own_are_told_apart(world: World) -> None:
    draft = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        change(world, draft.conversation, owner=world.cy)
    assert Talk(world, world.cy).ask(ASKED).body_text.startswith("1 draft to decide, 1 of them yours.\n")
