"""Files that stand at Slack, Intercom and Zoho: fetched once their message is recorded, from the vendor's own hosts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.channels import fetching
from conversations.channels.base import ChannelError, Failure, FileThere
from conversations.channels.fetching import fetch
from conversations.channels.intercom.files import fetch_file as fetch_intercom
from conversations.channels.intercom.files import is_intercoms
from conversations.channels.intercom.settings import IntercomSettings
from conversations.channels.slack.events import parse as parse_slack
from conversations.channels.slack.files import fetch_file as fetch_slack
from conversations.channels.slack.settings import SlackSettings
from conversations.channels.zoho.files import fetch_file as fetch_zoho
from conversations.channels.zoho.settings import ZohoSettings
from conversations.channels.zoho.threads import event_of
from conversations.errors import Conflict
from conversations.messages import files, there
from conversations.models import AuditEvent, Message, User
from conversations.tenancy import tenant_context
from drafts import erasure
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.ingestion.test_slack import callback
from tests.servers.vendor import Asked, Said, VendorServer

Browser = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
ADDRESS = "https://files.slack.com/files-pri/T1-F1/download/bench%20%C3%B6.png?pub=1"


class Shelf(VendorServer):
    """Stands in for every vendor's host; `files` by host and path."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[tuple[str, str], Said] = {}

    def answer(self, asked: Asked) -> Said:
        return self.files.get((asked.headers["host"], asked.path), (404, {"error": "not_found"}))


@pytest.fixture
def shelf(settings: Any) -> Iterator[Shelf]:
    server = Shelf()
    settings.VENDOR_OVERRIDE = server.address
    yield server
    server.close()


def slack(address: str = ADDRESS, name: str = "bench ö.png") -> bytes:
    return fetch_slack(SlackSettings(), "xoxb-secret-token", FileThere(name, address))


# --- who is asked, and with what ---------------------------------------------------------------------------------------
def test_slack_is_asked_with_the_bots_token(shelf: Shelf) -> None:
    path = "/files-pri/T1-F1/download/bench%20%C3%B6.png"
    shelf.files["files.slack.com", path] = (200, PNG, {"Content-Type": "image/png"})
    assert slack() == PNG
    (asked,) = shelf.asked
    assert (asked.method, asked.path, asked.query) == ("GET", path, {"pub": "1"})
    assert asked.headers["authorization"] == "Bearer xoxb-secret-token"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/f", "https://files.slack.com.evil.test/f", "https://evil.test@files.slack.com/f",
        "https://files.slack.com:8443/f", "http://files.slack.com/f", "https://169.254.169.254/latest", "file:///etc/passwd",
        "//files.slack.com/f", "", "https://[::1", "https://evil.slack.com/f",
    ],
)  # fmt: skip
def test_nobody_else_is_asked_whatever_a_post_names(shelf: Shelf, address: str) -> None:
    with pytest.raises(ChannelError, match="not one of Slack's") as refused:
        slack(address)
    assert (refused.value.failure, shelf.asked) == (Failure.PERMANENT, [])


def test_a_redirection_leads_to_the_vendors_own_hosts_only(shelf: Shelf) -> None:
    shelf.files["files.slack.com", "/a"] = (302, b"", {"Location": "https://slack.com/b"})
    shelf.files["slack.com", "/b"] = (200, PNG)
    assert slack("https://files.slack.com/a") == PNG
    shelf.files["slack.com", "/b"] = (302, b"", {"Location": "https://evil.test/c"})
    with pytest.raises(ChannelError, match="not one of Slack's"):
        slack("https://files.slack.com/a")
    assert {asked.headers["host"] for asked in shelf.asked} == {"files.slack.com", "slack.com"}
    shelf.files["slack.com", "/b"] = (302, b"", {"Location": "/b"})
    with pytest.raises(ChannelError, match="in circles"):
        slack("https://slack.com/b")


