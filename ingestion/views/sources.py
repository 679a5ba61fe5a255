"""The sources page: sites, documents, uploads; and one document with the passages that drafts can cite."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from conversations.errors import Invalid, NotKept
from conversations.people.roles import Verb, check, may, require
from conversations.search import words_query
from conversations.tenancy import outside_transaction, require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import Clock, clock_for, plural, span
from ingestion import documents, jobs, sites
from ingestion.knowledge.extract import KINDS as READABLE
from ingestion.knowledge.extract import MAX_BYTES
from ingestion.knowledge.files import MAX_FILES, Upload, keep_upload
from ingestion.models import JobRun, Passage, Site, SourceDocument
from ingestion.views.present import AGES, DOCUMENT_STATES, KINDS, OLD, document_row, freshness
from ingestion.views.runs import back, cards_context, runs_context

logger = logging.getLogger(__name__)

PAGE = 50
PASSAGES = 200
ANSWERS = (".csv", ".jsonl", ".ndjson")
Status = SourceDocument.Status


@require_safe
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """`q` searches titles, addresses and passages; `status` and `kind` filter; `after` is the last document shown."""
    tenant, clock = require_tenant(request), clock_for(request)
    run = may(tenant, Verb.RUN_JOBS)
    counts, summary = _ages(clock)
    context = {
        "nav": "sources",
        "summary": summary,
        "sites": _sites(clock),
        "can_run": run,
        "fresh": freshness(counts),
        "has_documents": bool(sum(counts)),
        "accepts": ",".join([*READABLE, *ANSWERS]),
        "most": f"{MAX_BYTES / 1e6:.0f} MB",
        **_documents(request, clock),
        **cards_context(request),
        **runs_context(request),
    }
    return render(request, "ingestion/sources.html", context)


@require_safe
@signed_in
@require(Verb.READ)
def document(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A document's passages in their order: exactly what a draft may quote."""
    tenant = require_tenant(request)
    clock = clock_for(request)
    found = SourceDocument.objects.select_related("site").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such document in this account.")
    passages = list(
        Passage.objects.filter(document=found).order_by("ordinal").values("id", "heading", "text")[:PASSAGES]
    )
    status, status_class = DOCUMENT_STATES[Status(found.status)]
    read_at = found.fetched_at or found.indexed_at
    facts = [
        ("Kind", KINDS[SourceDocument.Kind(found.kind)]),
        ("Read", f"{clock.stamp(read_at)}, {span(clock.now - read_at)} ago"),
        ("Indexed", clock.stamp(found.indexed_at)),
        ("Passages", f"{len(passages)}{' or more' if len(passages) == PASSAGES else ''}"),
    ]
    if found.site:
        facts.append(("Site", str(found.site)))
    if found.next_refresh_at:
        facts.append(("Read again", clock.stamp(found.next_refresh_at)))
    context = {
        "nav": "sources",
        "title": found.title or found.source_url,
        "address": found.source_url,
        "link": found.source_url if found.source_url.startswith(("https://", "http://")) else "",
        "status": status,
        "status_class": status_class,
        "error": found.error,
        "facts": facts,
        "missing": [str(each) for each in found.metadata.get("missing", [])],
        "passages": passages,
        "is_old": clock.now - read_at > OLD,
        "acts": _acts(found) if may(tenant, Verb.RUN_JOBS) else [],
    }
    return render(request, "ingestion/document.html", context)


@require_POST
@signed_in
def add(request: HttpRequest) -> HttpResponse:
    """Add a site and crawl it at once."""
    tenant, me = require_tenant(request), person(request)
    site = sites.add_site(
        account_id=tenant.account_id,
        url=request.POST.get("url", ""),
        name=request.POST.get("name", ""),
        max_pages=_number(request.POST.get("max_pages", ""), 500),
        every_hours=_number(request.POST.get("every_hours", ""), 24),
        actor=me,
    )
    jobs.queue_job(account_id=tenant.account_id, type=JobRun.Type.CRAWL, params={"site": str(site.pk)}, actor=me)
    messages.success(request, f"{site} was added and is being read.")
    return back()


