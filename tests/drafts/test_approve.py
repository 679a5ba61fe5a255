from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied

from conversations.channels.base import Party
from conversations.errors import Invalid, Locked
from conversations.models import AuditEvent, Conversation, Delivery, Message
from drafts.desk import decisions, editing
from drafts.diffing import apply_ops
from drafts.models import Draft, DraftAction, DraftRevision, LearningSample
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


def approve(draft: Draft, user, **changes):
    return decisions.approve(
        draft_id=draft.pk, actor=user, **{"seen": factories.seen(draft), "request_id": "one", **changes}
    )


def test_it_leaves_exactly_one_action_one_message_one_delivery_and_one_event(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    before = AuditEvent.objects.count()

    action = approve(draft, world.ada)

    draft.refresh_from_db()
    assert draft.status == "approved"
    assert DraftAction.objects.get() == action
    assert (action.type, action.user, action.user_name, action.version) == ("approve", world.ada, "Ada", 0)
    assert action.final_text == draft.suggested_text
    message = Message.objects.get(direction="outbound")
    assert (message.body_text, message.role, action.message) == (draft.suggested_text, "operator", message)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.body_text, delivery.draft_id) == ("held", draft.suggested_text, draft.pk)
    assert delivery.envelope["to"] == [{"address": "marcus@customer.test", "name": "Marcus Delgado"}]
    assert delivery.envelope["in_reply_to"] == draft.base_message.external_id
    assert delivery.envelope["subject"] == "Re: Hose for E85"
    event = AuditEvent.objects.order_by("id").last()
    assert event is not None
    assert AuditEvent.objects.count() == before + 1
    assert (event.kind, event.actor_name, event.object_id) == ("draft.approved", "Ada", str(draft.pk))
    assert not LearningSample.objects.exists()


