"""The pages around the desk with something on each: no accessibility violation, no overflow, nothing that the policy refuses.

Pictures of them: COUNTERSIGN_SCREENSHOTS=<folder> pytest <this file>.
"""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from conversations.models import Notification
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.desk.decisions import Attention
from drafts.models import Golden, LearningSample
from ingestion.models import JobRun, Passage, Site, SourceDocument
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, Queue
from tests.browser.looks import SCREENS, looks, wrong_on
from tests.browser.test_pages import Place
from tests.conftest import World
from tests.factories import seen

FOLDER = os.environ.get("COUNTERSIGN_SCREENSHOTS", "")
TOPICS = ("Fuel hose and E85", "Torque and assembly", "Leaks and warranty")


def _decide(world: World, count: int) -> None:
    for number in range(count):
        draft = factories.draft(
            factories.message(world.mail, f"Question {number}"),
            intent=TOPICS[number % 3],
            prompt_label=f"reply-v{13 + number % 2}",
            confidence=0.35 + 0.1 * (number % 6),
            tokens_used=900,
            cost_micros=1400,
        )
        attention = Attention(viewed_ms=3_000 + 2_500 * (number % 9), sources_opened=number % 2)
        with tenant_context(world.acme.pk):
            act: dict[str, Any] = {"draft_id": draft.pk, "actor": (world.ada, world.dan)[number % 2], "seen": seen(draft), "attention": attention}  # fmt: skip
            if number % 7 == 3:
                decisions.reject(**act, reasons=["tone", "missing_detail"][: 1 + number % 2])
            elif number % 5 == 2:
                decisions.approve(**act, final_text=draft.suggested_text.replace("Best regards", "Kind regards"), reasons=["tone"])  # fmt: skip
            else:
                decisions.approve(**act)


def _jobs(world: World) -> uuid.UUID:
    now, acme = timezone.now(), world.acme
    with tenant_context(acme.pk):
        site = Site.objects.create(account=acme, url="https://docs.acme.test/sitemap.xml", name="Help pages", crawled_at=now - timedelta(hours=9))  # fmt: skip
        runs: list[dict[str, Any]] = [
            {"type": "crawl", "status": "running", "done": 822, "total": 1284, "unit": "pages", "params": {"site": str(site.pk)}, "resume": {"counts": {"new": 12, "changed": 41, "errors": 2}}, "started_at": now - timedelta(minutes=6)},
            {"type": "corrections_sync", "status": "succeeded", "done": 63, "total": 63, "unit": "samples", "metrics": {"samples": 63, "groups": 4, "proposed": 3}, "started_at": now - timedelta(hours=8), "finished_at": now - timedelta(hours=8) + timedelta(seconds=44)},
            {"type": "ingest_goldens", "status": "failed", "done": 211, "total": 400, "unit": "answers", "error": "Line 212 has no answer. Nothing was imported.", "metrics": {"problems": ["Line 212: the answer is empty"]}, "params": {"file": {"name": "answers-november.csv", "sha256": "0" * 64}}, "started_at": now - timedelta(minutes=40), "finished_at": now - timedelta(minutes=39), "started_by_name": "Dan"},
        ]  # fmt: skip
        made = [JobRun.objects.create(account=acme, heartbeat_at=now, **run) for run in runs]
        for age in (0, 1, 1, 3, 5, 12, 47):
            document = SourceDocument.objects.create(account=acme, site=site, kind="page", source_url=f"https://docs.acme.test/{uuid.uuid4()}", title=f"Page of {age} days", fetched_at=now - timedelta(days=age))  # fmt: skip
            for ordinal, heading in enumerate(
                ("Fuel", "Sizes and a rather long heading about which fitting goes where")
            ):
                Passage.objects.create(account=acme, document=document, ordinal=ordinal, heading=heading, text="PTFE hose is safe with E85.\nIt also lasts.", hash="0" * 64)  # fmt: skip
        SourceDocument.objects.create(account=acme, kind="file", source_url="file:locked.pdf", title="locked.pdf", status="failed", error="The file is encrypted.")  # fmt: skip
    return made[2].pk


