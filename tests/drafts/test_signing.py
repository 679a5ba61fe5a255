"""What each decision leaves behind, to the last column: the act, the event, the reply, the draft and the job that follows."""

from __future__ import annotations

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit
from conversations.models import AuditEvent, Conversation, Delivery, Message
from drafts.desk import decisions, editing
from drafts.desk.scene import Attention, LeftOut, Seen
from drafts.desk.signing import act, sign
from drafts.desk.text import Text
from drafts.diffing import diff_ops
from drafts.models import Draft, DraftAction, DraftRevision, Hold, LearningSample
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

LOOKED = Attention(viewed_ms=1500, sources_opened=2, pressed_twice=True)


@pytest.fixture(autouse=True)
def apart(world: World, acme: Any) -> Draft:
    """Another conversation's draft in Cy's hands: no decision may touch it."""
    found = factories.draft(factories.message(world.mail))
    editing.claim(draft_id=found.pk, actor=world.cy)
    return found


@pytest.fixture
def draft(world: World, apart: Draft) -> Draft:
    found = factories.draft(factories.message(world.mail))
    ProcrastinateJob.objects.all().delete()
    return found


def event(kind: str, act: DraftAction | None) -> tuple[Any, ...]:
    found = AuditEvent.objects.get(kind=kind, act_id=act.pk) if act else AuditEvent.objects.get(kind=kind)
    assert found.conversation_id == (act.conversation_id if act else found.conversation_id)
    return found.actor_name, found.object_id, found.data, set(found.commitments)


def assert_act(act: DraftAction, draft: Draft, **wanted: Any) -> None:
    act.refresh_from_db()
    assert (act.draft, act.conversation_id) == (draft, draft.conversation_id)
    for name, value in wanted.items():
        assert getattr(act, name) == value, name


def looked() -> dict[str, Any]:
    return {"viewed_ms": 1500, "sources_opened": 2, "pressed_twice": True}


@pytest.mark.parametrize("edited", [False, True])
def test_an_approval_is_recorded_with_all_that_was_seen(world: World, draft: Draft, edited: bool) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    seen = factories.seen(draft)
    text = draft.suggested_text.replace("Hi", "Hello") if edited else None
    found = decisions.approve(
        draft_id=draft.pk, actor=world.ada, seen=seen, final_text=text, reasons=["tone", "tone"], notes="n",
        attention=LOOKED, request_id="r",
    )  # fmt: skip
    draft.refresh_from_db()
    delivery = Delivery.objects.get()
    final = text or draft.suggested_text
    assert_act(
        found, draft, type="edit" if edited else "approve", user=world.ada, user_name="Ada", seen=seen.as_json(),
        version=int(edited), final_text=final, diff=diff_ops(draft.suggested_text, final) if edited else None,
        message=delivery.message, reasons=["tone"], notes="n", request_id="r", **looked(),
    )  # fmt: skip
    assert (draft.status, draft.version, draft.unsourced_count, draft.is_about_money) == ("approved", int(edited), 0, False)  # fmt: skip
    assert (delivery.draft_id, delivery.body_text, delivery.approved_by) == (draft.pk, final, world.ada)
    assert (delivery.hold_until - delivery.message.sent_at).total_seconds() == 10
    data = {
        "version": int(edited), "edited": edited, "unsourced": 0, "delivery": str(delivery.pk),
        "envelope": seen.envelope, "action": str(found.pk),
    }  # fmt: skip
    assert event("draft.approved", found) == ("Ada", str(draft.pk), data, {"text"})
    assert LearningSample.objects.filter(action=found).count() == int(edited)
    assert Hold.objects.get().user == world.cy
    if edited:
        revision = DraftRevision.objects.get()
        assert (revision.account_id, revision.number, revision.text, revision.author) == (world.acme.pk, 1, final, world.ada)  # fmt: skip


def test_the_caller_may_leave_out_what_waits_and_only_that(world: World, draft: Draft) -> None:
    seen, asked = factories.seen(draft), []

    def unless(scene: Any, text: Text) -> str:
        asked.append(text.text)
        return "it needs a look" if len(asked) == 1 else ""

    with assert_nothing_written(), pytest.raises(LeftOut, match="it needs a look"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen, unless=unless)
    assert asked == [draft.suggested_text]
    assert decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen, unless=unless).type == "approve"
    with pytest.raises(decisions.AlreadyDecided):
        decisions.approve(draft_id=draft.pk, actor=world.cy, seen=seen, unless=unless)
    assert len(asked) == 2, "what is decided is not asked about"


