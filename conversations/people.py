"""How people sign in: nobody signs up; an admin invites. OIDC joins an invited person by a verified address."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.db import transaction
from django.http import HttpRequest

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Channel, Membership, MembershipChannel, Role, User
from conversations.signin import CountedAdapter


class InvitedOnlyAdapter(CountedAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class InvitedOnlySocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect the provider's subject to the invited person whose verified address it presents."""
        if sociallogin.is_existing:
            return
        verified = {address.email.lower() for address in sociallogin.email_addresses if address.verified}
        person = User.objects.filter(email__in=verified, is_active=True).first()
        if person is not None:
            sociallogin.connect(request, person)
            person.auth_provider, person.auth_subject = sociallogin.account.provider, sociallogin.account.uid
            person.save(update_fields=["auth_provider", "auth_subject"])


def invite(*, email: str, name: str = "") -> User:
    """The person with this address, made without a password if they are new."""
    found = User.objects.filter(email__iexact=email.strip()).first()
    return found or User.objects.create_user(email.strip(), None, display_name=name)


def set_role(
    *, account_id: uuid.UUID, user: User, role: Role, actor: User | audit.Actor, is_active: bool = True
) -> Membership:
    """Give a person a role in an account, or switch them off there. An account keeps at least one active admin."""
    with transaction.atomic():
        rows = Membership.objects.select_for_update(of=("self",)).filter(account_id=account_id)
        admins = {row.user_id for row in rows if row.role == Role.ADMIN and row.is_active}
        if admins == {user.pk} and (role != Role.ADMIN or not is_active):
            raise Invalid("An account needs an admin: make somebody else admin first. Nothing was changed.")
        membership, _ = Membership.objects.update_or_create(
            account_id=account_id, user=user, defaults={"role": role, "is_active": is_active}
        )
        audit.record(
            audit.Kind.MEMBER_CHANGED,
            actor=actor,
            about=membership,
            data={"person": user.name, "role": role.value if is_active else "switched off"},
        )
    return membership


def set_channels(
    *, account_id: uuid.UUID, user: User, channels: Sequence[uuid.UUID], actor: User | audit.Actor
) -> list[Channel]:
    """Keep an agent to these channels; none: all of them. The other roles see every channel whatever is set here.

    Raises Invalid (422) for a channel that the account does not have, Membership.DoesNotExist (404).
    """
    with transaction.atomic():
        membership = Membership.objects.select_for_update(of=("self",)).get(account_id=account_id, user=user)
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
                "person": user.name,
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
