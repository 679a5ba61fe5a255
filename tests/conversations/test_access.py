"""Access tokens are renewed at a real token address that rotates and counts: one at a time, nothing lost, nobody asked in vain."""

from __future__ import annotations

import base64
import ipaddress
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from bs4 import BeautifulSoup
from django.db import transaction
from django.test import Client

from config.demo.__main__ import free_port
from conversations.channels import oauth
from conversations.channels.base import ChannelError, SignInRefused
from conversations.channels.email.smtp import SmtpAdapter
from conversations.channels.reach import Unreachable
from conversations.database import database_time
from conversations.messages import access, outbox
from conversations.models import Channel, ChannelHealth, ChannelToken, Delivery, Notification, User
from conversations.setup import channels as setup
from conversations.tenancy import tenant_context
from ingestion import mailboxes
from ingestion.models import InboundEvent, Mailbox
from tests import factories
from tests.conftest import World
from tests.conversations.test_crash import Zygote
from tests.servers import dovecot, tokens
from tests.servers.tokens import TokenServer


@pytest.fixture
def vendor(settings: Any) -> Iterator[TokenServer]:
    settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with tokens.running() as found:
        yield found


def renews(channel: Channel, vendor: TokenServer, *, refresh: str = "refresh-0", **more: Any) -> Channel:
    """The channel signs in by tokens of that vendor, for both halves."""
    renewed = {"smtp_sign_in": "xoauth2", "oauth_token_url": vendor.url, "oauth_client_id": "app", **more}
    with tenant_context(channel.account_id):
        Channel.objects.filter(pk=channel.pk).update(
            metadata={**channel.metadata, "smtp_host": "127.0.0.1", "smtp_user": "desk@acme.test", **renewed},
            client_secret=vendor.secret,
            refresh_token=refresh,
        )
        return Channel.objects.get(pk=channel.pk)


def row(world: World) -> ChannelToken:
    with tenant_context(world.acme.pk):
        return ChannelToken.objects.get()


def put(world: World, **changes: Any) -> None:
    with tenant_context(world.acme.pk):
        ChannelToken.objects.update(**changes)


def spent(world: World) -> None:
    """The access token is over."""
    put(world, renew_at=database_time.now(), expires_at=database_time.now())


# --- renewing --------------------------------------------------------------------------------------------------------
def test_a_token_is_asked_for_once_and_used_until_shortly_before_its_end(
    committed_world: World, vendor: TokenServer
) -> None:
    world = committed_world
    channel = renews(world.mail, vendor)
    assert [access.token_of(channel) for _ in range(3)] == ["access-1"] * 3
    assert vendor.calls == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-0",
            "client_id": "app",
            "client_secret": "app-secret",
        }
    ]
    found = row(world)
    assert (found.access_token, found.refresh_token, found.generation) == ("access-1", "refresh-1", 2)
    assert found.lease_until is None
    put(world, renew_at=database_time.now() - timedelta(seconds=1))
    assert access.token_of(channel) == "access-2"
    assert vendor.calls[-1]["refresh_token"] == "refresh-1"  # the one that came, not the one that was entered


def test_without_a_refresh_token_the_application_asks_for_itself(committed_world: World, vendor: TokenServer) -> None:
    channel = renews(committed_world.mail, vendor, refresh="", oauth_scope="https://outlook.office365.com/.default")
    assert access.token_of(channel) == "access-1"
    assert vendor.calls[0]["grant_type"] == "client_credentials"
    assert vendor.calls[0]["scope"] == "https://outlook.office365.com/.default"
    assert "refresh_token" not in vendor.calls[0]


def test_a_vendor_that_keeps_the_refresh_token_is_asked_with_it_again(
    committed_world: World, vendor: TokenServer
) -> None:
    vendor.rotates = False
    channel = renews(committed_world.mail, vendor)
    access.token_of(channel)
    spent(committed_world)
    access.token_of(channel)
    assert [call["refresh_token"] for call in vendor.calls] == ["refresh-0", "refresh-0"]


@pytest.mark.parametrize("first", [True, False])
def test_twelve_who_need_it_at_once_ask_once(
    committed_world: World, vendor: TokenServer, in_threads: Callable[..., list[Any]], first: bool
) -> None:
    channel = renews(committed_world.mail, vendor)
    if not first:
        access.token_of(channel)
        spent(committed_world)
    vendor.waits = 1.0
    found = in_threads([lambda: access.token_of(channel)] * 12)
    assert found == [vendor.issued[-1]] * 12
    assert len(vendor.calls) == (1 if first else 2)
    # The control: without the lease each would ask, and the strict vendor would end it all.
    assert vendor.current == row(committed_world).refresh_token


