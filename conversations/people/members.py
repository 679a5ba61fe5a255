"""Who belongs to an account and as what; and how people sign in: nobody signs up, an admin invites."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import Account, Channel, Invitation, Membership, MembershipChannel, Role, User
from conversations.people import addresses
from conversations.people.proofs import ProvenAddresses
from conversations.people.roles import role_of
from conversations.people.signin import CountedAdapter
from conversations.tenancy import memberships_of, tenant_context


class InvitedOnlyAdapter(ProvenAddresses, CountedAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The desk; for the platform's operators, who have none, their tenants; for admins of a new account its set-up."""
        user = request.user
        assert isinstance(user, User)
        own = memberships_of(user)
        if user.is_superuser and not own:
            return reverse("admin:tenants")
        if own and own[0]["role"] == Role.ADMIN and is_to_be_set_up(own[0]["account_id"]):
            return reverse("admin:setup")
        url: str = super().get_login_redirect_url(request)
        return url


def is_to_be_set_up(account_id: uuid.UUID) -> bool:
    with tenant_context(account_id):
        return Account.objects.filter(pk=account_id, set_up_at=None).exists()


class InvitedOnlySocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def authenticate_by_email(self, sociallogin: Any) -> None:
        """allauth's own way to match by address takes unproven ones too. Ours is below, whatever is set."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect the provider's subject to the person who has proven an address that the provider vouches for.

        A person who only says that the address is theirs is nobody to join (docs/decisions/0021).
        """
        vouched = {addresses.fold(address.email) for address in sociallogin.email_addresses if address.verified}
        if sociallogin.is_existing:
            for address in vouched:
                if addresses.says_is_own(sociallogin.user, address):
                    addresses.prove(sociallogin.user, address)
            return
        if request.user.is_authenticated:
            return  # they add it to their own account: allauth asks for that, and connects it to nobody else
        owners = {owner.pk: owner for address in sorted(vouched) if (owner := addresses.person_with(address))}
        if len(owners) != 1:
            return  # nobody, or two people: which of them, the provider cannot say
        person = next(iter(owners.values()))
        if person.is_active:
            sociallogin.connect(request, person)
            person.auth_provider, person.auth_subject = sociallogin.account.provider, sociallogin.account.uid
            person.save(update_fields=["auth_provider", "auth_subject"])


def join(*, invitation: Invitation, user: User) -> Membership:
    """The membership that this invitation offers becomes the person's. The caller closes the invitation.

    Raises Conflict (409) if they are a member already: an invitation does not change the role of one.
    """
    if Membership.objects.filter(account_id=invitation.account_id, user=user, is_active=True).exists():
        raise Conflict("You are a member of this account already, and stay what you are in it. Nothing was changed.")
    membership, _ = Membership.objects.update_or_create(
        account_id=invitation.account_id, user=user, defaults={"role": invitation.role, "is_active": True}
    )
    _record_member(membership, actor=user)
    _keep_to(membership, invitation.channels, actor=user)
    return membership


def withdraw(invitation: Invitation, *, actor: User | audit.Actor) -> Invitation:
    """Close an open invitation of the caller's transaction: its link opens nothing from now on."""
    invitation.revoked_at, invitation.token_digest = database_time.now(), ""
    invitation.save(update_fields=["revoked_at", "token_digest"])
    data = {"address": invitation.address, "role": invitation.role}
    audit.record(audit.Kind.INVITATION_REVOKED, actor=actor, about=invitation, data=data)
    return invitation


def _admin_only(account_id: uuid.UUID, actor: User | audit.Actor) -> None:
    if isinstance(actor, User) and role_of(actor, account_id) != Role.ADMIN:
        raise PermissionDenied("Only an admin of this account changes its people. Nothing was changed.")


def set_role(
    *, account_id: uuid.UUID, user: User, role: Role, actor: User | audit.Actor, is_active: bool = True
) -> Membership:
    """Give a member another role in an account, or switch them off there. An account keeps at least one active admin.

    Who is switched off comes back by no link that was sent before, and neither does whom they invited while they were admin.
    Raises PermissionDenied (403), Membership.DoesNotExist (404), Invalid (422).
    """
    with transaction.atomic():
        _admin_only(account_id, actor)
        rows = {
            row.user_id: row for row in Membership.objects.select_for_update(of=("self",)).filter(account_id=account_id)
        }
        if user.pk not in rows:
            raise Membership.DoesNotExist
        if isinstance(actor, User) and actor.pk == user.pk:
            raise Invalid("Your own role is changed by another admin. Nothing was changed.")
        admins = {row.user_id for row in rows.values() if row.role == Role.ADMIN and row.is_active}
        if admins == {user.pk} and (role != Role.ADMIN or not is_active):
            raise Invalid("Somebody must stay admin. Name another first. Nothing was changed.")
        membership = rows[user.pk]
        membership.role, membership.is_active = role, is_active
        membership.save(update_fields=["role", "is_active"])
        _record_member(membership, actor=actor)
        waiting = Invitation.objects.open().filter(account_id=account_id).select_for_update(of=("self",))
        for invitation in waiting:
            is_theirs = not is_active and addresses.says_is_own(user, invitation.address)
            is_by_them = invitation.invited_by_id == user.pk and (role != Role.ADMIN or not is_active)
            if is_theirs or is_by_them:
                withdraw(invitation, actor=actor)
    return membership


def _record_member(membership: Membership, *, actor: User | audit.Actor) -> None:
    role = Role(membership.role).value if membership.is_active else "switched off"
    audit.record(
        audit.Kind.MEMBER_CHANGED, actor=actor, about=membership, data={"person": membership.user.name, "role": role}
    )


def set_channels(
    *, account_id: uuid.UUID, user: User, channels: Sequence[uuid.UUID], actor: User | audit.Actor
) -> list[Channel]:
    """Keep an agent to these channels; none: all of them. The other roles see every channel whatever is set here.

    Raises PermissionDenied (403), Membership.DoesNotExist (404), Invalid (422) for a channel that the account does not have.
    """
    with transaction.atomic():
        _admin_only(account_id, actor)
        membership = Membership.objects.select_for_update(of=("self",)).get(account_id=account_id, user=user)
        return _keep_to(membership, channels, actor=actor)


def _keep_to(membership: Membership, channels: Sequence[uuid.UUID], *, actor: User | audit.Actor) -> list[Channel]:
    account_id = membership.account_id
    wanted = list(Channel.objects.filter(account_id=account_id, pk__in=channels).order_by("name", "pk"))
    if len(wanted) != len(set(channels)):
        raise Invalid("One of these channels is not in this account. Nothing was changed.")
    own = MembershipChannel.objects.filter(membership=membership)
    if set(own.values_list("channel_id", flat=True)) == {channel.pk for channel in wanted}:
        return wanted
    own.delete()
    MembershipChannel.objects.bulk_create(
        MembershipChannel(account_id=account_id, membership=membership, channel=channel) for channel in wanted
    )
    audit.record(
        audit.Kind.MEMBER_CHANNELS_SET,
        actor=actor,
        about=membership,
        data={
            "person": membership.user.name,
            "channels": ", ".join(str(channel) for channel in wanted) or "all channels",
            "ids": [str(channel.pk) for channel in wanted],
        },
    )
    return wanted


def channels_of(account_id: uuid.UUID, user_id: uuid.UUID) -> tuple[uuid.UUID, ...]:
    """The channels that this person is kept to in the account; none: all of them."""
    own = MembershipChannel.objects.filter(
        account_id=account_id,
        membership__user_id=user_id,
        membership__role=Role.AGENT,
    )
    return tuple(own.values_list("channel_id", flat=True))
