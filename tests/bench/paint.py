"""How long from the key to the next draft on screen, in Chromium, with a server that answers 200 ms late.

`python -m tests.bench.paint <base url> <session cookie>` measures a running desk with enough pending sourced drafts;
`paint(page, presses)` is for others that have a signed-in page open already.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright

SLOW = 0.2  # seconds that every decision's answer is held back
#: From the key's own time stamp to the frame after the one in which the next draft's heading is there.
_WATCH = """() => { window.paints = []; addEventListener('keydown', (event) => {
  if (event.key !== 'a') return;
  const before = document.querySelector('#decide')?.dataset.id, at = event.timeStamp;
  requestAnimationFrame(function look() {
    const now = document.querySelector('#decide')?.dataset.id;
    if (now === before) return requestAnimationFrame(look);
    setTimeout(() => window.paints.push(performance.now() - at));
  });
}, true); }"""


@dataclass(frozen=True, slots=True)
class Paint:
    """Milliseconds."""

    p50: float
    p75: float
    p99: float
    worst: float
    presses: int


def slowed(route: Route) -> None:
    time.sleep(SLOW)
    route.continue_()


def paint(page: Page, presses: int = 30) -> Paint:
    """Approve `presses` drafts by key and tell how long the next one took to be painted each time."""
    page.evaluate(_WATCH)
    for done in range(1, presses + 1):
        page.locator("#decide[data-armed]").wait_for(state="attached")
        page.keyboard.press("a")
        page.wait_for_function("(n) => window.paints.length >= n", arg=done)
    found = sorted(page.evaluate("window.paints"))
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    return Paint(cuts[49], cuts[74], cuts[98], found[-1], len(found))


def main() -> None:
    base, cookie = sys.argv[1], sys.argv[2]
    path = next(p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser", shutil.which("google-chrome")) if p)
    assert Path(path).exists(), "no Chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=base, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": base}])
        page = context.new_page()
        page.route("**/approve/", slowed)
        page.goto("/queue/")
        found = paint(page)
        print(json.dumps({name: round(getattr(found, name), 1) for name in ("p50", "p75", "p99", "worst")}))
        browser.close()


if __name__ == "__main__":
    main()
