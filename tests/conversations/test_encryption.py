"""Secrets of channels: unreadable in the database, readable with any key of the ring, and never searched for."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.db import connection

from conversations.database.encryption import PREFIX, ring
from conversations.models import Channel
from tests.conftest import World


def stored(channel: Channel) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM conversations_channel WHERE id = %s", [channel.pk])
        return str(cursor.fetchone()[0])


def store(channel: Channel, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE conversations_channel SET credentials = %s WHERE id = %s", [value, channel.pk])


@pytest.fixture
def secret(world: World, acme: None) -> Channel:
    world.mail.credentials = "hunter2"
    world.mail.save()
    return world.mail


def test_the_column_holds_ciphertext_and_the_model_the_text(secret: Channel) -> None:
    assert stored(secret).startswith(PREFIX)
    assert "hunter2" not in stored(secret)
    assert ring().decrypt(stored(secret).removeprefix(PREFIX)) == b"hunter2"
    assert Channel.objects.get(pk=secret.pk).credentials == "hunter2"


def test_nothing_is_stored_as_nothing(world: World, acme: None) -> None:
    assert stored(world.mail) == ""
    assert Channel.objects.get(pk=world.mail.pk).credentials == ""


def test_a_new_first_key_still_reads_what_the_older_one_wrote(secret: Channel, settings: Any) -> None:
    before = stored(secret)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    read = Channel.objects.get(pk=secret.pk)
    assert read.credentials == "hunter2"
    read.save()
    assert stored(secret) != before
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    assert Channel.objects.get(pk=secret.pk).credentials == "hunter2"


def test_a_wrong_key_raises_and_hands_nothing_out(secret: Channel, settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(InvalidToken):
        Channel.objects.get(pk=secret.pk)


def test_what_was_stored_in_the_clear_is_refused(secret: Channel) -> None:
    store(secret, "hunter2")
    with pytest.raises(ValueError, match="credentials: the stored value is not encrypted"):
        Channel.objects.get(pk=secret.pk)


@pytest.mark.parametrize("lookup", ["credentials", "credentials__startswith", "credentials__in"])
def test_nobody_can_look_for_a_secret(secret: Channel, lookup: str) -> None:
    with pytest.raises(TypeError, match="encrypted and cannot be filtered"):
        Channel.objects.filter(**{lookup: ["hunter2"] if lookup.endswith("in") else "hunter2"}).exists()


def test_one_may_ask_whether_there_is_one(secret: Channel) -> None:
    assert Channel.objects.filter(pk=secret.pk, credentials__isnull=False).exists()
    assert not Channel.objects.filter(credentials__isnull=True).exists()
