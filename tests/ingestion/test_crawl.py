"""The crawler against a real web server on loopback."""

from __future__ import annotations

import gzip
import ipaddress
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import TestCase

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Notification
from conversations.tenancy import tenant_context
from ingestion import jobs
from ingestion.knowledge import crawl, fetch
from ingestion.knowledge.embed import MiniLmEmbedder
from ingestion.knowledge.extract import Extracted
from ingestion.knowledge.vectors import VectorStore, get_vector_store
from ingestion.models import JobRun, Passage, Site, SourceDocument
from ingestion.tasks import crawl_due_sites
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.ingestion.web import Web, html, serve

TEXT = "Hardline fittings seal on a flare; a torn olive leaks at idle and not under load."


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Web]:
    settings.CRAWL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    monkeypatch.setattr(crawl, "PAUSE_SECONDS", 0.0)
    with serve() as web:
        web["/"] = html("Start", "Everything about fittings and hoses starts here.", "/a", "/b")
        web["/a"] = html("Olives", TEXT)
        web["/b"] = html("Hoses", "PTFE hose is safe with E85 and with methanol.")
        yield web


def site(world: World, web: Web, **changes: Any) -> Site:
    with tenant_context(world.acme.pk):
        values = {"url": web.url + "/", "allow_private": True, **changes}
        return Site.objects.create(account=world.acme, **values)


def run(world: World, site: Site) -> JobRun:
    """Ask for the crawl and do it, as a worker would."""
    with tenant_context(world.acme.pk):
        job = jobs.queue_job(account_id=world.acme.pk, type="crawl", params={"site": str(site.pk)}, actor=world.dan)
    with TestCase.captureOnCommitCallbacks(execute=True):
        jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    return job


def documents(world: World, web: Web) -> dict[str, SourceDocument]:
    """By path, without the site's own address."""
    with tenant_context(world.acme.pk):
        return {each.source_url.removeprefix(web.url): each for each in SourceDocument.objects.all()}


def in_use(world: World, web: Web) -> list[str]:
    return sorted(path for path, each in documents(world, web).items() if each.status == "indexed")


def test_it_reads_the_pages_of_a_site_and_nothing_of_its_menus(world: World, web: Web) -> None:
    job = run(world, site(world, web))
    assert (job.status, job.done, job.total, job.unit) == ("succeeded", 3, 3, "pages")
    assert (job.metrics["pages"], job.metrics["new"], job.metrics["errors"]) == (3, 3, 0)
    found = documents(world, web)
    assert sorted(found) == ["/", "/a", "/b"]
    assert (found["/a"].title, found["/a"].kind, found["/a"].site_id is not None) == ("Olives", "page", True)
    with tenant_context(world.acme.pk):
        passage = Passage.objects.get(document=found["/a"])
    assert (passage.heading, TEXT in passage.text) == ("Olives", True)
    assert "All rights reserved" not in passage.text and "to /b" not in passage.text
    assert "CountersignBot" in web.headers[0]["user-agent"]


def test_it_asks_conditionally_and_an_unchanged_page_keeps_its_passages(world: World, web: Web) -> None:
    def tagged(handler: Any) -> Any:
        same = handler.headers.get("If-None-Match") == '"v1"' and handler.headers.get("If-Modified-Since") == day
        return (304, {"ETag": '"v1"'}, b"") if same else (200, {**kind, "ETag": '"v1"', "Last-Modified": day}, start)

    day, kind = "Sat, 21 Nov 2026 10:00:00 GMT", {"Content-Type": "text/html"}
    start = html("Start", "Everything about fittings and hoses starts here.", "/a")
    web["/"] = tagged
    place = site(world, web)
    run(world, place)
    with tenant_context(world.acme.pk):
        before = set(Passage.objects.values_list("pk", flat=True))
    first = documents(world, web)["/"]
    web.forget()
    job = run(world, place)
    assert (job.metrics["unchanged"], job.metrics["changed"], job.metrics["new"]) == (2, 0, 0)
    # The links of the unchanged page still lead on: /a was asked for although / said nothing new.
    assert "/a" in web.asked
    with tenant_context(world.acme.pk):
        assert set(Passage.objects.values_list("pk", flat=True)) == before
    again = documents(world, web)["/"]
    assert again.fetched_at is not None and first.fetched_at is not None
    assert again.fetched_at > first.fetched_at and again.indexed_at > first.indexed_at


