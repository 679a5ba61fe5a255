"""The second factor: who must have one, and what happens until they do. Setting one up and using it is allauth's."""

from __future__ import annotations

import uuid

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from conversations import audit
from conversations.models import Account, User

#: What opens without the factor: the pages on which one is set up (or one signs out), and the way to another account.
OPEN = ("/accounts/", "/switch/")
#: Recovery codes are no factor of their own: they go with the last one.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_factor(user: User) -> bool:
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists())


def require_second_factor(*, account_id: uuid.UUID, required: bool, actor: User | audit.Actor) -> Account:
    """Everybody in the account needs a second factor from their next request on, or nobody does. Tokens are not people.

    Raises Account.DoesNotExist (404). What is so already is left, and nothing is recorded.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account_id)
        if account.options.second_factor == required:
            return account
        account.settings = {**account.settings, "second_factor": required}
        account.save(update_fields=["settings", "updated_at"])
        audit.record(
            audit.Kind.FACTOR_REQUIRED,
            actor=actor,
            about=account,
            account=account,
            data={"rule": "needs a second factor of everybody" if required else "no longer needs a second factor"},
        )
    return account


def operator_needs_factor(user: User) -> bool:
    """Whether the platform wants a second factor of this operator, and they have none."""
    return bool(settings.OPERATORS_NEED_FACTOR and user.is_superuser and not has_factor(user))


def is_open(request: HttpRequest) -> bool:
    """Whether this may be looked at without the factor. A service's token is not a person's session."""
    return request.path.startswith(OPEN) or (
        request.path.startswith("/internal/") and bool(request.headers.get("Authorization"))
    )


def set_up_first(request: HttpRequest, wanted_by: str) -> HttpResponse:
    """Where somebody without the factor is led. What they sent was not done."""
    url = reverse("mfa_index")
    if request.method in {"GET", "HEAD"} and request.headers.get("HX-Request") != "true":
        return HttpResponseRedirect(url)
    reason = f"{wanted_by} needs a second factor of you. Set one up under {url}; nothing was changed."
    response = render(request, "refused.html", {"reason": reason}, status=403)
    response["HX-Redirect"] = url
    return response
