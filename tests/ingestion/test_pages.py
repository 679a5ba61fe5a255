"""Sources: what the page says of jobs, sites and documents, what can be done there, and by whom."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from conversations.models import AuditEvent, User
from conversations.tenancy import tenant_context
from ingestion.models import JobRun, Passage, Site, SourceDocument
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def document(world: World, name: str = "PTFE and E85", *, account: Any = None, text: str = "PTFE is safe.", **changes: Any) -> SourceDocument:  # fmt: skip
    account = account or world.acme
    with tenant_context(account.pk):
        values = {"source_url": f"https://docs.test/{uuid.uuid4()}", "title": name, "kind": "page", **changes}
        found = SourceDocument.objects.create(account=account, **values)
        Passage.objects.create(account=account, document=found, ordinal=0, heading="Fuel", text=text, hash="0" * 64)
        return found


def job(world: World, status: str = "running", *, account: Any = None, **changes: Any) -> JobRun:
    account = account or world.acme
    now = timezone.now()
    values = {"type": "crawl", "status": status, "started_at": now, "heartbeat_at": now, "unit": "pages", **changes}
    with tenant_context(account.pk):
        return JobRun.objects.create(account=account, **values)


def site(world: World, **changes: Any) -> Site:
    with tenant_context(world.acme.pk):
        return Site.objects.create(account=world.acme, **{"url": "https://docs.test/", "name": "Docs", **changes})


# --- what is shown -----------------------------------------------------------------------------------------------------
def test_an_empty_account_is_told_what_sources_are_for(world: World, signed_in: Browser) -> None:
    page = signed_in(world.dan).get("/sources/").content.decode()
    assert "Nothing to quote from yet" in page and "No job has run yet" in page and "Add a site" in page


def test_documents_are_listed_with_age_passages_and_trouble(world: World, signed_in: Browser) -> None:
    document(world, fetched_at=timezone.now() - timedelta(days=40))
    document(world, "Broken", status="failed", error="The server said 500.")
    page = signed_in(world.ada).get("/sources/").content.decode()
    assert "1 document that drafts can quote. 1 is older than 30 days." in page
    assert "40 d ago" in page and "The server said 500." in page
    assert "0 under 2 days, 0 2 to 7, 0 8 to 30, 1 over 30" in page


@pytest.mark.parametrize(("query", "count"), [("q=E85", 1), ("q=moonshine", 1), ("q=docs.test", 2), ("q=nothing-like", 0), ("status=failed", 0), ("kind=page", 2), ("kind=file", 0), ("q=%00", 2), ("after=x", 2)])  # fmt: skip
def test_documents_are_found_by_title_address_and_words(
    world: World, signed_in: Browser, query: str, count: int
) -> None:
    document(world)
    document(world, "Other", text="Not for moonshine.")
    assert len(signed_in(world.ada).get(f"/sources/?{query}").context["documents"]) == count


def test_many_documents_are_paged_without_a_gap(world: World, signed_in: Browser) -> None:
    for number in range(53):
        document(world, f"Document {number}")
    browser = signed_in(world.ada)
    first = browser.get("/sources/")
    second = browser.get(f"/sources/{first.context['more_url'].partition('#')[0]}")
    titles = [row["title"] for page in (first, second) for row in page.context["documents"]]
    assert len(titles) == len(set(titles)) == 53
    assert second.context["more_url"] == ""


def test_it_takes_as_many_statements_for_thirty_of_everything_as_for_three(world: World, signed_in: Browser) -> None:
    browser = signed_in(world.dan)
    browser.get("/sources/")
    lengths = []
    for _ in range(2):
        for number in range(3 if not lengths else 27):
            document(world)
            here = site(world, url=f"https://docs.test/{len(lengths)}/{number}/")
            job(world, "succeeded", params={"site": str(here.pk)})
        with counted() as queries:
            browser.get("/sources/")
        lengths.append(len(queries))
    assert lengths[0] == lengths[1] <= 16


def test_a_document_says_what_of_it_was_not_read(world: World, signed_in: Browser) -> None:
    whole = document(world)
    part = document(world, metadata={"missing": ["Page 2 is a picture & <no> text."], "lost": 0, "shown": 0})
    browser = signed_in(world.ada)
    page = browser.get(f"/sources/documents/{part.pk}/").content.decode()
    assert "Not all that a reader sees was read." in page and "Page 2 is a picture &amp; &lt;no&gt; text." in page
    assert "Not all that a reader sees" not in browser.get(f"/sources/documents/{whole.pk}/").content.decode()


def test_a_document_shows_what_drafts_can_quote(world: World, signed_in: Browser) -> None:
    found = document(world, text="PTFE is safe with E85 & <b>methanol</b>.")
    page = signed_in(world.ada).get(f"/sources/documents/{found.pk}/").content.decode()
    assert "PTFE is safe with E85 &amp; &lt;b&gt;methanol" in page and "Fuel" in page


def test_another_tenants_rows_are_not_there(world: World, signed_in: Browser) -> None:
    theirs, run = document(world, account=world.globex), job(world, account=world.globex)
    browser = signed_in(world.dan)
    assert browser.get(f"/sources/documents/{theirs.pk}/").status_code == 404
    assert browser.get(f"/sources/jobs/{run.pk}/").status_code == 404
    assert browser.post(f"/sources/jobs/{run.pk}/cancel/").status_code == 404
    assert len(browser.get("/sources/").context["documents"]) == 0


# --- jobs ----------------------------------------------------------------------------------------------------------------
def test_a_running_job_says_how_far_it_is_and_when_it_may_end(world: World, signed_in: Browser) -> None:
    here = site(world)
    job(world, done=50, total=100, started_at=timezone.now() - timedelta(minutes=10), params={"site": str(here.pk)})
    page = signed_in(world.ada).get("/sources/").content.decode()
    assert "<b>50</b> of 100 pages" in page and "About 10 min left." in page and ">Docs<" in page
    assert 'hx-trigger="every 2s"' in page


def test_a_job_whose_worker_is_silent_says_so(world: World, signed_in: Browser) -> None:
    job(world, heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert b"No sign of life for 5 min" in signed_in(world.ada).get("/sources/jobs/", headers=HTMX).content


def test_the_cards_are_asked_for_until_nothing_runs(world: World, signed_in: Browser) -> None:
    run = job(world)
    browser = signed_in(world.ada)
    assert browser.get("/sources/jobs/", headers=HTMX).status_code == 200
    with tenant_context(world.acme.pk):
        JobRun.objects.filter(pk=run.pk).update(status="succeeded", finished_at=timezone.now(), metrics={"new": 3})
    answer = browser.get("/sources/jobs/", headers=HTMX)
    assert answer.status_code == 286
    assert b"every 2s" not in answer.content and b"Done" in answer.content


def test_a_failed_job_tells_why_and_can_be_tried_again(world: World, signed_in: Browser) -> None:
    run = job(world, "failed", error="Row 212 has no answer.", params={"site": str(site(world).pk)}, metrics={"problems": ["a.md: empty"]})  # fmt: skip
    browser = signed_in(world.ada)
    page = browser.get("/sources/").content.decode()
    assert "Site crawl failed." in page and "Row 212 has no answer." in page
    log = browser.get(f"/sources/jobs/{run.pk}/").content.decode()
    assert "a.md: empty" in log and "Try again" in log
    assert browser.post(f"/sources/jobs/{run.pk}/retry/").status_code == 303
    with tenant_context(world.acme.pk):
        assert JobRun.objects.get(pk=run.pk).status == "queued"


def test_cancelling_is_the_admins_and_only_what_runs(world: World, signed_in: Browser) -> None:
    run, reviewer = job(world), signed_in(world.ada)
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert reviewer.post(f"/sources/jobs/{run.pk}/cancel/").status_code == 403
    admin = signed_in(world.dan)
    assert admin.post(f"/sources/jobs/{run.pk}/cancel/").status_code == 303
    answer = admin.post(f"/sources/jobs/{run.pk}/cancel/")
    assert answer.status_code == 409 and b"cancelled already" in answer.content


def test_runs_are_filtered_by_job_and_status(world: World, signed_in: Browser) -> None:
    job(world, "succeeded")
    job(world, "failed", type="ingest_files")
    browser = signed_in(world.ada)
    for query, names in (("job=crawl", ["Site crawl"]), ("state=failed", ["File import"]), ("job=x&state=y", ["File import", "Site crawl"])):  # fmt: skip
        assert [run.name for run in browser.get(f"/sources/?{query}").context["runs"]] == names


# --- what is done ----------------------------------------------------------------------------------------------------------
def test_a_site_is_added_and_read_at_once(world: World, signed_in: Browser) -> None:
    form = {"url": "https://docs.acme.test/sitemap.xml", "name": "Help", "max_pages": "200", "every_hours": "12"}
    assert signed_in(world.dan).post("/sources/sites/", form).status_code == 303
    with tenant_context(world.acme.pk):
        found = Site.objects.get()
        assert (found.name, found.max_pages, found.every_hours, found.allow_private) == ("Help", 200, 12, False)
        assert JobRun.objects.get().params == {"site": str(found.pk)}
        assert AuditEvent.objects.filter(kind="admin.changed", object_type="site").exists()


@pytest.mark.parametrize(
    "form",
    [
        {"url": "ftp://docs.test"},
        {"url": "docs.test"},
        {"url": ""},
        {"url": "https://"},
        {"url": "https://[::1"},
        {"url": "https://user:secret@docs.test"},
        {"url": "https://docs.test", "max_pages": "0"},
        {"url": "https://docs.test", "every_hours": "x"},
        {"url": "https://docs.test/" + "x" * 1000},
    ],
)
def test_what_is_no_site_is_refused(world: World, signed_in: Browser, form: dict[str, str]) -> None:
    browser = signed_in(world.dan)
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert browser.post("/sources/sites/", form).status_code == 422


def test_a_site_is_not_added_twice_nor_crawled_twice_at_once(world: World, signed_in: Browser) -> None:
    browser = signed_in(world.dan)
    browser.post("/sources/sites/", {"url": "https://docs.test"})
    assert browser.post("/sources/sites/", {"url": "https://docs.test"}).status_code == 409
    with tenant_context(world.acme.pk):
        pk = Site.objects.get().pk
    answer = browser.post(f"/sources/sites/{pk}/crawl/")
    assert answer.status_code == 409 and b"queued or running already" in answer.content


def test_files_become_jobs_by_their_kind_and_the_unreadable_are_named(
    world: World, signed_in: Browser, attachments_dir: Any
) -> None:
    files = [
        SimpleUploadedFile("shipping.md", b"# Shipping\n\nTwo days."),
        SimpleUploadedFile("answers.csv", b"question,answer\nHow long?,Two days.\n"),
        SimpleUploadedFile("virus.exe", b"MZ"),
        SimpleUploadedFile("empty.md", b""),
    ]
    page = signed_in(world.dan).post("/sources/upload/", {"files": files}, follow=True).content.decode()
    assert "2 files queued" in page and "virus.exe was not kept" in page and "empty.md was not kept" in page
    with tenant_context(world.acme.pk):
        assert {run.type: (run.params.get("files") or [run.params["file"]])[0]["name"] for run in JobRun.objects.all()} == {
            "ingest_files": "shipping.md",
            "ingest_goldens": "answers.csv",
        }  # fmt: skip


@pytest.mark.parametrize("files", [[], [("virus.exe", b"MZ")]])
def test_an_upload_of_nothing_readable_is_refused(
    world: World, signed_in: Browser, attachments_dir: Any, files: list[tuple[str, bytes]]
) -> None:
    browser = signed_in(world.dan)
    with tenant_context(world.acme.pk), assert_nothing_written():
        sent = {"files": [SimpleUploadedFile(name, content) for name, content in files]}
        assert browser.post("/sources/upload/", sent).status_code == 422


@pytest.mark.parametrize("name", ["ada", "cy", "bo"])
def test_who_may_not_run_jobs_neither_sees_the_forms_nor_gets_through(
    world: World, signed_in: Browser, attachments_dir: Any, name: str
) -> None:
    browser, here = signed_in(getattr(world, name)), site(world)
    page = browser.get("/sources/").content
    for action in (b"/sources/sites/", b"/sources/upload/", b"/sources/run/"):
        assert action not in page
    with tenant_context(world.acme.pk), assert_nothing_written():
        for path in ("upload/", "sites/", f"sites/{here.pk}/crawl/", "run/corrections/"):
            form = {"url": "https://other.test", "files": [SimpleUploadedFile("a.md", b"# A")]}
            assert browser.post(f"/sources/{path}", form).status_code == 403, path
    assert not attachments_dir.exists()


def test_corrections_are_read_when_asked_for(world: World, signed_in: Browser) -> None:
    assert signed_in(world.dan).post("/sources/run/corrections/").status_code == 303
    with tenant_context(world.acme.pk):
        assert JobRun.objects.get().type == "corrections_sync"
