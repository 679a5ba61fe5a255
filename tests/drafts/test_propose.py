"""A card under a message of one's own chat: it rests on facts, it was shown, and nothing is done by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction

from conversations.chats import sessions
from conversations.models import (
    AssistantSession,
    AuditEvent,
    Conversation,
    Message,
    PolicyRule,
    ProposedAction,
    Tag,
    User,
)
from conversations.tenancy import tenant_context
from drafts.assistant.actions import propose
from drafts.assistant.tools import Wrong
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


def chat_about(case: Conversation, person: User) -> tuple[AssistantSession, Message]:
    """The person's chat about a case, with a question in it. The caller names the person."""
    session, _ = sessions.start_session(actor=person, account_id=case.account_id, context="case", case=case.pk)
    message, _ = sessions.post(session_id=session.pk, actor=person, text="Please tag it.", request_id="")
    return session, message


def tag(world: World, name: str) -> Tag:
    with tenant_context(world.acme.pk):
        return Tag.objects.create(account=world.acme, name=name)


def test_it_leaves_one_card_that_says_what_it_rests_on_and_one_event(world: World) -> None:
    case = factories.message(world.mail).conversation
    tag(world, "Refund")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        session, message = chat_about(case, world.ada)
        action = propose(
            session=session,
            message=message,
            actor=world.ada,
            tool="set_tags",
            arguments={"add": ["refund"]},
            call_id="c1",
        )
        action.refresh_from_db()
        assert (action.status, action.owner_name, action.case_id) == ("proposed", "Ada", case.pk)
        assert action.arguments == {"add": ["refund"], "remove": []}
        assert action.precondition == [{"name": "tags", "label": "Tags", "value": [], "shown": "none"}]
        assert action.effect["sentence"] == "Add the tag Refund"
        assert action.effect["changes"] == [{"label": "Tags", "old": [], "new": ["Refund"], "is_set": True}]
        assert action.expires_at - action.created_at < timedelta(hours=24, seconds=5)
        assert sessions.session_of(session.pk, world.ada).status == "awaiting_confirmation"
        event = AuditEvent.objects.get(kind="action.proposed")
        assert (event.actor_name, event.object_id, event.conversation_id) == ("Ada", str(action.pk), case.pk)
        assert not Tag.objects.filter(links__conversation=case).exists()


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("no_such_tool", {}, "nothing called"),
        ("set_tags", {"add": ["unknown"]}, "no tag “unknown”"),
        ("set_tags", {"add": ["Refund"], "remove": ["refund"]}, "given and taken off"),
        ("set_tags", {}, "nothing to change"),
        ("set_tags", {"add": "Refund"}, "add: "),
        ("set_tags", {"add": ["x" * 41]}, "add.0: "),
        ("set_tags", {"conversation": "another"}, "conversation: "),
        ("redraft", {"instruction": "shorter\x00"}, "zero byte"),
        ("set_tags", {"add": ["Refund", "x\x00"]}, "zero byte"),
        ("redraft", {"instruction": "shorter \ud800"}, "instruction: "),
    ],
)
def test_what_is_not_possible_is_refused_in_words_and_leaves_no_row(
    world: World, tool: str, arguments: dict[str, Any], why: str
) -> None:
    case = factories.message(world.mail).conversation
    tag(world, "Refund")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        session, message = chat_about(case, world.ada)
        with assert_nothing_written(), pytest.raises(Wrong, match=why):
            propose(session=session, message=message, actor=world.ada, tool=tool, arguments=arguments)


def test_who_may_not_do_it_may_not_propose_it(world: World) -> None:
    case = factories.message(world.mail).conversation
    tag(world, "Refund")
    with tenant_context(world.acme.pk, person=world.cy.pk):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="proposed", allowed=False)
        session, message = chat_about(case, world.cy)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            propose(session=session, message=message, actor=world.cy, tool="set_tags", arguments={"add": ["refund"]})


def test_the_database_lets_nobody_propose_in_anothers_chat_and_nobody_change_a_card(world: World) -> None:
    case = factories.message(world.mail).conversation
    tag(world, "Refund")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        session, message = chat_about(case, world.ada)
        action = propose(
            session=session, message=message, actor=world.ada, tool="set_tags", arguments={"add": ["refund"]}
        )
    with tenant_context(world.acme.pk, person=world.cy.pk):
        with pytest.raises(DatabaseError, match="without an open chat"), transaction.atomic():
            propose(session=session, message=message, actor=world.cy, tool="set_tags", arguments={"add": ["refund"]})
        for changed in (
            {"arguments": {"add": ["other"], "remove": []}},
            {"effect": {"sentence": "Nothing"}},
            {"tool": "close"},
            {"tainted": True},
            {"expires_at": action.expires_at + timedelta(days=9)},
        ):
            with pytest.raises(DatabaseError, match="stays as it was shown"), transaction.atomic():
                ProposedAction.objects.filter(pk=action.pk).update(**changed)
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("DELETE FROM conversations_proposedaction")
