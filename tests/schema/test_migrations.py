from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from config.postgres import Cluster
from conversations.events import SENTENCES, Kind
from tests import ready_cluster
from tests.conftest import _migrate
from tests.schema.going_back import Executor

SQL = sorted(Path(settings.BASE_DIR).glob("*/sql/*.up.sql"))


@pytest.mark.parametrize("up", SQL, ids=lambda p: p.name)
def test_every_sql_file_has_a_way_back_and_one_migration_that_runs_it(up: Path) -> None:
    assert up.with_name(up.name.replace(".up.", ".down.")).exists()
    app, name = up.parent.parent, up.name.removesuffix(".up.sql")
    users = [m for m in (app / "migrations").glob("*.py") if f'run_sql("{app.name}", "{name}")' in m.read_text()]
    assert len(users) == 1


#: All that the schema is made of, in words: what went down and up again must say the same as what went up once.
SCHEMA = (
    "SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies ORDER BY 1, 2",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2, 3",
    "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1, 2",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
    " WHERE table_schema = 'public' ORDER BY 1, 2",
)
PEOPLE = """
INSERT INTO conversations_user (id, created_at, email, display_name, auth_provider, auth_subject, preferences, is_active, is_staff,
  is_superuser, password) SELECT gen_random_uuid(), now(), email, '', 'password', '', '{}', true, false, false, ''
  FROM unnest(ARRAY['none@corp.test', 'named@corp.test', 'proven@corp.test']) email;
INSERT INTO account_emailaddress (user_id, email, verified, "primary")
  SELECT id, email, email = 'proven@corp.test', true FROM conversations_user WHERE email <> 'none@corp.test'
"""


#: Conversations of before it was said what is owed: their status, who wrote in them (i: the customer, o: we), the state of the
#: last delivery, of the draft; and how each stands afterwards.
BEFORE_OWED = {
    "no draft yet": ("open", "i", "", "", ("open", "message", "")),
    "a draft waits": ("open", "i", "", "pending", ("open", "draft", "asleep")),
    "rejected": ("open", "i", "", "rejected", ("open", "rejected", "")),
    "on its way": ("open", "io", "queued", "approved", ("open", "leaving", "")),
    "held for good": ("open", "io", "held", "approved", ("open", "unsent", "")),
    "answered": ("pending", "io", "sent", "sent", ("pending", "", "")),
    "failed": ("pending", "io", "failed", "approved", ("open", "failed", "")),
    "came back": ("pending", "io", "bounced", "sent", ("open", "bounced", "")),
    "a new draft after all": ("pending", "io", "sent", "pending", ("open", "draft", "asleep")),
    "nobody wrote": ("open", "", "", "", ("pending", "", "")),
    "closed": ("closed", "io", "sent", "sent", ("closed", "", "")),
}
_EMPTY = {"jsonb": "[]", "boolean": "false", "integer": "0", "timestamp with time zone": "2026-01-01", "smallint": "0"}


def _insert(cursor: Any, table: str, **values: Any) -> None:
    """One row: what is not given and must not be null is empty."""
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL",
        [table],
    )
    row = {name: _EMPTY.get(kind, "") for name, kind in cursor.fetchall()} | values
    names = ", ".join(f'"{name}"' for name in row)
    cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values()))


def _before_owed(cursor: Any) -> None:
    account, channel = uuid.uuid4(), uuid.uuid4()
    _insert(cursor, "conversations_account", id=account, name="A", slug="a", timezone="UTC", settings="{}")
    _insert(
        cursor, "conversations_channel",
        id=channel, account_id=account, type="chat", provider="intercom", external_id="c", name="C", metadata="{}",
    )  # fmt: skip
    for number, (name, (status, wrote, delivery, draft, _)) in enumerate(BEFORE_OWED.items(), 1):
        mine = {"account_id": account, "conversation_id": uuid.uuid4()}
        _insert(
            cursor, "conversations_conversation",
            id=mine["conversation_id"], account_id=account, number=number, kind="customer", channel_id=channel,
            subject=name, status=status, due_at="2026-01-01", tags='["VIP"]' if number == 1 else '[" vip", "E85", ""]',
        )  # fmt: skip
        message = None
        for who in wrote:
            message = uuid.uuid4()
            _insert(
                cursor, "conversations_message",
                id=message, **mine, direction="inbound" if who == "i" else "outbound", role="user" if who == "i" else "operator",
                body_text="Hello", metadata="{}",
            )  # fmt: skip
        if delivery:
            _insert(
                cursor, "conversations_delivery",
                id=uuid.uuid4(), **mine, message_id=message, channel_id=channel, status=delivery, idempotency_key=name,
                approved_by_name="Ada", envelope="{}", body_text="Hello", hold_until="2099-01-01",
                sent_at="2026-01-01" if delivery in {"sent", "bounced"} else None,
            )  # fmt: skip
        if draft:
            _insert(
                cursor, "drafts_draft",
                id=uuid.uuid4(), **mine, base_message_id=message, status=draft, model_key="offline", suggested_text="Hello",
                snoozed_until="2099-01-01" if draft == "pending" else None,
            )  # fmt: skip


