"""A thousand random runs of two tabs, two people, retries and slow answers: nothing is sent twice, no words are lost.

Every run speaks the page's protocol (what was seen, a request id, the version typed over) to the real database: most by
the verbs themselves, in threads; each 25th over HTTP, where refusals must also give the words back; thirty in Chromium.
Every run's dice have a seed of their own, which a failure names.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bs4 import BeautifulSoup
from django.test import Client
from playwright.sync_api import Page, Route
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from conversations.errors import Refusal
from conversations.models import Delivery, User
from conversations.tenancy import tenant_context
from drafts.desk import decisions, editing
from drafts.models import Draft, DraftAction, DraftRevision
from tests import factories
from tests.browser.conftest import OpenPage, Queue, armed
from tests.conftest import World
from tests.factories import seen

RUNS = int(os.environ.get("COUNTERSIGN_CHAOS_RUNS", "150"))  # a thousand take minutes
SEED = int(os.environ.get("COUNTERSIGN_CHAOS_SEED", "7"))  # of the runs in Chromium
VERB_RUNS, HTTP_RUNS, THREADS = RUNS * 24 // 25, max(RUNS // 25, 10), 3
BATCH = 150  # runs of the threads before they are joined
HTMX = {"HX-Request": "true"}
Browser = Callable[[User], Client]
InThreads = Callable[..., list[Any]]
EXPECTED = {200, 204, 403, 409, 412, 422, 423}


class Tab:
    """One open page of one person: what it shows stays as it was, however old, until it looks again."""

    def __init__(self, client: Client, draft: Draft, dice: random.Random) -> None:
        self.client, self.draft, self.dice = client, draft, dice
        self.typed: list[str] = []
        self.kept: list[str] = []
        self.look()

    def look(self) -> None:
        page = self.client.get(f"/drafts/{self.draft.pk}/", headers=HTMX)
        soup = BeautifulSoup(page.content, "html.parser")
        self.form = {field["name"]: field["value"] for field in soup.select("#decide > input[type=hidden]")}
        self.form["request_id"] = uuid.uuid4().hex

    def post(self, name: str, data: dict[str, Any], **headers: str) -> Any:
        """Once, or again as a browser does whose answer got lost: the same bytes, the same request id."""
        answer = None
        for _ in range(self.dice.choice((1, 1, 1, 2))):
            answer = self.client.post(f"/drafts/{self.draft.pk}/{name}/", data, headers={**HTMX, **headers})
            assert answer.status_code in EXPECTED, (name, answer.status_code, answer.content[:300])
        return answer

    def write(self) -> None:
        """Save words of one's own over the version on screen; a refusal has to give them back."""
        words = f"{self.draft.suggested_text}\n\n{self.dice.choice('abcdefgh')}{uuid.uuid4().hex}"
        data = {**self.form, "final_text": words}
        answer = self.post("edit", data, **({"HX-Target": "saved"} if self.dice.random() < 0.5 else {}))
        if answer.status_code == 204:
            self.form["version"] = answer["X-Version"]
            self.kept.append(words)
        elif "HX-Target" not in answer.wsgi_request.headers:
            assert words.rsplit("\n", 1)[1] in answer.content.decode(), answer.status_code
        self.typed.append(words)

    def approve(self) -> None:
        data = {**self.form, "pressed_twice": "1"}
        if self.typed and self.dice.random() < 0.5:
            data["final_text"] = self.typed[-1]
        answer = self.post("approve", data)
        if answer.status_code in {409, 423} and "final_text" in data:
            assert data["final_text"].rsplit("\n", 1)[1] in answer.content.decode()
        self.form["request_id"] = uuid.uuid4().hex

    def reject(self) -> None:
        self.post("reject", {**self.form, "reason": "tone"})
        self.form["request_id"] = uuid.uuid4().hex

    def claim(self) -> None:
        self.post("claim", {"take_over": self.dice.choice(("", "1"))})

    def undo(self) -> None:
        with tenant_context(self.draft.account_id):
            found = Delivery.objects.filter(draft_id=self.draft.pk).order_by("-id").first()
        if found:
            answer = self.client.post(f"/deliveries/{found.pk}/undo/", {}, headers=HTMX)
            assert answer.status_code in EXPECTED, answer.status_code

    def step(self) -> None:
        acts = [self.look, self.write, self.write, self.approve, self.approve, self.reject, self.claim, self.undo]
        self.dice.choice(acts)()


