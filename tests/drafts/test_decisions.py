"""What a decision refuses, and what exactly it leaves behind; `test_approve` and its neighbours have the plain stories."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit
from conversations.channels.base import File
from conversations.errors import Invalid, Locked
from conversations.models import Account, Attachment, AuditEvent, Conversation, Delivery, Message, PolicyRule, User
from drafts.desk import decisions, editing, files
from drafts.desk.decisions import Attention
from drafts.models import Draft, DraftAction, DraftRevision, Hold, LearningSample
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

PRESSED_TWICE = Attention(pressed_twice=True)
READ = Attention(viewed_ms=4200, sources_opened=2, pressed_twice=True)


@pytest.fixture
def draft(world: World, acme: Account) -> Draft:
    return factories.draft(factories.message(world.mail))


def decide(verb: Any, draft: Draft, user: User, **changes: Any) -> DraftAction:
    return verb(draft_id=draft.pk, actor=user, **{"seen": factories.seen(draft), "request_id": "one", **changes})


def approve(draft: Draft, user: User, **changes: Any) -> DraftAction:
    return decide(decisions.approve, draft, user, **changes)


def reject(draft: Draft, user: User, **changes: Any) -> DraftAction:
    return decide(decisions.reject, draft, user, **{"reasons": ["tone"], **changes})


def newest(kind: str) -> AuditEvent:
    return AuditEvent.objects.get(kind=kind)


def jobs(name: str = "drafts.write") -> list[dict[str, Any]]:
    return [job.args for job in ProcrastinateJob.objects.filter(task_name=name).order_by("id")]


# --- four eyes -----------------------------------------------------------------------------------------------------
@pytest.fixture
def four_eyes(world: World, acme: Account) -> None:
    PolicyRule.objects.create(account=acme, role="reviewer", verb="approve", allowed=True, four_eyes=True)


def test_four_eyes_hold_for_an_edit_in_the_moment_of_approving(world: World, draft: Draft, four_eyes: None) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        approve(draft, world.ada, final_text=draft.suggested_text + "\n\nAda", attention=PRESSED_TWICE)


def test_four_eyes_hold_for_a_draft_that_a_person_wrote(world: World, draft: Draft, four_eyes: None) -> None:
    Draft.objects.filter(pk=draft.pk).update(author_user=world.ada)
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        approve(draft, world.ada)


def test_four_eyes_let_another_person_sign_and_what_nobody_edited_pass(
    world: World, draft: Draft, four_eyes: None
) -> None:
    second = factories.person("fay", world.acme, "reviewer")
    editing.save_revision(
        draft_id=draft.pk, actor=world.ada, version=0, text=draft.suggested_text.replace("Hi", "Hello")
    )
    assert approve(draft, second).type == "edit"
    other = factories.draft(factories.message(world.mail))
    assert approve(other, world.ada, request_id="two").type == "approve"


def test_without_the_rule_a_writer_signs_their_own_text(world: World, draft: Draft) -> None:
    editing.save_revision(
        draft_id=draft.pk, actor=world.ada, version=0, text=draft.suggested_text.replace("Hi", "Hello")
    )
    assert approve(draft, world.ada).type == "edit"


# --- the second press ------------------------------------------------------------------------------------------------
def test_money_needs_a_second_press_though_its_sentence_has_a_source(world: World, acme: Account) -> None:
    sentence = "We refund $20 to your card."
    statements = [{"start": 12, "end": 12 + len(sentence), "sources": [str(uuid.uuid4())]}]
    draft = factories.draft(
        factories.message(world.mail), f"Hi Marcus,\n\n{sentence}\n\nBest regards", statements=statements
    )
    assert (draft.unsourced_count, draft.is_about_money) == (0, True)
    with assert_nothing_written(), pytest.raises(decisions.NeedsSecondPress) as refused:
        approve(draft, world.ada)
    assert str(refused.value) == "It speaks of money. Approve again to send it anyway; nothing was sent yet."
    assert refused.value.facts["unsourced"] == 0
    assert approve(draft, world.ada, attention=PRESSED_TWICE).type == "approve"


@pytest.mark.parametrize(
    ("text", "words", "count"),
    [
        ("Tighten the ends to 18 ft-lb.", "1 statement has no source. ", 1),
        ("Tighten the ends to 18 ft-lb. Oil the threads.", "2 statements have no source. ", 2),
        ("We refund $20 to your card.", "1 statement has no source and it speaks of money. ", 1),
    ],
)
def test_the_second_press_says_what_it_is_for(world: World, acme: Account, text: str, words: str, count: int) -> None:
    statements, at = [], 12
    for part in text.split(". "):
        statements.append({"start": at, "end": min(at + len(part) + 1, 12 + len(text)), "sources": []})
        at += len(part) + 2
    draft = factories.draft(
        factories.message(world.mail), f"Hi Marcus,\n\n{text}\n\nBest regards", statements=statements
    )
    with assert_nothing_written(), pytest.raises(decisions.NeedsSecondPress) as refused:
        approve(draft, world.ada)
    assert str(refused.value).startswith(words)
    assert refused.value.facts["unsourced"] == count


# --- what was open -----------------------------------------------------------------------------------------------------
VERBS = {"approve": decisions.approve, "reject": decisions.reject, "elsewhere": decisions.answered_elsewhere}


@pytest.mark.parametrize("verb", VERBS)
def test_every_decision_is_about_what_was_seen(world: World, draft: Draft, verb: str) -> None:
    more: dict[str, Any] = {"reasons": ["tone"]} if verb == "reject" else {}
    seen = factories.seen(draft)
    for other, error, words in (
        (replace(seen, version=7), decisions.Changed, r"now version 0"),
        (replace(seen, last_inbound=uuid.uuid4()), decisions.Stale, "while you were reading"),
    ):
        with assert_nothing_written(), pytest.raises(error, match=words):
            decide(VERBS[verb], draft, world.ada, seen=other, **more)


@pytest.mark.parametrize("verb", VERBS)
def test_no_decision_in_somebody_elses_hands(world: World, draft: Draft, verb: str) -> None:
    editing.claim(draft_id=draft.pk, actor=world.dan)
    more: dict[str, Any] = {"reasons": ["tone"]} if verb == "reject" else {}
    with assert_nothing_written(), pytest.raises(Locked, match="Dan is working"):
        decide(VERBS[verb], draft, world.ada, **more)


@pytest.mark.parametrize("verb", VERBS)
def test_a_decision_ends_ones_own_claim(world: World, draft: Draft, verb: str) -> None:
    other = factories.draft(factories.message(world.mail))
    for each in (draft, other):
        editing.claim(draft_id=each.pk, actor=world.ada)
    decide(VERBS[verb], draft, world.ada, **({"reasons": ["tone"]} if verb == "reject" else {}))
    assert [hold.conversation_id for hold in Hold.objects.all()] == [other.conversation_id]


def test_a_draft_that_answers_an_older_message_is_stale(world: World, draft: Draft) -> None:
    Draft.objects.filter(pk=draft.pk).update(status="stale")
    with assert_nothing_written(), pytest.raises(decisions.Stale, match="wrote again after this draft"):
        approve(draft, world.ada)


def test_who_was_first_is_told_with_what_they_did(world: World, draft: Draft) -> None:
    first = approve(draft, world.dan)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided, match="Dan was first: approve") as refused:
        reject(draft, world.ada)
    assert refused.value.facts["action"] == first


def test_a_claim_is_no_decision(world: World, draft: Draft) -> None:
    first = reject(draft, world.dan)
    decisions.act(DraftAction.Type.CLAIM, draft, world.cy, version=0)
    with pytest.raises(decisions.AlreadyDecided, match="Dan was first: reject") as refused:
        approve(draft, world.ada)
    assert refused.value.facts["action"] == first


@pytest.mark.parametrize("status", ["superseded", "expired"])
def test_what_ended_by_itself_names_nobody(world: World, draft: Draft, status: str) -> None:
    if status == "superseded":  # with an act of somebody, who did not end it
        decide(decisions.regenerate, draft, world.dan)
    Draft.objects.filter(pk=draft.pk).update(status=status)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided) as refused:
        approve(draft, world.ada)
    assert str(refused.value).startswith(f"This draft is {status}. Yours")
    assert "action" not in refused.value.facts


# --- repeats -----------------------------------------------------------------------------------------------------------
REPEATED: dict[str, Any] = {
    "approve": lambda d, u: approve(d, u),
    "edit": lambda d, u: approve(d, u, final_text=d.suggested_text.replace("Hi", "Hello")),
    "reject": lambda d, u: reject(d, u),
    "regenerate": lambda d, u: decide(decisions.regenerate, d, u),
    "elsewhere": lambda d, u: decide(decisions.answered_elsewhere, d, u),
}


@pytest.mark.parametrize("name", REPEATED)
def test_the_same_press_again_writes_nothing_and_answers_the_same(world: World, draft: Draft, name: str) -> None:
    first = REPEATED[name](draft, world.ada)
    with assert_nothing_written():
        assert REPEATED[name](draft, world.ada) == first


def test_an_undo_that_is_pressed_again_answers_the_same(world: World, draft: Draft) -> None:
    delivery = factories.approved(draft, world.ada)
    first = decisions.undo(delivery_id=delivery.pk, actor=world.ada, request_id="u")
    with assert_nothing_written():
        assert decisions.undo(delivery_id=delivery.pk, actor=world.ada, request_id="u") == first


def test_a_request_id_stands_for_one_sort_of_decision_and_one_draft(world: World, draft: Draft) -> None:
    reject(draft, world.ada)
    other = factories.draft(factories.message(world.mail))
    for verb, about in (
        (decisions.approve, draft),
        (decisions.regenerate, draft),
        (decisions.answered_elsewhere, other),
    ):
        with assert_nothing_written(), pytest.raises(Invalid, match="used for another decision"):
            decide(verb, about, world.ada)
    assert approve(other, world.dan).user == world.dan, "another person's request ids are their own"


# --- what each leaves ------------------------------------------------------------------------------------------------
def test_an_approval_keeps_how_it_was_read_and_why(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    action = approve(draft, world.ada, attention=READ, reasons=["tone", "tone", "policy"], notes="Fine.", seen=seen)
    action.refresh_from_db()
    assert (action.viewed_ms, action.sources_opened, action.pressed_twice) == (4200, 2, True)
    assert (action.reasons, action.notes, action.request_id) == (["tone", "policy"], "Fine.", "one")
    assert action.seen == seen.as_json()
    assert (action.account_id, action.conversation_id, action.diff) == (world.acme.pk, draft.conversation_id, None)
    event, delivery = newest("draft.approved"), Delivery.objects.get()
    assert event.data == {
        "version": 0, "edited": False, "unsourced": 0, "delivery": str(delivery.pk), "envelope": seen.envelope,
        "action": str(action.pk),
    }  # fmt: skip
    assert (event.conversation_id, event.act_id, event.object_id) == (draft.conversation_id, action.pk, str(draft.pk))
    assert audit.holds(event, "text", draft.suggested_text) is True


def test_an_edit_is_told_as_one_with_what_it_lost(world: World, draft: Draft) -> None:
    text = draft.suggested_text.replace("E85.", "E85. Tighten it well.")
    action = approve(draft, world.ada, final_text=text, attention=PRESSED_TWICE)
    event = newest("draft.approved")
    assert (event.data["version"], event.data["edited"], event.data["unsourced"]) == (1, True, 1)
    assert audit.holds(event, "text", text) is True
    draft.refresh_from_db()
    assert (draft.status, draft.version, draft.unsourced_count) == ("approved", 1, 1)
    revision = DraftRevision.objects.get()
    assert (revision.account_id, revision.author_name, len(revision.statements)) == (world.acme.pk, "Ada", 2)
    assert (action.version, action.diff["dst_len"]) == (1, len(text))
    assert Message.objects.get(direction="outbound").body_text == text
    assert LearningSample.objects.get().final == text


def test_a_text_that_differs_in_blanks_at_its_ends_is_no_edit(world: World, draft: Draft) -> None:
    action = approve(draft, world.ada, final_text=f"\r\n{draft.suggested_text} \x00\r\n")
    assert action.type == "approve"
    assert not DraftRevision.objects.exists()


def test_what_a_browser_sends_becomes_plain_text() -> None:
    assert decisions.tidy("a\r\nb\x00c\ud800") == "a\nbc?"


def test_a_rejection_is_told_with_its_reasons_and_binds_the_note(world: World, draft: Draft) -> None:
    seen, asked = factories.seen(draft), jobs()
    action = reject(draft, world.cy, reasons=["tone", "policy"], notes="Too stiff", attention=READ, seen=seen)
    action.refresh_from_db()
    assert (action.seen, action.version, action.viewed_ms, action.request_id) == (seen.as_json(), 0, 4200, "one")
    event = newest("draft.rejected")
    assert event.data == {"version": 0, "reasons": "tone, policy", "action": str(action.pk)}
    assert (event.conversation_id, event.act_id, event.actor_name) == (draft.conversation_id, action.pk, "Cy")
    assert audit.holds(event, "notes", "Too stiff") is True
    assert jobs() == asked, "nobody is asked for another one"
    assert Conversation.objects.get(pk=draft.conversation_id).status == "open"


def test_a_note_alone_is_a_reason_and_blanks_are_not(world: World, draft: Draft) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="Say why"):
        reject(draft, world.ada, reasons=[], notes="  ")
    reject(draft, world.ada, reasons=[], notes="No.")
    assert newest("draft.rejected").data["reasons"] == "see the note"


@pytest.mark.parametrize("verb", [decisions.approve, decisions.reject])
def test_an_unknown_reason_is_refused_by_name(world: World, draft: Draft, verb: Any) -> None:
    with assert_nothing_written(), pytest.raises(Invalid, match="Unknown reason: mood"):
        decide(verb, draft, world.ada, reasons=["tone", "mood"])


def test_asking_for_another_wakes_a_worker_with_who_asked(world: World, draft: Draft) -> None:
    before, seen = len(jobs()), factories.seen(draft)
    action = decide(decisions.regenerate, draft, world.cy, instruction="x" * 1200, seen=seen)
    action.refresh_from_db()
    assert (action.type, action.notes, action.version, action.seen) == ("regenerate", "x" * 1000, 0, seen.as_json())
    added = jobs()[before:]
    assert [(job["account_id"], job["conversation_id"], job["asked_by"]) for job in added] == [
        (str(world.acme.pk), str(draft.conversation_id), str(action.pk))
    ]
    event = newest("draft.regenerated")
    assert (event.data, event.act_id, event.conversation_id) == ({"version": 0}, action.pk, draft.conversation_id)
    assert audit.holds(event, "instruction", "x" * 1000) is True, "what is kept is what is bound"


@pytest.mark.parametrize("status", ["rejected", "stale"])
def test_another_one_may_be_asked_for_after_these(world: World, draft: Draft, status: str) -> None:
    Draft.objects.filter(pk=draft.pk).update(status=status)
    assert decide(decisions.regenerate, draft, world.ada).type == "regenerate"


def test_another_one_is_not_asked_for_after_an_approval(world: World, draft: Draft) -> None:
    approve(draft, world.dan)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        decide(decisions.regenerate, draft, world.ada)


def test_answered_elsewhere_takes_the_conversation_out_of_what_is_due(world: World, draft: Draft) -> None:
    Conversation.objects.filter(pk=draft.conversation_id).update(due_at=timezone.now() + timedelta(hours=1))
    seen = factories.seen(draft)
    action = decide(decisions.answered_elsewhere, draft, world.cy, seen=seen)
    conversation = Conversation.objects.get(pk=draft.conversation_id)
    assert (conversation.status, conversation.due_at) == ("pending", None)
    draft.refresh_from_db()
    action.refresh_from_db()
    assert draft.status == "answered_elsewhere"
    assert (action.seen, action.version, action.request_id) == (seen.as_json(), 0, "one")
    event = newest("draft.answered_elsewhere")
    assert (event.conversation_id, event.act_id, event.object_id) == (draft.conversation_id, action.pk, str(draft.pk))


def test_an_undo_names_the_delivery_and_the_message(world: World, draft: Draft) -> None:
    delivery = factories.approved(draft, world.ada, final_text=draft.suggested_text.replace("Hi", "Hello"))
    assert LearningSample.objects.exists()
    action = decisions.undo(delivery_id=delivery.pk, actor=world.cy, request_id="u")
    draft.refresh_from_db()
    delivery.refresh_from_db()
    assert (draft.status, delivery.status) == ("pending", "cancelled")
    assert (action.message_id, action.version, action.request_id) == (delivery.message_id, 1, "u")
    assert not LearningSample.objects.exists(), "what was taken back teaches nothing"
    event = newest("draft.undone")
    assert event.data == {"delivery": str(delivery.pk)}
    assert (event.conversation_id, event.act_id) == (draft.conversation_id, action.pk)
    assert newest("delivery.cancelled").data["reason"] == "undone"


def test_a_reply_that_no_draft_stands_behind_is_not_undone_here(world: World, draft: Draft) -> None:
    delivery = factories.approved(draft, world.ada)
    Delivery.objects.filter(pk=delivery.pk).update(draft_id=None)
    with assert_nothing_written(), pytest.raises(Invalid, match="Stop it in the outbox"):
        decisions.undo(delivery_id=delivery.pk, actor=world.ada)


def test_the_undo_window_is_the_persons_own_or_the_accounts(world: World, draft: Draft) -> None:
    world.acme.settings = {"hold_seconds": 33}
    world.acme.save()
    conversation = Conversation.objects.select_related("account").get(pk=draft.conversation_id)
    assert decisions.hold_seconds(world.ada, conversation) == 33
    world.ada.preferences = {"hold_seconds": 0}
    world.ada.save()
    assert decisions.hold_seconds(User.objects.get(pk=world.ada.pk), conversation) == 0


def test_the_delivery_of_a_decision_is_found_by_its_message(world: World, draft: Draft) -> None:
    other = factories.draft(factories.message(world.mail))
    factories.approved(other, world.ada)
    delivery = factories.approved(draft, world.ada)
    approved = DraftAction.objects.get(draft=draft, type="approve")
    assert decisions.delivery_of(approved) == delivery
    assert decisions.delivery_of(DraftAction(message=None)) is None


def test_four_eyes_hold_for_a_file_that_a_person_attached(world: World, draft: Draft, four_eyes: None) -> None:
    """A letter in a file is a letter: who attached it has another person look at it, also after it moved to a later draft."""
    promise = File("refund.pdf", "application/pdf", b"We refund 5000 dollars")
    files.add(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), files=[promise])
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        approve(draft, world.ada)
    Draft.objects.filter(pk=draft.pk).update(status="superseded")
    later = factories.draft(Message.objects.get(pk=draft.base_message_id))
    files.move(draft, later)
    with pytest.raises(PermissionDenied, match="Another person"):
        approve(later, world.ada)
    second = factories.person("fay", world.acme, "reviewer")
    approve(later, second)
    assert Delivery.objects.get().envelope["files"][0]["name"] == "refund.pdf"


def test_four_eyes_let_who_took_their_file_off_again_sign(world: World, draft: Draft, four_eyes: None) -> None:
    files.add(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), files=[File("a.txt", "text/plain", b"a")])
    (there,) = Attachment.objects.filter(draft_id=draft.pk)
    files.remove(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attachment_id=there.pk)
    approve(draft, world.ada)
