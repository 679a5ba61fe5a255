"""Whose mail an address brings in, as the operator of the installation sees it (docs/decisions/0024).

The runtime role has no right on the claims: these act as the owner, from a command line that has that role's password.
"""

from __future__ import annotations

import uuid

from django.db import connections, transaction

from conversations import audit
from conversations.channels.addresses import mailbox_of, normal_address
from conversations.channels.registry import types_by_address
from conversations.errors import Conflict, Invalid
from conversations.models import Account, AuditEvent
from conversations.tenancy import account_directory, tenant_context

OWNER = "owner"
OPERATOR = audit.Actor(AuditEvent.ActorType.SYSTEM, "The operator of this installation", "operator")
#: What an admin reads who may not use an address: one answer for every reason.
UNUSABLE = (
    "This address cannot be used. If it is yours, ask the operator of this installation to give it to your account. "
    "Nothing was saved."
)


def claims() -> list[tuple[str, str]]:
    """Every claimed mailbox with its account's short name, "" where it is contested."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            "SELECT k.mailbox, coalesce(a.slug, '') FROM mail_address_claim k"
            " LEFT JOIN conversations_account a ON a.id = k.account_id ORDER BY 1"
        )
        return [(str(mailbox), str(slug)) for mailbox, slug in cursor.fetchall()]


def release(*, address: str, reason: str) -> None:
    """Nobody has the address any more: the next account whose active channel names it gets it.

    Raises Invalid for what is no address or nobody's, Conflict while an active channel of its account still has it.
    """
    mailbox = _mailbox(address)
    with transaction.atomic(using=OWNER):
        found, holder = _holder(mailbox)
        if not found:
            raise Invalid(f"Nobody has claimed {mailbox}. Nothing was changed.")
        _refuse_in_use(mailbox, holder)
        _execute("DELETE FROM mail_address_claim WHERE mailbox = %s", mailbox)
    _tell(audit.Kind.ADDRESS_RELEASED, holder, mailbox, reason)


def give(*, address: str, slug: str, reason: str) -> None:
    """The address is this account's from now on, also if nobody or several had it. Raises as `release`, and Invalid for an
    unknown account."""
    mailbox = _mailbox(address)
    account = next((entry["id"] for entry in account_directory() if entry["slug"] == slug), None)
    if account is None:
        raise Invalid(f"There is no account {slug!r}. Nothing was changed.")
    with transaction.atomic(using=OWNER):
        _, holder = _holder(mailbox)
        if holder != account:
            _refuse_in_use(mailbox, holder)
        _execute(
            "INSERT INTO mail_address_claim (mailbox, account_id) VALUES (%s, %s)"
            " ON CONFLICT (mailbox) DO UPDATE SET account_id = excluded.account_id, claimed_at = now()",
            mailbox,
            account,
        )
    if holder != account:
        _tell(audit.Kind.ADDRESS_RELEASED, holder, mailbox, reason)
    _tell(audit.Kind.ADDRESS_GIVEN, account, mailbox, reason)


def _mailbox(address: str) -> str:
    normal = normal_address(address)
    if not normal:
        raise Invalid(f"{address!r} is not an address. Nothing was changed.")
    return mailbox_of(normal)


def _holder(mailbox: str) -> tuple[bool, uuid.UUID | None]:
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT account_id FROM mail_address_claim WHERE mailbox = %s FOR UPDATE", [mailbox])
        row = cursor.fetchone()
    return (row is not None, row[0] if row else None)


def _refuse_in_use(mailbox: str, holder: uuid.UUID | None) -> None:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            "SELECT name FROM conversations_channel WHERE account_id = %s AND type = ANY(%s) AND is_active"
            " AND %s IN (mail_mailbox(mail_address(external_id)), mail_mailbox(mail_address(metadata ->> 'address')))",
            [holder, [str(type_) for type_ in types_by_address()], mailbox],
        )
        row = cursor.fetchone()
    if row:
        raise Conflict(f"An active channel of its account still has {mailbox}: {row[0]}. Have it switched off first.")


def _execute(sql: str, *params: str | uuid.UUID) -> None:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(sql, params)


def _tell(kind: audit.Kind, account: uuid.UUID | None, mailbox: str, reason: str) -> None:
    if account is None:
        return
    with tenant_context(account, durable=True):
        about = Account.objects.get(pk=account)
        data = {"address": mailbox, "reason": reason[:200]}
        audit.record(kind, actor=OPERATOR, about=about, account=account, data=data)
