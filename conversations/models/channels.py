"""Where messages come from and go to."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from conversations.encryption import EncryptedTextField
from conversations.guards import Trigger, json_under_64k, one_of, tenant_guards
from conversations.metadata import ChannelSettings, validate_with
from conversations.models.base import TenantRow


class Channel(TenantRow):
    class Type(models.TextChoices):
        EMAIL = "email"
        CHAT = "chat"
        SHOPIFY = "shopify"
        SLACK = "slack"

    type = models.CharField(max_length=20, choices=Type.choices)
    provider = models.CharField(max_length=40, blank=True, help_text="zoho, intercom, shopify, slack, smtp ...")
    external_id = models.CharField(max_length=255, help_text="The address or id that the provider knows it by.")
    name = models.CharField(max_length=120)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_with(ChannelSettings)])
    credentials = EncryptedTextField(blank=True, default="", help_text="Secret; stored encrypted, never shown back.")
    is_active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("channel"),
            models.UniqueConstraint(fields=["account", "type", "external_id"], name="channel_external"),
            one_of("channel", "type", ["email", "chat", "shopify", "slack"]),
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

    @property
    def options(self) -> ChannelSettings:
        return ChannelSettings.model_validate(self.metadata)
