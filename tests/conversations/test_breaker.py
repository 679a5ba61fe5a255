"""A channel that is away is left alone, its replies lose no try, and all go once when it is back (docs/decisions/0063)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client

from conversations.channels.base import ChannelError, Failure, Outbound, Receipt
from conversations.database import database_time
from conversations.messages import breaker, moves, outbox, outgoing
from conversations.models import AuditEvent, Channel, ChannelHealth, Delivery, DeliveryAttempt, Notification, User, base
from conversations.setup import channels as setup
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.conftest import World

REFUSED = ChannelError(Failure.TRANSIENT, "Nobody answers. Nothing was sent.", channel_fault=True)


class Provider:
    """Answers as it is told, and remembers when it was called for which reply."""

    def __init__(self) -> None:
        self.fails: ChannelError | None = None
        self.meanwhile: Callable[[], Any] = lambda: None
        self.calls: list[datetime] = []
        self.sent: list[str] = []

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        self.calls.append(database_time.now())
        self.meanwhile()
        if self.fails is not None:
            raise self.fails
        before_handover()
        self.sent.append(outbound.message_id)
        return Receipt(outbound.message_id, "250 kept")


class Time:
    """The database's clock, moved by hand; jobs run when it is their time, and the sweep every ten seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, account_id: uuid.UUID) -> None:
        self.account_id, self.later, right = account_id, timedelta(), database_time.now
        monkeypatch.setattr(database_time, "now", lambda: right() + self.later)
        monkeypatch.setattr(base, "_last", base._last)  # ids of a later time are not followed by those of the next test
        self.jobs: list[tuple[datetime, str, uuid.UUID]] = []
        for module in (moves, outbox):
            monkeypatch.setattr(module, "wake", self.wake)

    def wake(self, task: str, *, at: datetime | None = None, once: str = "", delivery_id: Any, **_: Any) -> None:
        if not once or all(once != key for _, key, _ in self.jobs):
            self.jobs.append((at or database_time.now(), once, delivery_id))

    def work(self) -> None:
        while due := [job for job in self.jobs if job[0] <= database_time.now()]:
            self.jobs = [job for job in self.jobs if job not in due]
            for _, _, delivery_id in due:
                outbox.deliver(account_id=self.account_id, delivery_id=delivery_id)

    def goes_on(self, **span: float) -> None:
        end = self.later + timedelta(**span)
        while self.later < end:
            self.later += timedelta(seconds=10)
            outbox.sweep(account_id=self.account_id)
            self.work()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    found = Provider()
    monkeypatch.setattr(outgoing, "adapter_of", lambda channel: found)
    return found


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, world: World, acme: Any) -> Time:
    return Time(monkeypatch, world.acme.pk)


def replies(world: World, count: int, channel: Channel | None = None) -> list[Delivery]:
    """Approved replies whose hold is over."""
    found = [
        factories.approved(factories.draft(factories.message(channel or world.mail, f"Question {n}?")), world.ada)
        for n in range(count)
    ]
    now = database_time.now()
    Delivery.objects.filter(pk__in=[one.pk for one in found]).update(hold_until=now, next_attempt_at=now)
    return found


def statuses() -> set[str]:
    return set(Delivery.objects.values_list("status", flat=True))


def test_an_outage_costs_six_calls_in_ten_minutes_and_no_reply(world: World, provider: Provider, time: Time) -> None:
    replies(world, 20)
    provider.fails = REFUSED
    time.goes_on(minutes=10)
    assert 2 <= len(provider.calls) <= 6
    assert statuses() <= {"held", "queued"}
    time.goes_on(hours=5)
    provider.fails = None
    time.goes_on(minutes=16)
    assert len(provider.sent) == len(set(provider.sent)) == 20
    assert statuses() == {"sent"}
    assert not ChannelHealth.objects.filter(faults__gt=0).exists()


def test_the_pauses_grow_to_a_quarter_of_an_hour(world: World, provider: Provider, time: Time) -> None:
    replies(world, 1)
    provider.fails = REFUSED
    time.goes_on(hours=2)
    apart = [round((b - a).total_seconds(), -1) for a, b in zip(provider.calls, provider.calls[1:], strict=False)]
    assert apart[:6] == [30, 60, 120, 240, 480, 900]
    assert max(apart) <= 910


def test_an_outage_uses_up_no_try(world: World, provider: Provider, time: Time, settings: Any) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 2
    (reply,) = replies(world, 1)
    provider.fails = REFUSED
    time.goes_on(hours=3)
    assert DeliveryAttempt.objects.filter(outcome="channel").count() == len(provider.calls) > 5
    # The control: what is the message's own fault does.
    provider.fails = ChannelError(Failure.TRANSIENT, "Greylisted.", response="451 later")
    time.goes_on(hours=1)
    reply.refresh_from_db()
    assert reply.status == "failed"
    assert list(DeliveryAttempt.objects.exclude(outcome="channel").values_list("outcome", flat=True)) == [
        "transient",
        "transient",
    ]


