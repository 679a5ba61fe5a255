"""Accounts (tenants), the people in them, what each role may do, and the tokens of services."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from conversations.database.guards import TenantIsolation, json_under_64k, one_of, same_account, tenant_guards
from conversations.hours import Hours, hours_of
from conversations.metadata import AccountSettings, Preferences, validate_with
from conversations.models.base import Row, TenantForeignKey, TenantRow


class Account(Row):
    """A tenant. Its row is its own tenant row: `id` plays the part that `account_id` plays elsewhere."""

    name = models.CharField(max_length=200, help_text="In the top bar and in invitations.")
    slug = models.SlugField(max_length=60, help_text="In addresses and commands. It cannot be changed.")
    timezone = models.CharField(
        "time zone",
        max_length=64,
        default="UTC",
        help_text="For due times, reports and the nightly run. People may choose their own for what they see.",
    )
    is_active = models.BooleanField(default=True, help_text="Off: nobody works in this account.")
    settings = models.JSONField(default=dict, blank=True, validators=[validate_with(AccountSettings)])
    archive_bodies_after_days = models.PositiveIntegerField(
        "empty texts after",
        default=0,
        help_text="Days from the closing of a conversation. Texts and files go; figures and the trail stay. 0 keeps them.",
    )
    purge_after_days = models.PositiveIntegerField(
        "remove whose they were after",
        default=0,
        help_text="Days from the closing of a conversation. All but the audit skeleton goes, names too. 0 keeps it.",
    )
    expire_sessions_after_days = models.PositiveIntegerField(
        "end practice chats after", default=30, help_text="Days from the last word of a chat with the assistant."
    )
    legal_hold = models.BooleanField(
        default=False,
        help_text="Nothing is emptied or removed, also not on a customer's wish, until you take this off.",
    )
    set_up_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When every step of the set-up was done. Until then its admins are led there.",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            TenantIsolation(name="account_isolation", column="id"),
            json_under_64k("account", "settings"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def options(self) -> AccountSettings:
        return AccountSettings.model_validate(self.settings)

    @property
    def hours(self) -> Hours:
        """When somebody is there."""
        settings = self.settings
        return hours_of(settings.get("business_hours", ""), settings.get("holidays", ""), self.timezone)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """The platform's operator, for whoever has the shell. Raises ValueError if somebody has that name already."""
        if self.filter(email=email.strip().lower()).exists():
            raise ValueError(f"Somebody signs in as {email} already. Nobody was made; choose another address.")
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> User:
        """By a proven address, like every look-up of a person (see `conversations.people.addresses`)."""
        return self.with_address(username or "").get()

    def with_address(self, address: str) -> models.QuerySet[User]:
        """The one person who has proven that this address is theirs, or nobody."""
        return self.filter(emailaddress__email=address.strip().lower(), emailaddress__verified=True)


class User(AbstractBaseUser, PermissionsMixin, Row):
    """A person across accounts. What they may do is on their memberships, never here.

    `email` is the name that they sign in with and are shown under. It is no proof of who they are, and not unique: that is
    an EmailAddress that is verified, of which there is at most one for an address (docs/decisions/0021).
    """

    email = models.EmailField(max_length=254)
    display_name = models.CharField(max_length=120, blank=True)
    auth_provider = models.CharField(max_length=60, default="password", help_text="password, or the OIDC provider")
    auth_subject = models.CharField(max_length=255, blank=True, help_text="the provider's subject for this person")
    preferences = models.JSONField(default=dict, blank=True, validators=[validate_with(Preferences)])
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["auth_provider", "auth_subject"],
                condition=~models.Q(auth_subject=""),
                name="user_subject_unique",
            ),
            json_under_64k("user", "preferences"),
        ]
        indexes: ClassVar = [models.Index(fields=["email"], name="user_by_email")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.display_name or self.email.partition("@")[0]

    def get_short_name(self) -> str:
        return self.name

    @property
    def choices(self) -> Preferences:
        return Preferences.model_validate(self.preferences)


class Role(models.TextChoices):
    AGENT = "agent"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    AUDITOR = "auditor"


class MembershipQuerySet(models.QuerySet["Membership"]):
    def seeing(self, channel_id: uuid.UUID | None) -> MembershipQuerySet:
        """Those who see this channel: everybody but the agents who are kept to others."""
        kept = MembershipChannel.objects.filter(membership=models.OuterRef("pk"))
        own = kept.filter(channel=channel_id)
        return self.filter(~models.Q(role=Role.AGENT) | ~models.Exists(kept) | models.Exists(own))

    def shown_as(self, address: str) -> MembershipQuerySet:
        """Those whom the account's own page shows under this address, proven or not."""
        return self.filter(user__email=address.strip().lower())


class Membership(TenantRow):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.AGENT)
    is_active = models.BooleanField(default=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("membership"),
            models.UniqueConstraint(fields=["account", "user"], name="membership_once"),
            one_of("membership", "role", Role.values),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class MembershipChannel(TenantRow):
    """A channel that an agent sees. A membership without any sees all of them, as every other role does."""

    membership = TenantForeignKey(Membership, on_delete=models.CASCADE, related_name="own_channels", db_index=False)
    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("membershipchannel"),
            models.UniqueConstraint(fields=["account", "membership", "channel"], name="membershipchannel_once"),
            *same_account("membershipchannel", "membership", "channel"),
        ]

    def __str__(self) -> str:
        return str(self.channel)


