"""Where messages come from and go to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.crypto import salted_hmac
from pydantic import ValidationError as SchemaError

from conversations.channels.base import Polls
from conversations.channels.provider import ChannelSettings, ChannelType, Finding, Grant, Provider
from conversations.channels.registry import provider_of
from conversations.database.encryption import EncryptedTextField
from conversations.database.guards import Trigger, json_under_64k, one_of, tenant_guards
from conversations.metadata import explain
from conversations.models.base import TenantRow


class Channel(TenantRow):
    """One way in and out. `checked` is what the last check of the connection found, `checked_as` which entries passed one."""

    Type = ChannelType

    type = models.CharField(max_length=20, choices=Type.choices)
    provider = models.CharField(max_length=40, blank=True, help_text="A key of channels/registry.py.")
    external_id = models.CharField(max_length=255, help_text="The address or id that the provider knows it by.")
    name = models.CharField(max_length=120, help_text="Only your team sees it: in the queue, filters and reports.")
    metadata = models.JSONField(
        default=dict,
        blank=True,
    )
    credentials = EncryptedTextField(blank=True, default="", help_text="Secret; stored encrypted, never shown back.")
    incoming_credentials = EncryptedTextField(
        blank=True, default="", db_default="", help_text="Secret for fetching; empty: the same as for sending."
    )
    client_secret = EncryptedTextField(
        blank=True, default="", db_default="", help_text="The application's own, with which tokens are renewed."
    )
    refresh_token = EncryptedTextField(
        blank=True, default="", db_default="", help_text="As it was entered; the one of now is in ChannelToken."
    )
    incoming_credentials_before = EncryptedTextField(
        blank=True, default="", db_default="", editable=False, help_text="The one before it, which stands for a while."
    )
    incoming_before_until = models.DateTimeField(null=True, editable=False)
    is_active = models.BooleanField(
        "switched on", default=True, help_text="Off: nothing comes in and nothing leaves. What is there stays."
    )
    checked_at = models.DateTimeField(null=True, editable=False)
    checked_as = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)
    checked = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    tested_at = models.DateTimeField(null=True, editable=False)
    tested_to = models.CharField(max_length=254, blank=True, default="", db_default="", editable=False)
    test_arrived_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("channel"),
            models.UniqueConstraint(fields=["account", "type", "external_id"], name="channel_external"),
            one_of("channel", "type", ChannelType.values),
            json_under_64k("channel", "metadata"),
            json_under_64k("channel", "checked"),
            Trigger(
                name="channel_claims",
                when="BEFORE INSERT OR UPDATE OF external_id, metadata, is_active, type",
                function="channel_claims",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "type"], name="idx_channel_account_type")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """The settings in the shape of its provider; and what cannot work is not switched on."""
        try:
            self.provided_by.settings.model_validate(self.metadata)
        except SchemaError as error:
            raise ValidationError({"metadata": [explain(each) for each in error.errors()]}) from error
        if self.is_active and (why := self.why_off()):
            raise ValidationError({"is_active": why})

    def why_off(self) -> str:
        """Why it cannot be switched on as it stands, "" if it can. One that is on stays on while its connection stays."""
        if missing := self.missing:
            return (
                f"It cannot work yet: {len(missing)} entries are missing."
                if len(missing) > 1
                else ("It cannot work yet: one entry is missing.")
            )
        if self.is_proved:
            return ""
        before = Channel.objects.filter(account_id=self.account_id, pk=self.pk).first()
        if before is not None and before.is_active and before.connection_mark == self.connection_mark:
            return ""
        return "Its connection has to pass a check with these entries first."

    @property
    def is_proved(self) -> bool:
        """Whether the connection passed a check as it stands, or its provider has none to pass."""
        return self.provided_by.check is None or self.checked_as == self.connection_mark

    @property
    def missing(self) -> Sequence[str]:
        """The names of the fields without which it cannot send, or not fetch."""
        missing, incoming, grant = self.provided_by.missing, self.provided_by.incoming, self.grant
        # A token that is renewed stands for what nobody has to enter.
        sends_with = "renewed" if grant and grant.sends else self.credentials
        fetches_with = "renewed" if grant and grant.fetches else self.incoming_secret
        found = list(missing(self.options, sends_with)) if missing else []
        found += incoming.missing(self.options, fetches_with) if incoming else []
        return [*found, *(["refresh_token"] if grant and not (self.refresh_token or self.client_secret) else [])]

    @property
    def grant(self) -> Grant | None:
        """How its access tokens are renewed, None where it signs in with what was entered."""
        grant = self.provided_by.grant
        return grant(self.options) if grant else None

    @property
    def incoming_secret(self) -> str:
        """What messages are fetched with."""
        incoming = self.provided_by.incoming
        if incoming is not None and incoming.as_sent:
            return self.credentials
        return self.incoming_credentials or self.credentials

    def hook_secrets(self, now: datetime) -> list[str]:
        """What posts to its address may be signed with. None: nothing is let in."""
        hooks = self.provided_by.hooks
        if hooks is not None and hooks.signed_by is not None:
            return list(hooks.signed_by(self.options))
        before = self.incoming_before_until is not None and self.incoming_before_until > now
        found = [self.incoming_credentials, self.incoming_credentials_before if before else ""]
        return [secret for secret in found if secret]

    @property
    def is_fetched_from(self) -> bool:
        """Whether its settings say where its messages are fetched."""
        incoming = self.provided_by.incoming
        return incoming is not None and bool(getattr(self.options, incoming.connection[0]))

    @property
    def fetched_from(self) -> Polls | None:
        """The folder that its messages are fetched from, None if they come by themselves."""
        incoming = self.provided_by.incoming
        return incoming.open(self.options, self.incoming_secret) if incoming else None

    @property
    def connection_mark(self) -> str:
        """Another one for every other server, user or secret; nothing of them can be read from it."""
        provider, options = self.provided_by, self.options
        parts: list[Any] = [
            provider.key,
            [str(getattr(options, name)) for name in provider.connection],
            self.credentials,
        ]
        if provider.incoming and self.is_fetched_from:
            # Only where messages are fetched: what passed before that could be set stays passed.
            own = "" if provider.incoming.as_sent else self.incoming_credentials
            parts += [[str(getattr(options, name)) for name in provider.incoming.connection], own]
        if grant := self.grant:
            parts += [dataclasses.astuple(grant), self.client_secret, self.refresh_token]
        return salted_hmac("countersign.channel", json.dumps(parts), algorithm="sha256").hexdigest()

    @property
    def findings(self) -> list[Finding]:
        return [Finding(**line) for line in self.checked]

    @property
    def provided_by(self) -> Provider:
        return provider_of(self.provider, self.type)

    @property
    def options(self) -> ChannelSettings:
        """Its settings, in the shape of its own provider."""
        return self.provided_by.settings.model_validate(self.metadata)

    @property
    def sends_as(self) -> str:
        """The address that replies come from."""
        return self.options.address or self.external_id
