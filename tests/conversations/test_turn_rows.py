"""Work on a question: the rows that each step leaves, to the last column."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from conversations.chats import sessions, turns
from conversations.chats.turns import Answer, LateWorker
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.metadata import MessageMetadata, SessionContext
from conversations.models import AssistantSession, AssistantTurn, AuditEvent, Conversation, Message
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.conversations.test_chat_turns import as_, ask, begin, lapse

Status = AssistantTurn.Status
Engine = AssistantTurn.Engine


def jobs(task: str) -> list[tuple[str, dict[str, Any], str | None]]:
    """The jobs that wait: their queue, what they are told, and what keeps a second one away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue_name, args, queueing_lock FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'",
            [task],
        )
        return [(queue, json.loads(args) if isinstance(args, str) else args, once) for queue, args, once in cursor]


def no_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def running(world: World, **answer: Any) -> AssistantTurn:
    """Ada's, on which a worker is at work."""
    found = turns.claim(turn_id=ask(begin(world), world.ada).pk)
    assert found is not None
    return found


# --- worked on -----------------------------------------------------------------------------------------------------
def test_a_worker_has_its_lease_for_a_minute_from_each_word(world: World) -> None:
    with as_(world.ada, world):
        began = database_time.now()
        turn = running(world)
        lease = timedelta(seconds=60)
        assert turn.lease_until is not None and began + lease <= turn.lease_until <= database_time.now() + lease
        again = database_time.now()
        turns.tell(turn_id=turn.pk, fence=1, text="The\x00 -6", steps=[{"text": "Read", "seconds": 0.1}])
        turn.refresh_from_db()
        assert turn.lease_until is not None and again + lease <= turn.lease_until <= database_time.now() + lease
        assert (turn.text, turn.steps) == ("The -6", [{"text": "Read", "seconds": 0.1}])


