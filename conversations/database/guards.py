"""Rules that the database keeps, declared beside the model and carried by migrations.

Each is a `BaseConstraint`, so `makemigrations` sees it come and go and every migration can be reversed. The functions
that the triggers call are in `conversations/sql/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models.constraints import BaseConstraint
from django.db.models.functions import Cast
from django.db.models.lookups import LessThan

#: Bare `current_setting`, never wrapped in a sub-select: the planner must see the tenant's value.
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
PERSON = "nullif(current_setting('app.user_id', true), '')::uuid"


class Guard(BaseConstraint):
    """A constraint that is DDL beside the table: nothing to validate in Python, nothing inside CREATE TABLE."""

    options: tuple[str, ...] = ()

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        raise NotImplementedError  # pragma: no cover

    def undo(self, table: str) -> list[str]:
        raise NotImplementedError  # pragma: no cover

    def constraint_sql(self, model: Any, schema_editor: Any) -> None:  # type: ignore[override]
        self.create_sql(model, schema_editor)

    def create_sql(self, model: Any, schema_editor: Any) -> None:  # type: ignore[override]
        # Deferred to the end of the migration: by then every table and every unique key that it may name exists.
        schema_editor.deferred_sql.extend(self.statements(model._meta.db_table, model))

    def remove_sql(self, model: Any, schema_editor: Any) -> str:
        return "; ".join(self.undo(model._meta.db_table))

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: Any = None) -> None:
        return None

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, tuple(args), {**kwargs, **{name: getattr(self, name) for name in self.options}}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.deconstruct() == other.deconstruct()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class TenantIsolation(Guard):
    """Forced row-level security: rows exist only for the tenant that the transaction names; unset means none.

    `grants` is what the runtime role may do. The owner sees all rows (migrations, dumps) through a policy of its own,
    because FORCE binds owners too; there is no setting that opens a table.

    `private_to` is the column that names a person where a row is private: it exists for that person only, as the
    transaction names them, and never for `app_ro` (docs/decisions/0053).
    """

    options = ("column", "grants", "private_to")

    def __init__(
        self,
        *,
        name: str,
        column: str = "account_id",
        grants: Sequence[str] = ("SELECT", "INSERT", "UPDATE", "DELETE"),
        private_to: str = "",
    ) -> None:
        super().__init__(name=name)
        self.column = column
        self.grants = tuple(grants)
        self.private_to = private_to

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        mine = common = f"{self.column} = {TENANT}"
        if self.private_to:
            common += f" AND {self.private_to} IS NULL"
            mine += f" AND ({self.private_to} IS NULL OR {self.private_to} = {PERSON})"
        return [
            f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
            f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
            f'CREATE POLICY tenant_rw ON "{table}" TO app_rw USING ({mine}) WITH CHECK ({mine})',
            f'CREATE POLICY tenant_ro ON "{table}" FOR SELECT TO app_ro USING ({common})',
            f'CREATE POLICY owner_all ON "{table}" TO app_owner USING (true) WITH CHECK (true)',
            f'REVOKE ALL ON "{table}" FROM app_rw, app_ro',
            f'GRANT {", ".join(self.grants)} ON "{table}" TO app_rw',
            f'GRANT SELECT ON "{table}" TO app_ro',
            # The planner keeps the share of the largest tenant, and the mean for all others. With a share for each, one
            # that is newer than the last ANALYZE counts as empty, and then reading all its rows looks as cheap as
            # looking one up by its key (docs/decisions/0009).
            *([] if self.column == "id" else [f'ALTER TABLE "{table}" ALTER COLUMN {self.column} SET STATISTICS 1']),
        ]

    def undo(self, table: str) -> list[str]:
        return [
            *(f'DROP POLICY {policy} ON "{table}"' for policy in ("tenant_rw", "tenant_ro", "owner_all")),
            f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY',
            f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY',
        ]


class SameAccount(Guard):
    """A composite foreign key (account, parent): no row can hang under another tenant's parent.

    PostgreSQL checks foreign keys without row-level security, so a plain one would accept another tenant's id.
    """

    options = ("field",)

    def __init__(self, *, field: str, name: str) -> None:
        super().__init__(name=name)
        self.field = field

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        field = model._meta.get_field(self.field)
        parent = field.related_model._meta.db_table  # type: ignore[union-attr]
        return [
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{self.name}" FOREIGN KEY (account_id, "{field.column}") '  # type: ignore[union-attr]
            f'REFERENCES "{parent}" (account_id, id) DEFERRABLE INITIALLY DEFERRED'
        ]

    def undo(self, table: str) -> list[str]:
        return [f'ALTER TABLE "{table}" DROP CONSTRAINT "{self.name}"']


class OfCustomers(Guard):
    """A key (account, conversation, kind): the row belongs to a customer's conversation, never to a private chat.

    The model has `conversation_kind`, which can only say "customer". The key is made at once, without looking at the rows,
    and they are looked through afterwards: a migration that is not atomic keeps nobody from writing meanwhile.
    """

    field = "conversation"

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        return [
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{self.name}" '
            f"FOREIGN KEY (account_id, conversation_id, conversation_kind) "
            f"REFERENCES conversations_conversation (account_id, id, kind) DEFERRABLE INITIALLY DEFERRED NOT VALID",
            f'ALTER TABLE "{table}" VALIDATE CONSTRAINT "{self.name}"',
        ]

    def create_sql(self, model: Any, schema_editor: Any) -> None:  # type: ignore[override]
        for statement in self.statements(model._meta.db_table, model):
            schema_editor.execute(statement)

    def undo(self, table: str) -> list[str]:
        return [f'ALTER TABLE "{table}" DROP CONSTRAINT "{self.name}"']


class Transitions(Guard):
    """A state machine: `moves` maps a state to the states it may become; anything else is refused by a trigger."""

    options = ("field", "moves")

    def __init__(self, *, moves: Mapping[str, Sequence[str]], name: str, field: str = "status") -> None:
        super().__init__(name=name)
        self.field = field
        self.moves = {str(state): tuple(map(str, nexts)) for state, nexts in moves.items()}

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        pairs = ", ".join(f"'{state}>{after}'" for state, nexts in self.moves.items() for after in nexts)
        return [
            f'CREATE TRIGGER "{self.name}" BEFORE UPDATE OF "{self.field}" ON "{table}" FOR EACH ROW '
            f'WHEN (OLD."{self.field}" IS DISTINCT FROM NEW."{self.field}") '
            f"EXECUTE FUNCTION guard_transition('{self.field}', {pairs})"
        ]

    def undo(self, table: str) -> list[str]:
        return [f'DROP TRIGGER "{self.name}" ON "{table}"']


class AppendOnly(Guard):
    """Rows are added, never changed or removed; `erasable` columns may only become empty (a person's erasure)."""

    options = ("erasable",)

    def __init__(self, *, name: str, erasable: Sequence[str] = ()) -> None:
        super().__init__(name=name)
        self.erasable = tuple(erasable)

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        columns = ", ".join(f"'{column}'" for column in self.erasable)
        return [
            f'CREATE TRIGGER "{self.name}" BEFORE UPDATE OR DELETE ON "{table}" FOR EACH ROW '
            f"EXECUTE FUNCTION guard_append_only({columns})",
            f'CREATE TRIGGER "{self.name}_truncate" BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT '
            f"EXECUTE FUNCTION guard_truncate()",
        ]

    def undo(self, table: str) -> list[str]:
        return [f'DROP TRIGGER "{self.name}" ON "{table}"', f'DROP TRIGGER "{self.name}_truncate" ON "{table}"']


class Trigger(Guard):
    """A trigger that calls one of our functions; `when` is e.g. `BEFORE INSERT` or `AFTER UPDATE OF status`."""

    options = ("when", "function", "deferred")

    def __init__(self, *, name: str, when: str, function: str, deferred: bool = False) -> None:
        super().__init__(name=name)
        self.when, self.function, self.deferred = when, function, deferred

    def statements(self, table: str, model: type[models.Model]) -> list[str]:
        kind, late = ("CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED") if self.deferred else ("TRIGGER", "")
        return [
            f'CREATE {kind} "{self.name}" {self.when} ON "{table}" {late} FOR EACH ROW '
            f"EXECUTE FUNCTION {self.function}()"
        ]

    def undo(self, table: str) -> list[str]:
        return [f'DROP TRIGGER "{self.name}" ON "{table}"']


def tenant_guards(label: str, *, grants: Sequence[str] | None = None, private_to: str = "") -> list[BaseConstraint]:
    """What every tenant table has: isolation, and the (account, id) key that children point at."""
    given: dict[str, Any] = {} if grants is None else {"grants": grants}
    return [
        TenantIsolation(name=f"{label}_isolation", private_to=private_to, **given),
        models.UniqueConstraint(fields=["account", "id"], name=f"{label}_account_id"),
    ]


def same_account(label: str, *fields: str) -> list[SameAccount]:
    return [SameAccount(field=field, name=f"{label}_{field}_same_account") for field in fields]


def one_of(label: str, field: str, choices: Iterable[str]) -> models.CheckConstraint:
    """Enumerations are text with a CHECK, never a PostgreSQL enum (whose equality is not leakproof)."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{field}__in": [str(c) for c in choices]}), name=f"{label}_{field}_known"
    )


def json_under_64k(label: str, field: str) -> models.CheckConstraint:
    size = models.Func(Cast(field, models.TextField()), function="octet_length", output_field=models.IntegerField())
    return models.CheckConstraint(condition=LessThan(size, 65536), name=f"{label}_{field}_under_64k")