def test_who_renews_early_keeps_nobody_waiting(
    committed_world: World, vendor: TokenServer, in_threads: Callable[..., list[Any]]
) -> None:
    channel = renews(committed_world.mail, vendor)
    access.token_of(channel)
    put(committed_world, renew_at=database_time.now())
    vendor.waits = 1.5
    found = in_threads([lambda: access.token_of(channel)] * 4)
    assert sorted(found) == ["access-1"] * 3 + ["access-2"]


def test_a_token_that_came_is_kept_though_the_callers_transaction_is_taken_back(
    committed_world: World, vendor: TokenServer
) -> None:
    world = committed_world
    channel = renews(world.mail, vendor)
    with tenant_context(world.acme.pk):
        assert access.token_of(channel) == "access-1"
        transaction.set_rollback(True)
    assert row(world).refresh_token == vendor.current == "refresh-1"


@pytest.mark.parametrize(("point", "asked"), [("token.leased", 1), ("token.answered", 2), ("token.stored", 1)])
def test_a_worker_that_is_killed_loses_no_sign_in(
    committed_world: World, vendor: TokenServer, cluster: Any, point: str, asked: int
) -> None:
    """Between the answer and its storing nobody can help but the vendor: most take the last one once more."""
    world, zygote = committed_world, Zygote(str(cluster.socket_dir))
    vendor.forgives = True
    channel = renews(world.mail, vendor)
    ids = {"account": str(world.acme.pk), "channel": str(channel.pk)}
    try:
        assert zygote.run(failpoint=point, **ids) == signal.SIGKILL
        put(world, lease_until=None)  # the lease is over
        assert zygote.run(failpoint="", **ids) == 0
    finally:
        zygote.process.kill()
        zygote.process.wait()
    assert access.token_of(channel) == vendor.issued[-1]
    assert len(vendor.calls) == asked
    assert row(world).refresh_token == vendor.current


def test_an_answer_after_the_lease_is_kept_unless_another_was_quicker(
    committed_world: World, vendor: TokenServer
) -> None:
    world = committed_world
    channel = renews(world.mail, vendor)
    with tenant_context(world.acme.pk):
        work = access._look(access._locked(channel.pk), None, is_new=True)
        assert isinstance(work, access._Work)
    put(world, lease_until=database_time.now() - timedelta(seconds=1))
    with tenant_context(world.acme.pk):
        assert access._store(channel.pk, work, oauth.Tokens("late", "late-refresh", 3600)) == "late"
    with tenant_context(world.acme.pk):
        assert access._store(channel.pk, work, oauth.Tokens("later", "later-refresh", 3600)) == "late"
    assert row(world).refresh_token == "late-refresh"


# --- what goes wrong -------------------------------------------------------------------------------------------------
def test_a_sign_in_that_is_over_is_told_once_and_not_tried_again(
    committed_world: World, vendor: TokenServer, signed_in: Callable[[User], Client]
) -> None:
    world = committed_world
    vendor.current = "another"
    channel = renews(world.mail, vendor)
    for _ in range(5):
        with pytest.raises(oauth.SignedOut):
            access.token_of(channel)
    assert len(vendor.calls) == 1
    found = row(world)
    assert found.is_broken
    assert "Connect the channel again" in found.problem
    with tenant_context(world.acme.pk):
        notice = Notification.objects.get(type="channel_away")
        assert (notice.user, notice.payload["what"]) == (world.dan, "signing in")
    page = BeautifulSoup(signed_in(world.dan).get("/admin/channels/").content, "html.parser")
    assert "Connect again:The vendor does not renew" in page.select_one(".chan__say--bad").text
    assert "Connect again" in [status.text for status in page.select(".status")]
    # Another sign-in begins anew.
    vendor.current = "new"
    channel = renews(world.mail, vendor, refresh="new")
    assert access.token_of(channel) == vendor.issued[-1]
    with tenant_context(world.acme.pk):
        notice.refresh_from_db()
        assert notice.read_at is not None


def test_who_read_the_channel_long_ago_takes_no_older_sign_in_back(committed_world: World, vendor: TokenServer) -> None:
    old = renews(committed_world.mail, vendor)
    access.token_of(old)
    vendor.current = "new"
    renews(committed_world.mail, vendor, refresh="new")
    spent(committed_world)
    assert access.token_of(old) == "access-2"
    assert vendor.calls[-1]["refresh_token"] == "new"


