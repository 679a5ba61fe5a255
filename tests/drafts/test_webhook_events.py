"""Which acts systems of the account's own are told of, each once, by ids alone."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.messages import outcomes
from conversations.models import Account, Delivery, WebhookEvent
from conversations.webhooks import endpoints
from conversations.webhooks.body import body_of
from conversations.webhooks.emit import News
from drafts.desk import brought, decisions, life
from tests import factories
from tests.conftest import World


@pytest.fixture
def told(world: World, acme: Account) -> World:
    endpoints.add(
        account_id=acme.pk, actor=world.dan, url="https://hooks.acme.test/", events=News.values, with_text=False
    )
    return world


def events(*, clear: bool = True) -> list[tuple[str, dict[str, Any]]]:
    found = [(one.kind, one.data) for one in WebhookEvent.objects.order_by("pk")]
    if clear:
        WebhookEvent.objects.all().update(kind="endpoint.test")
    return [one for one in found if one[0] != "endpoint.test"]


def test_a_message_and_its_draft(told: World) -> None:
    message = factories.message(told.mail)
    assert events() == [
        ("message.received", {"conversation": str(message.conversation_id), "message": str(message.pk)})
    ]
    draft = brought.bring(
        conversation_id=message.conversation_id, actor=told.ada, text="Hello there", writer=told.ada.email
    )
    assert events() == [("draft.ready", {"conversation": str(message.conversation_id), "draft": str(draft.pk)})]


def test_a_decision_says_which(told: World) -> None:
    drafts = [factories.draft(factories.message(told.mail)) for _ in range(3)]
    events()
    decisions.reject(draft_id=drafts[0].pk, actor=told.ada, seen=factories.seen(drafts[0]), reasons=["tone"])
    factories.approved(drafts[1], told.ada)
    ids = {"conversation": str(drafts[0].conversation_id), "draft": str(drafts[0].pk)}
    assert events(clear=False)[0] == ("draft.decided", {**ids, "decision": "rejected"})
    assert [(kind, data["decision"]) for kind, data in events()] == [
        ("draft.decided", "rejected"),
        ("draft.decided", "approved"),
    ]


def test_a_delivery_that_was_lost_sent_and_came_back_is_told_of_at_each_move(told: World) -> None:
    draft = factories.draft(factories.message(told.mail))
    delivery = factories.approved(draft, told.ada)
    events()
    Delivery.objects.filter(pk=delivery.pk).update(status="queued")
    Delivery.objects.filter(pk=delivery.pk).update(status="sending", lease_until=delivery.created_at, attempt_count=1)
    Delivery.objects.filter(pk=delivery.pk).update(status="uncertain")
    outcomes.resolve(delivery_id=delivery.pk, actor=told.ada, outcome="sent")
    outcomes.record_bounce(delivery_id=delivery.pk, detail="no such user")
    ids = {"conversation": str(draft.conversation_id), "delivery": str(delivery.pk), "draft": str(draft.pk)}
    assert events() == [
        ("delivery.sent", {**ids, "status": "sent"}),
        ("delivery.failed", {**ids, "status": "bounced"}),
    ]


def test_one_that_stays_uncertain_is_not_told_of_twice(told: World) -> None:
    delivery = factories.approved(factories.draft(factories.message(told.mail)), told.ada)
    Delivery.objects.filter(pk=delivery.pk).update(status="queued")
    Delivery.objects.filter(pk=delivery.pk).update(status="sending", lease_until=delivery.created_at)
    Delivery.objects.filter(pk=delivery.pk).update(status="uncertain")
    delivery.refresh_from_db()
    events()
    outcomes.not_found(delivery, times=3, why="")
    assert events() == []


def test_closing_is_told(told: World) -> None:
    message = factories.message(told.mail)
    events()
    life.close(conversation_id=message.conversation_id, actor=told.dan, reason="other")
    assert events() == [("conversation.closed", {"conversation": str(message.conversation_id)})]


def test_a_drafts_text_is_told_as_it_stands_where_texts_are(told: World) -> None:
    draft = factories.draft(factories.message(told.mail), "Zebra words")
    event = WebhookEvent.objects.create(account=told.acme, kind="draft.ready", data={"draft": str(draft.pk)})
    endpoint, _ = endpoints.add(
        account_id=told.acme.pk, actor=told.dan, url="https://b.test/", events=["draft.ready"], with_text=True
    )
    assert b"Zebra words" in body_of(event, endpoint)
    endpoint.with_text = False
    assert b"Zebra" not in body_of(event, endpoint)
