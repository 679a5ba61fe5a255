"""The trail in detail: what an event stores, and that each way of bending the chain is named as what it is."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest
from django.core.signing import Signer
from psycopg.errors import UniqueViolation

from config.postgres import SUPERUSER
from conversations import audit
from conversations.events import SENTENCES, Kind
from conversations.models import (
    Account,
    AuditCheckpoint,
    AuditEvent,
    AuditHead,
    AuditSalt,
    Channel,
    Membership,
    ServiceToken,
)
from conversations.tenancy import tenant_context
from conversations.trail import checkpoints, report
from conversations.trail.chain import Break
from tests import factories
from tests.conftest import World

SALT = "countersign.audit.checkpoint"


# --- one event -----------------------------------------------------------------------------------------------------
def event(world: World, **changes: Any) -> AuditEvent:
    return audit.record(
        **{"kind": audit.Kind.DRAFT_EDITED, "actor": world.ada, "about": world.mail, "data": {"version": 3}, **changes}
    )


def test_an_event_says_who_did_what_with_what(world: World, acme: Account) -> None:
    conversation = factories.message(world.mail).conversation
    act = uuid.uuid4()
    found = AuditEvent.objects.get(
        pk=event(world, conversation_id=conversation.pk, act_id=act, commit={"text": "private"}).pk
    )
    assert (found.account_id, found.kind, found.data) == (acme.pk, "draft.edited", {"version": 3})
    assert (found.actor_type, found.actor_id, found.actor_name) == ("user", str(world.ada.pk), "Ada")
    assert (found.object_type, found.object_id) == ("channel", str(world.mail.pk))
    assert (found.conversation_id, found.act_id) == (conversation.pk, act)
    assert list(found.commitments) == ["text"]
    salt = AuditSalt.objects.get(event=found)
    assert (salt.account_id, salt.conversation_id) == (acme.pk, conversation.pk)
    assert found.commitments["text"] == hashlib.sha256(f"{salt.value}private".encode()).hexdigest()


def test_an_event_without_an_act_gets_an_id_of_its_own(world: World, acme: Account) -> None:
    assert event(world).act_id != event(world).act_id


def test_every_event_has_a_salt_of_its_own(world: World, acme: Account) -> None:
    """With one salt for all, equal texts would show, and one leaked salt would open every commitment."""
    first, second = event(world, commit={"text": "yes"}), event(world, commit={"text": "yes"})
    salts = [AuditSalt.objects.get(event=each).value for each in (first, second)]
    assert salts[0] != salts[1]
    assert {len(salt) for salt in salts} == {32}
    assert first.commitments != second.commitments


def test_an_event_that_binds_no_text_keeps_no_salt(world: World, acme: Account) -> None:
    assert not AuditSalt.objects.filter(event=event(world)).exists()


def test_a_commitment_of_another_name_or_event_does_not_hold(world: World, acme: Account) -> None:
    first, second = event(world, commit={"text": "yes"}), event(world, commit={"text": "no"})
    assert audit.holds(first, "text", "yes") is True
    assert audit.holds(first, "notes", "yes") is False
    assert audit.holds(second, "text", "no") is True
    assert audit.holds(second, "text", "yes") is False


def test_the_account_may_be_given_as_a_row_or_as_an_id(world: World, acme: Account) -> None:
    for given in (acme, acme.pk):
        made = audit.record(audit.Kind.POLICY_CHANGED, actor=audit.SYSTEM, about=acme, account=given)
        assert (made.account_id, made.data, made.commitments) == (acme.pk, {}, {})


def test_an_unknown_kind_is_an_error(world: World, acme: Account) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(ValueError, match="no such kind"):
        event(world, kind="no such kind")
    assert AuditEvent.objects.count() == before


def test_each_sort_of_actor_is_told_apart(world: World, acme: Account) -> None:
    token = ServiceToken(id=uuid.uuid4(), account=acme, name="Importer")
    assert audit.actor_of(world.ada) == audit.Actor(AuditEvent.ActorType.USER, "Ada", str(world.ada.pk), world.ada)
    assert audit.actor_of(token) == audit.Actor(AuditEvent.ActorType.SERVICE, "Importer", str(token.pk))
    assert audit.actor_of(audit.SYSTEM) is audit.SYSTEM
    assert audit.model_actor("m1") == audit.Actor(AuditEvent.ActorType.MODEL, "m1", "m1")
    assert audit.model_actor("") == audit.Actor(AuditEvent.ActorType.MODEL, "model", "")
    assert audit.customer_actor("Pat") == audit.Actor(AuditEvent.ActorType.SYSTEM, "Customer", "customer", bound="Pat")


def test_a_long_name_is_cut_and_not_refused(world: World, acme: Account) -> None:
    assert event(world, actor=audit.Actor(AuditEvent.ActorType.MODEL, "y" * 200)).actor_name == "y" * 120


def test_a_models_long_key_is_cut_in_both_its_places(world: World, acme: Account) -> None:
    event = audit.record(audit.Kind.DRAFT_WRITTEN, actor=audit.model_actor("m" * 130), about=world.mail)
    assert (event.actor_name, event.actor_id) == ("m" * 120, "m" * 64)
    assert audit.model_actor("m" * 130).name == "m" * 120, "who acts is written in other rows too"


def test_a_customers_name_is_bound_and_not_stored(world: World, acme: Account) -> None:
    made = event(world, actor=audit.customer_actor("Pat Lee"))
    assert made.actor_name == "Customer"
    assert "Pat" not in str(made.data) + str(made.commitments)
    assert audit.holds(made, "actor", "Pat Lee") is True
    assert audit.holds(made, "actor", "Pat") is False
    assert event(world, actor=audit.customer_actor("")).commitments == {}


def test_what_a_server_said_is_kept_without_the_addresses_that_it_repeats() -> None:
    said = "550 5.1.1 <pat.lee@customer.test>: no such user; see mailto:help@mx.test, 'x@y'"
    assert audit.masked(said) == "550 5.1.1 <(address)>: no such user; see mailto:(address), '(address)'"


def test_every_kind_has_a_sentence_and_a_missing_detail_is_a_dash(world: World, acme: Account) -> None:
    assert set(SENTENCES) == set(Kind)
    made = event(world, kind=audit.Kind.DELIVERY_SENT, data={"attempt": 2})
    assert audit.sentence(made) == "Ada delivered the reply on attempt 2"
    made.data = {}
    assert audit.sentence(made).endswith("on attempt -")
    made.data = {"attempt": "\u202eשתיים"}
    assert audit.sentence(made).endswith("on attempt \u2068שתיים\u2069"), "text of others cannot turn ours round"


def test_the_timeline_is_one_conversations_newest_oldest_first(world: World, acme: Account) -> None:
    message, other = factories.message(world.mail), factories.message(world.mail)
    made = [event(world, conversation_id=message.conversation_id) for _ in range(3)]
    event(world, conversation_id=other.conversation_id)
    assert audit.timeline(message.conversation_id, limit=2) == made[1:]
    assert audit.timeline(message.conversation_id, before=made[2].pk, limit=2) == made[:2]
    assert audit.timeline(message.conversation_id)[-3:] == made


def test_only_the_named_conversations_are_forgotten(world: World, acme: Account) -> None:
    gone, kept = factories.message(world.mail), factories.message(world.mail)
    count = AuditSalt.objects.filter(conversation_id=gone.conversation_id).count()
    assert count > 0
    assert audit.forget([gone.conversation_id]) == count
    assert AuditSalt.objects.filter(conversation_id=kept.conversation_id).exists()


def test_what_is_forgotten_about_a_row_is_forgotten_about_no_other(world: World, acme: Account) -> None:
    member = Membership.objects.get(user=world.cy)
    rows = [world.mail, acme, member]

    def salted() -> list[str]:
        told = AuditSalt.objects.filter(event__commitments__has_key="text").order_by("event__seq")
        return list(told.values_list("event__object_id", flat=True))

    for row in rows:
        about: Any = {"about": row, "account": acme, "commit": {"text": "a secret"}}
        audit.record(audit.Kind.ADMIN_CHANGED, actor=world.dan, **about)
    assert salted() == [str(row.pk) for row in rows]
    assert audit.forget_about([]) == 0
    assert audit.forget_about([Channel(pk=member.pk), Channel(pk=acme.pk)]) == 0, "of another kind"
    assert audit.forget_about([world.mail, world.other_mail]) == 1
    assert salted() == [str(acme.pk), str(member.pk)]
    assert audit.forget_about([world.mail]) == 0


def test_an_export_is_an_event_of_the_account_or_of_what_was_taken(world: World, acme: Account) -> None:
    conversation = factories.message(world.mail).conversation
    whole = audit.record_export(account_id=acme.pk, actor=world.ada, what="the trail", rows=7)
    assert (whole.kind, whole.data, whole.object_type) == ("export.made", {"what": "the trail", "rows": 7}, "account")
    assert (whole.object_id, whole.account_id, whole.conversation_id) == (str(acme.pk), acme.pk, None)
    one = audit.record_export(
        account_id=acme.pk, actor=world.ada, what="x", rows=1, about=conversation, conversation_id=conversation.pk
    )
    assert (one.object_type, one.object_id) == ("conversation", str(conversation.pk))
    assert (one.account_id, one.conversation_id, one.actor_name) == (acme.pk, conversation.pk, "Ada")


# --- the chain -----------------------------------------------------------------------------------------------------
@pytest.fixture
def chain(committed_world: World) -> World:
    """Eight sealed events or more, and one signed checkpoint at their end."""
    for _ in range(3):
        factories.approved(factories.draft(factories.message(committed_world.mail)), committed_world.ada)
    with tenant_context(committed_world.acme.pk):
        assert checkpoints.checkpoint(committed_world.acme.pk) is not None
    return committed_world


def tamper(cluster: Any, *statements: str) -> None:
    """As a superuser who also switches the triggers off."""
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        for statement in statements:
            server.execute(statement)


def verified(world: World) -> Break | None:
    with tenant_context(world.acme.pk):
        return report.verify(world.acme.pk)


def test_a_gap_is_named_as_one(chain: World, cluster: Any) -> None:
    tamper(cluster, f"DELETE FROM conversations_auditevent WHERE account_id = '{chain.acme.pk}' AND seq = 4")
    assert verified(chain) == Break(5, "an event before it is missing")


def test_a_first_event_that_is_gone_is_a_gap_too(chain: World, cluster: Any) -> None:
    tamper(cluster, f"DELETE FROM conversations_auditevent WHERE account_id = '{chain.acme.pk}' AND seq = 1")
    assert verified(chain) == Break(2, "an event before it is missing")


def test_two_events_cannot_bear_one_number(chain: World, cluster: Any) -> None:
    """Not even by somebody past every trigger: a number is unique in the table itself."""
    with pytest.raises(UniqueViolation):
        tamper(cluster, f"UPDATE conversations_auditevent SET seq = 2 WHERE account_id = '{chain.acme.pk}' AND seq = 3")


def test_a_changed_content_is_named_as_that(chain: World, cluster: Any) -> None:
    tamper(
        cluster,
        f"UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE account_id = '{chain.acme.pk}' AND seq = 3",
    )
    assert verified(chain) == Break(3, "its content was changed")


def test_a_content_with_a_hash_to_match_does_not_lead_to_the_next(chain: World, cluster: Any) -> None:
    where = f"WHERE account_id = '{chain.acme.pk}' AND seq = 3"
    tamper(
        cluster,
        f"UPDATE conversations_auditevent SET actor_name = 'Eve' {where}",
        f"UPDATE conversations_auditevent e SET hash = audit_hash(e) {where}",
    )
    assert verified(chain) == Break(4, "it does not follow from the event before it")


def test_an_event_that_was_slipped_in_was_never_sealed(chain: World, cluster: Any) -> None:
    with tenant_context(chain.acme.pk):
        last = AuditHead.objects.get().seq
    tamper(
        cluster, f"UPDATE conversations_auditevent SET seq = NULL WHERE account_id = '{chain.acme.pk}' AND seq = {last}"
    )
    assert verified(chain) == Break(0, "the event was never sealed")


def test_a_cut_end_is_named_as_one(chain: World, cluster: Any) -> None:
    with tenant_context(chain.acme.pk):
        last = AuditHead.objects.get().seq
    tamper(cluster, f"DELETE FROM conversations_auditevent WHERE account_id = '{chain.acme.pk}' AND seq = {last}")
    assert verified(chain) == Break(last, "the newest events are missing")


def test_a_head_that_names_another_hash_is_found(chain: World, cluster: Any) -> None:
    tamper(cluster, f"UPDATE conversations_audithead SET hash = repeat('0', 64) WHERE account_id = '{chain.acme.pk}'")
    found = verified(chain)
    assert found is not None
    assert found.reason == "the newest events are missing"


def test_an_emptied_trail_is_found_by_its_head(chain: World, cluster: Any) -> None:
    tamper(cluster, f"DELETE FROM conversations_auditevent WHERE account_id = '{chain.acme.pk}'")
    assert verified(chain) == Break(1, "the newest events are missing")


@pytest.mark.parametrize("column", ["signature", "hash"])
def test_a_checkpoint_is_signed_for_what_it_says(chain: World, cluster: Any, column: str) -> None:
    tamper(
        cluster,
        f"UPDATE conversations_auditcheckpoint SET {column} = repeat('a', 43) WHERE account_id = '{chain.acme.pk}'",
    )
    with tenant_context(chain.acme.pk):
        seq = AuditCheckpoint.objects.get().seq
    assert verified(chain) == Break(seq, "a checkpoint was forged")


def test_a_checkpoint_of_another_number_or_account_is_forged(chain: World, cluster: Any) -> None:
    with tenant_context(chain.acme.pk):
        point = AuditCheckpoint.objects.get()
    value = f"2:{point.account_id}:{point.seq}:{point.hash}:1:{point.created_at.isoformat()}:{point.previous}"
    assert point.previous == hashlib.sha256(str(point.account_id).encode()).hexdigest()
    assert point.signature == Signer(salt=SALT).signature(value)
    facts = [str(point.account_id), str(point.seq), point.hash, "1"]
    for changed, into in ((0, str(uuid.uuid4())), (1, str(point.seq + 1)), (2, "0" * 64), (3, "2")):
        other = value.replace(f":{facts[changed]}:", f":{into}:", 1)
        assert other != value
        tamper(cluster, f"UPDATE conversations_auditcheckpoint SET signature = '{Signer(salt=SALT).signature(other)}'")
        found = verified(chain)
        assert found is not None
        assert found.reason == "a checkpoint was forged"


def test_a_chain_that_was_made_anew_does_not_pass_its_checkpoint(chain: World, cluster: Any) -> None:
    """Everything fits together again, hashes and head; only the key, which the database does not hold, knows better."""
    account = chain.acme.pk
    tamper(
        cluster,
        f"UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE account_id = '{account}' AND seq = 3",
        f"""DO $$ DECLARE e conversations_auditevent; link text := encode(sha256(convert_to('{account}', 'UTF8')), 'hex'); BEGIN
          FOR e IN SELECT * FROM conversations_auditevent WHERE account_id = '{account}' ORDER BY seq LOOP
            e.prev_hash := link; link := audit_hash(e);
            UPDATE conversations_auditevent SET prev_hash = e.prev_hash, hash = link WHERE id = e.id;
          END LOOP;
          UPDATE conversations_audithead SET hash = link WHERE account_id = '{account}';
        END $$""",
    )
    found = verified(chain)
    assert found is not None
    assert found.reason == "the chain was rewritten after a signed checkpoint"


def test_a_key_that_was_replaced_still_proves_older_checkpoints(chain: World, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-another-key-another-key-another-key-another"
    assert verified(chain) is None
    settings.SECRET_KEY_FALLBACKS = []
    found = verified(chain)
    assert found is not None
    assert found.reason == "a checkpoint was forged"


def test_a_checkpoint_is_made_once_for_a_head(chain: World) -> None:
    account = chain.acme.pk
    with tenant_context(account):
        assert checkpoints.checkpoint(account) is None
        first, head = AuditCheckpoint.objects.get(), AuditHead.objects.get()
        assert (first.account_id, first.seq, first.hash) == (account, head.seq, head.hash)
    factories.message(chain.mail)
    with tenant_context(account):
        second = checkpoints.checkpoint(account)
        assert second is not None
        assert second.seq > first.seq
        assert report.verify(account) is None


def test_what_is_committed_while_it_is_verified_is_no_break(committed_world: World, in_threads: Any) -> None:
    world = committed_world

    def write() -> None:
        for _ in range(25):
            factories.message(world.mail)

    def look() -> list[Break | None]:
        found = []
        for _ in range(40):
            with tenant_context(world.acme.pk):
                checkpoints.checkpoint(world.acme.pk)
            found.append(verified(world))
        return found

    seen, *written = in_threads([look, write, write])
    assert written == [None, None]
    assert set(seen) == {None}


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_chain_that_ends_before_its_checkpoint_is_not_signed(chain: World, cluster: Any, rewritten: bool) -> None:
    """Cut, or with another event at the place that was signed; the head is put right in both."""
    with tenant_context(chain.acme.pk):
        head = AuditHead.objects.get()
    own = f"account_id = '{chain.acme.pk}'"
    if rewritten:
        tamper(
            cluster,
            f"UPDATE conversations_auditevent SET actor_name = 'Eve' WHERE {own} AND seq = {head.seq}",
            f"UPDATE conversations_auditevent e SET hash = audit_hash(e) WHERE {own} AND seq = {head.seq}",
        )
    else:
        tamper(cluster, f"DELETE FROM conversations_auditevent WHERE {own} AND seq > {head.seq - 2}")
    tamper(
        cluster,
        "UPDATE conversations_audithead h SET (seq, hash) = (SELECT seq, hash FROM conversations_auditevent e"
        f" WHERE e.account_id = h.account_id ORDER BY seq DESC LIMIT 1) WHERE {own}",
    )
    with (
        tenant_context(chain.acme.pk),
        pytest.raises(checkpoints.NotSigned, match=f"event {head.seq}: the chain was cut"),
    ):
        checkpoints.checkpoint(chain.acme.pk)


def test_an_account_without_events_has_nothing_to_sign(world: World) -> None:
    nobody = uuid.uuid4()
    with tenant_context(nobody):
        assert checkpoints.checkpoint(nobody) is None
        assert report.verify(nobody) is None


def test_an_export_has_every_event_in_order_and_of_this_account_alone(chain: World) -> None:
    factories.message(chain.other_mail)
    with tenant_context(chain.acme.pk):
        rows = list(audit.export(chain.acme.pk))
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert len(rows) == AuditEvent.objects.count()
    assert {row["account_id"] for row in rows} == {chain.acme.pk}
    assert {"hash", "prev_hash", "commitments", "actor_id"} <= set(rows[0])
