"""Promise 7: the trail is added to, never changed, by the runtime role nor, past the grants, by a trigger."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from config.postgres import SUPERUSER
from conversations import audit
from conversations.models import AuditEvent, AuditHead, AuditSalt
from conversations.tenancy import tenant_context
from conversations.trail import checkpoints, report
from drafts.desk import decisions, editing
from drafts.models import DraftAction, DraftRevision, PromptVersion
from tests import factories
from tests.conftest import World


@pytest.mark.parametrize("sql", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize(
    ("table", "column"), [("conversations_auditevent", "kind"), ("conversations_audithead", "hash")]
)
def test_the_runtime_role_cannot_change_the_trail(world: World, acme, sql: str, table: str, column: str) -> None:
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(table, column, column))


def test_a_decision_cannot_be_changed_or_removed(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    action = decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    for changes in ({"type": "reject"}, {"version": 7}, {"final_text": "something else"}, {"user_name": "Eve"}):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            DraftAction.objects.filter(pk=action.pk).update(**changes)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM drafts_draftaction")


def test_an_erasure_may_only_empty_a_decisions_texts(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    action = decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    DraftAction.objects.filter(pk=action.pk).update(final_text=None, notes="", diff=None)
    action.refresh_from_db()
    assert action.final_text is None
    assert action.user_name == "Ada"


def test_a_saved_revision_is_never_overwritten(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Hi, one moment please.")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        DraftRevision.objects.update(text="Another text")


def test_a_prompt_versions_text_is_fixed(world: World, acme) -> None:
    version = PromptVersion.objects.create(account=world.acme, version=1, text="Be brief.")
    with pytest.raises(IntegrityError, match="cannot be changed"), transaction.atomic():
        PromptVersion.objects.filter(pk=version.pk).update(text="Be long.")


def events(world: World) -> list[AuditEvent]:
    with tenant_context(world.acme.pk):
        return list(AuditEvent.objects.order_by("seq"))


def history(world: World) -> None:
    for _ in range(4):
        draft = factories.draft(factories.message(world.mail))
        factories.approved(draft, world.ada)


def test_the_chain_is_numbered_without_gaps_and_verifies(committed_world: World) -> None:
    history(committed_world)
    found = events(committed_world)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    with tenant_context(committed_world.acme.pk):
        assert report.verify(committed_world.acme.pk) is None
        head = AuditHead.objects.get()
    assert (head.seq, head.hash) == (found[-1].seq, found[-1].hash)


TAMPERINGS = {
    "a changed actor": "UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE id = '{id}'",
    "changed data": "UPDATE conversations_auditevent SET data = '{{}}' WHERE id = '{id}'",
    "a changed time": "UPDATE conversations_auditevent SET at = at + interval '1 second' WHERE id = '{id}'",
    "a removed event": "DELETE FROM conversations_auditevent WHERE id = '{id}'",
    "a moved link": "UPDATE conversations_auditevent SET prev_hash = repeat('0', 64) WHERE id = '{id}'",
    "a renumbered event": "UPDATE conversations_auditevent SET seq = seq + 1000 WHERE id = '{id}'",
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_a_superusers_tampering_is_found_at_its_place(committed_world: World, cluster, how: str) -> None:
    history(committed_world)
    victim = events(committed_world)[5]
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(TAMPERINGS[how].format(id=victim.pk))
    with tenant_context(committed_world.acme.pk):
        found = report.verify(committed_world.acme.pk)
    assert found is not None
    assert found.seq in {victim.seq, (victim.seq or 0) + 1}


def test_a_cut_tail_is_found_even_if_the_head_was_moved(committed_world: World, cluster) -> None:
    history(committed_world)
    with tenant_context(committed_world.acme.pk):
        checkpoints.checkpoint(committed_world.acme.pk)
    kept = events(committed_world)[-3]
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(
            "DELETE FROM conversations_auditevent WHERE account_id = %s AND seq > %s", [kept.account_id, kept.seq]
        )
        server.execute(
            "UPDATE conversations_audithead SET seq = %s, hash = %s WHERE account_id = %s",
            [kept.seq, kept.hash, kept.account_id],
        )
    with tenant_context(committed_world.acme.pk):
        found = report.verify(committed_world.acme.pk)
    assert found is not None
    assert "checkpoint" in found.reason


def test_a_commitment_binds_the_text_until_it_is_forgotten(world: World, acme) -> None:
    message = factories.message(world.mail, "my secret question")
    event = AuditEvent.objects.get(kind="message.received")
    assert "secret" not in str(event.data) + str(event.commitments)
    assert audit.holds(event, "body", "my secret question") is True
    assert audit.holds(event, "body", "another question") is False
    assert audit.forget([message.conversation_id]) >= 1
    assert audit.holds(event, "body", "my secret question") is None
    assert not AuditSalt.objects.exists()


def test_concurrent_writers_make_one_unbroken_chain(committed_world: World, in_threads) -> None:
    messages = [factories.message(committed_world.mail) for _ in range(12)]
    drafts = [factories.draft(message) for message in messages]
    results = in_threads([lambda d=d: factories.approved(d, committed_world.ada) for d in drafts])
    assert not [result for result in results if isinstance(result, Exception)]
    with tenant_context(committed_world.acme.pk):
        assert report.verify(committed_world.acme.pk) is None
    found = events(committed_world)
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
