"""A QuerySet compiled once gives what the QuerySet gives, whoever uses it next and with whatever values."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Lower
from django.utils import timezone

from conversations.database.compiled import Compiled
from conversations.models import Conversation, Message
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import counted
from tests.conftest import World


def of_subject(given: Any, newest: bool = False) -> Any:
    found = (
        Conversation.objects.filter(subject=given.subject).select_related("channel").annotate(name=F("channel__name"))
    )
    return found.order_by("-number" if newest else "number")


def test_it_gives_model_instances_with_their_relations_and_annotations(world: World, acme: None) -> None:
    compiled = Compiled(of_subject)
    for subject in ("One", "Two", "Two"):
        factories.message(world.mail, subject=subject)
    assert [found.subject for found in compiled(subject="One")] == ["One"]
    with counted() as queries:
        again = compiled(subject="Two")
        assert [(found.subject, found.channel.name, found.name) for found in again] == [
            ("Two", "Acme mail", "Acme mail")
        ] * 2
    assert len(queries) == 1
    assert [found.pk for found in compiled(True, subject="Two")] == [found.pk for found in reversed(again)]


def test_lists_of_each_length_and_none_have_their_own_statement(world: World, acme: None) -> None:
    compiled = Compiled(lambda given: Message.objects.filter(pk__in=given.ids).values_list("pk", flat=True))
    ids = [factories.message(world.mail).pk for _ in range(3)]
    for wanted in (ids[:1], ids[1:], ids, [uuid.uuid4()]):
        assert set(compiled(ids=wanted)) == set(wanted) & set(ids)
    optional = Compiled(
        lambda given: Conversation.objects.filter(**({"number": given.n} if given.n is not None else {}))
    )
    assert len(optional(n=None)) == 3
    assert [found.number for found in optional(n=2)] == [2]


def test_times_and_numbers_arrive_as_given(world: World, acme: None) -> None:
    factories.message(world.mail)
    since = Compiled(lambda given: Message.objects.filter(received_at__gt=given.at, seq=given.seq).values("seq"))
    now: datetime = timezone.now()
    assert since(at=now - timedelta(minutes=1), seq=1) == [{"seq": 1}]
    assert since(at=now + timedelta(minutes=1), seq=1) == since(at=now - timedelta(minutes=1), seq=2) == []


@pytest.mark.parametrize(
    "build",
    [
        lambda given: Conversation.objects.all(),
        lambda given: Conversation.objects.filter(subject__contains=given.subject),
        lambda given: Conversation.objects.annotate(x=Lower(Value("a" + given.subject))),
    ],
    ids=["unused", "rewritten", "part of another"],
)
def test_a_value_that_would_be_frozen_into_the_plan_is_an_error(world: World, acme: None, build: Any) -> None:
    with pytest.raises(RuntimeError, match="cannot be compiled once"):
        Compiled(build)(subject="One")


def test_a_type_that_has_no_mark_is_an_error(world: World, acme: None) -> None:
    with pytest.raises(TypeError):
        Compiled(lambda given: Conversation.objects.filter(pk=given.pk))(pk=1.5)


def test_another_tenant_and_another_thread_get_their_own_rows(committed_world: World) -> None:
    world = committed_world
    compiled = Compiled(of_subject)
    mine = factories.message(world.mail, subject="Same")
    theirs = factories.message(world.other_mail, subject="Same")
    with tenant_context(world.acme.pk):
        assert [found.pk for found in compiled(subject="Same")] == [mine.conversation_id]
    seen: list[Any] = []

    def elsewhere() -> None:
        with tenant_context(world.globex.pk):
            seen.extend(found.pk for found in compiled(subject="Same"))
        connection.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [theirs.conversation_id]
