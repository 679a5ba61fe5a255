"""A question in a chat: what it asks for, who may ask it again, and where each cap lies."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied

from conversations.chats import sessions, turns
from conversations.chats.turns import Answer
from conversations.database import database_time
from conversations.errors import TooMuch
from conversations.models import Account, AssistantTurn, Membership
from conversations.tenancy import tenant_context
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.conversations.test_chat_turns import as_, ask, begin, limit
from tests.conversations.test_turn_rows import jobs

Status = AssistantTurn.Status
Engine = AssistantTurn.Engine


# --- asked ---------------------------------------------------------------------------------------------------------
def test_a_question_wakes_one_job_that_names_its_person(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        [(queue, args, once)] = jobs(turns.TASK)
        assert (queue, once) == ("drafts", f"answer {turn.pk}")
        assert args == {"account_id": str(world.acme.pk), "person_id": str(world.ada.pk), "turn_id": str(turn.pk)}
        stored = AssistantTurn.objects.get(pk=turn.pk)
        assert (stored.account_id, stored.session_id, stored.engine, stored.tokens) == (
            world.acme.pk, session.pk, "configured", 0,
        )  # fmt: skip


def test_the_same_request_in_another_chat_is_another_question(world: World) -> None:
    with as_(world.ada, world):
        first = ask(begin(world), world.ada, request_id="r1")
        second = ask(begin(world), world.ada, request_id="r1")
        assert first.pk != second.pk
        assert {first.question.external_id, second.question.external_id} == {"r1"}


def test_without_a_request_id_each_is_another_question(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        first = ask(session, world.ada)
        turns.stop(turn_id=first.pk, actor=world.ada)
        assert turns.post(session_id=session.pk, actor=world.ada, text="x", request_id="")[1]


def test_a_question_that_was_asked_again_is_its_first_turn_to_a_repeated_request(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        first = ask(session, world.ada, request_id="r1")
        turns.stop(turn_id=first.pk, actor=world.ada)
        again = turns.ask_again(turn_id=first.pk, actor=world.ada)
        AssistantTurn.objects.filter(pk=first.pk).update(created_at=again.created_at + timedelta(seconds=1))
        assert ask(session, world.ada, request_id="r1").pk == again.pk  # first by its time
        turns.stop(turn_id=again.pk, actor=world.ada)
        other = ask(session, world.ada, "Another?", request_id="r2")
        assert (other.pk != again.pk, ask(session, world.ada, request_id="r2").pk) == (True, other.pk)
        AssistantTurn.objects.filter(pk=first.pk).update(created_at=again.created_at - timedelta(seconds=1))
        assert ask(session, world.ada, request_id="r1").pk == first.pk


def test_who_lost_the_right_is_told_nothing_of_an_earlier_request_and_asks_nothing_again(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada, request_id="r1")
        turns.stop(turn_id=turn.pk, actor=world.ada)
    with tenant_context(world.acme.pk):
        Membership.objects.filter(user=world.ada).update(role="auditor")
    with as_(world.ada, world):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            ask(session, world.ada, request_id="r1")
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            turns.ask_again(turn_id=turn.pk, actor=world.ada)


def test_an_answer_to_another_question_does_not_keep_one_from_being_asked_again(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        first = ask(session, world.ada)
        turns.stop(turn_id=first.pk, actor=world.ada)
        second = ask(session, world.ada, "Another?")
        turns.claim(turn_id=second.pk)
        turns.finish_turn(turn_id=second.pk, fence=1, answer=Answer("Yes."))
        again = turns.ask_again(turn_id=first.pk, actor=world.ada)
        assert (again.question_id, again.engine) == (first.question_id, "configured")


# --- caps ----------------------------------------------------------------------------------------------------------
def test_what_was_used_before_the_midnight_of_the_accounts_own_zone_is_not_counted(world: World, settings: Any) -> None:
    """In a zone where it is about noon now, so that no clock of these tests is near its midnight."""
    settings.DRAFTER = "openai"
    now = database_time.now()
    ahead = 12 - now.hour
    zone = f"Etc/GMT{'-' if ahead >= 0 else '+'}{abs(ahead)}"
    limit(world, assistant_tokens_a_day=turns.TURN_TOKENS)
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(timezone=zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=ZoneInfo(zone))
    with as_(world.ada, world):
        used = ask(begin(world), world.ada)
        AssistantTurn.objects.filter(pk=used.pk).update(created_at=midnight)
        another = begin(world)
        with assert_nothing_written(), pytest.raises(TooMuch, match="Your 16,000"):
            ask(another, world.ada)
        AssistantTurn.objects.filter(pk=used.pk).update(created_at=midnight - timedelta(microseconds=1))
        assert ask(another, world.ada).tokens == turns.TURN_TOKENS


def test_ten_questions_are_those_of_the_last_minute(world: World) -> None:
    with as_(world.ada, world):
        asked = [ask(begin(world), world.ada) for _ in range(10)]
        AssistantTurn.objects.filter(pk=asked[0].pk).update(created_at=database_time.now() - timedelta(seconds=55))
        another = begin(world)
        with assert_nothing_written(), pytest.raises(TooMuch, match="within a minute"):
            ask(another, world.ada)


def test_where_the_account_drafts_offline_no_tokens_are_set_aside(world: World, settings: Any) -> None:
    limit(world, assistant_tokens_a_day=1000, assistant_tokens_of_all=1000)
    with as_(world.ada, world):
        settings.DRAFTER = "offline"
        assert ask(begin(world), world.ada).tokens == 0
        settings.DRAFTER = "openai"
        session = begin(world)
        asked = turns.post(session_id=session.pk, actor=world.ada, text="x", request_id="", engine=Engine.OFFLINE)
        assert (asked[0].tokens, asked[0].engine) == (0, "offline")


def test_who_asks_at_once_asks_one_after_another(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world), counted() as asked:
        ask(session, world.ada)
    sql = [query["sql"] for query in asked.captured_queries]
    locks = [at for at, one in enumerate(sql) if f"assistant {world.acme.pk}" in one and "pg_advisory_xact_lock" in one]
    counts = [at for at, one in enumerate(sql) if "assistant_used" in one]
    assert len(locks) == len(counts) == 1 and locks[0] < counts[0]


# --- found ---------------------------------------------------------------------------------------------------------
def test_a_turn_of_a_deleted_chat_is_not_found(world: World) -> None:
    session = begin(world)
    with as_(world.ada, world):
        turn = ask(session, world.ada)
        assert turns.turn_of(turn.pk, world.ada).question.body_text == "Which hose?"
        turns.stop(turn_id=turn.pk, actor=world.ada)
        sessions.delete_session(session_id=session.pk, actor=world.ada)
        with pytest.raises(AssistantTurn.DoesNotExist):
            turns.turn_of(turn.pk, world.ada)


def test_a_page_shows_the_newest_turn_of_each_of_its_own_questions(world: World) -> None:
    session, other = begin(world), begin(world)
    with as_(world.ada, world):
        first = ask(session, world.ada)
        turns.stop(turn_id=first.pk, actor=world.ada)
        second = ask(session, world.ada, "And now?")
        turns.stop(turn_id=second.pk, actor=world.ada)
        elsewhere = ask(other, world.ada)
        newest = turns.ask_again(turn_id=first.pk, actor=world.ada)
        questions = [first.question_id, elsewhere.question_id]
        assert turns.newest_turns(session, questions) == {first.question_id: newest}
        AssistantTurn.objects.filter(pk=first.pk).update(created_at=newest.created_at + timedelta(seconds=1))
        assert turns.newest_turns(session, questions) == {first.question_id: first}