def test_what_a_lane_signs_is_recorded_under_its_name(world: World, draft: Draft) -> None:
    conversation = Conversation.objects.get(pk=draft.conversation_id)
    lane = audit.model_actor("lane orders")
    found = sign(
        conversation=conversation, draft=draft, text=Text(draft.suggested_text, ()),
        envelope=decisions.envelope_of(conversation, draft), actor=lane, hold_seconds=60,
        seen=Seen(0, draft.base_message_id, "e"), about={"lane": "l"}, evidence={"low": 0.9},
    )  # fmt: skip
    assert_act(found, draft, user=None, user_name=lane.name, evidence={"low": 0.9}, pressed_twice=False, viewed_ms=None)
    name, _, data, _ = event("draft.approved", found)
    assert (name, data["lane"]) == (lane.name, "l")
    assert (Delivery.objects.get().hold_until - found.message.sent_at).total_seconds() == 60


def test_an_act_is_kept_without_what_was_not_seen_and_with_a_short_name(world: World, draft: Draft) -> None:
    world.ada.display_name = "A" * 150
    found = act(DraftAction.Type.CLAIM, draft, world.ada, version=0)
    assert_act(found, draft, seen={}, user_name="A" * 120, account_id=world.acme.pk)


def test_a_rejection_is_recorded_with_its_reasons(world: World, draft: Draft) -> None:
    editing.save_revision(draft_id=draft.pk, actor=world.cy, version=0, text="Cy's.")
    editing.claim(draft_id=draft.pk, actor=world.ada)
    seen = factories.seen(draft)
    found = decisions.reject(
        draft_id=draft.pk, actor=world.ada, seen=seen, reasons=["policy", "tone", "policy"], notes="n",
        attention=LOOKED, request_id="r",
    )  # fmt: skip
    assert_act(
        found, draft, type="reject", user=world.ada, seen=seen.as_json(), version=1, reasons=["policy", "tone"], notes="n",
        request_id="r", **looked(),
    )  # fmt: skip
    data = {"version": 1, "reasons": "policy, tone", "action": str(found.pk)}
    assert event("draft.rejected", found) == ("Ada", str(draft.pk), data, {"notes"})
    assert Draft.objects.get(pk=draft.pk).status == "rejected"
    assert Hold.objects.get().user == world.cy
    assert not ProcrastinateJob.objects.filter(task_name="drafts.write").exists(), "only a check draft is followed"


def test_a_rejected_check_draft_is_followed_by_the_real_one(world: World, draft: Draft) -> None:
    Draft.objects.filter(pk=draft.pk).update(is_canary=True, canary_defect="d")
    decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=["tone"])
    ids = {"account_id": str(world.acme.pk), "conversation_id": str(draft.conversation_id)}
    job = ProcrastinateJob.objects.get(task_name="drafts.write")
    assert (job.queue_name, job.args) == ("drafts", ids)


def test_a_rejection_with_a_note_alone_says_where_the_reason_is(world: World, draft: Draft) -> None:
    found = decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=[], notes="n")
    assert event("draft.rejected", found)[2]["reasons"] == "see the note"


def test_all_reasons_can_be_given_in_the_order_in_which_they_were_picked(world: World, draft: Draft) -> None:
    picked = ["policy", "wrong_product", "tone", "missing_detail", "unsupported_claim"]
    found = decisions.reject(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), reasons=picked)
    assert found.reasons == picked


def test_an_edit_that_speaks_of_money_marks_the_draft(world: World, draft: Draft) -> None:
    text = f"{draft.suggested_text}\n\nIt costs $20."
    factories.approved(draft, world.ada, final_text=text, attention=LOOKED)
    assert Draft.objects.get(pk=draft.pk).is_about_money


