"""The pages of outgoing webhooks: for admins, without a script, the secret once; what is wrong keeps what was typed."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.database import database_time
from conversations.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from conversations.tenancy import tenant_context
from conversations.webhooks import deliver, endpoints
from conversations.webhooks.emit import News, emit
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.receiver import Receiver, receiving

LIST, ADD = "/admin/webhooks/", "/admin/webhooks/add/"


@pytest.fixture
def dan(world: World, signed_in: Any) -> Client:
    return signed_in(world.dan)


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def endpoint(world: World) -> WebhookEndpoint:
    with tenant_context(world.acme.pk):
        made, _ = endpoints.add(
            account_id=world.acme.pk, actor=world.dan, url="https://127.0.0.1/in", events=News.values, with_text=False
        )
    return made


def page(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.content, "html.parser")


def words(answer: Any) -> str:
    return " ".join(page(answer).get_text(" ").split())


def happened(world: World, count: int = 1) -> list[WebhookDelivery]:
    with tenant_context(world.acme.pk):
        for _ in range(count):
            emit(News.CONVERSATION_CLOSED, world.mail, conversation_id=uuid.uuid4())
        return list(WebhookDelivery.objects.select_related("event").order_by("event_id"))


def test_adding_one_shows_its_secret_in_this_one_answer(world: World, dan: Client) -> None:
    assert "Nobody is told yet" in words(dan.get(LIST))
    answer = dan.post(ADD, {"url": "https://127.0.0.1/in", "events": ["draft.ready"], "with_text": "on"})
    assert answer.status_code == 200 and "no-store" in answer.headers["Cache-Control"]
    with tenant_context(world.acme.pk):
        stored = WebhookEndpoint.objects.get()
    assert (stored.events, stored.with_text) == (["draft.ready"], True)
    (shown,) = page(answer).select("#w_sec")
    assert shown["value"] == stored.secret
    for again in (dan.get(f"{LIST}{stored.pk}/"), dan.get(LIST)):
        assert stored.secret.encode() not in again.content and b"127.0.0.1/in" in again.content


@pytest.mark.parametrize(
    ("fields", "words_of_it"),
    [
        ({"url": "https://127.0.0.1/x"}, "choose what it is told of"),
        ({"url": "nonsense", "events": ["draft.ready"]}, "begins with https://"),
        ({"url": "https://10.9.8.7/x", "events": ["draft.ready"]}, "private network"),
        ({"url": "http://169.254.169.254/x", "events": ["draft.ready"]}, "private network"),
        ({"url": "https://127.0.0.1/x", "events": ["everything"]}, "choose what it is told of"),
    ],
)
def test_what_cannot_be_added_is_said_and_what_was_typed_stays(
    world: World, dan: Client, fields: dict[str, Any], words_of_it: str
) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = dan.post(ADD, fields)
    assert answer.status_code == 422 and words_of_it in page(answer).select_one('[role="alert"]').get_text()
    assert page(answer).select_one("#w_url")["value"] == fields["url"]


def refused(answer: Any) -> bool:
    """At the administration's own door, or by the page."""
    return answer.status_code == 403 or answer.headers.get("Location", "").startswith("/admin/login/")


@pytest.mark.parametrize("name", ["ada", "bo", "cy"])
def test_the_pages_are_an_admins(world: World, endpoint: WebhookEndpoint, signed_in: Any, name: str) -> None:
    browser, own = signed_in(getattr(world, name)), f"{LIST}{endpoint.pk}/"
    (delivery,) = happened(world)
    with tenant_context(world.acme.pk), assert_nothing_written():
        for url in (LIST, ADD, own, f"{own}deliveries/{delivery.pk}/"):
            assert refused(browser.get(url)), url
        for url in (ADD, own, *(f"{own}{act}/" for act in ("secret", "off", "test", "try", "replay", "remove"))):
            assert refused(browser.post(url, {"sure": "yes", "event": delivery.event_id})), url


def test_another_tenants_endpoint_is_404_and_an_unknown_act_too(
    world: World, endpoint: WebhookEndpoint, dan: Client, signed_in: Any
) -> None:
    with tenant_context(world.globex.pk):
        theirs = WebhookEndpoint.objects.create(
            account=world.globex, url="https://zebra.test/", events=[], secret="whsec_x"
        )
    own = f"{LIST}{theirs.pk}/"
    for url in (own, f"{own}deliveries/{uuid.uuid4()}/", f"{LIST}{endpoint.pk}/deliveries/{uuid.uuid4()}/"):
        assert dan.get(url).status_code == 404
    for act in ("secret", "off", "test", "try", "replay", "remove", "on", "end-secret"):
        assert dan.post(f"{own}{act}/", {"sure": "yes"}).status_code == 404
    assert dan.post(f"{LIST}{endpoint.pk}/dance/").status_code == 404
    assert dan.get(f"{LIST}{endpoint.pk}/off/").status_code == 405


