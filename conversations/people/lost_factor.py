"""A lost second factor: who proved their password asks, proves the address, waits a day, and every admin is told.

Nobody takes a factor away in silence, and the person can stop it all day long: from any session, by the link in each
mail, or by signing in with the factor. It concerns every account of the person, so each has it in its trail.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from allauth.mfa.models import Authenticator
from django.core import signing
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from conversations import audit
from conversations.errors import Conflict
from conversations.jobs import wake
from conversations.models import FactorReset, Membership, Notification, Role, User
from conversations.models.signin import WAIT
from conversations.tenancy import memberships_of, tenant_context

Outcome = FactorReset.Outcome
#: How long the link that proves the address is good, and how long a reset that nobody finishes stays open.
PROOF_SECONDS = 3600
LAPSES = timedelta(days=8)
_SALT = "countersign.factor_reset"


def open_reset(user: User) -> FactorReset | None:
    return FactorReset.objects.filter(user=user, outcome=Outcome.OPEN).first()


def token(reset: FactorReset, act: str) -> str:
    """What stands in a mail's link: it is good for this reset and for one act, "prove" or "cancel"."""
    return signing.dumps(str(reset.pk), salt=f"{_SALT}.{act}")


def named_by(token: str, act: str) -> FactorReset:
    """The reset of a mail's link. Raises Conflict (409) for a link that is forged, too old, or of a reset that ended."""
    try:
        pk = signing.loads(token, salt=f"{_SALT}.{act}", max_age=PROOF_SECONDS if act == "prove" else None)
    except signing.BadSignature:
        raise Conflict("This link is not good any more. Sign in and ask for a new one. Nothing was changed.") from None
    found = FactorReset.objects.select_related("user").filter(pk=uuid.UUID(pk), outcome=Outcome.OPEN).first()
    if found is None:
        raise Conflict("This was settled already. Nothing was changed.")
    return found


def ask(*, user: User) -> FactorReset:
    """Mail this person, whose password was right, a link that proves the address. Asking again mails again.

    Raises Conflict (409) once the address is proved.
    """
    with transaction.atomic():
        reset, is_new = FactorReset.objects.get_or_create(user=user, outcome=Outcome.OPEN)
        if reset.proved_at is not None:
            raise Conflict("Your address is proved already: only the day of waiting is left. Nothing was changed.")
        if is_new:
            _tell(user, "asked to sign in without it", admins=False)
        _mail(reset, "prove")
    return reset


def prove(*, reset_id: uuid.UUID) -> FactorReset:
    """The link was opened: the day of waiting begins, and admins and the person are told. Twice is once.

    Raises Conflict (409) for a reset that ended.
    """
    with transaction.atomic():
        reset = _locked(FactorReset.objects.filter(pk=reset_id))
        if reset.proved_at is None:
            FactorReset.objects.filter(pk=reset.pk).update(proved_at=Now(), ready_at=Now() + WAIT)
            reset.refresh_from_db()
            _tell(reset.user, f"the address is proved; it is taken away after {reset.ready_at:%d %B, %H:%M} UTC")
            _mail(reset, "waits")
    return reset


def cancel(*, user: User, how: str) -> bool:
    """Keep the second factor. False if nothing was open."""
    with transaction.atomic():
        reset = FactorReset.objects.select_for_update().filter(user=user, outcome=Outcome.OPEN).first()
        if reset is None:
            return False
        FactorReset.objects.filter(pk=reset.pk).update(outcome=Outcome.CANCELLED, ended_at=Now())
        _tell(user, f"stopped {how}; the factor stays", admins=reset.proved_at is not None)
        if reset.proved_at is not None:
            _mail(reset, "cancelled")
    return True


def finish(*, user: User) -> FactorReset:
    """After the day of waiting: every factor and recovery code of this person is taken away.

    Raises Conflict (409) before that, by the database's clock, and if nothing is open.
    """
    with transaction.atomic():
        reset = _locked(FactorReset.objects.filter(user=user))
        done = FactorReset.objects.filter(pk=reset.pk, ready_at__lte=Now()).update(outcome=Outcome.DONE, ended_at=Now())
        if not done:
            raise Conflict("The day of waiting is not over yet. Nothing was changed.")
        Authenticator.objects.filter(user=user).delete()
        _tell(user, "it was taken away after the day of waiting; they can set up another")
        _mail(reset, "done")
    return reset


def lapse() -> int:
    """End resets that nobody finished. How many they were."""
    return FactorReset.objects.filter(outcome=Outcome.OPEN, created_at__lt=Now() - LAPSES).update(
        outcome=Outcome.LAPSED, ended_at=Now()
    )


def _locked(wanted: object) -> FactorReset:
    rows = wanted.select_for_update(of=("self",)).select_related("user")  # type: ignore[attr-defined]
    reset: FactorReset | None = rows.filter(outcome=Outcome.OPEN).order_by(F("created_at")).first()
    if reset is None:
        raise Conflict("Nothing is waiting here: it was settled, or never asked for. Nothing was changed.")
    return reset


def _tell(user: User, what: str, *, admins: bool = True) -> None:
    """Into the trail of every account of this person, and to its admins. In the caller's transaction."""
    for found in memberships_of(user):
        with tenant_context(found["account_id"]):
            membership = Membership.objects.get(account_id=found["account_id"], user=user)
            data = {"person": user.name, "what": what}
            audit.record(audit.Kind.FACTOR_LOST, actor=user, about=membership, data=data)
            if admins:
                Notification.objects.bulk_create(
                    Notification(
                        account_id=found["account_id"], user_id=pk, type=Notification.Type.FACTOR_LOST, payload=data
                    )
                    for pk in Membership.objects.filter(role=Role.ADMIN, is_active=True).values_list(
                        "user_id", flat=True
                    )
                )


def _mail(reset: FactorReset, what: str) -> None:
    wake("conversations.mail_factor_reset", reset_id=reset.pk, what=what)
