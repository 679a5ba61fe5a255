"""Mail is fetched from a real IMAP server: once each, none lost, nothing changed there, and nobody else held up."""

from __future__ import annotations

import hashlib
import ipaddress
import resource
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.email.imap import ImapSource
from conversations.database import database_time
from conversations.models import Channel, ChannelHealth, Conversation, Message, Notification, User, base
from conversations.setup import channels as setup
from conversations.tenancy import tenant_context
from drafts.models import Draft
from ingestion import mailboxes, receive
from ingestion.models import InboundEvent, Mailbox
from tests import factories
from tests.conftest import World
from tests.conversations.test_crash import Zygote
from tests.servers import dovecot
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.skipif(bool(dovecot.WHY_NOT), reason=dovecot.WHY_NOT or "runs")
PEOPLE = iter(f"desk{number}@acme.test" for number in range(1000))


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot.running() as found:
        yield found


@pytest.fixture(autouse=True)
def _files(attachments_dir: Any) -> None:
    pass


def mail(number: int, *, text: str = "") -> bytes:
    return (
        f"From: Pat <pat{number}@customer.test>\r\nTo: support@acme.test\r\nSubject: Hose {number}\r\n"
        f"Message-ID: <{number}@customer.test>\r\n\r\n{text or f'Does number {number} fit?'}\r\n"
    ).encode()


def connect(channel: Channel, server: Dovecot, user: str = "", **changes: Any) -> str:
    """Have the channel fetch from a mailbox of its own."""
    user = user or next(PEOPLE)
    settings = {"imap_host": "127.0.0.1", "imap_port": server.port, "imap_security": "none", "imap_user": user}
    with tenant_context(channel.account_id):
        Channel.objects.filter(pk=channel.pk).update(
            metadata={**channel.metadata, **settings, **changes}, incoming_credentials=dovecot.PASSWORD
        )
    return user


def fetch(world: World, *, rounds: int = 1) -> int:
    found = 0
    for _ in range(rounds):
        mailboxes.ask_for_rounds(account_id=world.acme.pk)
        with tenant_context(world.acme.pk):
            ids = list(Mailbox.objects.order_by("created_at").values_list("pk", flat=True))
        found += sum(mailboxes.fetch(account_id=world.acme.pk, mailbox_id=pk) for pk in ids)
    return found


def stored() -> list[str]:
    return sorted(InboundEvent.objects.values_list("payload_sha256", flat=True))


def digests(*mails: bytes) -> list[str]:
    return sorted(hashlib.sha256(one).hexdigest() for one in mails)


def read_all(world: World) -> None:
    for pk in InboundEvent.objects.filter(status="received").order_by("pk").values_list("pk", flat=True):
        receive.read_event(account_id=world.acme.pk, event_id=pk)


def test_a_thousand_mails_are_kept_once_byte_for_byte_in_a_minute(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    assert fetch(world) == 0
    mails = [mail(number, text="x" * 3000) for number in range(1000)]
    for one in mails:
        server.put(user, one)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert [fetch(world) for _ in range(3)] == [500, 500, 0]
    took, grown = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"1,000 mails in {took:.1f} s, {grown / 1024:.0f} MB more")
    assert stored() == digests(*mails)
    assert took < 60
    assert grown < 100 * 1024
    assert server.files(user) == {""}  # nothing is marked as read


def test_what_was_there_before_makes_no_work_and_nothing_is_changed(world: World, acme: Any, server: Dovecot) -> None:
    user = next(PEOPLE)
    for number in range(200):
        server.put(user, mail(number))
    connect(world.mail, server, user)
    assert fetch(world, rounds=2) == 0
    assert (InboundEvent.objects.count(), Draft.objects.count(), Notification.objects.count()) == (0, 0, 0)
    assert server.files(user) == {""}
    server.put(user, mail(1000))
    assert fetch(world) == 1


def test_history_is_kept_if_asked_for_and_nobody_is_to_answer_it(world: World, acme: Any, server: Dovecot) -> None:
    user, now = next(PEOPLE), time.time()
    server.put(user, mail(1), at=now - 40 * 86_400)
    server.put(user, mail(2), at=now - 3 * 86_400)
    since = (database_time.now() - timedelta(days=10)).date().isoformat()
    connect(world.mail, server, user, imap_since=since)
    assert fetch(world) == 1
    server.put(user, mail(3), at=now + 2)
    assert fetch(world) == 1
    read_all(world)
    told = dict(Message.objects.values_list("subject", "is_automatic"))
    assert told == {"Hose 2": True, "Hose 3": False}
    assert dict(Conversation.objects.values_list("subject", "status")) == {"Hose 2": "pending", "Hose 3": "open"}


