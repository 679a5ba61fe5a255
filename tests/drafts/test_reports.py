"""The figures of the reports, on thirty conversations that are counted by hand below, and who sees which."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from config.postgres import SUPERUSER, Cluster
from conversations.channels.base import Party
from conversations.hours import hours_of
from conversations.models import Account, AuditEvent, Channel, Conversation, Delivery, Message, User
from conversations.tenancy import tenant_context
from conversations.visible import ALL, kept_to
from drafts.evidence import reports
from drafts.evidence.reports import BY_ITSELF, Backlog, Closings, Line, Replies, Reports
from drafts.models import Draft
from drafts.views import charts
from tests import factories
from tests.asserts import counted
from tests.conftest import World

Browser = Callable[[User], Client]
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = {"business_hours": "Mon to Fri 8:00 to 18:00", "holidays": ""}


def at(day: int, time: str) -> datetime:
    """Of November 2025, whose 17th is a Monday."""
    return datetime.fromisoformat(f"2025-11-{day:02}T{time}").replace(tzinfo=BERLIN)


NOW, UNTIL = at(28, "12:00"), at(29, "00:00")


class Desk:
    """Rows of the past: the product's verbs act now, and these happened then. Each conversation is another customer's."""

    def __init__(self, world: World) -> None:
        self.world, self.count = world, 0
        self.senders: dict[uuid.UUID, Party] = {}
        self.events: list[tuple[datetime, uuid.UUID]] = []

    def came(self, when: datetime, *, channel: Channel | None = None, again: Message | None = None) -> Message:
        channel = channel or self.world.mail
        self.count += 1
        sender = self.senders[again.pk] if again else Party(f"customer{self.count}@customer.test", "Pat")
        make = partial(factories.reply_to, again) if again else partial(factories.message, channel)
        message = make(sender=sender)
        self.senders[message.pk] = sender
        with tenant_context(self.world.acme.pk):
            Message.objects.filter(pk=message.pk).update(received_at=when)
            conversations = Conversation.objects.filter(pk=message.conversation_id)
            conversations.update(status="pending", owed="", due_at=None, started_at=when)
        return message

    def replied(
        self, to: Message, by: User | None, when: datetime, *, due: datetime | None = None, owed: str = "draft",
        draft: Draft | None = None, status: str = "sent",
    ) -> None:  # fmt: skip
        with tenant_context(self.world.acme.pk):
            row = {"account_id": to.account_id, "conversation_id": to.conversation_id, "channel_id": to.channel_id}
            message = Message.objects.create(**row, direction="outbound", role="operator", body_text="Yes.")
            Delivery.objects.create(
                **row, message=message, approved_by=by, approved_by_name=by.name if by else "", envelope={},
                body_text="Yes.", idempotency_key=f"<{message.pk}@desk.test>", content_sha256="0" * 64, status=status, sent_at=when,
                owed_before={"owed": owed, "due_at": due.isoformat()} if due else {}, is_automatic=by is None,
                draft_id=draft.pk if draft else None,
            )  # fmt: skip

    def told(self, kind: str, about: Message, by: User | None, when: datetime, reason: str = "") -> None:
        with tenant_context(self.world.acme.pk):
            event = AuditEvent.objects.create(
                account_id=about.account_id, kind=f"conversation.{kind}", act_id=uuid.uuid4(),
                actor_type="user" if by else "system", actor_id=str(by.pk) if by else "", actor_name=by.name if by else "system",
                object_type="conversation", object_id=str(about.conversation_id), conversation_id=about.conversation_id,
                data={"reason": reason, "owed": ""},
            )  # fmt: skip
        self.events.append((when, event.pk))

    def date_back(self, cluster: Cluster) -> None:
        """The time of an event is the database's and nobody changes it, but a superuser."""
        with cluster.connect("countersign_test", SUPERUSER) as server:
            server.execute("SET session_replication_role = replica")
            for when, pk in self.events:
                server.execute("UPDATE conversations_auditevent SET at = %s WHERE id = %s", [when, pk])

    def owes(self, message: Message, due: datetime, owed: str = "rejected", owner: User | None = None) -> None:
        with tenant_context(self.world.acme.pk):
            Conversation.objects.filter(pk=message.conversation_id).update(
                status="open", owed=owed, due_at=due, owner=owner
            )
            if owed == "draft":
                factories.draft(message)


@pytest.fixture
def world(committed_world: World) -> World:
    return committed_world


@pytest.fixture
def chat(world: World) -> Channel:
    return factories.channel(world.acme, type="chat", external_id="shop", name="Shop chat")


