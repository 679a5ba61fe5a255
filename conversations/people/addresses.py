"""Whose an address is: the only module that asks for a person by address (docs/decisions/0021).

An address is somebody's when they have proven it: by a code or an invitation that was mailed there, by a provider that the
installation trusts, or by whoever has its shell. What somebody merely says is theirs identifies nobody.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from conversations.errors import Conflict
from conversations.models import User
from conversations.people.letters import can_send
from conversations.tenancy import memberships_of

log = logging.getLogger(__name__)

#: Whose passwords are tried for one address, at most: each costs a slow hash.
MAX_TRIED = 10


def fold(address: str) -> str:
    """The form in which addresses are kept and compared."""
    return address.strip().lower()


def person_with(address: str) -> User | None:
    """The one who has proven that this address is theirs. Whether they may still come in is the caller's question."""
    return User.objects.with_address(address).first()


def has_proven(user: User, address: str) -> bool:
    return bool(EmailAddress.objects.filter(user=user, email=fold(address), verified=True).exists())


def proven_of(people: Sequence[uuid.UUID]) -> list[str]:
    """Every address that one of these people has proven, in order."""
    found = EmailAddress.objects.filter(user_id__in=people, verified=True)
    return sorted(found.values_list("email", flat=True))


def says_is_own(user: User, address: str) -> bool:
    """Whether the person names this address as theirs, proven or not, and nobody else has proven it."""
    owner = person_with(address)
    if owner is not None:
        return owner.pk == user.pk
    if fold(user.email) == fold(address):
        return True
    return bool(EmailAddress.objects.filter(user=user, email=fold(address)).exists())


def proven_row(address: str) -> EmailAddress | None:
    """The proof itself of somebody who may come in, for mail that must go to that address."""
    rows = EmailAddress.objects.filter(email=fold(address), verified=True, user__is_active=True)
    return rows.select_related("user").first()


def mailbox_of(user: User) -> str:
    """Where mail about the person's own security goes: a proven address, the one that they sign in with if it is."""
    proven = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "pk")
    found = list(proven.values_list("email", flat=True))
    return user.email if user.email in found or not found else str(found[0])


def namesakes(address: str) -> list[User]:
    """Everybody who names this address, proven or not, the oldest first. They may well not be the address's owner."""
    said = User.objects.filter(email=fold(address)) | User.objects.filter(emailaddress__email=fold(address))
    return list(said.distinct().order_by("created_at"))


def who_may_sign_in(address: str) -> list[User]:
    """Whose password is tried for this address: the person who has proven it, else those who say that it is theirs.

    Where no mail can be sent nobody can prove one, so there all of them are tried, the one who has proven it first. If they
    are more than can be tried, those who belong to an account under that name come before those whom anybody can make up.
    """
    owner = person_with(address)
    if owner is not None and can_send():
        return [owner]
    said = namesakes(address)
    many = len(said) > MAX_TRIED

    def rank(person: User) -> tuple[bool, bool, bool]:
        is_owner = owner is not None and person.pk == owner.pk
        return not is_owner, fold(person.email) != fold(address), many and not memberships_of(person)

    return sorted(said, key=rank)[:MAX_TRIED]


def claim(user: User, address: str) -> EmailAddress:
    """Note that this person names this address. It proves nothing."""
    return EmailAddress.objects.get_or_create(user=user, email=fold(address))[0]


def prove(user: User, address: str) -> EmailAddress:
    """The address is proven for this person, and becomes the one that they sign in with if they had proven none.

    Raises Conflict (409) if somebody else has proven it.
    """
    with transaction.atomic():
        row = EmailAddress.objects.select_for_update(of=("self",)).get(pk=claim(user, address).pk)
        if row.verified:
            return row
        row.verified = True
        row.primary = not EmailAddress.objects.filter(user=user, primary=True).exists()
        try:
            with transaction.atomic():
                row.save(update_fields=["verified", "primary"])
        except IntegrityError as error:
            raise Conflict("Somebody else has proven this address. Nothing was changed.") from error
        if row.primary and user.email != row.email:
            user.email = row.email
            user.save(update_fields=["email"])
    log.info("The address of person %s was proven.", user.pk)
    return row
