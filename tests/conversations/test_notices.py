"""Notifications with their kinds, the timeline as files, and what the error pages say."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.template.loader import render_to_string
from django.test import Client

from conversations import audit
from conversations.models import Notification, User
from conversations.tenancy import tenant_context
from conversations.views import notices
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]


def told(world: World, kind: str, *, user: User | None = None, account: Any = None, **payload: Any) -> Notification:
    account = account or world.acme
    with tenant_context(account.pk):
        return Notification.objects.create(account=account, user=user, type=kind, payload=payload)


# --- notifications -----------------------------------------------------------------------------------------------------
def test_every_kind_has_words_a_choice_and_a_link(world: World, signed_in: Browser) -> None:
    assert set(notices.WORDS) == set(notices.CHOICES) | {Notification.Type.FACTOR_LOST} == set(Notification.Type)
    payload = {"draft": str(uuid.uuid4()), "conversation": str(uuid.uuid4()), "by": "Bo", "error": "x", "reason": "y"}
    for kind in Notification.Type:
        own = {} if kind in notices.FALLBACKS else payload
        assert notices.link(kind, own).startswith("/"), kind
        told(world, kind, user=world.ada, **payload)
    page = BeautifulSoup(signed_in(world.ada).get("/notifications/").content, "html.parser")
    assert len(page.select(".notice")) == len(Notification.Type)
    assert "{" not in page.select_one("main").text


def test_a_failed_job_leads_to_its_log(world: World) -> None:
    job = uuid.uuid4()
    assert notices.link(Notification.Type.JOB_FAILED, {"job": str(job)}) == f"/sources/jobs/{job}/"


@pytest.mark.parametrize("payload", [{}, {"by": "{0.__class__}"}, {"by": None}, {"draft": "../../admin"}])
def test_a_strange_payload_makes_no_strange_words(payload: dict[str, Any]) -> None:
    words = notices.fill("{by}: {note}", payload)
    assert words in {"", "{0.__class__}", "None"}
    assert notices.link(Notification.Type.HANDED_OVER, payload) == ""


def test_one_is_marked_as_read_and_the_bell_counts_the_rest(world: World, signed_in: Browser) -> None:
    first, _ = told(world, "bounced", user=world.ada), told(world, "came_back", user=world.ada)
    browser = signed_in(world.ada)
    assert "2 unread" in browser.get("/notifications/bell/").content.decode()
    assert browser.post("/notifications/", {"notice": str(first.pk)}).status_code == 303
    assert "1 unread" in browser.get("/notifications/bell/").content.decode()
    assert browser.post("/notifications/").status_code == 303
    assert "none unread" in browser.get("/notifications/bell/").content.decode()


@pytest.mark.parametrize("whose", ["dan", "eve", "nobody"])
def test_somebody_elses_cannot_be_marked(world: World, signed_in: Browser, whose: str) -> None:
    browser = signed_in(world.ada)
    if whose == "nobody":
        pk: Any = "nonsense"
    else:
        account = world.globex if whose == "eve" else world.acme
        pk = told(world, "bounced", user=getattr(world, whose), account=account).pk
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert browser.post("/notifications/", {"notice": str(pk)}).status_code == 404


def test_what_everybody_was_told_is_read_once_for_all(world: World, signed_in: Browser) -> None:
    told(world, "job_failed", error="Row 212")
    signed_in(world.ada).post("/notifications/")
    assert "none unread" in signed_in(world.dan).get("/notifications/bell/").content.decode()


def test_muted_kinds_are_not_listed_and_can_be_chosen_again(world: World, signed_in: Browser) -> None:
    told(world, "bounced", user=world.ada)
    browser = signed_in(world.ada)
    wanted = [kind.value for kind in Notification.Type if kind != "bounced"]
    assert browser.post("/profile/notifications/", {"want": wanted}).status_code == 303
    assert User.objects.get(pk=world.ada.pk).choices.muted == ["bounced"]
    assert b"A reply bounced" not in browser.get("/notifications/").content
    browser.post("/profile/notifications/", {"want": list(Notification.Type.values)})
    assert b"A reply bounced" in browser.get("/notifications/").content


def test_an_unknown_kind_changes_nothing(world: World, signed_in: Browser) -> None:
    answer = signed_in(world.ada).post("/profile/notifications/", {"want": ["bounced", "lottery"]})
    assert answer.status_code == 422 and b"lottery" in answer.content
    assert User.objects.get(pk=world.ada.pk).choices.muted == []


def test_an_auditor_chooses_but_marks_nothing(world: World, signed_in: Browser) -> None:
    told(world, "bounced", user=world.bo)
    browser = signed_in(world.bo)
    assert b"Mark" not in browser.get("/notifications/").content.partition(b"<main")[2]
    assert browser.post("/notifications/").status_code == 403
    assert browser.post("/profile/notifications/", {"want": ["bounced"]}).status_code == 303


# --- the timeline as files -----------------------------------------------------------------------------------------------
def conversation(world: World) -> uuid.UUID:
    message = factories.message(world.mail, "Does it leak?")
    with tenant_context(world.acme.pk):
        audit.record(
            audit.Kind.DRAFT_RETIRED,
            actor=audit.model_actor('=HYPERLINK("https://evil.test")'),
            about=message,
            conversation_id=message.conversation_id,
            data={"status": "stale", "reason": "<script>alert(1)</script>"},
        )
    return uuid.UUID(str(message.conversation_id))


def file(browser: Client, pk: uuid.UUID, form: str) -> Any:
    answer = browser.get(f"/conversations/{pk}/timeline/export.{form}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment; filename=") and answer["Content-Disposition"].endswith(f'.{form}"')  # fmt: skip
    return answer, b"".join(answer.streaming_content).decode()


def test_every_form_tells_the_same_events(world: World, signed_in: Browser) -> None:
    pk, browser = conversation(world), signed_in(world.bo)
    lines = [json.loads(line) for line in file(browser, pk, "jsonl")[1].splitlines()]
    rows = list(csv.DictReader(io.StringIO(file(browser, pk, "csv")[1])))
    soup = BeautifulSoup(file(browser, pk, "html")[1], "html.parser")
    assert len(lines) == len(rows) == len(soup.select("tbody tr")) >= 2
    assert [line["kind"] for line in lines] == [row["kind"] for row in rows]
    assert "Does it leak" not in "".join(map(str, lines))  # texts are bound by commitments, not copied


def test_a_spreadsheet_takes_no_cell_for_a_formula(world: World, signed_in: Browser) -> None:
    rows = list(csv.DictReader(io.StringIO(file(signed_in(world.bo), conversation(world), "csv")[1])))
    assert '\'=HYPERLINK("https://evil.test")' in {row["actor_name"] for row in rows}
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())


def test_the_html_file_runs_and_loads_nothing(world: World, signed_in: Browser) -> None:
    answer, text = file(signed_in(world.bo), conversation(world), "html")
    soup = BeautifulSoup(text, "html.parser")
    assert not soup.select("script, link, img, iframe, style, [style]")
    assert "<script>alert(1)</script>" in soup.text
    assert answer["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("form", ["csv", "html"])
def test_exports_are_for_admins_and_auditors(world: World, signed_in: Browser, form: str) -> None:
    pk = conversation(world)
    assert signed_in(world.ada).get(f"/conversations/{pk}/timeline/export.{form}").status_code == 403
    assert signed_in(world.bo).get(f"/conversations/{pk}/timeline/export.exe").status_code == 404
    assert signed_in(world.bo).get(f"/conversations/{uuid.uuid4()}/timeline/export.{form}").status_code == 404


# --- error pages -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "happened", "kept", "do"),
    [
        (400, "could not be read", "Nothing was changed.", "reload"),
        (403, "may not do that", "Nothing was changed.", "administrator"),
        (404, "nothing here", "Nothing was changed.", "history"),
        (409, "Someone was faster", "kept where you typed it", "Go back"),
        (500, "broke on our side", "not saved, and nothing was sent", "try again"),
    ],
)
def test_error_pages_say_what_happened_what_was_kept_and_what_to_do(
    code: int, happened: str, kept: str, do: str
) -> None:
    page = BeautifulSoup(render_to_string(f"{code}.html"), "html.parser").text
    for words in (str(code), happened, kept, do):
        assert words in page


def test_a_refused_page_says_why(world: World, signed_in: Browser) -> None:
    assert b"Your role may not do this" in signed_in(world.ada).post("/sources/run/corrections/").content


def test_a_muted_kind_neither_counts_in_the_bell_nor_is_read_for_the_others(world: World, signed_in: Browser) -> None:
    """Sent to everybody: who muted it is not told of it, and marks it as read for nobody."""
    with tenant_context(world.acme.pk):
        for_all = Notification.objects.create(account=world.acme, type="job_failed", payload={"error": "It broke."})
        Notification.objects.create(account=world.acme, user=world.ada, type="bounced", payload={})
    browser = signed_in(world.ada)
    assert "2 unread" in browser.get("/notifications/bell/").content.decode()
    wanted = [kind for kind in Notification.Type.values if kind != "job_failed"]
    browser.post("/profile/notifications/", {"want": wanted})
    assert "1 unread" in browser.get("/notifications/bell/").content.decode()
    assert "It broke." not in browser.get("/notifications/").content.decode()
    browser.post("/notifications/", {})
    assert "none unread" in browser.get("/notifications/bell/").content.decode()
    with tenant_context(world.acme.pk):
        assert Notification.objects.get(pk=for_all.pk).read_at is None
    assert "1 unread" in signed_in(world.dan).get("/notifications/bell/").content.decode()
