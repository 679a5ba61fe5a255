"""The door to other people's servers: which addresses it refuses, and that there is no gap behind the check."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.knowledge import fetch
from ingestion.knowledge.addresses import same_site, tidy
from ingestion.knowledge.fetch import AddressRefused, Fetcher, FetchError, check_address
from tests.ingestion.web import Web, serve

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        web["/"] = b"<p>here</p>"
        yield web


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The name service answers with these, in turn; returns the names that were asked."""
    asked: list[str] = []
    left = [*answers]
    real = socket.getaddrinfo

    def answer(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            asked.append(host)
            found = left.pop(0) if len(left) > 1 else left[0]
            return [entry for address in found for entry in real(address, port, type=socket.SOCK_STREAM)]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/",
        "http://0x7f.1/", "http://127.1/", "http://0/", "http://169.254.169.254/latest/meta-data/",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    with Fetcher() as fetcher, pytest.raises(AddressRefused, match="private network"):
        fetcher.get(url)


def test_a_name_with_one_private_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    resolve(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with Fetcher() as fetcher, pytest.raises(AddressRefused):
        fetcher.get(web.url.replace("127.0.0.1", "mixed.test"))
    assert web.asked == []


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    """Rebinding: public when it is looked at, loopback when it is used. It is looked at once, and that is used."""
    asked = resolve(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    used: list[Any] = []

    def connect(address: Any, *args: Any, **kwargs: Any) -> Any:
        used.append(address[0])
        raise OSError("no way to the internet in a test")

    monkeypatch.setattr(socket, "create_connection", connect)
    with Fetcher() as fetcher, pytest.raises(FetchError):
        fetcher.get(web.url.replace("127.0.0.1", "rebinding.test"))
    assert (asked, used, web.asked) == (["rebinding.test"], ["93.184.216.34"], [])


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Fetcher(networks=[LOOPBACK]) as fetcher:
        assert fetcher.get(web.url + "/").body == b"<p>here</p>"


def test_it_asks_by_name_and_connects_to_the_checked_address(monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    with Fetcher(networks=[LOOPBACK]) as fetcher:
        assert fetcher.get(web.url.replace("127.0.0.1", "help.acme.test") + "/").status == 200
    assert web.headers[0]["host"].startswith("help.acme.test:")


@pytest.mark.parametrize(
    "url", ["ftp://x.test/", "file:///etc/passwd", "gopher://x.test/", "x.test", "", "http://", "http://u:p@x.test/",
            "http://x.test:99999/", "http://[broken", "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(FetchError):
        check_address(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("HTTP://Acme.TEST:80", "http://acme.test/"),
        ("https://acme.test:443/a b?q=ä#top", "https://acme.test/a%20b?q=%C3%A4"),
        ("https://bücher.test/", "https://xn--bcher-kva.test/"),
        ("https://acme.test/a?utm_source=x&id=7&fbclid=9", "https://acme.test/a?id=7"),
        ("https://acme.test/a?b=1%2F2&c", "https://acme.test/a?b=1%2F2&c"),
        ("https://acme.test/a\r\nX-Evil: 1", "https://acme.test/aX-Evil:%201"),
    ],
)
def test_one_page_has_one_address(url: str, wanted: str) -> None:
    assert tidy(url) == wanted


def test_a_site_is_its_host_with_and_without_www() -> None:
    assert same_site("https://www.acme.test/a", "http://acme.test/")
    assert not same_site("https://acme.test:8443/", "https://acme.test/")
    assert not same_site("https://acme.test.evil.test/", "https://acme.test/")


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with Fetcher(networks=[LOOPBACK]) as fetcher, pytest.raises(FetchError, match="too long"):
            fetcher.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_a_server_that_talks_nonsense_is_told(web: Web) -> None:
    def nonsense(handler: Any) -> None:
        handler.wfile.write(b"\x16\x03\x01 what? \r\n\r\n")
        handler.close_connection = True

    web["/"] = nonsense
    with Fetcher(networks=[LOOPBACK]) as fetcher, pytest.raises(FetchError, match="did not answer properly"):
        fetcher.get(web.url + "/")
