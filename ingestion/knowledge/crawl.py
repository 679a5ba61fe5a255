"""The crawl of a Site: which pages there are, what changed on them, what went.

Polite: robots.txt with its delay, one request at a time, conditional requests. Bounded: the start host only, pages,
bytes, seconds. Nothing waits for the network inside of a transaction, and every page is stored by itself: a crawl that
is cut off goes on with the pages that it had not asked for yet, for each document says when it was fetched.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from django.conf import settings
from protego import Protego

from conversations.database import database_time
from conversations.errors import Refusal
from conversations.metadata import Shape
from conversations.tenancy import tenant_context
from ingestion.jobs import JobKind, Work, checked
from ingestion.knowledge import completeness
from ingestion.knowledge.addresses import joined, may_be_page, same_site, tidy
from ingestion.knowledge.directions import Directions, directions_of
from ingestion.knowledge.documents import Unreadable
from ingestion.knowledge.extract import HTML, decode, links_of, read_answer
from ingestion.knowledge.fetch import AGENT, Answer, Fetcher, FetchError, check_address
from ingestion.knowledge.index import Origin, index_document, remove_document
from ingestion.knowledge.sitemaps import MAX_BYTES, MAX_SITEMAPS, BadSitemap, looks_like_sitemap, read_sitemap
from ingestion.models import Site, SourceDocument

PAUSE_SECONDS = 0.5
"""Seconds from one request to the next where robots.txt asks for nothing else."""
MAX_PAUSE_SECONDS = 30.0
HOPS = 5
PATIENCE = 5  # failures of the host in a row, until the crawl gives up
PROBLEMS = 20  # told by name in the job's metrics
LINK_BYTES = 40_000  # of a page's links that are kept: they say where to go on when the page itself is unchanged
READER = 2
"""Counts up when pages are read otherwise: what was read by another number is read anew, changed or not."""


class CrawlFailed(Refusal):
    """The crawl as a whole cannot go on. What was stored stays."""


class Params(Shape):
    site: str


@dataclass
class Counts:
    """What a crawl did, as people are told."""

    pages: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    gone: int = 0
    denied: int = 0
    skipped: int = 0
    errors: int = 0
    words: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)

    def problem(self, url: str, what: str) -> None:
        if len(self.problems) < PROBLEMS:
            self.problems.append(f"{url[:300]}: {what}"[:500])


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """{"site": id} of a site of the tenant. Raises Invalid, Site.DoesNotExist."""
    site = checked(Params, params).site
    return {"site": str(Site.objects.only("pk").get(pk=checked_id(site)).pk)}


def checked_id(value: str) -> str:
    """A malformed id names nothing. Raises Site.DoesNotExist."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise Site.DoesNotExist from None


def run(work: Work) -> dict[str, Any]:
    """Crawl the site of the params; the metrics are `Counts`. Raises CrawlFailed, Stopped, Released."""
    with tenant_context(work.account_id):
        site = Site.objects.get(pk=work.params["site"])
    # Two keys: the operator opens a network for everybody's crawls, an admin says that this site is in one.
    with Fetcher(networks=settings.CRAWL_NETWORKS if site.allow_private else ()) as fetcher:
        return _Crawl(work, site, fetcher).run()


KIND = JobKind(run=run, prepare=prepare, unit="pages")


def period(site: Site) -> timedelta:
    """How often it is crawled; never longer than the calendar can count."""
    return timedelta(hours=min(site.every_hours, 24 * 366 * 10))