def test_a_page_that_changed_gets_new_passages(world: World, web: Web) -> None:
    place = site(world, web)
    run(world, place)
    web["/a"] = html("Olives", "A torn olive is replaced and never sealed with tape.")
    job = run(world, place)
    assert (job.metrics["changed"], job.metrics["unchanged"]) == (1, 2)
    with tenant_context(world.acme.pk):
        texts = list(Passage.objects.filter(document__title="Olives").values_list("text", flat=True))
    assert len(texts) == 1 and "never sealed with tape" in texts[0]


def test_a_page_is_due_again_after_its_sites_hours(world: World, web: Web) -> None:
    run(world, site(world, web, every_hours=6))
    page = documents(world, web)["/a"]
    assert page.next_refresh_at is not None and page.fetched_at is not None
    assert round((page.next_refresh_at - page.fetched_at).total_seconds() / 3600) == 6
    with tenant_context(world.acme.pk):
        assert Site.objects.get().crawled_at is not None


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_went_is_out_of_use_with_its_vectors(
    world: World, web: Web, status: int, settings: Any, chroma_url: str
) -> None:
    settings.CHROMA_URL = chroma_url
    store = get_vector_store(MiniLmEmbedder.name)
    assert isinstance(store, VectorStore)
    place = site(world, web)
    run(world, place)
    assert store.count(world.acme.pk) == 3
    web["/"] = html("Start", "Everything about fittings and hoses starts here.", "/b")
    web["/a"] = (status, {}, b"gone")
    job = run(world, place)
    # Nothing links to it any more: it is asked for because it is known.
    assert job.metrics["gone"] == 1
    assert (documents(world, web)["/a"].status, in_use(world, web)) == ("gone", ["/", "/b"])
    assert store.count(world.acme.pk) == 2
    with tenant_context(world.acme.pk):
        assert store.ids(world.acme.pk) == set(Passage.objects.values_list("pk", flat=True))
    store.drop(world.acme.pk)


def test_a_page_that_fails_is_kept_and_says_so(world: World, web: Web) -> None:
    place = site(world, web)
    run(world, place)
    web["/a"] = (500, {}, b"boom")
    job = run(world, place)
    kept = documents(world, web)["/a"]
    assert (kept.status, kept.error) == ("indexed", "The server answered 500.")
    assert (job.status, job.metrics["errors"]) == ("succeeded", 1)
    web["/a"] = html("Olives", TEXT)
    run(world, place)
    assert documents(world, web)["/a"].error == ""


def test_robots_txt_is_obeyed(world: World, web: Web) -> None:
    place = site(world, web)
    run(world, place)
    web["/"] = html("Start", "Everything about fittings and hoses starts here.", "/a", "/b", "/admin")
    rules = b"User-agent: CountersignBot\nDisallow: /a\nDisallow: /admin\n"
    web["/robots.txt"] = (200, {"Content-Type": "text/plain"}, rules)
    web.forget()
    job = run(world, place)
    assert job.metrics["denied"] == 2 and not {"/a", "/admin"} & {*web.asked}
    found = documents(world, web)
    assert ("robots.txt" in found["/a"].error, found["/a"].status) == (True, "indexed")
    assert "/admin" not in found