def test_an_edit_is_approved_with_a_revision_and_a_sample_that_replays(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    edited = draft.suggested_text.replace("Hi Marcus", "Hello Marcus")

    action = approve(draft, world.ada, final_text=edited.replace("\n", "\r\n"), reasons=["tone"])

    draft.refresh_from_db()
    assert (action.type, action.final_text, draft.version) == ("edit", edited, 1)
    revision = DraftRevision.objects.get()
    assert (revision.number, revision.text, revision.author) == (1, edited, world.ada)
    sample = LearningSample.objects.get()
    assert apply_ops(sample.original, sample.operations) == sample.final == edited
    assert sample.reasons == ["tone"]
    assert Delivery.objects.get().body_text == edited


def test_the_reply_waits_for_the_persons_own_undo_window(world: World, acme) -> None:
    world.ada.preferences = {"hold_seconds": 45}
    world.ada.save()
    draft = factories.draft(factories.message(world.mail))

    delivery = factories.approved(draft, world.ada)

    assert round((delivery.hold_until - delivery.created_at).total_seconds()) == 45


def test_repeating_ones_own_decision_returns_its_first_outcome(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    seen = factories.seen(draft)

    first = approve(draft, world.ada, seen=seen)
    second = approve(draft, world.ada, seen=seen)

    assert first == second
    assert DraftAction.objects.count() == Delivery.objects.count() == 1


def test_a_request_id_cannot_be_used_for_another_draft(world: World, acme) -> None:
    one = factories.draft(factories.message(world.mail))
    two = factories.draft(factories.message(world.mail))
    approve(one, world.ada)
    with assert_nothing_written(), pytest.raises(Invalid):
        approve(two, world.ada)


@pytest.mark.parametrize("name", ["bo", "eve"])
def test_an_auditor_or_a_stranger_may_not_approve(world: World, acme, name: str) -> None:
    draft = factories.draft(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        approve(draft, getattr(world, name))


def test_another_tenants_draft_does_not_exist(world: World, acme) -> None:
    foreign = factories.draft(factories.message(world.other_mail))
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        approve(foreign, world.ada)


def test_an_agent_approves_what_is_sourced_and_nothing_else(world: World, acme) -> None:
    risky = factories.unsourced(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        approve(risky, world.cy, attention=decisions.Attention(pressed_twice=True))

    approve(factories.draft(factories.message(world.mail)), world.cy)

    assert Delivery.objects.count() == 1


def test_an_agent_cannot_slip_an_unsourced_sentence_into_a_sourced_draft(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        approve(draft, world.cy, final_text=draft.suggested_text + "\n\nWe ship it tomorrow with a gift.")


def test_an_unsourced_statement_needs_a_second_press(world: World, acme) -> None:
    draft = factories.unsourced(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(decisions.NeedsSecondPress, match="1 statement has no source"):
        approve(draft, world.ada)

    action = approve(draft, world.ada, attention=decisions.Attention(pressed_twice=True))

    assert action.pressed_twice


def test_a_stale_draft_cannot_be_approved(world: World, acme) -> None:
    first = factories.message(world.mail)
    draft = factories.draft(first)
    seen = factories.seen(draft)
    factories.reply_to(first)

    with assert_nothing_written(), pytest.raises(decisions.Stale):
        approve(draft, world.ada, seen=seen)


def test_the_database_refuses_a_stale_approval_too(world: World, acme) -> None:
    from django.db import IntegrityError, transaction

    first = factories.message(world.mail)
    draft = factories.draft(first)
    Conversation.objects.filter(pk=first.conversation_id).update(last_inbound_message=None)
    with pytest.raises(IntegrityError, match="latest inbound"), transaction.atomic():
        Draft.objects.filter(pk=draft.pk).update(status="approved")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"version": 3}, decisions.Changed),
        ({"envelope": "0" * 64}, decisions.Changed),
        ({"last_inbound": "01890000-0000-7000-8000-00000000dead"}, decisions.Stale),
    ],
)
def test_what_was_not_seen_is_not_sent(world: World, acme, changed: dict, error: type[Exception]) -> None:
    draft = factories.draft(factories.message(world.mail))
    seen = replace(factories.seen(draft), **changed)
    with assert_nothing_written(), pytest.raises(error):
        approve(draft, world.ada, seen=seen)


def test_a_decided_draft_names_who_was_first(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    seen = factories.seen(draft)
    approve(draft, world.dan, seen=seen)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided, match="Dan was first"):
        approve(draft, world.ada, seen=seen)


def test_a_draft_in_somebody_elses_hands_is_locked(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    editing.claim(draft_id=draft.pk, actor=world.dan)
    with assert_nothing_written(), pytest.raises(Locked, match="Dan is working"):
        approve(draft, world.ada)


def test_four_eyes_keep_a_writer_from_signing_their_own_text(world: World, acme) -> None:
    from conversations.models import PolicyRule

    PolicyRule.objects.create(account=world.acme, role="reviewer", verb="approve", allowed=True, four_eyes=True)
    draft = factories.draft(factories.message(world.mail))
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=draft.suggested_text + "\n\nAda")
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        approve(draft, world.ada, attention=decisions.Attention(pressed_twice=True))


def test_a_channel_that_cannot_send_says_so_before_anything_is_decided(world: World, acme) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="chat-1", name="Chat")
    draft = factories.draft(factories.message(chat))
    with assert_nothing_written(), pytest.raises(Invalid, match="cannot send yet"):
        approve(draft, world.ada)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("marcus at customer.test", "is not an address that mail can be sent to"),
        ("marcus@exam ple.test", "is not an address that mail can be sent to"),
        ("marcus@customer..test", "is not a domain"),
        ("", "nobody to send to"),
    ],
)
def test_a_reply_that_cannot_become_a_mail_is_refused_before_it_is_approved(
    world: World, acme, written: str, why: str
) -> None:
    draft = factories.draft(factories.message(world.mail, sender=Party(written, "Marcus")))
    with assert_nothing_written(), pytest.raises(Invalid, match=f"{why}.* Nothing was sent") as refused:
        approve(draft, world.ada)
    assert refused.value.status == 422
    assert not Delivery.objects.exists()


def test_the_page_says_why_a_reply_cannot_be_sent_and_offers_no_approve(world: World, signed_in) -> None:
    draft = factories.draft(factories.message(world.mail, sender=Party("marcus@customer..test", "Marcus")))
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert page.select(".check--warn")[0].text == "It cannot be sent as a mail: “customer..test” is not a domain."
    assert page.select_one("[data-act=approve]")["aria-disabled"] == "true"
    assert page.select_one("#why-blocked").text == "This reply cannot be sent: see above"
    well = factories.draft(factories.message(world.mail))
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{well.pk}/").content, "html.parser")
    assert "cannot be sent" not in page.text
    assert not page.select_one("[data-act=approve]").has_attr("aria-disabled")


def test_an_empty_text_is_not_sent(world: World, acme) -> None:
    draft = factories.draft(factories.message(world.mail))
    with assert_nothing_written(), pytest.raises(Invalid, match="no text"):
        approve(draft, world.ada, final_text="  \n ")


def test_a_holding_reply_is_not_an_agents_to_send(world: World, acme) -> None:
    holding = factories.draft(
        factories.message(world.mail), "Hi Marcus,\n\nA colleague will get back to you.", statements=[]
    )
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        approve(holding, world.cy)
    approve(holding, world.ada)
