"""How people sign in: nobody signs up; an admin invites. OIDC joins an invited person by a verified address."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest

from conversations.models import User


class InvitedOnlyAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class InvitedOnlySocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect the provider's subject to the invited person whose verified address it presents."""
        if sociallogin.is_existing:
            return
        verified = {address.email.lower() for address in sociallogin.email_addresses if address.verified}
        person = User.objects.filter(email__in=verified, is_active=True).first()
        if person is not None:
            sociallogin.connect(request, person)
            person.auth_provider, person.auth_subject = sociallogin.account.provider, sociallogin.account.uid
            person.save(update_fields=["auth_provider", "auth_subject"])
