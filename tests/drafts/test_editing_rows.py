"""What the verbs of a draft that is worked on leave behind, to the last column, and at which moment each limit falls.
`test_reject_and_more.py` says who may, `test_handover.py` whose hands it is in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations.database import database_time
from conversations.errors import Conflict, Invalid, Locked
from conversations.models import AuditEvent, Conversation, Message, Notification
from drafts.desk import decisions, editing, life
from drafts.models import Draft, DraftAction, DraftRevision, Hold, PromptVersion
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture
def draft(world: World, acme: Any) -> Draft:
    return factories.draft(factories.message(world.mail))


@pytest.fixture
def now(monkeypatch: Any) -> Iterator[datetime]:
    """The database's clock stands still."""
    moment = database_time.now()
    monkeypatch.setattr(database_time, "now", lambda: moment)
    return moment  # type: ignore[return-value]


def event(kind: str) -> tuple[Any, ...]:
    found = AuditEvent.objects.filter(kind=kind).order_by("-id")[0]
    return found.actor_name, found.object_id, found.conversation_id, found.data


def last_act() -> DraftAction:
    return DraftAction.objects.order_by("-id")[0]


def act_of(kind: str) -> Any:
    return AuditEvent.objects.filter(kind=kind).order_by("-id")[0].act_id


# --- claim and release -----------------------------------------------------------------------------------------------
def test_a_claim_is_two_minutes_long_and_recorded(world: World, draft: Draft, now: datetime) -> None:
    with counted() as queries:
        held = editing.claim(draft_id=draft.pk, actor=world.ada)
    assert any('"drafts_hold"' in query["sql"] and "FOR UPDATE" in query["sql"] for query in queries)
    held.refresh_from_db()
    assert (held.conversation_id, held.draft_id, held.user, held.token) == (draft.conversation_id, draft.pk, world.ada, 1)  # fmt: skip
    assert held.lease_until == now + TWO_MINUTES
    act = last_act()
    assert (act.type, act.user, act.version, act.draft) == ("claim", world.ada, 0, draft)
    assert event("draft.claimed") == ("Ada", str(draft.pk), draft.conversation_id, {"token": 1, "took_over": ""})
    assert act_of("draft.claimed") == act.pk
    assert not Notification.objects.exists()


def test_ones_own_claim_is_prolonged_and_follows_to_the_next_draft(world: World, draft: Draft, now: datetime) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    Hold.objects.update(lease_until=now + timedelta(seconds=1), draft_id=world.ada.pk)
    held = editing.claim(draft_id=draft.pk, actor=world.ada)
    assert held.lease_until == now + TWO_MINUTES
    kept = Hold.objects.get()
    assert (kept.lease_until, kept.draft_id, kept.token) == (now + TWO_MINUTES, draft.pk, 1)


@pytest.mark.parametrize("whose", ["mine", "another's"])
def test_at_the_very_moment_a_lease_ends_it_is_over(world: World, draft: Draft, now: datetime, whose: str) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada if whose == "mine" else world.cy)
    Hold.objects.update(lease_until=now, draft_id=world.ada.pk, asked_by=world.dan, asked_at=now)
    held = editing.claim(draft_id=draft.pk, actor=world.ada)
    assert (held.user, held.token, held.draft_id, held.lease_until) == (world.ada, 2, draft.pk, now + TWO_MINUTES)
    assert (held.asked_by, held.asked_at) == (None, None)
    assert event("draft.claimed")[3] == {"token": 2, "took_over": ""}
    assert not Notification.objects.exists(), "nothing was taken from anybody"


def test_a_take_over_tells_who_lost_it_and_by_whom(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.cy)
    editing.claim(draft_id=draft.pk, actor=world.ada, take_over=True)
    assert event("draft.claimed")[3] == {"token": 2, "took_over": "Cy"}
    notice = Notification.objects.get()
    assert (notice.user, notice.type, notice.payload["by"]) == (world.cy, "taken_over", "Ada")
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        editing.claim(draft_id=draft.pk, actor=world.bo)


def test_a_claim_of_another_conversation_is_no_hindrance(world: World, draft: Draft) -> None:
    other = factories.draft(factories.message(world.mail))
    editing.claim(draft_id=other.pk, actor=world.cy)
    assert editing.claim(draft_id=draft.pk, actor=world.ada).user == world.ada
    assert editing.release(draft_id=other.pk, actor=world.ada) is False
    assert editing.release(draft_id=draft.pk, actor=world.ada) is True
    assert Hold.objects.get().user == world.cy


