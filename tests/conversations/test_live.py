"""The stream that tells open pages of news: who may hear what, what it costs, and when it ends. A real ASGI server."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import httpx2
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from config.postgres import Cluster
from conversations.models import Membership, User
from conversations.tenancy import tenant_context
from conversations.web import live
from tests import factories
from tests.asgi import Server, serving, session_of
from tests.conftest import World

SOON = 20.0  # seconds a busy machine may take; what was measured is in the report of `tests/browser/test_live.py`


@pytest.fixture(scope="module")
def server(cluster: Cluster, django_db_setup: None) -> Iterator[Server]:
    with serving(cluster) as found:
        yield found


class Listener:
    """A page that listens, on a socket and in a thread of its own."""

    def __init__(self, server: Server, user: User) -> None:
        self.heard: queue.Queue[str] = queue.Queue()
        self.session = session_of(user)
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._connection.request("GET", "/live/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.session}"})
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.headers = self._response.headers
        assert self._response.readline().startswith(b"retry: ")
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while line := self._response.readline().decode():
                if line.startswith("data: "):
                    self.heard.put(line[6:].strip())
        self.ended.set()

    def hears(self, seconds: float = SOON) -> str:
        """The next word, or "" if there is none within that time."""
        try:
            return self.heard.get(timeout=seconds)
        except queue.Empty:
            return ""

    def close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def listen(server: Server, cluster: Cluster) -> Iterator[Callable[[User], Listener]]:
    opened: list[Listener] = []

    def open_(user: User) -> Listener:
        listener = Listener(server, user)
        opened.append(listener)
        if len(opened) == 1:
            assert listener.hears() == "news"  # the server began to listen: something may have happened before
        return listener

    yield open_
    for listener in opened:
        listener.close()
    wait_for(lambda: connections(cluster, "countersign-live") == 0)


def connections(cluster: Cluster, name: str) -> int:
    with cluster.connect() as server:
        row = server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'countersign_test' AND application_name = %s", [name]
        ).fetchone()
    return int(row[0]) if row else 0


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


def test_a_page_hears_of_news_of_its_account(committed_world: World, listen: Callable[[User], Listener]) -> None:
    page = listen(committed_world.ada)
    assert page.headers["content-type"] == "text/event-stream"
    assert page.headers["cache-control"] == "no-store, private"
    factories.message(committed_world.mail)
    assert page.hears() == "news"


def test_what_one_did_oneself_is_told_as_own(committed_world: World, listen: Callable[[User], Listener]) -> None:
    from drafts.desk import editing

    draft = factories.draft(factories.message(committed_world.mail))
    page, other = listen(committed_world.ada), listen(committed_world.cy)
    with tenant_context(committed_world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=committed_world.ada)
    assert (page.hears(), other.hears()) == ("own", "news")


def test_another_tenants_page_hears_nothing(committed_world: World, listen: Callable[[User], Listener]) -> None:
    ours, theirs = listen(committed_world.ada), listen(committed_world.eve)
    factories.message(committed_world.mail)
    assert ours.hears() == "news"
    factories.message(committed_world.other_mail)
    assert theirs.hears() == "news"
    assert theirs.heard.empty()  # one word for the one event that was theirs


def test_nothing_is_told_of_what_was_rolled_back(committed_world: World, listen: Callable[[User], Listener]) -> None:
    from conversations import audit

    page = listen(committed_world.ada)
    with pytest.raises(RuntimeError), tenant_context(committed_world.acme.pk):
        audit.record(audit.Kind.ACCOUNT_CHANGED, actor=audit.SYSTEM, about=committed_world.mail, data={"fields": "x"})
        raise RuntimeError
    assert page.hears(1.0) == ""


def test_twelve_pages_cost_one_connection_to_the_database(
    committed_world: World, listen: Callable[[User], Listener], cluster: Cluster
) -> None:
    before = connections(cluster, "countersign")
    ours = [listen(person) for person in (committed_world.ada, committed_world.cy) * 4]
    theirs = [listen(committed_world.eve) for _ in range(4)]
    assert connections(cluster, "countersign-live") == 1
    assert connections(cluster, "countersign") <= before + 4, "the pool of the process, and no more"
    factories.message(committed_world.mail)
    assert [page.hears() for page in ours] == ["news"] * 8
    factories.message(committed_world.other_mail)
    assert [page.hears() for page in theirs] == ["news"] * 4
    assert all(page.heard.empty() for page in theirs)  # one word each, for the one event that was theirs


def test_the_stream_ends_with_the_session(committed_world: World, listen: Callable[[User], Listener]) -> None:
    page, other = listen(committed_world.ada), listen(committed_world.cy)
    Session.objects.filter(session_key=page.session).delete()
    assert page.ended.wait(live.LOOK_SECONDS + SOON)
    assert not other.ended.is_set()


def test_the_stream_ends_when_somebody_is_removed_from_the_account(
    committed_world: World, listen: Callable[[User], Listener]
) -> None:
    page = listen(committed_world.ada)
    with tenant_context(committed_world.acme.pk):
        Membership.objects.filter(user=committed_world.ada).update(is_active=False)
    assert page.ended.wait(live.LOOK_SECONDS + SOON)


def test_a_lost_database_connection_is_found_again(
    committed_world: World, listen: Callable[[User], Listener], cluster: Cluster
) -> None:
    page = listen(committed_world.ada)
    with cluster.connect() as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign-live'"
        )
    assert page.hears() == "news"  # look once: something may have been missed
    factories.message(committed_world.mail)
    assert page.hears() == "news"


def test_a_stranger_is_refused_without_a_redirect(server: Server, committed: None) -> None:
    assert httpx2.get(f"{server.url}/live/").status_code == 401


def test_somebody_without_an_account_gets_no_stream(server: Server, committed: None) -> None:
    nobody = User.objects.create_user("nobody@nowhere.test", "correct horse")
    client = Client()
    client.force_login(nobody, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookies = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    assert httpx2.get(f"{server.url}/live/", cookies=cookies).status_code == 404


def test_without_a_live_server_the_page_goes_on_asking(world: World, signed_in: Callable[[User], Client]) -> None:
    browser = signed_in(world.ada)
    assert browser.get("/live/").status_code == 204
    assert b"data-live" not in browser.get("/queue/").content


@pytest.mark.parametrize(
    "payload", ["", "nonsense", "1 2 3", f"{uuid.UUID(int=7)}", "00000000-0000-0000-0000-000000000007 x"]
)
def test_a_payload_that_is_nobodys_wakes_nobody(payload: str) -> None:
    hub, page = live.Hub(), live.Stream(uuid.uuid4(), uuid.uuid4(), "key")
    hub._streams[page.account_id] = {page}
    hub.hear(payload)
    assert page.take() == ": \n\n"


def test_several_tellings_are_one_and_others_news_win() -> None:
    page = live.Stream(uuid.uuid4(), uuid.uuid4(), "key")
    page.send("own")
    assert page.take() == "data: own\n\n"
    for word in ("own", "news", "own"):
        page.send(word)
    assert page.take() == "data: news\n\n"
    assert page.take() == ": \n\n"


def test_the_server_stops_at_once_with_open_streams(committed_world: World, cluster: Cluster, server: Server) -> None:
    """A deployment does not wait for everybody to close their pages."""
    with serving(cluster) as second:
        page = Listener(second, committed_world.ada)
        assert second.stop() < 15
        assert page.ended.wait(SOON)


def test_it_can_be_switched_off(committed_world: World, cluster: Cluster, server: Server) -> None:
    with serving(cluster, LISTEN_DATABASE_URL="off") as silent:
        cookies = {settings.SESSION_COOKIE_NAME: session_of(committed_world.ada)}
        assert httpx2.get(f"{silent.url}/live/", cookies=cookies).status_code == 204
        assert b"data-live" not in httpx2.get(f"{silent.url}/queue/", cookies=cookies).content
