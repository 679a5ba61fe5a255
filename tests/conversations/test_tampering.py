"""What somebody could do to the trail, who could, and what notices it: docs/audit.md shows this table.

Each is done for real, in a database of its own history, by the role that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.signing import Signer

from config.postgres import SUPERUSER, Cluster
from conversations.models import AuditCheckpoint, AuditEvent, AuditHead
from conversations.tenancy import tenant_context
from conversations.trail import anchors, checkpoints, report
from drafts.desk import decisions, editing
from tests import factories
from tests.conftest import World

DOCUMENT = Path(settings.BASE_DIR) / "docs" / "audit.md"
REFUSED, HARMLESS, CHAIN, CHECKPOINTS, TEXTS, COPY, NOTHING = (
    "refused by the database",
    "made harmless by the database",
    "the chain",
    "the checkpoints",
    "the bound texts",
    "a copy outside",
    "nothing",
)
APP, OWNER, SUPER, KEY, COPIES = (
    "the application's role",
    "the owner's role",
    "a superuser",
    "a superuser with SECRET_KEY",
    "a superuser with SECRET_KEY and every copy",
)
ROLES = {APP: "app_rw", OWNER: "app_owner", SUPER: SUPERUSER, KEY: SUPERUSER, COPIES: SUPERUSER}


@dataclass
class Trail:
    """A history of one account: decisions of each sort, two checkpoints, both copied outside, and events after them."""

    world: World
    cluster: Cluster
    copy: anchors.Folder
    ids: dict[str, Any]

    def run(self, who: str, *statements: str) -> None:
        with self.cluster.connect("countersign_test", ROLES[who]) as server:
            server.execute("SELECT set_config('app.account_id', %s, false)", [str(self.world.acme.pk)])
            if ROLES[who] == SUPERUSER:
                server.execute("SET session_replication_role = replica")
            for statement in statements:
                server.execute(statement.format(**self.ids))  # type: ignore[arg-type]

    def sign_anew(self) -> None:
        """Every checkpoint, with the application's key, on what the chain says now."""
        with self.cluster.connect("countersign_test", SUPERUSER) as server, tenant_context(self.world.acme.pk):
            before: AuditCheckpoint | None = None
            for point in AuditCheckpoint.objects.order_by("number"):
                event = AuditEvent.objects.filter(seq=point.seq).first()
                point.hash = event.hash if event else AuditHead.objects.get().hash
                point.previous = checkpoints._link(point.account_id, before)
                point.signature = Signer(salt=checkpoints._SALT).signature(checkpoints._signed_text(point))
                server.execute(
                    "UPDATE conversations_auditcheckpoint SET hash = %s, previous = %s, signature = %s WHERE id = %s",
                    [point.hash, point.previous, point.signature, point.pk],
                )
                before = point

    def found(self, *copies: anchors.Copy) -> list[str]:
        with tenant_context(self.world.acme.pk):
            return [each.reason for each in report.examine(self.world.acme.pk, copies=copies).breaks]


@pytest.fixture
def trail(committed_world: World, cluster: Cluster, tmp_path: Path) -> Trail:
    world, copy = committed_world, anchors.Folder(str(tmp_path / "anchors"))

    def sign() -> None:
        with tenant_context(world.acme.pk):
            assert checkpoints.checkpoint(world.acme.pk) is not None
        assert anchors.anchor(world.acme.pk, to=copy) == 1

    first = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        editing.save_revision(draft_id=first.pk, actor=world.ada, version=0, text="Hi, one moment please.")
    factories.approved(first, world.ada, attention=decisions.Attention(pressed_twice=True))
    second = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        decisions.reject(
            draft_id=second.pk, actor=world.ada, seen=factories.seen(second), reasons=["tone"], notes="Stiff"
        )
    sign()
    factories.message(world.mail)
    sign()
    factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    factories.message(world.other_mail)
    with tenant_context(world.acme.pk):
        events = list(AuditEvent.objects.order_by("seq"))
        approval = next(event for event in events if event.kind == "draft.approved")
        newest = [event for event in events if event.kind == "draft.approved"][-1]
        ids = {
            "account": world.acme.pk,
            "other": world.globex.pk,
            "event": approval.pk,
            "seq": approval.seq,
            "before": events[(approval.seq or 0) - 2].pk,
            "action": approval.act_id,
            "delivery": approval.data["delivery"],
            "draft": first.pk,
            "last": events[-1].seq,
            "newest": newest.seq,
            "newest_action": newest.act_id,
            "newest_delivery": newest.data["delivery"],
            "signed": AuditCheckpoint.objects.order_by("-number").first().seq,  # type: ignore[union-attr]
        }  # fmt: skip
    made = Trail(world, cluster, copy, ids)
    assert made.found(copy) == []
    return made