def test_letting_go_is_recorded_and_only_of_ones_own(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    with assert_nothing_written():
        assert editing.release(draft_id=draft.pk, actor=world.cy) is False
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        editing.release(draft_id=draft.pk, actor=world.bo)
    assert editing.release(draft_id=draft.pk, actor=world.ada) is True
    act = last_act()
    assert (act.type, act.user, act.version, act_of("draft.released")) == ("release", world.ada, 0, act.pk)
    assert event("draft.released") == ("Ada", str(draft.pk), draft.conversation_id, {})


# --- typing ----------------------------------------------------------------------------------------------------------
def test_a_saved_text_is_a_version_of_its_own(world: World, draft: Draft) -> None:
    text = "Hi,\r\n\r\nit costs $20.\x00"
    saved = editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text)
    kept = Draft.objects.get()
    assert (saved, kept.version, kept.is_about_money, kept.unsourced_count) == (draft, 1, True, saved.unsourced_count)
    revision = DraftRevision.objects.get()
    assert (revision.draft, revision.number, revision.text) == (draft, 1, "Hi,\n\nit costs $20.")
    assert (revision.author, revision.author_name, len(revision.sha256)) == (world.ada, "Ada", 64)
    assert event("draft.edited") == ("Ada", str(draft.pk), draft.conversation_id, {"version": 1})
    assert set(AuditEvent.objects.get(kind="draft.edited").commitments) == {"text"}


def test_the_longest_text_is_saved_and_one_sign_more_is_not(world: World, draft: Draft) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="100,000"):
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="x" * 100_001)
    assert editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="x" * 100_000).version == 1


def test_whoever_does_not_hold_it_saves_nothing_new(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.cy)
    with assert_nothing_written(), pytest.raises(Locked, match="Cy"):
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Another")
    with assert_nothing_written():
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=draft.suggested_text)


def test_a_text_over_an_older_version_names_whose_is_there(world: World, draft: Draft) -> None:
    editing.save_revision(draft_id=draft.pk, actor=world.cy, version=0, text="Cy's first.")
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=1, text="Ada's second.")
    with assert_nothing_written(), pytest.raises(decisions.Changed, match="Ada saved version 2") as refused:
        editing.save_revision(draft_id=draft.pk, actor=world.cy, version=1, text="Cy's third.")
    assert refused.value.facts == {"version": 2}
    other = factories.draft(factories.message(world.mail))
    with pytest.raises(decisions.Changed, match="Somebody saved version 0"):
        editing.save_revision(draft_id=other.pk, actor=world.cy, version=7, text="Cy's.")


# --- keeping a stale one ---------------------------------------------------------------------------------------------
def test_a_kept_draft_is_the_old_one_in_all_but_what_it_answers(world: World, acme: Any) -> None:
    first = factories.message(world.mail)
    old = factories.draft(
        first, model_key="m-1", prompt_label="p", confidence=0.4, raw_confidence=0.3, confidence_reasons=["r"],
        intent="order", needs_human=["why"], top_sources=[{"passage": "x", "cited": False}], checks=[{"ok": True, "text": "c"}],
        prompt_version=PromptVersion.objects.first(),
    )  # fmt: skip
    editing.save_revision(draft_id=old.pk, actor=world.cy, version=0, text="It costs $20. The thread is M8.")
    newer = factories.reply_to(first)
    other = factories.draft(newer)
    apart = factories.draft(factories.message(world.mail))
    kept = editing.keep(draft_id=old.pk, actor=world.ada, last_inbound=newer.pk)
    old.refresh_from_db()
    kept.refresh_from_db()
    for name in ("conversation_id", "model_key", "prompt_version_id", "prompt_label", "top_sources", "checks", "confidence",
                 "raw_confidence", "confidence_reasons", "intent", "needs_human", "unsourced_count", "is_about_money"):  # fmt: skip
        assert getattr(kept, name) == getattr(old, name), name
    assert kept.is_about_money and kept.unsourced_count
    assert (kept.base_message, kept.trigger_message, kept.author_user) == (newer, newer, world.ada)
    assert kept.suggested_text == "It costs $20. The thread is M8."
    assert kept.statements == DraftRevision.objects.get().statements
    assert kept.due_at == Conversation.objects.get(pk=old.conversation_id).due_at
    assert event("draft.kept") == ("Ada", str(kept.pk), kept.conversation_id, {"from": str(old.pk)})
    assert set(AuditEvent.objects.get(kind="draft.kept").commitments) == {"text"}
    other.refresh_from_db()
    apart.refresh_from_db()
    assert (old.status, other.status, apart.status) == ("stale", "superseded", "pending")
    assert event("draft.retired") == (
        "Ada", str(other.pk), other.conversation_id, {"status": "superseded", "reason": "an earlier draft was kept"},
    )  # fmt: skip


def test_a_kept_draft_lists_the_questions_as_long_as_nobody_changed_its_text(world: World, acme: Any) -> None:
    asked = [{"text": "Is it safe?", "by": "", "source": ""}]
    for text, questions in (("", asked), ("Another text.", [])):
        first = factories.message(world.mail)
        old = factories.draft(first, questions=asked)
        if text:
            editing.save_revision(draft_id=old.pk, actor=world.cy, version=0, text=text)
        newer = factories.reply_to(first)
        assert editing.keep(draft_id=old.pk, actor=world.ada, last_inbound=newer.pk).questions == questions


