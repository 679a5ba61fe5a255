from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from conversations.errors import Conflict
from conversations.models import Conversation, Delivery, Message, Notification
from drafts.desk import decisions
from drafts.models import DraftAction, LearningSample
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


def test_it_brings_the_draft_back_and_nothing_is_sent(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    delivery = factories.approved(draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"))
    counted = Conversation.objects.get(pk=draft.conversation_id).message_count

    action = decisions.undo(delivery_id=delivery.pk, actor=world.ada)

    draft.refresh_from_db()
    delivery.refresh_from_db()
    assert (draft.status, delivery.status, action.type) == ("pending", "cancelled", "undo")
    assert Conversation.objects.get(pk=draft.conversation_id).owed == "draft"
    assert not Message.objects.filter(direction="outbound").shown().exists()
    assert Conversation.objects.get(pk=draft.conversation_id).message_count == counted - 1
    assert not LearningSample.objects.exists()
    assert list(DraftAction.objects.order_by("id").values_list("type", flat=True)) == ["edit", "undo"]


def test_what_was_undone_can_be_approved_again(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    decisions.undo(delivery_id=factories.approved(draft, world.ada).pk, actor=world.ada)

    factories.approved(draft, world.ada)

    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["cancelled", "held"]


def test_undoing_twice_is_undone_once(world: World, acme) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    first = decisions.undo(delivery_id=delivery.pk, actor=world.ada, request_id="u")
    assert decisions.undo(delivery_id=delivery.pk, actor=world.ada, request_id="u") == first


@pytest.mark.parametrize("status", ["queued", "sending", "sent"])
def test_too_late_is_a_conflict(world: World, acme, status: str) -> None:
    from django.utils import timezone

    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    now = timezone.now()
    for step in {"queued": ["queued"], "sending": ["queued", "sending"], "sent": ["queued", "sending", "sent"]}[status]:
        Delivery.objects.filter(pk=delivery.pk).update(status=step, lease_until=now, sent_at=now)
    if status == "queued":
        decisions.undo(delivery_id=delivery.pk, actor=world.ada)  # not claimed by a worker yet: still time
        return
    with assert_nothing_written(), pytest.raises(Conflict, match="Too late"):
        decisions.undo(delivery_id=delivery.pk, actor=world.ada)


def test_an_auditor_may_not_undo(world: World, acme) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        decisions.undo(delivery_id=delivery.pk, actor=world.bo)


def test_another_tenants_delivery_does_not_exist(world: World, acme) -> None:
    theirs = factories.approved(factories.draft(factories.message(world.other_mail)), world.eve)
    with assert_nothing_written(), pytest.raises(Delivery.DoesNotExist):
        decisions.undo(delivery_id=theirs.pk, actor=world.ada)


def test_a_new_inbound_during_the_hold_brings_the_draft_back_with_the_reason(world: World, acme) -> None:
    first = factories.message(world.mail)
    draft = factories.draft(first)
    delivery = factories.approved(draft, world.ada)

    factories.reply_to(first)

    draft.refresh_from_db()
    delivery.refresh_from_db()
    assert (draft.status, delivery.status) == ("stale", "cancelled")
    notice = Notification.objects.get(type="came_back")
    assert (notice.user, notice.payload["draft"]) == (world.ada, str(draft.pk))