@pytest.mark.parametrize("status", [500, 503, 429])
def test_no_page_is_read_while_robots_txt_cannot_be_had(world: World, web: Web, status: int) -> None:
    web["/robots.txt"] = (status, {}, b"")
    job = run(world, site(world, web))
    assert job.status == "failed" and f"robots.txt was answered with {status}" in job.error
    assert web.asked == ["/robots.txt"]
    with tenant_context(world.acme.pk):
        note = Notification.objects.get(type="job_failed")
    assert note.payload["type"] == "crawl"


def test_the_delay_of_robots_txt_is_kept_between_all_requests(
    world: World, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(crawl.time, "sleep", waits.append)
    web["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 7\n")
    run(world, site(world, web))
    # After robots.txt itself: the sitemap that is tried for, and three pages.
    assert [round(wait) for wait in waits] == [0, 7, 7, 7, 7]


def test_sitemaps_are_read_also_nested_and_packed(world: World, web: Web) -> None:
    xmlns = "http://www.sitemaps.org/schemas/sitemap/0.9"
    web["/robots.txt"] = (200, {}, f"Sitemap: {web.url}/index.xml\n".encode())
    web["/index.xml"] = (200, {}, f'<?xml version="1.0"?><sitemapindex xmlns="{xmlns}"><sitemap><loc>{web.url}/s.xml.gz</loc></sitemap></sitemapindex>'.encode())  # fmt: skip
    pages = f'<urlset xmlns="{xmlns}"><url><loc>{web.url}/hidden?utm_source=x</loc></url><url><loc>http://other.test/</loc></url></urlset>'
    web["/s.xml.gz"] = (200, {}, gzip.compress(pages.encode()))
    web["/hidden"] = html("Hidden", "Only the sitemap knows this page about torque.")
    run(world, site(world, web))
    assert in_use(world, web) == ["/", "/a", "/b", "/hidden"]


@pytest.mark.parametrize(
    "body",
    [
        b"this is no xml",
        b"<html><body>soft 404</body></html>",
        b"\x1f\x8bnot really packed",
        gzip.compress(b"a" * 30_000_000),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>',
    ],
)
def test_a_bad_sitemap_is_told_and_stops_nothing(world: World, web: Web, body: bytes) -> None:
    web["/robots.txt"] = (200, {}, f"Sitemap: {web.url}/bad.xml\n".encode())
    web["/bad.xml"] = (200, {}, body)
    job = run(world, site(world, web))
    assert job.status == "succeeded" and "no sitemap" in job.metrics["problems"][0]
    assert in_use(world, web) == ["/", "/a", "/b"]


def test_a_redirect_moves_the_page(world: World, web: Web) -> None:
    place = site(world, web)
    run(world, place)
    web["/a"] = (301, {"Location": "/olives"}, b"")
    web["/olives"] = html("Olives", TEXT)
    job = run(world, place)
    assert job.metrics["moved"] == 1
    assert in_use(world, web) == ["/", "/b", "/olives"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/a", "in a circle"),
        ("/round", "in a circle"),
        ("http://127.0.0.2:1/secret", "another site (127.0.0.2:1)"),
        ("http://[::1]/", "another site"),
        ("http://169.254.169.254/latest/meta-data", "another site"),
        ("file:///etc/passwd", "has to begin with http"),
        ("//evil.test@127.0.0.1/", "name and password"),
        ("http://[broken", "no web address"),
    ],
)
def test_a_redirect_that_leads_out_or_round_is_not_followed(world: World, web: Web, target: str, reason: str) -> None:
    web["/a"] = (302, {"Location": target}, b"")
    web["/round"] = (302, {"Location": "/a"}, b"")
    job = run(world, site(world, web))
    assert job.status == "succeeded" and job.metrics["errors"] == 1
    assert reason in documents(world, web)["/a"].error
    assert in_use(world, web) == ["/", "/b"]


def test_an_endless_chain_of_redirects_ends(world: World, web: Web) -> None:
    for number in range(20):
        web[f"/hop{number}"] = (302, {"Location": f"/hop{number + 1}"}, b"")
    web["/a"] = (302, {"Location": "/hop0"}, b"")
    run(world, site(world, web))
    assert "more than 5 times" in documents(world, web)["/a"].error
    assert "/hop5" not in web.asked


