"""After a password was changed: its owner is told, and whoever it was not can end everything at once."""

from __future__ import annotations

import logging

from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from conversations.database import database_time
from conversations.models import User
from conversations.people import addresses
from conversations.people.letters import address_of, letter, try_to_send

log = logging.getLogger(__name__)
SALT = "countersign.not-me"
SECONDS = 7 * 86_400


def tell_changed(user: User) -> None:
    """To the person's proven address, after the commit. Nothing that a mail server does stops the change."""
    to = addresses.mailbox_of(user)
    link = address_of(reverse("password_not_me", args=[_token(user)]))
    message = letter("password", to=to, at=database_time.now(), link=link)
    transaction.on_commit(lambda: try_to_send(message))


def person_of(token: str) -> User | None:
    """Whose change this link is about; None once the password is another one again, and for every other link."""
    try:
        pk, mark = signing.loads(token, salt=SALT, max_age=SECONDS)
    except (signing.BadSignature, ValueError):
        return None
    user = User.objects.filter(pk=pk).first()
    return user if user is not None and constant_time_compare(mark, _mark(user)) else None


def end_everything(user: User) -> None:
    """Every session of theirs ends, and the password opens nothing any more: they choose a new one by mail.

    Sessions hold a digest of the password, so with the password all of them go. A second factor stays.
    """
    user.set_unusable_password()
    user.save(update_fields=["password"])
    log.warning("Person %s said that a change of their password was not theirs; all sessions were ended.", user.pk)


def _mark(user: User) -> str:
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()[:32]


def _token(user: User) -> str:
    return signing.dumps([str(user.pk), _mark(user)], salt=SALT)