@pytest.fixture
def thirty(world: World, chat: Channel, cluster: Cluster) -> list[Message]:
    """Thirty conversations, in four kinds: mail of Monday, chats of a Friday evening, what is open, the time before."""
    desk, ada, dan = Desk(world), world.ada, world.dan
    with tenant_context(world.acme.pk):
        Account.objects.update(timezone="Europe/Berlin", settings=OFFICE)
    # 20 mails of Monday 9:00, answered by Ada after 10, 20, ... 200 minutes; due at 12:00, so the first 18 in time.
    mails = [desk.came(at(17, "09:00")) for _ in range(20)]
    for number, mail in enumerate(mails, start=1):
        desk.replied(mail, ada, at(17, "09:00") + timedelta(minutes=10 * number), due=at(17, "12:00"))
    # A second reply to one, written by Dan himself: no first response, and nothing was owed.
    own = factories.draft(mails[0], model_key="person", author_user=dan, status="sent")
    desk.replied(mails[0], dan, at(18, "08:30"), draft=own)
    # 10 are closed by Ada on Tuesday 9:00 (600 minutes), 10 by Dan on Monday 15:00 (360).
    for mail in mails[:10]:
        desk.told("closed", mail, ada, at(18, "09:00"))
    for mail in mails[10:]:
        desk.told("closed", mail, dan, at(17, "15:00"))
    # One comes back the next day and is closed again after an hour; another after nine days, which is a new question.
    desk.came(at(19, "10:00"), again=mails[0])
    desk.told("closed", mails[0], ada, at(19, "11:00"))
    desk.came(at(27, "09:00"), again=mails[1])
    # 4 chats of Friday 17:30, answered by a lane on Monday 8:30: 60 minutes. One ends by itself, one is spam.
    chats = [desk.came(at(21, "17:30"), channel=chat) for _ in range(4)]
    for message in chats:
        desk.replied(message, None, at(24, "08:30"))
    desk.told("closed", chats[0], None, at(27, "09:00"), "nobody wrote for days")
    desk.told("closed", chats[1], dan, at(27, "09:00"), "spam")
    # 4 are open: 2 hours, 26 hours, 3 days and 10 days old.
    ages = [at(28, "10:00"), at(27, "10:00"), at(25, "12:00"), at(18, "12:00")]
    waiting = [desk.came(when) for when in ages]
    desk.owes(waiting[0], at(28, "11:00"), owner=ada)
    desk.owes(waiting[1], at(28, "15:00"), "draft")
    desk.owes(waiting[2], at(30, "15:00"))
    desk.owes(waiting[3], at(28, "13:00"), "leaving")  # about to leave, and in time: nobody's work
    # 2 of the time before, answered after half an hour; a reply that failed is none.
    before = [desk.came(at(3, "09:00")) for _ in range(2)]
    for message in before:
        desk.replied(message, ada, at(3, "09:10"), status="failed")
        desk.replied(message, ada, at(3, "09:30"))
    desk.date_back(cluster)
    return [*mails, *chats, *waiting, *before]


def figures(world: World, **changes: Any) -> Reports:
    values: dict[str, Any] = {"within": ALL, "now": NOW, "until": UNTIL, "days": 14, **changes}
    hours = hours_of(OFFICE["business_hours"], "", "Europe/Berlin")
    with tenant_context(world.acme.pk):
        return reports.reports_of(world.acme.pk, **{"hours": hours, **values})


def of(lines: tuple[Line, ...], key: object) -> Line:
    return next(line for line in lines if line.key == str(key))


def test_thirty_conversations_are_counted_as_by_hand(world: World, thirty: list[Message]) -> None:
    assert len({message.conversation_id for message in thirty}) == 30
    found = figures(world)
    # 24 first replies: 10, 20, ... 200 and four times 60. The 12th and 13th are 80 and 90; 0.9 of the way: 170 and 180.
    assert found.total.replies == Replies(25, written=1, kept=18, due=20, firsts=24, median=85, p90=pytest.approx(177))
    # 22 closings, one of them by itself: 60, ten times 360, ten times 600.
    assert found.total.closings == Closings(22, quiet=1, reopened=1, resolved=21, median=360, p90=600)
    assert found.total.backlog == Backlog(3, late=1, today=1, drafts=1)
    assert found.ages == (0, 1, 0, 1, 1, 0)
    assert found.total.messages == 30  # 20 mails, 2 that came back, 4 chats, 4 that are open
    assert found.before == Line(replies=Replies(2, firsts=2, median=30, p90=30))