@require_POST
@signed_in
def change(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How a site is called, how much and how often it is read, and whether at all."""
    require_tenant(request)
    data = request.POST
    try:
        site = sites.change_site(
            site_id=pk,
            actor=person(request),
            name=data.get("name", ""),
            max_pages=_number(data.get("max_pages", ""), 500),
            every_hours=_number(data.get("every_hours", ""), 24),
            is_active=data.get("is_active") == "on",
        )
    except Site.DoesNotExist:
        raise Http404("There is no such site in this account.") from None
    messages.success(request, f"{site} was changed.")
    return back()


@require_POST
@signed_in
def remove(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A site is read no more and its documents go out of use."""
    require_tenant(request)
    try:
        gone = sites.remove_site(site_id=pk, actor=person(request))
    except Site.DoesNotExist:
        raise Http404("There is no such site in this account.") from None
    messages.success(
        request, f"The site is gone, and {plural(gone, 'document')} with it. Drafts that cite them are marked."
    )
    return back()


@require_POST
@signed_in
def decide(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    """`act` is remove (out of use) or bring-back (a page that somebody removed)."""
    require_tenant(request)
    acts = {
        "remove": (documents.take_out, "Out of use. Drafts that cite it are marked."),
        "bring-back": (documents.bring_back, "It is read again with the next crawl of its site."),
    }
    if act not in acts:
        raise Http404("There is no such act.")
    verb, words = acts[act]
    try:
        verb(document_id=pk, actor=person(request))
    except SourceDocument.DoesNotExist:
        raise Http404("There is no such document in this account.") from None
    messages.success(request, words)
    return see_other(reverse("ingestion:document", args=[pk]))


@require_POST
@signed_in
def crawl(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    tenant = require_tenant(request)
    site = Site.objects.filter(pk=pk).first()
    if site is None:
        raise Http404("There is no such site in this account.")
    jobs.queue_job(
        account_id=tenant.account_id, type=JobRun.Type.CRAWL, params={"site": str(site.pk)}, actor=person(request)
    )
    messages.success(request, f"{site} is queued to be read.")
    return back()


@require_POST
@signed_in
def upload(request: HttpRequest) -> HttpResponse:
    """Documents become one job, each file of approved answers one of its own. What cannot be read is named; the rest goes on."""
    tenant, me = require_tenant(request), person(request)
    check(me, Verb.RUN_JOBS, account_id=tenant.account_id)
    kept: list[Upload] = []
    answers: list[Upload] = []
    refused: list[str] = []
    for file in request.FILES.getlist("files")[:MAX_FILES]:
        name = file.name or ""
        is_answers = PurePosixPath(name).suffix.lower() in ANSWERS
        try:
            if (file.size or 0) > MAX_BYTES:
                raise Invalid(f"{name[:200]} was not kept: it is larger than {MAX_BYTES / 1e6:.0f} MB.")
            with outside_transaction(request):  # their store may be another machine
                found = keep_upload(
                    account_id=tenant.account_id,
                    name=name,
                    content=file.read(),
                    endings=ANSWERS if is_answers else tuple(READABLE),
                )
        except Invalid as refusal:
            refused.append(str(refusal))
            continue
        except OSError:
            logger.exception("an upload could not be kept")
            raise NotKept("The files could not be kept, their store is away. Nothing was queued; try again.") from None
        (answers if is_answers else kept).append(found)
    if not kept and not answers:
        raise Invalid(" ".join(refused) or "Choose at least one file. Nothing was uploaded.")
    if kept:
        params: dict[str, Any] = {"files": [each.model_dump() for each in kept]}
        jobs.queue_job(account_id=tenant.account_id, type=JobRun.Type.INGEST_FILES, params=params, actor=me)
    for each in answers:
        params = {"file": each.model_dump(), "dry_run": request.POST.get("dry_run") == "on"}
        jobs.queue_job(account_id=tenant.account_id, type=JobRun.Type.INGEST_GOLDENS, params=params, actor=me)
    for words in refused:
        messages.warning(request, words)
    messages.success(request, f"{plural(len(kept) + len(answers), 'file')} queued to be read.")
    return back()


def _acts(document: SourceDocument) -> list[dict[str, str]]:
    """What can be done about it, as address, words and what follows from it."""
    if documents.can_come_back(document):
        act, label, note = "bring-back", "Let it be read again", "The next crawl of its site reads it."
    elif document.status == Status.GONE or document.kind == SourceDocument.Kind.GOLDEN:
        return []
    else:
        act, label, note = "remove", "Take out of use", "Nothing of it can be quoted then; waiting drafts that cite it are marked."  # fmt: skip
    return [{"url": reverse("ingestion:decide-document", args=[document.pk, act]), "label": label, "note": note}]


def _number(value: str, default: int) -> int:
    """What was typed; nothing is the default, and what is no number is refused by the verb."""
    return default if not value.strip() else int(value) if value.strip().isdecimal() and len(value) < 10 else -1


def _ages(clock: Clock) -> tuple[list[int], str]:
    """How many documents in use are how old, by `AGES`."""
    in_use = SourceDocument.objects.filter(status=Status.INDEXED).annotate(read_at=Coalesce("fetched_at", "indexed_at"))
    filters, upper = {}, None
    for at, (days, _, _) in enumerate(AGES):
        lower = clock.now - timedelta(days=days) if days else None
        wanted = Q(read_at__gt=lower) if lower else Q()
        wanted &= Q(read_at__lte=upper) if upper else Q()
        filters[f"age{at}"] = Count("pk", filter=wanted or Q(pk__isnull=False))
        upper = lower
    found = in_use.aggregate(**filters)
    counts = [int(found[f"age{at}"]) for at in range(len(AGES))]
    old = f" {counts[-1]:,} {'is' if counts[-1] == 1 else 'are'} older than 30 days." if counts[-1] else ""
    return counts, f"{plural(sum(counts), 'document')} that drafts can quote.{old}"


def _sites(clock: Clock) -> list[dict[str, Any]]:
    documents = SourceDocument.objects.filter(site=OuterRef("pk"), status=Status.INDEXED).order_by().values("site")
    found = Site.objects.annotate(pages=Subquery(documents.annotate(n=Count("pk")).values("n"))).order_by("url")
    return [
        {
            "name": str(site),
            "url": site.url,
            "pages": site.pages or 0,
            "read": f"{span(clock.now - site.crawled_at)} ago" if site.crawled_at else "never",
            "every": f"every {span(timedelta(hours=site.every_hours))}" if site.every_hours else "by hand",
            "is_active": site.is_active,
            "crawl_url": reverse("ingestion:crawl", args=[site.pk]),
            "id": str(site.pk),
            "own_name": site.name,
            "max_pages": site.max_pages,
            "every_hours": site.every_hours,
            "change_url": reverse("ingestion:change-site", args=[site.pk]),
            "remove_url": reverse("ingestion:remove-site", args=[site.pk]),
        }
        for site in found[:PAGE]
    ]


def _documents(request: HttpRequest, clock: Clock) -> dict[str, Any]:
    """One page of documents, newest first by id. A damaged `after` is page one."""
    query = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    status, kind = request.GET.get("status", ""), request.GET.get("kind", "")
    status, kind = status if status in DOCUMENT_STATES else "", kind if kind in KINDS else ""
    found: QuerySet[SourceDocument] = SourceDocument.objects.order_by("-id")
    if query:
        wanted = Q(title__icontains=query) | Q(source_url__icontains=query)
        if words := words_query(query):
            wanted |= Q(Exists(Passage.objects.filter(document=OuterRef("pk"), search=words)))
        found = found.filter(wanted)
    if status:
        found = found.filter(status=status)
    if kind:
        found = found.filter(kind=kind)
    try:
        found = found.filter(pk__lt=uuid.UUID(request.GET.get("after", "")))
    except ValueError:
        pass
    passages = Passage.objects.filter(document=OuterRef("pk")).order_by().values("document")
    fields = ("id", "title", "source_url", "kind", "status", "fetched_at", "indexed_at", "error", "passage_count")
    rows = list(
        found.annotate(passage_count=Subquery(passages.annotate(n=Count("pk")).values("n"))).values(*fields)[: PAGE + 1]
    )
    kept = {name: value for name, value in (("q", query), ("status", status), ("kind", kind)) if value}
    url = reverse("ingestion:sources")
    return {
        "documents": [document_row(row, clock) for row in rows[:PAGE]],
        "query": query,
        "is_filtered": bool(kept),
        "clear_url": f"{url}#documents",
        "status_options": [
            ("", "Any status", not status),
            *((s.value, words, s == status) for s, (words, _) in DOCUMENT_STATES.items()),
        ],
        "kind_options": [("", "All kinds", not kind), *((k.value, words, k == kind) for k, words in KINDS.items())],
        "more_url": f"?{urlencode({**kept, 'after': rows[PAGE - 1]['id']})}#documents" if len(rows) > PAGE else "",
    }
