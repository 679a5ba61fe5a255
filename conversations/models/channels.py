"""Where messages come from and go to."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from pydantic import ValidationError as SchemaError

from conversations.channels.provider import ChannelSettings, ChannelType, Provider
from conversations.channels.registry import provider_of
from conversations.database.encryption import EncryptedTextField
from conversations.database.guards import Trigger, json_under_64k, one_of, tenant_guards
from conversations.metadata import explain
from conversations.models.base import TenantRow


class Channel(TenantRow):
    Type = ChannelType

    type = models.CharField(max_length=20, choices=Type.choices)
    provider = models.CharField(max_length=40, blank=True, help_text="A key of channels/registry.py.")
    external_id = models.CharField(max_length=255, help_text="The address or id that the provider knows it by.")
    name = models.CharField(max_length=120)
    metadata = models.JSONField(
        default=dict,
        blank=True,
    )
    credentials = EncryptedTextField(blank=True, default="", help_text="Secret; stored encrypted, never shown back.")
    is_active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("channel"),
            models.UniqueConstraint(fields=["account", "type", "external_id"], name="channel_external"),
            one_of("channel", "type", ChannelType.values),
            json_under_64k("channel", "metadata"),
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
        try:
            self.provided_by.settings.model_validate(self.metadata)
        except SchemaError as error:
            raise ValidationError({"metadata": [explain(each) for each in error.errors()]}) from error

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