def test_each_channel_has_its_own_figures(world: World, chat: Channel, thirty: list[Message]) -> None:
    lines = figures(world).channels
    assert [line.key for line in lines] == [str(world.mail.pk), str(chat.pk)]
    shop = of(lines, chat.pk)
    assert shop.replies == Replies(4, firsts=4, median=60, p90=60)
    assert (shop.closings, shop.backlog, shop.messages) == (Closings(1, quiet=1), Backlog(), 4)


def test_each_person_has_what_they_approved_closed_and_own(world: World, thirty: list[Message]) -> None:
    lines = figures(world).people
    ada, dan, nobody = of(lines, world.ada.pk), of(lines, world.dan.pk), of(lines, BY_ITSELF)
    assert (ada.name, ada.replies.count, ada.replies.median, ada.replies.kept) == (world.ada.name, 20, 105, 18)
    assert ada.closings == Closings(11, reopened=1, resolved=11, median=600, p90=600)
    assert (ada.backlog, of(lines, "").backlog.count) == (Backlog(1, late=1), 2)
    assert dan.replies == Replies(1, written=1)
    assert dan.closings == Closings(10, resolved=10, median=360, p90=360)
    assert (nobody.replies.count, nobody.closings) == (4, Closings(1, quiet=1))


def test_one_persons_figures_are_theirs_alone(world: World, thirty: list[Message]) -> None:
    found = figures(world, person=world.dan.pk)
    assert (found.total.replies.count, found.total.closings.count, found.total.backlog.count) == (1, 10, 0)


def test_messages_are_counted_by_the_hour_of_the_accounts_zone(
    world: World, chat: Channel, thirty: list[Message]
) -> None:
    found = figures(world).hours
    counts = {key: {hour: count for hour, count in enumerate(hours) if count} for key, hours in found.items()}
    assert counts == {str(world.mail.pk): {9: 21, 10: 3, 12: 2}, str(chat.pk): {17: 4}}


def test_each_day_has_its_first_replies(world: World, thirty: list[Message]) -> None:
    days = {day.day: (replies.firsts, replies.median) for day, replies in figures(world).days}
    assert days == {17: (20, 105), 18: (0, None), 24: (4, 60)}


def test_what_an_agent_does_not_see_is_in_no_figure(world: World, chat: Channel, thirty: list[Message]) -> None:
    found = figures(world, within=kept_to([chat.pk]))
    assert (found.total.replies.count, found.total.closings.count, found.total.messages) == (4, 1, 4)
    assert (found.total.backlog.count, list(found.hours)) == (0, [str(chat.pk)])
    assert figures(world, within=kept_to([])).total == Line()
    assert figures(world, channel=chat.pk).total == found.total


def test_without_business_hours_every_minute_counts(world: World, thirty: list[Message]) -> None:
    found = figures(world, hours=hours_of("", "", "Europe/Berlin"))
    assert of(found.people, BY_ITSELF).replies.median == 63 * 60  # Friday 17:30 to Monday 8:30
    assert figures(world, hours=hours_of(OFFICE["business_hours"], "2025-11-24", "Europe/Berlin")).total.replies.p90 < 180  # fmt: skip


def test_they_take_four_statements_however_much_there_is(world: World, request: pytest.FixtureRequest) -> None:
    def statements() -> int:
        with tenant_context(world.acme.pk), counted() as queries:
            reports.reports_of(world.acme.pk, hours=hours_of("", "", "UTC"), within=ALL, now=NOW, until=UNTIL, days=14)
        return len(queries)

    assert statements() == 4
    request.getfixturevalue("thirty")
    assert statements() == 4


