"""A person's own tokens: what a script or another tool does at the internal API as them. Fewer rights than theirs, never more.

Every act asks the person's rights anew, as at the desk. What ends one before its time is the database's (`own_tokens_end`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import models, transaction

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import Account, ServiceToken, User
from conversations.models.tenants import CONFIRM_HOURS
from conversations.people import tokens
from conversations.people.roles import Verb, check

MOST = 20  # that open something at the same time
MAX_NAME = 60
DAYS = (1, 7, 30, 90)


class OwnScope(models.TextChoices):
    """Beside `tokens.Scope`, which are a service's. No token has some of both: the database refuses it."""

    READ = "assistant:read", "Read my chats and cards"
    WRITE = "assistant:write", "Ask, change and delete chats; change and reject my cards"
    CONFIRM = "assistant:confirm", "Confirm my cards, which carries them out"
    PRACTICE = "practice:read", "Read my practices and scores"


def make(
    *, account_id: uuid.UUID, actor: User, name: str, scopes: Sequence[str], days: int
) -> tuple[ServiceToken, str]:
    """A new token of the person's own and its plain text, which is shown this once. One that confirms lasts for a day.

    Raises PermissionDenied (403: no member, or without an assistant), Invalid (422), Conflict (409: too many).
    """
    check(actor, Verb.ASSIST, account_id=account_id)
    name = re.sub(r"\s+", " ", name.replace("\x00", "")).strip()
    if not name or len(name) > MAX_NAME:
        raise Invalid(f"Say what it is for, in at most {MAX_NAME} characters. No token was made.")
    wanted = sorted(set(scopes))
    if not wanted or set(wanted) - set(OwnScope.values):
        raise Invalid("Choose what it may do, of what is offered. No token was made.")
    if days not in DAYS:
        raise Invalid(f"A token lasts {', '.join(map(str, DAYS))} days. No token was made.")
    if OwnScope.CONFIRM in wanted and days > CONFIRM_HOURS / 24:
        raise Invalid(f"A token that confirms lasts {CONFIRM_HOURS} hours at most: choose 1 day. No token was made.")
    with transaction.atomic():
        # Whoever presses twice at once is counted one after the other.
        account = Account.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(pk=account_id)
        if live(actor, account_id).count() >= MOST:
            raise Conflict(f"You have {MOST} tokens. End one that you do not need; no token was made.")
        now = database_time.now()
        until = now + timedelta(days=days)
        token, plain = tokens.store(
            account=account, user=actor, name=name, scopes=wanted, created_at=now, expires_at=until
        )
        audit.record(
            audit.Kind.OWN_TOKEN_MADE,
            actor=actor,
            about=token,
            data={"what": ", ".join(wanted), "until": f"{until:%Y-%m-%d %H:%M} UTC"},
        )
    return token, plain


def end(*, token_id: uuid.UUID, actor: User, account_id: uuid.UUID) -> None:
    """It opens nothing from now on. Ending one twice is ending it once.

    Raises ServiceToken.DoesNotExist (404: also somebody else's).
    """
    with transaction.atomic():
        mine = ServiceToken.objects.select_for_update(of=("self",)).filter(account_id=account_id, user=actor)
        token = mine.get(pk=token_id)
        if token.revoked_at is None:
            token.revoked_at = database_time.now()
            token.save(update_fields=["revoked_at"])
            audit.record(audit.Kind.OWN_TOKEN_ENDED, actor=actor, about=token)


def forget(*, account_id: uuid.UUID, person_id: uuid.UUID, dry_run: bool) -> int:
    """A person asked to be forgotten: their tokens end, and nobody knows any more what they called them. How many there are."""
    theirs = ServiceToken.objects.filter(account_id=account_id, user=person_id).exclude(name="")
    if dry_run:
        return theirs.count()
    theirs.filter(revoked_at__isnull=True).update(revoked_at=database_time.now())
    return theirs.update(name="")


def live(person: User, account_id: uuid.UUID) -> models.QuerySet[ServiceToken]:
    """Those that open something, the newest first."""
    mine = ServiceToken.objects.filter(account_id=account_id, user=person, revoked_at__isnull=True)
    return mine.filter(expires_at__gt=database_time.now()).order_by("-created_at", "-pk")