#: Every hash, every link and the head, made anew over what stands there now.
RELINK = """DO $$ DECLARE e conversations_auditevent; at_ bigint := 0;
  link text := encode(sha256(convert_to('{account}', 'UTF8')), 'hex'); BEGIN
  UPDATE conversations_auditevent SET seq = seq + 1000000 WHERE account_id = '{account}';
  FOR e IN SELECT * FROM conversations_auditevent WHERE account_id = '{account}' ORDER BY seq LOOP
    at_ := at_ + 1; e.seq := at_; e.prev_hash := link; link := audit_hash(e);
    UPDATE conversations_auditevent SET seq = at_, prev_hash = e.prev_hash, hash = link WHERE id = e.id;
  END LOOP;
  UPDATE conversations_audithead SET seq = at_, hash = link WHERE account_id = '{account}';
END $$"""
EVENT = "conversations_auditevent"
OF_ACCOUNT = "account_id = '{account}'"
THIS = "id = '{event}'"
FORGE = "UPDATE " + EVENT + " SET actor_name = 'Eve' WHERE " + THIS
FORGE_TEXT = "UPDATE drafts_draftaction SET final_text = 'We refund you everything.' WHERE id = '{action}'"
CUT = "DELETE FROM " + EVENT + " WHERE " + OF_ACCOUNT + " AND seq > {{0}}"
HEAD = (
    "UPDATE conversations_audithead h SET seq = e.seq, hash = e.hash FROM " + EVENT + " e"
    " WHERE h.account_id = '{account}' AND e.account_id = h.account_id AND e.seq = {{0}}"
)
NO_CHECKPOINTS = "DELETE FROM conversations_auditcheckpoint WHERE " + OF_ACCOUNT
OPEN = "ALTER TABLE conversations_auditevent DISABLE TRIGGER audit_guard"
SHUT = "ALTER TABLE conversations_auditevent ENABLE TRIGGER audit_guard"


def cut(after: str) -> str:
    return CUT.replace("{{0}}", after)


def head_at(seq: str) -> str:
    return HEAD.replace("{{0}}", seq)


@dataclass(frozen=True)
class Tampering:
    what: str
    who: str
    noticed_by: str
    statements: tuple[str, ...]
    reason: str = ""
    then: Callable[[Trail], None] | None = None


def worker_signs(trail: Trail) -> None:
    with tenant_context(trail.world.acme.pk):
        checkpoints.checkpoint(trail.world.acme.pk)


def sign_anew(trail: Trail) -> None:
    trail.sign_anew()


def sign_anew_and_copy(trail: Trail) -> None:
    trail.sign_anew()
    for path in trail.copy.path.iterdir():
        path.unlink()
    anchors.anchor(trail.world.acme.pk, to=trail.copy)