class PolicyRule(TenantRow):
    """An account's own answer to "may this role do that, to what kind?", over the default in `conversations.people.roles`.

    `kind` narrows an approval: a draft that is all sourced, one with an unsourced statement, one about money; for
    other verbs it is `any`, or `proposed`: what an assistant proposed and a person confirms.
    """

    class Kind(models.TextChoices):
        ANY = "any"
        SOURCED = "sourced"
        UNSOURCED = "unsourced"
        MONEY = "money"
        PROPOSED = "proposed"

    role = models.CharField(max_length=20, choices=Role.choices)
    verb = models.CharField(max_length=40)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.ANY)
    allowed = models.BooleanField(default=False)
    four_eyes = models.BooleanField(
        default=False,
        help_text="The one who wrote or edited the text may not approve it; of a proposal, a second person signs.",
    )

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("policyrule"),
            models.UniqueConstraint(fields=["account", "role", "verb", "kind"], name="policyrule_once"),
            one_of("policyrule", "role", Role.values),
            one_of("policyrule", "kind", ["any", "sourced", "unsourced", "money", "proposed"]),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.verb} {self.kind}: {'yes' if self.allowed else 'no'}"


#: What a person's own token can be good for; a service's token has none of these, and a person's no other.
OWN_SCOPES = ("assistant:read", "assistant:write", "assistant:confirm", "practice:read")
CONFIRMS, CONFIRM_HOURS = "assistant:confirm", 24


class ServiceToken(TenantRow):
    """A key to the internal API: `cs_<key>_<secret>`; only the secret's SHA-256 is stored.

    Of a service, or of the person `user`, who made it for what they do themselves: it has an end, and the database ends it
    sooner with their password, their role or their membership (`own_tokens_end`).
    """

    user = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False, editable=False
    )
    name = models.CharField(max_length=120)
    key = models.CharField(max_length=16, editable=False, validators=[RegexValidator(r"^[a-z0-9]{12}$")])
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("servicetoken"),
            models.UniqueConstraint(fields=["account", "key"], name="servicetoken_key"),
            json_under_64k("servicetoken", "scopes"),
            models.CheckConstraint(
                condition=(models.Q(user__isnull=True) & ~models.Q(scopes__has_any_keys=OWN_SCOPES))
                | models.Q(user__isnull=False, expires_at__isnull=False, scopes__contained_by=list(OWN_SCOPES)),
                name="servicetoken_of_a_service_or_a_person",
            ),
            models.CheckConstraint(
                condition=~models.Q(scopes__has_key=CONFIRMS)
                | models.Q(expires_at__lte=models.F("created_at") + timedelta(hours=CONFIRM_HOURS)),
                name="servicetoken_confirms_for_a_day",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["key"], name="servicetoken_by_key"),
            models.Index(fields=["user"], name="servicetoken_of_a_person", condition=models.Q(user__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name


SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]
