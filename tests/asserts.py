"""Assertions in the product's words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Account
from conversations.tenancy import tenant_context

WRITES = ("INSERT", "UPDATE", "DELETE")


def _counts() -> dict[str, tuple[int, str]]:
    """Every tenant table's row count and a digest of its rows, as the current tenant sees them."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in {"conversations", "drafts", "ingestion"}:
                table = model._meta.db_table
                cursor.execute(
                    f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table}\" t"
                )
                found[table] = cursor.fetchone()
        cursor.execute("SELECT count(*), '' FROM procrastinate_jobs")
        found["jobs"] = cursor.fetchone()
    return found


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
