"""The mails of a lost second factor: to the person, and to every admin of their accounts."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from conversations.models import FactorReset, Membership, Role, User
from conversations.people import addresses, lost_factor
from conversations.tenancy import memberships_of, tenant_context
from conversations.web.bidi import isolated

#: What to the person, and what to admins ("": nothing). `{name}` is never put into a subject: it is a person's own text.
WORDS = {
    "prove": (
        "Prove your address",
        "Somebody, we hope you, signed in with your password and says that your second factor is lost.\n\n"
        "Open {prove} within an hour. Then a day of waiting begins, and the admins of your accounts are told.\n\n"
        "Not you? Change your password: somebody knows it. Ignore this mail and nothing else happens.\n",
        "",
    ),
    "waits": (
        "Your second factor will be taken away",
        "Your address is proved. After {ready} UTC you can sign in with your password and set up a new factor.\n\n"
        "Not you, or found it again? {cancel} stops it. Then change your password.\n",
        "{name} says that their second factor is lost, and proved their address. It is taken away after {ready} UTC.\n\n"
        "Ask them whether it is so. They can stop it from any session; you can switch their access off.\n",
    ),
    "cancelled": (
        "Your second factor stays",
        "Taking your second factor away was stopped. If that was not you, tell your admin.\n",
        "Taking away the second factor of {name} was stopped. It stays.\n",
    ),
    "done": (
        "Your second factor was taken away",
        "Your second factor and recovery codes are gone. Set up new ones: {set_up}\n\n"
        "Not you? Tell your admin at once, and choose a new password: {reset}\n",
        "The second factor of {name} was taken away after the day of waiting. They can set up another.\n",
    ),
}
ADMIN_SUBJECT = "A second factor in your account"


def send(*, reset_id: uuid.UUID, what: str) -> int:
    """Mail this step of the reset; how many mails. One that was settled meanwhile asks for nothing any more."""
    reset = FactorReset.objects.select_related("user").get(pk=reset_id)
    if what in {"prove", "waits"} and reset.outcome != FactorReset.Outcome.OPEN:
        return 0
    subject, to_person, to_admins = WORDS[what]
    facts = {
        "name": isolated(" ".join(reset.user.name.split())),
        "ready": f"{reset.ready_at:%d %B %Y, %H:%M}" if reset.ready_at else "",
        "prove": _link("factor_lost_prove", lost_factor.token(reset, "prove")),
        "cancel": _link("factor_lost_cancel", lost_factor.token(reset, "cancel")),
        "set_up": _link("mfa_index"),
        "reset": _link("account_reset_password"),
    }
    sent = EmailMessage(subject, to_person.format(**facts), to=[addresses.mailbox_of(reset.user)]).send()
    if to_admins:
        for address in sorted(_told(reset.user)):
            sent += EmailMessage(ADMIN_SUBJECT, to_admins.format(**facts), to=[address]).send()
    return sent


def _told(user: User) -> set[str]:
    """The other admins of this person's accounts; of a platform operator the other operators too."""
    found: set[str] = set()
    for membership in memberships_of(user):
        with tenant_context(membership["account_id"]):
            admins = Membership.objects.filter(role=Role.ADMIN, is_active=True, user__is_active=True)
            found.update(admins.exclude(user=user).values_list("user__email", flat=True))
    if user.is_superuser:
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
        found.update(others.values_list("email", flat=True))
    return found


def _link(name: str, *args: str) -> str:
    return settings.SITE_URL.rstrip("/") + reverse(name, args=args)
