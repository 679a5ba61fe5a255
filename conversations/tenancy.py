"""Which tenant and which person this transaction belongs to: the one mechanism for requests, tasks, commands, the admin.

The database decides what is visible, by `app.account_id`, set for one transaction only (`set_config(..., true)`), so a
pooled connection cannot carry it into another request. Forgetting to enter a tenant gives no rows, never all rows.
`app.user_id` goes with it: what is private to a person exists only where the transaction names that person.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from conversations import factors
from conversations.channels.addresses import normal_address
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.models import Account, Role, User
from conversations.visible import ALL, Visible, kept_to
from conversations.web import logs

SETTING = "app.account_id"
PERSON_SETTING = "app.user_id"
SESSION_KEY = "account_id"
GRANT_KEY = "platform_grant"


@contextlib.contextmanager
def tenant_context(
    account_id: uuid.UUID | str,
    *,
    person: uuid.UUID | None = None,
    read_only: bool = False,
    durable: bool = False,
) -> Iterator[None]:
    """One transaction (or a savepoint of the caller's) in which the rows of one account exist, and what is private to
    `person`, if one is named: whoever is named outside of it is not named inside.

    Leaving it restores the outer tenant and person; after an error the rollback does. `read_only` lets the database itself refuse
    every write; it needs to be the outermost context. `durable` promises that what was written is committed when the
    block is left, and raises RuntimeError inside another transaction, which could still take it back.
    """
    nested = connection.in_atomic_block
    named = (str(account_id), str(person or ""))
    with logs.of_account(account_id), transaction.atomic(durable=durable):
        with connection.cursor() as cursor:
            if read_only:
                cursor.execute("SET TRANSACTION READ ONLY")
            asked = database_time.timer()
            cursor.execute(
                "SELECT coalesce(current_setting(%s, true), ''), coalesce(current_setting(%s, true), ''),"
                " set_config(%s, %s, true), set_config(%s, %s, true), clock_timestamp()",
                [SETTING, PERSON_SETTING, SETTING, named[0], PERSON_SETTING, named[1]],
            )
            *before, _, _, at = cursor.fetchone()
            database_time.learn(at, asked=asked)
        yield
        # The end of the transaction forgets both by itself.
        if nested and tuple(before) != named:
            _name(*before)


def _name(account_id: object = "", person: object = "") -> None:
    """Name the tenant and the person of this transaction; nobody, if not given."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(%s, %s, true), set_config(%s, %s, true)",
            [SETTING, str(account_id), PERSON_SETTING, str(person)],
        )


def current_account_id() -> uuid.UUID | None:
    """The tenant of this transaction, as the database sees it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nullif(current_setting(%s, true), '')", [SETTING])
        found = cursor.fetchone()[0]
    return uuid.UUID(found) if found else None


def _ask(sql: str, *params: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def memberships_of(user: User) -> list[dict[str, Any]]:
    """The accounts a person may enter: account_id, slug, name, role."""
    return _ask("SELECT * FROM memberships_of(%s)", user.pk)


def account_directory() -> list[dict[str, Any]]:
    """Every account's id, slug, name and whether it is active: what work across tenants loops over."""
    return _ask("SELECT * FROM account_directory()")


def channels_at(address: str) -> list[dict[str, Any]]:
    """The active mail channels that this address brings mail to: account_id, slug, channel_id. Never by name or id."""
    return _ask("SELECT * FROM channel_by_address(%s)", normal_address(address))


def address_is_usable(address: str) -> bool:
    """Whether a mail channel of this transaction's tenant may use the address. "No" has one form for every reason."""
    return bool(_ask("SELECT mail_address_usable(%s) AS usable", normal_address(address))[0]["usable"])


def channel_by_hook(digest: str) -> dict[str, Any] | None:
    """The account_id and channel_id that an address of vendors' posts belongs to, by the digest of its token."""
    return next(iter(_ask("SELECT * FROM channel_by_hook(%s)", digest)), None)


def service_token_by_key(key: str) -> dict[str, Any] | None:
    """The token with this public half; of a person's own also who they are in its account, where they are anybody."""
    return next(iter(_ask("SELECT * FROM service_token_by_key_v2(%s)", key)), None)


def invitation_by_digest(digest: str) -> dict[str, Any] | None:
    """The account_id and invitation_id of a link that can be accepted now, by the digest of its secret."""
    return next(iter(_ask("SELECT * FROM invitation_by_digest(%s)", digest)), None)


def accounts_without_admin() -> dict[uuid.UUID, datetime | None]:
    """Accounts that nobody runs yet or any more, and until when somebody is invited to (None: nobody is)."""
    return {row["account_id"]: row["invited_until"] for row in _ask("SELECT * FROM accounts_without_admin()")}


