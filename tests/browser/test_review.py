"""The review pane under the fingers: keys, zero-wait decisions, undo, edits, refusals."""

from __future__ import annotations

import re

from django.utils import timezone
from playwright.sync_api import expect

from conversations.audit import SYSTEM, Kind, record
from conversations.channels.base import Party
from conversations.models import Delivery, User
from conversations.tenancy import tenant_context
from drafts.desk import editing
from drafts.flow import progress
from drafts.flow.drafting import store_failure
from drafts.models import Draft, DraftAction
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, Queue, armed, catch, statuses, title, until, wait_for_status


def test_one_key_approves_and_shows_the_next_draft(queue: Queue, open_page: OpenPage, complaints: Complaints) -> None:
    page = open_page(queue.world.ada)
    expect(title(page)).to_have_text("Question of Customer A")
    armed(page)
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer B")
    expect(title(page)).to_be_focused()
    wait_for_status(page, queue.first, "approved")
    expect(page.locator("#count")).to_have_text("3")
    for place in ("#tally-all", "#nav-count"):
        expect(page.locator(place)).to_have_text("3")
    expect(page.locator("#outbox li").first).to_contain_text("Customer A")
    expect(page.locator(f"#li-{queue.first.pk}")).to_have_count(0)
    expect(page.locator("#say")).to_contain_text("Approved: Customer A")
    assert complaints == []


