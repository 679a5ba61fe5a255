"""Words under the fingers: saved while typing, never taken away by an answer, a reload or a decision."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing
from drafts.models import DraftAction, DraftRevision
from tests.browser.conftest import OpenPage, Queue, armed, catch, statuses, title, until, wait_for_status
from tests.factories import seen


def test_an_edit_is_saved_while_typing_shown_as_a_diff_and_approved(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    box = page.locator("#final")
    expect(box).to_be_focused()
    box.press("Control+End")
    page.keyboard.type("\nAda at Acme")
    expect(page.locator("[data-diff] ins")).to_contain_text("Ada at Acme")
    expect(page.locator("#saved")).to_contain_text("Saved")
    expect(page.locator("#decide [name=version]")).to_have_value("1")
    page.keyboard.press("Control+Enter")
    expect(title(page)).to_have_text("Question of Customer B")
    wait_for_status(page, queue.first, "approved")
    with tenant_context(queue.world.acme.pk):
        action = DraftAction.objects.get(draft=queue.first, type="edit")
        assert action.final_text is not None
        assert action.final_text.endswith("Best regards\nAda at Acme")
        assert Delivery.objects.get().body_text == action.final_text


def test_an_edit_approved_at_once_is_asked_about_its_unsourced_words_and_kept(
    queue: Queue, open_page: OpenPage
) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    armed(page)
    page.locator("#final").press("Control+End")
    page.keyboard.type("\n\nTighten the ends to 18 ft-lb.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#banner[role=alert]")).to_contain_text("1 statement has no source")
    expect(page.locator("#final")).to_have_value(f"{queue.first.suggested_text}\n\nTighten the ends to 18 ft-lb.")
    assert statuses(queue)["A"] == "pending"
    armed(page)
    page.locator("#final").press("Control+Enter")
    wait_for_status(page, queue.first, "approved")
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().body_text.endswith("Tighten the ends to 18 ft-lb.")


def test_a_decision_waits_for_the_save_under_way(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    armed(page)
    held: list[Route] = []
    catch(page, "**/edit/", lambda route: held.append(route))
    page.locator("#final").press("Control+End")
    page.keyboard.type("!")
    until(page, lambda: held, "the save is on its way")
    page.keyboard.press("Control+Enter")
    expect(title(page)).to_have_text("Question of Customer B")
    page.wait_for_timeout(300)
    assert statuses(queue)["A"] == "pending"
    with page.expect_request("**/approve/") as sent:
        held[0].continue_()
    assert "version=1" in (sent.value.post_data or "")


def test_escape_leaves_the_editor_and_keeps_the_text(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    page.keyboard.type("Kept. ")
    page.keyboard.press("Escape")
    expect(title(page)).to_be_focused()
    expect(page.locator("#final")).to_have_value(f"Kept. {queue.first.suggested_text}")


def test_letters_typed_into_the_editor_decide_nothing(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    armed(page)
    page.keyboard.type("arz")
    expect(page.locator("#final")).to_have_value(f"arz{queue.first.suggested_text}")
    assert statuses(queue)["A"] == "pending"


def test_the_loser_of_a_race_keeps_the_words_that_were_typed(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    armed(page)
    catch(page, "**/edit/", lambda route: route.abort())
    page.locator("#final").press("Control+End")
    page.keyboard.type(" PS: mine")
    with tenant_context(queue.world.acme.pk):
        editing.claim(draft_id=queue.first.pk, actor=queue.world.dan, take_over=True)
        decisions.approve(draft_id=queue.first.pk, actor=queue.world.dan, seen=seen(queue.first))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#banner[role=alert]")).to_contain_text("Dan was first")
    expect(page.locator("body")).to_contain_text("PS: mine")
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().body_text == queue.first.suggested_text


def test_a_refusal_does_not_take_away_the_draft_being_edited(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    queue.writes_again(queue.first, "One more thing")
    held = []
    catch(page, "**/approve/", lambda route: held.append(route))
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer B")
    page.keyboard.press("e")
    page.keyboard.type("Half a sentence")
    until(page, lambda: held, "the approval is on its way")
    held[0].continue_()
    expect(page.locator("#alert")).to_contain_text("not carried out")
    expect(title(page)).to_have_text("Question of Customer B")
    expect(page.locator("#final")).to_have_value(f"Half a sentence{queue.second.suggested_text}")


def test_a_refusal_does_not_take_away_an_editor_that_was_just_opened(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    queue.writes_again(queue.first, "One more thing")
    held: list[Route] = []
    catch(page, "**/approve/", lambda route: held.append(route))
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer B")
    page.keyboard.press("e")
    expect(page.locator("#final")).to_be_focused()
    until(page, lambda: held, "the approval is on its way")
    held[0].continue_()
    expect(page.locator("#alert")).to_contain_text("not carried out")
    page.keyboard.type("Nobody's words but mine")
    expect(page.locator("#final")).to_have_value(f"Nobody's words but mine{queue.second.suggested_text}")


def test_words_typed_before_a_rejection_are_kept_as_a_revision(queue: Queue, open_page: OpenPage) -> None:
    """Rejected within the 800 ms before the save: the words are the draft's last revision all the same."""
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("e")
    page.keyboard.type("Too good to lose. ")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    wait_for_status(page, queue.first, "rejected")
    with tenant_context(queue.world.acme.pk):
        assert DraftRevision.objects.get(draft=queue.first).text.startswith("Too good to lose. ")


def test_a_copy_kept_here_is_in_the_box_when_the_editor_opens(queue: Queue, open_page: OpenPage) -> None:
    """What is typed next would replace the copy, and the words of before with it."""
    page = open_page(queue.world.ada)
    catch(page, "**/edit/", lambda route: route.abort())
    page.keyboard.press("e")
    page.keyboard.type("Not saved. ")
    expect(page.locator("#saved")).to_contain_text("kept here")
    page.reload()
    expect(page.locator(".banners")).to_contain_text("not saved")
    page.keyboard.press("e")
    expect(page.locator("#final")).to_have_value(f"Not saved. {queue.first.suggested_text}")
    expect(page.locator(".banners .banner")).to_have_count(0)


def test_an_approval_of_the_drafts_own_text_leaves_the_unsaved_copy(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    catch(page, "**/edit/", lambda route: route.abort())
    page.keyboard.press("e")
    page.keyboard.type("Not saved. ")
    expect(page.locator("#saved")).to_contain_text("kept here")
    page.reload()
    armed(page)
    page.keyboard.press("a")
    wait_for_status(page, queue.first, "approved")
    page.reload()
    kept = page.evaluate(
        "Object.keys(localStorage).filter((key) => /^countersign/.test(key)).map((key) => localStorage[key])"
    )
    assert len(kept) == 1
    assert "Not saved. " in kept[0]


def test_an_ended_session_keeps_the_text_and_says_so(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    page.keyboard.type("Typed before. ")
    page.context.clear_cookies()
    page.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(page.locator(".banners")).to_contain_text("Your session ended")
    expect(page.locator("#final")).to_have_value(f"Typed before. {queue.first.suggested_text}")