class Hand(Tab):
    """A tab without its page: the same fields go to the verbs, in a transaction each."""

    def __init__(self, user: User, draft: Draft, dice: random.Random) -> None:
        self.user, self.draft, self.dice = user, draft, dice
        self.typed, self.kept = [], []
        self.look()

    def look(self) -> None:
        self.seen, self.request_id = seen(self.draft), uuid.uuid4().hex

    def say(self, verb: Callable[..., Any], **values: Any) -> Any:
        found = None
        for _ in range(self.dice.choice((1, 1, 1, 2))):
            with contextlib.suppress(Refusal), tenant_context(self.draft.account_id):
                found = verb(actor=self.user, **values)
        return found

    def write(self) -> None:
        words = f"{self.draft.suggested_text}\n\n{uuid.uuid4().hex}"
        self.typed.append(words)
        saved = self.say(editing.save_revision, draft_id=self.draft.pk, version=self.seen.version, text=words)
        if saved:
            self.kept.append(words)
            self.seen = replace(self.seen, version=saved.version)

    def approve(self) -> None:
        text = self.typed[-1] if self.typed and self.dice.random() < 0.5 else None
        how = {"attention": decisions.Attention(pressed_twice=True), "request_id": self.request_id, "final_text": text}
        self.say(decisions.approve, draft_id=self.draft.pk, seen=self.seen, **how)
        self.request_id = uuid.uuid4().hex

    def reject(self) -> None:
        how = {"reasons": ["tone"], "request_id": self.request_id}
        self.say(decisions.reject, draft_id=self.draft.pk, seen=self.seen, **how)
        self.request_id = uuid.uuid4().hex

    def claim(self) -> None:
        self.say(editing.claim, draft_id=self.draft.pk, take_over=self.dice.random() < 0.5)

    def undo(self) -> None:
        with tenant_context(self.draft.account_id):
            found = Delivery.objects.filter(draft_id=self.draft.pk).order_by("-id").first()
        if found:
            self.say(decisions.undo, delivery_id=found.pk)


def one_run(world: World, tab_of: Callable[[Draft, random.Random], Tab], seed: int) -> list[str]:
    """Two people, two or three tabs, four moves in turn; returns what is wrong afterwards."""
    dice = random.Random(seed)
    draft = factories.draft(factories.message(world.mail))
    tabs = [tab_of(draft, dice) for _ in range(dice.choice((2, 2, 3)))]
    for _ in range(4):
        dice.choice(tabs).step()
    return faults(draft, [words for tab in tabs for words in tab.kept], seed)


def faults(draft: Draft, kept: list[str], seed: int) -> list[str]:
    wrong = []
    with tenant_context(draft.account_id):
        fresh = Draft.objects.get(pk=draft.pk)
        live = Delivery.objects.filter(draft_id=draft.pk).exclude(status="cancelled")
        if live.count() > 1:
            wrong.append(f"seed {seed}: {live.count()} deliveries of one draft")
        if bool(live.count()) != (fresh.status == "approved"):
            wrong.append(f"seed {seed}: {fresh.status} with {live.count()} deliveries")
        signed = {action.final_text for action in DraftAction.objects.filter(draft=draft, type__in=["approve", "edit"])}
        wrong += [f"seed {seed}: something left that nobody signed" for one in live if one.body_text not in signed]
        saved = {revision.text for revision in DraftRevision.objects.filter(draft=draft)}
        wrong += [f"seed {seed}: saved words are gone" for words in kept if words not in saved]
        numbers = sorted(DraftRevision.objects.filter(draft=draft).values_list("number", flat=True))
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"seed {seed}: revisions {numbers}")
        twice = Counter(
            DraftAction.objects.filter(draft=draft).exclude(request_id="").values_list("request_id", flat=True)
        )
        wrong += [f"seed {seed}: carried out twice" for count in twice.values() if count > 1]
    return wrong


def test_random_tabs_people_and_retries_send_nothing_twice_and_lose_no_words(
    committed_world: World, signed_in: Browser, in_threads: InThreads
) -> None:
    world = committed_world

    def runs(first: int, end: int) -> list[str]:
        clients, wrong = [signed_in(world.ada), signed_in(world.dan)], []
        for seed in range(first, min(end, VERB_RUNS + HTTP_RUNS), THREADS):
            if seed < VERB_RUNS:
                wrong += one_run(
                    world, lambda draft, dice: Hand(dice.choice((world.ada, world.dan)), draft, dice), seed
                )
            else:
                wrong += one_run(world, lambda draft, dice: Tab(dice.choice(clients), draft, dice), seed)
        return wrong

    for start in range(0, VERB_RUNS + HTTP_RUNS, BATCH):
        work = [lambda first=start + at, end=start + BATCH: runs(first, end) for at in range(THREADS)]  # type: ignore[misc]
        found = in_threads(work, within=300)
        assert all(isinstance(one, list) for one in found), found
        assert [words for one in found for words in one] == []


