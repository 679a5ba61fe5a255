"""Sites whose pages are sources: adding, changing and removing one. Opening one's own network to it is the administration's."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.people.roles import Verb, check
from ingestion.knowledge.index import remove_documents_of
from ingestion.models import JobRun, Site

MAX_PAGES, MAX_HOURS = 100_000, 24 * 365


def add_site(
    *, account_id: uuid.UUID, url: str, actor: User, name: str = "", max_pages: int = 500, every_hours: int = 24
) -> Site:
    """A site to crawl; its hosts inside of one's own network stay closed until an administrator opens them.

    Raises PermissionDenied (403), Invalid (422), Conflict (409: the address is there already).
    """
    url = url.strip()
    with transaction.atomic():
        check(actor, Verb.RUN_JOBS, account_id=account_id)
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in {"http", "https"} or not host or len(url) > 1000 or not url.isprintable():
            raise Invalid("Give the whole address, with https:// in front. Nothing was added.")
        if parts.username or parts.password:
            raise Invalid("An address with a password in it is not kept. Nothing was added.")
        _check_limits(max_pages, every_hours)
        try:
            with transaction.atomic():
                site = Site.objects.create(
                    account_id=account_id,
                    url=url,
                    name=name.strip()[:120],
                    max_pages=max_pages,
                    every_hours=every_hours,
                )
        except IntegrityError as error:
            raise Conflict("This address is a site already. Nothing was added.") from error
        audit.record(
            audit.Kind.ADMIN_CHANGED,
            actor=actor,
            about=site,
            data={"what": "the sites", "fields": f"added {url[:300]}"},
        )
    return site


def change_site(
    *, site_id: uuid.UUID, actor: User, name: str, max_pages: int, every_hours: int, is_active: bool
) -> Site:
    """How a site is called and how much and how often it is read. A paused one keeps its pages; they grow older.

    Raises PermissionDenied (403), Site.DoesNotExist (404), Invalid (422).
    """
    with transaction.atomic():
        site = _locked(site_id, actor)
        _check_limits(max_pages, every_hours)
        wanted = {
            "name": name.strip()[:120],
            "max_pages": max_pages,
            "every_hours": every_hours,
            "is_active": is_active,
        }
        changed = [field for field, value in wanted.items() if getattr(site, field) != value]
        if not changed:
            return site
        for field in changed:
            setattr(site, field, wanted[field])
        site.save(update_fields=changed)
        audit.record(
            audit.Kind.SITE_CHANGED,
            actor=actor,
            about=site,
            data={"name": str(site)[:200], "fields": ", ".join(field.replace("_", " ") for field in changed)},
        )
    return site


def remove_site(*, site_id: uuid.UUID, actor: User) -> int:
    """Read it no more and take its documents out of use; waiting drafts that cite them are marked. How many they were.

    Raises PermissionDenied (403), Site.DoesNotExist (404), Conflict (409: it is being read).
    """
    with transaction.atomic():
        site = _locked(site_id, actor)
        live = [JobRun.Status.QUEUED, JobRun.Status.RUNNING]
        if JobRun.objects.filter(type=JobRun.Type.CRAWL, params__site=str(site.pk), status__in=live).exists():
            raise Conflict("This site is being read. Cancel its job first; nothing was removed.")
        documents = remove_documents_of(account_id=site.account_id, site_id=site.pk)
        audit.record(
            audit.Kind.SITE_REMOVED,
            actor=actor,
            about=site,
            data={"name": str(site)[:200], "url": site.url[:300], "documents": documents},
        )
        site.delete()
    return documents


def _locked(site_id: uuid.UUID, actor: User) -> Site:
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    check(actor, Verb.RUN_JOBS, account_id=site.account_id)
    return site


def _check_limits(max_pages: int, every_hours: int) -> None:
    if not 1 <= max_pages <= MAX_PAGES or not 0 <= every_hours <= MAX_HOURS:
        raise Invalid(f"Read 1 to {MAX_PAGES:,} pages, every 0 to {MAX_HOURS:,} hours. Nothing was changed.")
