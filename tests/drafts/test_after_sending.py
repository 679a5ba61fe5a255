"""What follows an approval in the same press: the conversation waits, closes, or stays owed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied

from conversations.database import database_time
from conversations.errors import Invalid
from conversations.models import AuditEvent, User
from drafts.desk import after, decisions
from drafts.models import Draft, DraftAction
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_life import PRESSED, fresh, left, lists


@pytest.fixture
def message(world: World, acme: Any) -> Any:
    return factories.message(world.mail)


def sent(draft: Draft, user: User, follows: after.Sent, **changes: Any) -> DraftAction:
    return after.approve(draft_id=draft.pk, actor=user, seen=factories.seen(draft), follows=follows, **changes)


def test_sent_and_closed_it_is_closed_and_undone_it_is_open_again(world: World, message: Any) -> None:
    action = sent(factories.draft(message), world.ada, after.Sent.CLOSE)
    assert lists(message) == ["closed"]
    assert [row.kind for row in AuditEvent.objects.order_by("-id")[:2]] == ["conversation.closed", "draft.approved"]
    delivery = decisions.delivery_of(action)
    assert delivery is not None
    decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    assert lists(message) == ["to_answer"]


def test_sent_and_kept_as_owed_it_is_owed_when_the_reply_has_left(world: World, message: Any) -> None:
    action = sent(factories.draft(message), world.ada, after.Sent.OWED)
    delivery = decisions.delivery_of(action)
    assert delivery is not None
    left(delivery)
    found = fresh(message)
    assert (found.owed, found.owed_note, found.owner, lists(message)) == ("note", after.MORE, world.ada, ["owed"])


def test_sent_it_waits_for_the_customer(world: World, message: Any) -> None:
    sent(factories.draft(message), world.ada, after.Sent.WAIT)
    assert lists(message) == ["waiting"]


def test_who_promises_a_colleague_does_not_close(world: World, message: Any) -> None:
    held = factories.draft(message, "Hi Marcus,\n\nA colleague will look into it and get back to you.\n\nBest regards")
    with assert_nothing_written(), pytest.raises(Invalid, match="Say why"):
        sent(held, world.ada, after.Sent.CLOSE, attention=PRESSED)


def test_a_repeated_press_does_not_close_it_again(world: World, message: Any) -> None:
    draft = factories.draft(message)
    first = sent(draft, world.ada, after.Sent.CLOSE, request_id="one-press")
    factories.reply_to(message)
    assert sent(draft, world.ada, after.Sent.CLOSE, request_id="one-press") == first
    assert fresh(message).status == "open"


def test_a_check_draft_that_is_approved_closes_nothing(world: World, message: Any) -> None:
    canary = factories.draft(message, is_canary=True)
    assert sent(canary, world.ada, after.Sent.CLOSE).draft == canary
    assert fresh(message).status == "open"


def test_the_choice_stands_under_the_draft_and_the_press_does_it(world: World, message: Any, signed_in: Any) -> None:
    browser, draft = signed_in(world.ada), factories.draft(message)
    url = f"/drafts/{draft.pk}/"
    page = BeautifulSoup(browser.get(url).content, "lxml")
    assert [str(one["value"]) for one in page.select("#sent option")] == ["", "close", "owed"]
    form = {
        str(field["name"]): str(field.get("value", ""))
        for field in page.select("#decide input[type=hidden]")
        if field.get("name")
    }
    refused = browser.post(f"{url}approve/", {**form, "sent": "burn"})
    assert refused.status_code == 422
    assert lists(message) == ["to_answer"]
    browser.post(f"{url}approve/", {**form, "sent": "close"})
    assert lists(message) == ["closed"]


def test_where_a_person_is_promised_closing_is_not_offered(world: World, message: Any, signed_in: Any) -> None:
    held = factories.draft(message, "Hi Marcus,\n\nA colleague will look into it and get back to you.\n\nBest regards")
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{held.pk}/").content, "lxml")
    assert page.select_one(".promise")
    assert not page.select("#sent")


@pytest.mark.parametrize("text", [None, "Dear Marcus,\n\nThank you."])
def test_a_repeated_press_keeps_it_as_owed_once(world: World, message: Any, text: str | None) -> None:
    draft = factories.draft(message)
    values: dict[str, Any] = {
        "draft_id": draft.pk, "actor": world.ada, "seen": factories.seen(draft), "follows": after.Sent.OWED,
        "final_text": text, "request_id": "one-press",
    }  # fmt: skip
    first = after.approve(**values)
    assert first.type == ("edit" if text else "approve")
    with assert_nothing_written():
        assert after.approve(**values) == first


def test_what_is_kept_as_owed_is_due_when_an_answer_would_be(world: World, message: Any) -> None:
    factories.message(world.mail)
    began = database_time.now()
    assert sent(factories.draft(message), world.ada, after.Sent.OWED).type == "approve"
    due = fresh(message).due_at
    assert due is not None and began + timedelta(hours=4) <= due <= database_time.now() + timedelta(hours=4)


def test_a_check_draft_that_is_approved_and_kept_is_nobodys_yet(world: World, message: Any) -> None:
    sent(factories.draft(message, is_canary=True), world.ada, after.Sent.OWED)
    assert (fresh(message).owed, fresh(message).owner) == ("message", None)


def test_where_the_approval_is_refused_nothing_follows(world: World, message: Any) -> None:
    draft = factories.draft(message)
    for follows in (after.Sent.CLOSE, after.Sent.OWED):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            sent(draft, world.bo, follows)


def test_a_rejections_request_is_not_repeated_as_an_approval(world: World, message: Any) -> None:
    draft = factories.draft(message)
    decisions.reject(
        draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"], request_id="one-press"
    )
    with assert_nothing_written(), pytest.raises(Invalid, match="used for another decision"):
        sent(draft, world.ada, after.Sent.CLOSE, request_id="one-press")
