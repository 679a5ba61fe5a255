"""/metrics: for whoever has the token; numbers over all tenants, and never a tenant, a text or a made-up route."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from conversations.database import database_time
from conversations.models import ChannelHealth, ChannelToken, Delivery, WebhookDelivery, WebhookEndpoint, WebhookEvent
from conversations.tenancy import tenant_context
from conversations.web import metrics
from tests import factories
from tests.asserts import counted
from tests.conftest import World
from tests.test_isolation_walk import CANARY, planted

TOKEN = "scrape-me"
SAMPLE = re.compile(r'countersign_[a-z_]+(\{([a-z_]+="[^"\n]*",?)+\})? -?[0-9.e+-]+')


@pytest.fixture(autouse=True)
def _token(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    metrics.FIGURES.forget()


def scrape(**headers: str) -> Any:
    return Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}", **headers})


def samples() -> dict[str, float]:
    metrics.FIGURES.forget()
    lines = scrape().content.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_it_is_plain_text_in_the_format_of_prometheus(world: World) -> None:
    Client().get("/healthz")
    Client().get("/accounts/login/")
    answer = scrape()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, metrics.CONTENT_TYPE)
    lines = answer.content.decode().splitlines()
    assert answer.content.endswith(b"\n") and len(lines) > 20
    kinds: dict[str, str] = {}
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            assert SAMPLE.fullmatch(line), line
            assert re.split(r"[ {]", line)[0] in kinds
    assert kinds["countersign_requests_total"] == "counter" and kinds["countersign_drafts_waiting"] == "gauge"


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic scrape-me", f"Bearer {TOKEN}x", "Bearer ä"])
def test_without_the_token_nothing_is_said(world: World, given: str) -> None:
    answer = Client().get("/metrics", headers={"authorization": given})
    assert answer.status_code == 401 and b"countersign_" not in answer.content


def test_without_a_setting_there_is_no_such_page(world: World, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"authorization": "Bearer "}).status_code == 404


def test_requests_are_counted_by_route_and_never_by_path(world: World, signed_in: Any) -> None:
    browser = signed_in(world.dan)
    message = factories.message(world.mail)
    for path in (f"/conversations/{message.conversation_id}/", "/no/such/zebra", "/queue/"):
        browser.get(path)
    found = scrape().content.decode()
    assert 'route="conversations/<uuid:pk>/",status="200"' in found and 'route="(none)",status="404"' in found
    assert str(message.conversation_id) not in found and "zebra" not in found
    browser.generic("ZEBRA", "/queue/")
    assert "ZEBRA" not in scrape().content.decode()


def test_the_figures_are_those_of_all_tenants(world: World) -> None:
    before = samples()
    for channel, person in ((world.mail, world.ada), (world.other_mail, world.eve)):
        factories.approved(factories.draft(factories.message(channel)), person)
        factories.draft(factories.message(channel))
        with tenant_context(channel.account_id):
            now = database_time.now()
            ChannelHealth.objects.create(
                account_id=channel.account_id, channel=channel, faults=1, failing_since=now,
                paused_until=now + timedelta(minutes=5),
            )  # fmt: skip
            ChannelToken.objects.create(
                account_id=channel.account_id, channel=channel, entered="x", is_broken=True, problem="ended"
            )
            endpoint = WebhookEndpoint.objects.create(account_id=channel.account_id, url="https://x.test/", secret="s")
            event = WebhookEvent.objects.create(account_id=channel.account_id, kind="draft.ready")
            WebhookDelivery.objects.create(account_id=channel.account_id, event=event, endpoint=endpoint)
    after = samples()

    def more(name: str) -> float:
        return after.get(f"countersign_{name}", 0) - before.get(f"countersign_{name}", 0)

    assert more('deliveries{status="held"}') == 2
    assert more("drafts_waiting") == 2
    assert more("channels_on") == 0 and after["countersign_channels_on"] == 2
    assert more("channels_signed_out") == 2 and more("channels_paused") == 2
    assert more('webhook_endpoints{state="on"}') == 2 and more("webhook_deliveries_waiting") == 2
    assert more('jobs{queue="outbox",status="todo"}') == 2
    assert after["countersign_database_up"] == 1


def test_attempts_are_told_apart_by_outcome_and_provider(world: World) -> None:
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    with tenant_context(world.acme.pk):
        for number, outcome in enumerate(("transient", "sent")):
            delivery.attempts.create(account=world.acme, number=number + 1, outcome=outcome)
        Delivery.objects.filter(pk=delivery.pk).update(status="queued")
    found = samples()
    for outcome in ("sent", "transient"):
        name = f'countersign_attempts_last_hour{{outcome="{outcome}",provider="{world.mail.provider}"}}'
        assert found[name] == 1
    assert found['countersign_deliveries{status="queued"}'] == 1


def test_no_canary_is_in_it(world: World, attachments_dir: Path) -> None:
    ids = planted(world)
    metrics.FIGURES.forget()
    body = scrape().content.decode()
    assert CANARY not in body and "globex" not in body and "acme" not in body
    assert not any(str(pk) in body for pk in ids)


def test_figures_are_asked_for_once_in_ten_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    scrape()
    with counted() as queries:
        scrape()
    assert len(queries) == 0
    real = metrics.time.monotonic
    monkeypatch.setattr(metrics.time, "monotonic", lambda: real() + 11)
    with counted() as queries:
        scrape()
    assert len(queries) == 1


def test_a_database_that_is_away_leaves_the_counters(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Client().get("/accounts/login/")

    def away() -> list[Any]:
        raise DatabaseError

    monkeypatch.setattr(metrics, "_ask", away)
    answer = scrape()
    assert answer.status_code == 200 and "countersign_database_up 0" in answer.content.decode()
    assert "countersign_requests_total{" in answer.content.decode()


def test_the_function_returns_nothing_but_our_words_and_numbers(world: World) -> None:
    planted(world)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, labels, value FROM installation_figures()")
        names = {name for name, _, _ in cursor.fetchall()}
    assert names <= set(metrics.HELP)


def test_every_alert_asks_for_what_is_there() -> None:
    text = (Path(__file__).parents[1] / "docs" / "alerts.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .+ \| `(.+?)` \| \w+ \| .+ \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    known = {*metrics.HELP, "requests_total", "request_seconds_total", "database_up"}
    assert set(re.findall(r"countersign_([a-z_]+)", text)) <= known
    assert all("countersign_" in query for _, query in rows)