def test_an_account_sees_nothing_of_another(world: World, thirty: list[Message]) -> None:
    with tenant_context(world.globex.pk):
        found = reports.reports_of(
            world.globex.pk, hours=hours_of("", "", "UTC"), within=ALL, now=NOW, until=UNTIL, days=14
        )
    assert (found.total, found.people, found.channels) == (Line(), (), ())


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is asked on that Friday."""
    real = reports.reports_of
    monkeypatch.setattr(
        reports, "reports_of", lambda *args, **asked: real(*args, **{**asked, "now": NOW, "until": UNTIL})
    )


def soup(answer: Any) -> BeautifulSoup:
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def tiles(page: BeautifulSoup) -> dict[str, str]:
    return {
        tile.dt.get_text(strip=True): " ".join(dd.get_text(" ", strip=True) for dd in tile.select("dd:not([aria-hidden])"))
        for tile in page.select(".tile")
    }  # fmt: skip


def test_the_page_shows_what_was_counted(world: World, thirty: list[Message], now: None, signed_in: Browser) -> None:
    page = soup(signed_in(world.dan).get("/reports/"))
    assert tiles(page) == {
        "First response, median": "1 h 25 p90 2 h 57",
        "Resolution, median": "6 h 00 p90 10 h 00",
        "Open now": "3 1 with a draft, 1 late",
        "Answered in time": "90 % 18 of 20",
        "Reopened": "4.5 % of 22 closed",
    }
    words = page.get_text(" ", strip=True)
    assert "15 Nov to 28 Nov, 30 messages in, 22 closed. Business hours: Mon to Fri 8:00 to 18:00" in words
    assert len(page.select("summary:-soup-contains('Show numbers')")) == len(page.select("figure svg.chart")) == 3


def test_under_twenty_a_tile_says_how_many_are_missing(world: World, signed_in: Browser) -> None:
    found = tiles(soup(signed_in(world.dan).get("/reports/")))
    assert found["Resolution, median"] == "– Not enough yet: 0 of 20."
    assert found["Open now"] == "0 0 with a draft, 0 late"


def test_only_admins_see_others_by_name(world: World, thirty: list[Message], now: None, signed_in: Browser) -> None:
    def names(user: User, query: str = "") -> list[str]:
        page = soup(signed_in(user).get(f"/reports/{query}"))
        return sorted(
            each.get_text(strip=True) for each in page.select("[aria-labelledby=r-people] tbody td:first-child")
        )

    assert names(world.dan) == ["Ada", "By itself", "Dan", "Nobody"]
    assert names(world.ada) == names(world.ada, f"?person={world.dan.pk}") == ["Ada", "By itself", "Nobody"]


def test_a_file_opens_in_excel_and_says_the_same_in_minutes(
    world: World, thirty: list[Message], now: None, signed_in: Browser
) -> None:
    with tenant_context(world.acme.pk):
        Channel.objects.filter(type="chat").update(name="=Zubehör")
    answer = signed_in(world.dan).get("/reports/channels.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert "attachment" in answer["Content-Disposition"]
    head, *rows = csv.reader(answer.content.decode("utf-8-sig").splitlines())
    assert head[:5] == ["Channel", "Messages", "Replies", "First response, median", "First response, p90"]
    assert rows[0] == ["Acme mail", "26", "21", "105", "181", "18", "20", "21", "360", "600", "1", "3", "1"]
    assert rows[1] == ["'=Zubehör", "4", "4", "60", "60", "0", "0", "1", "", "", "0", "0", "0"]
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.filter(kind="export.made", data__what="the report “By channel”").count() == 1


@pytest.mark.parametrize("table", ["days", "hours", "ages", "channels", "people"])
def test_every_table_has_its_file(world: World, signed_in: Browser, table: str) -> None:
    client = signed_in(world.bo)
    page = soup(client.get("/reports/?days=7"))
    link = page.select_one(f'a[href^="/reports/{table}.csv"]')
    assert link is not None
    assert client.get(str(link["href"])).status_code == 200
    assert client.get("/reports/everything.csv").status_code == 404


def test_a_chart_is_drawn_of_what_is_known() -> None:
    days = [(date(2026, 3, 2), 30.0, 90.0), (date(2026, 3, 3), None, None), (date(2026, 3, 6), 60.0, 120.0)]
    drawn = charts.lines(days)
    assert drawn is not None
    assert [line.words for line in drawn.lines] == ["0 h", "1 h", "2 h"]
    assert drawn.median == "42.0,159.5 798.0,111.0" and drawn.p90 == "42.0,62.5 798.0,14.0"
    assert [label.words for label in drawn.labels] == ["2 Mar", "6 Mar"]
    assert charts.lines(days[:2]) is None
    mail, chat = [0] * 9 + [4] + [0] * 14, [0] * 11 + [2] + [0] * 12
    found = charts.heat([("Mail", mail), ("A channel with a long name", chat)])
    assert [label.words for label in found["labels"]] == ["9", "10", "11"]
    assert [depth for _, depth, _ in found["rows"][0].cells] == [1.0, 0.06, 0.06]
    assert "A channel with a …" in found["rows"][1].name and found["rows"][1].total == "2"
    assert charts.heat([]) == {}


def test_the_quality_page_leads_to_the_reports(world: World, signed_in: Browser) -> None:
    assert soup(signed_in(world.cy).get("/quality/")).select_one('main a[href="/reports/"]')
