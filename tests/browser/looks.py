"""Looking at a page as it is in each look: what is not accessible on it, and what is wider than the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

#: A page is loaded at the first width, in light, and looked at wholly; then it turns dark, at the second width.
SCREENS = [(1440, 1440), (390, 320)]
ALL_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: What a scheme or some pixels of width can break on a page that was looked at; names, roles and order are what they were.
RULES_OF_A_LOOK = ["color-contrast", "target-size"]
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: Two frames, and the end of what moves from the one scheme's colours to the other's (what turns for ever is not waited for).
PAINTED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ends = document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity);
  await Promise.race([Promise.allSettled(ends.map((one) => one.finished)), new Promise((done) => setTimeout(done, 2000))]);
}"""
#: What axe has against one element when it stands in the middle of the screen. The page goes back to where it was.
SCROLLED_TO = """async (selector) => {
  const place = window.scrollY;
  document.querySelector(selector).scrollIntoView({ block: 'center', behavior: 'instant' });
  const { violations } = await axe.run(selector, { runOnly: ['target-size'], resultTypes: ['violations'] });
  window.scrollTo({ top: place, behavior: 'instant' });
  return violations.map((one) => one.id);
}"""
AXE = Axe().axe_script


def violations(page: Page, rules: list[str] = ALL_RULES) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    nodes = [(v["id"], node) for v in found for node in v["nodes"]]
    return [f"{rule}: {node['target']} {_why(node)}" for rule, node in nodes if not _is_under_a_bar(page, rule, node)]


def _is_under_a_bar(page: Page, rule: str, node: dict[str, Any]) -> bool:
    """A field that a bar at the edge of the screen covers by chance, and that is whole once it is scrolled to."""
    if rule != "target-size" or "obscured" not in _why(node):
        return False
    left: list[Any] = page.evaluate(SCROLLED_TO, node["target"][-1])
    return not left


def _why(node: dict[str, Any]) -> str:
    return " ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])[:200]


def looks(page: Page, screen: tuple[int, int]) -> Iterator[tuple[str, list[str]]]:
    """The page in light at the first width, then dark at the second: the look's name, and the rules that are new in it."""
    height = (page.viewport_size or {})["height"]
    for scheme, width, rules in (("light", screen[0], ALL_RULES), ("dark", screen[1], RULES_OF_A_LOOK)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(PAINTED)  # what is looked at is what is painted: the scheme may arrive a frame later
        yield f"{width}-{scheme}", rules
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": screen[0], "height": height})


def wrong_on(page: Page, screen: tuple[int, int]) -> list[str]:
    """What is not accessible, or wider than the screen, in either look."""
    wrong = []
    for look, rules in looks(page, screen):
        wrong += [f"{look}: {words}" for words in violations(page, rules)]
        if (wider := page.evaluate(WIDER)) > 0:
            wrong.append(f"{look}: {wider} px wider than the screen")
    return wrong
