"""From an inbound to a draft in the queue, with a drafter that behaves as told, and with the real worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Notification
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.desk.findings import NOTHING
from drafts.desk.text import Text, text_checks
from drafts.desk.unanswered import close_unanswered
from drafts.flow import drafting
from drafts.llm.endpoint import Tokens
from drafts.models import ACTS, NOTHING_ASKED, Draft
from drafts.writing import retrieval
from drafts.writing.acts import Act
from drafts.writing.offline import OfflineDrafter
from drafts.writing.port import DrafterUnavailable, DraftRequest, DraftResult, OnText, Source, Statement
from drafts.writing.statements import PASSED_ON
from ingestion.knowledge.index import index_document
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@dataclass
class Scripted:
    """Answers with `text`; `before` runs first, as the world moves while a model thinks."""

    text: str = "Hi Marcus,\n\nYes."
    before: Callable[[], object] | None = None
    error: DrafterUnavailable | None = None
    requests: list[DraftRequest] = field(default_factory=list)

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        self.requests.append(request)
        if self.before:
            act, self.before = self.before, None
            act()
        if self.error:
            raise self.error
        statements = (Statement(12, len(self.text), tuple(source.passage_id for source in request.sources[:1])),)
        return DraftResult(self.text, statements, 0.7, ("because",), "sizing", (), "scripted-1", 42, 7)


def write(message, drafter: Scripted, **changes):
    return drafting.write_draft(
        account_id=message.account_id, conversation_id=message.conversation_id, drafter=drafter, **changes
    )


def test_a_draft_is_stored_with_everything_it_came_from(world: World, acme) -> None:
    index_document(
        account_id=world.acme.pk,
        source_url="https://a.test/ptfe",
        title="PTFE",
        text="# PTFE\n\nPTFE hose is safe with E85.",
    )
    message = factories.message(world.mail, "Is PTFE hose safe with E85?")
    drafter = Scripted("Hi Marcus,\n\nPTFE hose is safe with E85.")

    draft = write(message, drafter)

    assert draft is not None
    (request,) = drafter.requests
    assert (request.question, request.customer_name, request.account_name) == (
        "Is PTFE hose safe with E85?",
        "Marcus Delgado",
        "Acme",
    )
    assert [source.title for source in request.sources] == ["PTFE"]
    assert (draft.status, draft.base_message, draft.model_key, draft.prompt_label) == (
        "pending",
        message,
        "scripted-1",
        "reply-v0",
    )
    assert (draft.confidence, draft.tokens_used, draft.latency_ms, draft.intent) == (0.7, 42, 7, "sizing")
    assert draft.top_sources[0]["quote"] == "PTFE hose is safe with E85."
    assert draft.top_sources[0]["cited"] is True
    event = AuditEvent.objects.get(kind="draft.written")
    assert (event.actor_type, event.actor_name) == ("model", "scripted-1")


def test_writing_again_changes_nothing(world: World, acme) -> None:
    message = factories.message(world.mail)
    write(message, Scripted())
    with assert_nothing_written():
        assert write(message, Scripted()) is None


def test_what_was_written_for_an_older_message_is_thrown_away(world: World, acme) -> None:
    first = factories.message(world.mail, "first")
    drafter = Scripted(before=lambda: factories.reply_to(first, "second"))
    draft = write(first, drafter)
    assert draft is not None
    assert [request.question for request in drafter.requests] == ["first", "second"]
    assert Draft.objects.get() == draft
    assert draft.base_message.body_text == "second"


def test_a_conversation_that_was_answered_needs_no_draft(world: World, acme) -> None:
    message = factories.message(world.mail)
    factories.approved(factories.draft(message), world.ada)
    with assert_nothing_written():
        assert write(message, Scripted()) is None


def test_another_draft_on_request_supersedes_the_old_one_once(world: World, acme) -> None:
    message = factories.message(world.mail)
    old = factories.draft(message)
    action = decisions.regenerate(draft_id=old.pk, actor=world.ada, seen=factories.seen(old), instruction="shorter")
    drafter = Scripted("Hi.")
    new = write(message, drafter, asked_by=action.pk)
    old.refresh_from_db()
    assert new is not None
    assert (old.status, new.status, drafter.requests[0].instruction) == ("superseded", "pending", "shorter")
    with assert_nothing_written():
        assert write(message, drafter, asked_by=action.pk) is None


def test_a_reviewer_changes_the_act_and_gets_that_draft(world: World, acme) -> None:
    message = factories.message(world.mail, "Order HRA-23350: how long does it take?")
    old = factories.draft(message, act="answer")
    action = decisions.regenerate(draft_id=old.pk, actor=world.ada, seen=factories.seen(old), wished="hold")
    drafter = OfflineDrafter(embedder=None)
    new = write(message, drafter, asked_by=action.pk)
    assert new is not None
    assert (new.act, new.statements) == ("hold", [])
    assert new.facts == [{"kind": "order", "text": "HRA-23350"}]
    assert PASSED_ON in new.suggested_text
    event = AuditEvent.objects.get(kind="draft.regenerated")
    assert (event.data["act"], event.data["act_before"], action.wished_act) == ("hold", "answer", "hold")


def test_no_reply_does_what_is_not_an_act(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(Invalid):
        decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), wished="dance")


def test_what_asks_for_nothing_is_closed_with_one_press_and_nothing_is_sent(world: World, acme) -> None:
    message = factories.message(world.mail, "Thanks, it fits!")
    draft = write(message, OfflineDrafter(embedder=None))
    assert draft is not None
    assert draft.act == NOTHING_ASKED
    closed = close_unanswered(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    assert (closed.status, closed.conversation.status, closed.conversation.outcome) == (
        "expired",
        "closed",
        "not_needed",
    )
    assert not message.conversation.messages.filter(direction="outbound").exists()


def test_nobody_closes_over_a_message_that_they_have_not_seen(world: World, acme) -> None:
    message = factories.message(world.mail)
    draft = factories.draft(message, act="none")
    seen = factories.seen(draft)
    factories.reply_to(message)
    with pytest.raises(Conflict):
        close_unanswered(draft_id=draft.pk, actor=world.ada, seen=seen)


def test_the_acts_of_the_drafters_are_those_of_the_table() -> None:
    assert [act for act, _ in ACTS] == list(Act)


def test_a_drafter_that_cannot_write_leaves_the_conversation_visible(world: World, acme) -> None:
    message = factories.message(world.mail)
    draft = write(message, Scripted(error=DrafterUnavailable("The model refused.", retryable=False)))
    assert draft is not None
    assert (draft.status, draft.suggested_text, draft.error) == ("pending", "", "The model refused.")
    assert Notification.objects.get().type == "draft_failed"
    action = decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), final_text="By hand.", attention=decisions.Attention(pressed_twice=True))  # fmt: skip
    assert action.final_text == "By hand."


def test_a_passing_failure_is_left_to_the_workers_retry(world: World, acme) -> None:
    message = factories.message(world.mail)
    with assert_nothing_written(), pytest.raises(DrafterUnavailable):
        write(message, Scripted(error=DrafterUnavailable("later", retryable=True)))


def test_an_unknown_conversation_is_nothing_to_write(world: World, acme) -> None:
    assert drafting.write_draft(account_id=world.acme.pk, conversation_id=uuid.uuid4(), drafter=Scripted()) is None


def test_the_real_worker_drafts_for_a_mail_and_delivers_the_approval(
    committed_world: World, worker_turn: Callable[[], None]
) -> None:
    """One whole turn on real parts: a mail in, the worker's draft, an approval, the worker's attempt to deliver."""
    world = committed_world
    index_document(
        account_id=world.acme.pk,
        source_url="https://a.test/ptfe",
        title="PTFE",
        text="# PTFE and E85\n\nPTFE hose is safe with E85. It does not harden.",
    )
    message = factories.message(world.mail, "Is PTFE hose safe with E85?")

    worker_turn()

    with tenant_context(world.acme.pk):
        draft = Draft.objects.get()
        assert "PTFE hose is safe with E85." in draft.suggested_text
        assert draft.unsourced_count == 0
        assert not ProcrastinateJob.objects.exclude(status="succeeded").filter(task_name="drafts.write").exists()
    world.ada.preferences = {"hold_seconds": 0}
    delivery = factories.approved(draft, world.ada)
    worker_turn()
    with tenant_context(world.acme.pk):
        delivery.refresh_from_db()
        # Nobody listens on the channel's port: the attempt is recorded and will be repeated.
        assert (delivery.status, delivery.attempt_count) == ("queued", 1)
        assert "Nothing was sent" in delivery.error
        assert message.pk == draft.base_message_id


@pytest.mark.parametrize(
    ("text", "cited", "shown"),
    [
        ("Yes. Gift cards come by mail. They never expire.", "Gift cards come by mail.", "Yes. Gift cards come by mail. They never expire."),
        ("First. Second one. Third one here.", "Third one here.", "… Second one. Third one here."),
        ("Only this is said.", "Only this is said.", "Only this is said."),
        ("Nothing of it is cited.", "Elsewhere.", "Nothing of it is cited."),
        ("| size | bend |\n| --- | --- |\n| -6 | 3 in |\n| -8 | 4 in |", "-8 – bend: 4 in.", "-6 – bend: 3 in. -8 – bend: 4 in."),
        ("# Cutting\n\nYou need:\n- tape\n- a **saw**", "You need:", "You need: • tape • a saw"),
    ],
)  # fmt: skip
def test_a_quote_begins_with_a_whole_sentence(text: str, cited: str, shown: str) -> None:
    source = Source(uuid.uuid4(), uuid.uuid4(), "T", "https://a.test", text, 0.9, timezone.now())
    assert drafting.quote(source, [cited]) == shown


@pytest.mark.parametrize(
    ("text", "statements", "shown"),
    [
        ("It fits.", [(uuid.uuid4(),)], f"+{NOTHING} +Every statement sourced"),
        ("It fits.", [()], f"+{NOTHING} -1 statement has no source"),
        ("It fits. It holds.", [(), ()], f"+{NOTHING} -2 statements have no source"),
        ("It costs 5 USD.", [(uuid.uuid4(),)], "-Names a price: 5 USD, as in source 1 +Every statement sourced"),
        ("It costs 6 USD.", [(uuid.uuid4(),)], "-Names a price: 6 USD, in no source +Every statement sourced"),
        ("A colleague will answer.", [], f"+{NOTHING}"),
    ],
)
def test_the_checks_say_what_was_looked_at(text: str, statements: list[tuple[uuid.UUID, ...]], shown: str) -> None:
    sources = [{"says": ["5 USD"]}]
    found = text_checks(Text(text, tuple(Statement(0, len(text), ids) for ids in statements)), sources)
    assert " ".join(f"{'+' if each['ok'] else '-'}{each['text']}" for each in found) == shown


def test_a_person_is_shown_where_in_its_document_a_source_stands(world: World) -> None:
    index_document(
        account_id=world.acme.pk, source_url="https://docs.example/shipping", title="Shipping",
        text="# Shipping\n\n## Norway\n\nParcels to Norway take 7 to 14 business days and cost 39.95 USD up to 5 lb.",
    )  # fmt: skip
    draft = drafting.write_draft(
        account_id=world.acme.pk,
        conversation_id=factories.message(world.mail, "How long do parcels to Norway take?").conversation_id,
    )
    assert draft is not None
    assert [entry["title"] for entry in draft.top_sources] == ["Shipping › Norway"]


def test_a_reranker_orders_what_the_draft_is_written_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        index_document(
            account_id=world.acme.pk, source_url=f"https://docs.example/{number}", title="E85",
            text=f"PTFE hose works with E85 fuel, says page {number} of the manual.",
        )  # fmt: skip
    before, *_ = retrieval.find_sources(account_id=world.acme.pk, text="PTFE hose with E85")

    class Backwards:
        def order(self, question: str, sources: tuple[Source, ...]) -> tuple[tuple[Source, ...], Tokens]:
            return sources[::-1], (700, 9)

    monkeypatch.setattr(retrieval, "get_reranker", Backwards)
    after, _, spent = retrieval.find_sources(account_id=world.acme.pk, text="PTFE hose with E85")
    assert len(before) == 4
    assert after == before[::-1]
    assert spent == (700, 9)
