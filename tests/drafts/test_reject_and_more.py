from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.errors import Invalid, Locked
from conversations.models import Conversation, Message
from drafts.desk import decisions, editing, life
from drafts.models import Draft, DraftAction, DraftRevision, Hold
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def draft(world: World, acme) -> Draft:
    return factories.draft(factories.message(world.mail))


def reject(draft: Draft, user, **changes):
    return decisions.reject(
        draft_id=draft.pk,
        actor=user,
        **{"seen": factories.seen(draft), "reasons": ["tone"], "request_id": "r", **changes},
    )


VERBS = {
    "reject": reject,
    "regenerate": lambda d, u: decisions.regenerate(draft_id=d.pk, actor=u, seen=factories.seen(d)),
    "answered elsewhere": lambda d, u: decisions.answered_elsewhere(draft_id=d.pk, actor=u, seen=factories.seen(d)),
    "claim": lambda d, u: editing.claim(draft_id=d.pk, actor=u),
    "save": lambda d, u: editing.save_revision(draft_id=d.pk, actor=u, version=0, text="One moment please."),
    "snooze": lambda d, u: life.snooze_draft(draft_id=d.pk, actor=u, until=timezone.now() + timedelta(hours=1)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_auditor_changes_nothing(world: World, draft: Draft, verb: str) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        VERBS[verb](draft, world.bo)


@pytest.mark.parametrize("verb", VERBS)
def test_another_tenants_draft_does_not_exist(world: World, acme, verb: str) -> None:
    foreign = factories.draft(factories.message(world.other_mail))
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        VERBS[verb](foreign, world.ada)


@pytest.mark.parametrize("verb", VERBS)
def test_a_decided_draft_is_a_conflict(world: World, draft: Draft, verb: str) -> None:
    factories.approved(draft, world.dan)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        VERBS[verb](draft, world.ada)


def test_rejecting_keeps_the_reason_and_sends_nothing(world: World, draft: Draft) -> None:
    action = reject(draft, world.cy, reasons=["tone", "policy"], notes="Too stiff")
    draft.refresh_from_db()
    assert (draft.status, action.reasons, action.notes) == ("rejected", ["tone", "policy"], "Too stiff")
    assert not Message.objects.filter(direction="outbound").exists()
    assert reject(draft, world.cy) == action


@pytest.mark.parametrize("reasons", [[], ["because"]])
def test_rejecting_needs_a_known_reason_or_a_note(world: World, draft: Draft, reasons: list[str]) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        reject(draft, world.ada, reasons=reasons)


def test_a_rejected_draft_can_be_reopened_while_it_still_answers(world: World, draft: Draft) -> None:
    reject(draft, world.ada)
    assert editing.reopen(draft_id=draft.pk, actor=world.ada).status == "pending"
    reject(draft, world.ada, request_id="again")
    factories.reply_to(draft.base_message)
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        editing.reopen(draft_id=draft.pk, actor=world.ada)


def test_regenerating_keeps_the_old_draft_until_the_new_one_is_there(world: World, draft: Draft) -> None:
    action = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), instruction="shorter")
    draft.refresh_from_db()
    assert (draft.status, action.notes) == ("pending", "shorter")
    job = ProcrastinateJob.objects.filter(task_name="drafts.write", args__asked_by=str(action.pk)).get()
    assert job.args["conversation_id"] == str(draft.conversation_id)


def test_answered_elsewhere_leaves_the_conversation_waiting_for_the_customer(world: World, draft: Draft) -> None:
    decisions.answered_elsewhere(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    draft.refresh_from_db()
    conversation = Conversation.objects.get(pk=draft.conversation_id)
    assert (draft.status, conversation.status, conversation.due_at) == ("answered_elsewhere", "pending", None)


def test_a_claim_is_one_persons_and_is_prolonged_without_a_second_trace(world: World, draft: Draft) -> None:
    first = editing.claim(draft_id=draft.pk, actor=world.ada)
    again = editing.claim(draft_id=draft.pk, actor=world.ada)
    assert (first.pk, again.token) == (again.pk, 1)
    assert DraftAction.objects.filter(type="claim").count() == 1
    with assert_nothing_written(), pytest.raises(Locked, match="Ada is working"):
        editing.claim(draft_id=draft.pk, actor=world.cy)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        editing.claim(draft_id=draft.pk, actor=world.cy, take_over=True)
    assert editing.claim(draft_id=draft.pk, actor=world.dan, take_over=True).token == 2


def test_a_lease_that_ran_out_is_anybodys(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    Hold.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert editing.claim(draft_id=draft.pk, actor=world.cy).user == world.cy
    assert editing.release(draft_id=draft.pk, actor=world.cy) is True
    assert editing.release(draft_id=draft.pk, actor=world.cy) is False


def test_saving_keeps_sources_of_untouched_sentences_and_marks_new_ones(world: World, draft: Draft) -> None:
    text = draft.suggested_text.replace("Best", "The fittings ship on Monday.\n\nBest")
    saved = editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text)
    revision = DraftRevision.objects.get()
    assert (saved.version, saved.unsourced_count) == (1, 1)
    assert [bool(one["sources"]) for one in revision.statements] == [True, False]


def test_two_people_editing_never_overwrite_one_another(world: World, draft: Draft) -> None:
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Ada's text.")
    with assert_nothing_written(), pytest.raises(decisions.Changed, match="Ada saved version 1"):
        editing.save_revision(draft_id=draft.pk, actor=world.dan, version=0, text="Dan's text.")
    assert DraftRevision.objects.get().text == "Ada's text."


def test_saving_the_same_text_again_is_no_new_version(world: World, draft: Draft) -> None:
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Hello.")
    assert editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Hello.").version == 1


def test_an_empty_or_oversize_text_is_not_saved(world: World, draft: Draft) -> None:
    for text in ("", " \n", "x" * 100_001):
        with assert_nothing_written(), pytest.raises(Invalid):
            editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=text)


def test_a_stale_draft_can_be_kept_knowingly(world: World, draft: Draft) -> None:
    newer = factories.reply_to(draft.base_message)
    draft.refresh_from_db()
    assert draft.status == "stale"
    kept = editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=newer.pk)
    assert (kept.status, kept.base_message, kept.suggested_text) == ("pending", newer, draft.suggested_text)
    factories.approved(kept, world.ada)


def test_a_snoozed_draft_leaves_the_queue_until_its_time(world: World, draft: Draft) -> None:
    life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=timezone.now() + timedelta(hours=1))
    assert not Draft.objects.in_queue().exists()
    Draft.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    assert Draft.objects.in_queue().exists()
    with assert_nothing_written(), pytest.raises(Invalid):
        life.snooze_draft(draft_id=draft.pk, actor=world.ada, until=timezone.now() - timedelta(hours=1))


def test_closing_a_conversation_expires_its_draft(world: World, draft: Draft) -> None:
    closed = life.close(conversation_id=draft.conversation_id, actor=world.ada, reason="not_needed")
    draft.refresh_from_db()
    assert (closed.status, draft.status) == ("closed", "expired")