@pytest.mark.parametrize(
    "said", [(500, {}, {}), (401, {"error": "invalid_client"}, {}), (200, {"access_token": ""}, {}), (200, {}, {})]
)
def test_any_other_error_backs_off_and_heals_by_itself(
    committed_world: World, vendor: TokenServer, said: tuple[int, dict[str, Any], dict[str, str]]
) -> None:
    world = committed_world
    channel = renews(world.mail, vendor)
    waits = []
    for _ in range(3):
        vendor.says = [said]
        with pytest.raises(ChannelError) as refusal:
            access.token_of(channel)
        assert not isinstance(refusal.value, oauth.SignedOut)
        with pytest.raises(ChannelError):  # nobody is asked meanwhile
            access.token_of(channel)
        waits.append(round((row(world).retry_at - database_time.now()).total_seconds()))
        put(world, retry_at=database_time.now())
    assert len(vendor.calls) == 3
    assert [abs(wait - wanted) <= 2 for wait, wanted in zip(waits, (30, 60, 120), strict=True)] == [True] * 3
    assert access.token_of(channel) == "access-1"
    assert (row(world).faults, row(world).problem) == (0, "")


def test_a_vendor_says_when_it_wants_to_be_asked_again(committed_world: World, vendor: TokenServer) -> None:
    channel = renews(committed_world.mail, vendor)
    vendor.says = [(429, {"error": "slow_down"}, {"Retry-After": "600"})]
    with pytest.raises(ChannelError) as refusal:
        access.token_of(channel)
    assert refusal.value.channel_fault
    assert row(committed_world).retry_at > database_time.now() + timedelta(seconds=580)


def test_secrets_go_to_no_private_network_and_nowhere_unencrypted(vendor: TokenServer, settings: Any) -> None:
    settings.CHANNEL_NETWORKS = []
    grant = oauth.Grant(vendor.url, "app")
    with pytest.raises(ChannelError, match="private network"):
        oauth.ask(grant, client_secret="x", refresh_token="y")
    with pytest.raises((ChannelError, Unreachable), match="https"):
        oauth.ask(oauth.Grant("http://93.184.216.34/token", "app"), client_secret="x", refresh_token="y")
    assert vendor.calls == []


# --- with it ---------------------------------------------------------------------------------------------------------
class Gate:
    """An SMTP server that takes one access token, by either mechanism."""

    def __init__(self) -> None:
        self.good, self.mails = "", 0

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:
        said = base64.b64decode(args[1]).decode()
        return await self._answer(server, said == f"user=desk@acme.test\x01auth=Bearer {self.good}\x01\x01")

    async def auth_OAUTHBEARER(self, server: Any, args: list[str]) -> AuthResult:
        said = base64.b64decode(args[1]).decode()
        wanted = f"n,a=desk@acme.test,\x01host=127.0.0.1\x01port={self.port}\x01auth=Bearer {self.good}\x01\x01"
        return await self._answer(server, said == wanted)

    async def _answer(self, server: Any, is_good: bool) -> AuthResult:
        """What is wrong is said in a challenge, which has to be answered before the refusal comes."""
        if not is_good:
            await server.challenge_auth('{"status":"401"}')
        return AuthResult(success=is_good, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails += 1
        return "250 kept"


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    found.port = free_port()
    controller = Controller(
        found, hostname="127.0.0.1", port=found.port, auth_required=True, auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN", "PLAIN"],
    )  # fmt: skip
    controller.start()
    yield found
    controller.stop()


@pytest.mark.parametrize("how", ["xoauth2", "oauthbearer"])
def test_smtp_signs_in_with_a_token(gate: Gate, how: Any) -> None:
    gate.good = "t0ken"
    adapter = SmtpAdapter("127.0.0.1", gate.port, "desk@acme.test", "t0ken", sign_in=how)
    with adapter.session() as smtp:
        adapter.greet(smtp)
        adapter.log_in(smtp)
    wrong = SmtpAdapter("127.0.0.1", gate.port, "desk@acme.test", "other", sign_in=how)
    with wrong.session() as smtp, pytest.raises(SignInRefused):
        wrong.greet(smtp)
        wrong.log_in(smtp)


def test_a_reply_leaves_with_a_renewed_token_and_waits_while_there_is_none(
    committed_world: World, vendor: TokenServer, gate: Gate
) -> None:
    world = committed_world
    renews(world.mail, vendor, smtp_port=gate.port, smtp_security="none")
    gate.good = "access-1"
    vendor.says = [(503, {}, {})]
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)

    def deliver() -> str:
        with tenant_context(world.acme.pk):
            Delivery.objects.update(hold_until=database_time.now(), next_attempt_at=database_time.now())
            ChannelHealth.objects.filter(faults__gt=0).update(paused_until=database_time.now())
            ChannelToken.objects.update(retry_at=None)
        return outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)

    assert deliver() == "queued"
    assert gate.mails == 0
    assert deliver() == "sent"
    assert gate.mails == 1
    # The server takes it no more before its end: the channel is paused, and the try after that has another.
    put(world, renewed_at=database_time.now() - timedelta(minutes=20))
    gate.good = "access-2"
    delivery = factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    assert [deliver(), deliver()] == ["queued", "sent"]


