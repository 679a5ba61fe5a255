"""A person's chats are theirs alone: proved as the runtime role, by other people, by roles, by the questions of the desk."""

from __future__ import annotations

import json
import random
import re
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from django.urls import reverse

from config.postgres import Cluster
from conversations import search
from conversations.chats import sessions
from conversations.chats.overview import session_owners, sessions_overview
from conversations.chats.sessions import Project
from conversations.errors import Conflict
from conversations.models import AssistantSession, Conversation, Delivery, Message, MessageVector, User
from conversations.models.search import SearchWords
from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests import factories
from tests.conftest import World

Browser = Callable[[User], Client]
SECRET = "zanzibar"
PRIVATE = (Conversation, Message, AssistantSession, SearchWords, MessageVector)


@pytest.fixture
def chat(world: World) -> AssistantSession:
    """Ada's, with a word in it that stands nowhere else, also as a vector."""
    session = factories.chat(world.acme, world.ada, f"What do I say about {SECRET}?")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        message = Message.objects.get()
        MessageVector.objects.create(account=world.acme, message=message, embedder="e", values=b"\x01")
    return session


def how_many() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in PRIVATE}


def test_a_chat_exists_for_its_person_and_for_nobody_else(world: World, chat: AssistantSession) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert how_many() == {
            "Conversation": 1, "Message": 1, "AssistantSession": 1, "SearchWords": 2, "MessageVector": 1,
        }  # fmt: skip
    for person in (None, world.dan.pk, world.bo.pk, world.cy.pk, uuid.uuid4()):
        with tenant_context(world.acme.pk, person=person):
            assert set(how_many().values()) == {0}, person
    with tenant_context(world.globex.pk, person=world.ada.pk):
        assert set(how_many().values()) == {0}


def test_a_context_inside_names_nobody_and_the_outer_person_comes_back(world: World, chat: AssistantSession) -> None:
    with tenant_context(world.acme.pk, person=world.ada.pk):
        with tenant_context(world.acme.pk):
            assert not AssistantSession.objects.exists()
        assert AssistantSession.objects.exists()
        with tenant_context(world.globex.pk, person=world.eve.pk):
            assert not AssistantSession.objects.exists()
        assert AssistantSession.objects.exists()
    assert not AssistantSession.objects.exists()


def test_nobody_writes_into_a_foreign_chat_or_makes_one_for_somebody_else(world: World, chat: AssistantSession) -> None:
    with tenant_context(world.acme.pk, person=world.dan.pk):
        for model in PRIVATE:
            if model is not SearchWords:  # the runtime role only reads it
                assert model._default_manager.update(account_id=world.acme.pk) == 0
                assert model._default_manager.all()._raw_delete("default") == 0
        with pytest.raises(DatabaseError, match="without a conversation"), transaction.atomic():
            Message.objects.create(
                account=world.acme, conversation_id=chat.conversation_id, direction="inbound", role="user",
                body_text="not mine", private_to=world.dan,
            )  # fmt: skip
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Conversation.objects.create(account=world.acme, kind="assistant", number=None, private_to=world.ada)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert Message.objects.get().body_text.endswith(f"{SECRET}?")


def test_whose_a_message_is_says_its_conversation_whatever_the_caller_says(
    world: World, chat: AssistantSession
) -> None:
    values: dict[str, Any] = {"account": world.acme, "direction": "outbound", "role": "assistant", "body_text": "Hi"}
    with tenant_context(world.acme.pk, person=world.ada.pk):
        for said in (None, world.dan):
            made = Message.objects.create(conversation_id=chat.conversation_id, private_to=said, **values)
            assert Message.objects.values_list("private_to_id", flat=True).get(pk=made.pk) == world.ada.pk
    customers = factories.message(world.mail)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        hers = Message.objects.create(conversation_id=customers.conversation_id, private_to=world.ada, **values)
        assert Message.objects.values_list("private_to_id", flat=True).get(pk=hers.pk) is None


def test_analytics_sees_no_chat_whoever_it_names(committed_world: World, cluster: Cluster) -> None:
    world = committed_world
    factories.chat(world.acme, world.ada, SECRET)
    factories.message(world.mail)
    with cluster.connect("countersign_test", "app_ro") as reader, reader.transaction():
        reader.execute(
            "SELECT set_config('app.account_id', %s, true), set_config('app.user_id', %s, true)",
            [str(world.acme.pk), str(world.ada.pk)],
        )
        counts = [reader.execute(f'SELECT count(*) FROM "{model._meta.db_table}"').fetchone()[0] for model in PRIVATE]
        assert counts == [1, 1, 0, 2, 0]
        with pytest.raises(Exception, match="permission denied"):
            reader.execute("SELECT * FROM sessions_overview()")