def test_a_huge_page_is_not_read_whatever_it_says_of_itself(world: World, web: Web) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b"<p>more</p>" * 10_000)
        handler.close_connection = True

    web["/a"] = endless
    web["/b"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, gzip.compress(b"a" * 50_000_000))
    job = run(world, site(world, web))
    found = documents(world, web)
    assert "larger than 8 MB" in found["/a"].error and "larger than 8 MB" in found["/b"].error
    assert job.metrics["errors"] == 2


def test_a_server_that_drips_is_given_up(world: World, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b"<p>")
            time.sleep(0.02)
        dripped.append(200)

    dripped: list[int] = []

    monkeypatch.setattr(fetch, "WHOLE_SECONDS", 0.3)
    web["/a"] = drip
    job = run(world, site(world, web))
    assert "too long" in documents(world, web)["/a"].error
    assert dripped == []  # each drop came in time, and yet it did not wait for the last one
    assert (job.status, in_use(world, web)) == ("succeeded", ["/", "/b"])


def test_a_host_that_keeps_failing_ends_the_crawl_and_loses_nothing(
    world: World, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawl, "MAX_PAUSE_SECONDS", 0.0)
    web["/"] = html("Start", "Everything starts here, and leads on.", *(f"/p{n}" for n in range(9)))
    for number in range(9):
        web[f"/p{number}"] = html(f"P{number}", f"Page number {number} tells about fitting number {number}.")
    place = site(world, web)
    run(world, place)
    for number in range(9):
        web[f"/p{number}"] = (503, {}, b"busy")
    job = run(world, place)
    assert job.status == "failed" and "failed 5 times in a row" in job.error
    assert len(in_use(world, web)) == 10


def test_it_stops_at_the_most_pages_of_the_site(world: World, web: Web) -> None:
    web["/"] = html("Start", "Everything starts here, and leads on.", *(f"/p{n}" for n in range(50)))
    for number in range(50):
        web[f"/p{number}"] = html(f"P{number}", f"Page number {number} tells about fitting number {number}.")
    job = run(world, site(world, web, max_pages=7))
    assert (job.metrics["pages"], len(in_use(world, web))) == (7, 7)


def test_what_is_no_page_is_left_alone(world: World, web: Web) -> None:
    web["/"] = html("Start", "Everything starts here.", "/x.jpg", "/data", "mailto:a@b.c", "javascript:alert(1)", "/e")
    web["/data"] = (200, {"Content-Type": "application/octet-stream"}, b"\0\1\2")
    web["/e"] = (200, {"Content-Type": "text/html"}, b"<html><body></body></html>")
    job = run(world, site(world, web))
    assert "/x.jpg" not in web.asked
    assert (in_use(world, web), job.metrics["skipped"]) == (["/"], 2)
    assert "neither a page nor a document" in documents(world, web)["/data"].error


@pytest.mark.parametrize(("allowed", "networks"), [(False, ["127.0.0.0/8"]), (True, []), (True, ["10.0.0.0/8"])])
def test_a_private_host_is_refused_unless_the_site_and_the_operator_allow_it(
    world: World, web: Web, settings: Any, allowed: bool, networks: list[str]
) -> None:
    settings.CRAWL_NETWORKS = [ipaddress.ip_network(each) for each in networks]
    job = run(world, site(world, web, allow_private=allowed))
    assert job.status == "failed" and "private network (127.0.0.1)" in job.error
    assert web.asked == []
    assert documents(world, web) == {}


