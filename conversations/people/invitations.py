"""Inviting somebody into an account, and what the invited makes of it (docs/decisions/0020).

An invitation is for one membership and goes to one address. What an admin does here never reads, sets or tells anything of
the person who may be behind that address: the answer is the same for everybody. Only the invited decides who they are: an
existing person by signing in as themselves, a new one by choosing a password.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Sum

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.jobs import wake
from conversations.models import Account, AuditEvent, Channel, Invitation, Membership, Role, User
from conversations.people import addresses, members
from conversations.people.letters import address_of, can_send, letter
from conversations.people.roles import role_of
from conversations.tenancy import create_account, invitation_by_digest, tenant_context

DAYS = 7
MAX_OPEN = 200  # for one account: nobody fills the world's mailboxes from here
AGAIN_AFTER = timedelta(minutes=1)
MAX_AN_HOUR = 60  # mails of one account
MAX_A_DAY = 5  # mails of one account to one address
TASK = "conversations.mail_invitation"
WHAT_A_ROLE_DOES = {
    Role.AGENT: "you approve drafts whose every statement has a source, and send the rest to a reviewer",
    Role.REVIEWER: "you read drafts of replies to customers, correct and approve them",
    Role.ADMIN: "you set up channels, people and rules, and decide drafts",
    Role.AUDITOR: "you read everything and change nothing",
}


class Gone(Conflict):
    """The link opens nothing (404): it is not one of ours, was used, withdrawn or replaced, or its seven days are over."""

    status = 404

    def __init__(self) -> None:
        super().__init__("This link opens nothing any more.")


class SomebodyElse(Conflict):
    """The address is not this person's, or not proven to be theirs."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An invitation on its way. `token` is there only where no mail can be sent: it is shown once and kept nowhere."""

    invitation: Invitation
    token: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the holder of a link may know of the invitation behind it."""

    account_id: uuid.UUID
    invitation_id: uuid.UUID
    account: str
    address: str
    role: Role
    by: str
    by_address: str
    is_shown: bool
    expires_at: datetime


def invite(*, account_id: uuid.UUID, address: str, role: Role, actor: User, channels: Sequence[uuid.UUID] = ()) -> Sent:
    """Invite whoever has this address to take up a role. Admins of the account, or the platform where it has none.

    Raises PermissionDenied (403), Invalid (422), Conflict (409) if the address is a member's or is invited already.
    """
    wanted = addresses.fold(address)
    try:
        validate_email(wanted)
    except ValidationError as error:
        raise Invalid("That is not an email address. Nobody was invited.") from error
    if len(wanted) > 254:  # RFC 3696 errata 1690: no longer path can be mailed to
        raise Invalid("That is longer than email addresses are. Nobody was invited.")
    with tenant_context(account_id):
        _may_invite(account_id, actor, role)
        # One at a time for an account: two admins do not invite the same address, and the limit holds.
        Account.objects.select_for_update(of=("self",)).get(pk=account_id)
        if Membership.objects.shown_as(wanted).filter(is_active=True).exists():
            raise Conflict(f"{wanted} is a member of this account already. Change their role instead.")
        before = Invitation.objects.open().filter(address=wanted).first()
        if before is not None:
            if Invitation.objects.live().filter(pk=before.pk).exists():
                raise Conflict(f"{wanted} is invited already. Send that invitation again, or withdraw it first.")
            members.withdraw(before, actor=actor)
        if role_of(actor, account_id) != Role.ADMIN:
            # The platform names another first admin: a link that went to a wrong address makes nobody admin any more.
            for other in Invitation.objects.open().filter(role=Role.ADMIN).select_for_update(of=("self",)):
                members.withdraw(other, actor=actor)
        if Invitation.objects.live().count() >= MAX_OPEN:
            raise Invalid(f"{MAX_OPEN} invitations are open. Withdraw some of them first; nobody was invited.")
        kept_to = _channels_of(account_id, role, channels)
        now = database_time.now()
        _is_within_limits(wanted, now)
        invitation = Invitation.objects.create(
            account_id=account_id, address=wanted, role=role, channels=kept_to, invited_by=actor,
            sent_at=now, expires_at=now + timedelta(days=DAYS),
        )  # fmt: skip
        _record(audit.Kind.INVITATION_SENT, invitation, actor)
        return _send(invitation)


def resend(*, account_id: uuid.UUID, invitation_id: uuid.UUID, actor: User) -> Sent:
    """Send it again, with a new link and seven new days; the old link opens nothing from now on.

    Raises Invitation.DoesNotExist (404), PermissionDenied (403), Conflict (409) if it is closed or was just sent.
    """
    with tenant_context(account_id):
        invitation = Invitation.objects.select_for_update(of=("self",)).get(account_id=account_id, pk=invitation_id)
        _may_invite(account_id, actor, Role(invitation.role))
        _is_open(invitation)
        now = database_time.now()
        if now - invitation.sent_at < AGAIN_AFTER:
            raise Conflict("It was sent less than a minute ago. Wait a moment; the link that was sent stays good.")
        _is_within_limits(invitation.address, now)
        invitation.round += 1
        invitation.sent_at, invitation.expires_at = now, now + timedelta(days=DAYS)
        invitation.token_digest, invitation.mailed_at, invitation.invited_by = "", None, actor
        invitation.save(
            update_fields=["round", "sent_at", "expires_at", "token_digest", "mailed_at", "invited_by"],
        )
        _record(audit.Kind.INVITATION_RESENT, invitation, actor)
        return _send(invitation)


def revoke(*, account_id: uuid.UUID, invitation_id: uuid.UUID, actor: User) -> Invitation:
    """Withdraw it: its link opens nothing from now on. Raises Invitation.DoesNotExist (404), Conflict (409)."""
    with tenant_context(account_id):
        invitation = Invitation.objects.select_for_update(of=("self",)).get(account_id=account_id, pk=invitation_id)
        _may_invite(account_id, actor, Role(invitation.role))
        _is_open(invitation)
        return members.withdraw(invitation, actor=actor)


def found_account(*, name: str, slug: str, timezone: str, admin_address: str, actor: User) -> tuple[Account, Sent]:
    """A new tenant whose first admin is invited. The platform operator does not become a member of it.

    Raises PermissionDenied (403) for everybody else, ValueError for a short name that is taken.
    """
    if not actor.is_superuser:
        raise PermissionDenied("Only platform operators create tenants. Nothing was created.")
    with transaction.atomic():
        account = create_account(name=name, slug=slug, timezone=timezone, actor=actor, is_set_up=False)
        return account, invite(account_id=account.pk, address=admin_address, role=Role.ADMIN, actor=actor)


def offer_of(token: str) -> Offer:
    """What this link offers. Raises Gone (404), the same for every link that opens nothing."""
    found = invitation_by_digest(_digest(token)) if token else None
    if found is None:
        raise Gone
    with tenant_context(found["account_id"]):
        row = Invitation.objects.select_related("invited_by", "account").get(pk=found["invitation_id"])
        return Offer(
            account_id=row.account_id,
            invitation_id=row.pk,
            account=row.account.name,
            address=row.address,
            role=Role(row.role),
            by=row.invited_by.name,
            by_address=row.invited_by.email,
            is_shown=row.is_shown,
            expires_at=row.expires_at,
        )


def is_for(offer: Offer, user: User) -> bool:
    """Whether this person may take it up as themselves.

    A mailed invitation is for who has proven its address. Where no mail can be sent nobody can prove one: there the one
    who says that the address is theirs may too, which gives them no more than the link itself gives to its holder.
    """
    if addresses.has_proven(user, offer.address):
        return True
    return offer.is_shown and addresses.says_is_own(user, offer.address)


def accept(*, token: str, actor: User) -> Membership:
    """A person who is signed in takes up the membership. Nothing of theirs changes.

    Raises Gone (404), SomebodyElse (409) if the address is not theirs, Conflict (409) if they are a member already.
    """
    offer = offer_of(token)
    with tenant_context(offer.account_id):
        invitation = _locked(offer, token)
        if not is_for(offer, actor):
            raise SomebodyElse(f"This invitation is for {offer.address}, which is not proven to be yours.")
        return _taken(invitation, actor)


def accept_as_new(*, token: str, name: str, password: str) -> User:
    """Somebody new chooses a name and a password, and takes up the membership.

    The mailed link proves the address that it was mailed to; one that was shown on screen proves nothing.
    Raises Gone (404), SomebodyElse (409) if the address is proven to be an existing person's: they sign in instead;
    ValidationError for a password that is too weak.
    """
    offer = offer_of(token)
    user = User(email=offer.address, display_name=" ".join(name.split())[:120])
    validate_password(password, user)
    user.set_password(password)  # slow, so before any row is locked
    with tenant_context(offer.account_id):
        invitation = _locked(offer, token)
        if not offer.is_shown and addresses.person_with(offer.address) is not None:
            raise SomebodyElse("You have an account already. Sign in as yourself to accept.")
        user.save(force_insert=True)
        if offer.is_shown:
            addresses.claim(user, offer.address)
        else:
            addresses.prove(user, offer.address)
        _taken(invitation, user)
    return user


def decline(*, token: str) -> Invitation:
    """The holder of the link wants none of it. Raises Gone (404)."""
    offer = offer_of(token)
    with tenant_context(offer.account_id):
        invitation = _locked(offer, token)
        invitation.declined_at, invitation.token_digest = database_time.now(), ""
        invitation.save(update_fields=["declined_at", "token_digest"])
        invited = audit.Actor(AuditEvent.ActorType.SYSTEM, invitation.address[:120], "invited")
        _record(audit.Kind.INVITATION_DECLINED, invitation, invited)
    return invitation


def mail(*, account_id: uuid.UUID, invitation_id: uuid.UUID, round: int) -> str:
    """The worker's turn: make this round's link, keep its digest, send the mail. Harmless twice: the last link counts."""
    with tenant_context(account_id):
        rows = Invitation.objects.live().select_for_update(of=("self",))
        invitation = rows.select_related("invited_by", "account").filter(pk=invitation_id, round=round).first()
        if invitation is None or invitation.mailed_at is not None or not can_send():
            return "nothing to do"
        token = _new_link(invitation, is_shown=False)
        message = letter(
            "invite", to=invitation.address, account=invitation.account.name, by=invitation.invited_by.name,
            by_address=invitation.invited_by.email, role=Role(invitation.role), until=invitation.expires_at,
            does=WHAT_A_ROLE_DOES[Role(invitation.role)], link=address_of(f"/invitations/{token}/"),
        )  # fmt: skip
    message.send()  # outside the transaction; a failure is the job's, which is tried again
    with tenant_context(account_id):
        Invitation.objects.filter(pk=invitation_id, round=round).update(mailed_at=database_time.now())
    return "sent"


def _may_invite(account_id: uuid.UUID, actor: User, role: Role) -> None:
    """Admins only, whatever rules the account has: who lets people in could make themselves anything."""
    has_admin = Membership.objects.filter(account_id=account_id, role=Role.ADMIN, is_active=True).exists()
    if actor.is_superuser and role == Role.ADMIN and not has_admin:
        return  # the first admin of a tenant, or the next one when the last is gone
    if role_of(actor, account_id) != Role.ADMIN:
        raise PermissionDenied("Only an admin of this account invites people. Nobody was invited.")


def _is_within_limits(address: str, now: datetime) -> None:
    """Whoever is admin of an account fills nobody's mailbox, whatever they withdraw between. For the account's lock."""
    sent = Invitation.objects.filter(sent_at__gt=now - timedelta(hours=1)).aggregate(count=Sum("round"))["count"] or 0
    there = Invitation.objects.filter(address=address, sent_at__gt=now - timedelta(days=1))
    if sent >= MAX_AN_HOUR:
        raise Invalid(f"{MAX_AN_HOUR} invitations were sent within the hour. Wait a while; nobody was invited.")
    if (there.aggregate(count=Sum("round"))["count"] or 0) >= MAX_A_DAY:
        raise Invalid(f"{address} was sent {MAX_A_DAY} invitations since yesterday. Nothing more was sent there.")


def _channels_of(account_id: uuid.UUID, role: Role, channels: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    if role != Role.AGENT:
        return []  # the other roles see every channel
    known = set(Channel.objects.filter(account_id=account_id, pk__in=channels).values_list("pk", flat=True))
    if known != set(channels):
        raise Invalid("One of these channels is not in this account. Nobody was invited.")
    return sorted(known)


def _is_open(invitation: Invitation) -> None:
    if invitation.accepted_at or invitation.declined_at or invitation.revoked_at:
        raise Conflict("This invitation was answered or withdrawn meanwhile. Nothing was changed.")


def _send(invitation: Invitation) -> Sent:
    """By mail, from a worker after the commit; where none can be sent, by a link that the caller shows once."""
    if can_send():
        wake(
            TASK, queue="letters", account_id=invitation.account_id, invitation_id=invitation.pk, round=invitation.round
        )
        return Sent(invitation)
    return Sent(invitation, _new_link(invitation, is_shown=True))


def _new_link(invitation: Invitation, *, is_shown: bool) -> str:
    token = secrets.token_urlsafe(32)
    invitation.token_digest, invitation.is_shown = _digest(token), is_shown
    invitation.save(update_fields=["token_digest", "is_shown"])
    return token


def _digest(token: str) -> str:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _locked(offer: Offer, token: str) -> Invitation:
    """The invitation, for this transaction alone, if the link still opens it now. Raises Gone (404)."""
    rows = Invitation.objects.live().select_for_update(of=("self",))
    found = rows.filter(pk=offer.invitation_id, token_digest=_digest(token)).first()
    if found is None:
        raise Gone
    return found


def _taken(invitation: Invitation, user: User) -> Membership:
    membership = members.join(invitation=invitation, user=user)
    invitation.accepted_at, invitation.accepted_by = database_time.now(), user
    invitation.token_digest = ""
    invitation.save(update_fields=["accepted_at", "accepted_by", "token_digest"])
    _record(audit.Kind.INVITATION_ACCEPTED, invitation, user)
    return membership


def _record(kind: audit.Kind, invitation: Invitation, actor: User | audit.Actor) -> None:
    data = {"address": invitation.address, "role": invitation.role, "round": invitation.round}
    audit.record(kind, actor=actor, about=invitation, data=data)
