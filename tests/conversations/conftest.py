"""A real SMTP server in the test's own process, which keeps what it takes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as SmtpServer  # noqa: N811 - its class is in capitals
from aiosmtpd.smtp import Envelope, Session


class Keeper:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SmtpServer, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 kept"


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[int, Keeper]]]:
    running: list[Controller] = []

    def start(**options: Any) -> tuple[int, Keeper]:
        keeper = Keeper()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        controller = Controller(keeper, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        return port, keeper

    yield start
    for controller in running:
        controller.stop()
