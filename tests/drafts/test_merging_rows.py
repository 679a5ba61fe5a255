"""A merge, row by row: who watches and holds what, whose name stands at the retired draft, and each refusal's cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Conversation, PolicyRule, User, Watcher
from conversations.tenancy import tenant_context
from drafts.desk import life, merging
from drafts.models import Hold
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def first(world: World, acme: Any) -> Any:
    return factories.message(world.mail, "My first mail", subject="First")


@pytest.fixture
def second(world: World, acme: Any) -> Any:
    return factories.message(world.mail, "My second mail", subject="Second")


@pytest.fixture
def third(world: World, acme: Any) -> Any:
    return factories.message(world.mail, "Of somebody else", subject="Third")


def watch(user: User, *messages: Any) -> None:
    for message in messages:
        Watcher.objects.create(account_id=message.account_id, conversation_id=message.conversation_id, user=user)


def watching(message: Any) -> set[str]:
    return set(
        Watcher.objects.filter(conversation=message.conversation_id).values_list("user__display_name", flat=True)
    )


def hold(user: User, message: Any) -> None:
    until = database_time.now() + timedelta(minutes=2)
    Hold.objects.create(
        account_id=message.account_id, conversation_id=message.conversation_id, user=user, lease_until=until
    )


def merge(source: Any, target: Any, actor: User) -> Conversation:
    return merging.merge(conversation_id=source.conversation_id, into=target.conversation_id, actor=actor)


def test_who_watched_the_one_watches_the_other_and_nobody_else_does(
    world: World, first: Any, second: Any, third: Any
) -> None:
    watch(world.ada, first, second)
    watch(world.cy, first)
    watch(world.bo, third)
    merge(first, second, world.dan)
    assert watching(second) == watching(first) | {"Ada"} == {"Ada", "Cy"}
    assert watching(third) == {"Bo"}


def test_ones_own_hold_of_the_source_ends_and_no_other(world: World, first: Any, second: Any, third: Any) -> None:
    for message in (first, second):
        hold(world.ada, message)
    hold(world.dan, third)
    merge(first, second, world.ada)
    held = Hold.objects.values_list("conversation_id", "user__display_name")
    assert set(held) == {(second.conversation_id, "Ada"), (third.conversation_id, "Dan")}


def test_the_draft_of_the_source_is_retired_in_the_name_of_who_merged(world: World, first: Any, second: Any) -> None:
    draft = factories.draft(first)
    merge(first, second, world.dan)
    draft.refresh_from_db()
    retired = AuditEvent.objects.get(kind="draft.retired")
    assert (draft.status, retired.actor_name) == ("expired", "Dan")
    assert retired.data["reason"] == f"merged into #{second.conversation.number}"


def test_both_events_are_one_act_of_who_did_it(world: World, first: Any, second: Any) -> None:
    merge(first, second, world.dan)
    there, here = AuditEvent.objects.filter(kind="conversation.merged").order_by("id")
    assert (there.conversation_id, here.conversation_id) == (first.conversation_id, second.conversation_id)
    assert there.act_id == here.act_id and {there.actor_name, here.actor_name} == {"Dan"}


@pytest.mark.parametrize("verb", [merging.merge, merging.unmerge])
def test_a_role_without_the_right_changes_nothing(world: World, first: Any, second: Any, verb: Any) -> None:
    if verb is merging.unmerge:
        merge(first, second, world.dan)
    PolicyRule.objects.create(account=world.acme, role="agent", verb="merge", kind="any", allowed=False)
    values = {"into": second.conversation_id} if verb is merging.merge else {}
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        verb(conversation_id=first.conversation_id, actor=world.cy, **values)


@pytest.mark.parametrize("emptied", ["source", "target"])
def test_texts_that_are_gone_are_merged_neither_way(world: World, first: Any, second: Any, emptied: str) -> None:
    gone = first if emptied == "source" else second
    life.close(conversation_id=gone.conversation_id, actor=world.ada, reason="other")
    Conversation.objects.filter(pk=gone.conversation_id).update(archived_at=database_time.now())
    with assert_nothing_written(), pytest.raises(Invalid, match="retention"):
        merge(first, second, world.ada)


def test_one_that_was_taken_apart_between_the_question_and_its_lock_is_a_conflict(
    world: World, first: Any, second: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "to_lock", lambda source, target: [source])
    with assert_nothing_written(), pytest.raises(Conflict, match="taken apart just now"):
        merge(first, second, world.ada)


def test_another_tenants_conversation_is_not_there(world: World, first: Any) -> None:
    with tenant_context(world.globex.pk):
        theirs = factories.message(world.other_mail)
    for source, target in ((first, theirs), (theirs, first)):
        with assert_nothing_written(), pytest.raises(Conversation.DoesNotExist):
            merge(source, target, world.ada)


def test_taking_apart_gives_the_source_back_and_says_so_on_both(world: World, first: Any, second: Any) -> None:
    merge(first, second, world.dan)
    back = merging.unmerge(conversation_id=first.conversation_id, actor=world.ada)
    assert back.pk == first.conversation_id
    here, there = AuditEvent.objects.filter(kind="conversation.unmerged").order_by("id")
    numbers = first.conversation.number, second.conversation.number
    assert (here.conversation_id, here.data["what"]) == (first.conversation_id, f"this out of #{numbers[1]}")
    assert (there.conversation_id, there.data["what"]) == (second.conversation_id, f"#{numbers[0]} out of this")
    assert here.act_id == there.act_id and {here.actor_name, there.actor_name} == {"Ada"}


def test_what_was_emptied_meanwhile_stays_merged(world: World, first: Any, second: Any) -> None:
    merge(first, second, world.dan)
    Conversation.objects.filter(pk=first.conversation_id).update(archived_at=database_time.now())
    with assert_nothing_written(), pytest.raises(Invalid, match="retention"):
        merging.unmerge(conversation_id=first.conversation_id, actor=world.dan)


def test_a_merge_locks_the_source_first_and_one_that_is_merged_alone(
    world: World, first: Any, second: Any, third: Any
) -> None:
    a, b, c = (message.conversation_id for message in (first, second, third))
    assert (merging.to_lock(a, b), merging.to_lock(b, a)) == ([a, b], [b, a])
    merge(first, second, world.dan)
    assert merging.to_lock(a, c) == merging.to_lock(c, a) == [a]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
            " AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 5)",
            [str(world.acme.pk)],
        )
        assert cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("theirs", "ours", "note"),
    [
        (("note", "Call him"), ("note", "Send the invoice"), "Send the invoice; Call him"),
        (("promised", ""), ("promised", "A colleague's answer"), "A colleague's answer; Promised a colleague"),
        (("note", "Call him"), ("writing", ""), "Call him"),
        (("note", "Call him"), ("note", "Call him"), "Call him"),
    ],
)
def test_what_both_owed_stands_in_one_note_with_the_sooner_time(
    world: World, first: Any, second: Any, theirs: tuple[str, str], ours: tuple[str, str], note: str
) -> None:
    now = database_time.now()
    for message, (owed, words), hours in ((first, theirs, 5), (second, ours, 3)):
        due = now + timedelta(hours=hours)
        Conversation.objects.filter(pk=message.conversation_id).update(owed=owed, owed_note=words, due_at=due)
    target = merge(first, second, world.ada)
    target.refresh_from_db()
    assert (target.owed, target.due_at) == ("note", now + timedelta(hours=3))
    assert target.owed_note == note


def test_the_target_comes_back_from_its_snooze_and_keeps_its_owner(
    world: World, first: Any, second: Any, third: Any
) -> None:
    later = database_time.now() + timedelta(days=1)
    drafts = [factories.draft(message, snoozed_until=later) for message in (second, third)]
    for message, owner in ((first, world.ada), (second, world.cy), (third, world.cy)):
        values = {"owner": owner, "snoozed_until": None if message is first else later}
        Conversation.objects.filter(pk=message.conversation_id).update(**values)
    target = merge(first, second, world.dan)
    target.refresh_from_db()
    assert (target.owner, target.snoozed_until) == (world.cy, None)
    for draft, until in zip(drafts, (None, later), strict=True):
        draft.refresh_from_db()
        assert draft.snoozed_until == until


def test_a_target_of_nobody_gets_the_owner_of_the_source(world: World, first: Any, second: Any) -> None:
    Conversation.objects.filter(pk=first.conversation_id).update(owner=world.ada)
    target = merge(first, second, world.dan)
    target.refresh_from_db()
    assert target.owner == world.ada
