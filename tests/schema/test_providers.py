"""What 0015_providers makes of channels that were set up before providers had keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from conversations.models import Channel
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World

UP = Path(settings.BASE_DIR) / "conversations" / "sql" / "0015_providers.up.sql"


@pytest.fixture(autouse=True)
def _owner_leaves(committed: None) -> Iterator[None]:
    yield
    connections["owner"].close()


@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_older_channels_get_their_types_provider_and_only_its_settings(committed_world: World) -> None:
    world = committed_world
    mixed = {"smtp_host": "mail.example", "server_checks": True, "region": "eu", "due_minutes": 5}
    for type_ in ("chat", "shopify", "slack"):
        factories.channel(world.acme, type=type_, external_id=type_, name=type_, provider="as it was", metadata=mixed)
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(provider="zoho", metadata={**world.mail.metadata, **mixed})
    with connections["owner"].cursor() as cursor:
        # Contested by another account: saving such a channel is refused, the upgrade is not.
        cursor.execute("UPDATE mail_address_claim SET account_id = NULL WHERE mailbox = 'support@acme.test'")
        cursor.execute(UP.read_text())
    with tenant_context(world.acme.pk):
        found = {channel.type: channel for channel in Channel.objects.all()}
        assert {type_: channel.provider for type_, channel in found.items()} == {
            "email": "smtp",
            "chat": "intercom",
            "shopify": "shopify",
            "slack": "slack",
        }
        for type_ in ("chat", "shopify", "slack"):
            assert found[type_].metadata == {"due_minutes": 5}
        assert found["email"].metadata == {
            **world.mail.metadata,
            "smtp_host": "mail.example",
            "server_checks": True,
            "due_minutes": 5,
        }
        for channel in found.values():
            channel.is_active = channel.type == "email"  # the others have no token yet, and stay on without being saved
            channel.clean()


@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_the_trigger_on_addresses_stands_again_afterwards(committed_world: World) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(UP.read_text())
        cursor.execute("SELECT tgenabled FROM pg_trigger WHERE tgname = 'channel_claims'")
        assert cursor.fetchall() == [("O",)]
