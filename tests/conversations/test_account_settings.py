"""The settings of an account: in sections, each field explained; and every field of the whole administration is."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib import admin
from django.test import Client, RequestFactory

from conversations.database import database_time
from conversations.metadata import AccountSettings
from conversations.models import Account, AuditEvent, Conversation, User
from conversations.tenancy import enter, tenant_context
from drafts.desk import life
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def dan(world: World, signed_in: Any) -> Client:
    return signed_in(world.dan)


@pytest.fixture
def url(world: World) -> str:
    return f"/admin/conversations/account/{world.acme.pk}/change/"


def soup(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.content, "html.parser")


def filled(page: BeautifulSoup) -> dict[str, str]:
    """The form as a browser would send it back."""
    form = page.select_one("main form")
    assert form is not None
    sent = {box["name"]: box.get("value", "") for box in form.select("input:not([type=checkbox])")}
    sent |= {box["name"]: "on" for box in form.select("input[type=checkbox][checked]")}
    for box in form.select("select"):
        sent[box["name"]] = (box.select_one("option[selected]") or box.option)["value"]  # type: ignore[index]
    sent |= {box["name"]: box.get_text().strip() for box in form.select("textarea")}
    return {str(name): str(value) for name, value in sent.items()}


def test_every_setting_stands_in_a_section_with_its_help(dan: Client, url: str) -> None:
    page = soup(dan.get(url))
    assert [h.get_text() for h in page.select(".fs__h h2")] == [
        "General", "Replies and undo", "Due times", "Who may do what", "Drafting and lanes", "Closing and keeping",
        "The assistant", "Security",
    ]  # fmt: skip
    boxes = page.select(".fs__b input, .fs__b select, .fs__b textarea")
    assert {box["name"] for box in boxes} >= set(AccountSettings.model_fields)
    for box in boxes:
        words = page.select_one(f"#{box['id']}_helptext")
        assert words is not None, box["name"]
        assert len(words.get_text(strip=True)) > 10, box["name"]
        assert page.select_one(f"label[for={box['id']}]") is not None, box["name"]


def test_business_hours_and_holidays_are_kept_as_they_were_written(world: World, dan: Client, url: str) -> None:
    wanted = {"business_hours": "Mon to Fri 8:00 to 18:00\nSat 9:00 to 12:00", "holidays": "2026-12-25 Christmas"}
    assert dan.post(url, {**filled(soup(dan.get(url))), **wanted}).status_code == 302
    shown = filled(soup(dan.get(url)))
    assert {name: shown[name].replace("\r", "") for name in wanted} == wanted


def test_hours_that_nobody_understands_are_refused_in_plain_words(dan: Client, url: str) -> None:
    wrong = {"business_hours": "nine to five", "holidays": "Christmas"}
    page = soup(dan.post(url, {**filled(soup(dan.get(url))), **wrong}))
    words = page.get_text()
    assert "“nine to five” is not understood. Write “Mon to Fri 8:00 to 18:00”, a rule on each line." in words
    assert "“Christmas” does not begin with a date. Write “2026-12-25 Christmas”." in words
    assert "Value error" not in words


def test_what_was_not_touched_is_saved_as_it_was(world: World, dan: Client, url: str) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.update(settings={"lanes": True, "hold_seconds": 30, "lane_bound": 0.95})
    sent = filled(soup(dan.get(url)))
    assert dan.post(url, {**sent, "hold_seconds": "20"}).status_code == 302
    with tenant_context(world.acme.pk):
        account = Account.objects.get()
        assert account.settings == {"lanes": True, "hold_seconds": 20, "lane_bound": 0.95}
        assert AuditEvent.objects.get(kind="account.changed").data["fields"] == "hold_seconds"


def test_periods_say_what_they_count_from(dan: Client, url: str) -> None:
    page = soup(dan.get(url))
    for name in ("archive_bodies_after_days", "purge_after_days"):
        words = page.select_one(f"#id_{name}_helptext").get_text()  # type: ignore[union-attr]
        assert "from the closing of a conversation" in words
        assert page.select_one(f".unit #id_{name}").parent.get_text(strip=True) == "days"  # type: ignore[union-attr]


def test_shorter_periods_show_what_would_go_and_ask_for_a_second_press(world: World, dan: Client, url: str) -> None:
    message = factories.message(world.mail)
    with tenant_context(world.acme.pk):
        long_ago = message.created_at - timedelta(days=400)
        Conversation.objects.filter(pk=message.conversation_id).update(
            status="closed", owed="", due_at=None, completed_at=long_ago
        )
    sent = {**filled(soup(dan.get(url))), "archive_bodies_after_days": "365"}
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = dan.post(url, sent)
    page = soup(answer)
    assert answer.status_code == 422
    shown = page.select_one("#would-empty").get_text(" ", strip=True)  # type: ignore[union-attr]
    assert shown == "What the next run would empty with these periods conversations: 1 messages: 1"
    again = filled(page)
    assert again["archive_bodies_after_days"] == "365"
    # Other numbers than those that were shown ask anew; the same ones are saved, and longer ones need no second press.
    assert dan.post(url, {**again, "archive_bodies_after_days": "30"}).status_code == 422
    assert dan.post(url, again).status_code == 302
    assert dan.post(url, {**again, "confirm": "", "archive_bodies_after_days": "700"}).status_code == 302
    with tenant_context(world.acme.pk):
        assert Account.objects.get().archive_bodies_after_days == 700


def test_time_zones_are_chosen_from_a_list(world: World, dan: Client, url: str) -> None:
    page = soup(dan.get(url))
    offered = [option["value"] for option in page.select("#id_timezone option")]
    assert {"UTC", "Europe/Oslo", "America/New_York", "Asia/Kolkata"} <= set(offered)
    assert len(offered) == len(set(offered)) > 300
    assert set(offered) <= zoneinfo.available_timezones()
    kolkata = page.select_one('#id_timezone option[value="Asia/Kolkata"]').get_text()  # type: ignore[union-attr]
    assert kolkata.startswith("Asia/Kolkata (UTC+5:30, now ")
    sent = filled(page)
    assert sent["timezone"] == "UTC"
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert dan.post(url, {**sent, "timezone": "Mars/Olympus"}).status_code == 422


def test_a_zone_that_was_chosen_long_ago_stays(world: World, dan: Client, url: str) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.update(timezone="US/Pacific")
    assert filled(soup(dan.get(url)))["timezone"] == "US/Pacific"


def test_what_is_wrong_is_named_and_nothing_else_is_lost(world: World, dan: Client, url: str) -> None:
    sent = {**filled(soup(dan.get(url))), "hold_seconds": "61", "reply_name": "Acme Support"}
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = dan.post(url, sent)
    page = soup(answer)
    assert answer.status_code == 422
    assert page.select_one("#id_hold_seconds_error").get_text(strip=True) == "Give at most 60."  # type: ignore[union-attr]
    assert page.select_one('[role=alert] a[href="#id_hold_seconds"]') is not None
    assert page.select_one("#id_reply_name")["value"] == "Acme Support"  # type: ignore[index]


def test_every_field_of_the_administration_has_a_help_in_words(world: World, rf: RequestFactory) -> None:
    """Whoever adds a field explains it: in its model, in its shape, or in `helps` of its ModelAdmin."""
    asked = 0
    requests = []
    with tenant_context(world.acme.pk):
        for user in (world.dan, User.objects.create_superuser("root@platform.test", "x")):
            request = rf.get("/")
            request.user = user
            request.tenant = enter(user, world.acme.pk)  # type: ignore[attr-defined]
            requests.append(request)
        for model, page in admin.site._registry.items():
            for request in requests:
                if model._meta.model_name == "channel" or not (
                    page.has_add_permission(request) or page.has_change_permission(request)
                ):
                    continue  # a channel's form is its provider's: tests/conversations/test_channel_pages.py
                form = page.get_form(request, None, change=True)
                account = {"instance": world.acme} if model is Account else {}
                for name, field in form(**account).fields.items():
                    assert len(str(field.help_text)) > 10, f"{model.__name__}.{name} has no help text"
                    asked += 1
    assert asked > 30


def test_closing_by_itself_shows_how_many_before_it_is_switched_on(world: World, dan: Client, url: str) -> None:
    message = factories.message(world.mail)
    with tenant_context(world.acme.pk):
        life.answered_elsewhere(conversation_id=message.conversation_id, actor=world.ada)
        Conversation.objects.update(last_message_at=database_time.now() - timedelta(days=8))
    values = {**filled(soup(dan.get(url))), "close_after_days": "7"}
    asked = dan.post(url, values)
    assert "1 conversation would close within the hour" in soup(asked).select_one("#would-empty").text  # type: ignore[union-attr]
    with tenant_context(world.acme.pk):
        assert Account.objects.get(pk=world.acme.pk).options.close_after_days == 0
    again = filled(soup(asked))
    assert dan.post(url, {**again, "close_after_days": "14"}).status_code == 422, "other days are other numbers"
    assert dan.post(url, again).status_code == 302
    with tenant_context(world.acme.pk):
        assert Account.objects.get(pk=world.acme.pk).options.close_after_days == 7