@pytest.mark.skipif(bool(dovecot.WHY_NOT), reason=dovecot.WHY_NOT or "runs")
def test_mail_is_fetched_with_a_renewed_token(
    committed_world: World, vendor: TokenServer, attachments_dir: Any
) -> None:
    world = committed_world
    with dovecot.running() as server:
        server.tokens.update({"access-1": "desk", "access-2": "desk"})
        box = {"imap_host": "127.0.0.1", "imap_port": server.port, "imap_security": "none", "imap_user": "desk"}
        renews(world.mail, vendor, imap_sign_in="xoauth2", **box)

        def fetch() -> int:
            mailboxes.ask_for_rounds(account_id=world.acme.pk)
            with tenant_context(world.acme.pk):
                mailbox = Mailbox.objects.get()
            return mailboxes.fetch(account_id=world.acme.pk, mailbox_id=mailbox.pk)

        fetch()
        server.put("desk", b"From: pat@customer.test\r\nSubject: Hose\r\n\r\nDoes it fit?\r\n")
        spent(world)
        assert fetch() == 1
        assert len(vendor.calls) == 2
    with tenant_context(world.acme.pk):
        assert InboundEvent.objects.count() == 1


# --- what an admin does ----------------------------------------------------------------------------------------------
def test_a_check_of_what_is_saved_goes_on_with_the_rotated_token(
    committed_world: World, vendor: TokenServer, gate: Gate
) -> None:
    world = committed_world
    channel = renews(world.mail, vendor, smtp_port=gate.port, smtp_security="none")
    access.token_of(channel)
    gate.good = "access-2"
    with tenant_context(world.acme.pk):
        found = setup.check(Channel.objects.get(pk=channel.pk))
    assert found is not None
    assert [(finding.title, finding.state) for finding in found.findings if finding.state != "warn"] == [
        ("Access token renewed", "ok"), ("Server found", "ok"), ("Connected", "ok"), ("Signed in", "ok"),
    ]  # fmt: skip
    assert row(world).refresh_token == vendor.current == "refresh-2"


def test_what_is_entered_is_checked_and_saved_with_the_token_that_came(
    committed_world: World, vendor: TokenServer, gate: Gate, signed_in: Callable[[User], Client]
) -> None:
    world = committed_world
    browser, gate.good = signed_in(world.dan), "access-1"
    page = f"/admin/conversations/channel/{world.mail.pk}/change/"
    form = {
        "provider": "smtp", "name": "Mail", "external_id": world.mail.external_id, "smtp_host": "127.0.0.1",
        "smtp_port": gate.port, "smtp_security": "none", "smtp_user": "desk@acme.test", "smtp_sign_in": "xoauth2",
        "oauth_token_url": vendor.url, "oauth_client_id": "app", "client_secret": "app-secret",
        "refresh_token": "refresh-0", "is_active": "on",
    }  # fmt: skip
    answer = browser.post(page, {**form, "do": "check"})
    assert answer.status_code == 200
    assert b"refresh-" not in answer.content
    gate.good = "access-2"
    answer = browser.post(page, {**form, "client_secret": "", "refresh_token": ""})
    assert answer.status_code == 303, BeautifulSoup(answer.content, "html.parser").select(".error")
    with tenant_context(world.acme.pk):
        saved = Channel.objects.get(pk=world.mail.pk)
        assert (saved.refresh_token, saved.is_proved) == (vendor.current, True)
    assert access.token_of(saved) == vendor.issued[-1]
    assert not row(world).is_broken


def test_try_now_has_a_vendor_asked_once_more(
    committed_world: World, vendor: TokenServer, signed_in: Callable[[User], Client]
) -> None:
    world = committed_world
    vendor.current = "another"
    channel = renews(world.mail, vendor)
    with pytest.raises(oauth.SignedOut):
        access.token_of(channel)
    vendor.current = "refresh-0"  # somebody put it right at the vendor's
    assert signed_in(world.dan).post(f"/admin/channels/{channel.pk}/try/").status_code == 303
    assert access.token_of(channel) == "access-1"
    assert len(vendor.calls) == 2
    with tenant_context(world.acme.pk):
        assert not Notification.objects.filter(type="channel_away", read_at=None).exists()
