"""Promise 6, proved as the runtime role by walking every table: a table that is missed fails here."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.utils import ProgrammingError

from conversations.models import Account, Channel, Conversation, Message
from conversations.models.base import PrivateTo, TenantRow
from conversations.tenancy import SETTING, current_account_id, tenant_context
from tests import factories
from tests.conftest import World

TENANT_MODELS = sorted(
    (m for m in apps.get_models() if issubclass(m, TenantRow) or m._meta.model_name in {"account", "audithead"}),
    key=lambda m: m.__name__,
)
#: Tables whose rows can be one person's: those with the column, walked, so that a new one cannot leave its guard out.
PRIVATE = [m for m in TENANT_MODELS if any(isinstance(field, PrivateTo) for field in m._meta.concrete_fields)]
#: Tables without a tenant: log-in comes before it, jobs carry ids only, the rest is Django's.
GLOBAL = {
    "conversations_tally", "conversations_factorreset", "conversations_user", "conversations_user_groups", "conversations_user_user_permissions",
    "auth_group", "auth_group_permissions", "auth_permission", "django_admin_log", "django_content_type",
    "django_session", "django_migrations", "django_cache", "account_emailaddress", "account_emailconfirmation",
    "mfa_authenticator", "socialaccount_socialaccount", "socialaccount_socialapp", "socialaccount_socialtoken",
    "mail_address_claim",  # the runtime role has no right on it
    "procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers",
}  # fmt: skip


def rows(sql: str, *params: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def test_the_tests_run_as_the_role_that_is_bound(db) -> None:
    assert rows("SELECT current_user::text, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user") == [
        ("app_rw", False, False)
    ]
    assert rows("SELECT count(*) FROM pg_tables WHERE tableowner = 'app_rw'") == [(0,)]


def test_every_table_is_guarded_or_known_to_be_global(db) -> None:
    found = {
        name: (enabled, forced)
        for name, enabled, forced in rows(
            "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'public' AND relkind IN ('r', 'p')"
        )
    }
    unguarded = {name for name, state in found.items() if state != (True, True)}
    assert unguarded == GLOBAL & set(found)
    assert {m._meta.db_table for m in TENANT_MODELS} <= set(found) - unguarded


def test_every_guarded_table_has_its_three_policies_with_checks(db) -> None:
    policies: dict[str, dict[str, tuple]] = {}
    for table, name, roles, using, check in rows(
        "SELECT tablename, policyname, roles::text, qual, with_check FROM pg_policies WHERE schemaname = 'public'"
    ):
        policies.setdefault(table, {})[name] = (roles, using, check)
    for model in TENANT_MODELS:
        found = policies[model._meta.db_table]
        assert set(found) == {"tenant_rw", "tenant_ro", "owner_all"}, model
        roles, using, check = found["tenant_rw"]
        assert roles == "{app_rw}"
        assert using == check
        # The bare form: a sub-select would hide the tenant from the planner (docs/decisions/0002).
        column = "id" if model is Account else "account_id"
        mine = common = f"({column} = (NULLIF(current_setting('app.account_id'::text, true), ''::text))::uuid)"
        if model in PRIVATE:
            person = "(NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid"
            common = f"({mine} AND (private_to_id IS NULL))"
            mine = f"({mine} AND ((private_to_id IS NULL) OR (private_to_id = {person})))"
        assert using == mine
        assert found["tenant_ro"] == ("{app_ro}", common, None)
        assert found["owner_all"] == ("{app_owner}", "true", "true")


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda m: m.__name__)
def test_without_a_tenant_there_are_no_rows(world: World, model) -> None:
    factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    assert current_account_id() is None
    assert rows(f'SELECT count(*) FROM "{model._meta.db_table}"') == [(0,)]


def test_a_tenant_sees_its_rows_and_nobody_elses(world: World) -> None:
    factories.message(world.mail)
    theirs = factories.message(world.other_mail)
    with tenant_context(world.acme.pk):
        assert not Message.objects.filter(pk=theirs.pk).exists()
        assert Message.objects.count() == Conversation.objects.count() == 1
        assert list(Account.objects.all()) == [world.acme]


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda m: m.__name__)
def test_a_tenant_cannot_move_or_touch_foreign_rows(world: World, model) -> None:
    with tenant_context(world.acme.pk), connection.cursor() as cursor:
        column = "id" if model is Account else "account_id"
        granted = rows(
            "SELECT has_table_privilege(%s, 'UPDATE'), has_table_privilege(%s, 'DELETE')", *[model._meta.db_table] * 2
        )
        if granted[0][0]:
            cursor.execute(
                f'UPDATE "{model._meta.db_table}" SET {column} = {column} WHERE {column} = %s', [world.globex.pk]
            )
            assert cursor.rowcount == 0
        if granted[0][1]:
            cursor.execute(f'DELETE FROM "{model._meta.db_table}" WHERE {column} = %s', [world.globex.pk])
            assert cursor.rowcount == 0


def test_a_row_cannot_be_written_for_another_tenant(world: World) -> None:
    with (
        tenant_context(world.acme.pk),
        pytest.raises(ProgrammingError, match="row-level security"),
        transaction.atomic(),
    ):
        Channel.objects.create(account=world.globex, type="email", external_id="x", name="x")


def test_a_message_cannot_hang_under_another_tenants_conversation(world: World) -> None:
    theirs = factories.message(world.other_mail)
    with tenant_context(world.acme.pk), pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.create(
            account=world.acme,
            conversation_id=theirs.conversation_id,
            direction="inbound",
            role="user",
            body_text="in the wrong house",
        )


def test_every_link_between_tenant_tables_names_the_account_too(db) -> None:
    """FOREIGN KEY checks bypass row-level security, so each must be (account_id, id)."""
    tables = {m._meta.db_table for m in TENANT_MODELS} - {"conversations_account"}
    single = rows(
        """SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, c.conname FROM pg_constraint c
           WHERE c.contype = 'f' AND cardinality(c.conkey) = 1"""
    )
    wrong = [link for link in single if link[0] in tables and link[1] in tables]
    assert wrong == []
    composite = rows("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND cardinality(conkey) = 2")
    assert composite[0][0] >= 20


def test_every_unique_key_of_a_tenant_table_starts_with_the_account(db) -> None:
    """Unique checks bypass row-level security: a key without the account would tell one tenant about another."""
    tables = {m._meta.db_table for m in TENANT_MODELS} - {"conversations_account"}
    found = rows(
        """SELECT i.indrelid::regclass::text, c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
           WHERE i.indisunique AND NOT i.indisprimary"""
    )
    assert [(table, name) for table, name, first in found if table in tables and first != "account_id"] == []


def test_the_runtime_role_holds_no_dangerous_right(db) -> None:
    for model in TENANT_MODELS:
        for right in ("TRUNCATE", "REFERENCES", "TRIGGER"):
            assert rows("SELECT has_table_privilege('app_rw', %s, %s)", model._meta.db_table, right) == [(False,)], (
                model,
                right,
            )
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            assert rows("SELECT has_table_privilege('app_ro', %s, %s)", model._meta.db_table, right) == [(False,)], (
                model,
                right,
            )
    assert rows("SELECT has_schema_privilege('app_rw', 'public', 'CREATE')") == [(False,)]
    assert rows("SELECT has_database_privilege('app_rw', current_database(), 'TEMPORARY')") == [(False,)]


def test_only_the_listed_functions_run_as_the_owner(db) -> None:
    found = rows(
        "SELECT proname, proconfig::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
        " WHERE nspname = 'public' AND prosecdef ORDER BY proname"
    )
    assert [name for name, _ in found] == [
        "account_directory", "accounts_without_admin", "action_moves_session", "assistant_used", "audit_forget", "audit_seal", "channel_by_address", "channel_by_hook", "channel_claims",
        "conversation_holds", "installation_figures", "invitation_by_digest", "lost_practice", "lost_turns", "mail_address_usable", "membership_in", "membership_in_v2", "memberships_of",
        "own_tokens_end", "person_leaves_no_chat", "practice_goes_with_message", "practice_of_team", "practice_runs", "search_conversations", "search_index", "search_own_messages", "search_passages",
        "search_words_of_conversation", "search_words_of_file", "search_words_of_message", "second_factor_missing",
        "service_token_by_key", "service_token_by_key_v2", "session_owners", "sessions_overview", "webhook_number",
    ]  # fmt: skip
    assert all("search_path" in config for _, config in found)
    assert rows("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relkind IN ('v', 'm')") == [(0,)]  # fmt: skip


def test_the_runtime_role_cannot_switch_row_security_off(db) -> None:
    for sql in (
        "ALTER TABLE conversations_message DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_rw ON conversations_message",
        "SET ROLE app_owner",
        "ALTER ROLE app_rw BYPASSRLS",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL row_security = off")
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            cursor.execute("SELECT count(*) FROM conversations_message")


def test_the_tenant_does_not_outlive_its_transaction(committed_world: World) -> None:
    with tenant_context(committed_world.acme.pk):
        assert current_account_id() == committed_world.acme.pk
    assert current_account_id() is None
    assert rows(f"SELECT nullif(current_setting('{SETTING}', true), '')") == [(None,)]


def test_contexts_nest_and_an_error_inside_leaves_the_outer_tenant(world: World) -> None:
    with tenant_context(world.acme.pk):
        with tenant_context(world.globex.pk):
            assert current_account_id() == world.globex.pk
        assert current_account_id() == world.acme.pk
        with pytest.raises(ZeroDivisionError), tenant_context(world.globex.pk):
            raise ZeroDivisionError
        assert current_account_id() == world.acme.pk


def test_a_read_only_tenant_lets_the_database_refuse_writes(committed_world: World) -> None:
    with (
        pytest.raises(DatabaseError, match="read-only"),
        tenant_context(committed_world.acme.pk, read_only=True),
    ):
        Channel.objects.create(account=committed_world.acme, type="email", external_id="y", name="y")


def test_a_right_that_a_restore_handed_out_is_found(world: World, cluster) -> None:
    from conversations.checks import runtime_role_is_bound

    def found() -> list[str]:
        return [str(problem.id) for problem in runtime_role_is_bound(None, databases=["default"])]

    assert found() == []
    with cluster.connect("countersign_test", "app_owner") as owner:
        owner.execute("GRANT DELETE ON conversations_auditevent TO app_rw")
        try:
            assert found() == ["countersign.E021"]
        finally:
            owner.execute("REVOKE DELETE ON conversations_auditevent FROM app_rw")


def test_the_owners_functions_are_the_runtime_roles_alone(db) -> None:
    found = rows(
        "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
        " WHERE nspname = 'public' AND prosecdef AND has_function_privilege('app_ro', p.oid, 'EXECUTE')"
    )
    assert found == []
