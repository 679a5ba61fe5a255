"""What a browser sees: how soon news are on an open page, how soon the next draft is, and what many pages leave in memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.postgres import Cluster
from tests.bench import world
from tests.bench.measure import Server, tree_of
from tests.bench.paint import Paint, paint, slowed

SAMPLES = 20
PAGES = 2_000
#: The moment at which a row is first in the list, by its customer's name.
_WATCH = """() => { window.seen = {}; const look = () => {
  for (const who of document.querySelectorAll('#rows .row__who')) window.seen[who.querySelector("bdi").textContent] ??= Date.now();
}; look(); new MutationObserver(look).observe(document.body, {subtree: true, childList: true}); }"""


def chromium() -> str:
    """Its path, or "" where there is none."""
    known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", shutil.which("google-chrome") or ""]
    return next((path for path in known if path and Path(path).exists()), "")


@contextlib.contextmanager
def open_page(server: Server, product: world.Product) -> Iterator[Any]:
    """A signed-in page in headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=server.url, viewport={"width": 1440, "height": 900})
        for cookie in product.headers["Cookie"].split("; "):
            name, _, value = cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": server.url}])
        try:
            yield context.new_page()
        finally:
            browser.close()


@contextlib.contextmanager
def worker(cluster: Cluster) -> Iterator[None]:
    """A worker with the built-in drafter, as in the demo."""
    command = [sys.executable, "manage.py", "procrastinate", "worker", "--concurrency", "2"]
    child = subprocess.Popen(
        command, cwd=world.ROOT, env={**os.environ, **world.url_of(cluster, world.PRODUCT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until_visible(cluster: Cluster, server: Server, product: world.Product) -> list[float]:
    """Milliseconds from sending a message to the internal API to its draft's row in an open page, one for each sample.

    On a channel of its own, so that the new draft is on the first page of what the page shows.
    """
    from conversations.models import Channel
    from conversations.tenancy import tenant_context

    with tenant_context(product.account.pk):
        chat = Channel.objects.create(account=product.account, type="chat", provider="bench", name="Bench chat")
    with cluster.connect(world.PRODUCT) as database:
        database.execute("DELETE FROM procrastinate_jobs")  # what the other measurements asked of workers
    link = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {product.token}", "Content-Type": "application/json"}

    def post(path: str, **body: Any) -> Any:
        link.request("POST", f"/internal{path}", body=json.dumps(body), headers=headers)
        answer = link.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 201, found
        return found

    took = []
    with worker(cluster), open_page(server, product) as page:
        with page.expect_response("**/live/"):
            page.goto("/queue/?channel=chat")
        page.evaluate(_WATCH)
        for number in range(SAMPLES + 2):
            who = f"Newcomer {number} {uuid.uuid4().hex[:6]}"
            opened = post(
                "/conversations", channel_id=str(chat.pk), external_id=who, customer={"name": who, "address": "n@example.com"}
            )  # fmt: skip
            sent = time.time() * 1e3
            post(f"/conversations/{opened['id']}/messages", external_id=who, body_text="Is PTFE hose safe with E85?")
            page.wait_for_function("(who) => window.seen[who]", arg=who, timeout=60_000)
            took.append(page.evaluate("(who) => window.seen[who]", who) - sent)
            time.sleep(1.9 + 0.2 * random.random())  # as the goal says: 2 s apart, at no fixed phase
    return took[2:]  # the first two load the worker's model


def until_painted(server: Server, product: world.Product) -> Paint:
    """From the key to the next draft on screen, with a server that answers every decision 200 ms late."""
    with open_page(server, product) as page:
        page.route("**/approve/", slowed)
        page.goto("/queue/")
        return paint(page)


def memory(server: Server, product: world.Product) -> list[float]:
    """MiB of the web worker's resident memory, half-way through and after `PAGES` pages of the desk."""
    found = []
    link = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    made = [product.queue, product.conversation]
    for number in range(1, PAGES + 1):
        method, path, headers, _ = made[number % 2]()
        link.request(method, path, headers=dict(headers))
        answer = link.getresponse()
        answer.read()
        assert answer.status == 200, path
        if number in (PAGES // 2, PAGES):
            found.append(max(map(_resident, tree_of(server.pid))))
    return found


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
