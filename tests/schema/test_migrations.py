from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from conversations import audit

SQL = sorted(Path(settings.BASE_DIR).glob("*/sql/*.up.sql"))


@pytest.mark.parametrize("up", SQL, ids=lambda p: p.name)
def test_every_sql_file_has_a_way_back_and_one_migration_that_runs_it(up: Path) -> None:
    assert up.with_name(up.name.replace(".up.", ".down.")).exists()
    app, name = up.parent.parent, up.name.removesuffix(".up.sql")
    users = [m for m in (app / "migrations").glob("*.py") if f'run_sql("{app.name}", "{name}")' in m.read_text()]
    assert len(users) == 1


def test_the_whole_schema_goes_down_and_up_again(cluster, django_db_setup, django_db_blocker) -> None:
    from django.db import connections

    cluster.create_database("countersign_down_up")
    owner = connections["owner"]
    owner.close()
    before = owner.settings_dict["NAME"]
    owner.settings_dict["NAME"] = "countersign_down_up"
    try:
        with django_db_blocker.unblock():
            call_command("migrate", database="owner", verbosity=0)
            for app in ("drafts", "ingestion"):
                call_command("migrate", app, "zero", database="owner", verbosity=0)
            call_command("migrate", "conversations", "0001", database="owner", verbosity=0)
            call_command("migrate", database="owner", verbosity=0)
            with owner.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_policies WHERE tablename = 'drafts_draft'")
                assert cursor.fetchone() == (3,)
    finally:
        owner.close()
        owner.settings_dict["NAME"] = before


PEOPLE = """
INSERT INTO conversations_user (id, created_at, email, display_name, auth_provider, auth_subject, preferences, is_active, is_staff,
  is_superuser, password) SELECT gen_random_uuid(), now(), email, '', 'password', '', '{}', true, false, false, ''
  FROM unnest(ARRAY['none@corp.test', 'named@corp.test', 'proven@corp.test']) email;
INSERT INTO account_emailaddress (user_id, email, verified, "primary")
  SELECT id, email, email = 'proven@corp.test', true FROM conversations_user WHERE email <> 'none@corp.test'
"""


def test_an_upgrade_takes_nobody_for_proven_who_was_not_asked(cluster, django_db_setup, django_db_blocker) -> None:
    """Somebody without a row, one whose unproven address was primary, and one who proved theirs by allauth's mail."""
    from django.db import connections

    cluster.create_database("countersign_upgrade")
    owner = connections["owner"]
    owner.close()
    before = owner.settings_dict["NAME"]
    owner.settings_dict["NAME"] = "countersign_upgrade"
    try:
        with django_db_blocker.unblock():
            call_command("migrate", database="owner", verbosity=0)
            call_command("migrate", "conversations", "0008", database="owner", verbosity=0)
            with owner.cursor() as cursor:
                cursor.execute(PEOPLE)
            call_command("migrate", database="owner", verbosity=0)
            with owner.cursor() as cursor:
                cursor.execute('SELECT email, verified, "primary" FROM account_emailaddress ORDER BY email')
                assert cursor.fetchall() == [
                    ("named@corp.test", False, False),
                    ("none@corp.test", False, False),
                    ("proven@corp.test", True, True),
                ]
    finally:
        owner.close()
        owner.settings_dict["NAME"] = before


def test_every_kind_of_event_has_a_sentence() -> None:
    assert set(audit.SENTENCES) == set(audit.Kind)
    assert all("{actor}" in sentence for sentence in audit.SENTENCES.values())