def test_the_person_does_not_outlive_the_transaction(committed_world: World) -> None:
    factories.chat(committed_world.acme, committed_world.ada, SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT nullif(current_setting('app.user_id', true), '')")
        assert cursor.fetchone() == (None,)


def test_a_request_names_its_person_in_the_statement_that_names_the_tenant(
    world: World, signed_in: Browser, chat: AssistantSession
) -> None:
    """The requests of the others are answered as if there were no chat: pages, search, exports, the admin, streams."""
    pages = [
        reverse("conversations:list"),
        reverse("conversations:list") + f"?q={SECRET}",
        reverse("conversations:detail", args=[chat.conversation_id]),
        reverse("drafts:timeline", args=[chat.conversation_id]),
        reverse("drafts:queue"),
        reverse("drafts:quality"),
        "/admin/conversations/conversation/",
    ]
    for user in (world.dan, world.bo, world.cy, world.ada):
        browser = signed_in(user)
        for page in pages:
            answer = browser.get(page, follow=True)
            text = answer.content.decode()
            if "?q=" in page:
                text = text.replace(f'value="{SECRET}"', "").replace(f"q={SECRET}", "").replace(f"“{SECRET}”", "")
            assert SECRET not in text, (user, page)
            assert str(chat.conversation_id) not in text.replace(page, ""), (user, page)


def test_words_of_a_chat_are_not_found_among_customers(world: World, chat: AssistantSession) -> None:
    for person in (None, world.dan.pk, world.ada.pk):
        with tenant_context(world.acme.pk, person=person):
            everything = Conversation.objects.newest_first()
            found = search.find(everything, search.parse(SECRET, zoneinfo.ZoneInfo("UTC")))
            assert list(found) == []


def test_an_account_knows_that_chats_exist_and_no_word_of_them(world: World, chat: AssistantSession) -> None:
    for user in (world.dan, world.bo):
        with tenant_context(world.acme.pk, person=user.pk):
            (row,) = sessions_overview(account_id=world.acme.pk, actor=user)
            assert (row.person_id, row.context_type, row.status, row.message_count) == (
                world.ada.pk, "general", "active", 1,
            )  # fmt: skip
            assert SECRET not in repr(row)
            assert session_owners() == [world.ada.pk]
    with tenant_context(world.globex.pk):
        assert session_owners() == []


def test_what_belongs_to_customers_cannot_belong_to_a_chat(world: World, chat: AssistantSession) -> None:
    """Acceptance 19, by foreign keys: whatever the kind is said to be."""
    draft = factories.draft(factories.message(world.mail))
    delivery = factories.approved(draft, world.ada)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        said = Message.objects.get(conversation_id=chat.conversation_id)
        for kind in ("customer", "assistant"):
            with pytest.raises(IntegrityError), transaction.atomic():
                Draft.objects.create(
                    account=world.acme, conversation_id=chat.conversation_id, conversation_kind=kind,
                    base_message=said, model_key="offline", suggested_text="Hi", status="superseded",
                )  # fmt: skip
                connection.check_constraints()
            for row in (Draft.objects.filter(pk=draft.pk), Delivery.objects.filter(pk=delivery.pk)):
                with pytest.raises(IntegrityError), transaction.atomic():
                    row.update(conversation_id=chat.conversation_id, conversation_kind=kind)
                    connection.check_constraints()


# --- sessions ---------------------------------------------------------------------------------------------------------
def test_thirty_windows_get_one_session(committed_world: World, in_threads: Any) -> None:
    """Acceptance 14."""
    world = committed_world
    case = factories.message(world.mail).conversation_id
    wanted: list[dict[str, Any]] = [
        {"context": "infrastructure"},
        {"context": "case", "case": case},
        {"context": "project", "project": Project("channel", world.mail.pk)},
    ]
    for about in wanted:

        def start(about: dict[str, Any] = about) -> tuple[uuid.UUID, bool]:
            with tenant_context(world.acme.pk, person=world.ada.pk):
                session, is_new = sessions.start_session(actor=world.ada, account_id=world.acme.pk, **about)
            return session.pk, is_new

        answers = in_threads([start] * 10)
        assert len({pk for pk, _ in answers}) == 1, answers
        assert sum(is_new for _, is_new in answers) == 1
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert AssistantSession.objects.count() == Conversation.objects.filter(kind="assistant").count() == 3


def test_one_request_is_one_message_however_often_it_arrives(committed_world: World, in_threads: Any) -> None:
    world = committed_world
    session = factories.chat(world.acme, world.ada)

    def say() -> tuple[uuid.UUID, bool]:
        with tenant_context(world.acme.pk, person=world.ada.pk):
            message, is_new = sessions.post(
                session_id=session.pk, actor=world.ada, text="Once", request_id="the same request"
            )
        return message.pk, is_new

    answers = in_threads([say] * 10)
    assert len({pk for pk, _ in answers}) == 1, answers
    assert sorted(is_new for _, is_new in answers) == [False] * 9 + [True]
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert Conversation.objects.get(pk=session.conversation_id).message_count == 1


def test_the_database_refuses_a_second_open_session_and_a_wrong_one(world: World) -> None:
    case = factories.message(world.mail).conversation_id
    first = factories.chat(world.acme, world.ada, context="case", case=case)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        chat = Conversation.objects.create(account=world.acme, kind="assistant", number=None, private_to=world.ada)
        values: dict[str, Any] = {"account": world.acme, "conversation": chat, "private_to": world.ada}
        wrong: list[dict[str, Any]] = [
            {"context_type": "case", "case_id": case},  # there is an open one
            {"context_type": "case", "case_id": first.conversation_id},  # a chat is no case
            {"context_type": "general", "case_id": case},
            {"context_type": "project"},  # of nothing
            {"context_type": "infrastructure", "project_kind": "channel", "project_id": world.mail.pk},
            {"context_type": "practice"},  # of no scenario
            {"context_type": "general", "scenario_id": uuid.uuid4()},
            {"context_type": "dreams"},
            {"context_type": "general", "status": "completed"},  # without its time
            {"context_type": "general", "conversation_id": case},  # a customer's conversation is no chat
        ]
        for about in wrong:
            with pytest.raises(IntegrityError), transaction.atomic():
                AssistantSession.objects.create(**{**values, **about})
        sessions.close_session(session_id=first.pk, actor=world.ada)
        with pytest.raises(IntegrityError), transaction.atomic():  # what has ended does not begin again
            AssistantSession.objects.filter(pk=first.pk).update(status="active", closed_at=None)
        again, is_new = sessions.start_session(actor=world.ada, account_id=world.acme.pk, context="case", case=case)
        assert (is_new, again.pk != first.pk) == (True, True)
        with pytest.raises(Conflict):
            sessions.post(session_id=first.pk, actor=world.ada, text="Hello?", request_id="")


# --- what the database counts -----------------------------------------------------------------------------------------
def test_counts_and_averages_are_those_of_a_recount_and_flags_never_reorder(world: World) -> None:
    """Acceptance 16: a thousand random changes."""
    draw = random.Random(14)
    chats = [factories.chat(world.acme, world.ada, f"Chat {number}") for number in range(6)]
    with tenant_context(world.acme.pk, person=world.ada.pk):
        for _ in range(1000):
            session = draw.choice(chats)
            known = Message.objects.filter(conversation_id=session.conversation_id, erased_at=None)
            match draw.choice(["say", "measure", "erase", "pin", "favourite", "archive", "rename", "tag"]):
                case "say":
                    role = draw.choice(["user", "assistant", "system"])
                    Message.objects.create(
                        account=world.acme, conversation_id=session.conversation_id, role=role, body_text="x",
                        direction={"user": "inbound", "assistant": "outbound", "system": "system"}[role],
                        sentiment=draw.choice([None, Decimal(draw.randint(-10000, 10000)) / 10000]),
                    )  # fmt: skip
                case "measure":
                    measured = draw.choice([None, Decimal(draw.randint(-10000, 10000)) / 10000])
                    known.filter(pk__in=known.order_by("?").values("pk")[:1]).update(sentiment=measured)
                case "erase":
                    gone = list(known.order_by("?").values_list("pk", flat=True)[:1])
                    known.filter(pk__in=gone).update(body_text="", sentiment=None, erased_at="2026-01-01T00:00Z")
                case "pin" | "favourite" as act:
                    flag: Any = "pinned" if act == "pin" else "favourite"
                    before = _order()
                    sessions.set_flag(session_id=session.pk, actor=world.ada, flag=flag, on=draw.random() < 0.5)
                    assert _order() == before
                case "archive":
                    before = _order()
                    sessions.archive(session_id=session.pk, actor=world.ada, on=draw.random() < 0.5)
                    assert _order() == before
                case "rename":
                    before = _order()
                    sessions.rename(session_id=session.pk, actor=world.ada, title=f"T{draw.random()}")
                    assert _order() == before
                case "tag":
                    before = _order()
                    sessions.set_tags(session_id=session.pk, actor=world.ada, tags=["a", "b"])
                    assert _order() == before
        for chat in Conversation.objects.filter(kind="assistant"):
            messages = Message.objects.filter(conversation=chat)
            measured = [value for value in messages.values_list("sentiment", flat=True) if value is not None]
            assert chat.message_count == chat.last_seq == messages.count()
            assert chat.user_message_count == messages.filter(role="user").count()
            assert chat.ai_message_count == messages.filter(role="assistant").count()
            assert (chat.sentiment_sum, chat.sentiment_count) == (sum(measured), len(measured))
            assert chat.average_sentiment == (float(sum(measured) / len(measured)) if measured else None) or (
                chat.average_sentiment == pytest.approx(float(sum(measured) / len(measured)))
            )
            newest = messages.order_by("-seq").values_list("received_at", flat=True).first()
            assert chat.last_message_at == newest


def _order() -> list[uuid.UUID]:
    chats = Conversation.objects.filter(kind="assistant").newest_first()
    return list(chats.values_list("pk", flat=True))


def test_a_withdrawn_reply_no_longer_counts_with_its_sentiment(world: World) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        sent = Message.objects.filter(pk=delivery.message_id)
        sent.update(sentiment=Decimal("0.5"))
        assert Conversation.objects.values_list("sentiment_count", "average_sentiment").get() == (1, 0.5)
        sent.update(withdrawn_at="2026-01-01T00:00Z")
        assert Conversation.objects.values_list("sentiment_count", "average_sentiment").get() == (0, None)


# --- and the desk does not change -------------------------------------------------------------------------------------
def test_a_thousand_chats_change_no_page_and_no_figure(world: World, signed_in: Browser) -> None:
    """Acceptance 18. Every other chat is of the person who looks, half of them are written in after the customers wrote."""
    for number in range(3):
        message = factories.message(world.mail, f"Question {number} about a hose", subject=f"Hose {number}")
        factories.draft(message)
    browser = signed_in(world.ada)
    pages = [
        reverse("conversations:list"),
        reverse("conversations:list") + "?q=hose",
        *(
            reverse("conversations:list") + f"?list={name}"
            for name in ("to_answer", "owed", "mine", "waiting", "closed")
        ),
        reverse("drafts:queue"),
        reverse("drafts:quality"),
        reverse("conversations:notices"),
    ]

    def looks() -> list[str]:
        found = [without_what_changes(browser.get(page).content.decode()) for page in pages]
        with tenant_context(world.acme.pk):
            found.append(json.dumps(sorted(map(str, Conversation.objects.of_customers().values_list("pk", flat=True)))))
        return found

    before = looks()
    plant(world, 1000)
    assert looks() == before


def plant(world: World, number: int) -> None:
    """Chats of two people, by one statement each: about hoses, as customers' messages are."""
    for person in (world.ada, world.dan):
        with tenant_context(world.acme.pk, person=person.pk), connection.cursor() as cursor:
            chats = [
                Conversation(account=world.acme, kind="assistant", number=None, private_to=person, title=f"Hose {n}")
                for n in range(number // 2)
            ]
            Conversation.objects.bulk_create(chats)
            AssistantSession.objects.bulk_create(
                [AssistantSession(account=world.acme, conversation=chat, private_to=person) for chat in chats]
            )
            Message.objects.bulk_create(
                [
                    Message(
                        account=world.acme, conversation=chat, private_to=person, direction="inbound", role="user",
                        body_text="Which hose?",
                    )
                    for chat in chats
                ]
            )  # fmt: skip
            cursor.execute("SELECT count(*) FROM conversations_assistantsession")
            assert cursor.fetchone()[0] == number // 2


def without_what_changes(page: str) -> str:
    """A page without its own token, nonce and clocks."""
    page = re.sub(r'(nonce)="[^"]*"|hx-headers=\'[^\']*\'|hx-headers="[^"]*"', "", page)
    page = re.sub(r'name="(csrfmiddlewaretoken|request_id)" value="[^"]*"', "", page)
    return re.sub(r"\b\d+ (s|min)\b", "", page)
