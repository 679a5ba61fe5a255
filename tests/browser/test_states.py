"""Every state of the review page: reachable, said in words, accessible: light, dark and on a phone.

Pictures of them: COUNTERSIGN_SCREENSHOTS=<folder> pytest <this file>.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing, handover, life
from drafts.flow import progress
from drafts.flow.drafting import store_failure
from drafts.models import Draft
from tests import factories
from tests.browser.conftest import OpenPage, Queue, armed, catch, until
from tests.browser.looks import ALL_RULES, RULES_OF_A_LOOK, WIDER, violations
from tests.factories import seen

FOLDER = os.environ.get("COUNTERSIGN_SCREENSHOTS", "")
Shot = Callable[..., None]


#: Name, colour scheme and width of each look at a state, None for the width that the test chose; and the rules that are new in it.
LOOKS = (
    ("light", "light", None, ALL_RULES),
    ("dark", "dark", None, RULES_OF_A_LOOK),
    ("phone", "light", 390, ALL_RULES),
)

ONE_PANE = "(view) => document.querySelector('.desk')?.setAttribute('data-view', view)"


@pytest.fixture
def shot() -> Shot:
    """Looks at a state in three ways: accessible, nothing wider than the screen; and takes its pictures if it is asked to."""
    folder = Path(settings.BASE_DIR) / FOLDER / "states"

    def take(page: Page, name: str) -> None:
        view = page.evaluate("document.querySelector('.desk')?.dataset.view ?? ''")
        before = page.viewport_size or {"width": 1440, "height": 900}
        for look, scheme, width, rules in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 844} if width else before)
            if width and page.locator("#review #decide").count():
                page.evaluate(ONE_PANE, "review")  # a phone shows one pane; here it is the one with the state
            assert violations(page, rules) == [], f"{name}, {look}"
            assert page.evaluate(WIDER) == 0, f"{name}, {look}"
            if FOLDER:
                page.screenshot(path=folder / f"{name}-{look}.png")
        page.evaluate(ONE_PANE, view)
        page.set_viewport_size(before)
        page.emulate_media(color_scheme="light")

    return take


def banner(page: Page) -> Any:
    return page.locator("#banner, .banners .banner").first


def test_loading(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.risky.pk}/")
    held: list[Route] = []
    catch(page, f"**/drafts/{queue.first.pk}/", lambda route: held.append(route))
    page.locator(f"#row-{queue.first.pk}").click()
    expect(page.locator("#review [aria-busy=true]")).to_be_visible()
    shot(page, "loading")
    until(page, lambda: held, "the pane is asked for")
    held[0].continue_()
    expect(page.locator("#rv-title")).to_have_text("Question of Customer A")


def test_empty_and_no_match(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada, "/queue/?channel=slack")
    expect(page.locator("#review")).to_contain_text("“Slack” hides 4 waiting drafts.")
    shot(page, "no-match")
    with tenant_context(queue.world.acme.pk):
        decisions.approve(draft_id=queue.first.pk, actor=queue.world.ada, seen=seen(queue.first))
        for draft in Draft.objects.filter(status="pending"):
            life.snooze_draft(draft_id=draft.pk, actor=queue.world.ada, until=timezone.now() + timedelta(hours=1))
    page = open_page(queue.world.ada)
    expect(page.locator("#review")).to_contain_text("All caught up")
    expect(page.locator("#review")).to_contain_text("1 decision today")
    expect(page.locator("#review")).to_contain_text("3 snoozed come back by themselves")
    shot(page, "empty")


def test_no_draft(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    message = queue.message("Customer E")
    with tenant_context(queue.world.acme.pk):
        draft = store_failure(
            account_id=queue.world.acme.pk, conversation_id=message.conversation_id, reason="The model timed out twice."
        )
    assert draft is not None
    page = open_page(queue.world.ada, f"/drafts/{draft.pk}/")
    expect(page.locator("[data-slot=draft]")).to_contain_text("The model timed out twice.")
    shot(page, "no-draft")


def test_stale_and_source_changed(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    queue.writes_again(queue.first, "Forgot to say: it also sees track days.")
    page = open_page(queue.world.ada, f"/drafts/{queue.first.pk}/")
    expect(banner(page)).to_contain_text("Customer A wrote again")
    shot(page, "stale")
    with tenant_context(queue.world.acme.pk):
        Draft.objects.filter(pk=queue.second.pk).update(sources_changed_at=timezone.now())
    page = open_page(queue.world.ada, f"/drafts/{queue.second.pk}/")
    expect(banner(page)).to_contain_text("A source of this draft changed at")
    armed(page)
    shot(page, "source-changed")
    page.keyboard.press("a")
    expect(page.locator("#rv-title")).not_to_have_text("Question of Customer B")


def test_claimed_asked_for_and_handed_over(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    world = queue.world
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=queue.first.pk, actor=world.ada)
    agent = open_page(world.cy, f"/drafts/{queue.first.pk}/")
    expect(banner(agent)).to_contain_text("Ada is working on this conversation")
    shot(agent, "claimed")
    holder = open_page(world.ada, f"/drafts/{queue.first.pk}/")
    with agent.expect_response("**/ask/"):
        agent.get_by_role("button", name="Ask to take over").click()
    expect(agent.locator("#review")).to_contain_text("Ada is working on this conversation")
    holder.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(banner(holder)).to_contain_text("Cy asks for this conversation")
    shot(holder, "asked-for")
    holder.get_by_role("button", name="Give it").click()
    expect(banner(holder)).to_contain_text("Cy is working on this conversation")
    with tenant_context(world.acme.pk):
        handover.hand_over(draft_id=queue.second.pk, actor=world.ada, to=world.cy.pk, note="You know the Corvette.")
    page = open_page(world.cy, f"/drafts/{queue.second.pk}/")
    expect(banner(page)).to_contain_text("Ada handed this over to you")
    expect(banner(page)).to_contain_text("You know the Corvette.")
    shot(page, "handed-over")


def test_another_draft_on_the_way_and_ready(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    first, account = queue.first, queue.first.account_id
    page = open_page(queue.world.ada, f"/drafts/{first.pk}/progress/")
    progress.publisher(account_id=account, conversation_id=first.conversation_id)(
        "Hi Marcus,\nPTFE hose is safe with E85 on the supply and on the return"
    )
    expect(banner(page).locator(".prose p").last).to_contain_text("PTFE hose is safe with E85")
    shot(page, "being-written")
    with tenant_context(account):
        Draft.objects.filter(pk=first.pk).update(status="superseded")
    factories.draft(first.base_message, "Hi Marcus,\n\nPTFE hose is safe with E85, on both sides.\n\nBest regards")
    expect(banner(page)).to_contain_text("The new draft is ready")
    shot(page, "new-draft-ready")


def test_handing_over_by_the_form(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    page.locator(".more summary").click()
    page.get_by_role("link", name="Hand over").click()
    expect(page.locator("#ask-to")).to_be_focused()
    page.locator("#ask-to").select_option("Dan")
    page.locator("#ask-note").fill("You spoke to them on the phone.")
    shot(page, "hand-over")
    page.locator("[data-form=handover]").get_by_role("button", name="Hand over").click()
    expect(banner(page)).to_contain_text("Dan is working on this conversation")


def test_decided_elsewhere(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    with tenant_context(queue.world.acme.pk):
        decisions.approve(draft_id=queue.first.pk, actor=queue.world.dan, seen=seen(queue.first))
    page.keyboard.press("a")
    expect(page.locator("#banner[role=alert]")).to_contain_text("Dan was first")
    shot(page, "decided-elsewhere")


@pytest.mark.parametrize(("status", "words"), [("failed", "could not be sent"), ("uncertain", "sent or not?")])
def test_send_failed_and_uncertain(queue: Queue, open_page: OpenPage, shot: Shot, status: str, words: str) -> None:
    with tenant_context(queue.world.acme.pk):
        decisions.approve(draft_id=queue.first.pk, actor=queue.world.ada, seen=seen(queue.first))
        for step in ("queued", "sending", status):
            Delivery.objects.update(
                status=step, lease_until=timezone.now(), error="552 mailbox over quota", attempt_count=5
            )
    page = open_page(queue.world.ada)
    page.locator("#outbox").get_by_role("link", name="Look").click()
    expect(banner(page)).to_contain_text(words)
    expect(banner(page)).to_contain_text("The approved text is kept")
    shot(page, f"send-{status}")
    page.get_by_role("button", name="Try again" if status == "failed" else "It arrived").click()

    def settled() -> bool:
        with tenant_context(queue.world.acme.pk):
            return Delivery.objects.get().status == ("queued" if status == "failed" else "sent")

    until(page, settled, "the answer is carried out")


def test_offline(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("e")
    page.keyboard.type("Typed without a connection. ")
    page.context.set_offline(True)
    expect(page.locator(".banners")).to_contain_text("No connection")
    armed(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#alert")).to_contain_text("nothing was sent")
    expect(page.locator("#final")).to_have_value(f"Typed without a connection. {queue.first.suggested_text}")
    shot(page, "offline")
    page.context.set_offline(False)
    expect(page.locator("[data-offline]")).to_have_count(0)
    shot(page, "offline-over")


def test_signed_out_keeps_the_text_over_a_reload(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    cookies = page.context.cookies()
    page.keyboard.press("e")
    page.context.clear_cookies()
    page.keyboard.type("Typed signed out. ")
    expect(page.locator(".banners")).to_contain_text("Your session ended")
    shot(page, "signed-out")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.goto(f"/drafts/{queue.first.pk}/")
    expect(banner(page)).to_contain_text("You typed something here that was not saved")
    shot(page, "kept-here")
    page.get_by_role("button", name="Put it back").click()
    expect(page.locator("#final")).to_have_value(f"Typed signed out. {queue.first.suggested_text}")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.goto(f"/drafts/{queue.first.pk}/")
    expect(page.locator(".banners .banner")).to_have_count(0)


def test_two_texts_side_by_side(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    with page.expect_response("**/claim/"):
        page.keyboard.press("e")
    with tenant_context(queue.world.acme.pk):
        editing.release(draft_id=queue.first.pk, actor=queue.world.ada)
        theirs = queue.first.suggested_text.replace("Hi Marcus", "Dear Marcus")
        editing.save_revision(draft_id=queue.first.pk, actor=queue.world.dan, version=0, text=theirs)
    page.keyboard.type("Mine. ")
    expect(page.locator(".both")).to_contain_text("Dan, version 1")
    expect(page.locator(".both")).to_contain_text("Dear Marcus")
    expect(page.locator(".both ins")).to_contain_text("Mine.")
    expect(page.locator("#final")).to_have_value(f"Mine. {queue.first.suggested_text}")
    shot(page, "two-texts")
    page.get_by_role("button", name="Go on with mine").click()
    expect(page.locator("#decide input[name=version]")).to_have_value("2")
    expect(page.locator("#final")).to_have_value(f"Mine. {queue.first.suggested_text}")


def test_unsourced_and_read_only(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada, f"/drafts/{queue.risky.pk}/")
    armed(page)
    page.keyboard.press("a")
    expect(page.locator("[data-act=approve]")).to_contain_text("Press again: 1 unsourced")
    shot(page, "unsourced")
    page = open_page(queue.world.bo)
    assert page.locator("#decide :is(button, input, textarea, select)").count() == 0
    shot(page, "read-only")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (320, "dark")])
def test_focus_mode(queue: Queue, open_page: OpenPage, shot: Shot, width: int, scheme: str) -> None:
    with tenant_context(queue.world.acme.pk):
        decisions.approve(draft_id=queue.third.pk, actor=queue.world.ada, seen=seen(queue.third))
    page = open_page(queue.world.ada, "/queue/?mode=focus", width=width, scheme=scheme)
    expect(page.locator("#strip")).to_contain_text("1 of 4 decided today")
    if width > 1000:
        expect(page.locator(".next")).to_have_text("Next: Customer B")
        expect(page.locator(".queue")).to_be_hidden()
    shot(page, f"focus-{width}-{scheme}")


def test_focus_mode_by_keys_from_first_to_last(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("f")
    expect(page.locator("#strip")).to_be_visible()
    for name in "ABC":
        expect(page.locator("#rv-title")).to_have_text(f"Question of Customer {name}")
        armed(page)
        page.keyboard.press("a")
    expect(page.locator("#strip")).to_contain_text("3 of 4 decided today")
    expect(page.locator("#strip .dot")).to_have_count(3)
    armed(page)
    page.keyboard.press("z")
    expect(page.locator("#rv-title")).to_have_text("Question of Customer C")
    page.keyboard.press("Escape")
    expect(page.locator(".queue")).to_be_visible()
    assert page.url.endswith("/queue/")


def test_a_batch_by_keys(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("x")
    page.keyboard.press("Shift+J")
    page.keyboard.press("Shift+J")
    page.keyboard.press("Shift+J")
    expect(page.locator("#batch button")).to_have_text("Look at 4 chosen")
    with page.expect_response("**/queue/pulse/**"):
        page.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(page.locator(".pickrow:checked")).to_have_count(4)
    shot(page, "batch-chosen")
    page.locator("#batch button").click()
    expect(page.locator("[name=take]")).to_have_count(3)
    expect(page.locator("main")).to_contain_text("1 without a source")
    shot(page, "batch")
    page.get_by_role("button", name="Approve what is ticked").click()
    expect(page.locator("h1")).to_have_text("3 approved")
    shot(page, "batch-done")
    page.get_by_role("button", name="Undo").first.click()

    def one_less() -> bool:
        with tenant_context(queue.world.acme.pk):
            return Delivery.objects.filter(status="held").count() == 2

    until(page, one_less, "one of three approvals is taken back")


def test_two_people_see_each_other(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    one, two = open_page(queue.world.ada), open_page(queue.world.dan)
    with two.expect_response("**/queue/pulse/**"):
        two.evaluate("htmx.trigger('#pulse', 'wake')")
    one.evaluate("htmx.trigger('#pulse', 'wake')")
    expect(one.locator(".room .avatar")).to_have_attribute("aria-label", "Dan is reading this too")
    shot(one, "presence")


def test_the_palette_finds_conversations_and_commands(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada)
    page.keyboard.press("Control+k")
    page.keyboard.type("customer.c")
    expect(page.locator("#pal-found b").first).to_have_text("Customer C")
    shot(page, "palette")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Question of Customer C")


def test_saved_views_and_search_pages(queue: Queue, open_page: OpenPage, shot: Shot) -> None:
    page = open_page(queue.world.ada, "/queue/?show=care")
    page.locator(".views summary").click()
    page.get_by_role("link", name="Save or remove").click()
    page.locator("#v-name").fill("To look at twice")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".views summary").click()
    expect(page.locator(".views a").first).to_have_text("To look at twice")
    shot(page, "saved-views-menu")
    page.goto("/views/")
    shot(page, "saved-views")
    page.goto("/conversations/?q=is:pending+colour:red+PTFE")
    expect(page.locator("main")).to_contain_text("There is no “colour:”")
    shot(page, "search")


def test_the_links_of_the_bar_ask_in_place_and_load_no_page(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    page.evaluate("window.same = true")
    for act, kind in (("reject", "reject"), ("redraft", "redraft"), ("snooze", "snooze")):
        page.locator(f".actions > [data-act={act}]").click()
        expect(page.locator(f"[data-form={kind}]")).to_be_visible()
        page.keyboard.press("Escape")
    page.locator(".actions > [data-act=edit]").click()
    expect(page.locator("#final")).to_be_focused()
    assert page.evaluate("window.same")