def test_a_provider_that_says_when_is_not_asked_before(world: World, provider: Provider, time: Time) -> None:
    replies(world, 5)
    provider.fails = ChannelError(
        Failure.TRANSIENT,
        "Too many calls.",
        response="429",
        channel_fault=True,
        retry_at=database_time.now() + timedelta(minutes=20),
    )
    time.goes_on(minutes=19)
    assert len(provider.calls) == 1
    provider.fails = None
    time.goes_on(minutes=2)
    assert len(provider.sent) == 5


def test_only_what_was_provably_not_taken_is_the_channels_fault(world: World, provider: Provider, time: Time) -> None:
    replies(world, 1)
    provider.fails = ChannelError(Failure.UNCERTAIN, "No answer came.", channel_fault=True)
    time.goes_on(minutes=1)
    assert statuses() == {"uncertain"}
    assert not ChannelHealth.objects.filter(faults__gt=0).exists()


def test_another_channel_goes_on(world: World, provider: Provider, time: Time, monkeypatch: Any) -> None:
    other = factories.channel(world.acme, external_id="second@acme.test")
    away, healthy = Provider(), Provider()
    away.fails = REFUSED
    monkeypatch.setattr(outgoing, "adapter_of", lambda channel: away if channel.pk == other.pk else healthy)
    replies(world, 8, other)
    replies(world, 8)
    time.goes_on(seconds=20)
    assert (len(healthy.sent), len(away.sent), len(away.calls)) == (8, 0, 1)


def test_a_channel_that_hangs_holds_two_workers(world: World, provider: Provider, time: Time, settings: Any) -> None:
    first, second, third = replies(world, 3)
    held: list[str] = []

    def next_one() -> None:
        waiting = [one for one in (second, third) if str(one.pk) not in held]
        if waiting:
            held.append(str(waiting[0].pk))
            outbox.deliver(account_id=world.acme.pk, delivery_id=waiting[0].pk)

    provider.meanwhile = next_one  # while one hangs, other workers take the next
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk) == "sent"
    assert len(provider.calls) == settings.CHANNEL_PARALLEL == 2
    third.refresh_from_db()
    assert third.status in {"held", "queued"}
    provider.meanwhile = lambda: None
    time.goes_on(seconds=10)
    assert len(provider.sent) == 3


def test_one_reply_alone_tries_a_channel_after_its_pause(world: World, provider: Provider, time: Time) -> None:
    first, second = replies(world, 2)
    provider.fails = REFUSED
    outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk)
    time.later += timedelta(seconds=31)
    provider.meanwhile = lambda: outbox.deliver(account_id=world.acme.pk, delivery_id=second.pk)
    outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk)
    assert len(provider.calls) == 2


@pytest.mark.parametrize(("response", "faults"), [("550 5.1.1 Nobody here has this name", 0), ("", 1)])
def test_who_refuses_one_reply_works_and_who_says_nothing_may_not(
    world: World, provider: Provider, time: Time, response: str, faults: int
) -> None:
    first, _ = replies(world, 2)
    provider.fails = REFUSED
    outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk)
    time.later += timedelta(seconds=31)
    provider.fails = ChannelError(Failure.PERMANENT, "It cannot be sent.", response=response)
    assert outbox.deliver(account_id=world.acme.pk, delivery_id=first.pk) == "failed"
    assert ChannelHealth.objects.get().faults == faults


def test_after_a_pause_the_longest_waiting_reply_goes_first(world: World, provider: Provider, time: Time) -> None:
    one, *others = replies(world, 4)
    provider.fails = REFUSED
    outbox.deliver(account_id=world.acme.pk, delivery_id=one.pk)
    for number, other in enumerate(others):  # the last one waits longest
        Delivery.objects.filter(pk=other.pk).update(next_attempt_at=database_time.now() - timedelta(minutes=number))
    time.later += timedelta(seconds=31)
    provider.fails, time.jobs = None, []
    outbox.deliver(account_id=world.acme.pk, delivery_id=one.pk)
    assert [delivery for _, _, delivery in time.jobs] == [other.pk for other in reversed(others)]


# --- who is told ---------------------------------------------------------------------------------------------------
def test_admins_are_told_once_and_the_way_back_clears_it(world: World, provider: Provider, time: Time) -> None:
    replies(world, 3)
    provider.fails = REFUSED
    time.goes_on(seconds=20)
    assert not Notification.objects.filter(type="channel_away").exists()  # the next try may heal it
    time.goes_on(hours=2)
    notice = Notification.objects.get(type="channel_away")
    assert notice.user == world.dan
    assert "Nobody answers" in notice.payload["problem"]
    assert notice.read_at is None
    provider.fails = None
    time.goes_on(minutes=16)
    notice.refresh_from_db()
    assert notice.read_at is not None
    # Another outage is another notice.
    replies(world, 1)
    provider.fails = REFUSED
    time.goes_on(minutes=5)
    assert Notification.objects.filter(type="channel_away", read_at=None).count() == 1