def test_the_next_draft_is_shown_before_the_server_has_answered(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    held = []
    catch(page, "**/approve/", lambda route: held.append(route))
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer B")
    until(page, lambda: held, "the approval is on its way")
    assert statuses(queue)["A"] == "pending"
    held[0].continue_()
    wait_for_status(page, queue.first, "approved")


def test_a_burst_of_presses_decides_each_draft_once(queue: Queue, open_page: OpenPage) -> None:
    """Trusted key events in one go, as a held or bouncing key gives them: however slow the machine, the later ones come
    before the next draft has been on screen for long enough."""
    page = open_page(queue.world.ada)
    armed(page)
    devtools = page.context.new_cdp_session(page)
    now = page.evaluate("performance.timeOrigin + performance.now()") / 1000
    for at in range(5):
        key = {"key": "a", "code": "KeyA", "text": "a", "windowsVirtualKeyCode": 65, "timestamp": now + at / 100}
        devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", **key})
        devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    wait_for_status(page, queue.first, "approved")
    expect(page.locator("#count")).to_have_text("3")
    assert statuses(queue) == {"A": "approved", "B": "pending", "C": "pending", "D": "pending"}


def test_a_whole_queue_can_be_approved_by_keys(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    for name in "ABC":
        expect(title(page)).to_have_text(f"Question of Customer {name}")
        armed(page)
        page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer D")
    armed(page)
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(title(page)).to_have_text("All caught up")
    wait_for_status(page, queue.risky, "approved")
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.count() == 4


def test_an_unsourced_statement_asks_for_a_second_press(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.risky.pk}/")
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("[data-act=approve]")).to_contain_text("Press again: 1 unsourced")
    expect(page.locator("#say")).to_contain_text("Tighten the ends")
    assert statuses(queue)["D"] == "pending"
    page.keyboard.press("a")
    wait_for_status(page, queue.risky, "approved")
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.get(draft=queue.risky).pressed_twice is True


def test_z_takes_the_approval_back_and_nothing_is_sent(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("#outbox [data-undo]")).to_be_visible()
    page.keyboard.press("z")
    expect(title(page)).to_have_text("Question of Customer A")
    expect(title(page)).to_be_focused()
    expect(page.locator(f"#li-{queue.first.pk}")).to_be_visible()
    expect(page.locator("#count")).to_have_text("4")
    assert statuses(queue)["A"] == "pending"
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().status == "cancelled"


def test_a_draft_taken_back_can_be_approved_again(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("#outbox [data-undo]")).to_be_visible()
    page.keyboard.press("z")
    expect(title(page)).to_have_text("Question of Customer A")
    armed(page)
    page.keyboard.press("a")
    expect(title(page)).to_have_text("Question of Customer B")
    wait_for_status(page, queue.first, "approved")


def test_reject_takes_a_reason_by_number(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("r")
    expect(page.locator("[data-form=reject]")).to_be_visible()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(title(page)).to_have_text("Question of Customer B")
    wait_for_status(page, queue.first, "rejected")
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.get(draft=queue.first).reasons == ["tone"]
    page.locator("#outbox").get_by_role("button", name="Reopen").click()
    expect(title(page)).to_have_text("Question of Customer A")
    assert statuses(queue)["A"] == "pending"


def test_redraft_sends_the_instruction_and_keeps_the_draft(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("g")
    page.keyboard.type("Shorter, please")
    page.keyboard.press("Enter")
    expect(page.locator("#banner")).to_contain_text("Another draft is being written")
    with tenant_context(queue.world.acme.pk):
        action = DraftAction.objects.get(draft=queue.first)
    assert (action.type, action.notes) == ("regenerate", "Shorter, please")


def test_another_draft_is_read_while_it_is_written_and_shown_when_it_is_there(
    queue: Queue, open_page: OpenPage, complaints: Complaints
) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    banner = page.locator("#banner")
    expect(banner).to_contain_text("Another draft is being written")
    account, conversation = queue.first.account_id, queue.first.conversation_id
    progress.publisher(account_id=account, conversation_id=conversation)("Hi,\nPTFE hose is")
    expect(banner.locator(".prose p").last).to_have_text("PTFE hose is")
    with tenant_context(account):
        Draft.objects.filter(pk=queue.first.pk).update(status="superseded")
    newer = factories.draft(queue.first.base_message, "Hi,\n\nYes, PTFE hose.\n\nBest regards", statements=[])
    expect(banner).to_contain_text("The new draft is ready")
    expect(banner.locator("ins").first).to_be_visible()
    banner.get_by_role("link", name="Show it").click()
    expect(page.locator(f"#decide[data-id='{newer.pk}']")).to_be_visible()
    expect(page.locator("#review")).to_contain_text("Yes, PTFE hose.")
    assert complaints == []


def test_snooze_takes_the_draft_out_of_the_queue(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    expect(title(page)).to_have_text("Question of Customer B")

    def snoozed() -> object:
        with tenant_context(queue.world.acme.pk):
            return Draft.objects.get(pk=queue.first.pk).snoozed_until

    until(page, snoozed, "the draft sleeps")


def test_one_press_beside_to_answers_who_wrote_what_was_passed_on(
    queue: Queue, open_page: OpenPage, complaints: Complaints
) -> None:
    message = factories.message(queue.world.mail, "Could you help?", forwarded=Party("kim@client.test", "Kim Dahl"))
    passed_on = factories.draft(message)
    page = open_page(queue.world.ada, f"/drafts/{passed_on.pk}/")
    page.locator(".to > summary").click()
    page.get_by_role("button", name="Answer Kim Dahl instead").click()
    expect(page.locator(".to > summary")).to_contain_text("Kim Dahl <kim@client.test>")
    page.locator(".to > summary").click()
    expect(page.get_by_role("button", name="Answer Marcus Delgado instead")).to_be_visible()
    page.locator("#rv-title").focus()
    armed(page)
    page.keyboard.press("a")  # its sentence has no source here: the second press sends
    page.keyboard.press("a")
    wait_for_status(page, passed_on, "approved")
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().envelope["to"] == [{"address": "kim@client.test", "name": "Kim Dahl"}]
    assert complaints == []


def test_a_newer_message_refuses_the_approval_and_the_banner_has_the_focus(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    queue.writes_again(queue.first, "Forgot to say: it also sees track days.")
    page.keyboard.press("a")
    banner = page.locator("#banner[role=alert]")
    expect(banner).to_contain_text("wrote again")
    expect(banner).to_be_focused()
    expect(title(page)).to_have_text("Question of Customer A")
    with tenant_context(queue.world.acme.pk):
        assert not Delivery.objects.exists()


def test_a_decision_that_does_not_arrive_comes_back(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    catch(page, "**/approve/", lambda route: route.abort())
    page.keyboard.press("a")
    expect(page.locator("#alert")).to_contain_text("nothing was sent")
    expect(title(page)).to_have_text("Question of Customer A")
    expect(page.locator(f"#li-{queue.first.pk}")).to_be_visible()
    page.unroute("**/approve/")
    armed(page)
    page.keyboard.press("a")
    wait_for_status(page, queue.first, "approved")


def test_another_persons_claim_is_shown_and_respected(queue: Queue, open_page: OpenPage) -> None:
    with tenant_context(queue.world.acme.pk):
        editing.claim(draft_id=queue.first.pk, actor=queue.world.cy)
    page = open_page(queue.world.ada)
    expect(page.locator("#banner")).to_contain_text("Cy is working on this")
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("#say")).to_contain_text("Approve is off while")
    assert statuses(queue)["A"] == "pending"
    page.get_by_role("button", name="Take over").click()
    expect(page.locator("#banner")).to_have_count(0)
    armed(page)
    page.keyboard.press("a")
    wait_for_status(page, queue.first, "approved")


def test_j_and_k_walk_and_number_keys_show_sources(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("j")
    expect(title(page)).to_have_text("Question of Customer B")
    page.keyboard.press("k")
    expect(title(page)).to_have_text("Question of Customer A")
    page.keyboard.press("1")
    expect(page.locator("#src-1")).to_have_attribute("aria-current", "true")
    expect(page.locator("#say")).to_contain_text("Source 1")
    assert page.url.endswith(f"/drafts/{queue.first.pk}/")
    for name in "BCD":
        page.keyboard.press("j")
        expect(title(page)).to_have_text(f"Question of Customer {name}")
    page.keyboard.press("n")
    expect(page.locator("#say")).to_contain_text("No source: Tighten")


def test_single_keys_can_be_turned_off_in_their_own_list(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("?")
    with page.expect_response("**/profile/preferences/") as answer:
        page.locator("#keys label", has_text="Off").click()
    assert answer.value.status == 204
    page.keyboard.press("Escape")
    armed(page)
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert statuses(queue)["A"] == "pending"
    assert User.objects.get(pk=queue.world.ada.pk).choices.single_keys == "off"


def test_a_new_draft_appears_and_a_stale_one_says_so_without_a_reload(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    queue.writes_again(queue.first, "Forgot to say: it also sees track days.")
    queue.sourced("Customer E", 5)
    page.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(page.locator("#rows")).to_contain_text("Customer E")
    expect(page.locator("#banner")).to_contain_text("Customer A wrote again")
    expect(page.locator("#banner")).to_contain_text("track days")
    expect(page.locator("[data-act=approve]")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#count")).to_have_text("4")


def test_a_conversation_without_a_draft_is_answered_by_hand(queue: Queue, open_page: OpenPage) -> None:
    message = queue.message("Customer E")
    with tenant_context(queue.world.acme.pk):
        draft = store_failure(
            account_id=queue.world.acme.pk, conversation_id=message.conversation_id, reason="The model timed out twice."
        )
    assert draft is not None
    page = open_page(queue.world.ada, f"/drafts/{draft.pk}/")
    expect(page.locator("[data-slot=draft]")).to_contain_text("The model timed out twice.")
    expect(page.locator(".actions [data-act=approve]")).to_have_attribute("aria-disabled", "true")
    armed(page)
    page.keyboard.press("e")
    page.keyboard.type("Thank you for writing.")
    page.keyboard.press("Control+Enter")
    wait_for_status(page, draft, "approved")
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.get().body_text == "Thank you for writing."


def test_the_strip_counts_down_and_then_tells_what_became_of_it(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.keyboard.press("a")
    number = page.locator("#outbox b.num").first
    first = number.inner_text()
    expect(number).to_have_text(re.compile(r"^\d+ s$"))
    expect(number).not_to_have_text(first)
    with tenant_context(queue.world.acme.pk):
        for status in ("queued", "sending", "sent"):
            now = timezone.now()
            Delivery.objects.update(status=status, lease_until=now, sent_at=now if status == "sent" else None)
        delivery = Delivery.objects.get()
        record(Kind.DELIVERY_SENT, actor=SYSTEM, about=delivery, conversation_id=delivery.conversation_id)
    page.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(page.locator("#outbox li").first).to_contain_text("Sent to Customer A")


def test_an_auditor_reads_and_finds_no_control(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.bo)
    expect(title(page)).to_have_text("Question of Customer A")
    assert page.locator("#decide button, #decide input, #decide textarea").count() == 0
    page.keyboard.press("a")
    page.keyboard.press("e")
    page.wait_for_timeout(300)
    assert statuses(queue)["A"] == "pending"