#: Messages of before there were customers: the conversation's own, From, Reply-To, whether a machine wrote; and of whom they are.
US = "support@a.test"
BEFORE_CUSTOMERS: dict[str, tuple[tuple[str, str], list[tuple[dict[str, Any], tuple[str, str]]]]] = {
    "one form": (("forms@a.test", "Form"), [({"sender": "forms@a.test", "sender_name": "Form", "reply_to": "Pat@c.test"}, ("pat@c.test", ""))]),
    "the same form": (("forms@a.test", "Form"), [({"sender": "forms@a.test", "sender_name": "Form", "answer_to": [{"address": US, "name": ""},
        {"address": "kim@c.test", "name": "Kim"}]}, ("kim@c.test", "Kim"))]),
    "two in a thread": (("kim@c.test", ""), [({"sender": "away@c.test", "automatic": "auto_reply"}, ("away@c.test", "")),
        ({"sender": "KIM@c.test", "sender_name": "Kim", "reply_to": US}, ("kim@c.test", "Kim")),
        ({"sender": "Pat@c.test", "sender_name": "Pat", "answer_to": [{"address": "x@c.test", "name": "X"}, {"address": "pat@C.test", "name": ""}]}, ("pat@c.test", "Pat"))]),
    "another script": (("Jürgen@Straße.example.", "Jürgen"), [({}, ("jürgen@xn--strae-oqa.example", "Jürgen"))]),
    "a visitor": (("visitor 7731", "V."), [({}, ("visitor 7731", "V."))]),
    "nobody": (("", ""), [({"sender": US, "automatic": "own"}, ("", ""))]),
}  # fmt: skip


def _before_customers(cursor: Any) -> None:
    account, channel = uuid.uuid4(), uuid.uuid4()
    _insert(cursor, "conversations_account", id=account, name="B", slug="b", timezone="UTC", settings="{}")
    _insert(
        cursor, "conversations_channel",
        id=channel, account_id=account, type="email", provider="smtp", external_id=US.upper(), name="C", metadata="{}",
    )  # fmt: skip
    for number, (name, ((email, known_as), messages)) in enumerate(BEFORE_CUSTOMERS.items(), 1):
        conversation = uuid.uuid4()
        _insert(
            cursor, "conversations_conversation",
            id=conversation, account_id=account, number=number, kind="customer", channel_id=channel, subject=name, status="closed",
            customer_email=email, customer_name=known_as,
        )  # fmt: skip
        for metadata, _ in messages:
            _insert(
                cursor, "conversations_message",
                id=uuid.uuid4(), account_id=account, conversation_id=conversation, direction="inbound", role="user",
                body_text="Hello", metadata=json.dumps(metadata), is_automatic="automatic" in metadata,
            )  # fmt: skip


@pytest.fixture(scope="module")
def down_and_up(cluster: Cluster, django_db_setup: None, django_db_blocker: Any) -> Iterator[BaseDatabaseWrapper]:
    """The whole schema in a cluster of its own, gone down to the users' table and up again; on the way it stops where
    addresses were not proven yet, and people sign up."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-pg-down-up-"))
    owner = connections["owner"]
    owner.close()
    before = owner.settings_dict["HOST"]
    with django_db_blocker.unblock():
        own = ready_cluster.start(folder, _migrate)
        owner.settings_dict["HOST"] = str(own.socket_dir)
        try:
            # Down in one go: going back works out the state of every migration, which takes half a minute each time.
            users = ("conversations", "0001_initial")
            Executor(owner).migrate([("drafts", None), ("ingestion", None), users])
            Executor(owner).migrate([("conversations", "0008_invitations")])
            with owner.cursor() as cursor:
                cursor.execute(PEOPLE)
            for target in (("conversations", "0020"), ("drafts", "0011")):
                call_command("migrate", *target, database="owner", verbosity=0)
            with transaction.atomic(using="owner"), owner.cursor() as cursor:
                _before_owed(cursor)
                _before_customers(cursor)
            call_command("migrate", database="owner", verbosity=0)
            yield owner
        finally:
            owner.close()
            owner.settings_dict["HOST"] = before
            own.stop()
            shutil.rmtree(folder, ignore_errors=True)


def test_the_whole_schema_goes_down_and_up_again(down_and_up: BaseDatabaseWrapper, cluster: Cluster) -> None:
    with down_and_up.cursor() as again, cluster.connect("countersign_test") as first:
        for asked in SCHEMA:
            again.execute(asked)
            found = again.fetchall()
            assert len(found) > 20
            assert found == first.execute(asked).fetchall()


def test_an_upgrade_takes_nobody_for_proven_who_was_not_asked(down_and_up: BaseDatabaseWrapper) -> None:
    """Somebody without a row, one whose unproven address was primary, and one who proved theirs by allauth's mail."""
    with down_and_up.cursor() as cursor:
        cursor.execute('SELECT email, verified, "primary" FROM account_emailaddress ORDER BY email')
        assert cursor.fetchall() == [
            ("named@corp.test", False, False),
            ("none@corp.test", False, False),
            ("proven@corp.test", True, True),
        ]


