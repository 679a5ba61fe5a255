"""A tenant's channel of Zoho Desk with the vendor beside it, for tests of both directions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client

from conversations.channels.zoho import keys
from conversations.database import database_time
from conversations.messages import access, outbox
from conversations.models import Channel, ChannelToken, Delivery, Message
from conversations.setup import hooks as setup
from conversations.tenancy import tenant_context
from ingestion import receive
from ingestion.models import InboundEvent
from tests import factories
from tests.conftest import World
from tests.servers import zoho

METADATA = {
    "region": "eu", "organisation": zoho.ORGANISATION, "webhook": zoho.WEBHOOK, "client_id": "1000.CLIENT",
}  # fmt: skip


class Desk:
    """`zoho` is what stands at the vendor, `channel` what stands here."""

    def __init__(self, world: World, server: zoho.Zoho, settings: Any, **changes: Any) -> None:
        keys.forget()
        settings.VENDOR_OVERRIDE = server.address
        self.world, self.account, self.zoho = world, world.acme, server
        self.channel = factories.channel(
            world.acme, type="zoho", provider="zoho", external_id="support@acme.test", name="Zoho Desk",
            client_secret="s", refresh_token="r", metadata={**METADATA, **changes},
        )  # fmt: skip
        with tenant_context(self.account.pk):
            self.token = setup.make_hook(channel_id=self.channel.pk, actor=world.dan)
            now = database_time.now()
            ChannelToken.objects.create(
                account_id=self.account.pk, channel=self.channel, entered=access._entered(self.channel), access_token=zoho.TOKEN,
                refresh_token="r", renewed_at=now, renew_at=now + timedelta(minutes=55), expires_at=now + timedelta(hours=1),
            )  # fmt: skip

    def post(self, body: bytes, *, token: str | None = None) -> Any:
        headers = {"X-ZDesk-JWT": zoho.token() if token is None else token}
        return Client().post(f"/hooks/{self.token}/", body, content_type="application/json", headers=headers)

    def tells(self, kind: str, thing: dict[str, Any], **changes: Any) -> InboundEvent:
        """Posted, stored and read."""
        answer = self.post(self.zoho.post(kind, thing, **changes))
        assert (answer.status_code, answer.content) == (200, b"")
        return self.read()

    def tells_of(self, thread: str, *, at: str = "") -> InboundEvent:
        return self.tells("Ticket_Thread_Add", self.zoho.threads[thread] | ({"modifiedTime": at} if at else {}))

    def read(self) -> InboundEvent:
        with tenant_context(self.account.pk):
            newest = InboundEvent.objects.order_by("-id").first()
        assert newest is not None
        return receive.read_event(account_id=self.account.pk, event_id=newest.pk).event

    def messages(self) -> list[tuple[str, str]]:
        with tenant_context(self.account.pk):
            return list(Message.objects.order_by("conversation", "seq").values_list("direction", "body_text"))

    def approved(self, text: str = "Yes, PTFE is safe with E85.", **changes: Any) -> Delivery:
        """A draft for what the customer wrote last, approved, and due."""
        with tenant_context(self.account.pk):
            asked = Message.objects.filter(direction="inbound").latest("created_at")
        found = factories.approved(factories.draft(asked, text, statements=[]), self.world.ada, **changes)
        with tenant_context(self.account.pk):
            due = database_time.now() - timedelta(seconds=5)
            Delivery.objects.filter(pk=found.pk).update(hold_until=due, next_attempt_at=due)
        return found

    def deliver(self, delivery: Delivery) -> str:
        return outbox.deliver(account_id=self.account.pk, delivery_id=delivery.pk)

    def now(self, delivery: Delivery) -> Delivery:
        with tenant_context(self.account.pk):
            return Delivery.objects.select_related("conversation", "channel").get(pk=delivery.pk)

    def stored(self) -> Channel:
        with tenant_context(self.account.pk):
            return Channel.objects.get(pk=self.channel.pk)
