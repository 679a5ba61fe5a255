"""Bars that stand over a page leave room for it: on a small phone, and on a screen magnified to 200 and 400 percent."""

from __future__ import annotations

import pytest

from tests.browser.conftest import OpenPage, Queue

#: What stays in place while the page scrolls, and is no panel of its own: its share of the height, in percent.
STANDING = """() => Math.round(100 / innerHeight * [...document.querySelectorAll('body *')].filter((each) => {
  const style = getComputedStyle(each);
  return ['fixed', 'sticky'].includes(style.position) && style.visibility !== 'hidden' && each.offsetHeight && each.offsetHeight < innerHeight;
}).reduce((sum, each) => sum + each.getBoundingClientRect().height, 0))"""


@pytest.mark.parametrize("size", [(390, 720), (640, 400), (320, 256)], ids=["phone", "200 percent", "400 percent"])
def test_the_bars_take_at_most_a_fifth_of_the_height(queue: Queue, open_page: OpenPage, size: tuple[int, int]) -> None:
    paths = [
        "/queue/", f"/drafts/{queue.first.pk}/", "/queue/?mode=focus", f"/conversations/{queue.first.conversation_id}/",
        "/conversations/", f"/admin/conversations/account/{queue.world.acme.pk}/change/",
    ]  # fmt: skip
    page = open_page(queue.world.dan, width=size[0])
    page.set_viewport_size({"width": size[0], "height": size[1]})
    shares = {}
    for path in paths:
        page.goto(path)
        shares[path] = page.evaluate(STANDING)
    assert {path: share for path, share in shares.items() if share > 20} == {}
