"""The desk's measurable promises: keys, requests, round trips, layout shift, sizes, and text that is never lost."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import rcssmin
import rjsmin
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from playwright.sync_api import Request, Route, expect

from config.static import whole_sheet
from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft, DraftAction
from tests.browser.conftest import OpenPage, Queue, armed, catch, title, until
from tests.browser.looks import WIDER

DESK = Path(settings.BASE_DIR) / "static" / "desk"
KB = 1024
SHIFTS = """() => { window.shifted = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: 'layout-shift', buffered: true }); }"""


def packed(text: str) -> int:
    return len(gzip.compress(text.encode(), 9))


def own_scripts() -> dict[str, int]:
    scripts = {
        path.name: path
        for path in DESK.glob("*.js")
        if path.name not in {"action-cards.js", "factors.js", "files.js", "many.js", "talk.js", "snippets.js"}
    }  # which the queue does not load: signing in, a conversation's own page, cards, and what the first "/" or file in a reply asks for
    return {name: packed(rjsmin.jsmin(path.read_text())) for name, path in scripts.items()}


def test_the_scripts_and_the_style_stay_small() -> None:
    scripts = own_scripts()
    assert sum(scripts.values()) <= 12 * KB + 512, scripts
    htmx = Path(str(finders.find("django_htmx/htmx-2.min.js") or finders.find("django_htmx/htmx.min.js")))
    assert sum(scripts.values()) + packed(htmx.read_text()) <= 32 * KB
    sheets = [packed(rcssmin.cssmin(whole_sheet(DESK / name))) for name in ("desk.css", "review.css")]
    assert sum(sheets) <= 11 * KB


def test_a_queue_page_of_fifty_rows_stays_small(queue: Queue, signed_in: Any) -> None:
    for at in range(60):
        queue.sourced(f"Customer {at}", at)
    client: Client = signed_in(queue.world.ada)
    page = client.get("/queue/").content.decode()
    assert page.count('class="row"') == 50
    assert packed(page) <= 20 * KB


def test_one_key_two_keys_one_request_and_no_wait(queue: Queue, open_page: OpenPage) -> None:
    """A sourced draft takes one key, an unsourced one two; each decision is one request, and the next draft is on
    screen while it is still on its way."""
    page = open_page(queue.world.ada)
    expect(page.locator("#next-slot template")).to_have_count(2)
    page.evaluate("document.querySelector('#pulse').remove()")
    asked: list[Request] = []
    held: list[Route] = []
    page.on("request", lambda request: None if "/static/" in request.url else asked.append(request))
    catch(page, "**/approve/", lambda route: held.append(route))
    for name, keys in (("A", "a"), ("B", "a"), ("C", "a")):
        expect(title(page)).to_have_text(f"Question of Customer {name}")
        armed(page)
        before = len(asked)
        page.keyboard.press(keys)
        if name == "C":
            break
        expect(title(page)).to_have_text(f"Question of Customer {'B' if name == 'A' else 'C'}")
        until(page, lambda: held, "the approval is on its way")
        assert len(asked) - before == 1, [r.url for r in asked[before:]]
        with page.expect_response("**/approve/"):
            held.pop().continue_()
    until(page, lambda: held, "the approval is on its way")
    held.pop().continue_()
    page.unroute("**/approve/")
    expect(title(page)).to_have_text("Question of Customer D")
    armed(page)
    before = len(asked)
    page.keyboard.press("a")
    page.keyboard.press("a")
    expect(title(page)).to_have_text("All caught up")
    assert len([r for r in asked[before:] if r.method == "POST"]) == 1


def test_nothing_moves_under_the_eyes_over_twenty_five_decisions(queue: Queue, open_page: OpenPage) -> None:
    for at in range(24):
        queue.sourced(f"Customer {at:02}", at)
    page = open_page(queue.world.ada)
    page.evaluate(SHIFTS)
    for done in range(25):
        armed(page)
        page.keyboard.press("a")
        if page.locator(f"#decide[data-id='{queue.risky.pk}']").count():
            page.keyboard.press("a")
        expect(page.locator("#count")).to_have_text(str(27 - done))
    assert page.evaluate("window.shifted") <= 0.02
    with tenant_context(queue.world.acme.pk):
        assert Delivery.objects.count() == 25


@pytest.mark.parametrize("path", ["/queue/?mode=focus", "/queue/batch/", "/views/", "/conversations/?q=hose"])
def test_nothing_is_wider_than_a_small_phone(queue: Queue, open_page: OpenPage, path: str) -> None:
    assert open_page(queue.world.ada, path, width=320).evaluate(WIDER) == 0


def test_key_repeat_modifiers_and_double_clicks_decide_nothing_twice(queue: Queue, open_page: OpenPage) -> None:
    page = open_page(queue.world.ada)
    armed(page)
    for chord in ("Control+a", "Alt+a", "Meta+a", "Shift+A", "Control+Shift+A"):
        page.keyboard.press(chord)
    page.keyboard.down("b")
    for _ in range(5):
        page.keyboard.down("a")  # the second and later are repeats
    page.keyboard.up("a")
    page.keyboard.up("b")
    expect(title(page)).to_have_text("Question of Customer B")
    armed(page)
    page.locator("[data-act=approve]").dblclick()
    expect(title(page)).to_have_text("Question of Customer C")
    expect(page.locator("#count")).to_have_text("2")
    page.wait_for_load_state("networkidle")
    with tenant_context(queue.world.acme.pk):
        assert DraftAction.objects.filter(type="approve").count() == 2
        assert Draft.objects.filter(status="pending").count() == 2


def test_a_press_made_before_the_draft_was_painted_is_not_taken_for_it(queue: Queue, open_page: OpenPage) -> None:
    """The page hangs for a second while the next draft comes: what was pressed meanwhile was meant for the one before."""
    page = open_page(queue.world.ada)
    armed(page)
    devtools = page.context.new_cdp_session(page)
    page.keyboard.press("a")
    page.evaluate("setTimeout(() => { const end = performance.now() + 900; while (performance.now() < end); })")
    key = {"key": "a", "code": "KeyA", "text": "a", "windowsVirtualKeyCode": 65}
    devtools.send("Input.dispatchKeyEvent", {"type": "keyDown", **key})
    devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    expect(page.locator("#count")).to_have_text("3")
    armed(page)
    expect(title(page)).to_have_text("Question of Customer B")
    with tenant_context(queue.world.acme.pk):
        assert Draft.objects.filter(status="pending").count() == 3