def test_what_the_server_says_stands_there_without_addresses(world: World, provider: Provider, time: Time) -> None:
    replies(world, 1)
    provider.fails = ChannelError(
        Failure.TRANSIENT, "Refused.", response="421 marcus@customer.test: closing", channel_fault=True
    )
    time.goes_on(minutes=2)
    assert "marcus@" not in ChannelHealth.objects.get().problem
    assert "421" in ChannelHealth.objects.get().problem


def said(client: Client, url: str, selector: str) -> str:
    page = BeautifulSoup(client.get(url).content, "html.parser")
    return " ".join(" ".join(one.get_text(" ", strip=True) for one in page.select(selector)).split())


def test_who_approves_and_who_administers_read_that_it_waits(
    world: World, provider: Provider, signed_in: Callable[[User], Client]
) -> None:
    with tenant_context(world.acme.pk):
        draft = factories.draft(factories.message(world.mail))
    desk, admin = signed_in(world.ada), signed_in(world.dan)
    assert said(desk, f"/drafts/{draft.pk}/", ".check--bad") == ""
    with tenant_context(world.acme.pk):
        breaker.fault(Channel.objects.get(pk=world.mail.pk), REFUSED)
        since = ChannelHealth.objects.get().failing_since
    for words in (
        said(desk, f"/drafts/{draft.pk}/", ".check--bad"),
        said(admin, "/admin/channels/", ".chan__say--bad"),
    ):
        assert "Not sending since" in words
        assert f"{since:%H:%M}" in words
        assert "Nobody answers" in words
        assert "Nothing is lost" in words
    assert "Does not send" in said(admin, "/admin/channels/", ".status")
    with tenant_context(world.acme.pk):
        breaker.worked(Channel.objects.get(pk=world.mail.pk))
    assert said(desk, f"/drafts/{draft.pk}/", ".check--bad") == said(admin, "/admin/channels/", ".chan__say--bad") == ""


def test_a_check_that_passes_ends_the_pause(world: World, provider: Provider, time: Time) -> None:
    (reply,) = replies(world, 1)
    provider.fails = REFUSED
    time.goes_on(hours=1)
    before, provider.fails = len(provider.calls), None
    channel = Channel.objects.get(pk=world.mail.pk)
    setup.keep_check(channel=channel, found=setup.Check((), channel.connection_mark, database_time.now()))
    time.goes_on(seconds=20)
    assert len(provider.calls) == before + 1
    reply.refresh_from_db()
    assert reply.status == "sent"


# --- a person ends the pause ---------------------------------------------------------------------------------------
def paused(world: World) -> None:
    with tenant_context(world.acme.pk):
        breaker.fault(Channel.objects.get(pk=world.mail.pk), REFUSED)


def test_an_admin_has_a_paused_channel_tried_now(
    world: World, provider: Provider, time: Time, signed_in: Callable[[User], Client]
) -> None:
    replies(world, 3)
    provider.fails = REFUSED
    time.goes_on(minutes=20)
    provider.fails, tried = None, len(provider.calls)
    browser = signed_in(world.dan)
    page = BeautifulSoup(browser.get("/admin/channels/").content, "html.parser")
    act = page.select_one(".chan__say--bad form")["action"]
    answer = browser.post(act)
    assert (answer.status_code, answer["Location"]) == (303, "/admin/channels/")
    event = AuditEvent.objects.get(kind="channel.tried")
    assert (event.actor_id, event.object_id) == (str(world.dan.pk), str(world.mail.pk))
    time.goes_on(seconds=3)
    assert len(provider.calls) == tried + 3  # one tries it, and the others follow
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


@pytest.mark.parametrize("who", ["ada", "cy", "bo", "eve"])
def test_nobody_else_ends_a_pause(world: World, signed_in: Callable[[User], Client], who: str) -> None:
    paused(world)
    browser = signed_in(getattr(world, who))
    with assert_nothing_written_in(world.acme):
        assert browser.post(f"/admin/channels/{world.mail.pk}/try/").status_code in {302, 403}
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(PermissionDenied):
        setup.try_now(channel_id=world.mail.pk, actor=getattr(world, who))


def test_a_channel_of_another_account_is_not_there_and_one_that_works_is_not_tried(
    world: World, signed_in: Callable[[User], Client]
) -> None:
    paused(world)
    browser = signed_in(world.dan)
    with assert_nothing_written_in(world.acme):
        assert browser.post(f"/admin/channels/{world.other_mail.pk}/try/").status_code == 404
        assert browser.get(f"/admin/channels/{world.mail.pk}/try/").status_code == 405
    assert browser.post(f"/admin/channels/{world.mail.pk}/try/").status_code == 303
    with assert_nothing_written_in(world.acme):  # pressed a second time: the pause is over
        answer = browser.post(f"/admin/channels/{world.mail.pk}/try/")
    assert answer.status_code == 409
    assert b"is not paused" in answer.content