def test_every_act_is_a_form_and_says_what_it_did(world: World, endpoint: WebhookEndpoint, dan: Client) -> None:
    own = f"{LIST}{endpoint.pk}/"
    happened(world, 2)

    def press(act: str, **fields: Any) -> str:
        answer = dan.post(f"{own}{act}/", fields, follow=True)
        assert answer.redirect_chain[0][1] == 303
        return words(answer)

    forms = {form["action"] for form in page(dan.get(own)).select("form[method=post][action^='/admin/webhooks/']")}
    assert {f"{own}{act}/" for act in ("secret", "off", "test", "replay", "remove")} <= forms
    assert "A test is on its way" in press("test")
    assert "3 waiting events are tried now" in press("try")
    assert "Switched off. What happens is kept" in press("off")
    assert "Nothing is sent" in words(dan.get(own))
    assert dan.post(f"{own}off/").status_code == 409
    assert "Switched on" in press("on")
    since, until = (database_time.now() + timedelta(minutes=each) for each in (-5, 5))
    span = {"since": f"{since:%Y-%m-%dT%H:%M}", "until": f"{until:%Y-%m-%dT%H:%M}"}
    assert "2 events are sent again" in press("replay", **span)
    with tenant_context(world.acme.pk):
        event = WebhookDelivery.objects.first().event_id
    assert "sent again, with the same id" in press("replay", event=event)
    secret = page(dan.post(f"{own}secret/")).select_one("#w_sec")["value"]
    with tenant_context(world.acme.pk):
        assert WebhookEndpoint.objects.get().secret == secret
    assert "signs no more" in press("end-secret")
    assert dan.post(f"{own}remove/").status_code == 422
    assert "Removed" in press("remove", sure="yes")
    with tenant_context(world.acme.pk):
        assert not WebhookEndpoint.objects.exists()


def test_a_wrong_span_or_event_is_422_and_stays_typed(world: World, endpoint: WebhookEndpoint, dan: Client) -> None:
    happened(world)
    own = f"{LIST}{endpoint.pk}/replay/"
    with tenant_context(world.acme.pk), assert_nothing_written():
        for fields in ({"since": "2026-01-02T10:00", "until": "2026-01-01T10:00"}, {"since": "then", "until": ""}):
            answer = dan.post(own, fields)
            assert answer.status_code == 422
            assert page(answer).select_one("#r-from")["value"] == fields["since"]
        for event in ("x", uuid.uuid4()):
            assert dan.post(own, {"event": event}).status_code == 422


def test_a_change_is_saved_and_a_wrong_one_stays_typed(world: World, endpoint: WebhookEndpoint, dan: Client) -> None:
    own = f"{LIST}{endpoint.pk}/"
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = dan.post(own, {"url": "https://10.1.1.1/", "events": ["draft.ready"]})
    assert answer.status_code == 422 and page(answer).select_one("#w_url")["value"] == "https://10.1.1.1/"
    assert dan.post(own, {"url": endpoint.url, "events": ["draft.ready"]}).status_code == 303
    with tenant_context(world.acme.pk):
        assert WebhookEndpoint.objects.get().events == ["draft.ready"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver(plan=lambda number: (503, {}, b"<b>busy</b>"))) as running:
        yield running


def test_what_failed_is_shown_with_its_body_and_answer(
    committed_world: World, signed_in: Any, receiver: Receiver
) -> None:
    world, dan = committed_world, signed_in(committed_world.dan)
    with tenant_context(world.acme.pk):
        endpoint, _ = endpoints.add(
            account_id=world.acme.pk, actor=world.dan, url=receiver.url, events=News.values, with_text=False
        )
    (delivery,) = happened(world)
    deliver.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)
    answer = dan.get(f"{LIST}{endpoint.pk}/")
    assert "127.0.0.1 has not answered well since" in words(answer) and "1 event waits; none is lost" in words(answer)
    (row,) = page(answer).select("tbody tr")
    assert " ".join(row.get_text(" ").split()).startswith("conversation.closed no. 1,") and "1 of 8" in row.get_text()
    assert row.select_one(".status--bad").get_text() == "503" and "Retry now" in row.get_text()
    assert "Everything arrived" not in words(answer) and "Nothing yet." in words(
        dan.get(f"{LIST}{endpoint.pk}/?show=delivered")
    )
    shown = dan.get(f"{LIST}{endpoint.pk}/deliveries/{delivery.pk}/")
    assert '"type": "conversation.closed"' in page(shown).select_one("pre").get_text()
    assert "<b>busy</b>" in page(shown).select_one("tbody").get_text()  # as text, never as markup
    with tenant_context(world.acme.pk):
        assert WebhookAttempt.objects.get().answer == "<b>busy</b>"


def test_many_events_cost_no_more_statements_than_few(world: World, endpoint: WebhookEndpoint, dan: Client) -> None:
    own = f"{LIST}{endpoint.pk}/"
    happened(world, 2)
    dan.get(own)
    with counted() as few:
        dan.get(own)
    happened(world, 40)
    with counted() as many:
        assert "1 of 2" in words(dan.get(own))
    assert len(many) == len(few)
