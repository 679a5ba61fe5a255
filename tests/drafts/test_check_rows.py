"""A decided check draft: the rows that it leaves, and the one job that brings the real draft."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from conversations import audit
from conversations.database import database_time
from conversations.models import AuditEvent, AuditSalt, Conversation, Delivery
from drafts.desk import decisions, editing
from drafts.models import Draft, Hold
from tests import factories
from tests.conftest import World

PLANTED = "Orders leave on Sunday."
ANSWER = f"Hi Marcus,\n\n{factories.SENTENCE} {PLANTED}\n\nBest regards"


@pytest.fixture
def check(world: World, acme: Any) -> Draft:
    message = factories.message(world.mail)
    draft = factories.draft(message, ANSWER, is_canary=True, canary_defect=f"No source says: {PLANTED}")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    return draft


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, queue_name, args FROM procrastinate_jobs WHERE status = 'todo'")
        return [(task, queue, json.loads(args) if isinstance(args, str) else args) for task, queue, args in cursor]


@pytest.mark.parametrize(
    ("text", "type_", "outcome"),
    [(ANSWER, "approve", "missed"), (ANSWER.replace(f" {PLANTED}", ""), "edit", "caught")],
    ids=["signed unread", "taken out"],
)
def test_it_is_rejected_the_act_is_kept_and_the_real_one_is_asked_for(
    world: World, check: Draft, text: str, type_: str, outcome: str
) -> None:
    editing.claim(draft_id=check.pk, actor=world.ada)
    Conversation.objects.filter(pk=check.conversation_id).update(owed="draft")
    hour_ago = database_time.now() - timedelta(hours=1)
    Draft.objects.filter(pk=check.pk).update(updated_at=hour_ago)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    seen = factories.seen(check)
    action = decisions.approve(
        draft_id=check.pk, actor=world.ada, seen=seen, final_text=text, request_id="one-press",
        attention=decisions.Attention(viewed_ms=900, pressed_twice=True),
    )  # fmt: skip
    check.refresh_from_db()
    conversation = Conversation.objects.get(pk=check.conversation_id)
    assert (check.status, conversation.owed, Hold.objects.count()) == ("rejected", "message", 0)
    assert check.updated_at > hour_ago
    assert (action.type, action.user, action.draft_id, action.version) == (type_, world.ada, check.pk, 0)
    assert (action.final_text, action.viewed_ms, action.pressed_twice) == (text, 900, True)
    assert (action.seen, action.request_id, action.message) == (seen.as_json(), "one-press", None)
    event = AuditEvent.objects.get(kind="check.decided")
    assert (event.actor_name, event.object_id, event.conversation_id, event.act_id, event.data) == (
        "Ada", str(check.pk), check.conversation_id, action.pk, {"outcome": outcome},
    )  # fmt: skip
    salt = AuditSalt.objects.get(event=event).value
    assert event.commitments == {"text": audit.commitment(salt, text)}
    ids = {"account_id": str(world.acme.pk), "conversation_id": str(check.conversation_id)}
    assert [(task, queue, {name: args.get(name) for name in ids}) for task, queue, args in jobs()] == [
        ("drafts.write", "drafts", ids)
    ]
    assert not Delivery.objects.exists()


def test_a_rejected_one_is_caught_without_a_text(world: World, check: Draft) -> None:
    action = decisions.reject(draft_id=check.pk, actor=world.ada, seen=factories.seen(check), reasons=["tone"])
    event = AuditEvent.objects.get(kind="check.decided")
    assert (event.data, event.commitments, event.act_id) == ({"outcome": "caught"}, {}, action.pk)
    assert [task for task, _, _ in jobs()] == ["drafts.write"]
