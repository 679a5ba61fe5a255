"""The pages of outgoing webhooks in four looks, and the whole way without a script to an event that arrives."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from conversations.database import database_time
from conversations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from conversations.tenancy import tenant_context
from conversations.webhooks import endpoints
from conversations.webhooks.emit import News, emit
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World
from tests.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as running:
        yield running


def worst(world: World) -> WebhookEndpoint:
    """Three endpoints: one works, one fails and has every kind of line, one is off by itself."""
    now = database_time.now()
    names = ("hooks.hotrodan.example/countersign", "erp.hotrodan.example/in/drafts", "old-flows.hotrodan.example/catch")
    with tenant_context(world.acme.pk):
        good, bad, off = (
            endpoints.add(
                account_id=world.acme.pk, actor=world.dan, url=f"https://{name}",
                events=News.values if name.startswith("hooks") else ["draft.decided", "delivery.sent"], with_text=False,
            )[0]
            for name in names
        )  # fmt: skip
        for _ in range(4):
            emit(News.DRAFT_DECIDED, world.mail, conversation_id=uuid.uuid4())
        lines = WebhookDelivery.objects.filter(endpoint=bad).order_by("pk")
        for number, (line, status) in enumerate(
            zip(lines, ("pending", "given_up", "sending", "delivered"), strict=True)
        ):
            WebhookAttempt.objects.create(
                account=world.acme, delivery=line, number=number + 1, outcome="delivered" if number == 3 else "refused",
                http_status=200 if number == 3 else 503, milliseconds=1200, answer="busy " * 90,
            )  # fmt: skip
            WebhookDelivery.objects.filter(pk=line.pk).update(
                status="sending", lease_until=now + timedelta(hours=1), attempt_count=number + 1
            )
            WebhookDelivery.objects.filter(pk=line.pk).exclude(status=status).update(
                status=status, delivered_at=now, next_attempt_at=now + timedelta(minutes=20)
            )
        WebhookEndpoint.objects.filter(pk=bad.pk).update(
            faults=9, failing_since=now - timedelta(hours=46), paused_until=now + timedelta(minutes=3),
            answered_at=now, last_status=503, last_milliseconds=1200,
        )  # fmt: skip
        WebhookEndpoint.objects.filter(pk=off.pk).update(state="failed")
        WebhookEndpoint.objects.filter(pk=good.pk).update(answered_at=now, last_status=200, last_milliseconds=140)
    return bad


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    committed_world: World, open_page: OpenPage, complaints: Complaints, screen: tuple[int, int]
) -> None:
    world = committed_world
    page = open_page(world.dan, "/admin/webhooks/", width=screen[0])  # as it is while nobody is told
    wrong = [f"empty, {words}" for words in wrong_on(page, screen)]
    bad = worst(world)
    with tenant_context(world.acme.pk):
        line = WebhookDelivery.objects.filter(endpoint=bad).order_by("pk")[0]
    own = f"/admin/webhooks/{bad.pk}/"
    for path in ("/admin/webhooks/", "/admin/webhooks/add/", f"{own}?show=all", f"{own}deliveries/{line.pk}/"):
        page.goto(path)
        wrong += [f"{path}, {words}" for words in wrong_on(page, screen)]
    page.goto(own)
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("Copy it now.")).to_be_visible()
    wrong += [f"secret, {words}" for words in wrong_on(page, screen)]
    assert wrong == []
    assert complaints == []


def test_from_an_address_to_an_event_that_arrives_without_a_script(
    committed_world: World, open_page: OpenPage, receiver: Receiver, worker_turn: Any, complaints: Complaints
) -> None:
    page = open_page(committed_world.dan, "/admin/webhooks/", script=False)
    page.get_by_role("link", name="Add an endpoint").click()
    page.get_by_label("Address").fill("https://10.1.2.3/in")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert").get_by_text("private network")).to_be_visible()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add it").click()
    receiver.secrets.append(page.get_by_label("Secret", exact=True).input_value())
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test is on its way.")).to_be_visible()
    worker_turn()
    page.reload()
    expect(page.get_by_role("row", name="endpoint.test")).to_contain_text("Delivered")
    assert [body["type"] for body in receiver.bodies] == ["endpoint.test"]
    assert receiver.forged == 0 and len(receiver.processed) == 1
    assert complaints == []