def test_a_kept_draft_whose_source_went_is_marked(world: World, acme: Any) -> None:
    gone = [{"passage": str(world.acme.pk), "document": "d", "cited": True}]
    draft = factories.draft(factories.message(world.mail), top_sources=gone)
    newer = factories.reply_to(draft.base_message)
    assert editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=newer.pk).sources_changed_at is not None


def test_only_a_stale_draft_is_kept_and_only_for_the_newest_message(world: World, draft: Draft) -> None:
    first = draft.base_message
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided, match="not stale"):
        editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=first.pk)
    newer = factories.reply_to(first)
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=first.pk)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        editing.keep(draft_id=draft.pk, actor=world.bo, last_inbound=newer.pk)
    Draft.objects.update(is_canary=True, canary_defect="d")
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided, match="check draft"):
        editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=newer.pk)


# --- snooze, retire, reopen, close -----------------------------------------------------------------------------------
def test_a_snooze_is_in_the_future_and_thirty_days_at_most(world: World, draft: Draft, now: datetime) -> None:
    for until in (now, now + timedelta(days=30, microseconds=1)):
        with assert_nothing_written(), pytest.raises(Invalid):
            life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=until)
    until = now + timedelta(days=30)
    assert life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=until).snoozed_until == until
    assert Draft.objects.get().snoozed_until == until
    data = {"until": until.isoformat(timespec="minutes")}
    assert event("draft.snoozed") == ("Ada", str(draft.pk), draft.conversation_id, data)


def test_who_snoozes_lets_go_of_this_one_only(world: World, draft: Draft) -> None:
    other = factories.draft(factories.message(world.mail))
    for each in (draft, other):
        editing.claim(draft_id=each.pk, actor=world.ada)
    life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=database_time.now() + timedelta(days=1))
    assert Hold.objects.get().conversation_id == other.conversation_id
    life.snooze_draft(draft_id=other.pk, actor=world.cy, until=database_time.now() + timedelta(days=1))
    assert Hold.objects.exists(), "it is in Ada's hands"


def rejected(draft: Draft, world: World) -> Draft:
    decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"])
    return draft


def test_a_reopened_draft_waits_again_and_that_is_recorded(world: World, draft: Draft) -> None:
    factories.draft(factories.message(world.mail))  # of another conversation: it takes nobody's place
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        editing.reopen(draft_id=draft.pk, actor=world.ada)
    rejected(draft, world)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        editing.reopen(draft_id=draft.pk, actor=world.bo)
    before = Draft.objects.get(pk=draft.pk).updated_at
    editing.reopen(draft_id=draft.pk, actor=world.cy)
    draft.refresh_from_db()
    assert draft.updated_at > before
    act = last_act()
    assert (draft.status, act.type, act.user, act.version) == ("pending", "undo", world.cy, 0)
    assert event("draft.undone") == ("Cy", str(draft.pk), draft.conversation_id, {})
    assert act_of("draft.undone") == act.pk


def test_a_rejected_draft_stays_where_another_took_its_place(world: World, draft: Draft) -> None:
    rejected(draft, world)
    factories.draft(draft.base_message)
    with assert_nothing_written(), pytest.raises(Conflict, match="Another draft took its place"):
        editing.reopen(draft_id=draft.pk, actor=world.ada)


def test_a_closed_conversation_has_nothing_left_to_do(world: World, draft: Draft, now: datetime) -> None:
    decided = rejected(draft, world)
    draft = factories.draft(draft.base_message)
    apart = factories.draft(factories.message(world.mail))
    with counted() as queries:
        closed = life.close(conversation_id=draft.conversation_id, actor=world.ada, reason="not_needed")
    assert "FOR UPDATE" in queries[0]["sql"] or "FOR UPDATE" in queries[1]["sql"]
    kept = Conversation.objects.get(pk=draft.conversation_id)
    assert (closed, kept.status, kept.completed_at, kept.due_at) == (kept, "closed", now, None)
    assert event("conversation.closed") == (
        "Ada", str(kept.pk), kept.pk, {"reason": "the customer no longer needs it", "owed": "rejected"},
    )  # fmt: skip
    assert event("draft.retired") == (
        "Ada", str(draft.pk), kept.pk, {"status": "expired", "reason": "the conversation was closed"},
    )  # fmt: skip
    apart.refresh_from_db()
    decided.refresh_from_db()
    assert (apart.status, decided.status) == ("pending", "rejected")
    with assert_nothing_written():
        assert life.close(conversation_id=kept.pk, actor=world.ada, reason="not_needed") == kept


def test_an_auditor_closes_nothing(world: World, draft: Draft) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        life.close(conversation_id=draft.conversation_id, actor=world.bo, reason="not_needed")
    assert Message.objects.count() == 1
