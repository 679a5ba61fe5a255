"""Customers' messages through the API and approvals through the desk, by clients that ask again until somebody answers."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
from bs4 import BeautifulSoup
from django.db import DatabaseError, connection

from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests.scale.stage import Stage

QUESTION = "Is PTFE hose safe with E85 on the return line? ({})"
PATIENCE_SECONDS = 120
REPEATED = 0.3
#: However few they are and however quick the machine: who is killed is killed under them, and the primary dies halfway.
LEAST_SECONDS = 30.0


class Load:
    """What was asked, and what was answered 2xx: that alone is owed."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.messages: dict[str, uuid.UUID] = {}  # what was accepted, by external id: the account's id
        self.approved: dict[uuid.UUID, uuid.UUID] = {}  # by draft: the account's id
        self.beaten = 0
        self.answers: Counter[int] = Counter()
        self.violations: list[str] = []
        self.written_at: list[float] = []
        self.over = threading.Event()
        self._lock = threading.Lock()

    # --- one request that must be answered in the end ---------------------------------------------------------------
    def ask(
        self, client: httpx2.Client, method: str, path: str, chance: random.Random, wanted: set[int], **more: Any
    ) -> httpx2.Response | None:
        """Asked of any web until the answer is a wanted one; None if nobody gave one in time."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                url = chance.choice(self.stage.webs).url + path
                answer = client.request(method, url, **more)
            except httpx2.HTTPError:
                self._count(0)
            else:
                self._count(answer.status_code)
                if answer.status_code in wanted:
                    return answer
                if answer.status_code not in {429, 503}:
                    self._violated(f"{method} {path} was answered {answer.status_code}: {words_of(answer)}")
                    return None
            time.sleep(chance.uniform(0.05, 0.3))
        self._violated(f"{method} {path} had no answer within {PATIENCE_SECONDS} s")
        return None

    def _count(self, status: int) -> None:
        with self._lock:
            self.answers[status] += 1

    def _violated(self, words: str) -> None:
        with self._lock:
            self.violations.append(words)

    # --- customers --------------------------------------------------------------------------------------------------
    def write(self, numbers: range, seed: int) -> None:
        """One conversation and its first message for each number; a third of the messages is sent twice."""
        with httpx2.Client(timeout=8) as client:
            self._write(client, numbers, random.Random(seed))

    def _write(self, client: httpx2.Client, numbers: range, chance: random.Random) -> None:
        began, gap = time.monotonic(), LEAST_SECONDS / len(numbers)
        for turn, number in enumerate(numbers):
            time.sleep(max(0.0, began + turn * gap - time.monotonic()))
            at = number % len(self.stage.accounts)
            account, channel = self.stage.accounts[at], self.stage.channels[at]
            headers = {"Authorization": f"Bearer {self.stage.tokens[account.pk]}"}
            about = {
                "channel_id": str(channel.pk),
                "external_id": f"case-{number}",
                "subject": f"Hose {number}",
                "customer": {"address": f"c{number}@customer.test"},
            }
            made = self.ask(client, "POST", "/internal/conversations", chance, {200, 201}, json=about, headers=headers)
            if made is None:
                continue
            body = {"external_id": f"m-{number}", "body_text": QUESTION.format(number)}
            path = f"/internal/conversations/{made.json()['id']}/messages"
            for _ in range(2 if chance.random() < REPEATED else 1):
                if self.ask(client, "POST", path, chance, {200, 201}, json=body, headers=headers) is not None:
                    with self._lock:
                        self.messages[f"m-{number}"] = account.pk
                        self.written_at.append(time.monotonic())

    # --- people -----------------------------------------------------------------------------------------------------
    def approve(self, who: int, seed: int) -> None:
        """Whatever is in the queue, until the load is over: the page is opened and its own form pressed."""
        chance = random.Random(seed)
        _, account, cookies = self.stage.approvers[who]
        done: set[uuid.UUID] = set()
        browser = httpx2.Client(cookies=cookies, timeout=8)
        try:
            while not self.over.is_set():
                waiting = [pk for pk in pending(account.pk) if pk not in done]
                if not waiting:
                    self.over.wait(0.3)
                for pk in waiting[:5]:
                    done.add(pk)
                    self._press(browser, pk, account.pk, chance)
        finally:
            browser.close()
            connection.close()

    def _press(self, browser: httpx2.Client, draft: uuid.UUID, account: uuid.UUID, chance: random.Random) -> None:
        page = self.ask(browser, "GET", f"/drafts/{draft}/", chance, {200, 302})
        form = page and BeautifulSoup(page.content, "html.parser").select_one("#decide")
        fields = (
            {field["name"]: field.get("value", "") for field in form.find_all("input", type="hidden")} if form else {}
        )
        if not fields:  # a colleague was quicker, and the page says so
            with self._lock:
                self.beaten += 1
            return
        more = {"data": fields, "headers": {"HX-Request": "true"}}
        answer = self.ask(browser, "POST", f"/drafts/{draft}/approve/", chance, {200, 409}, **more)
        with self._lock:
            if answer is not None and answer.status_code == 200:
                self.approved[draft] = account
            elif answer is not None:
                self.beaten += 1


def words_of(answer: httpx2.Response) -> str:
    return " ".join(BeautifulSoup(answer.text, "html.parser").get_text(" ").split())[:300]


def pending(account_id: uuid.UUID) -> list[uuid.UUID]:
    try:
        with tenant_context(account_id):
            return list(Draft.objects.filter(status="pending").order_by("created_at").values_list("pk", flat=True))
    except DatabaseError:
        connection.close()  # while the primary changes there is nothing to look at
        return []


def wait_settled(settled: Callable[[uuid.UUID], bool], stage: Stage, seconds: float = 420) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(DatabaseError):
            if all(settled(account.pk) for account in stage.accounts):
                return True
        time.sleep(1)
    return False
