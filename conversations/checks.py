"""System checks: a wrong deployment is an error that names the setting and the fix, before the first request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from conversations.database.guards import OfCustomers, SameAccount, TenantIsolation
from conversations.models.base import TenantRow


@register()
def settings_fit(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.DRAFTER != "offline" and not settings.DRAFTER_MODEL:
        found.append(
            Error(
                f"DRAFTER is {settings.DRAFTER!r} but DRAFTER_MODEL is not set.",
                hint="Set DRAFTER_MODEL to the model's name, or DRAFTER=offline.",
                id="countersign.E001",
            )
        )
    if settings.DRAFTER == "anthropic" and not settings.DRAFTER_KEY:
        found.append(
            Error("DRAFTER is 'anthropic' but DRAFTER_KEY is not set.", hint="Set DRAFTER_KEY.", id="countersign.E002")
        )
    if settings.EMBEDDINGS_URL and not settings.EMBEDDINGS_MODEL:
        found.append(
            Error(
                "EMBEDDINGS_URL is set but EMBEDDINGS_MODEL is not.",
                hint="Set EMBEDDINGS_MODEL.",
                id="countersign.E003",
            )
        )
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            from cryptography.fernet import Fernet

            Fernet(key)
        except ValueError:
            found.append(
                Error(
                    "FIELD_ENCRYPTION_KEYS holds something that is not a Fernet key.",
                    hint="Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
                    id="countersign.E004",
                )
            )
    if settings.FAILPOINT and not settings.DEBUG and not settings.DEMO and not getattr(settings, "TESTING", False):
        found.append(Error("FAILPOINT is set.", hint="Unset FAILPOINT: it is for crash tests.", id="countersign.E005"))
    if settings.SMTP_OVERRIDE and not (settings.DEMO or settings.DEBUG or getattr(settings, "TESTING", False)):
        found.append(
            Warning(
                "SMTP_OVERRIDE sends every tenant's mail to one server.",
                hint="Unset it unless that server is your own relay.",
                id="countersign.W001",
            )
        )
    if settings.VENDOR_OVERRIDE and not (settings.DEMO or settings.DEBUG or getattr(settings, "TESTING", False)):
        found.append(
            Error(
                "VENDOR_OVERRIDE sends the tokens of every tenant's channels to one server, unencrypted.",
                hint="Unset it: it is for tests.",
                id="countersign.E007",
            )
        )
    found += [
        Error(
            f"AUDIT_ANCHORS names {address.partition(':')[0]!r}, which is no place for copies of checkpoints.",
            hint="Write file:/a/folder or postgresql://…, with commas between.",
            id="countersign.E006",
        )
        for address in settings.AUDIT_ANCHORS
        if not address.startswith(("file:/", "postgresql://", "postgres://"))
    ]
    return found


@register(Tags.security, deploy=True)
def deployment_fits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is right on a desk of one's own, and an open door in production."""
    found: list[CheckMessage] = []
    if settings.DEMO:
        found.append(
            Error(
                "DEMO is on: anybody may sign in as the demo's people, and mail goes nowhere.",
                hint="Unset DEMO.",
                id="countersign.E022",
            )
        )
    if settings.FAILPOINT:
        found.append(
            Error(
                "FAILPOINT is set: the process kills itself at that point.",
                hint="Unset FAILPOINT: it is for crash tests.",
                id="countersign.E023",
            )
        )
    if settings.BEHIND_PROXY and not settings.TRUSTED_PROXIES:
        found.append(
            Warning(
                "BEHIND_PROXY is on and TRUSTED_PROXIES is 0: log-in limits count all people as one address.",
                hint="Set TRUSTED_PROXIES to the number of your proxies, and let each append to X-Forwarded-For.",
                id="countersign.W002",
            )
        )
    if not settings.AUDIT_ANCHORS:
        found.append(
            Warning(
                "The audit trail is anchored nowhere outside its database: who is its superuser could rewrite it unnoticed.",
                hint="Set AUDIT_ANCHORS to a folder on another machine (file:/…) or a second database (postgresql://…).",
                id="countersign.W004",
            )
        )
    if not settings.OPERATORS_NEED_FACTOR:
        found.append(
            Warning(
                "Platform operators may sign in with a password alone.",
                hint="Set OPERATORS_NEED_FACTOR=true; each is then led to set up a second factor.",
                id="countersign.W003",
            )
        )
    return found


@register(Tags.models)
def tenant_rows_are_guarded(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every model with an account declares its isolation, and every link inside a tenant its composite key."""
    found: list[CheckMessage] = []
    for model in apps.get_models():
        if not issubclass(model, TenantRow):
            continue
        constraints = model._meta.constraints
        if not any(isinstance(guard, TenantIsolation) for guard in constraints):
            found.append(
                Error(
                    f"{model.__name__} has no TenantIsolation.", hint="Add *tenant_guards(...).", id="countersign.E010"
                )
            )
        composite = {guard.field for guard in constraints if isinstance(guard, (SameAccount, OfCustomers))}
        for field in model._meta.concrete_fields:
            related = field.related_model
            if isinstance(related, type) and issubclass(related, TenantRow) and field.name not in composite:
                found.append(
                    Error(
                        f"{model.__name__}.{field.name} could point at another tenant's row.",
                        hint=f"Add *same_account(..., {field.name!r}).",
                        id="countersign.E011",
                    )
                )
    return found


@register(Tags.database, deploy=True)
def runtime_role_is_bound(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The web and the workers must run as a role that row-level security binds."""
    if not databases or "default" not in databases:
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls, current_user FROM pg_roles WHERE rolname = current_user")
        unbound, name = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tableowner = current_user AND schemaname = 'public'")
        owned = cursor.fetchone()[0]
        found = [*_loose_grants(cursor), *_large_objects(cursor)]
    if unbound or owned:
        found.append(
            Error(
                f"DATABASE_URL connects as {name!r}, which row-level security does not bind.",
                hint="Connect as app_rw; keep the owner for DATABASE_OWNER_URL (deploy/roles.sql).",
                id="countersign.E020",
            )
        )
    return found


#: A right that the runtime role must not have, on functions that only a superuser can take away (deploy/roles.sql).
LARGE_OBJECTS_SQL = """
SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
   AND (p.proname LIKE 'lo\\_%' OR p.proname IN ('loread', 'lowrite')) AND has_function_privilege(p.oid, 'EXECUTE')
"""


def _large_objects(cursor: Any) -> Iterator[CheckMessage]:
    cursor.execute(LARGE_OBJECTS_SQL)
    if cursor.fetchone()[0]:
        yield Error(
            "The runtime role may make large objects, which belong to no tenant and break backups.",
            hint="Run deploy/roles.sql as a superuser in this database.",
            id="countersign.E024",
        )


def _loose_grants(cursor: Any) -> Iterator[CheckMessage]:
    """A restore in the wrong order can hand out rights that a table's guard had taken away."""
    for model in apps.get_models():
        guard = next((g for g in model._meta.constraints if isinstance(g, TenantIsolation)), None)
        if guard is None:
            continue
        table = model._meta.db_table
        for right in {"INSERT", "UPDATE", "DELETE", "TRUNCATE"} - set(guard.grants):
            cursor.execute("SELECT has_table_privilege(current_user, %s, %s)", [table, right])
            if cursor.fetchone()[0]:
                yield Error(
                    f"The runtime role may {right} on {table}, which must not be.",
                    hint=f'As app_owner: REVOKE {right} ON "{table}" FROM app_rw. See docs/deployment.md, restore.',
                    id="countersign.E021",
                )