class _Crawl:
    def __init__(self, work: Work, site: Site, fetcher: Fetcher) -> None:
        self.work, self.site, self.fetcher = work, site, fetcher
        self.start = tidy(site.url)
        self.began = datetime.fromisoformat(work.resume["began"]) if "began" in work.resume else database_time.now()
        self.counts = Counts(**work.resume.get("counts", {}))
        self.robots = Protego.parse("")
        self.pause = PAUSE_SECONDS
        self.asked_at = 0.0
        self.failures = 0
        self.waiting: deque[str] = deque()
        self.seen: set[str] = set()
        self.done: set[str] = set()
        self.left_out: set[str] = set()  # pages that a person took out of use
        #: Address -> when it was fetched, of every page that is in use.
        self.known: dict[str, datetime | None] = {}

    def run(self) -> dict[str, Any]:
        self._step()
        self._read_robots()
        self._seed()
        while self.waiting and len(self.done) < self.site.max_pages:
            url = self.waiting.popleft()
            if url in self.done:
                continue
            if (fetched := self.known.get(url)) and fetched >= self.began:
                self.done.add(url)  # by the run before the cut
                self._add(self._links_kept(url))
                continue
            self._step()
            self._page(url)
        self._step()
        with tenant_context(self.work.account_id):
            Site.objects.filter(pk=self.site.pk).update(crawled_at=database_time.now())
        completeness.check(self.counts)
        return asdict(self.counts)

    def _step(self) -> None:
        total = min(self.site.max_pages, len(self.done) + len(self.waiting))
        resume = {"began": self.began.isoformat(), "counts": asdict(self.counts)}
        self.work.step(done=len(self.done), total=total, resume=resume)

    # --- where to go ---------------------------------------------------------------------------------------------------
    def _read_robots(self) -> None:
        """RFC 9309: no robots.txt allows everything, one that cannot be had allows nothing."""
        parts = urlsplit(self.start)
        address = urlunsplit((parts.scheme, parts.netloc, "/robots.txt", "", ""))
        try:
            answer = self._follow(address, most=600_000, ask_robots=False)
        except FetchError as error:
            raise CrawlFailed(f"robots.txt could not be read, so no page was: {error}") from error
        if answer.status >= 500 or answer.status == 429:
            raise CrawlFailed(f"robots.txt was answered with {answer.status}, so no page was read. Try again later.")
        if answer.status == 200:
            self.robots = Protego.parse(decode(answer.body[:500_000]))
        self.pause = min(MAX_PAUSE_SECONDS, max(PAUSE_SECONDS, float(self.robots.crawl_delay(AGENT) or 0)))

    def _seed(self) -> None:
        """The start page, then what is known (so that what went is noticed), then the sitemaps."""
        with tenant_context(self.work.account_id):
            rows = SourceDocument.objects.filter(site_id=self.site.pk, status=SourceDocument.Status.INDEXED)
            self.known = dict(rows.order_by("fetched_at").values_list("source_url", "fetched_at"))
            taken_out = SourceDocument.objects.filter(status=SourceDocument.Status.GONE, metadata__removed=True)
            self.left_out = set(taken_out.values_list("source_url", flat=True))
        is_sitemap = looks_like_sitemap(self.start)
        self._add([] if is_sitemap else [self.start])
        self._add(self.known)
        named = [self.start] if is_sitemap else list(self.robots.sitemaps) or [urljoin(self.start, "/sitemap.xml")]
        is_named = is_sitemap or bool(list(self.robots.sitemaps))
        waiting, read = deque(named), set[str]()
        while waiting and len(read) < MAX_SITEMAPS:
            address = waiting.popleft()
            if address in read or not self._ours(address):
                continue
            read.add(address)
            self._step()
            try:
                answer = self._follow(address, most=MAX_BYTES, ask_robots=False)
                if answer.status != 200:
                    raise BadSitemap(f"it was answered with {answer.status}")
                pages, more = read_sitemap(answer.body)
            except (FetchError, BadSitemap) as error:
                if is_named:  # one that was only tried for may be missing
                    self.counts.problem(address, f"no sitemap: {error}")
                continue
            self._add(pages)
            waiting.extend(more)
            waiting.extend(
                page for page in pages if looks_like_sitemap(page)
            )  # some list their sitemaps as if they were pages

    def _ours(self, url: str) -> bool:
        try:
            return same_site(check_address(url), self.start)
        except FetchError:
            return False

    def _add(self, urls: Iterable[str]) -> None:
        for url in urls:
            if len(self.seen) > 4 * self.site.max_pages:
                return  # a site that makes up addresses does not fill our memory
            try:
                url = tidy(url)
            except FetchError:
                continue
            if url not in self.seen and url not in self.left_out and same_site(url, self.start) and may_be_page(url):
                self.seen.add(url)
                self.waiting.append(url)

    def _links_kept(self, url: str) -> list[str]:
        with tenant_context(self.work.account_id):
            kept = SourceDocument.objects.filter(source_url=url).values_list("metadata", flat=True).first() or {}
        return [str(link) for link in kept.get("links", [])]

    # --- one page ------------------------------------------------------------------------------------------------------
    def _page(self, url: str) -> None:
        """Ask for one page and store what came of it; only the host as a whole can end the crawl."""
        if not self.robots.can_fetch(url, AGENT):
            self.done.add(url)
            self.counts.denied += 1
            if url in self.known:  # the many that never were in use are the site's own business
                self._note(url, "robots.txt asks not to read this page any more.")
            return
        try:
            answer = self._follow(url, headers=self._conditions(url))
        except FetchError as error:
            self.done.add(url)
            self._failed(url, str(error), counts=error.host_is_down)
            return
        self.done.add(url)
        final = tidy(answer.url)
        if final != url:
            self.counts.moved += self._remove(url)
            if final in self.done or final in self.left_out:
                return
            self.done.add(final)
            self.seen.add(final)
        self.counts.pages += 1
        is_refusing = answer.status == 429 or answer.status >= 500
        self.failures = self.failures if is_refusing else 0
        if answer.status == 304:
            self._touch(final, answer)
            self._add(self._links_kept(final))
        elif answer.status in (404, 410):
            self.counts.gone += self._remove(final)
        elif answer.status != 200:
            self._failed(final, f"The server answered {answer.status}.", counts=is_refusing)
        else:
            self._read(final, answer)

    def _read(self, url: str, answer: Answer) -> None:
        digest = hashlib.sha256(answer.body).hexdigest()
        before = self._row(url)
        is_same = before and before.metadata.get("body") == digest and before.metadata.get("reader") == READER
        if before and before.status == SourceDocument.Status.INDEXED and is_same:
            self._touch(url, answer)
            self._add(self._links_kept(url))
            return
        links, asked = [], Directions()
        if answer.media_type in HTML:
            links = links_of(answer.body, base=url, charset=answer.charset)
            asked = directions_of(answer.body, url=url, headers=answer.headers, charset=answer.charset)
        if asked.is_noindex or (asked.copy_of and self._ours(asked.copy_of)):
            self.counts.skipped += 1
            self.counts.gone += self._remove(url)
            self._add([asked.copy_of, *links] if asked.copy_of else links)
            return
        try:
            found = read_answer(url, answer.body, media_type=answer.media_type, charset=answer.charset)
        except Unreadable as error:
            self.counts.skipped += 1
            self._note(url, f"This page was not read: {error}.")
            self._add(links)
            return
        completeness.count(self.counts, url, found)
        own = [link for link in links if self._ours(link)]
        while own and sum(map(len, own)) > LINK_BYTES:
            own = own[: len(own) // 2]
        with tenant_context(self.work.account_id):
            after = index_document(
                account_id=self.work.account_id,
                source_url=url,
                title=found.title or url,
                text=found.text,
                metadata={"body": digest, "reader": READER, "links": own, **completeness.kept(found)},
                origin=Origin(
                    SourceDocument.Kind.PAGE,
                    self.site.pk,
                    answer.headers.get("etag", ""),
                    answer.headers.get("last-modified", ""),
                    self._next(),
                ),
            )
        if before is None or before.status != SourceDocument.Status.INDEXED:
            self.counts.new += 1
        elif before.hash != after.hash:
            self.counts.changed += 1
        else:
            self.counts.unchanged += 1
        self._add(own)

    def _follow(
        self, url: str, *, headers: dict[str, str] | None = None, most: int = 8_000_000, ask_robots: bool = True
    ) -> Answer:
        """GET with redirects inside of the site, each hop checked anew, none faster than the pause. Raises FetchError."""
        passed = {url}
        for _ in range(HOPS + 1):
            time.sleep(max(0.0, self.asked_at + self.pause - time.monotonic()))
            self.asked_at = time.monotonic()
            answer = self.fetcher.get(url, headers=headers, most=most)
            target = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or not target:
                return answer
            url = check_address(joined(url, target))
            if not same_site(url, self.start):
                raise FetchError(f"It sends its readers to another site ({urlsplit(url).netloc[:100]}).")
            if url in passed:
                raise FetchError("It sends its readers in a circle.")
            if ask_robots and not self.robots.can_fetch(url, AGENT):
                raise FetchError("It sends its readers to a page that robots.txt asks not to read.")
            passed.add(url)
            headers = None  # the conditions were those of the first address
        raise FetchError(f"It sends its readers on more than {HOPS} times.")

    # --- what is kept --------------------------------------------------------------------------------------------------
    def _row(self, url: str) -> SourceDocument | None:
        with tenant_context(self.work.account_id):
            return SourceDocument.objects.filter(source_url=url).first()

    def _conditions(self, url: str) -> dict[str, str]:
        row = self._row(url) if url in self.known else None
        if row is None or row.metadata.get("reader") != READER:
            return {}
        found = {"If-None-Match": row.etag, "If-Modified-Since": row.last_modified}
        return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}

    def _touch(self, url: str, answer: Answer) -> None:
        """Unchanged: fresh as of now."""
        now = database_time.now()
        facts = {"fetched_at": now, "indexed_at": now, "next_refresh_at": self._next(), "error": "", "updated_at": now}
        facts |= {"etag": tag[:300]} if (tag := answer.headers.get("etag", "")) else {}
        facts |= {"last_modified": day[:100]} if (day := answer.headers.get("last-modified", "")) else {}
        with tenant_context(self.work.account_id):
            SourceDocument.objects.filter(source_url=url).update(**facts)
        self.counts.unchanged += 1

    def _failed(self, url: str, error: str, *, counts: bool) -> None:
        self.counts.errors += 1
        self._note(url, error)
        if counts:
            self.failures += 1
            self.pause = min(MAX_PAUSE_SECONDS, self.pause * 2)
            if self.failures >= PATIENCE:
                raise CrawlFailed(
                    f"The server failed {PATIENCE} times in a row, last with: {error} Pages are kept as they were."
                )

    def _note(self, url: str, error: str) -> None:
        """A page that is in use stays so, with the error beside it; one that never was is listed as failed."""
        self.counts.problem(url, error)
        now = database_time.now()
        with tenant_context(self.work.account_id):
            if url in self.known:
                SourceDocument.objects.filter(source_url=url).update(error=error[:500], fetched_at=now, updated_at=now)
                return
            row, _ = SourceDocument.objects.get_or_create(
                account_id=self.work.account_id,
                source_url=url,
                defaults={"status": SourceDocument.Status.FAILED, "kind": SourceDocument.Kind.PAGE},
            )
            if row.status != SourceDocument.Status.INDEXED:
                row.status, row.site_id, row.error, row.fetched_at = "failed", self.site.pk, error[:500], now
                row.save(update_fields=["status", "site", "error", "fetched_at", "updated_at"])

    def _remove(self, url: str) -> int:
        """The page went: its passages and vectors go with it. 1 if it was in use."""
        return int(url in self.known and remove_document(account_id=self.work.account_id, source_url=url))

    def _next(self) -> datetime | None:
        return database_time.now() + period(self.site) if self.site.every_hours else None
