"""A question in a chat: asked once, worked on by one, stopped, answered in one transaction, found again when it is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction

from conversations.chats import forgetting, sessions, turns
from conversations.chats.turns import Answer, LateWorker
from conversations.database import database_time
from conversations.errors import Conflict, Refusal, TooMuch
from conversations.metadata import MessageMetadata, SessionContext
from conversations.models import (
    Account,
    AssistantSession,
    AssistantTurn,
    AuditEvent,
    Conversation,
    Membership,
    Message,
    User,
)
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.conftest import World

Status = AssistantTurn.Status


def as_(person: User, world: World) -> Any:
    return tenant_context(world.acme.pk, person=person.pk)


def begin(world: World, person: User | None = None) -> AssistantSession:
    return factories.chat(world.acme, person or world.ada)


def ask(session: AssistantSession, person: User, text: str = "Which hose?", request_id: str = "") -> AssistantTurn:
    return turns.post(session_id=session.pk, actor=person, text=text, request_id=request_id)[0]


def lapse(turn: AssistantTurn) -> None:
    """Its worker's lease is over."""
    AssistantTurn.objects.filter(pk=turn.pk).update(lease_until=database_time.now() - timedelta(seconds=1))


def limit(world: World, **settings: int) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(settings=settings)


def jobs(task: str = turns.TASK) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", [task])
        return int(cursor.fetchone()[0])


