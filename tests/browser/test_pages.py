"""Every page in four looks: no accessibility violation, no sideways scrolling, nothing that the policy refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from conversations.channels.base import File, Party
from conversations.customers import merging
from conversations.models import Customer, Delivery, Notification, User
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing
from drafts.desk.decisions import Attention
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, Queue
from tests.browser.looks import SCREENS, violations, wrong_on
from tests.factories import seen


@dataclass
class Place:
    name: str
    path: str
    user: User | None


@pytest.fixture
def places(queue: Queue) -> list[Place]:
    """Every page with something on it: an edited approval, a rejection, a stale draft, a claim, an uncertain delivery."""
    world, ada = queue.world, queue.world.ada
    edited = f"{queue.first.suggested_text}\n\nAda"
    queue.writes_again(queue.first, "Forgot to say: it also sees track days.")
    doubtful = queue.sourced("Customer F", 6)
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=queue.second.pk, actor=world.cy)
        decisions.reject(
            draft_id=queue.third.pk, actor=ada, seen=seen(queue.third), reasons=["tone"], notes="Too stiff."
        )
        attention = Attention(viewed_ms=41_000, sources_opened=2, pressed_twice=True)
        decisions.approve(draft_id=doubtful.pk, actor=ada, seen=seen(doubtful), final_text=edited, attention=attention)
        delivery = Delivery.objects.get()
        for status in ("queued", "sending", "uncertain"):
            Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=delivery.hold_until)
        Notification.objects.create(account=world.acme, user=ada, type="send_uncertain", payload={"conversation": str(doubtful.conversation_id)})  # fmt: skip
        held = queue.sourced("Customer G", 7)
        decisions.approve(draft_id=held.pk, actor=ada, seen=seen(held))
    for who in ("work@customer.test", "home@customer.test"):
        factories.message(world.mail, sender=Party(who, "Customer F"))
    with tenant_context(world.acme.pk):
        customer, twin = (
            Customer.objects.get(addresses__address=who) for who in ("customer.f@customer.test", "work@customer.test")
        )
        merged = merging.merge(customer_id=twin.pk, into_id=customer.pk, actor=ada)
    conversation = f"/conversations/{doubtful.conversation_id}/"
    risky = f"/drafts/{queue.risky.pk}/"
    return [
        Place("queue", "/queue/", ada),
        Place("nothing matches", "/queue/?channel=slack", ada),
        Place("draft", risky, ada),
        Place("draft, editing", f"{risky}?do=edit", ada),
        Place("draft, rejecting", f"{risky}?do=reject", ada),
        Place("draft, redrafting", f"{risky}?do=redraft", ada),
        Place("draft, snoozing", f"{risky}?do=snooze", ada),
        Place("draft, stale", f"/drafts/{queue.first.pk}/", ada),
        Place("draft, claimed", f"/drafts/{queue.second.pk}/", ada),
        Place("draft, decided", f"/drafts/{queue.third.pk}/", ada),
        Place("draft, auditor", risky, world.bo),
        Place("draft, agent", risky, world.cy),
        Place("history", "/conversations/", ada),
        Place("history, no match", "/conversations/?q=nobody", ada),
        Place("conversation", conversation, ada),
        Place("customer", f"/customers/{customer.pk}/?merged={merged}", world.dan),
        Place("timeline", f"{conversation}timeline/", ada),
        Place("timeline, event", f"{conversation}timeline/?event=1", ada),
        Place("notifications", "/notifications/", ada),
        Place("preferences", "/profile/", ada),
        Place("own tokens", "/profile/tokens/", ada),
        Place("switch", "/switch/", ada),
        Place("not found", "/drafts/00000000-0000-7000-8000-000000000000/", ada),
        Place("sign in", "/accounts/login/", None),
        Place("change password", "/accounts/password/change/", ada),
        Place("two-factor", "/accounts/2fa/", ada),
        Place("sign out", "/accounts/logout/", ada),
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_is_accessible_and_fits(
    places: list[Place], open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    wrong: list[str] = []
    pages: dict[Any, Page] = {}
    for place in places:
        key = place.user and place.user.pk
        if key in pages:
            pages[key].goto(place.path)
        else:
            pages[key] = open_page(place.user, place.path, width=screen[0])
        wrong += [f"{place.name}, {words}" for words in wrong_on(pages[key], screen)]
    assert wrong == []
    assert complaints == []


def test_dialogs_are_accessible_and_give_the_focus_back(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    for key, dialog in (("?", "#keys"), ("Control+k", "#palette")):
        page.locator("#rv-title").focus()
        page.keyboard.press(key)
        expect(page.locator(dialog)).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.locator("#rv-title")).to_be_focused()


def test_the_menu_of_the_account_is_accessible(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.locator(".topbar .menu--end > summary").click()
    expect(page.get_by_role("link", name="Preferences")).to_be_visible()
    assert violations(page) == []


def test_the_toolbar_is_one_tab_stop_with_arrows_inside(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    page.locator("[data-act=approve]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".actions [data-act=edit]").first).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".actions summary")).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator("[data-act=approve]")).to_be_focused()
    assert page.locator(".actions > [tabindex='0']").count() == 1


def test_the_theme_follows_the_person(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    with page.expect_response("**/profile/preferences/"):
        page.get_by_role("button", name="Switch light or dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    again = open_page(queue.world.ada, "/conversations/")
    assert again.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_admin_wears_our_colours_under_the_same_policy(
    queue: Queue, open_page: OpenPage, complaints: Complaints, scheme: str
) -> None:
    page = open_page(queue.world.dan, "/admin/", scheme=scheme)
    expect(page.locator("#site-name")).to_have_text("Countersign administration")
    contrast = violations(page, ["color-contrast"])
    page.get_by_role("link", name="Channels", exact=True).click()
    contrast += violations(page, ["color-contrast"])
    assert contrast == []
    assert complaints == []


PLANTED = """() => {
  document.querySelector("#main").append(document.createElement("img"));
  const late = document.createElement("p");
  late.textContent = "Hardly to be read in the dark";
  document.querySelector("#main").prepend(late);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (dark) => {
    late.style.cssText = dark.matches ? "background: #777; color: #888; width: 110vw" : "";
  });
}"""


def test_a_planted_violation_is_found_in_its_look(queue: Queue, open_page: OpenPage) -> None:
    """The check itself works: an image without a text alternative, and what is wrong in the dark alone."""
    page = open_page(queue.world.ada, "/profile/", width=390)
    page.evaluate(PLANTED)
    wrong = wrong_on(page, (390, 320))
    assert [words.split()[:2] for words in wrong[:-1]] == [
        ["390-light:", "image-alt:"],
        ["320-dark:", "color-contrast:"],
    ]
    assert wrong[-1].startswith("320-dark: ")
    assert wrong[-1].endswith(" px wider than the screen")


def test_customer_html_neither_runs_nor_fetches(queue: Queue, open_page: OpenPage, complaints: Complaints) -> None:
    """The second wall: even unsanitised HTML in the frame does nothing."""
    hostile = '<p>Hello</p><img src="https://evil.test/x.gif" onerror="top.document.title=1"><script>top.stolen=1</script><form action="https://evil.test/"><button>x</button></form>'  # fmt: skip
    with tenant_context(queue.world.acme.pk):
        message = queue.first.base_message
        type(message).objects.filter(pk=message.pk).update(body_html=hostile)
    page = open_page(queue.world.ada, f"/drafts/{queue.first.pk}/")
    page.get_by_text("Original formatting").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("p")).to_have_text("Hello")
    assert page.evaluate("window.stolen") is None
    assert [words for words in complaints if words.startswith("elsewhere")] == []


def test_files_are_downloaded_never_shown(queue: Queue, open_page: OpenPage, attachments_dir: Any) -> None:
    hose = File("höse.svg", "image/svg+xml", b"<svg onload=alert(1)>")
    message = factories.message(
        queue.world.mail, "See the picture", files=(hose,), sender=Party("h@customer.test", "H")
    )
    draft = factories.draft(message)
    page = open_page(queue.world.ada, f"/drafts/{draft.pk}/")
    with page.expect_download() as download:
        page.get_by_role("link", name="höse.svg").click()
    assert download.value.suggested_filename == "höse.svg"