TAMPERINGS = [
    Tampering("an event is changed", APP, REFUSED, (FORGE,)),
    Tampering("an event is deleted", APP, REFUSED, (f"DELETE FROM {EVENT} WHERE {THIS}",)),
    Tampering("the trail is emptied", APP, REFUSED, (f"TRUNCATE {EVENT}",)),
    Tampering("the head is set back", APP, REFUSED, (head_at("{signed}"),)),
    Tampering("a checkpoint is deleted", APP, REFUSED, (NO_CHECKPOINTS,)),
    Tampering("the text of a decision is changed", APP, REFUSED, (FORGE_TEXT,)),
    Tampering(
        "an event arrives with a number, a time and a hash of its own", APP, HARMLESS,
        (
            "INSERT INTO conversations_auditevent (id, created_at, account_id, seq, at, kind, actor_type, actor_id, actor_name,"
            " object_type, object_id, act_id, data, commitments, prev_hash, hash) SELECT gen_random_uuid(), created_at, account_id,"
            " 1, at, kind, actor_type, actor_id, 'Eve', object_type, object_id, act_id, data, commitments, prev_hash, hash"
            f" FROM {EVENT} WHERE seq = 1",
        ),
    ),
    Tampering(
        "a message's text is changed", APP, TEXTS,
        ("UPDATE conversations_message SET body_text = 'I want nothing.' WHERE direction = 'inbound'",),
        "the text of a message is not the one that it bound",
    ),
    Tampering(
        "a reply's text is changed in its thread", APP, TEXTS,
        ("UPDATE conversations_message SET body_text = 'We promised nothing.' WHERE direction = 'outbound'",),
        "the text of a reply in its thread is not the one that it bound",
    ),
    Tampering(
        "an approved reply is changed before it is sent", APP, TEXTS,
        ("UPDATE conversations_delivery SET body_text = 'We refund you everything.' WHERE id = '{delivery}'",),
        "the text of a delivery is not the one that it bound",
    ),
    Tampering(
        "an approved reply is sent to somebody else", APP, TEXTS,
        (
            "UPDATE conversations_delivery SET envelope = jsonb_set(envelope, '{{to,0,address}}', '\"eve@else.test\"')"
            " WHERE id = '{delivery}'",
        ),
        "the recipients, subject or files of a delivery are not those that were approved",
    ),
    Tampering(
        "the salts are deleted, so that nothing proves a text", APP, TEXTS, ("DELETE FROM conversations_auditsalt",),
        "its salt was removed",
    ),
    Tampering(
        "a decision is added without its event", APP, TEXTS,
        (
            "INSERT INTO drafts_draftaction (id, created_at, account_id, draft_id, conversation_id, user_id, user_name, type, version,"
            " final_text, final_html, reasons, notes, diff, seen, sources_opened, pressed_twice, request_id, evidence)"
            " SELECT gen_random_uuid(), created_at, account_id, draft_id, conversation_id, user_id, user_name, type, version, 'Yes.',"
            " '', reasons, notes, diff, seen, 0, false, '', evidence FROM drafts_draftaction WHERE id = '{action}'",
        ),
        "has no event",
    ),
    Tampering(
        "a checkpoint is added that nobody signed", APP, CHECKPOINTS,
        (
            "INSERT INTO conversations_auditcheckpoint (id, created_at, account_id, number, seq, hash, previous, signature)"
            " SELECT gen_random_uuid(), now(), account_id, 3, seq, hash, repeat('a', 64), 'x' FROM conversations_audithead",
        ),
        "a checkpoint was forged",
    ),
    Tampering("an event is changed", OWNER, CHAIN, (OPEN, FORGE, SHUT), "its content was changed"),
    Tampering(
        "the newest events are purged as if the account went", OWNER, CHAIN,
        (
            "SET app.purge = '{account}'",
            "DELETE FROM conversations_auditsalt s USING conversations_auditevent e WHERE e.id = s.event_id AND e.seq > {signed}",
            cut("{signed}"),
        ), "the newest events are missing",
    ),
    Tampering(
        "the sealing is switched off for one event", OWNER, CHAIN,
        (
            OPEN, f"UPDATE {EVENT} SET seq = NULL WHERE {OF_ACCOUNT} AND seq = {{last}}", SHUT,
        ),
        "the event was never sealed",
    ),
    Tampering("who acted is changed", SUPER, CHAIN, (FORGE,), "its content was changed"),
    Tampering("what happened is changed", SUPER, CHAIN, (f"UPDATE {EVENT} SET data = '{{{{}}}}' WHERE {THIS}",), "its content was changed"),
    Tampering("when it happened is changed", SUPER, CHAIN, (f"UPDATE {EVENT} SET at = at - interval '1 day' WHERE {THIS}",), "its content was changed"),
    Tampering("when it was stored is changed", SUPER, CHAIN, (f"UPDATE {EVENT} SET created_at = created_at - interval '1 day' WHERE {THIS}",), "its content was changed"),
    Tampering("what it was about is changed", SUPER, CHAIN, (f"UPDATE {EVENT} SET object_id = '{{before}}' WHERE {THIS}",), "its content was changed"),
    Tampering("a commitment is changed", SUPER, CHAIN, (f"UPDATE {EVENT} SET commitments = jsonb_set(commitments, '{{{{text}}}}', '\"0\"') WHERE {THIS}",), "its content was changed"),
    Tampering(
        "two events swap their ids", SUPER, CHAIN,
        (
            f"UPDATE {EVENT} SET id = CASE id WHEN '{{event}}' THEN '00000000-0000-0000-0000-000000000001'::uuid ELSE"
            " '00000000-0000-0000-0000-000000000002'::uuid END WHERE id IN ('{event}', '{before}')",
            f"UPDATE {EVENT} SET id = '{{before}}' WHERE id = '00000000-0000-0000-0000-000000000001'",
            f"UPDATE {EVENT} SET id = '{{event}}' WHERE id = '00000000-0000-0000-0000-000000000002'",
        ),
        "its content was changed",
    ),
    Tampering(
        "two events swap their times", SUPER, CHAIN,
        (
            f"UPDATE {EVENT} e SET at = o.at, created_at = o.created_at FROM {EVENT} o WHERE e.id IN ('{{event}}', '{{before}}')"
            " AND o.id IN ('{event}', '{before}') AND o.id <> e.id",
        ),
        "its content was changed",
    ),
    Tampering(
        "two events swap their places", SUPER, CHAIN,
        (
            f"UPDATE {EVENT} SET seq = seq + 1000000 WHERE id IN ('{{event}}', '{{before}}')",
            f"UPDATE {EVENT} e SET seq = o.seq - 1000000 FROM {EVENT} o WHERE e.id IN ('{{event}}', '{{before}}')"
            " AND o.id IN ('{event}', '{before}') AND o.id <> e.id",
        ),
        "it does not follow from the event before it",
    ),
    Tampering("an event is deleted", SUPER, CHAIN, (f"DELETE FROM {EVENT} WHERE {THIS}",), "an event before it is missing"),
    Tampering(
        "an event is changed and hashed anew", SUPER, CHAIN, (FORGE, f"UPDATE {EVENT} e SET hash = audit_hash(e) WHERE {THIS}"),
        "it does not follow from the event before it",
    ),
    Tampering(
        "an event is slipped in between two", SUPER, CHAIN,
        (
            f"UPDATE {EVENT} SET seq = seq + 1000001 WHERE {OF_ACCOUNT} AND seq > {{seq}}",
            f"UPDATE {EVENT} SET seq = seq - 1000000 WHERE {OF_ACCOUNT} AND seq > 1000000",
            f"CREATE TEMP TABLE made AS SELECT * FROM {EVENT} WHERE {THIS}",
            "UPDATE made SET id = gen_random_uuid(), seq = seq + 1",
            f"INSERT INTO {EVENT} SELECT * FROM made",
        ),
        "it does not follow from the event before it",
    ),
    Tampering(
        "an event of another account is put in the place of one", SUPER, CHAIN,
        (
            f"CREATE TEMP TABLE made AS SELECT * FROM {EVENT} WHERE account_id = '{{other}}' AND seq = 2",
            f"UPDATE made SET id = '{{event}}', account_id = '{{account}}', seq = {{seq}}, prev_hash ="
            f" (SELECT prev_hash FROM {EVENT} WHERE {THIS})",
            f"DELETE FROM {EVENT} WHERE {THIS}", f"INSERT INTO {EVENT} SELECT * FROM made",
        ),
        "its content was changed",
    ),
    Tampering(
        "an event claims the form of before ids were hashed", SUPER, CHAIN,
        (f"UPDATE {EVENT} SET hash_form = 1 WHERE {THIS}", f"UPDATE {EVENT} e SET hash = audit_hash(e) WHERE {THIS}", RELINK),
        "it claims an older form than the event before it",
    ),
    Tampering(
        "an event claims that an erasure emptied it", SUPER, CHAIN,
        (f"UPDATE {EVENT} SET actor_name = 'Eve', forgotten_at = now() WHERE {THIS}",), "its content was changed",
    ),
    Tampering(
        "the newest events are cut off", SUPER, CHAIN, (cut("{signed}"),), "the newest events are missing",
    ),
    Tampering(
        "the newest events are cut off, the head is set back, decisions stay", SUPER, TEXTS, (cut("{signed}"), head_at("{signed}")),
        "has no event",
    ),
    Tampering(
        "the trail is cut off before a checkpoint, the head is set back", SUPER, CHECKPOINTS, (cut("{seq}"), head_at("{seq}")),
        "the chain was rewritten after a signed checkpoint",
    ),
    Tampering(
        "the whole chain is made anew over a changed event", SUPER, CHECKPOINTS, (FORGE, RELINK),
        "the chain was rewritten after a signed checkpoint",
    ),
    Tampering(
        "a checkpoint is taken out of the middle", SUPER, CHECKPOINTS,
        (f"DELETE FROM conversations_auditcheckpoint WHERE {OF_ACCOUNT} AND number = 1",), "a checkpoint before it is missing",
    ),
    Tampering(
        "a checkpoint's time is changed", SUPER, CHECKPOINTS,
        (f"UPDATE conversations_auditcheckpoint SET created_at = created_at - interval '1 day' WHERE {OF_ACCOUNT}",),
        "a checkpoint was forged",
    ),
    Tampering(
        "the chain is made anew, all checkpoints are deleted", SUPER, COPY, (FORGE, RELINK, NO_CHECKPOINTS),
        "the chain was rewritten or cut",
    ),
    Tampering(
        "the chain is made anew, all checkpoints are deleted, the worker signs what it finds", SUPER, COPY,
        (FORGE, RELINK, NO_CHECKPOINTS), "the chain was rewritten or cut", worker_signs,
    ),
    Tampering(
        "only the newest checkpoint is deleted", SUPER, COPY,
        (f"DELETE FROM conversations_auditcheckpoint WHERE {OF_ACCOUNT} AND number = 2",), "checkpoint 2 is missing",
    ),
    Tampering(
        "everything of the trail is deleted: events, salts, head and checkpoints", SUPER, CHAIN,
        (
            f"DELETE FROM {EVENT} WHERE {OF_ACCOUNT}", f"DELETE FROM conversations_auditsalt WHERE {OF_ACCOUNT}",
            f"DELETE FROM conversations_audithead WHERE {OF_ACCOUNT}", NO_CHECKPOINTS,
        ),
        "there is no event at all",
    ),
    Tampering("the final text of a decision is forged", SUPER, TEXTS, (FORGE_TEXT,), "the final text of a decision is not the one that it bound"),
    Tampering(
        "the final text of a decision is forged and its salt removed", SUPER, TEXTS,
        (FORGE_TEXT, "DELETE FROM conversations_auditsalt WHERE event_id = '{event}'"), "its salt was removed",
    ),
    Tampering(
        "the final text of a decision is emptied as if erased", SUPER, TEXTS,
        ("UPDATE drafts_draftaction SET final_text = '' WHERE id = '{action}'",), "the final text of a decision is not the one that it bound",
    ),
    Tampering(
        "a saved version is forged", SUPER, TEXTS, ("UPDATE drafts_draftrevision SET text = 'Other words.' WHERE draft_id = '{draft}'",),
        "the text of a saved version is not the one that it bound",
    ),
    Tampering(
        "the note of a rejection is forged", SUPER, TEXTS, ("UPDATE drafts_draftaction SET notes = 'Fine' WHERE type = 'reject'",),
        "the note of a decision is not the one that it bound",
    ),
    Tampering(
        "a decision is deleted", SUPER, TEXTS, ("DELETE FROM drafts_draftaction WHERE id = '{action}'",),
        "the final text of a decision is gone",
    ),
    Tampering(
        "the chain is made anew and every checkpoint signed anew", KEY, COPY, (FORGE, RELINK), "the chain was rewritten or cut", sign_anew,
    ),
    Tampering(
        "an anchored head is signed anew on a cut trail", KEY, COPY,
        (
            cut("{seq}"), head_at("{seq}"), "DELETE FROM drafts_draftaction WHERE type = 'reject' OR id = '{newest_action}'",
            f"UPDATE conversations_auditcheckpoint SET seq = {{seq}} - 2 + number WHERE {OF_ACCOUNT}",
        ),
        "the chain was rewritten or cut", sign_anew,
    ),
    Tampering(
        "events younger than the newest checkpoint are cut off together with the rows that they tell of", SUPER, NOTHING,
        (
            cut("{signed}"), head_at("{signed}"), "DELETE FROM drafts_draftaction WHERE id = '{newest_action}'",
            "DELETE FROM conversations_delivery WHERE id = '{newest_delivery}'",
            "DELETE FROM conversations_auditsalt s WHERE NOT EXISTS (SELECT FROM conversations_auditevent e WHERE e.id = s.event_id)",
        ),
    ),
    Tampering(
        "the chain is made anew, every checkpoint signed anew and every copy replaced", COPIES, NOTHING, (FORGE, RELINK), "", sign_anew_and_copy,
    ),
    Tampering(
        "the application records what did not happen", APP, NOTHING,
        (
            "INSERT INTO conversations_auditevent (id, account_id, created_at, at, kind, actor_type, actor_id, actor_name, object_type,"
            " object_id, act_id, data, commitments, prev_hash, hash) SELECT gen_random_uuid(), account_id, now(), now(), kind, actor_type,"
            f" actor_id, actor_name, object_type, object_id, gen_random_uuid(), data, '{{{{}}}}', '', '' FROM {EVENT} WHERE {THIS}",
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda each: f"{each.who}: {each.what}")
def test_each_tampering_is_noticed_by_what_the_table_says(trail: Trail, tampering: Tampering) -> None:
    by = tampering.noticed_by
    if by == REFUSED:
        with pytest.raises(psycopg.Error, match=r"permission denied|append-only"):
            trail.run(tampering.who, *tampering.statements)
    else:
        trail.run(tampering.who, *tampering.statements)
    if tampering.then:
        tampering.then(trail)
    inside, outside = trail.found(), trail.found(trail.copy)
    if by in {REFUSED, HARMLESS, NOTHING}:
        assert outside == []
    elif by == COPY:
        assert inside == []
        assert tampering.reason in outside[0]
    else:
        assert tampering.reason in inside[0], inside


def test_an_event_that_claims_a_place_gets_the_next_one_and_the_time_it_is(trail: Trail) -> None:
    forged = next(each for each in TAMPERINGS if each.noticed_by == HARMLESS)
    trail.run(forged.who, *forged.statements)
    with tenant_context(trail.world.acme.pk):
        before, added = AuditEvent.objects.order_by("-seq")[1], AuditEvent.objects.order_by("-seq")[0]
    assert added.actor_name == "Eve"
    assert added.seq == trail.ids["last"] + 1
    assert added.at >= before.at
    assert added.created_at == added.at


def table() -> Iterator[str]:
    for number, each in enumerate(TAMPERINGS, 1):
        yield f"| {number} | {each.what} | {each.who} | {each.noticed_by} |"


def test_the_document_shows_this_table() -> None:
    """`python -c 'from tests.conversations.test_tampering import table; print(*table(), sep="\\n")'` writes it."""
    shown = [line for line in DOCUMENT.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert shown == list(table())
    assert len(shown) >= 30