# --- ask --------------------------------------------------------------------------------------------------------------
def test_a_question_is_a_message_a_queued_turn_and_one_job(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        assert (turn.status, turn.fence, turn.private_to_id) == (Status.QUEUED, 0, world.ada.pk)
        assert (turn.conversation_id, turn.question.body_text) == (session.conversation_id, "Which hose?")
        assert Message.objects.get(conversation=session.conversation_id).pk == turn.question_id
        assert jobs() == 1


def test_the_same_request_is_the_same_turn(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        first = turns.post(session_id=session.pk, actor=world.ada, text="One", request_id="r1")
        again = turns.post(session_id=session.pk, actor=world.ada, text="Another", request_id="r1")
        assert (first[1], again[1], first[0].pk) == (True, False, again[0].pk)
        assert Message.objects.filter(conversation=session.conversation_id).count() == 1


def test_while_one_lives_no_other_is_asked(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        with assert_nothing_written(), pytest.raises(Conflict, match="still being written"):
            ask(session, world.ada, "And now?")
        turns.claim(turn_id=turn.pk)
        with pytest.raises(Conflict):
            ask(session, world.ada, "And now?")
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("The -6."))
        assert ask(session, world.ada, "And now?").status == Status.QUEUED
        with pytest.raises(DatabaseError), transaction.atomic():  # and the database says so too
            AssistantTurn.objects.create(account_id=world.acme.pk, session=session, question=turn.question,
                                         conversation_id=session.conversation_id, private_to=world.ada)  # fmt: skip


def test_others_find_no_such_chat_and_auditors_may_not(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
    for person in (world.dan, world.cy, world.bo):
        with as_(person, world), assert_nothing_written():
            assert not AssistantTurn.objects.exists()
            with pytest.raises(AssistantSession.DoesNotExist):
                ask(session, person)
            with pytest.raises(AssistantTurn.DoesNotExist):
                turns.stop(turn_id=turn.pk, actor=person)
            with pytest.raises(AssistantTurn.DoesNotExist):
                turns.ask_again(turn_id=turn.pk, actor=person)
            assert turns.claim(turn_id=turn.pk) is None
            with pytest.raises(LateWorker):
                turns.tell(turn_id=turn.pk, fence=0, text="x", steps=[])
    with tenant_context(world.acme.pk):
        Membership.objects.filter(user=world.ada).update(role="auditor")
    with as_(world.ada, world), assert_nothing_written(), pytest.raises(PermissionDenied):
        turns.post(session_id=session.pk, actor=world.ada, text="x", request_id="")


def test_an_ended_chat_is_not_asked(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        turns.stop(turn_id=turn.pk, actor=world.ada)
        sessions.close_session(session_id=session.pk, actor=world.ada)
        with assert_nothing_written(), pytest.raises(Conflict):
            ask(session, world.ada, "x")
        with assert_nothing_written(), pytest.raises(Conflict):
            turns.ask_again(turn_id=turn.pk, actor=world.ada)


# --- caps -------------------------------------------------------------------------------------------------------------
def test_ten_questions_a_minute_and_the_eleventh_waits(world: World) -> None:
    with as_(world.ada, world):
        for _ in range(10):
            ask(factories.chat(world.acme, world.ada), world.ada)
        session = begin(world)
        with assert_nothing_written(), pytest.raises(TooMuch, match="10 questions within a minute"):
            ask(session, world.ada)
        AssistantTurn.objects.update(created_at=database_time.now() - timedelta(seconds=61))
        assert ask(session, world.ada).status == Status.QUEUED


def test_what_an_answer_may_take_is_set_aside_until_it_is_there(world: World, settings: Any) -> None:
    settings.DRAFTER = "openai"
    limit(world, assistant_tokens_a_day=turns.TURN_TOKENS)
    with as_(world.ada, world):
        turn = ask(begin(world), world.ada)
        assert turn.tokens == turns.TURN_TOKENS
        second = begin(world)
        with assert_nothing_written(), pytest.raises(TooMuch, match=r"Your 16,000 tokens .* Again from 00:00"):
            ask(second, world.ada)
        offline = turns.post(
            session_id=second.pk, actor=world.ada, text="x", request_id="", engine=turns.Engine.OFFLINE
        )
        assert offline[0].tokens == 0  # which takes none
        turns.stop(turn_id=turn.pk, actor=world.ada)
        assert ask(begin(world), world.ada).tokens == turns.TURN_TOKENS


def test_the_accounts_cap_counts_what_others_used_privately(world: World, settings: Any) -> None:
    settings.DRAFTER = "openai"
    limit(world, assistant_tokens_of_all=turns.TURN_TOKENS)
    with as_(world.ada, world):
        ask(begin(world), world.ada)
    with as_(world.dan, world), pytest.raises(TooMuch, match="The account's 16,000"):
        ask(begin(world, world.dan), world.dan)


@pytest.mark.parametrize(("cap", "most"), [("minute", 10), ("tokens", 3)])
def test_twenty_posts_at_the_cap_at_once_and_none_is_over(
    committed_world: World, settings: Any, in_threads: Callable[..., list[Any]], cap: str, most: int
) -> None:
    world = committed_world
    if cap == "tokens":
        settings.DRAFTER = "openai"
        limit(world, assistant_tokens_a_day=3 * turns.TURN_TOKENS)
    chats = [begin(world) for _ in range(20)]

    def post(chat: AssistantSession) -> str:
        try:
            with as_(world.ada, world):
                ask(chat, world.ada)
        except Refusal as refusal:
            return type(refusal).__name__
        return "asked"

    said = in_threads([lambda chat=chat: post(chat) for chat in chats])
    assert (said.count("asked"), said.count("TooMuch")) == (most, 20 - most)
    with as_(world.ada, world):
        assert AssistantTurn.objects.count() == Message.objects.count() == most


def test_thirty_windows_send_one_request(committed_world: World, in_threads: Callable[..., list[Any]]) -> None:
    world = committed_world
    session = begin(world)

    def post() -> tuple[uuid.UUID, bool]:
        with as_(world.ada, world):
            turn, is_new = turns.post(session_id=session.pk, actor=world.ada, text="Hi", request_id="r")
            return turn.pk, is_new

    said = in_threads([post] * 30)
    assert len({pk for pk, _ in said}) == 1 and [is_new for _, is_new in said].count(True) == 1
    with as_(world.ada, world):
        assert Message.objects.count() == AssistantTurn.objects.count() == 1


# --- work on it -------------------------------------------------------------------------------------------------------
def test_an_answer_its_usage_and_what_is_in_mind_come_together(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        claimed = turns.claim(turn_id=turn.pk)
        assert claimed is not None and (claimed.status, claimed.fence) == (Status.RUNNING, 1)
        assert turns.claim(turn_id=turn.pk) is None  # somebody is at it
        assert turns.tell(turn_id=turn.pk, fence=1, text="The", steps=[{"text": "Read", "seconds": 0.1}])
        mind = SessionContext(open_slot="snooze.until", open_words="snooze it")
        answer = Answer("The -6.", intent="answer", confidence=1.0, model="m", tokens=7, latency_ms=5, mind=mind)
        said = turns.finish_turn(turn_id=turn.pk, fence=1, answer=answer)
        assert said is not None
        stored = Message.objects.get(pk=said.pk)
        assert (stored.role, stored.direction, stored.body_text) == ("assistant", "outbound", "The -6.")
        assert (stored.intent, stored.confidence, stored.tokens_used) == ("answer", 1.0, 7)
        assert (stored.model_used, stored.latency_ms, stored.private_to_id) == ("m", 5, world.ada.pk)
        turn.refresh_from_db()
        assert (turn.status, turn.answer_id, turn.tokens, turn.text, turn.steps) == (Status.DONE, said.pk, 7, "", [])
        session.refresh_from_db()
        assert session.context == {"open_slot": "snooze.until", "open_words": "snooze it"}
        assert Conversation.objects.get(pk=session.conversation_id).ai_message_count == 1


def test_a_late_worker_stores_nothing(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        turns.claim(turn_id=turn.pk)
        lapse(turn)
        turns.sweep(account_id=world.acme.pk)
    with as_(world.ada, world):
        assert turns.claim(turn_id=turn.pk).fence == 2  # type: ignore[union-attr]
        with assert_nothing_written():
            with pytest.raises(LateWorker):
                turns.tell(turn_id=turn.pk, fence=1, text="old", steps=[])
            with pytest.raises(LateWorker):
                turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("old"))
        turns.finish_turn(turn_id=turn.pk, fence=2, answer=Answer("new"))
        with assert_nothing_written(), pytest.raises(LateWorker):
            turns.finish_turn(turn_id=turn.pk, fence=2, answer=Answer("twice"))
        assert [m.body_text for m in Message.objects.filter(role="assistant")] == ["new"]


def test_to_a_chat_that_was_deleted_or_emptied_nothing_is_added(world: World) -> None:
    for take_away in ("delete", "empty"):
        session = begin(world)
        with as_(world.ada, world):
            turn = ask(session, world.ada)
            turns.claim(turn_id=turn.pk)
            turns.tell(turn_id=turn.pk, fence=1, text="secret", steps=[{"text": "secret", "seconds": 0}])
            if take_away == "delete":
                sessions.delete_session(session_id=session.pk, actor=world.ada)
        if take_away == "empty":
            forgetting.erase_person(account_id=world.acme.pk, person_id=world.ada.pk, dry_run=False)
        with as_(world.ada, world):
            with pytest.raises(LateWorker):
                turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("x"))
            assert not Message.objects.filter(conversation=session.conversation_id, role="assistant").exists()
            if take_away == "empty":
                turn.refresh_from_db()
                assert (turn.status, turn.text, turn.steps) == (Status.STOPPED, "", [])


def test_a_question_of_a_deleted_chat_is_worked_on_no_more(world: World) -> None:
    waiting, running = begin(world), begin(world)
    with as_(world.ada, world):
        queued, claimed = ask(waiting, world.ada), ask(running, world.ada)
        turns.claim(turn_id=claimed.pk)
        for session in (waiting, running):
            sessions.delete_session(session_id=session.pk, actor=world.ada)
        assert turns.claim(turn_id=queued.pk) is None
        lapse(claimed)
    turns.sweep(account_id=world.acme.pk)
    with as_(world.ada, world):
        assert {turn.status for turn in AssistantTurn.objects.all()} == {Status.STOPPED}


# --- stop -------------------------------------------------------------------------------------------------------------
def test_what_nobody_works_on_stops_at_once(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        assert turns.stop(turn_id=turn.pk, actor=world.ada).status == Status.STOPPED
        assert AuditEvent.objects.get(kind="turn.stopped").data == {"written": 0}
        assert turns.claim(turn_id=turn.pk) is None
        with assert_nothing_written():  # once is enough
            turns.stop(turn_id=turn.pk, actor=world.ada)


def test_a_running_turn_hears_of_it_and_keeps_what_was_written(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        turns.claim(turn_id=turn.pk)
        assert turns.tell(turn_id=turn.pk, fence=1, text="The", steps=[])
        assert turns.stop(turn_id=turn.pk, actor=world.ada).status == Status.RUNNING
        assert not turns.tell(turn_id=turn.pk, fence=1, text="The -6", steps=[])
        said = turns.finish_turn(turn_id=turn.pk, fence=1, answer=Answer("The -6", Status.STOPPED))
        assert said is not None and said.details.stopped and said.body_text == "The -6"
        assert AuditEvent.objects.get(kind="turn.stopped").data == {"written": 6}
        assert ask(session, world.ada, "Next?").is_live


def test_an_unanswered_question_is_asked_again_and_an_answered_one_is_not(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        with assert_nothing_written(), pytest.raises(Conflict):
            turns.ask_again(turn_id=turn.pk, actor=world.ada)
        turns.claim(turn_id=turn.pk)
        failed = Answer("", Status.FAILED, error="No answer came within 30 s.", reason="time-out")
        turns.finish_turn(turn_id=turn.pk, fence=1, answer=failed)
        assert AuditEvent.objects.get(kind="turn.failed").data == {"reason": "time-out"}
        again = turns.ask_again(turn_id=turn.pk, actor=world.ada, engine=turns.Engine.OFFLINE)
        assert (again.question_id, again.engine, again.pk == turn.pk) == (turn.question_id, "offline", False)
        assert turns.newest_turns(session, [turn.question_id])[turn.question_id].pk == again.pk
        turns.claim(turn_id=again.pk)
        turns.finish_turn(turn_id=again.pk, fence=1, answer=Answer("Yes.", metadata=MessageMetadata()))
        with assert_nothing_written(), pytest.raises(Conflict, match="has its answer"):
            turns.ask_again(turn_id=turn.pk, actor=world.ada)


# --- lost -------------------------------------------------------------------------------------------------------------
def test_a_lost_worker_is_replaced_twice_and_then_the_turn_has_failed(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
    for fence in (1, 2, 3):
        with as_(world.ada, world):
            assert turns.claim(turn_id=turn.pk).fence == fence  # type: ignore[union-attr]
            with assert_nothing_written():
                assert turns.sweep(account_id=world.acme.pk) == 0  # it still has its lease
            lapse(turn)
        assert turns.sweep(account_id=world.acme.pk) == 1
    with as_(world.ada, world):
        turn.refresh_from_db()
        assert (turn.status, turn.error) == (Status.FAILED, turns.LOST)
        assert turns.sweep(account_id=world.acme.pk) == 0


def test_a_stop_of_a_lost_worker_is_not_done_again(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        turns.claim(turn_id=turn.pk)
        turns.stop(turn_id=turn.pk, actor=world.ada)
        lapse(turn)
    turns.sweep(account_id=world.acme.pk)
    with as_(world.ada, world):
        assert AssistantTurn.objects.get(pk=turn.pk).status == Status.STOPPED


def test_a_turn_whose_job_is_lost_is_woken(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")
        turns.sweep(account_id=world.acme.pk)
        assert jobs() == 0  # it is not late yet
        AssistantTurn.objects.filter(pk=turn.pk).update(created_at=database_time.now() - timedelta(seconds=31))
        turns.sweep(account_id=world.acme.pk)
        assert jobs() == 1


def test_other_accounts_turns_are_not_looked_at(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        turns.claim(turn_id=turn.pk)
        lapse(turn)
    with assert_nothing_written_in(world.acme):
        assert turns.sweep(account_id=world.globex.pk) == 0


def test_a_turn_belongs_to_its_session_whatever_the_caller_says(world: World) -> None:
    session, other = begin(world), begin(world)
    with as_(world.ada, world):
        question = ask(session, world.ada).question
        with pytest.raises(DatabaseError, match="a message of its chat"), transaction.atomic():
            AssistantTurn.objects.create(account_id=world.acme.pk, session=other, question=question,
                                         conversation_id=session.conversation_id, private_to=world.dan)  # fmt: skip
