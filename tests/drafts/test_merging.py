"""Merging: two threads are shown as one, mail and debts are the target's, messages stay, and it can be undone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import IntegrityError, transaction
from django.test import Client

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.messages import outbox, outcomes, owing
from conversations.models import AuditEvent, Conversation, Delivery, Message, User
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.desk import decisions, editing, life, merging, notes
from drafts.flow import drafting
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]
LUIS = Party("luis@customer.test", "Luis")


@pytest.fixture
def first(world: World) -> Any:
    return factories.message(world.mail, "My first mail", subject="First")


@pytest.fixture
def second(world: World) -> Any:
    return factories.message(world.mail, "My second mail", subject="Second")


def merge(world: World, source: Any, target: Any, actor: User | None = None) -> None:
    with tenant_context(world.acme.pk):
        merging.merge(conversation_id=source.conversation_id, into=target.conversation_id, actor=actor or world.ada)


def found(message: Any) -> Conversation:
    with tenant_context(message.account_id):
        return Conversation.objects.get(pk=message.conversation_id)


def texts(client: Client, message: Any) -> list[str]:
    page = BeautifulSoup(client.get(f"/conversations/{message.conversation_id}/").content, "html.parser")
    return [one.select_one(".prose").text.strip() for one in page.select(".thread > article")]


def test_both_pages_show_one_timeline_and_no_message_moved(
    world: World, signed_in: Browser, first: Any, second: Any
) -> None:
    with tenant_context(world.acme.pk):
        notes.write(conversation_id=first.conversation_id, actor=world.ada, text="A note")
    factories.reply_to(first, "And now?")
    merge(world, first, second)
    client = signed_in(world.bo)
    wanted = ["My first mail", "My second mail", "A note", "And now?"]
    assert texts(client, first) == texts(client, second) == wanted
    with tenant_context(world.acme.pk):
        assert Message.objects.filter(conversation=first.conversation_id).count() == 2
        assert Message.objects.filter(conversation=second.conversation_id).count() == 1
    page = BeautifulSoup(client.get(f"/conversations/{first.conversation_id}/").content, "html.parser")
    assert page.select_one(".state").text == "Merged"
    assert page.select_one(".banner--info a")["href"] == f"/conversations/{second.conversation_id}/"
    assert page.select("main form") == []  # an auditor


def test_what_the_source_owed_is_to_do_in_the_target_by_the_sooner_time(world: World, first: Any, second: Any) -> None:
    with tenant_context(world.acme.pk):
        life.assign(conversation_id=first.conversation_id, actor=world.ada, to=world.dan.pk)
        life.answered_elsewhere(conversation_id=second.conversation_id, actor=world.ada)
    before = found(first)
    merge(world, first, second)
    source, target = found(first), found(second)
    assert (source.status, source.outcome, source.owed) == ("closed", "merged", "")
    assert (target.status, target.owed, target.owed_note, target.due_at, target.owner_id) == (
        "open", "note", "No reply and no draft yet", before.due_at, world.dan.pk,
    )  # fmt: skip
    with tenant_context(world.acme.pk):
        events = AuditEvent.objects.filter(kind="conversation.merged").order_by("id")
        assert [event.data["what"] for event in events] == ["this into #2", "#1 into this"]
        assert len({event.act_id for event in events}) == 1


def test_a_reply_that_is_on_its_way_in_the_target_does_not_answer_the_source(
    world: World, first: Any, second: Any
) -> None:
    delivery = factories.approved(factories.draft(second), world.ada)
    merge(world, first, second)
    with tenant_context(world.acme.pk):
        for status in ("queued", "sending"):
            Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=database_time.now())
        outbox._record_sent(delivery.pk, 0, outbox.Receipt("250 ok"))
    assert found(second).owed == "note"


def test_nothing_owed_moves_nothing(world: World, first: Any, second: Any) -> None:
    with tenant_context(world.acme.pk):
        for one in (first, second):
            life.close(conversation_id=one.conversation_id, actor=world.ada, reason="other")
    merge(world, first, second)
    assert found(second).status == "closed"


def test_the_sources_draft_is_retired_and_nothing_there_can_be_decided(world: World, first: Any, second: Any) -> None:
    draft = factories.draft(first)
    merge(world, first, second)
    with tenant_context(world.acme.pk):
        assert Draft.objects.get().status == "expired"
        calls: list[Callable[[], Any]] = [
            lambda: editing.claim(draft_id=draft.pk, actor=world.ada),
            lambda: editing.reopen(draft_id=draft.pk, actor=world.ada),
            lambda: decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft)),
            lambda: life.reopen(conversation_id=first.conversation_id, actor=world.ada),
            lambda: life.write(conversation_id=first.conversation_id, actor=world.ada),
            lambda: notes.write(conversation_id=first.conversation_id, actor=world.ada, text="x"),
            lambda: merging.merge(conversation_id=first.conversation_id, into=second.conversation_id, actor=world.ada),
            lambda: merging.merge(conversation_id=second.conversation_id, into=first.conversation_id, actor=world.ada),
        ]
        for call in calls:
            with assert_nothing_written_in(world.acme), pytest.raises(Conflict, match="merged with another"):
                call()


def test_a_draft_that_was_being_written_is_not_stored(world: World, first: Any, second: Any) -> None:
    with tenant_context(world.acme.pk):
        task = drafting._read(world.acme.pk, first.conversation_id, world.ada.pk)
    assert task is not None
    merge(world, first, second)
    with tenant_context(world.acme.pk):
        result = drafting.get_drafter().write(task.request)
        assert drafting._store(world.acme.pk, task, result, world.ada.pk) is None


def test_new_mail_of_either_is_the_targets(world: World, first: Any, second: Any) -> None:
    third = factories.message(world.mail, "Third", subject="Third")
    merge(world, first, second)
    merge(world, second, third)
    for one in (first, second, third):
        assert factories.reply_to(one, f"More on {one.subject}").conversation_id == third.conversation_id
    assert found(first).status == found(second).status == "closed"


def test_a_bounce_of_the_source_is_owed_by_the_target(world: World, first: Any, second: Any) -> None:
    delivery = factories.approved(factories.draft(first), world.ada)
    with tenant_context(world.acme.pk):
        for status in ("queued", "sending", "sent"):
            now = database_time.now()
            Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=now, sent_at=now)
        Conversation.objects.filter(pk=first.conversation_id).update(status="pending", owed="", due_at=None)
        life.answered_elsewhere(conversation_id=second.conversation_id, actor=world.ada)
    merge(world, first, second)
    with tenant_context(world.acme.pk):
        outcomes.record_bounce(delivery_id=delivery.pk, detail="unknown user")
    assert (found(first).status, found(second).owed) == ("closed", "bounced")


@pytest.mark.parametrize("status", ["held", "queued", "sending", "failed", "uncertain"])
def test_a_reply_that_is_not_settled_is_settled_first(world: World, first: Any, second: Any, status: str) -> None:
    delivery = factories.approved(factories.draft(first), world.ada)
    path = {"held": (), "queued": ("queued",), "sending": ("queued", "sending")}.get(
        status, ("queued", "sending", status)
    )
    with tenant_context(world.acme.pk):
        for step in path:
            Delivery.objects.filter(pk=delivery.pk).update(status=step, lease_until=database_time.now())
    with assert_nothing_written_in(world.acme), pytest.raises(Conflict, match="Settle it first"):
        merge(world, first, second)


def test_what_cannot_be_merged_says_why(world: World, first: Any, second: Any) -> None:
    elsewhere = factories.message(factories.channel(world.acme, external_id="sales@acme.test"), "Sales")
    gone = factories.message(world.mail, "Gone")
    with tenant_context(world.acme.pk):
        life.close(conversation_id=gone.conversation_id, actor=world.ada, reason="other")
        Conversation.objects.filter(pk=gone.conversation_id).update(archived_at=database_time.now())
    for target, words in ((elsewhere, "different channels"), (first, "the same conversation"), (gone, "retention")):
        with assert_nothing_written_in(world.acme), pytest.raises(Invalid, match=words):
            merge(world, first, target)
    draft = factories.draft(first)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.dan)
    with assert_nothing_written_in(world.acme), pytest.raises(Locked):
        merge(world, first, second)


def test_taking_them_apart_leaves_it_owed_and_messages_where_they_came(
    world: World, signed_in: Browser, first: Any, second: Any
) -> None:
    client = signed_in(world.cy)
    merge(world, first, second)
    later = factories.reply_to(first, "While merged")
    assert client.post(f"/conversations/{first.conversation_id}/unmerge/").status_code == 303
    source = found(first)
    assert (source.merged_into_id, source.status, source.owed) == (None, "open", "reopened")
    assert later.conversation_id == second.conversation_id
    assert factories.reply_to(first, "After").conversation_id == first.conversation_id
    assert texts(client, first) == ["My first mail", "After"]
    assert client.post(f"/conversations/{first.conversation_id}/unmerge/").status_code == 409


def test_the_form_takes_one_that_is_picked_or_a_number(
    world: World, signed_in: Browser, first: Any, second: Any
) -> None:
    client, url = signed_in(world.cy), f"/conversations/{first.conversation_id}/"
    form = BeautifulSoup(client.get(url).content, "html.parser").select_one(f"form[action='{url}merge/']")
    assert [one["value"] for one in form.select("[name=into]")] == [str(second.conversation_id)]
    for values in ({}, {"number": "99"}, {"number": "x"}, {"into": "x"}, {"into": str(world.acme.pk)}):
        with assert_nothing_written_in(world.acme):
            assert client.post(f"{url}merge/", values).status_code == 422
    merged = client.post(f"{url}merge/", {"number": "#2"})
    assert merged["Location"] == f"/conversations/{second.conversation_id}/"
    assert found(first).outcome == "merged"


def test_who_may_not_or_is_elsewhere_gets_403_or_404(world: World, signed_in: Browser, first: Any, second: Any) -> None:
    auditor, stranger, agent = (signed_in(one) for one in (world.bo, world.eve, world.cy))
    for act in ("merge", "unmerge"):
        url = f"/conversations/{first.conversation_id}/{act}/"
        values = {"into": str(second.conversation_id)}
        with assert_nothing_written_in(world.acme):
            assert auditor.post(url, values).status_code == 403
            assert stranger.post(url, values).status_code == 404
            assert agent.get(url).status_code == 405


def test_the_database_holds_that_what_is_merged_is_closed(world: World, first: Any, second: Any) -> None:
    merge(world, first, second)
    other = found(second)
    for values in (
        {"status": "pending", "completed_at": None},
        {"outcome": "other"},
        {"merged_into": None},
        {"merged_into": first.conversation_id},
    ):
        with tenant_context(world.acme.pk), pytest.raises(IntegrityError, match="conversation_"), transaction.atomic():
            Conversation.objects.filter(pk=first.conversation_id).update(**values)
    assert other.merged_into_id is None


def test_what_is_merged_is_emptied_no_sooner_than_the_other(world: World, first: Any, second: Any) -> None:
    merge(world, first, second)
    later = database_time.now() + timedelta(days=40)
    with tenant_context(world.acme.pk):
        world.acme.purge_after_days = 30
        world.acme.save(update_fields=["purge_after_days"])
    assert retention.apply(account_id=world.acme.pk, dry_run=True, now=later)["conversations"] == 0
    with tenant_context(world.acme.pk):
        life.close(conversation_id=second.conversation_id, actor=world.ada, reason="other")
    assert retention.apply(account_id=world.acme.pk, dry_run=True, now=later)["conversations"] == 2


def test_the_drafter_reads_both_and_the_reviewer_is_led_to_both(
    world: World, first: Any, second: Any, signed_in: Browser
) -> None:
    merge(world, second, first)
    with tenant_context(world.acme.pk):
        task = drafting._read(world.acme.pk, first.conversation_id, None)
    assert task is not None
    assert [turn.text for turn in task.request.thread] == [first.body_text, second.body_text]
    draft = factories.draft(first)
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "lxml")
    link = page.select_one("[aria-labelledby=ev-merged] a")
    assert link and link["href"] == f"/conversations/{first.conversation_id}/"
    assert f"#{found(second).number}" in link.get_text()


def test_crossing_merges_have_one_outcome(committed_world: World, in_threads: Callable[..., list[Any]]) -> None:
    """Each into the other at once, while both customers write: one merges, one is refused, and no mail is lost."""
    world = committed_world
    one, two = factories.message(world.mail, "One"), factories.message(world.mail, "Two", sender=LUIS)
    results = in_threads(
        [
            lambda: merge(world, one, two),
            lambda: merge(world, two, one, world.dan),
            lambda: factories.reply_to(one, "More of one"),
            lambda: factories.reply_to(two, "More of two", sender=LUIS),
        ]
    )
    assert [isinstance(result, Conflict) for result in results[:2]].count(True) == 1, results
    assert all(isinstance(result, Message) for result in results[2:]), results
    with tenant_context(world.acme.pk):
        assert Message.objects.count() == 4
        assert sorted(Conversation.objects.values_list("status", flat=True)) == ["closed", "open"]


def test_a_merge_back_does_not_stop_a_mail_that_is_on_its_way_to_the_target(
    committed_world: World, in_threads: Callable[..., list[Any]]
) -> None:
    """The mail holds the source and goes on to the target, while a person merges the target into the source."""
    world = committed_world
    one, two = sorted(
        (factories.message(world.mail, "One"), factories.message(world.mail, "Two", sender=LUIS)),
        key=lambda message: message.conversation_id,
    )
    merge(world, two, one)
    has_locked, asked = threading.Event(), threading.Event()

    def arrive() -> Any:
        with tenant_context(world.acme.pk), transaction.atomic():
            source = Conversation.objects.select_for_update().get(pk=two.conversation_id)
            has_locked.set()
            asked.wait(timeout=10)
            return owing.living(source)

    def merge_back() -> Any:
        has_locked.wait(timeout=10)
        threading.Timer(0.5, asked.set).start()
        return merge(world, one, two)

    arrived, refused = in_threads([arrive, merge_back])
    assert arrived == found(one), arrived
    assert isinstance(refused, Conflict), refused