def test_the_page_to_sign_in_on_is_no_file(shelf: Shelf) -> None:
    shelf.files["files.slack.com", "/a"] = (200, b"<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(ChannelError, match="files:read") as refused:
        slack("https://files.slack.com/a")
    assert refused.value.failure == Failure.PERMANENT
    assert slack("https://files.slack.com/a", name="page.html").startswith(b"<!DOCTYPE")


def test_what_is_too_large_or_gone_is_not_asked_for_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_BYTES", 1 << 20)
    shelf.files["files.slack.com", "/a"] = (200, b"x" * ((1 << 20) + 1))
    for path, words in (("a", "larger than 1 MB"), ("gone", "not there any more")):
        with pytest.raises(ChannelError, match=words) as refused:
            slack(f"https://files.slack.com/{path}")
        assert refused.value.failure == Failure.PERMANENT
    shelf.files["files.slack.com", "/a"] = (503, b"")
    with pytest.raises(ChannelError) as refused:
        slack("https://files.slack.com/a")
    assert refused.value.failure == Failure.TRANSIENT


def test_intercom_gets_no_token(shelf: Shelf) -> None:
    shelf.files["downloads.intercomcdn.com", "/i/o/1/a.png"] = (200, PNG)
    one = FileThere("a.png", "https://downloads.intercomcdn.com/i/o/1/a.png?expires=1&signature=s")
    assert fetch_intercom(IntercomSettings(), "secret", one) == PNG
    assert "authorization" not in shelf.asked[0].headers and shelf.asked[0].query["signature"] == "s"
    theirs = ("downloads.intercomcdn.com", "acme.intercom-attachments-7.com", "downloads.au.intercomcdn.com")
    assert all(map(is_intercoms, theirs))
    assert not any(
        map(is_intercoms, ("intercomcdn.com.evil.test", "evilintercomcdn.com", "intercom-attachments-x.com"))
    )


def test_zoho_is_asked_at_the_organisations_own_data_centre(shelf: Shelf) -> None:
    settings = ZohoSettings(organisation="4711")
    path = "/api/v1/tickets/1/threads/2/attachments/3/content"
    shelf.files[settings.host, path] = (200, PNG)
    assert fetch_zoho(settings, "token-of-zoho", FileThere("a.png", f"https://{settings.host}{path}")) == PNG
    assert shelf.asked[0].headers["authorization"] == "Zoho-oauthtoken token-of-zoho"
    assert shelf.asked[0].headers["orgid"] == "4711"
    with pytest.raises(ChannelError, match="not one of Zoho Desk's"):
        fetch_zoho(settings, "token-of-zoho", FileThere("a.png", f"https://desk.zoho.test{path}"))


def test_a_token_goes_only_where_it_is_said_to_go(shelf: Shelf) -> None:
    shelf.files["a.test", "/1"] = (307, b"", {"Location": "https://b.test/2"})
    shelf.files["b.test", "/2"] = (200, PNG)
    hosts = {"a.test", "b.test"}.__contains__
    secret = {"Authorization": "Bearer secret-token"}
    assert (
        fetch("X", "https://a.test/1", is_theirs=hosts, headers=secret, signs_in=lambda host: host == "a.test") == PNG
    )
    assert ["authorization" in asked.headers for asked in shelf.asked] == [True, False]


# --- what the vendors say of them --------------------------------------------------------------------------------------
def test_the_posts_name_their_files() -> None:
    import json

    file = {
        "id": "F1",
        "name": "bench.png",
        "url_private": "https://files.slack.com/a",
        "url_private_download": ADDRESS,
    }
    tombstone = {"id": "F2", "mode": "tombstone"}
    post = callback(subtype="file_share", files=[file, tombstone])
    (event,) = parse_slack(json.dumps(post).encode(), SlackSettings())
    assert event.inbound is not None
    assert event.inbound.there == (FileThere("bench.png", ADDRESS),)
    assert event.inbound.problems == ("Files that Slack does not hand out: F2.",)
    thread = {
        "id": "9", "direction": "in", "fromEmailAddress": "pat@customer.test", "createdTime": "2026-11-29T10:00:00.000Z",
        "content": "See", "attachments": [{"id": "3", "name": "a.png", "size": "9", "href": "https://desk.zoho.com/x"}],
    }  # fmt: skip
    brought = event_of(thread, {"id": "1", "email": "pat@customer.test"}).inbound
    assert brought is not None and brought.there == (FileThere("a.png", "https://desk.zoho.com/x"),)


# --- what becomes of them ------------------------------------------------------------------------------------------------
@pytest.fixture
def message(committed_world: World, attachments_dir: Path, shelf: Shelf) -> Message:
    channel = factories.channel(
        committed_world.acme, type="slack", provider="slack", external_id="T1", name="Slack", credentials="xoxb-1"
    )
    return factories.message(channel, "See it", there=(FileThere("bench ö.png", ADDRESS),))


def fetched(message: Message) -> Message:
    there.fetch_files(account_id=message.account_id, message_id=message.pk)
    with tenant_context(message.account_id):
        message.refresh_from_db()
    return message


def hand_out(shelf: Shelf, said: Said = (200, PNG)) -> None:
    shelf.files["files.slack.com", "/files-pri/T1-F1/download/bench%20%C3%B6.png"] = said


def test_a_file_is_fetched_by_a_job_after_its_message(
    committed_world: World, message: Message, shelf: Shelf, signed_in: Browser
) -> None:
    assert ProcrastinateJob.objects.filter(task_name=there.TASK).count() == 1 and shelf.asked == []
    browser, url = signed_in(committed_world.ada), f"/conversations/{message.conversation_id}/"
    assert "is being fetched" in browser.get(url).content.decode()
    hand_out(shelf)
    assert fetched(message).details.there == []
    with tenant_context(message.account_id):
        (found,) = message.attachments.all()
        assert (found.file_name, found.mime_type, files.read(found)) == ("bench ö.png", "image/png", PNG)
        assert AuditEvent.objects.filter(kind="file.fetched").count() == 1
    assert there.fetch_files(account_id=message.account_id, message_id=message.pk) == "nothing"
    page = browser.get(url).content.decode()
    assert "is being fetched" not in page and f"/attachments/{found.pk}/" in page


def test_what_fails_is_tried_again_by_itself_and_then_by_a_person(
    committed_world: World, message: Message, shelf: Shelf, signed_in: Browser
) -> None:
    hand_out(shelf, (503, b""))
    for tries in range(1, there.GAVE_UP + 1):
        (left,) = fetched(message).details.there
        assert left.tries == tries
        waiting = ProcrastinateJob.objects.filter(task_name=there.TASK, scheduled_at__isnull=False).count()
        assert waiting == min(tries, len(there.WAITS))
    asked = len(shelf.asked)
    fetched(message)
    assert len(shelf.asked) == asked  # now it waits for a person
    browser, url = signed_in(committed_world.cy), f"/conversations/{message.conversation_id}/"
    page = browser.get(url).content.decode()
    assert "could not be fetched" in page and f"/messages/{message.pk}/fetch-files/" in page
    assert browser.post(f"/messages/{message.pk}/fetch-files/").status_code == 303
    assert "Try to fetch" not in browser.get(url).content.decode()
    hand_out(shelf)
    assert fetched(message).details.there == []
    assert browser.post(f"/messages/{message.pk}/fetch-files/").status_code == 409


def test_an_auditor_and_a_foreigner_have_nothing_fetched(
    committed_world: World, message: Message, shelf: Shelf, signed_in: Browser
) -> None:
    hand_out(shelf, (404, b""))
    assert fetched(message).details.there[0].tries == there.GAVE_UP
    with tenant_context(message.account_id), assert_nothing_written():
        with pytest.raises(PermissionDenied):
            there.fetch_again(message_id=message.pk, actor=committed_world.bo)
    for who, status in ((committed_world.bo, 403), (committed_world.eve, 404)):
        browser = signed_in(who)
        browser.get("/queue/")
        with tenant_context(message.account_id), assert_nothing_written():
            assert browser.post(f"/messages/{message.pk}/fetch-files/").status_code == status
    other = factories.message(committed_world.mail)
    with tenant_context(message.account_id), assert_nothing_written(), pytest.raises(Conflict):
        there.fetch_again(message_id=other.pk, actor=committed_world.ada)


def test_the_same_job_twice_brings_one_file(message: Message, shelf: Shelf, in_threads: Any) -> None:
    hand_out(shelf)
    ids = {"account_id": message.account_id, "message_id": message.pk}
    in_threads([lambda: there.fetch_files(**ids)] * 4)
    with tenant_context(message.account_id):
        assert message.attachments.count() == 1


def test_a_message_that_is_erased_meanwhile_gets_no_file_and_keeps_no_address(message: Message, shelf: Shelf) -> None:
    hand_out(shelf)
    with tenant_context(message.account_id):
        erasure.erase(
            account_id=message.account_id, conversation_ids=[message.conversation_id], rule="on request", purge=True
        )
    assert there.fetch_files(account_id=message.account_id, message_id=message.pk) == "gone"
    with tenant_context(message.account_id):
        message.refresh_from_db()
        assert (message.metadata, message.attachments.count(), shelf.asked) == ({}, 0, [])
