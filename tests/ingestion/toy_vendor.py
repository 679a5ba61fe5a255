"""The toy's vendor, who posts what happened to a channel of Acme's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.test import Client

from conversations.database import database_time
from conversations.models import (
    Message,
)
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from ingestion import receive
from ingestion.models import InboundEvent
from tests import factories, toy
from tests.conftest import World

SECRET = "the toy signs with this"


class Vendor:
    """The toy's vendor, who knows the address and the secret of one channel."""

    def __init__(self, world: World, **changes: Any) -> None:
        self.world, self.account = world, world.acme
        self.channel = factories.channel(
            world.acme, type="chat", provider="toy", external_id="toy-1", name="Toy box", credentials="sesame",
            incoming_credentials=SECRET, **changes,
        )  # fmt: skip
        with tenant_context(self.account.pk):
            self.token = setup.make_hook(channel_id=self.channel.pk, actor=world.dan)
        self.events = 0

    def body(self, text: str | None = "Hello", **changes: Any) -> bytes:
        self.events += 1
        data = {
            "event": f"e-{self.events}", "type": "message", "id": "m-1", "thread": "t-7", "from": "kid-1", "name": "Robin",
            "text": text, **changes,
        }  # fmt: skip
        return json.dumps(data).encode()

    def post(self, body: bytes, *, secret: str = SECRET, token: str = "", ago: int = 0) -> Any:
        headers = toy.signed(body, secret, database_time.now() - timedelta(seconds=ago))
        url = f"/hooks/{token or self.token}/"
        return Client().post(url, body, content_type="application/json", headers=headers)

    def says(self, text: str | None = "Hello", **changes: Any) -> InboundEvent:
        """Posted, stored and read."""
        assert self.post(self.body(text, **changes)).status_code == 200
        return self.read()

    def read(self) -> InboundEvent:
        with tenant_context(self.account.pk):
            newest = InboundEvent.objects.order_by("-id").first()
        assert newest is not None
        return receive.read_event(account_id=self.account.pk, event_id=newest.pk).event

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.order_by("conversation", "seq").values_list("direction", "body_text"))
