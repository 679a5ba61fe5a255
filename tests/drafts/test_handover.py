"""Whose hands a conversation is in: handed over, asked for, given, kept, taken over."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.utils import timezone

from conversations.audit import Kind
from conversations.errors import Conflict, Invalid, Locked
from conversations.models import Account, AuditEvent, Notification, User
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing, handover
from drafts.desk.decisions import AlreadyDecided
from drafts.models import Draft, DraftAction, Hold
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.factories import seen

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(world: World) -> Draft:
    return factories.draft(factories.message(world.mail))


def told() -> list[tuple[str, str]]:
    return [(n.user.name, n.type) for n in Notification.objects.select_related("user").order_by("id") if n.user]


def test_it_goes_into_the_colleagues_hands_with_the_note(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    held = handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk, note=" You know E85 best. ")
    assert (held.user, held.token) == (world.cy, 2)
    assert held.lease_until > timezone.now() + timedelta(minutes=25)
    notice = Notification.objects.get()
    assert (notice.user, notice.type) == (world.cy, "handed_over")
    assert (notice.payload["by"], notice.payload["note"]) == ("Ada", "You know E85 best.")
    action = DraftAction.objects.get(type="escalate")
    assert (action.user, action.notes) == (world.ada, "You know E85 best.")
    event = AuditEvent.objects.get(kind=Kind.DRAFT_HANDED_OVER)
    assert event.data["to"] == "Cy"
    assert "E85" not in str(event.data)
    with pytest.raises(Locked):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen(draft))


def test_what_was_handed_over_is_not_shortened_by_the_receivers_heartbeat(
    acme: Account, world: World, draft: Draft
) -> None:
    held = handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk)
    assert editing.claim(draft_id=draft.pk, actor=world.cy).lease_until == held.lease_until


def test_it_refuses_oneself_auditors_strangers_and_long_notes(acme: Account, world: World, draft: Draft) -> None:
    for to in (world.ada.pk, world.bo.pk, world.eve.pk, uuid.uuid4()):
        with assert_nothing_written(), pytest.raises(Invalid):
            handover.hand_over(draft_id=draft.pk, actor=world.ada, to=to)
    with assert_nothing_written(), pytest.raises(Invalid):
        handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk, note="x" * 501)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        handover.hand_over(draft_id=draft.pk, actor=world.bo, to=world.cy.pk)


def test_it_refuses_what_another_holds_unless_one_may_take_over(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.dan)
    with assert_nothing_written(), pytest.raises(Locked):
        handover.hand_over(draft_id=draft.pk, actor=world.cy, to=world.ada.pk)
    handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk)
    assert told() == [("Cy", "handed_over"), ("Dan", "taken_over")]


def test_it_refuses_a_decided_draft(acme: Account, world: World, draft: Draft) -> None:
    decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen(draft))
    with assert_nothing_written(), pytest.raises(AlreadyDecided):
        handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk)
    with assert_nothing_written(), pytest.raises(AlreadyDecided):
        handover.ask(draft_id=draft.pk, actor=world.cy)


def test_a_person_is_not_told_what_they_muted(acme: Account, world: World, draft: Draft) -> None:
    world.cy.preferences = {"muted": ["handed_over"]}
    world.cy.save()
    handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.cy.pk)
    assert told() == []


def test_asking_tells_the_holder_once_and_changes_no_hands(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    held = handover.ask(draft_id=draft.pk, actor=world.cy)
    assert (held.user, held.asked_by) == (world.ada, world.cy)
    assert told() == [("Ada", "asked_for")]
    with assert_nothing_written():
        handover.ask(draft_id=draft.pk, actor=world.cy)
    with assert_nothing_written(), pytest.raises(Conflict):
        handover.ask(draft_id=draft.pk, actor=world.dan)


def test_asking_for_what_nobody_holds_takes_it(acme: Account, world: World, draft: Draft) -> None:
    assert handover.ask(draft_id=draft.pk, actor=world.cy).user == world.cy
    Hold.objects.update(lease_until=timezone.now() - timedelta(seconds=1), asked_by=world.dan)
    held = handover.ask(draft_id=draft.pk, actor=world.ada)
    assert (held.user, held.asked_by) == (world.ada, None)
    assert told() == []


def test_the_holder_gives(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    handover.ask(draft_id=draft.pk, actor=world.cy)
    held = handover.answer(draft_id=draft.pk, actor=world.ada, give=True)
    assert (held.user, held.asked_by) == (world.cy, None)
    assert told() == [("Ada", "asked_for"), ("Cy", "handed_over")]


def test_the_holder_keeps_and_may_be_asked_again(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    handover.ask(draft_id=draft.pk, actor=world.cy)
    held = handover.answer(draft_id=draft.pk, actor=world.ada, give=False)
    assert (held.user, held.asked_by) == (world.ada, None)
    assert AuditEvent.objects.filter(kind=Kind.DRAFT_HELD_ON).count() == 1
    handover.ask(draft_id=draft.pk, actor=world.cy)
    assert told() == [("Ada", "asked_for")] * 2


def test_only_the_one_who_was_asked_answers(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    with assert_nothing_written(), pytest.raises(Conflict):
        handover.answer(draft_id=draft.pk, actor=world.ada, give=True)
    handover.ask(draft_id=draft.pk, actor=world.cy)
    for other in (world.cy, world.dan):
        with assert_nothing_written(), pytest.raises(Conflict):
            handover.answer(draft_id=draft.pk, actor=other, give=True)


def test_a_take_over_is_logged_and_told_and_forgets_who_asked(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.cy)
    handover.ask(draft_id=draft.pk, actor=world.dan)
    held = editing.claim(draft_id=draft.pk, actor=world.ada, take_over=True)
    assert (held.user, held.asked_by, held.token) == (world.ada, None, 2)
    assert told() == [("Cy", "asked_for"), ("Cy", "taken_over")]
    assert AuditEvent.objects.filter(kind=Kind.DRAFT_CLAIMED).latest("id").data["took_over"] == "Cy"


def test_ten_people_asking_at_once_leave_one_question(
    committed_world: World, in_threads: Callable[[list[Callable[[], object]]], list[object]]
) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    people = [factories.person(f"p{at}", world.acme, "agent") for at in range(10)]

    def ask(user: User) -> object:
        with tenant_context(world.acme.pk):
            return handover.ask(draft_id=draft.pk, actor=user)

    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.ada)
    found = in_threads([lambda user=user: ask(user) for user in people])  # type: ignore[misc]
    assert sum(isinstance(one, Hold) for one in found) == 1, found
    assert sum(isinstance(one, Conflict) for one in found) == 9
    with tenant_context(world.acme.pk):
        assert Notification.objects.count() == 1


def test_the_page_offers_colleagues_and_hands_over_without_a_script(
    world: World, signed_in: Browser, draft: Draft
) -> None:
    client = signed_in(world.ada)
    page = BeautifulSoup(client.get(f"/drafts/{draft.pk}/?do=handover").content, "html.parser")
    assert [o.text for o in page.select("[data-form=handover] option")] == ["Cy", "Dan"]
    fragment = client.get(f"/drafts/{draft.pk}/handover/", headers=HTMX)
    assert "Dan" in fragment.content.decode()
    answer = client.post(f"/drafts/{draft.pk}/handover/", {"to": str(world.cy.pk), "note": "Yours"})
    assert answer.status_code == 303
    shown = BeautifulSoup(signed_in(world.cy).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert "Ada handed this over to you" in shown.select_one("#banner").text
    assert "Yours" in shown.select_one("#banner").text
    assert signed_in(world.cy).get("/queue/?show=mine").content.count(b'class="row"') == 1


def test_the_holder_sees_the_question_and_answers_it(world: World, signed_in: Browser, draft: Draft) -> None:
    ada, cy = signed_in(world.ada), signed_in(world.cy)
    assert ada.post(f"/drafts/{draft.pk}/claim/").status_code == 303
    banner = BeautifulSoup(cy.get(f"/drafts/{draft.pk}/").content, "html.parser").select_one("#banner")
    assert "Ask to take over" in banner.text
    assert "Take over" not in banner.text.replace("Ask to take over", "")
    assert cy.post(f"/drafts/{draft.pk}/ask/").status_code == 303
    asked = BeautifulSoup(ada.get(f"/drafts/{draft.pk}/").content, "html.parser").select_one("#banner")
    assert "Cy asks for this conversation" in asked.text
    assert [b["formaction"].rsplit("/", 2)[1] for b in asked.select("button")] == ["give", "keep-claim"]
    assert ada.post(f"/drafts/{draft.pk}/give/").status_code == 303
    with tenant_context(world.acme.pk):
        assert Hold.objects.get().user == world.cy
    assert ada.post(f"/drafts/{draft.pk}/keep-claim/").status_code == 409


def test_nothing_of_it_is_there_for_strangers_and_auditors(world: World, signed_in: Browser, draft: Draft) -> None:
    for name in ("handover", "ask", "give", "keep-claim"):
        assert signed_in(world.eve).post(f"/drafts/{draft.pk}/{name}/", {"to": str(world.eve.pk)}).status_code == 404
        assert signed_in(world.bo).post(f"/drafts/{draft.pk}/{name}/", {"to": str(world.cy.pk)}).status_code == 403
    assert signed_in(world.eve).get(f"/drafts/{draft.pk}/handover/", headers=HTMX).status_code == 404
    assert signed_in(world.ada).post(f"/drafts/{draft.pk}/handover/", {"to": "nobody"}).status_code == 422
