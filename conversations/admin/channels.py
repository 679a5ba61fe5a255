"""The page of a channel in the admin: the fields of its own provider, and no others."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.html import format_html_join

from conversations import audit
from conversations.admin.shapes import ShapeForm, shape_form
from conversations.admin_pages.site import TenantModelAdmin
from conversations.channels import registry
from conversations.channels.addresses import normal_address
from conversations.channels.provider import Provider
from conversations.errors import Conflict
from conversations.messages import routing
from conversations.models import Channel
from conversations.tenancy import address_is_usable

_FIELDS = ["provider", "external_id", "name", "is_active"]


class _ChannelForm(ShapeForm):
    provider_: Provider

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["provider"] = self.provider_.key

    def clean_credentials(self) -> str:
        """An empty box keeps the stored secret: it is never shown, so it cannot be sent back."""
        return self.cleaned_data["credentials"] or (self.instance.credentials if self.instance.pk else "")

    def clean(self) -> dict[str, Any]:
        """Addresses in the one form that mail is routed by. The trigger `channel_claims` has the last word."""
        cleaned = super().clean()
        self.instance.type = self.provider_.type
        if not self.provider_.by_address:
            return cleaned
        for name in ("external_id", "address"):
            if "@" in str(cleaned.get(name) or ""):
                self._address(name, str(cleaned[name]), is_active=bool(cleaned.get("is_active")))
        return cleaned

    def _address(self, name: str, written: str, *, is_active: bool) -> None:
        normal = normal_address(written)
        if not normal:
            self.add_error(name, "This is not a mail address. Nothing was saved.")
        elif is_active and not address_is_usable(normal):
            self.add_error(name, routing.UNUSABLE)
        elif name == "external_id":
            self.cleaned_data[name] = normal
        else:
            self.instance.metadata = {**self.instance.metadata, "address": normal}


def channel_form(provider: Provider, choices: list[Provider]) -> type[forms.ModelForm]:
    """A form with the settings of `provider`, and a secret if it has one."""
    links = format_html_join(", ", '<a href="?provider={}">{}</a>', ((one.key, one.label) for one in choices))
    declared: dict[str, Any] = {
        "provider": forms.ChoiceField(
            choices=[(one.key, f"{one.label} ({one.key})") for one in choices],
            help_text=links if len(choices) > 1 else "",
        )
    }
    if provider.secrets:
        declared["credentials"] = forms.CharField(
            required=False,
            widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
            help_text=f"{' and '.join(provider.secrets).capitalize()}. Stored encrypted, never shown; leave empty to keep it.",
        )
    fields = [*_FIELDS, "credentials"] if provider.secrets else _FIELDS
    shape = shape_form(Channel, provider.settings, "metadata", fields, **declared)
    return type("ChannelForm", (_ChannelForm, shape), {"provider_": provider})


def _provider(request: HttpRequest, channel: Channel | None) -> tuple[Provider, list[Provider]]:
    """The provider whose fields are shown, and those that can be chosen: a channel keeps its type."""
    choices = [one for one in registry.PROVIDERS if channel is None or one.type == channel.type]
    wanted = request.POST.get("provider") or request.GET.get("provider")
    fallback = choices[0] if channel is None else channel.provided_by
    return next((one for one in choices if one.key == wanted), fallback), choices


class ChannelAdmin(TenantModelAdmin):
    list_display = ("name", "type", "provider", "external_id", "is_active")
    list_filter = ("type", "is_active")
    audit_kind = audit.Kind.CHANNEL_CHANGED

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = channel_form(*_provider(request, obj))
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        try:
            with transaction.atomic():
                super().save_model(request, obj, form, change)
        except IntegrityError as error:
            # Somebody was first between the form's look and the database's.
            if "channel_claims" not in str(error) and "cannot be used" not in str(error):
                raise
            raise Conflict(routing.UNUSABLE) from error
