"""Log-in as we want it of allauth: counted by our own limits, and a device that is remembered afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve

from conversations.database.encryption import ring
from conversations.models import User
from conversations.people import addresses, limits, lost_factor
from conversations.people.clients import client_address, client_network, device_of, remember_device
from conversations.people.limits import Limit, TooMany

log = logging.getLogger(__name__)

Taken = list[tuple[Limit, tuple[str, ...]]]


def _take_all(request: HttpRequest, wanted: Taken) -> None:
    """Count a try everywhere it counts; one that has to wait in one place is not counted in those behind it.

    Raises ValidationError, so that the form is shown again with what was typed; LimitsMiddleware makes it a 429.
    """
    try:
        for limit, subject in wanted:
            limits.take(limit, *subject)
    except TooMany as error:
        request.wait_seconds = error.seconds  # type: ignore[attr-defined]
        raise ValidationError(str(error), code="too_many") from error


def _give_all_back(taken: Taken) -> None:
    for limit, subject in taken:
        limits.give_back(limit, *subject)


class CountedAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's account adapter with our limits. What it sends is counted by recipient, in `send_mail`."""

    _taken: Taken

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count a password before it is looked at: strangers by network and address, a known device by itself.

        A device is known for people. Others who say that the same address is theirs are strangers to it: their passwords
        are tried too only while strangers may still try, so that nobody's own device guesses at a namesake.
        """
        email = str(credentials.get("email") or credentials.get("username") or "")
        if request.user.is_authenticated:
            self._taken = [(limits.AGAIN, (str(request.user.pk), request.session.session_key or ""))]
            _take_all(request, self._taken)
            return
        strangers: Taken = [(limits.LOGIN_NETWORK, (client_network(request),)), (limits.LOGIN_ADDRESS, (email,))]
        device = device_of(request)
        people = addresses.who_may_sign_in(email) if device else []
        known = {person.pk for person in people if device and device.knows(person)}
        if device is None or not known:
            self._taken = strangers
            _take_all(request, strangers)
            return
        self._taken = [(limits.LOGIN_DEVICE, (device.id, email))]
        _take_all(request, self._taken)
        if len(known) < len(people):
            try:
                for limit, subject in strangers:
                    limits.take(limit, *subject)
                    self._taken.append((limit, subject))
            except TooMany:
                request.only_people = known  # type: ignore[attr-defined]

    def reauthenticate(self, user: User, password: str) -> bool:
        """The person's own password, whoever else says that their address is theirs."""
        self.pre_authenticate(context.request)
        if not user.check_password(password):
            return False
        self._rollback_login_failed_rl_usage()
        return True

    def _rollback_login_failed_rl_usage(self) -> None:
        _give_all_back(self._taken)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        remember_device(request, response, user)
        lost_factor.cancel(user=user, how="by signing in with it")
        return response

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """One address gets so many mails an hour, whoever asks for them; the page says the same either way."""
        request = self.request
        asker = str(request.user.pk) if request is not None and request.user.is_authenticated else ""
        try:
            limits.take(limits.MAIL, email, asker)
        except TooMany as error:
            log.warning("No mail (%s): too many went to that address; again in %s s", template_prefix, error.seconds)
            return
        super().send_mail(template_prefix, email, context)


class EncryptedFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Seeds of second factors are stored encrypted, as channel passwords are. One stored in the clear before still reads."""

    PREFIX = "enc1:"

    def encrypt(self, text: str) -> str:
        return self.PREFIX + ring().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        if not encrypted_text.startswith(self.PREFIX):
            return encrypted_text
        return ring().decrypt(encrypted_text.removeprefix(self.PREFIX).encode()).decode()

    def get_totp_issuer(self) -> str:
        return "Countersign"

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "My passkey" if not count else f"My passkey {count + 1}"


def _code_tries(user: User) -> Taken:
    request = context.request
    if request.user.is_authenticated:
        return [(limits.AGAIN, (str(user.pk), request.session.session_key or ""))]
    device = device_of(request)
    if device and device.knows(user):
        return [(limits.CODE_DEVICE, (device.id, str(user.pk)))]
    return [(limits.CODE, (str(user.pk),)), (limits.CODE_DAY, (str(user.pk),))]


class _CountedCode:
    """A code is counted before it is looked at, and one of an app is good once."""

    user: User
    cleaned_data: dict[str, Any]
    authenticator: Authenticator

    def clean_code(self) -> str:
        taken = _code_tries(self.user)
        _take_all(context.request, taken)
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP:
            try:
                limits.take(limits.TOTP_ONCE, str(self.user.pk), "".join(filter(str.isalnum, code)))
            except TooMany:
                raise ValidationError("That code was used already. Wait for the next one.", code="used") from None
        _give_all_back(taken)
        return code


class CodeForm(_CountedCode, AuthenticateForm):  # type: ignore[misc]
    """The second step of log-in, by a code of the app or a recovery code."""


class CodeAgainForm(_CountedCode, ReauthenticateForm):  # type: ignore[misc]
    """The same for somebody who is signed in."""


class LimitsMiddleware:
    """Counts every form under /accounts/ before it is looked at, and gives an answer that has to wait its status.

    Outside of the request's transaction: a try counts whatever becomes of it.
    """

    PREFIX = "/accounts/"

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or not request.path.startswith(self.PREFIX):
            return self.get_response(request)
        try:
            self._count(request)
        except TooMany as error:
            return too_many(request, error)
        response = self.get_response(request)
        wait = getattr(request, "wait_seconds", 0)
        if wait:
            response.status_code = 429
            response["Retry-After"] = str(wait)
        return response

    def _count(self, request: HttpRequest) -> None:
        try:
            name = resolve(request.path_info).url_name or ""
        except Resolver404:
            name = ""
        if name not in limits.COUNTED_ELSEWHERE:
            limits.take(limits.FORMS.get(name, limits.FORM), name, _whose(request))


def _whose(request: HttpRequest) -> str:
    """Whom a form counts for: the person, else the known device, else the network."""
    if request.user.is_authenticated:
        return f"person {request.user.pk}"
    device = device_of(request)
    return f"device {device.id}" if device else f"network {client_network(request)}"


#: What a person typed and may read again; passwords and codes are typed anew.
KEPT_FIELDS = {"email": "Email", "login": "Work email", "name": "Name"}


def too_many(request: HttpRequest, error: TooMany) -> HttpResponse:
    """429 with Retry-After: what happened, how long it takes, and what was typed still in its box."""
    kept = [(name, label, request.POST[name][:254]) for name, label in KEPT_FIELDS.items() if request.POST.get(name)]
    context = {"wait": limits.in_words(error.seconds), "kept": kept, "path": request.path}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(error.seconds)
    return response
