"""Taking documents out of use, changing and removing sites: on the sources page, without a script."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.messages import files
from conversations.models import AuditEvent, Notification, User
from conversations.tenancy import tenant_context
from drafts.models import Draft
from ingestion import jobs, uploads
from ingestion.knowledge.files import keep_upload
from ingestion.knowledge.index import Origin, index_document
from ingestion.models import JobRun, Passage, Site, SourceDocument
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[..., Client]
Kind = SourceDocument.Kind
LIMITS = {"name": "Help pages", "max_pages": "40", "every_hours": "12"}


@pytest.fixture
def site(world: World) -> Site:
    with tenant_context(world.acme.pk):
        return Site.objects.create(account=world.acme, url="https://help.acme.test/", name="Help")


@pytest.fixture
def page(world: World, site: Site) -> SourceDocument:
    return index_document(
        account_id=world.acme.pk, source_url=f"{site.url}hose", title="Hose", text="PTFE hose is safe with E85.",
        origin=Origin(Kind.PAGE, site.pk),
    )  # fmt: skip


@pytest.fixture
def citing(world: World, page: SourceDocument) -> Draft:
    draft = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        passage = Passage.objects.get(document=page)
        draft.top_sources = [{"passage": str(passage.pk), "document": str(page.pk), "title": "Hose", "cited": True}]
        draft.save(update_fields=["top_sources"])
    return draft


def test_a_document_goes_out_of_use_and_the_draft_that_cites_it_is_marked(
    world: World, page: SourceDocument, citing: Draft, signed_in: Browser
) -> None:
    browser = signed_in(world.dan)
    shown = BeautifulSoup(browser.get(f"/sources/documents/{page.pk}/").content, "html.parser")
    form = shown.select_one(f"form[action$='/{page.pk}/remove/']")
    assert form is not None and form.button.get_text(strip=True) == "Take out of use"
    answer = browser.post(form["action"])
    assert (answer.status_code, answer["Location"]) == (303, f"/sources/documents/{page.pk}/")
    with tenant_context(world.acme.pk):
        page.refresh_from_db()
        assert (page.status, page.metadata["removed"]) == ("gone", True)
        assert not Passage.objects.filter(document=page).exists()
        event = AuditEvent.objects.get(kind="source.removed")
        assert (event.actor_name, event.data) == ("Dan", {"document": str(page.pk), "title": "Hose"})
        citing.refresh_from_db()
        assert citing.sources_changed_at is not None
        assert Notification.objects.get().type == "source_changed"
    assert browser.post(form["action"]).status_code == 409
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.filter(kind="source.removed").count() == 1


def test_a_page_taken_out_comes_back_when_somebody_says_so(
    world: World, page: SourceDocument, signed_in: Browser
) -> None:
    browser, url = signed_in(world.dan), f"/sources/documents/{page.pk}/"
    assert browser.post(f"{url}bring-back/").status_code == 409  # it is in use
    browser.post(f"{url}remove/")
    shown = BeautifulSoup(browser.get(url).content, "html.parser")
    assert [form["action"] for form in shown.select("main form")] == [f"{url}bring-back/"]
    assert browser.post(f"{url}bring-back/").status_code == 303
    with tenant_context(world.acme.pk):
        page.refresh_from_db()
        assert "removed" not in page.metadata
        assert AuditEvent.objects.get(kind="source.brought_back").data["title"] == "Hose"


def test_an_approved_answer_is_retired_where_it_was_approved(world: World, signed_in: Browser) -> None:
    golden = index_document(
        account_id=world.acme.pk, source_url="golden:1", title="Q", text="A.", origin=Origin(Kind.GOLDEN)
    )
    browser = signed_in(world.dan)
    assert not BeautifulSoup(browser.get(f"/sources/documents/{golden.pk}/").content, "html.parser").select("main form")
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert browser.post(f"/sources/documents/{golden.pk}/remove/").status_code == 422


def test_a_site_is_changed_and_only_what_changed_is_told(world: World, site: Site, signed_in: Browser) -> None:
    browser = signed_in(world.dan)
    shown = BeautifulSoup(browser.get("/sources/").content, "html.parser")
    form = shown.select_one(f"form[action$='/{site.pk}/change/']")
    assert form is not None and form.select_one("[name=max_pages]")["value"] == "500"
    assert browser.post(form["action"], {**LIMITS, "is_active": "on"}).status_code == 303
    with tenant_context(world.acme.pk):
        site.refresh_from_db()
        assert (site.name, site.max_pages, site.every_hours, site.is_active) == ("Help pages", 40, 12, True)
        assert AuditEvent.objects.get(kind="site.changed").data["fields"] == "name, max pages, every hours"
        with assert_nothing_written():
            browser.post(form["action"], {**LIMITS, "is_active": "on"})
            assert browser.post(form["action"], {**LIMITS, "max_pages": "0"}).status_code == 422
    browser.post(form["action"], LIMITS)
    assert "paused" in browser.get("/sources/").content.decode()


def test_a_site_goes_with_its_documents(
    world: World, site: Site, page: SourceDocument, citing: Draft, signed_in: Browser
) -> None:
    browser = signed_in(world.dan)
    with tenant_context(world.acme.pk):
        job = JobRun.objects.create(account=world.acme, type="crawl", params={"site": str(site.pk)})
        with assert_nothing_written():
            assert browser.post(f"/sources/sites/{site.pk}/remove/").status_code == 409  # it is being read
        jobs.cancel_job(job_id=job.pk, actor=world.dan)
    assert browser.post(f"/sources/sites/{site.pk}/remove/").status_code == 303
    with tenant_context(world.acme.pk):
        assert not Site.objects.exists()
        page.refresh_from_db()
        assert (page.status, page.site_id) == ("gone", None)
        assert AuditEvent.objects.get(kind="site.removed").data["documents"] == 1
        citing.refresh_from_db()
        assert citing.sources_changed_at is not None


@pytest.mark.parametrize(("who", "status"), [("ada", 403), ("cy", 403), ("bo", 403), ("eve", 404)])
def test_nobody_else_changes_sources(
    world: World, site: Site, page: SourceDocument, signed_in: Browser, who: str, status: int
) -> None:
    browser = signed_in(getattr(world, who), raise_request_exception=False)
    browser.get("/sources/")
    for url in (
        f"/sources/sites/{site.pk}/change/", f"/sources/sites/{site.pk}/remove/",
        f"/sources/documents/{page.pk}/remove/", f"/sources/documents/{page.pk}/bring-back/",
    ):  # fmt: skip
        with tenant_context(world.acme.pk), assert_nothing_written():
            assert browser.post(url, LIMITS).status_code == status, url
        assert browser.get(url).status_code == 405
    assert signed_in(world.dan).post(f"/sources/documents/{uuid.uuid4()}/remove/").status_code == 404
    assert signed_in(world.dan).post(f"/sources/documents/{page.pk}/burn/").status_code == 404


# --- the bytes of uploads ----------------------------------------------------------------------------------------------
def ended(world: World, user: User, content: bytes, **facts: object) -> tuple[JobRun, str]:
    with tenant_context(world.acme.pk):
        kept = keep_upload(account_id=world.acme.pk, name="hose.md", content=content)
        values = {"status": "succeeded", "finished_at": timezone.now(), "started_at": timezone.now(), **facts}
        params = {"files": [kept.model_dump()]}
        job = JobRun.objects.create(account=world.acme, type="ingest_files", params=params, **values)
        return job, files.key_of(world.acme.pk, kept.sha256)


def test_uploads_go_when_their_job_has_ended_for_good(
    world: World, attachments_dir, django_capture_on_commit_callbacks
) -> None:
    done, of_done = ended(world, world.dan, b"# One")
    _, of_failed = ended(world, world.dan, b"# Two", status="failed")
    _, of_old = ended(world, world.dan, b"# Three", status="failed", finished_at=timezone.now() - timedelta(days=8))
    _, of_waiting = ended(world, world.dan, b"# Four", status="queued", finished_at=None)
    with django_capture_on_commit_callbacks(execute=True):
        assert uploads.drop_uploads(account_id=world.acme.pk) == 2
    there = {key: files.storage().exists(key) for key in (of_done, of_failed, of_old, of_waiting)}
    assert there == {of_done: False, of_failed: True, of_old: False, of_waiting: True}
    with tenant_context(world.acme.pk):
        done.refresh_from_db()
        assert done.metrics == {"uploads_removed": 1}
    assert uploads.drop_uploads(account_id=world.acme.pk) == 0


def test_bytes_that_another_job_or_a_message_needs_stay(world: World, attachments_dir) -> None:
    from conversations.channels.base import File

    factories.message(world.mail, files=(File("hose.md", "text/plain", b"# Mailed"),))
    _, of_mailed = ended(world, world.dan, b"# Mailed")
    ended(world, world.dan, b"# Shared")
    _, of_shared = ended(world, world.dan, b"# Shared", status="running", finished_at=None, heartbeat_at=timezone.now())
    assert uploads.drop_uploads(account_id=world.acme.pk) == 0
    assert files.storage().exists(of_mailed) and files.storage().exists(of_shared)
