"""Assertions in the product's words."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Account
from conversations.tenancy import tenant_context

WRITES = ("INSERT", "UPDATE", "DELETE")


@functools.cache
def _question() -> str:
    """One statement over all of our tables: their rows, and a digest of them, as the current tenant sees them."""
    models = [m for m in apps.get_models() if m._meta.app_label in {"conversations", "drafts", "ingestion"}]
    digest = "md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
    return " UNION ALL ".join(
        [f"SELECT '{m._meta.db_table}', count(*), {digest} FROM \"{m._meta.db_table}\" t" for m in models]
        + ["SELECT 'jobs', count(*), '' FROM procrastinate_jobs"]
    )


def _counts() -> dict[str, tuple[int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_question())
        return {name: (rows, digest) for name, rows, digest in cursor.fetchall()}


@contextlib.contextmanager
def assert_nothing_written() -> Iterator[None]:
    """No row of any of our tables, and no job, is different afterwards."""
    before = _counts()
    yield
    after = _counts()
    assert after == before, {name: (before[name], after[name]) for name in before if before[name] != after[name]}


@contextlib.contextmanager
def assert_nothing_written_in(account: Account) -> Iterator[None]:
    """The same for one account, around requests that enter another one (a test's requests share its transaction)."""
    with tenant_context(account.pk):
        before = _counts()
    yield
    with tenant_context(account.pk):
        after = _counts()
    assert after == before, {name: (before[name], after[name]) for name in before if before[name] != after[name]}


@contextlib.contextmanager
def counted() -> Iterator[CaptureQueriesContext]:
    with CaptureQueriesContext(connection) as queries:
        yield queries
