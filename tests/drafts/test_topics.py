"""Topics: a start that fits any business, and the account's own, which its people name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from conversations.models import AuditEvent, User
from conversations.tenancy import tenant_context
from drafts.flow import drafting
from drafts.models import Draft, Topic
from drafts.writing.offline import OfflineDrafter
from drafts.writing.port import DraftRequest, Statement
from drafts.writing.topics import NEUTRAL, OTHER, own_topics
from tests import factories
from tests.conftest import World
from tests.drafts.test_model_drafter import source


@pytest.mark.parametrize(
    "text",
    [
        "Which torque for the hose end?",
        "Does the AN-6 adapter work with E85?",
        "It drips at the olive, a leak I think.",
        "Can I reuse the fitting with Loctite?",
    ],
)
def test_the_start_knows_nobodys_trade(text: str) -> None:
    assert NEUTRAL.of(text) == OTHER


@pytest.mark.parametrize(
    ("text", "topic"),
    [("I want my money back", "refund"), ("Where is my parcel?", "order_status"), ("My password is lost", "account")],
)
def test_what_any_business_is_asked_is_known_from_the_start(text: str, topic: str) -> None:
    assert NEUTRAL.of(text) == topic


def test_an_own_topic_goes_before_a_neutral_one_that_is_hit_as_often() -> None:
    topics = own_topics({"fuel_line": ["return line*"]})
    assert topics.of("About the return lines.") == "fuel_line"
    assert topics.of("I return it, a return of my order, about the return line") == "returns"


def test_words_are_words_and_a_star_is_any_ending() -> None:
    topics = own_topics({"leak": ["leak*", "bend radius"], "hose": ["hose"]})
    assert topics.of("It leaked, leaking still") == "leak"
    assert topics.of("the bend\n radius of it") == "leak"
    assert topics.of("hoses") == OTHER
    assert topics.of("bleak") == OTHER


def test_a_phrase_is_never_read_as_a_pattern() -> None:
    topics = own_topics({"odd": ["(", ".*", "a+b", "*"]})
    assert topics.of("hello") == OTHER
    assert topics.of("what is a+b here") == "odd"


def test_one_without_words_hits_nothing_and_one_of_a_neutral_name_replaces_it() -> None:
    topics = own_topics({"refund": [], "payment": ["wire"]})
    assert topics.of("I want a refund") == OTHER
    assert topics.of("price?") == OTHER
    assert topics.of("a wire") == "payment"
    assert topics.names.count("refund") == topics.names.count("payment") == 1


def test_the_topic_of_the_approved_answer_that_is_cited_counts() -> None:
    plain, golden = source("A page."), replace(source("An answer."), topic="loyalty")
    request = DraftRequest((), "?", "", (plain, golden), "", "", "")
    cites = [Statement(0, 1), Statement(1, 2, (plain.passage_id,)), Statement(2, 3, (golden.passage_id,))]
    assert request.approved_topic(cites) == "loyalty"
    assert request.approved_topic(cites[:2]) == ""


def test_a_draft_is_filed_under_the_accounts_own_topic_and_under_nobody_elses(world: World) -> None:
    with tenant_context(world.globex.pk):
        Topic.objects.create(account=world.globex, name="foreign", words=["ptfe"])
    with tenant_context(world.acme.pk):
        message = factories.message(world.mail, "Is PTFE right for us?")
        Topic.objects.create(account=world.acme, name="materials", words=["ptfe"])
    drafting.write_draft(
        account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=OfflineDrafter(embedder=None)
    )
    with tenant_context(world.acme.pk):
        assert Draft.objects.get().intent == "materials"


def test_two_topics_of_one_name_cannot_be_however_they_are_written(world: World) -> None:
    with tenant_context(world.acme.pk):
        Topic.objects.create(account=world.acme, name="Leak")
        with pytest.raises(IntegrityError), transaction.atomic():
            Topic.objects.create(account=world.acme, name="leak")
    with tenant_context(world.globex.pk):
        Topic.objects.create(account=world.globex, name="leak")


def test_an_admin_names_topics_and_the_trail_says_so(world: World, signed_in: Callable[[User], Client]) -> None:
    form = {"name": "bikes", "words": "bike*, mountain bike"}
    assert signed_in(world.ada).post("/admin/drafts/topic/add/", form).status_code in (302, 403)
    with tenant_context(world.acme.pk):
        assert not Topic.objects.exists()
    assert signed_in(world.dan).post("/admin/drafts/topic/add/", form).status_code == 302
    with tenant_context(world.acme.pk):
        topic = Topic.objects.get()
        assert (topic.name, topic.words) == ("bikes", ["bike*", "mountain bike"])
        assert AuditEvent.objects.filter(kind="admin.changed", object_id=topic.pk).exists()


@pytest.mark.parametrize("name", ["", "two words", "a" * 61, "<b>"])
def test_a_name_that_is_none_is_refused(world: World, signed_in: Callable[[User], Client], name: str) -> None:
    answer = signed_in(world.dan).post("/admin/drafts/topic/add/", {"name": name, "words": ""})
    assert answer.status_code == 200
    with tenant_context(world.acme.pk):
        assert not Topic.objects.exists()