def test_a_mail_becomes_a_conversation_by_a_job_of_its_own(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    server.put(user, mail(1))
    fetch(world)
    assert InboundEvent.objects.get().status == "received"
    read_all(world)
    assert Message.objects.get().subject == "Hose 1"


def test_what_was_kept_is_marked_as_read_if_the_channel_wants_that_and_nothing_else_is(
    world: World, acme: Any, server: Dovecot
) -> None:
    user = next(PEOPLE)
    server.put(user, mail(0))  # from before: not ours
    connect(world.mail, server, user, imap_marks_read=True)
    fetch(world)
    server.put(user, mail(1))
    server.put(user, mail(2, text="y" * 60_000_000))  # its headers are kept, and it waits for a person: it stays unread
    assert fetch(world) == 2
    source = ImapSource("127.0.0.1", server.port, user, dovecot.PASSWORD, security="none")
    with source.open() as folder:
        flags = {uid: b"\\Seen" in said for uid, said in folder.client.get_flags([1, 2, 3]).items()}
    assert flags == {1: False, 2: True, 3: False}


def test_twenty_rounds_of_nothing_fetch_nothing_again(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    server.put(user, mail(1))
    assert fetch(world, rounds=20) == 1
    assert InboundEvent.objects.count() == 1
    # The control: asked for what is after the newest, the server answers with the newest.
    source = ImapSource("127.0.0.1", server.port, user, dovecot.PASSWORD, security="none")
    with source.open() as folder:
        assert folder.client.search(["UID", f"{folder.newest + 1}:*"]) == [folder.newest]
        assert folder.after(folder.newest) == []


def test_other_numbers_lose_nothing_and_double_nothing(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    mails = [mail(number) for number in range(30)]
    for one in mails[:25]:
        server.put(user, one)
    assert fetch(world) == 25
    before = Mailbox.objects.get().uidvalidity
    for one in mails[25:]:
        server.put(user, one)
    server.new_numbers(user)
    assert fetch(world, rounds=2) == 5
    assert Mailbox.objects.get().uidvalidity != before
    assert stored() == digests(*mails)


def test_a_mail_that_is_too_large_waits_by_its_headers_and_the_next_comes_in(
    world: World, acme: Any, server: Dovecot
) -> None:
    user = connect(world.mail, server)
    fetch(world)
    large = mail(1, text="y" * 60_000_000)
    server.put(user, large)
    server.put(user, mail(2))
    began = time.monotonic()
    assert fetch(world) == 2
    assert time.monotonic() - began < 10
    waits = InboundEvent.objects.get(status="quarantined")
    assert (waits.sender, waits.subject) == ("Pat <pat1@customer.test>", "Hose 1")
    assert waits.size_bytes == len(large)
    assert "bytes" in waits.detail
    assert InboundEvent.objects.get(status="received").payload_sha256 == hashlib.sha256(mail(2)).hexdigest()
    assert fetch(world) == 0


@pytest.mark.parametrize("how", ["xoauth2", "oauthbearer"])
def test_it_signs_in_with_a_token_until_that_ends(world: World, acme: Any, server: Dovecot, how: str) -> None:
    user = connect(world.mail, server, imap_sign_in=how)
    server.tokens[dovecot.PASSWORD] = user
    fetch(world)
    server.put(user, mail(1))
    assert fetch(world) == 1
    del server.tokens[dovecot.PASSWORD]
    assert fetch(world) == 0
    assert "refused the sign-in" in Mailbox.objects.get().problem
    assert "AUTHENTICATIONFAILED" in ChannelHealth.objects.get().fetch_problem


def test_a_server_that_stands_still_ends_the_round_and_stops_nobody(
    world: World, acme: Any, server: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.channel(world.acme, external_id="second@acme.test")
    well = connect(other, server)
    right, later = database_time.now, timedelta()
    monkeypatch.setattr(database_time, "now", lambda: right() + later)
    monkeypatch.setattr(base, "_last", base._last)  # ids of a later time are not followed by those of the next test
    with dovecot.running() as hangs:
        connect(world.mail, hangs)
        fetch(world)
        hangs.sleeps()
        began = time.monotonic()
        server.put(well, mail(1))
        assert fetch(world) == 1
        assert time.monotonic() - began < 5 + 2.0  # IMAP_TIMEOUT_SECONDS of the tests is 2
        assert ChannelHealth.objects.get(channel=world.mail).fetch_problem != ""
        later = timedelta(minutes=7)
        fetch(world)
        assert not Notification.objects.filter(type="channel_away").exists()
        later = timedelta(minutes=9)
        Channel.objects.update(updated_at=right() - timedelta(minutes=30))
        ChannelHealth.objects.filter(channel=other).update(fetched_at=database_time.now())
        mailboxes.ask_for_rounds(account_id=world.acme.pk)
        mailboxes.ask_for_rounds(account_id=world.acme.pk)
        notice = Notification.objects.get(type="channel_away")
        assert (notice.user, notice.payload["channel"]) == (world.dan, world.mail.name)
        hangs.wakes()
        fetch(world)
        notice.refresh_from_db()
        assert notice.read_at is not None
        assert ChannelHealth.objects.get(channel=world.mail).fetch_problem == ""


def test_a_mailbox_that_is_refused_keeps_no_other_from_its_mail(world: World, acme: Any, server: Dovecot) -> None:
    connect(world.mail, server, imap_port=1)
    well = connect(factories.channel(world.acme, external_id="second@acme.test"), server)
    fetch(world)
    server.put(well, mail(1))
    assert fetch(world) == 1


def test_settings_that_are_none_keep_no_other_from_its_mail(world: World, acme: Any, server: Dovecot) -> None:
    Channel.objects.filter(pk=world.mail.pk).update(metadata={"imap_host": 7})
    well = connect(factories.channel(world.acme, external_id="second@acme.test"), server)
    fetch(world)
    server.put(well, mail(1))
    assert fetch(world) == 1


def test_who_was_overtaken_keeps_nothing(world: World, acme: Any, server: Dovecot, monkeypatch: Any) -> None:
    user = connect(world.mail, server)
    fetch(world)
    for number in range(3):
        server.put(user, mail(number))
    mailbox = Mailbox.objects.get()
    keep = mailboxes._keep

    def overtaken(work: Any, raw: Any, size: int) -> None:
        monkeypatch.setattr(mailboxes, "_keep", keep)
        Mailbox.objects.update(lease_until=None)  # its lease ran out, and another reads the folder meanwhile
        assert mailboxes.fetch(account_id=world.acme.pk, mailbox_id=mailbox.pk) == 3
        keep(work, raw, size)

    tried: list[bytes] = []
    store = receive.keep
    monkeypatch.setattr(receive, "keep", lambda **given: tried.append(given["raw"]) or store(**given))
    monkeypatch.setattr(mailboxes, "_keep", overtaken)
    assert mailboxes.fetch(account_id=world.acme.pk, mailbox_id=mailbox.pk) == 0
    assert tried == [mail(0), mail(1), mail(2)]  # by the other alone
    assert InboundEvent.objects.count() == 3


def test_two_never_read_a_folder_at_once(world: World, acme: Any, server: Dovecot) -> None:
    user = connect(world.mail, server)
    fetch(world)
    server.put(user, mail(1))
    Mailbox.objects.update(lease_until=database_time.now() + timedelta(minutes=1))
    assert fetch(world) == 0
    Mailbox.objects.update(lease_until=database_time.now() - timedelta(seconds=1))
    assert fetch(world) == 1


POINTS = ["mailbox.leased", "mailbox.opened", "mailbox.fetched", "mailbox.storing", "mailbox.stored"]


def test_a_fetcher_that_is_killed_anywhere_loses_nothing_and_doubles_nothing(
    committed_world: World, cluster: Any, server: Dovecot
) -> None:
    world, zygote = committed_world, Zygote(str(cluster.socket_dir))
    try:
        user = connect(world.mail, server)
        fetch(world)
        with tenant_context(world.acme.pk):
            mailbox = Mailbox.objects.get()
        ids = {"account": str(world.acme.pk), "mailbox": str(mailbox.pk)}
        mails = []
        for number, point in enumerate(POINTS * 4):
            mails += [mail(10 * number + at) for at in range(3)]
            for one in mails[-3:]:
                server.put(user, one)
            assert zygote.run(failpoint=point, **ids) == signal.SIGKILL, point
            with tenant_context(world.acme.pk):
                Mailbox.objects.update(lease_until=None)  # the lease is over
        assert zygote.run(failpoint="", **ids) == 0
        with tenant_context(world.acme.pk):
            assert stored() == digests(*mails)
    finally:
        zygote.process.kill()
        zygote.process.wait()


# --- what an admin sees --------------------------------------------------------------------------------------------
def states(channel: Channel) -> dict[str, str]:
    found = setup.check(Channel.objects.get(pk=channel.pk))
    assert found is not None
    return {finding.title: finding.state for finding in found.findings if finding.title.startswith("Mailbox")}


def test_a_check_tries_the_mailbox_as_well(world: World, acme: Any, server: Dovecot, settings: Any) -> None:
    settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    connect(world.mail, server)
    assert states(world.mail) == {
        "Mailbox: server found": "ok",
        "Mailbox: connected": "ok",
        "Mailbox: not encrypted": "warn",
        "Mailbox: signed in": "ok",
        "Mailbox: folder opened": "ok",
    }
    connect(world.mail, server, imap_folder="Nowhere")
    assert states(world.mail)["Mailbox: no folder Nowhere"] == "bad"
    connect(world.mail, server, imap_sign_in="xoauth2")
    assert states(world.mail)["Mailbox: not signed in"] == "bad"
    connect(world.mail, server, imap_port=1)
    assert states(world.mail)["Mailbox: 127.0.0.1:1 refused the connection"] == "bad"
    settings.CHANNEL_NETWORKS = []
    assert list(states(world.mail).values()) == ["bad", "no", "no", "no", "no"]


def test_a_channel_that_fetches_nothing_is_red(
    world: World, server: Dovecot, signed_in: Callable[[User], Client]
) -> None:
    connect(world.mail, server)
    with tenant_context(world.acme.pk):
        Channel.objects.update(updated_at=database_time.now() - timedelta(minutes=30))
    page = BeautifulSoup(signed_in(world.dan).get("/admin/channels/").content, "html.parser")
    assert "Fetches nothing since" in page.select_one(".chan__say--bad").text
    assert "Receives nothing" in [status.text for status in page.select(".status")]
