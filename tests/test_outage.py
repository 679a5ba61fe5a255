"""The database is away: every route answers 503 at once, keeps what was typed, and is well again without a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InternalError, OperationalError, connection
from django.test import Client
from django.urls import get_resolver
from psycopg import errors

from config.postgres import Cluster
from conversations.people import tokens
from conversations.tenancy import tenant_context
from conversations.web import outage
from tests import factories
from tests.asgi import serving, session_of
from tests.conftest import World, some_id
from tests.ready_cluster import FAST
from tests.test_isolation_walk import filled, patterns

SOON = 2.0  # seconds in which a page must say that the database is away
BACK = 5.0  # seconds after its return in which every page must work again
#: These ask the database for nothing, so they work.
ALONE = ("/healthz",)


@pytest.fixture
def away(committed_world: World) -> Iterator[None]:
    """Every connection of this process is refused, by a socket that nobody listens on."""
    connection.close()
    there, connection.settings_dict["HOST"] = connection.settings_dict["HOST"], "/nonexistent"
    yield
    connection.close()
    connection.settings_dict["HOST"] = there


def test_every_route_says_503_and_when_to_come_back(
    committed_world: World, signed_in: Any, request: pytest.FixtureRequest
) -> None:
    browser = signed_in(committed_world.dan, raise_request_exception=False)
    with tenant_context(committed_world.acme.pk):
        _, token = tokens.issue(
            account=committed_world.acme, name="Sync", scopes=tokens.Scope.values, actor=committed_world.dan
        )
    request.getfixturevalue("away")
    unavailable = 0
    for path, converters in patterns(get_resolver()):
        url = filled(path, converters, some_id())
        if url is None:
            continue
        headers = {"Authorization": f"Bearer {token}"} if url.startswith("/internal/") else {}
        for method in ("get", "post"):
            answer = getattr(browser, method)(url, headers=headers)
            assert answer.status_code < 500 or answer.status_code == 503, (method, url, answer.status_code)
            if answer.status_code == 503:
                unavailable += 1
                assert answer["Retry-After"] == "5", (method, url)
                assert answer["Cache-Control"] == "no-store", (method, url)
    assert unavailable > 100
    assert browser.get("/readyz").status_code == 503
    assert browser.get("/healthz").status_code == 200


def test_a_form_comes_back_with_what_was_typed_and_can_be_sent_again(
    committed_world: World, signed_in: Any, request: pytest.FixtureRequest
) -> None:
    message = factories.message(committed_world.mail)
    draft = factories.draft(message)
    browser = signed_in(committed_world.ada, raise_request_exception=False)
    request.getfixturevalue("away")
    typed = {"reason": "tone", "note": "Too cold for somebody who waited three weeks.\nSay sorry first. <b>"}
    answer = browser.post(f"/drafts/{draft.pk}/reject/?from=queue", typed)
    soup = BeautifulSoup(answer.content, "html.parser")
    form = soup.select_one("form")
    assert (answer.status_code, form["action"]) == (503, f"/drafts/{draft.pk}/reject/?from=queue")
    assert form.select_one("textarea[name=note]").text.strip() == typed["note"]
    assert form.select_one("input[name=reason]")["value"] == "tone"


def test_a_page_never_repeats_a_secret_or_loses_a_file_silently(
    committed_world: World, request: pytest.FixtureRequest
) -> None:
    browser = Client(raise_request_exception=False)
    request.getfixturevalue("away")
    answer = browser.post("/accounts/login/", {"login": "ada@acme.test", "password": "correct horse"})
    assert answer.status_code == 503
    assert "correct horse" not in answer.content.decode()
    assert "<form" not in answer.content.decode()


@pytest.mark.parametrize(
    ("cause", "passes"),
    [
        (None, True),
        (errors.ConnectionFailure(), True),
        (errors.AdminShutdown(), True),
        (errors.CannotConnectNow(), True),
        (errors.TooManyConnections(), True),
        (errors.DiskFull(), True),
        (errors.DeadlockDetected(), True),
        (errors.LockNotAvailable(), True),
        (errors.QueryCanceled(), True),
        (errors.IoError(), True),
        (errors.UndefinedTable(), False),
        (errors.ReadOnlySqlTransaction(), False),
        (errors.InvalidTextRepresentation(), False),
    ],
)
def test_only_what_passes_is_called_an_outage(cause: Exception | None, passes: bool) -> None:
    error = OperationalError("x")
    error.__cause__ = cause
    assert outage.is_passing(error) is passes
    if cause is not None:
        outer = ValueError("a view's own")
        outer.__context__ = error
        assert outage.is_passing(outer) is passes


def test_a_pooler_whose_server_died_is_an_outage() -> None:
    """psycopg's own error, without a state: it was a 500 when the primary failed over behind PgBouncer."""
    error = InternalError("received 2 results from command 'COMMIT'")
    error.__cause__ = psycopg.InternalError("received 2 results from command 'COMMIT'")
    assert outage.is_passing(error)
    error.__cause__ = errors.InFailedSqlTransaction()
    assert not outage.is_passing(error)


def test_what_was_asked_wrongly_is_no_outage() -> None:
    broken = IntegrityError("x")
    broken.__cause__ = errors.UniqueViolation()
    assert not outage.is_passing(broken)
    assert not outage.is_passing(DatabaseError("x"))
    assert not outage.is_passing(ValueError("x"))


@pytest.mark.parametrize("threads", ["2", "8"])
def test_a_server_answers_through_an_outage_and_is_well_within_five_seconds(
    committed_world: World, cluster: Cluster, threads: str
) -> None:
    """A real server whose database is stopped and started under it. Once a page took 15 s and was a 500."""
    cookie = {settings.SESSION_COOKIE_NAME: session_of(committed_world.ada)}
    urls = ["/queue/", "/conversations/", "/accounts/login/", "/admin/", "/readyz", "/live/", "/nothing-here/"]
    with serving(cluster, WEB_THREADS=threads) as server, httpx2.Client(base_url=server.url, cookies=cookie) as browser:

        def ask(url: str) -> tuple[str, int, float]:
            began = time.monotonic()
            with browser.stream("GET", url, timeout=20) as answer:
                return url, answer.status_code, time.monotonic() - began

        with ThreadPoolExecutor(max_workers=24) as crowd:
            # Many more than there are threads: who waits for a busy server is patient.
            assert {status for _, status, _ in crowd.map(ask, ["/queue/"] * 96)} == {200}
            connection.close()
            cluster.stop()
            try:
                found = list(crowd.map(ask, urls * 4))
                for url, status, seconds in found:
                    assert status == (200 if url == "/accounts/login/" and status == 200 else 503), (url, status)
                    assert seconds < SOON, (url, seconds)
            finally:
                cluster.start(*FAST)
            began = time.monotonic()
            while any(status != 200 for _, status, _ in crowd.map(ask, ["/queue/"] * 8)):
                assert time.monotonic() - began < BACK
                time.sleep(0.1)
            took = time.monotonic() - began
    print(f"{threads} threads: slowest {max(each[2] for each in found):.2f} s, well again after {took:.2f} s")
