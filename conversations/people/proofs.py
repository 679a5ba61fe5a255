"""How allauth asks for and keeps the proofs of addresses: what of it differs here (docs/decisions/0021)."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account import app_settings
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.forms import ResetPasswordForm, default_token_generator
from allauth.account.internal.flows.email_verification_by_code import EMAIL_VERIFICATION_CODE_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from allauth.account.utils import user_pk_to_url_str
from allauth.account.views import ConfirmEmailVerificationCodeView, EmailView
from allauth.core import context
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required, login_required
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator

from conversations.database import database_time
from conversations.database.compiled import Compiled
from conversations.jobs import wake
from conversations.models import User
from conversations.people import addresses, limits, passwords
from conversations.people.letters import address_of, can_send, letter, try_to_send

RESET_TASK = "conversations.mail_reset"


class ProvenAddresses:
    """The part of the account adapter that is about addresses and mail."""

    error_messages: dict[str, Any]

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """After the commit, and never a reason for another page: what goes wrong is the log's."""
        context = {**context, "verify_url": address_of(reverse("account_email_verification_sent"))}
        message = self.render_mail(template_prefix, email, context)  # type: ignore[attr-defined]
        transaction.on_commit(lambda: try_to_send(message))

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Of what allauth would tell a person, a changed password alone, in our own words."""
        if template_prefix.rpartition("/")[2].startswith("password_"):
            passwords.tell_changed(user)

    def get_login_stages(self) -> list[str]:
        allauths = f"{EmailVerificationStage.__module__}.{EmailVerificationStage.__qualname__}"
        own = f"{ProvenAddressStage.__module__}.{ProvenAddressStage.__qualname__}"
        stages: list[str] = super().get_login_stages()  # type: ignore[misc]
        assert allauths in stages, "allauth names its stage of proving an address otherwise"
        return [own if stage == allauths else stage for stage in stages]

    def can_delete_email(self, email_address: EmailAddress) -> bool:
        """Not the one that the person signs in with, nor their last proven one: either would lock them out."""
        user = email_address.user
        if not email_address.pk:
            return True
        if email_address.primary or user.email == email_address.email:
            return False
        others = EmailAddress.objects.filter(user=user).exclude(pk=email_address.pk)
        return bool(others.filter(verified=True).exists() or (others.exists() and not email_address.verified))


@Compiled
def _people(given: Any) -> QuerySet[User]:
    return User.objects.filter(pk=given.pk)


class AddressBackend(AuthenticationBackend):
    """Password log-in by address: whose password is tried is `addresses.who_may_sign_in`'s answer."""

    def get_user(self, user_id: uuid.UUID) -> User | None:
        """Whose session it is, for every request."""
        return next((user for user in _people(pk=user_id) if self.user_can_authenticate(user)), None)

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        only = getattr(context.request, "only_people", None)  # set by CountedAdapter.pre_authenticate
        for user in addresses.who_may_sign_in(email):
            if (only is None or user.pk in only) and self._check_password(user, password):
                return user
        return None


class ProvenAddressStage(EmailVerificationStage):
    """Who signs in with an address that they have not proven does so now; where no mail can be sent, they go on without."""

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if not can_send():
            return None, True
        response, goes_on = super().handle()
        return response, goes_on


class ResetForm(ResetPasswordForm):
    """Asks a worker for the mail, for every address alike: page and time do not tell whether it is somebody's."""

    def clean_email(self) -> str:
        return addresses.fold(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = str(self.cleaned_data["email"])
        proof = addresses.proven_row(email)
        try:  # from however many networks it is asked for; apart from codes, which the same person may need meanwhile
            limits.take(limits.MAIL, email, "reset")
        except limits.TooMany:
            proof = None
        # Ids only in a job. No address has the number 0; the worker's turn is then a short one.
        with transaction.atomic():
            wake(RESET_TASK, queue="letters", proof_id=proof.pk if proof else 0, asked_at=_now())
        return email


def mail_reset(*, proof_id: int, asked_at: str) -> str:
    """Mail the person whose proven address this is a link for a new password. It sets nothing by itself."""
    proof = EmailAddress.objects.filter(pk=proof_id, verified=True, user__is_active=True).select_related("user").first()
    if proof is None:
        return "nobody's"
    key = default_token_generator.make_token(proof.user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(proof.user), "key": key})
    message = letter("reset", to=proof.email, link=address_of(path), asked_at=parse_datetime(asked_at))
    return "sent" if try_to_send(message) else "not sent"


def _now() -> str:
    return database_time.now().isoformat()


@method_decorator(login_required, name="dispatch")
class OwnAddresses(EmailView):
    """A person's own addresses. Only a proven one can be the one that they sign in with."""

    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        address = self._get_email_address(request)
        if address is None or not address.verified:
            messages.error(request, "Prove that address first: ask for a code below. Nothing was changed.")
            return None
        response: HttpResponse | None = super()._action_primary(request, *args, **kwargs)
        return response


@method_decorator(login_not_required, name="dispatch")
class ProveAddress(ConfirmEmailVerificationCodeView):
    """The page that asks for the code from the mail. Wrong tries are counted, and the page says how many are left."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**kwargs)
        state = self.request.session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY) or {}
        left = app_settings.EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS - state.get("failed_attempts", 0)
        typed = self.request.POST.get("code") or self.request.GET.get("code", "")
        return {**found, "tries_left": left, "typed": typed[:20], "can_send": can_send()}


own_addresses = OwnAddresses.as_view()
prove_address = ProveAddress.as_view()
