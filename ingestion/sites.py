"""Sites whose pages are sources: adding one. Changing and removing them is the administration's."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.roles import Verb, check
from ingestion.models import Site

MOST_PAGES, MOST_HOURS = 100_000, 24 * 365


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
        if not 1 <= max_pages <= MOST_PAGES or not 0 <= every_hours <= MOST_HOURS:
            raise Invalid(f"Read 1 to {MOST_PAGES:,} pages, every 0 to {MOST_HOURS:,} hours. Nothing was added.")
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
