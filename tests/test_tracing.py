"""One trace from what came in to what was sent, through real processes to a real receiver; ids in it, and nobody's words."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from config.demo.__main__ import free_port
from config.postgres import Cluster
from conversations import jobs, tracing
from conversations.models import Account, Channel
from conversations.people import tokens
from conversations.tenancy import tenant_context
from drafts.models import Draft
from tests.asgi import session_of
from tests.collector import Collected, collecting
from tests.conftest import World
from tests.faults.ground import wait_until
from tests.faults.killed import form
from tests.faults.postbox import Postbox
from tests.scale.team import Web, Worker, at_work, environment

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "canary-zanzibar-hose"


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    found = Postbox()
    yield found
    found.stop()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """Traces are on in this process, and each span is sent as it ends."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from conversations.tracing_export import Collector

    with collecting() as collected:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(Collector(collected.url, {"X-Token": "secret"})))
        monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("tests"))
        token = tracing._account.set("")
        yield collected
        tracing._account.reset(token)


def test_one_trace_goes_from_the_message_to_the_draft_and_from_the_approval_to_the_reply(
    committed_world: World, cluster: Cluster, postbox: Postbox, tmp_path: Path
) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": postbox.port, "smtp_security": "none"}
        Channel.objects.filter(pk=world.mail.pk).update(metadata={**world.mail.metadata, **smtp})
        Account.objects.filter(pk=world.acme.pk).update(settings={**world.acme.settings, "hold_seconds": 0})
        token = tokens.issue(account=world.acme, name="Load", scopes=tokens.Scope.values, actor=world.dan)[1]
    cookies = {settings.SESSION_COOKIE_NAME: session_of(world.ada)}
    headers = {"Authorization": f"Bearer {token}"}
    connection.close()
    with collecting() as collected:
        address = f"postgres:///{cluster.socket_dir}/countersign_test"
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        given = environment(tmp_path, DATABASE_URL=address, OTEL_EXPORTER_OTLP_HEADERS="X-Token=secret", **told)
        web = Web("web", {**given, "LOG_FORMAT": "json"}, tmp_path)
        worker = Worker("worker", given, tmp_path)
        with at_work(web, worker), httpx2.Client(base_url=web.url, cookies=cookies, timeout=20) as browser:
            assert web.answers(), web.log.read_text()
            about = {"channel_id": str(world.mail.pk), "external_id": "c-1", "subject": CANARY}
            about["customer"] = {"address": f"{CANARY}@customer.test"}  # type: ignore[assignment]
            made = browser.post("/internal/conversations", json=about, headers=headers).json()
            body = {"external_id": "m-1", "body_text": f"Is the {CANARY} safe with E85?"}
            url = f"/internal/conversations/{made['id']}/messages"
            assert browser.post(url, json=body, headers={**headers, "traceparent": PARENT}).status_code == 201
            assert wait_until(lambda: bool(_drafts(world)), 60), worker.log.read_text()
            draft = _drafts(world)[0]
            path, fields = form(browser, draft)
            pressed = browser.post(path, data=fields, headers={"HX-Request": "true"})
            assert pressed.status_code == 200
            assert wait_until(lambda: bool(postbox.taken), 60), worker.log.read_text()
            assert wait_until(lambda: bool(collected.named("conversations.deliver")), 30), worker.log.read_text()
            browser.get("/no/such/page", headers={"traceparent": PARENT})
        logged = web.log.read_text()

    asked = next(one for one in collected.named("request") if one.attributes.get("http.route", "").endswith("messages"))
    written, retrieved, model = (collected.named(name)[0] for name in ("drafts.write", "retrieve", "model"))
    assert {asked.trace, written.trace, retrieved.trace, model.trace} == {TRACE}
    assert (asked.parent, written.parent) == (PARENT.split("-")[2], asked.id)
    assert retrieved.parent == model.parent == written.id
    assert written.attributes["account_id"] == str(world.acme.pk)
    assert written.attributes["conversation_id"] == made["id"]
    approved = next(one for one in collected.named("request") if "approve" in one.attributes["http.route"])
    delivered, handed = collected.named("conversations.deliver")[0], collected.named("hand over")[0]
    assert approved.trace == delivered.trace == handed.trace != TRACE
    assert (delivered.parent, handed.parent) == (approved.id, delivered.id)
    assert not any("sweep" in span.name for span in collected.spans)
    assert all(CANARY.encode() not in sent for sent in collected.bodies)
    assert all("customer.test" not in sent.decode("latin-1") for sent in collected.bodies)
    assert {each["X-Token"] for each in collected.headers} == {"secret"}
    assert f'"trace": "{TRACE}"' in logged


def _drafts(world: World) -> list[Draft]:
    with tenant_context(world.acme.pk):
        return list(Draft.objects.filter(status="pending"))


def test_a_trace_stops_where_another_tenant_begins(world: World, traced: Collected) -> None:
    with tracing.span("request", parent=PARENT):
        for account in (world.acme, world.acme, world.globex):
            with tenant_context(account.pk):
                jobs.wake("drafts.write", account_id=account.pk, conversation_id=uuid.uuid4())
    args = [job.args for job in ProcrastinateJob.objects.order_by("id")]
    assert [one.get("traceparent", "")[3:35] for one in args] == [TRACE, TRACE, ""]
    assert [one["account_id"] for one in args] == [str(world.acme.pk)] * 2 + [str(world.globex.pk)]


def test_without_a_collector_a_job_says_what_it_always_said(world: World) -> None:
    with tracing.span("request", parent=PARENT) as span, tenant_context(world.acme.pk):
        span.set_attribute("http.route", "/queue/")
        jobs.wake("drafts.write", account_id=world.acme.pk, conversation_id="1")
    assert ProcrastinateJob.objects.get().args == {"account_id": str(world.acme.pk), "conversation_id": "1"}


def test_an_error_is_its_type_and_not_what_it_said(traced: Collected) -> None:
    with pytest.raises(LookupError), tracing.span("read", parent=PARENT, account_id="1"):
        raise LookupError(CANARY)
    (span,) = traced.spans
    assert span.failed
    assert span.attributes == {"account_id": "1", "error.type": "LookupError"}
    assert CANARY.encode() not in b"".join(traced.bodies)


@pytest.mark.parametrize("parent", ["", "zebra", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01"])
def test_a_parent_that_is_none_begins_a_trace(traced: Collected, parent: str) -> None:
    with tracing.span("read", parent=parent):
        assert tracing.header().startswith("00-")
    (span,) = traced.spans
    assert (span.parent, span.trace == TRACE) == ("", False)


async def _nothing() -> str:
    return "done"


class _Job:
    """A job as a worker hands it to what stands around it."""

    def __init__(self, **arguments: Any) -> None:
        self.job = self
        self.task_kwargs, self.task_name = arguments, "drafts.write"


def test_a_worker_without_traces_takes_the_argument_off_all_the_same() -> None:
    given = _Job(account_id="1", traceparent=PARENT)
    with ThreadPoolExecutor(max_workers=1) as aside:  # tests of the browser keep a loop running in this thread
        assert aside.submit(asyncio.run, tracing.of_job(_nothing, given, None)).result() == "done"
    assert given.task_kwargs == {"account_id": "1"}


def test_a_collector_that_is_away_costs_its_spans_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    from opentelemetry.sdk.trace.export import SpanExportResult

    from conversations.tracing_export import Collector

    away = Collector(f"http://127.0.0.1:{free_port()}", {})
    assert [away.export([]), away.export([])] == [SpanExportResult.FAILURE] * 2
    assert len([one for one in caplog.records if "away" in one.getMessage()]) == 1
