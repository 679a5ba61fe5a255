"""`manage.py doctor` finds what is wrong with an installation, says what helps, and changes nothing."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from config.postgres import SUPERUSER, Cluster
from conversations.models import WebhookEndpoint
from conversations.tenancy import tenant_context
from drafts import examination
from drafts.examination import Finding, examine
from tests.asserts import assert_nothing_written
from tests.conftest import World


def of(about: str) -> list[Finding]:
    return [one for one in examine() if one.about == about]


@pytest.fixture(autouse=True)
def _kept(attachments_dir: Path) -> None:
    """Files of these tests stand in a folder of their own."""


def test_every_subject_has_a_line_and_nothing_is_changed(world: World, attachments_dir: Path) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        found = examine()
    assert {one.about for one in found} == set(examination.EXAMINATIONS)
    assert [one for one in found if one.state != "ok" and not one.remedy] == []
    assert [path for path in attachments_dir.rglob("*") if path.is_file()] == []
    ok = {one.about for one in found if one.state == "ok"}
    assert ok >= {"database rights", "migrations", "clock", "storage", "webhooks"}


def test_without_a_worker_it_is_bad_and_with_one_it_is_not(world: World) -> None:
    (line,) = of("workers")
    assert (line.state, "procrastinate worker" in line.remedy) == ("bad", True)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    (line,) = of("workers")
    assert line.state == "ok" and line.said.startswith("1 alive")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
    assert of("workers")[0].state == "bad"


def test_a_clock_that_is_off_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = examination.time.time
    for off, state in ((5, "warn"), (-40, "bad"), (0, "ok")):
        monkeypatch.setattr(examination.time, "time", lambda off=off: real() + off)
        assert of("clock")[0].state == state


def test_a_folder_that_cannot_be_written_is_bad_and_the_rest_is_looked_at(
    world: World, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    settings.STORAGES = {
        **settings.STORAGES,
        "attachments": {
            "BACKEND": "conversations.storage.WholeFiles",
            "OPTIONS": {"location": str(tmp_path / "file"), "base_url": None},
        },
    }
    found = {one.about: one for one in examine()}
    assert found["storage"].state == "bad" and "ATTACHMENTS_DIR" in found["storage"].remedy
    assert found["webhooks"].state == "ok"


def test_vectors_that_do_not_answer_are_bad(world: World, settings: Any) -> None:
    settings.CHROMA_URL = ""
    assert of("vectors")[0].state == "warn"
    settings.CHROMA_URL = "http://127.0.0.1:9"
    assert of("vectors")[0].state == "bad"


def test_a_failing_channel_and_endpoint_are_named(world: World) -> None:
    with tenant_context(world.acme.pk):
        WebhookEndpoint.objects.create(account=world.acme, url="https://x.test/?key=zebra", secret="s", state="failed")
        world.mail.metadata, world.mail.credentials = {}, ""
        world.mail.save()
    (line,) = of("webhooks")
    assert line.state == "warn" and line.said == "acme: an endpoint was switched off by itself."
    assert any("acme" in one.said and one.state == "bad" for one in of("channels"))


def test_a_table_that_does_not_force_row_security_is_bad(committed_world: World, cluster: Cluster) -> None:
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("ALTER TABLE conversations_note NO FORCE ROW LEVEL SECURITY")
        try:
            (line,) = of("database rights")
        finally:
            server.execute("ALTER TABLE conversations_note FORCE ROW LEVEL SECURITY")
    assert line.state == "bad" and line.said.startswith("conversations_note ") and "FORCE" in line.remedy


def test_a_role_that_row_security_does_not_bind_is_bad(unbound: World) -> None:
    assert any(one.state == "bad" and "E020" in one.said for one in of("database rights"))


def test_the_command_says_it_in_words_and_for_programs(world: World) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="bad"):
        call_command("doctor", stdout=out)
    assert "BAD  workers: None is alive" in out.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    out = StringIO()
    try:
        call_command("doctor", "--json", stdout=out)
        code = 0
    except CommandError:
        code = 1
    said = json.loads(out.getvalue())
    assert code == bool(said["bad"]) and {"about", "state", "said", "remedy"} == set(said["findings"][0])