def test_a_conflict_names_the_last_who_decided_this_draft(world: World, draft: Draft, apart: Draft) -> None:
    seen = factories.seen(draft)
    decisions.reject(draft_id=draft.pk, actor=world.dan, seen=seen, reasons=["tone"])
    editing.reopen(draft_id=draft.pk, actor=world.dan)
    found = decisions.reject(draft_id=draft.pk, actor=world.ada, seen=seen, reasons=["tone"])
    act(DraftAction.Type.RELEASE, draft, world.cy, version=0)
    editing.release(draft_id=apart.pk, actor=world.cy)
    decisions.reject(draft_id=apart.pk, actor=world.cy, seen=factories.seen(apart), reasons=["tone"])
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided, match="Ada was first: reject") as refused:
        decisions.approve(draft_id=draft.pk, actor=world.cy, seen=seen)
    assert refused.value.facts == {"action": found}


def test_another_draft_is_asked_for_with_the_instruction(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    found = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=seen, instruction="s" * 1200, request_id="r")
    assert_act(found, draft, type="regenerate", user=world.ada, seen=seen.as_json(), version=0, notes="s" * 1000, request_id="r")  # fmt: skip
    assert event("draft.regenerated", found) == ("Ada", str(draft.pk), {"version": 0}, {"instruction"})
    job = ProcrastinateJob.objects.get(task_name="drafts.write")
    ids = {"account_id": str(world.acme.pk), "conversation_id": str(draft.conversation_id), "asked_by": str(found.pk)}
    assert (job.queue_name, job.args) == ("drafts", ids)
    repeated = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=seen, request_id="r")
    assert repeated == found


@pytest.mark.parametrize("status", ["rejected", "stale"])
def test_another_draft_may_be_asked_for_in_place_of_one_that_is_no_more(world: World, draft: Draft, status: str) -> None:  # fmt: skip
    seen = factories.seen(draft)
    Draft.objects.filter(pk=draft.pk).update(status=status)
    assert decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=seen).type == "regenerate"


def test_an_answer_elsewhere_is_recorded_and_the_conversation_waits(world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    seen = factories.seen(draft)
    found = decisions.answered_elsewhere(draft_id=draft.pk, actor=world.ada, seen=seen, request_id="r")
    assert_act(found, draft, type="answer_elsewhere", user=world.ada, seen=seen.as_json(), version=0, request_id="r")
    assert event("draft.answered_elsewhere", found) == ("Ada", str(draft.pk), {}, set())
    assert Hold.objects.get().user == world.cy
    again = decisions.answered_elsewhere(draft_id=draft.pk, actor=world.ada, seen=seen, request_id="r")
    assert again == found


def test_what_is_taken_back_names_the_reply(world: World, draft: Draft, apart: Draft) -> None:
    other = factories.approved(apart, world.cy)
    delivery = factories.approved(draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"))
    found = decisions.undo(delivery_id=delivery.pk, actor=world.dan, request_id="r")
    assert_act(found, draft, type="undo", user=world.dan, version=1, message=delivery.message, request_id="r", seen={})
    assert event("draft.undone", found) == ("Dan", str(draft.pk), {"delivery": str(delivery.pk)}, set())
    cancelled = AuditEvent.objects.get(kind="delivery.cancelled")
    assert (cancelled.actor_name, cancelled.data) == ("Dan", {"reason": "undone"})
    assert Delivery.objects.get(status="held") == other
    assert Message.objects.filter(withdrawn_at__isnull=False).get() == delivery.message


@pytest.mark.parametrize("caught", [True, False])
def test_a_check_draft_is_decided_and_the_real_one_follows(world: World, draft: Draft, caught: bool) -> None:
    defect = factories.SENTENCE
    Draft.objects.filter(pk=draft.pk).update(is_canary=True, canary_defect=defect)
    editing.claim(draft_id=draft.pk, actor=world.ada)
    seen = factories.seen(draft)
    text = draft.suggested_text.replace(factories.SENTENCE, "No.") if caught else None
    found = decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen, final_text=text, attention=LOOKED, request_id="r")  # fmt: skip
    final = text or draft.suggested_text
    assert_act(
        found, draft, user=world.ada, seen=seen.as_json(), version=0, final_text=final, request_id="r", **looked()
    )
    assert event("check.decided", found)[:2] == ("Ada", str(draft.pk))
    assert (Draft.objects.get(pk=draft.pk).status, Delivery.objects.count()) == ("rejected", 0)
    assert Hold.objects.get().user == world.cy
    job = ProcrastinateJob.objects.get(task_name="drafts.write")
    ids = {"account_id": str(world.acme.pk), "conversation_id": str(draft.conversation_id)}
    assert (job.queue_name, job.args) == ("drafts", ids)