def _answers_and_notices(world: World) -> None:
    acme = world.acme
    with tenant_context(acme.pk):
        samples = [str(pk) for pk in LearningSample.objects.values_list("pk", flat=True)[:2]]
        long = "Yes. PTFE hose is made for it: the liner does not swell and the braid keeps the pressure.\n\nUse AN-6 up to 450 hp."
        for question, status in (("Does PTFE hose work with E85?", "proposed"), ("How long does shipping take?", "accepted")):  # fmt: skip
            Golden.objects.create(account=acme, question=question, answer=long, intent="Fuel hose", status=status, origin="corrections", samples=samples, valid_until=timezone.now() + timedelta(days=90))  # fmt: skip
        for user, kind, payload in ((world.ada, "came_back", {"customer": "Marcus Delgado"}), (None, "job_failed", {"error": "Line 212 has no answer."}), (world.ada, "handed_over", {"by": "Bo", "note": "He asks for you.", "draft": str(uuid.uuid4())})):  # fmt: skip
            Notification.objects.create(account=acme, user=user, type=kind, payload=payload)


@pytest.fixture
def around(queue: Queue) -> list[Place]:
    world = queue.world
    _decide(world, 40)
    failed = _jobs(world)
    _answers_and_notices(world)
    with tenant_context(world.acme.pk):
        document = SourceDocument.objects.filter(status="indexed").latest("created_at")
    return [
        Place("sources", "/sources/", world.dan),
        Place("sources, reviewer", "/sources/?q=nothing-like-it", world.ada),
        Place("job", f"/sources/jobs/{failed}/", world.dan),
        Place("document", f"/sources/documents/{document.pk}/", world.ada),
        Place("answers", "/sources/answers/", world.ada),
        Place("answers in use", "/sources/answers/?show=used", world.ada),
        Place("answers, none", "/sources/answers/?show=refused", world.bo),
        Place("quality", "/quality/", world.dan),
        Place("quality, nothing", "/quality/?channel=slack", world.ada),
        Place("quality, agent", "/quality/", world.cy),
        Place("reports", "/reports/", world.dan),
        Place("reports, nothing", "/reports/?days=7", world.bo),
        Place("notifications", "/notifications/", world.ada),
        Place("preferences", "/profile/", world.ada),
        Place("not found", "/nowhere/", world.ada),
        Place("timeline", f"/conversations/{queue.first.conversation_id}/timeline/", world.ada),
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_around_the_desk_is_accessible_and_fits(
    around: list[Place], open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    wrong: list[str] = []
    pages: dict[Any, Page] = {}
    for place in around:
        assert place.user is not None
        page = pages.get(place.user.pk)
        if page is None:
            page = pages[place.user.pk] = open_page(place.user, place.path, width=screen[0])
        else:
            page.goto(place.path)
        expect(page.locator(".topbar")).to_be_visible()  # the page of an error of ours has none
        page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        wrong += [f"{place.name}, {words}" for words in wrong_on(page, screen)]
        if FOLDER:
            folder = Path(settings.BASE_DIR) / FOLDER
            folder.mkdir(parents=True, exist_ok=True)
            page.goto(place.path)
            for look, _ in looks(page, screen):
                page.screenshot(path=folder / f"{place.name.replace(', ', '-')}-{look}.png", full_page=True)
    assert wrong == []
    assert complaints == []


def test_everything_there_works_without_the_script(around: list[Place], open_page: OpenPage) -> None:
    by_name = {place.name: place for place in around}
    admin = open_page(by_name["sources"].user, "/sources/", script=False)
    admin.get_by_text("Add a site").click()
    admin.get_by_label("Start page or sitemap").fill("https://other.acme.test/")
    admin.get_by_role("button", name="Add and read it").click()
    expect(admin.locator(".notes")).to_contain_text("was added and is being read")
    admin.get_by_label("Search documents").fill("Page of 47")
    admin.get_by_role("button", name="Search", exact=True).click()
    expect(admin.locator("#documents tbody tr")).to_have_count(1)
    admin.goto("/sources/answers/")
    admin.get_by_role("button", name="Accept the answer to Does PTFE").click()
    expect(admin.locator(".notes")).to_contain_text("The next draft can quote it")
    admin.goto("/quality/")
    admin.get_by_role("link", name="7 days").click()
    expect(admin.get_by_role("heading", name="Decisions per day")).to_be_visible()
    reader = open_page(by_name["notifications"].user, "/notifications/", script=False)
    reader.get_by_role("button", name="Mark as read").first.click()
    expect(reader.locator(".notice--new")).to_have_count(2)
    reader.get_by_role("button", name="Mark all as read").click()
    expect(reader.locator(".notice--new")).to_have_count(0)