def create_account(*, name: str, slug: str, actor: Any, timezone: str = "UTC", is_set_up: bool = True) -> Account:
    """A new tenant. Its row is the first that its own policy lets in. The admins of one that is not set up are led there.

    Raises ValueError for a short name that is taken.
    """
    from conversations import audit

    set_up_at = database_time.now() if is_set_up else None
    account = Account(name=name, slug=slug, timezone=timezone, set_up_at=set_up_at)
    if any(entry["slug"] == slug for entry in account_directory()):
        raise ValueError(f"An account with the short name {slug!r} exists. Choose another; nothing was created.")
    with tenant_context(account.pk):
        account.save()
        audit.record(audit.Kind.ACCOUNT_CREATED, account=account, actor=actor, about=account, data={"name": name})
    return account


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whom this request acts as, and where. `role` None is the platform operator without a membership."""

    account_id: uuid.UUID
    slug: str
    name: str
    role: Role | None
    timezone: str
    channels: Visible  # an agent can be kept to some
    unread: int = 0
    granted_until: datetime | None = None  # a platform operator's audited, time-limited look inside
    rules: Mapping[str, bool] = field(default_factory=dict)  # the account's own answers for this role, by verb
    factor_missing: bool = False  # the account needs a second factor that this person does not have
    person: uuid.UUID | None = None  # whose private rows exist here; a look inside names nobody

    @property
    def changes_nothing(self) -> bool:
        """An auditor, or a platform operator who looks inside: their transactions are read-only in the database."""
        return self.role is None or self.role == Role.AUDITOR


def seen_by(own: Sequence[uuid.UUID]) -> Visible:
    """What a member sees to whose membership the channels `own` are tied. The only place where none means all."""
    return kept_to(own) if own else ALL


def enter(user: User, account_id: uuid.UUID | str) -> Tenant | None:
    """Check the membership and name the tenant and the person, in one statement; None if the person may not."""
    asked = database_time.timer()
    found = _ask(
        "SELECT m.*, set_config(%s, %s, true) AS entered, set_config(%s, %s, true) AS named, clock_timestamp() AS at,"
        " second_factor_missing(%s, %s) AS factor_missing FROM membership_in_v2(%s, %s) m",
        SETTING,
        str(account_id),
        PERSON_SETTING,
        str(user.pk),
        user.pk,
        str(account_id),
        user.pk,
        str(account_id),
    )
    if not found:
        return None
    row = found[0]
    database_time.learn(row["at"], asked=asked)
    return Tenant(
        account_id=uuid.UUID(str(account_id)),
        slug=row["slug"],
        name=row["name"],
        role=Role(row["role"]),
        timezone=row["timezone"],
        unread=row["unread"],
        rules=row["rules"],
        channels=seen_by(row["channels"]),
        factor_missing=row["factor_missing"],
        person=user.pk,
    )


class _Work:
    """The request's one transaction. `start_anew` takes it back and opens the next, in the same tenant and as bound."""

    def __init__(self) -> None:
        self._open = transaction.atomic()
        self._is_read_only = False
        self.is_taken_back = False  # the view failed: what answers instead asks, and leaves nothing behind either

    def __enter__(self) -> None:
        self._open.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def read_only(self) -> None:
        self._is_read_only = True
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")

    def commit(self) -> None:
        """End the transaction with what was written so far; `begin` opens the next."""
        self._open.__exit__(None, None, None)

    def begin(self, tenant: Tenant | None) -> None:
        """The next transaction, in the same tenant and as bound."""
        self._open.__enter__()
        if self._is_read_only:
            self.read_only()
        if tenant is not None:
            _name(tenant.account_id, tenant.person or "")

    def start_anew(self, tenant: Tenant | None) -> None:
        self.is_taken_back = True
        transaction.set_rollback(True)
        self.commit()
        self.begin(tenant)


@contextlib.contextmanager
def outside_transaction(request: HttpRequest) -> Iterator[None]:
    """For what waits for another machine: the request's transaction ends here, with what it wrote, and the next one
    begins after the block, in the same tenant. What was looked at before may have changed; verbs look again by themselves."""
    work: _Work | None = getattr(request, "work", None)
    if work is None:
        yield
        return
    work.commit()
    try:
        yield
    finally:
        work.begin(getattr(request, "tenant", None))


