"""Tokens of the internal API: `cs_<12-character key>_<43-character secret>`, shown once, stored as SHA-256 of the secret.

A secret of 256 random bits needs no slow hash; it is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import caches
from django.db import models, transaction

from conversations import audit
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.models import Account, AuditEvent, ServiceToken, User
from conversations.people.roles import Verb, check
from conversations.tenancy import service_token_by_key

_TOKEN = re.compile(r"cs_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


class Scope(models.TextChoices):
    READ_CONVERSATIONS = "conversations:read"
    WRITE_MESSAGES = "messages:write"
    MANAGE_CONVERSATIONS = "conversations:manage"
    READ_CONFIGURATION = "configuration:read"


@dataclass(frozen=True, slots=True)
class Caller:
    """A service that proved its token, or a person who proved one of their own: `person` says who, `role` what they are now."""

    token_id: uuid.UUID
    account_id: uuid.UUID
    name: str
    scopes: frozenset[str]
    person: uuid.UUID | None = None
    role: str = ""
    factor_missing: bool = False  # the account wants a second factor that this person does not have

    @property
    def actor(self) -> audit.Actor:
        return audit.Actor(AuditEvent.ActorType.SERVICE, self.name, str(self.token_id))


def issue(
    *, account: Account, name: str, scopes: Sequence[str], actor: User | audit.Actor, expires_at: datetime | None = None
) -> tuple[ServiceToken, str]:
    """A new token and its plain text, which is shown this once and never stored.

    Raises PermissionDenied (403), Invalid (422: no or unknown scopes).
    """
    if isinstance(actor, User):
        check(actor, Verb.MANAGE, account_id=account.pk)
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise Invalid(f"Scopes are {', '.join(Scope.values)}. No token was issued.")
    with transaction.atomic():
        token, plain = store(account=account, name=name, scopes=sorted(set(scopes)), expires_at=expires_at)
        audit.record(audit.Kind.TOKEN_ISSUED, actor=actor, about=token, data={"name": name, "scopes": sorted(scopes)})
    return token, plain


def store(**fields: Any) -> tuple[ServiceToken, str]:
    """The row of a new token and its plain text, of which the row has a digest alone. Who may, the caller has asked."""
    key = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    token = ServiceToken.objects.create(key=key, secret_hash=hashlib.sha256(secret.encode()).hexdigest(), **fields)
    return token, f"cs_{key}_{secret}"


def revoke(*, token: ServiceToken, actor: User) -> None:
    """From now on the token opens nothing: a service's, or one of a person.

    Raises PermissionDenied (403).
    """
    check(actor, Verb.MANAGE, account_id=token.account_id)
    with transaction.atomic():
        if ServiceToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=database_time.now()):
            name = f"of {token.user.name}" if token.user else token.name
            audit.record(audit.Kind.TOKEN_REVOKED, actor=actor, about=token, data={"name": name})


def read(header: str) -> Caller | None:
    """The caller that an `Authorization: Bearer` header proves; None for anything else, in the same time."""
    scheme, _, value = header.partition(" ")
    found = _TOKEN.fullmatch(value.strip()) if scheme.lower() == "bearer" else None
    key, secret = found.groups() if found else ("", "")
    row = service_token_by_key(key) if key else None
    stored = row["secret_hash"] if row else "0" * 64
    right = hmac.compare_digest(stored, hashlib.sha256(secret.encode()).hexdigest())
    if row is None or not right or row["revoked_at"] or (row["expires_at"] and row["expires_at"] < database_time.now()):
        return None
    if row["user_id"] and not row["role"]:
        return None  # whose it is, is nobody here
    scopes = json.loads(row["scopes"]) if isinstance(row["scopes"], str) else row["scopes"]
    caller = Caller(row["id"], row["account_id"], row["name"], frozenset(scopes))
    return replace(caller, person=row["user_id"], role=row["role"] or "", factor_missing=row["factor_missing"])


def touch(caller: Caller) -> None:
    """Remember the use, at most once a minute; the caller is in the tenant."""
    if not caches["process"].add(f"token:used:{caller.token_id}", True, timeout=60):
        return  # this process has just written it
    a_minute_ago = database_time.now() - timedelta(minutes=1)
    stale = models.Q(last_used_at__isnull=True) | models.Q(last_used_at__lt=a_minute_ago)
    ServiceToken.objects.filter(stale, pk=caller.token_id).update(last_used_at=database_time.now())
