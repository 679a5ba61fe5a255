"""Where events may be sent: looked at once, connected to where it was looked at, nowhere inside, and not for longer than
fifteen seconds."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from conversations.channels import reach
from conversations.webhooks import posting
from tests.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def _own_network(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as running:
        yield running


def test_a_server_that_drips_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            try:
                for _ in range(50):
                    connection.sendall(b"H")
                    time.sleep(0.1)
            except OSError:
                return

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        answer = posting.post(
            f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, before=lambda: None, seconds=0.5
        )
    assert (answer.status, answer.words) == (None, "No answer in 0.5 s")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://169.254.169.254/latest", "https://10.0.0.8/", "https://[::1]/", "https://[fe80::1]/",
            "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://localhost/", "https://2130706433/"],
)  # fmt: skip
def test_what_stands_inside_is_refused_before_anything_is_sent(url: str, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    handed_over: list[int] = []
    answer = posting.post(url, b"{}", {}, before=lambda: handed_over.append(1))
    assert answer.status is None and "private network" in answer.words and handed_over == []


def test_plain_http_is_for_networks_of_ones_own(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("93.184.215.14", 80))])
    answer = posting.post("http://example.com/", b"{}", {}, before=lambda: None)
    assert answer.status is None and answer.words.startswith("Only https is sent to the internet")


def test_a_name_that_leads_elsewhere_a_moment_later_is_not_asked_again(
    receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is looked at and connected to; no second one is asked for."""
    asked: list[str] = []

    def names(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        asked.append(host)
        at = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port))]

    monkeypatch.setattr(reach.socket, "getaddrinfo", names)
    real = socket.create_connection
    connected: list[Any] = []
    monkeypatch.setattr(posting.socket, "create_connection", lambda at, *a: connected.append(at) or _directly(at, real))
    answer = posting.post(f"http://rebind.example:{receiver.port}/in", b"{}", {"webhook-id": "x"}, before=lambda: None)
    assert answer.status == 200 and asked == ["rebind.example"]
    assert connected == [("127.0.0.1", receiver.port)]
    headers, _ = receiver.requests[0]
    assert headers["host"] == f"rebind.example:{receiver.port}"


def _directly(at: tuple[str, int], real: Any) -> socket.socket:
    made = socket.socket()
    made.connect(at)
    return made


def test_a_name_with_one_inside_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = []
    both = [(2, 1, 6, "", ("93.184.215.14", 443)), (2, 1, 6, "", ("10.1.2.3", 443))]
    monkeypatch.setattr(reach.socket, "getaddrinfo", lambda *a, **k: both)
    answer = posting.post("https://both.example/", b"{}", {}, before=lambda: None)
    assert answer.status is None and "10.1.2.3" in answer.words