def test_an_upgrade_finds_what_is_owed(down_and_up: BaseDatabaseWrapper) -> None:
    with down_and_up.cursor() as cursor:
        cursor.execute(
            "SELECT subject, status, owed, CASE WHEN snoozed_until IS NULL THEN '' ELSE 'asleep' END,"
            " due_at IS NOT NULL, completed_at IS NOT NULL, answered_seq FROM conversations_conversation"
        )
        found = {subject: rest for subject, *rest in cursor.fetchall()}
    for name, (_, wrote, _, _, (status, owed, asleep)) in BEFORE_OWED.items():
        answered = len(wrote) if found[name][0] != "open" or BEFORE_OWED[name][0] != "open" else 0
        assert found[name] == [status, owed, asleep, status == "open", status == "closed", answered], name


def test_an_upgrade_finds_the_customers(down_and_up: BaseDatabaseWrapper) -> None:
    """One for each address, with the first name that stood beside it; a message is of whom it asked to be answered."""
    with down_and_up.cursor() as cursor:
        cursor.execute(
            "SELECT c.subject, coalesce(a.address, ''), coalesce(a.name, ''), c.customer_address_id = m.writer_id, m.is_automatic"
            " FROM conversations_message m JOIN conversations_conversation c ON c.id = m.conversation_id"
            " LEFT JOIN conversations_customeraddress a ON a.id = m.writer_id"
            " JOIN conversations_account t ON t.id = c.account_id WHERE t.slug = 'b' ORDER BY c.number, m.seq"
        )
        found: dict[str, list[Any]] = {}
        for subject, *rest in cursor.fetchall():
            found.setdefault(subject, []).append(rest)
        cursor.execute("SELECT count(*), count(DISTINCT customer_id) FROM conversations_customeraddress")
        assert cursor.fetchone() == (5, 5)
        cursor.execute(
            "SELECT a.address, c.name, h.id IS NOT NULL FROM conversations_customeraddress a"
            " JOIN conversations_customer c ON c.id = a.customer_id LEFT JOIN conversations_channel h ON h.id = a.channel_id"
            " WHERE a.address IN ('visitor 7731', 'kim@c.test') ORDER BY 1"
        )
        assert cursor.fetchall() == [("kim@c.test", "Kim", False), ("visitor 7731", "V.", True)]
    for name, (_, messages) in BEFORE_CUSTOMERS.items():
        assert [tuple(rest[:2]) for rest in found[name]] == [
            (address, "Pat" if address == "pat@c.test" else known_as) for _, (address, known_as) in messages
        ], name
    assert [rest[2] for rest in found["two in a thread"]] == [False, True, False]
    assert all(found[name][0][2] for name in ("one form", "the same form", "another script", "a visitor"))


def test_an_upgrade_makes_tags_of_the_words_that_were_given(down_and_up: BaseDatabaseWrapper) -> None:
    """The same word, however it was written, is one tag of the account."""
    with down_and_up.cursor() as cursor:
        cursor.execute("SELECT lower(name), colour, is_retired FROM conversations_tag ORDER BY lower(name)")
        assert cursor.fetchall() == [("e85", "grey", False), ("vip", "grey", False)]
        cursor.execute(
            "SELECT c.number, array_agg(lower(t.name) ORDER BY lower(t.name)) FROM conversations_conversation c"
            " JOIN conversations_conversationtag l ON l.conversation_id = c.id JOIN conversations_tag t ON t.id = l.tag_id"
            " GROUP BY c.number ORDER BY c.number"
        )
        found = dict(cursor.fetchall())
    assert found == {number: ["vip"] if number == 1 else ["e85", "vip"] for number in range(1, len(BEFORE_OWED) + 1)}


def test_every_kind_of_event_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Kind)
    assert all("{actor}" in sentence for sentence in SENTENCES.values())
