"""F1 and F2: kill -9 in the middle of an approval, and in the middle of a delivery."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from bs4 import BeautifulSoup

from conversations.messages import outbox
from conversations.models import Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft, DraftAction
from tests.asgi import Server
from tests.bench.measure import tree_of
from tests.conversations.test_crash import POINTS, Zygote
from tests.faults.ground import LEASE, Ground, Outcome, kill, noticed, wait_until


def form(browser: httpx2.Client, draft: Draft) -> tuple[str, dict[str, str]]:
    """Where the pane's own form goes, and its hidden fields: what a press of Approve sends."""
    page = BeautifulSoup(browser.get(f"/drafts/{draft.pk}/").content, "html.parser").select_one("#decide")
    hidden = page.find_all("input", type="hidden")
    return f"/drafts/{draft.pk}/approve/", {field["name"]: field.get("value", "") for field in hidden}


def press(browser: httpx2.Client, server: Server, url: str, fields: dict[str, str], *, until: float = 40) -> int:
    """One press of Approve by a client that sends the same click again until somebody answers."""
    end = time.monotonic() + until
    while True:
        try:
            answer = browser.post(url, data=fields, headers={"HX-Request": "true"}, timeout=10)
            if answer.status_code != 503:
                return int(answer.status_code)
        except httpx2.HTTPError:
            pass
        if time.monotonic() > end:
            return 0
        server.revive()
        time.sleep(0.1)


def f01_web_killed_in_approve(ground: Ground) -> Outcome:
    """A web worker dies before the commit, after it, or at any moment; the browser presses again with the same click."""
    out = Outcome()
    drafts: list[Draft] = []
    points = ["approve.before_commit", "approve.after_commit", ""]
    for point in points:
        number = ground.count(60 if not point else 20)
        ground_drafts = ground.drafts(number)
        drafts += ground_drafts
        env = {"FAILPOINT": point} if point else {}
        with ground.serving(**env) as server:
            _press_and_kill(ground, server, ground_drafts, out, killed_by=point)
    _check_approvals(ground, drafts, out)
    out.trials = len(drafts)
    decided = [draft.pk for draft in drafts][:1]

    def planted(found: Outcome) -> None:
        ground.superuser(
            "UPDATE drafts_draftaction SET type = 'approve', draft_id = "
            f"'{decided[0]}' WHERE id = (SELECT id FROM drafts_draftaction WHERE draft_id <> '{decided[0]}' LIMIT 1)"
        )
        _check_approvals(ground, drafts, found)

    out.control = noticed(planted, what="a second approval planted")
    return out


def _press_and_kill(ground: Ground, server: Server, drafts: list[Draft], out: Outcome, *, killed_by: str) -> None:
    cookies = ground.cookie(ground.world.ada)
    with httpx2.Client(base_url=server.url, cookies=cookies) as browser:
        for draft in drafts:
            if not wait_until(lambda: _answers(browser, server), 30, 0.05):
                out.violations.append("the server did not come back after a kill")
                return
            url, fields = form(browser, draft)
            if killed_by:
                # Each approval kills the process at the point, so it is pressed once and answered by nobody; then it is
                # looked at what a second press would meet: a server without the failpoint, below.
                try:
                    browser.post(url, data=fields, headers={"HX-Request": "true"}, timeout=10)
                    out.violations.append(f"{killed_by} did not kill")
                except httpx2.HTTPError:
                    pass
                continue
            children = [pid for pid in tree_of(server.pid) if pid != server.pid]
            delay = ground.chance.uniform(0, 0.06)
            killer = threading.Timer(delay, lambda pids=children: [_sigkill(pid) for pid in pids])
            killer.start()
            status = press(browser, server, url, fields)
            killer.join()
            out.must(status in {200, 409}, f"the repeated click was answered {status}")
    if killed_by:
        with (
            ground.serving() as well,
            httpx2.Client(base_url=well.url, cookies=cookies) as browser,
        ):
            for draft in drafts:
                before = _approvals(ground, draft)
                expected = 0 if killed_by == "approve.before_commit" else 1
                out.must(before == expected, f"{killed_by}: {before} approvals after the kill, not {expected}")
                if not before:
                    url, fields = form(browser, draft)
                    out.must(
                        press(browser, well, url, fields) == 200, f"{killed_by}: the draft could not be approved again"
                    )