def test_two_people_at_the_same_moment_on_one_draft(
    committed_world: World, signed_in: Browser, in_threads: InThreads
) -> None:
    """The same moves truly at once: two people write, approve and take over the same draft in two threads."""
    world = committed_world
    clients = [signed_in(world.ada), signed_in(world.dan)]
    wrong: list[str] = []
    for seed in range(15):
        dice = random.Random(seed)
        draft = factories.draft(factories.message(world.mail))
        tabs = [Tab(client, draft, random.Random(seed * 2 + at)) for at, client in enumerate(clients)]

        def moves(tab: Tab, count: int = dice.choice((1, 2, 3))) -> None:
            for _ in range(count):
                tab.step()

        found = in_threads([lambda tab=tab: moves(tab) for tab in tabs])
        assert found == [None, None], (seed, found)
        wrong += faults(draft, [words for tab in tabs for words in tab.kept], seed)
    assert wrong == []


def unsteady(dice: random.Random) -> Callable[[Route], None]:
    """A bad line: answers come late, never, or the request is lost before it arrives."""

    def handle(route: Route) -> None:
        fate = dice.random()
        if fate < 0.15:
            route.abort()
        elif fate < 0.3:
            route.fetch()  # it arrived, its answer did not
            route.abort()
        else:
            route.continue_()

    return handle


def text_on(page: Page) -> str:
    """What is in the box, kept beside it, or waiting in this browser."""
    kept = page.evaluate(
        "Object.keys(localStorage).filter((k) => k.startsWith('countersign.')).map((k) => localStorage[k])"
    )
    return "\n".join(
        [page.content(), *page.locator("#final").evaluate_all("(all) => all.map((one) => one.value)"), *kept]
    )


def test_thirty_random_runs_in_two_real_tabs(queue: Queue, open_page: OpenPage) -> None:
    world = queue.world
    one, two = open_page(world.ada), open_page(world.dan)
    for at in range(40):
        queue.sourced(f"Customer {at + 10}", at + 10)
    for page, seed in ((one, 1), (two, 2)):
        page.route(re.compile("/(approve|edit|claim)/"), unsteady(random.Random(SEED + seed)))
        page.goto("/queue/")
    typed: dict[str, tuple[Page, str]] = {}
    story: list[str] = []
    dice = random.Random(SEED)
    for run in range(30):
        page = dice.choice((one, two))
        if page.locator("#decide").count() == 0:
            page.goto("/queue/")
        armed(page)
        act = dice.choice(("approve", "approve", "edit", "edit and approve", "walk", "undo", "burst"))
        if page.locator(".actions [data-act=edit]").count() == 0:
            act = "walk"  # decided by the other one meanwhile
        pk = page.locator("#decide").get_attribute("data-id") or ""
        story.append(f"{run}: {'ada' if page is one else 'dan'}, {act}, {pk}")
        if act == "walk":
            page.keyboard.press(dice.choice("jk"))
        elif act == "undo":
            page.keyboard.press("z")
        elif act == "burst":
            for _ in range(3):
                page.keyboard.press("a")
        elif act == "approve":
            page.keyboard.press("a")
        else:
            mark = f"run{run}x{uuid.uuid4().hex[:8]}"
            page.keyboard.press("e")
            try:
                page.locator("#final").press("Control+End", timeout=3000)
            except PlaywrightTimeout:
                continue  # the answer to an earlier press took the draft away before its editor opened
            page.keyboard.insert_text(f" {mark}")
            typed[mark] = (page, pk)
            if act == "edit and approve":
                page.keyboard.press("Control+Enter")
        page.wait_for_timeout(dice.choice((0, 30, 120)))
        if page.locator("#final").count() and dice.random() < 0.7:
            page.wait_for_timeout(900)
            page.locator("#rv-title").focus()
            page.keyboard.press(dice.choice("jk"))
    for page in (one, two):
        page.unroute(re.compile("/(approve|edit|claim)/"))
        page.wait_for_load_state("networkidle")
    lost = [mark for mark, place in typed.items() if not found_somewhere(world.acme.pk, mark, *place)]
    assert lost == [], "\n".join([f"seed {SEED}", *story])
    with tenant_context(world.acme.pk):
        per_draft = Counter(Delivery.objects.exclude(status="cancelled").values_list("draft_id", flat=True))
        assert per_draft
        assert max(per_draft.values()) == 1


def found_somewhere(account_id: uuid.UUID, mark: str, page: Page, draft_id: str) -> bool:
    """On the server (a revision, or what was signed), or still in the tab that it was typed in."""
    with tenant_context(account_id):
        saved = DraftRevision.objects.filter(draft=draft_id, text__contains=mark).exists()
        signed = DraftAction.objects.filter(draft=draft_id, final_text__contains=mark).exists()
    return saved or signed or mark in text_on(page)