class TenantMiddleware:
    """Opens the request's one transaction, names its tenant, and rolls back whatever a failed view had written.

    Rendering happens inside it too (Django renders a TemplateResponse outside ATOMIC_REQUESTS, where the setting would
    be gone). The transaction of an auditor, and of the platform looking inside, is read-only in the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.tenant = None  # type: ignore[attr-defined]
        user = request.user if getattr(request, "user", None) and request.user.is_authenticated else None
        if user is None:
            return self.get_response(request)
        work = request.work = _Work()  # type: ignore[attr-defined]
        with work:
            tenant = self._tenant(request, user)
            wanted_by = self._factor_wanted_by(user, tenant)
            if wanted_by:
                tenant = None  # also the pages on which a factor is set up see nothing of the account
                request.factor_wanted_by = wanted_by  # type: ignore[attr-defined]
                if not factors.is_open(request):
                    return factors.set_up_first(request, wanted_by)
            request.tenant = tenant  # type: ignore[attr-defined]
            logs.name_account(tenant.account_id if tenant else "")
            own_pages: tuple[str, ...] = ("/accounts/", "/profile/", "/switch/", "/invitations/")
            if tenant and tenant.role is None:
                own_pages += ("/admin/",)  # where the platform makes new tenants; it asks by itself who may
            if tenant and tenant.changes_nothing and not request.path.startswith(own_pages):
                if request.method not in {"GET", "HEAD", "OPTIONS"}:
                    raise PermissionDenied("You can read everything here and change nothing. Nothing was changed.")
                work.read_only()
            response = self.get_response(request)
            if response.status_code >= 500 or work.is_taken_back:
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Take back what the view wrote, and go on in a new transaction of the same tenant.

        Django, a middleware around us (allauth's log-in again, its redirects) or the lines below turn the exception into
        a response inside of the request's transaction. One marked for rollback would refuse them every question.
        """
        work: _Work | None = getattr(request, "work", None)
        if work is not None:
            work.start_anew(request.tenant)  # type: ignore[attr-defined]
        if isinstance(exception, Refusal):
            # Pages show refusals in place; this is for whoever called a verb without (the admin).
            return render(request, "refused.html", {"reason": str(exception)}, status=exception.status)
        return None

    def _factor_wanted_by(self, user: Any, tenant: Tenant | None) -> str:
        """Who needs a second factor that this person does not have, "" if nobody. The tenant is left then."""
        wanted_by = tenant.name if tenant and tenant.factor_missing else ""
        if not wanted_by and factors.operator_needs_factor(user):
            wanted_by = "This installation"
        if wanted_by:
            _name()
        return wanted_by

    def _tenant(self, request: HttpRequest, user: Any) -> Tenant | None:
        wanted = request.session.get(SESSION_KEY)
        tenant = enter(user, wanted) if wanted else None
        if tenant is None and user.is_superuser and wanted:
            tenant = self._platform(request, wanted)
        if tenant is None and not (wanted and user.is_superuser):
            first = next(iter(memberships_of(user)), None)
            if first:
                request.session[SESSION_KEY] = str(first["account_id"])
                tenant = enter(user, first["account_id"])
        return tenant

    def _platform(self, request: HttpRequest, account_id: str) -> Tenant | None:
        grant = request.session.get(GRANT_KEY) or {}
        until = datetime.fromisoformat(grant["until"]) if grant.get("account_id") == account_id else None
        if until is None or until < database_time.now():
            request.session.pop(SESSION_KEY, None)
            request.session.pop(GRANT_KEY, None)
            return None
        found = next((entry for entry in account_directory() if str(entry["id"]) == account_id), None)
        if found is None:
            return None
        entered = _ask(
            "SELECT set_config(%s, %s, true) AS entered, set_config(%s, '', true) AS named,"
            " second_factor_missing(%s, %s) AS factor_missing",
            SETTING,
            account_id,
            PERSON_SETTING,
            request.user.pk,
            account_id,
        )
        return Tenant(
            account_id=found["id"],
            slug=found["slug"],
            name=found["name"],
            role=None,
            timezone="UTC",
            channels=ALL,
            granted_until=until,
            factor_missing=entered[0]["factor_missing"],  # whoever looks inside keeps the account's rule too
        )


def tenant(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `tenant` in every template, and who needs a second factor first."""
    return {"tenant": getattr(request, "tenant", None), "factor_wanted_by": getattr(request, "factor_wanted_by", "")}


def require_tenant(request: HttpRequest) -> Tenant:
    """The request's tenant; 404 for a signed-in person who belongs nowhere (the same answer as for a foreign row)."""
    found: Tenant | None = getattr(request, "tenant", None)
    if found is None:
        raise Http404("You are signed in, but belong to no account. Ask an admin to invite you.")
    return found