def test_a_cancelled_crawl_stops_at_the_next_page_and_a_retry_goes_on_there(world: World, web: Web) -> None:
    place = site(world, web)

    def cancel(path: str) -> None:
        if path == "/a":
            web.before = lambda path: None
            with tenant_context(world.acme.pk):
                jobs.cancel_job(job_id=JobRun.objects.get().pk, actor=world.dan)

    # The server's thread has no part in the test's transaction: the crawl itself is asked to, between two pages.
    real = crawl._Crawl._page

    def page(self: Any, url: str) -> None:
        real(self, url)
        cancel(url.removeprefix(web.url))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crawl._Crawl, "_page", page)
        job = run(world, place)
    assert job.status == "cancelled"
    assert in_use(world, web) == ["/", "/a"]
    web.forget()
    with tenant_context(world.acme.pk):
        jobs.retry_job(job_id=job.pk, actor=world.ada)
    jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    assert (job.status, job.done, job.metrics["new"]) == ("succeeded", 3, 3)
    assert [path for path in web.asked if path in ("/", "/a", "/b")] == ["/b"]


def test_a_crawl_that_lost_its_worker_goes_on_where_it_was(world: World, web: Web) -> None:
    place = site(world, web)
    real = crawl._Crawl._page

    def die_after_the_second(self: Any, url: str) -> None:
        real(self, url)
        if len(self.done) == 2:
            raise KeyboardInterrupt  # as a kill would: no handler of ours runs

    with tenant_context(world.acme.pk):
        job = jobs.queue_job(account_id=world.acme.pk, type="crawl", params={"site": str(place.pk)}, actor=world.dan)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(crawl._Crawl, "_page", die_after_the_second)
        jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        JobRun.objects.filter(pk=job.pk).update(heartbeat_at=job.created_at - 2 * jobs.SILENCE)
    assert jobs.sweep(account_id=world.acme.pk) == 1
    web.forget()
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk) == "succeeded"
    assert [path for path in web.asked if path in ("/", "/a", "/b")] == ["/b"]
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    assert (job.done, job.attempts, len(in_use(world, web))) == (3, 2, 3)


def test_only_a_site_of_the_tenant_can_be_crawled(world: World, web: Web) -> None:
    with tenant_context(world.globex.pk):
        theirs = Site.objects.create(account=world.globex, url="https://globex.test/")
    with tenant_context(world.acme.pk), assert_nothing_written():
        for wrong in (theirs.pk, uuid.uuid4(), "no id"):
            with pytest.raises(Site.DoesNotExist):
                jobs.queue_job(account_id=world.acme.pk, type="crawl", params={"site": str(wrong)}, actor=world.dan)
        with pytest.raises(Invalid, match="Nothing was started"):
            jobs.queue_job(account_id=world.acme.pk, type="crawl", params={"url": "x"}, actor=world.dan)


def test_the_clock_asks_for_each_site_once_in_its_hours(world: World, web: Web) -> None:
    place = site(world, web, every_hours=24)
    site(world, web, url="https://paused.test/", is_active=False)
    site(world, web, url="https://by-hand.test/", every_hours=0)
    assert crawl_due_sites(account_id=world.acme.pk) == 1
    assert crawl_due_sites(account_id=world.acme.pk) == 0
    with tenant_context(world.acme.pk):
        job = JobRun.objects.get()
        assert (job.params, job.started_by_name) == ({"site": str(place.pk)}, audit.SYSTEM.name)
        JobRun.objects.update(status="running")
        jobs.fail_job(job, error="down")
        # A crawl that failed is not asked for again every minute.
        assert crawl_due_sites(account_id=world.acme.pk) == 0
        JobRun.objects.update(created_at=job.created_at - jobs.timedelta(hours=25))
        assert crawl_due_sites(account_id=world.acme.pk) == 1


def test_a_page_that_a_person_took_out_stays_out_until_they_say_so(world: World, web: Web) -> None:
    from ingestion import documents as acts

    found = site(world, web)
    run(world, found)
    with tenant_context(world.acme.pk):
        page = SourceDocument.objects.get(source_url=web.url + "/a")
        acts.take_out(document_id=page.pk, actor=world.dan)
    run(world, found)
    assert documents(world, web)["/a"].status == "gone"
    with tenant_context(world.acme.pk):
        acts.bring_back(document_id=page.pk, actor=world.dan)
    run(world, found)
    assert documents(world, web)["/a"].status == "indexed"