def _answers(browser: httpx2.Client, server: Server) -> bool:
    server.revive()
    try:
        return bool(browser.get("/healthz", timeout=2).status_code == 200)
    except httpx2.HTTPError:
        return False


def _sigkill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _approvals(ground: Ground, draft: Draft) -> int:
    with tenant_context(ground.world.acme.pk):
        return DraftAction.objects.filter(draft=draft, type__in=["approve", "edit"]).count()


def _check_approvals(ground: Ground, drafts: list[Draft], out: Outcome) -> None:
    with tenant_context(ground.world.acme.pk):
        acts = Counter(DraftAction.objects.filter(type="approve").values_list("draft_id", flat=True))
        deliveries = Counter(Delivery.objects.exclude(status="cancelled").values_list("draft_id", flat=True))
        states = dict(Draft.objects.values_list("pk", "status"))
    for draft in drafts:
        out.must(acts[draft.pk] <= 1, f"a draft has {acts[draft.pk]} approvals")
        out.must(deliveries[draft.pk] == acts[draft.pk], f"{acts[draft.pk]} approvals, {deliveries[draft.pk]} replies")
        state = "approved" if acts[draft.pk] else "pending"
        out.must(states.get(draft.pk) == state, f"a draft with {acts[draft.pk]} approvals is {states.get(draft.pk)}")
    ground.check_trail(out)


def f02_worker_killed_in_send(ground: Ground) -> Outcome:
    """A worker dies at eight points of a delivery, and real workers at any moment while they empty the outbox."""
    out = Outcome()
    zygote = Zygote(str(ground.cluster.socket_dir))
    try:
        for point in POINTS:
            rows = ground.approved(ground.count(20))
            out.trials += len(rows)
            for row in rows:
                out.must(zygote.deliver(row, point) == signal.SIGKILL, f"{point} did not kill")
    finally:
        zygote.process.kill()
        zygote.process.wait()
    time.sleep(LEASE)
    outbox.sweep(account_id=ground.world.acme.pk)
    ground.due()
    kills = ground.count(60)
    ground.approved(kills * 2)
    ground.postbox.mode = 0.05  # a hand-over takes a moment, so that kills meet it
    out.trials += kills
    for _ in range(kills):
        child = ground.worker()
        wait_until(lambda: "sending" in _states(ground), 15, 0.02)
        time.sleep(ground.chance.uniform(0, 0.4))
        kill(child)
    ground.postbox.mode = "take"
    ground.due()
    with ground.working(), ThreadPoolExecutor(max_workers=1):
        settled = wait_until(lambda: not {"queued", "sending", "held"} & set(_states(ground)), 120, 0.5)
    out.must(settled, "deliveries are stuck after the last kill")
    ground.check_sent(out)
    ground.check_trail(out)
    found = Counter(_states(ground))
    out.figures = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))

    def sent_again(planted: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            row = Delivery.objects.filter(status="sent").values_list("pk", flat=True)[0]
        ground.superuser(f"UPDATE conversations_delivery SET status = 'queued' WHERE id = '{row}'")
        ground.due()
        outbox.deliver(account_id=ground.world.acme.pk, delivery_id=row)
        ground.check_sent(planted)

    out.control = noticed(sent_again, what="a sent one queued again by hand")
    return out


def _states(ground: Ground) -> list[Any]:
    with tenant_context(ground.world.acme.pk):
        return list(Delivery.objects.values_list("status", flat=True))
