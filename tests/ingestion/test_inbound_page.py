"""The quarantine: what waits is seen, let in or set aside by those who may, and never thrown away."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
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

ROW = 'class="row"'


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


def test_the_tabs_say_how_much_waits_and_lead_to_the_mail_of_machines(world: World, ada: Client) -> None:
    """Only of channels that the person sees; the counts are one statement."""
    for status in ("failed", "failed", "quarantined"):
        factories.waiting_mail(world.mail, status)
    factories.waiting_mail(world.other_mail, "failed")
    factories.message(world.mail, subject="I am away", automatic="auto_reply")
    page = BeautifulSoup(ada.get("/inbound/?list=limit").content, "html.parser")
    tabs = {" ".join(tab.stripped_strings): tab for tab in page.select("nav[aria-label=Lists] a")}
    assert list(tabs) == ["Could not be read 2", "Automatic mail", "Over a limit 1", "Set aside"]
    assert [name for name, tab in tabs.items() if tab.get("aria-current")] == ["Over a limit 1"]
    assert "I am away" in ada.get(tabs["Automatic mail"]["href"]).content.decode()
    named = page.select_one("#why")["list"]
    assert [one["value"] for one in page.select(f"#{named} option")][:2] == ["Spam", "Nothing to answer"]


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
    assert page.count(ROW) == 50
    assert ada.get(older).content.decode().count(ROW) == 10
    assert ada.get("/inbound/?list=limit&after=garbage").content.decode().count(ROW) == 50


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


# --- a message made by hand --------------------------------------------------------------------------------------------------
def written(**changes: str) -> dict[str, str]:
    return {"sender": "pat@customer.test", "name": "Pat", "subject": "Ends", "text": "Two ends are wrong.", **changes}


def test_a_person_makes_a_message_of_what_nobody_could_read(world: World, ada: Client) -> None:
    event = factories.waiting_mail(world.mail, "failed", subject="Ends")
    page = ada.get(f"/inbound/?list=unread&one={event.pk}").content.decode()
    assert f'action="/inbound/{event.pk}/make/"' in page
    answer = ada.post(f"/inbound/{event.pk}/make/", written())
    assert answer.status_code == 303
    with tenant_context(world.acme.pk):
        message = Message.objects.get()
        assert (message.body_text, message.details.sender, message.direction) == ("Two ends are wrong.", "pat@customer.test", "inbound")  # fmt: skip
        assert message.details.problems == ["A colleague made this message of what could not be read."]
        assert (fresh(event).status, fresh(event).message) == ("processed", message)
        assert message.conversation.owed == "message"
        said = AuditEvent.objects.get(kind="inbound.made")
        assert (said.actor_name, said.data) == ("Ada", {"channel": "Acme mail"})
        assert ProcrastinateJob.objects.filter(queue_name="drafts").exists()
    assert answer["Location"] == f"/conversations/{message.conversation_id}/"
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert ada.post(f"/inbound/{event.pk}/make/", written()).status_code == 409


def test_it_joins_the_conversation_that_the_person_names(world: World, ada: Client) -> None:
    first = factories.message(world.mail)
    event = factories.waiting_mail(world.mail)
    with tenant_context(world.acme.pk):
        number = first.conversation.number
    assert ada.post(f"/inbound/{event.pk}/make/", written(conversation=f"#{number}")).status_code == 303
    with tenant_context(world.acme.pk):
        assert Message.objects.filter(conversation=first.conversation).count() == 2


def test_what_is_missing_is_said_and_what_was_typed_is_kept(world: World, ada: Client) -> None:
    event = factories.waiting_mail(world.mail, "failed")
    chat = factories.channel(world.acme, type="chat", external_id="c", name="Chat")
    post = factories.waiting_mail(chat, "failed")
    theirs = factories.message(world.other_mail)
    assert theirs.seq == 1
    for mail, changes, words in (
        (event, {"text": " "}, "Say what it says"),
        (event, {"sender": "\x00"}, "Say who wrote it"),
        (event, {"conversation": "77"}, "There is no conversation 77"),
        (event, {"conversation": "1"}, "There is no conversation 1"),  # another account has one
        (event, {"conversation": "x" * 90}, "There is no conversation"),
        (post, {}, "a reply on this channel has to name it"),
    ):
        with tenant_context(world.acme.pk), assert_nothing_written():
            answer = ada.post(f"/inbound/{mail.pk}/make/", written(subject="Kept as typed", **changes))
        page = answer.content.decode()
        assert (answer.status_code, words in page, 'value="Kept as typed"' in page) == (422, True, True), changes


def test_a_conversation_of_another_channel_is_not_joined(world: World, acme: Any) -> None:
    other = factories.channel(world.acme, external_id="b@acme.test", name="B")
    there, event = factories.message(other), factories.waiting_mail(world.mail)
    words = quarantine.Written("a@b.test", "", "", "Hi")
    with assert_nothing_written(), pytest.raises(Invalid, match="on this channel"):
        quarantine.make_message(event_id=event.pk, actor=world.ada, written=words, into=there.conversation_id)
    for actor in (world.cy, world.bo):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            quarantine.make_message(event_id=event.pk, actor=actor, written=words)
    with tenant_context(world.globex.pk), pytest.raises(InboundEvent.DoesNotExist):
        quarantine.make_message(event_id=event.pk, actor=world.eve, written=words)


def test_all_that_the_page_shows_are_dealt_with_at_once(world: World, ada: Client, signed_in: Any) -> None:
    mails = [factories.waiting_mail(world.mail, "failed") for _ in range(3)]
    other = factories.waiting_mail(world.other_mail, "failed")
    ids = [str(one.pk) for one in (*mails, other)] + ["nonsense"]
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert ada.post("/inbound/all/", {"id": ids, "do": "aside", "reason": " "}).status_code == 422
    assert ada.post("/inbound/all/", {"id": ids[:1], "do": "aside", "reason": "Spam"}).status_code == 303
    assert ada.post("/inbound/all/", {"id": ids, "do": "retry"}).status_code == 303
    assert [fresh(one).status for one in (*mails, other)] == ["received", "received", "received", "failed"]
    cy = signed_in(world.cy)
    with tenant_context(world.acme.pk):
        InboundEvent.objects.update(status="failed")
    assert cy.post("/inbound/all/", {"id": ids, "do": "retry"}).status_code == 403
    assert cy.post(f"/inbound/{mails[0].pk}/make/", written()).status_code == 403
    assert {fresh(one).status for one in mails} == {"failed"}


def test_one_mail_is_shown_whole_as_text_and_admins_see_it_in_their_frame(
    world: World, ada: Client, signed_in: Any
) -> None:
    event = factories.waiting_mail(world.mail, "failed", text="<script>track(1)</script>" + "x" * 5000)
    page = ada.get(f"/inbound/?one={event.pk}").content.decode()
    assert "&lt;script&gt;track(1)" in page
    assert "This is its beginning." in page
    assert 'aria-label="Administration"' not in page
    assert 'aria-label="Administration"' in signed_in(world.dan).get("/inbound/").content.decode()
    assert ada.get("/inbound/?one=nonsense").status_code == 200
