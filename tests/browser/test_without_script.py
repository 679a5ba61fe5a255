"""The desk with scripts turned off: every act is a real form or link."""

from __future__ import annotations

from playwright.sync_api import expect

from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft, DraftAction, Hold
from tests.browser.conftest import OpenPage, Queue


def status(draft: Draft) -> str:
    with tenant_context(draft.account_id):
        return Draft.objects.values_list("status", flat=True).get(pk=draft.pk)


def test_a_person_signs_in_and_sees_the_queue(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(None, "/queue/", script=False)
    page.get_by_label("Work email").fill("ada@acme.test")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".error").first).to_be_visible()
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#rv-title")).to_have_text("Question of Customer A")


def test_approve_goes_on_to_the_next_draft_and_undo_comes_back(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, script=False)
    page.get_by_role("button", name="Approve and send").click()
    assert page.url.endswith(f"/drafts/{queue.second.pk}/")
    expect(page.locator(".notes")).to_contain_text("Approved")
    assert status(queue.first) == "approved"
    page.get_by_role("button", name="Undo").click()
    assert page.url.endswith(f"/drafts/{queue.first.pk}/")
    expect(page.locator(".notes")).to_contain_text("Undone. Nothing was sent.")
    assert status(queue.first) == "pending"


def test_an_unsourced_statement_asks_again_on_the_page(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.risky.pk}/", script=False)
    page.get_by_role("button", name="Approve and send").click()
    expect(page.locator("#banner")).to_contain_text("1 statement has no source")
    assert status(queue.risky) == "pending"
    page.get_by_role("button", name="Press again: send anyway").click()
    assert status(queue.risky) == "approved"


def test_an_edit_is_written_and_approved(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, script=False)
    page.locator(".actions").get_by_role("link", name="Edit").click()
    box = page.get_by_label("Reply text")
    box.fill(f"{queue.first.suggested_text}\nAda")
    page.locator(".reasons").get_by_text("Tone").click()
    page.get_by_role("button", name="Approve the edit").click()
    assert status(queue.first) == "approved"
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().body_text.endswith("Best regards\nAda")
        assert DraftAction.objects.get(draft=queue.first).reasons == ["tone"]


def test_a_stale_approval_keeps_the_words_in_the_box(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.first.pk}/?do=edit", script=False)
    page.get_by_label("Reply text").fill("My own words")
    queue.writes_again(queue.first, "One more thing")
    page.get_by_role("button", name="Approve the edit").click()
    expect(page.locator("#banner")).to_contain_text("wrote again")
    expect(page.locator("#decide")).to_contain_text("My own words")
    with tenant_context(queue.world.acme.pk):
        assert not Delivery.objects.exists()


def test_reject_asks_why(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, script=False)
    page.locator(".actions").get_by_role("link", name="Reject").click()
    page.get_by_text("Wrong product").click()
    page.get_by_label("Note for the team, optional").fill("They asked about rubber.")
    page.locator("[data-form=reject]").get_by_role("button", name="Reject").click()
    assert status(queue.first) == "rejected"
    with tenant_context(queue.world.acme.pk):
        action = DraftAction.objects.get(draft=queue.first)
    assert (action.reasons, action.notes) == (["wrong_product"], "They asked about rubber.")


def test_enter_in_the_instruction_asks_for_a_draft_and_sends_nothing(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.first.pk}/?do=redraft", script=False)
    page.get_by_role("textbox", name="What should change?").fill("Shorter")
    page.get_by_role("textbox", name="What should change?").press("Enter")
    expect(page.locator(".notes")).to_contain_text("Another draft is being written")
    assert status(queue.first) == "pending"
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.get(draft=queue.first).notes == "Shorter"


def test_claim_and_release(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, script=False)
    page.locator(".more summary").click()
    page.get_by_role("button", name="Claim").click()
    with tenant_context(queue.world.acme.pk):
        assert Hold.objects.get().user_id == queue.world.ada.pk
    page.locator(".more summary").click()
    page.get_by_role("button", name="Release").click()
    with tenant_context(queue.world.acme.pk):
        assert not Hold.objects.exists()


def test_walking_filtering_and_the_timeline(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, script=False)
    page.get_by_role("link", name="Next draft").click()
    expect(page.locator("#rv-title")).to_have_text("Question of Customer B")
    page.get_by_role("link", name="Previous draft").click()
    expect(page.locator("#rv-title")).to_have_text("Question of Customer A")
    page.get_by_role("link", name="Needs care").click()
    expect(page.locator("#rv-title")).to_have_text("Question of Customer D")
    page.get_by_label("Channel").select_option("Slack")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#rv-title")).to_have_text("Nothing matches these filters")
    page.goto(f"/drafts/{queue.first.pk}/")
    page.get_by_role("link", name="Audit timeline").click()
    expect(page.locator("h1")).to_have_text("Question of Customer A")
    expect(page.locator(".tag--ok").first).to_contain_text("Chain intact")
    page.locator(".tl__at").first.click()
    expect(page.locator("#detail")).to_contain_text("This hash")