OVERLAP = "<table><tr><th>A<th>B<tr><td>a<td rowspan=2>b<tr><td colspan=2>c</table>"


def test_what_a_reader_sees_and_drafts_cannot_quote_is_said(world: World, web: Web) -> None:
    web["/a"] = html("Olives", TEXT + " More about flares." * 100 + OVERLAP)
    job = run(world, site(world, web))
    assert (job.status, job.metrics["lost"]) == ("succeeded", 5)
    assert "/a: 5 of 322 words are not in its text" in job.metrics["problems"][0]
    assert documents(world, web)["/a"].metadata["missing"][0] == ("A table whose cells overlap was left out: A B a b c")


def test_a_crawl_that_loses_more_than_a_few_words_fails(world: World, web: Web) -> None:
    web["/a"] = html("Olives", TEXT + OVERLAP)
    job = run(world, site(world, web))
    assert job.status == "failed" and "words that readers see were not read, more than 3%" in job.error
    assert in_use(world, web) == ["/", "/a", "/b"]


def test_a_page_that_an_older_version_read_is_read_anew(
    world: World, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = site(world, web)
    run(world, place)
    monkeypatch.setattr(crawl, "read_answer", lambda *_, **__: Extracted("Olives", "Read otherwise."))
    assert run(world, place).metrics["unchanged"] == 3
    monkeypatch.setattr(crawl, "READER", crawl.READER + 1)
    assert run(world, place).metrics["changed"] == 3


def test_a_page_that_asks_to_be_left_out_is_but_its_links_are_followed(world: World, web: Web) -> None:
    place = site(world, web)
    run(world, place)
    hidden = html("Olives", TEXT, "/c")
    web["/a"] = hidden.replace(b"<head>", b'<head><meta name="ROBOTS" content="NoIndex, follow">')
    web["/b"] = (200, {"Content-Type": "text/html", "X-Robots-Tag": "noindex"}, html("Hoses", "PTFE hose."))
    web["/c"] = (200, {"Content-Type": "text/html", "X-Robots-Tag": "otherbot: noindex"}, html("More", "Only here."))
    job = run(world, place)
    assert in_use(world, web) == ["/", "/c"]
    assert (job.metrics["skipped"], job.metrics["gone"]) == (2, 2)


def test_a_print_copy_is_read_once_and_pages_of_a_list_all_are(world: World, web: Web) -> None:
    def canonical(page: bytes) -> bytes:
        return page.replace(b"<head>", b'<head><link rel="canonical" href="/canon">')

    web["/"] = html("Start", "Everything starts here.", "/canon?print=1", "/print/canon", "/canon?page=2")
    web["/canon?print=1"] = canonical(html("Olives", TEXT))
    web["/print/canon"] = canonical(html("Olives", TEXT))
    web["/canon"] = canonical(html("Olives", TEXT))
    web["/canon?page=2"] = canonical(html("Olives", "Something else on the second page."))
    run(world, site(world, web))
    assert in_use(world, web) == ["/", "/canon", "/canon?page=2"]


def test_a_sitemap_among_the_pages_of_a_sitemap_is_read(world: World, web: Web) -> None:
    def urlset(path: str) -> tuple[int, dict[str, str], bytes]:
        xmlns = "http://www.sitemaps.org/schemas/sitemap/0.9"
        return 200, {}, f'<urlset xmlns="{xmlns}"><url><loc>{web.url}{path}</loc></url></urlset>'.encode()

    web["/sitemap.xml"], web["/s3.xml"] = urlset("/s3.xml"), urlset("/hidden")
    web["/hidden"] = html("Hidden", "Only the inner sitemap knows this page.")
    run(world, site(world, web))
    assert "/hidden" in in_use(world, web)
