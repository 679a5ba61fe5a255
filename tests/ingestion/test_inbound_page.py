"""The quarantine: what waits is seen, let in or set aside by those who may, and never thrown away."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Message
from conversations.tenancy import tenant_context
from ingestion import quarantine, receive
from ingestion.models import InboundEvent
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


@pytest.fixture
def ada(world: World, signed_in: Any) -> Client:
    browser: Client = signed_in(world.ada)
    return browser


def fresh(event: InboundEvent) -> InboundEvent:
    with tenant_context(event.account_id):
        return InboundEvent.objects.get(pk=event.pk)


def test_each_list_shows_its_own_mails_as_text(world: World, ada: Client) -> None:
    factories.waiting_mail(world.mail, subject="<b>Over</b>")
    factories.waiting_mail(world.mail, "failed", subject="Unread")
    factories.waiting_mail(world.mail, "set_aside", subject="Aside")
    pages = {name: ada.get(f"/inbound/?list={name}").content.decode() for name in ("unread", "limit", "aside")}
    assert "&lt;b&gt;Over&lt;/b&gt;" in pages["limit"]
    assert "More than 30 mails of this sender within an hour." in pages["limit"]
    assert "<bdi>Unread</bdi>" in pages["unread"]
    assert "Bring back" in pages["aside"]
    for name, own in (("unread", "Unread"), ("limit", "Over"), ("aside", "Aside")):
        assert [
            other
            for other in ("Unread", "Over", "Aside")
            if f"{other}<" in pages[name] or f"{other}&lt;" in pages[name]
        ] == [own]
    assert "Quarantine" in ada.get("/conversations/").content.decode()


def test_a_mail_that_is_let_in_becomes_a_message_and_no_limit_holds_it_again(
    world: World, ada: Client, attachments_dir: Any
) -> None:
    with tenant_context(world.acme.pk):
        type(world.mail).objects.update(metadata={**world.mail.metadata, "sender_per_hour": 1})
    mails = [f"From: pat@customer.test\r\nMessage-ID: <{n}@c.test>\r\n\r\nHello {n}\r\n".encode() for n in range(2)]
    held = [receive.receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=raw).event for raw in mails][1]
    assert held.status == "quarantined"
    answer = ada.post(f"/inbound/{held.pk}/retry/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/inbound/?list=unread")
    event = fresh(held)
    assert (event.status, event.is_released, event.tries) == ("received", True, 0)
    job = ProcrastinateJob.objects.get(task_name="ingestion.read_event")
    assert job.args == {"account_id": str(world.acme.pk), "event_id": str(held.pk)}
    with tenant_context(world.acme.pk):
        said = AuditEvent.objects.get(kind="inbound.retried")
        assert (said.actor_name, said.object_id) == ("Ada", str(held.pk))
    found = receive.read_event(account_id=world.acme.pk, event_id=held.pk)
    assert (found.event.status, found.is_new) == ("processed", True)
    with tenant_context(world.acme.pk):
        assert Message.objects.filter(body_text__contains="Hello 1").exists()


def test_setting_aside_takes_a_reason_and_can_be_undone(world: World, ada: Client) -> None:
    event = factories.waiting_mail(world.mail, "failed")
    with tenant_context(world.acme.pk), assert_nothing_written():
        refused = ada.post(f"/inbound/{event.pk}/set-aside/", {"reason": "  "})
    assert refused.status_code == 422
    assert "Say why it is set aside" in refused.content.decode()
    assert ada.post(f"/inbound/{event.pk}/set-aside/", {"reason": "Spam \x00of a shop"}).status_code == 303
    assert (fresh(event).status, fresh(event).detail) == ("set_aside", "Spam of a shop")
    assert bytes(fresh(event).payload or b"") == event.payload
    with tenant_context(world.acme.pk):
        said = AuditEvent.objects.get(kind="inbound.set_aside")
        assert "Spam" not in str(said.data)  # what a person wrote is bound, not copied
        assert set(said.commitments) == {"reason"}
    assert ada.post(f"/inbound/{event.pk}/retry/").status_code == 303
    assert fresh(event).status == "received"


@pytest.mark.parametrize("act", ["retry", "set-aside"])
def test_a_mail_that_does_not_wait_any_more_is_a_conflict(world: World, ada: Client, act: str) -> None:
    for status in ("processed", "received", "ignored"):
        event = factories.waiting_mail(world.mail, status)
        with tenant_context(world.acme.pk), assert_nothing_written():
            assert ada.post(f"/inbound/{event.pk}/{act}/", {"reason": "x"}).status_code == 409


def test_bytes_that_expired_cannot_be_read_again(world: World, acme: Any) -> None:
    event = factories.waiting_mail(world.mail, payload=None)
    with assert_nothing_written(), pytest.raises(Conflict, match="retention"):
        quarantine.retry(event_id=event.pk, actor=world.ada)


def test_who_may_not_is_refused_and_who_is_elsewhere_sees_nothing(world: World, acme: Any, signed_in: Any) -> None:
    event = factories.waiting_mail(world.mail)
    for actor in (world.cy, world.bo):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            quarantine.retry(event_id=event.pk, actor=actor)
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            quarantine.set_aside(event_id=event.pk, actor=actor, reason="x")
    with assert_nothing_written(), pytest.raises(Invalid):
        quarantine.set_aside(event_id=event.pk, actor=world.ada, reason="")
    with tenant_context(world.globex.pk), pytest.raises(InboundEvent.DoesNotExist):
        quarantine.retry(event_id=event.pk, actor=world.eve)
    eve = signed_in(world.eve)
    for address in ("retry", "set-aside"):
        assert eve.post(f"/inbound/{event.pk}/{address}/", {"reason": "x"}).status_code == 404
    assert eve.get(f"/inbound/{event.pk}/original/").status_code == 404
    assert "Let it in" not in eve.get("/inbound/?list=limit").content.decode()


def test_the_original_is_a_download_that_nothing_runs(world: World, ada: Client) -> None:
    event = factories.waiting_mail(world.mail, text="<script>alert(1)</script>")
    answer = ada.get(f"/inbound/{event.pk}/original/")
    assert answer.content == event.payload
    assert answer.headers["Content-Disposition"] == f'attachment; filename="mail-{event.pk}.eml"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_the_page_costs_the_same_for_three_mails_and_sixty(world: World, ada: Client) -> None:
    def statements() -> int:
        with counted() as queries:
            assert ada.get("/inbound/?list=limit").status_code == 200
        return len(queries)

    for _ in range(3):
        factories.waiting_mail(world.mail)
    statements()  # the first look also notes that she is here
    few = statements()
    for _ in range(57):
        factories.waiting_mail(world.mail)
    assert statements() == few
    page = ada.get("/inbound/?list=limit").content.decode()
    older = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert page.count("Let it in") == 50
    assert ada.get(older).content.decode().count("Let it in") == 10
    assert ada.get("/inbound/?list=limit&after=garbage").content.decode().count("Let it in") == 50


def test_an_agent_sees_the_mails_of_their_own_channels(world: World, signed_in: Any) -> None:
    from conversations.people import members

    sales = factories.channel(world.acme, external_id="sales@acme.test", name="Sales")
    with tenant_context(world.acme.pk):
        members.set_channels(account_id=world.acme.pk, user=world.cy, channels=[sales.pk], actor=world.dan)
    theirs = factories.waiting_mail(world.mail, subject="Not mine")
    factories.waiting_mail(sales, subject="Mine", received_at=Now())
    cy = signed_in(world.cy)
    page = cy.get("/inbound/?list=limit").content.decode()
    assert ("Mine" in page, "Not mine" in page) == (True, False)
    assert cy.get(f"/inbound/{theirs.pk}/original/").status_code == 404
