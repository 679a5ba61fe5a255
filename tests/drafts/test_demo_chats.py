"""The demo's chats with the assistant: of each kind, with a card that a newcomer confirms and one that waits for a second person."""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client
from django.urls import reverse

from conversations.models import Account, AssistantSession, Conversation, Message, ProposedAction, Tag, User
from conversations.tenancy import account_directory, tenant_context
from conversations.trail import report
from drafts.assistant.waiting import for_signature
from drafts.configuration import documents
from drafts.demo import chats, seeding
from drafts.desk import life
from drafts.models import ConfigDocument, Draft, Scenario, ScoreCard


def test_the_demo_shows_the_assistant_to_whoever_signs_in(committed: None, client: Client) -> None:
    seeding.seed(password="demo-password", say=lambda line: None)
    account = next(entry["id"] for entry in account_directory() if entry["slug"] == "hot-rod-an")
    people = {name: User.objects.with_address(f"{name}@hotrodan.example").get() for name in ("tess", "mina", "joel")}
    said = {name: _chats(account, person) for name, person in people.items()}
    seeding.seed(password="demo-password", say=lambda line: None)
    assert {name: _chats(account, person) for name, person in people.items()} == said, "seeding twice makes one demo"
    assert {name: len(theirs) for name, theirs in said.items()} == {"tess": 3, "mina": 1, "joel": 1}
    answers = [message for chat in said["tess"] for message in chat if message.role == "assistant"]
    assert {bool(message.details.sources) for message in answers} == {True, False}
    assert "10 seconds (the default)" in said["mina"][0][-1].body_text
    with tenant_context(account):
        waits = ProposedAction.objects.get(owner=people["tess"])
        first = Draft.objects.in_queue().due_first()[0]
        assert (waits.status, waits.tool, waits.case_id) == ("proposed", "set_tags", first.conversation_id)
        assert [one.status for one in for_signature(people["tess"], account)] == ["confirmed"]
        assert report.verify(account) is None
        drift = documents.difference(Account.objects.get(pk=account), ConfigDocument.objects.get())[1].differences
        assert sorted(one.path for one in drift) == [
            "retention.archive_bodies_after_days", "settings.hold_seconds", "tags[shipping]", "tags[warranty]",
        ]  # fmt: skip
    client.force_login(people["tess"])
    shown = client.get(reverse("drafts:action", args=[waits.pk])).context["card"]
    pressed = dict(zip(("arguments_sha256", "precondition_sha256"), shown.hashes, strict=True))
    client.post(reverse("drafts:decide-action", args=[waits.pk, "confirm"]), {**pressed, "alone": "1"})
    with tenant_context(account):
        waits.refresh_from_db()
        assert waits.status == "executed"
        assert Tag.objects.filter(links__conversation=waits.case_id, name="fuel").exists()


def test_the_demo_has_customers_to_practise_with_and_a_score_to_look_at(committed: None, client: Client) -> None:
    for _ in "12":
        seeding.seed(password="demo-password", say=lambda line: None)
    account = next(entry["id"] for entry in account_directory() if entry["slug"] == "hot-rod-an")
    tess = User.objects.with_address("tess@hotrodan.example").get()
    with tenant_context(account, person=tess.pk):
        assert sorted(Scenario.objects.values_list("status", flat=True)) == ["ready", "ready"]
        card = ScoreCard.objects.get()
        assert (card.outcome, card.answers) == ("resolved", 2)
        assert card.total is not None
        outcomes = {one["kind"]: one["outcome"] for one in card.criteria}
    assert (outcomes["says"], outcomes["resolves"], outcomes["sourced"]) == ("met", "met", "not_met")
    client.force_login(tess)
    shown = client.get(reverse("drafts:practice-score", args=[card.session_id]))
    assert "Parcels usually arrive" in shown.content.decode()


def test_what_somebody_closed_in_the_demo_is_not_talked_about_again(committed: None, monkeypatch: Any) -> None:
    with monkeypatch.context() as before:
        before.setattr(chats, "TALKS", ())
        seeding.seed(password="demo-password", say=lambda line: None)
    account = next(entry["id"] for entry in account_directory() if entry["slug"] == "hot-rod-an")
    joel = User.objects.with_address("joel@hotrodan.example").get()
    with tenant_context(account):
        edsel = Conversation.objects.get(subject="power steering pump for a 1958 Edsel")
        life.close(conversation_id=edsel.pk, actor=joel, reason="not_needed")
    seeding.seed(password="demo-password", say=lambda line: None)
    assert _chats(account, joel) == []


def _chats(account: uuid.UUID, person: User) -> list[list[Message]]:
    with tenant_context(account, person=person.pk):
        mine = AssistantSession.objects.of(person.pk).exclude(context_type="practice").order_by("pk")
        return [list(Message.objects.filter(conversation=one.conversation_id).order_by("seq")) for one in mine]
