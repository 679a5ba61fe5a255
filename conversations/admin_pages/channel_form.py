"""The form of a channel: the fields of its own provider, in sections, and no others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest

from conversations.admin_pages.shapes import Part, ShapeForm, parts_of, shape_form
from conversations.channels import registry
from conversations.channels.addresses import normal_address
from conversations.channels.provider import ABOUT, PACE, Preset, Provider, Section
from conversations.database.encryption import ring
from conversations.messages import routing
from conversations.models import Channel
from conversations.tenancy import address_is_usable

_FIELDS = ["external_id", "name", "is_active"]
REST = Section("connection", "Connection", "What the provider needs of you.", ())
#: Where secrets wait that were typed for a check and not saved yet: in the session, encrypted.
KEPT = "channel_secret"
SECRETS = ("credentials", "incoming_credentials", "client_secret", "refresh_token")


class ChannelForm(ShapeForm):
    provider_: Provider

    def __init__(self, *args: Any, kept: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = kept or {}
        self.instance.type = self.provider_.type
        self.instance.provider = self.provider_.key
        label, help_text = self.provider_.external
        self.fields["external_id"].label, self.fields["external_id"].help_text = label, help_text
        if self.provider_.by_address:
            self.fields["external_id"].widget.input_type = "email"  # type: ignore[attr-defined]
        for name in SECRETS:
            is_kept = bool(self.kept.get(name))
            if name in self.fields and (is_kept or getattr(self.instance, name)):
                self.fields[name].widget.attrs["placeholder"] = (
                    "Kept for this page" if is_kept else "Stored, leave empty to keep"
                )

    def clean_credentials(self) -> str:
        return self._secret("credentials")

    def clean_incoming_credentials(self) -> str:
        return self._secret("incoming_credentials")

    def clean_client_secret(self) -> str:
        return self._secret("client_secret")

    def clean_refresh_token(self) -> str:
        return self._secret("refresh_token")

    def _secret(self, name: str) -> str:
        """An empty box keeps the secret: what was typed for the last check of this page, else the stored one."""
        typed = self.cleaned_data[name] or self.kept.get(name, "")
        return str(typed or (getattr(self.instance, name) if self.instance.pk else ""))

    def clean(self) -> dict[str, Any]:
        """Addresses in the one form that mail is routed by. The trigger `channel_claims` has the last word."""
        cleaned = super().clean()
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

    def _post_clean(self) -> None:
        """Whether it may be on is asked when it is saved, after a check; the form knows the entries alone."""
        wanted = self.cleaned_data.get("is_active", False)
        self.cleaned_data["is_active"] = False
        super()._post_clean()  # type: ignore[misc]
        self.cleaned_data["is_active"] = self.instance.is_active = wanted

    @property
    def parts(self) -> list[Part]:
        return parts_of(self, [ABOUT, *self.provider_.sections, PACE], rest=REST)


def form_class(provider: Provider) -> type[ChannelForm]:
    """A form with the settings of `provider`, and a secret if it has one."""
    declared: dict[str, Any] = {"is_active": forms.BooleanField(required=False, widget=forms.HiddenInput)}
    fields = list(_FIELDS)
    if provider.secrets:
        fields.append("credentials")
        declared["credentials"] = _secret_box(" and ".join(provider.secrets), "Leave it empty to keep what is stored.")
    if provider.incoming and not provider.incoming.as_sent:
        fields.append("incoming_credentials")
        declared["incoming_credentials"] = _secret_box(
            provider.incoming.asks_for, "Empty: what is stored, else the same as for sending."
        )
    elif provider.hooks and provider.hooks.asks_for:
        fields.append("incoming_credentials")
        declared["incoming_credentials"] = _secret_box(
            provider.hooks.asks_for, "Leave it empty to keep what is stored; the one before it is good for two days."
        )
    if provider.grant:
        fields += ["client_secret", "refresh_token"]
        declared["client_secret"] = _secret_box("the application's secret", "Leave it empty to keep what is stored.")
        declared["refresh_token"] = _secret_box("the refresh token", "Leave it empty to keep what is stored.")
    shape = shape_form(Channel, provider.settings, "metadata", fields, **declared)
    return type("ChannelForm", (ChannelForm, shape), {"provider_": provider})


def _secret_box(words: str, empty: str) -> forms.CharField:
    words = words.removeprefix("the ")
    return forms.CharField(
        required=False,
        label=words[:1].upper() + words[1:],
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=f"Stored encrypted and never shown. {empty}",
    )


def chosen(request: HttpRequest, channel: Channel | None) -> tuple[Provider, Preset | None]:
    """The provider whose fields are shown, and what is filled in. A channel keeps its type."""
    choices = [one for one in registry.PROVIDERS if channel is None or one.type == channel.type]
    wanted = request.POST.get("provider") or request.GET.get("provider")
    fallback = choices[0] if channel is None else channel.provided_by
    provider = next((one for one in choices if one.key == wanted), fallback)
    preset = request.POST.get("preset") or request.GET.get("preset")
    return provider, next((one for one in provider.presets if one.key == preset), None)


def keep_secrets(request: HttpRequest, pk: uuid.UUID | None, provider: Provider, channel: Channel) -> None:
    found = {name: getattr(channel, name) for name in SECRETS if getattr(channel, name)}
    if found:
        sealed = {name: ring().encrypt(secret.encode()).decode() for name, secret in found.items()}
        request.session[KEPT] = {"for": f"{pk}:{provider.key}", "secrets": sealed}


def kept_secrets(request: HttpRequest, pk: uuid.UUID | None, provider: Provider) -> dict[str, str]:
    """What was typed for the last check of this very page; it goes with the session, or when the channel is saved."""
    kept = request.session.get(KEPT) or {}
    if kept.get("for") != f"{pk}:{provider.key}":
        return {}
    return {name: ring().decrypt(sealed.encode()).decode() for name, sealed in kept.get("secrets", {}).items()}


def forget_secrets(request: HttpRequest) -> None:
    request.session.pop(KEPT, None)