def test_what_somebody_takes_at_this_moment_is_passed_over(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        with counted() as asked:
            turns.claim(turn_id=turn.pk)
        locked = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
        assert [sql.endswith("SKIP LOCKED") for sql in locked] == [True]


def test_what_was_put_back_begins_empty(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        turns.tell(turn_id=turn.pk, fence=1, text="half", steps=[{"text": "Read", "seconds": 0.1}])
        lapse(turn)
        no_jobs()
    assert turns.sweep(account_id=world.acme.pk) == 1
    with as_(world.ada, world):
        turn.refresh_from_db()
        assert (turn.status, turn.fence, turn.lease_until, turn.text, turn.steps) == ("queued", 1, None, "", [])
        assert [once for _, _, once in jobs(turns.TASK)] == [f"answer {turn.pk}"]
        assert turns.claim(turn_id=turn.pk).fence == 2  # type: ignore[union-attr]


def test_nobody_writes_to_a_turn_that_is_not_running_or_another_workers(world: World) -> None:
    with as_(world.ada, world):
        waiting, turn = ask(begin(world), world.ada), running(world)
        for of, fence in ((waiting, 0), (turn, 2), (turn, 0)):
            with assert_nothing_written(), pytest.raises(LateWorker):
                turns.tell(turn_id=of.pk, fence=fence, text="late", steps=[])
            with assert_nothing_written(), pytest.raises(LateWorker):
                turns.finish_turn(turn_id=of.pk, fence=fence, answer=Answer("late"))


def test_who_writes_one_answer_touches_no_other(world: World) -> None:
    """Each worker's first fence is the same number."""
    with as_(world.ada, world):
        first, second = running(world), running(world)
        turns.tell(turn_id=second.pk, fence=1, text="The", steps=[])
        assert [AssistantTurn.objects.get(pk=one.pk).text for one in (first, second)] == ["", "The"]
        sessions.delete_session(session_id=first.session_id, actor=world.ada)
        said = turns.finish_turn(turn_id=second.pk, fence=1, answer=Answer("The -6."))
        assert said is not None and said.conversation_id == second.conversation_id
        assert AssistantTurn.objects.get(pk=first.pk).answer is None


def test_to_a_turn_that_is_not_there_nothing_is_stored(world: World) -> None:
    with as_(world.ada, world), assert_nothing_written(), pytest.raises(LateWorker):
        turns.finish_turn(turn_id=world.ada.pk, fence=1, answer=Answer("Yes."))


def test_an_answer_is_stored_under_the_chats_lock_and_the_turns(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        with counted() as asked:
            turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("Yes."))
        locked = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
        assert "conversations_conversation" in locked[0] and "conversations_assistantturn" in locked[1]


def test_all_that_an_answer_came_with_stands_in_the_turn_and_in_the_message(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        turns.tell(turn_id=turn.pk, fence=1, text="The", steps=[])
        AssistantSession.objects.filter(pk=turn.session_id).update(updated_at=database_time.now() - timedelta(hours=1))
        no_jobs()
        began = database_time.now()
        answer = Answer(
            "The\x00 -6.", metadata=MessageMetadata(choices=["Yes"]), intent="i" * 101, confidence=0.5, model="m" * 101,
            tokens=7, is_estimated=True, cost_micros=9, latency_ms=5, error="e\x00" * 501, mind=SessionContext(up_to=3),
        )  # fmt: skip
        said = turns.finish_turn(turn_id=turn.pk, fence=1, answer=answer)
        assert said is not None
        stored = Message.objects.get(pk=said.pk)
        assert (stored.body_text, stored.metadata, stored.intent) == ("The -6.", {"choices": ["Yes"]}, "i" * 100)
        assert (stored.conversation_id, stored.private_to_id) == (turn.conversation_id, world.ada.pk)
        assert (stored.model_used, stored.confidence, stored.tokens_used, stored.latency_ms) == ("m" * 100, 0.5, 7, 5)
        turn.refresh_from_db()
        assert (turn.status, turn.answer, turn.lease_until, turn.text) == ("done", stored, None, "")
        assert turn.ended_at is not None and turn.ended_at >= began
        assert (turn.model_used, turn.latency_ms, turn.error) == ("m" * 100, 5, "e" * 500)
        assert (turn.tokens, turn.is_estimated, turn.cost_micros) == (7, True, 9)
        session = AssistantSession.objects.get(pk=turn.session_id)
        assert session.context == {"up_to": 3} and session.updated_at >= began
        assert [args["person_id"] for _, args, _ in jobs("drafts.read_chats")] == [str(world.ada.pk)]


def test_an_answer_that_has_nothing_in_mind_leaves_what_the_chat_has(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        AssistantSession.objects.filter(pk=turn.session_id).update(context={"up_to": 3})
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("Yes."))
        assert AssistantSession.objects.get(pk=turn.session_id).context == {"up_to": 3}
        assert not AuditEvent.objects.filter(kind__startswith="turn.").exists()


def test_without_a_word_nothing_is_said(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        no_jobs()
        failed = Answer(" \n ", Status.FAILED, error="No answer came.", tokens=3)
        assert turns.finish_turn(turn_id=turn.pk, fence=1, answer=failed) is None
        turn.refresh_from_db()
        assert (turn.status, turn.answer, turn.error, turn.tokens) == ("failed", None, "No answer came.", 3)
        assert jobs("drafts.read_chats") == []
        told = AuditEvent.objects.get(kind="turn.failed")
        assert (told.actor_name, told.object_id, told.conversation_id, told.data) == (
            "Countersign", str(turn.pk), turn.conversation_id, {"reason": "failed"},
        )  # fmt: skip


def test_a_stopped_answer_is_marked_and_its_person_stopped_it(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        said = turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("The", Status.STOPPED))
        assert said is not None and said.metadata == {"stopped": True}
        told = AuditEvent.objects.get(kind="turn.stopped")
        assert (told.actor_name, told.object_id, told.conversation_id, told.data) == (
            "Ada", str(turn.pk), turn.conversation_id, {"written": 3},
        )  # fmt: skip


# --- stopped -------------------------------------------------------------------------------------------------------
def test_a_stop_is_asked_for_once_and_under_locks(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        began = database_time.now()
        with counted() as asked:
            stopping = turns.stop(turn_id=turn.pk, actor=world.ada)
        assert stopping.stop_asked_at is not None and stopping.stop_asked_at >= began
        locked = [query["sql"] for query in asked.captured_queries if "FOR UPDATE" in query["sql"]]
        assert "conversations_assistantturn" in locked[-1] and len(locked) == 2
        with assert_nothing_written():
            assert turns.stop(turn_id=turn.pk, actor=world.ada).stop_asked_at == stopping.stop_asked_at


def test_what_has_ended_is_not_stopped(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("Yes."))
        with assert_nothing_written():
            assert turns.stop(turn_id=turn.pk, actor=world.ada).status == "done"


def test_what_nobody_worked_on_used_nothing(world: World, settings: Any) -> None:
    settings.DRAFTER = "openai"
    with as_(world.ada, world):
        turn = ask(begin(world), world.ada)
        assert turn.tokens == turns.TURN_TOKENS
        stopped = turns.stop(turn_id=turn.pk, actor=world.ada)
        assert (stopped.status, stopped.tokens, stopped.is_estimated) == ("stopped", 0, False)


# --- lost ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["stopped", "failed"])
def test_what_a_lost_worker_used_is_at_most_what_was_set_aside(world: World, settings: Any, end: str) -> None:
    settings.DRAFTER = "openai"
    with as_(world.ada, world):
        turn = running(world)
        if end == "stopped":
            turns.stop(turn_id=turn.pk, actor=world.ada)
        else:
            AssistantTurn.objects.filter(pk=turn.pk).update(fence=turns.TRIES)
        lapse(turn)
    turns.sweep(account_id=world.acme.pk)
    with as_(world.ada, world):
        turn.refresh_from_db()
        assert (turn.status, turn.tokens, turn.is_estimated) == (end, turns.TURN_TOKENS, True)
        if end == "failed":
            assert AuditEvent.objects.get(kind="turn.failed").data == {"reason": "its worker was lost"}


def test_an_offline_answer_that_was_lost_used_nothing(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        turns.stop(turn_id=turn.pk, actor=world.ada)
        lapse(turn)
    turns.sweep(account_id=world.acme.pk)
    with as_(world.ada, world):
        turn.refresh_from_db()
        assert (turn.tokens, turn.is_estimated) == (0, False)


def test_a_queued_question_is_not_given_up_however_often_its_worker_was_lost(world: World) -> None:
    with as_(world.ada, world):
        turn = ask(begin(world), world.ada)
        old = database_time.now() - timedelta(seconds=31)
        AssistantTurn.objects.filter(pk=turn.pk).update(fence=turns.TRIES, created_at=old)
        no_jobs()
    assert turns.sweep(account_id=world.acme.pk) == 1
    with as_(world.ada, world):
        turn.refresh_from_db()
        assert (turn.status, len(jobs(turns.TASK))) == ("queued", 1)


def test_what_was_answered_or_goes_on_since_it_was_looked_for_is_left_alone(world: World) -> None:
    with as_(world.ada, world):
        answered, going_on = running(world), running(world)
        turns.finish_turn(turn_id=answered.pk, fence=1, answer=Answer("Yes."))
        now = database_time.now()
        with assert_nothing_written():
            turns._put_back(answered.pk, now)
            turns._put_back(going_on.pk, now)
        with counted() as asked:
            AssistantTurn.objects.filter(pk=going_on.pk).update(lease_until=now)
            turns._put_back(going_on.pk, now)  # to the very moment it is its own
        assert AssistantTurn.objects.get(pk=going_on.pk).status == "running"
        assert any(query["sql"].endswith("SKIP LOCKED") for query in asked.captured_queries)


def test_only_one_of_several_lost_turns_is_put_back_at_a_time_and_all_are(world: World) -> None:
    with as_(world.ada, world):
        lost = [running(world) for _ in range(3)]
        for turn in lost:
            lapse(turn)
    assert turns.sweep(account_id=world.acme.pk) == 3
    with as_(world.ada, world):
        assert {turn.status for turn in AssistantTurn.objects.all()} == {"queued"}


def test_a_question_of_a_deleted_chat_is_not_taken_up_while_others_are_there(world: World) -> None:
    kept, gone = begin(world), begin(world)
    with as_(world.ada, world):
        turn = ask(gone, world.ada)
        sessions.delete_session(session_id=gone.pk, actor=world.ada)
        assert turns.claim(turn_id=turn.pk) is None
        turn.refresh_from_db()
        assert (turn.status, turns.claim(turn_id=ask(kept, world.ada).pk) is None) == ("stopped", False)


# --- what can be stored --------------------------------------------------------------------------------------------
def test_halves_are_joined_a_lone_half_is_marked_and_zero_bytes_are_left_out() -> None:
    assert turns.storable("a\ud83d\ude00b") == "a😀b"
    assert turns.storable("a\ud83d") == "a�"
    assert turns.storable("a\x00b") == "ab"


def test_an_answer_is_kept_as_far_as_there_is_room_for_it(world: World) -> None:
    with as_(world.ada, world):
        turn = running(world)
        said = turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("x" * 20_001))
        assert said is not None and len(Message.objects.get(pk=said.pk).body_text) == 20_000
        assert Conversation.objects.get(pk=turn.conversation_id).message_count == 2
        with pytest.raises(Conflict, match="has its answer"):
            turns.ask_again(turn_id=turn.pk, actor=world.ada)
