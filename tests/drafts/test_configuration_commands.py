"""The configuration by command: taken out, compared, and the desk made to follow it as a person who may."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conversations.models import Account, AuditEvent, Channel, Tag
from conversations.tenancy import tenant_context
from drafts.configuration.desk import digest
from drafts.models import ConfigDocument, PromptVersion
from ingestion.models import Site
from tests.asserts import assert_nothing_written
from tests.conftest import World

HEAD = "version: 1\naccount: {slug: acme}\n"


def run(name: str, *args: Any, **options: Any) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command(name, *map(str, args), stdout=out, **options)
    except SystemExit as ended:
        return out.getvalue(), int(ended.code or 0)
    return out.getvalue(), 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "countersign.yaml"


def test_what_is_exported_compares_as_the_same(world: World, file: Path) -> None:
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(credentials="zebrasecret")
        Tag.objects.create(account=world.acme, name="vip")
        PromptVersion.objects.create(account=world.acme, version=1, text="Be brief.", status="active")
    text, status = run("config_export", "acme", prompts=file.parent / "prompts")
    file.write_text(text)
    assert status == 0
    assert "zebrasecret" not in text
    assert "vip" in text
    assert (file.parent / "prompts" / "reply.md").read_text() == "Be brief."
    assert run("config_diff", "acme", file) == ("The desk and the file say the same.\n", 0)
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.get(kind="export.made").data["what"] == "the configuration"


def test_a_difference_ends_with_two_and_changes_nothing(world: World, file: Path) -> None:
    file.write_text(HEAD + "settings: {hold_seconds: 5}\ntags: [vip]\n")
    with assert_nothing_written():
        text, status = run("config_diff", "acme", file)
    assert status == 2
    assert text.splitlines()[:2] == [
        "Other value: settings.hold_seconds: desk 10, file 5",
        "Missing in the desk: tags[vip]: desk not there, file vip",
    ]
    assert "sites: not in the file, which says nothing about it" in text


def test_a_dry_run_says_what_would_be_done_and_does_nothing(world: World, file: Path) -> None:
    with tenant_context(world.acme.pk):
        Tag.objects.create(account=world.acme, name="old")
    file.write_text(HEAD + "settings: {hold_seconds: 5}\ntags: []\nchannels: []\n")
    with assert_nothing_written():
        text, status = run("config_import", "acme", file, dry_run=True)
    assert status == 0
    assert "hold_seconds: desk 10, file 5\n" in text
    assert "tags[old]: desk old, file not there  (Left as it is: that needs --remove.)" in text
    assert "(A channel is never removed by a file" in text
    assert text.endswith("3 differences. Nothing was changed.\n")


def test_applying_changes_each_by_itself_with_its_person_in_the_trail(world: World, file: Path) -> None:
    with tenant_context(world.acme.pk):
        Tag.objects.create(account=world.acme, name="old")
    file.write_text(
        HEAD.replace("slug: acme", "slug: acme, timezone: Europe/Berlin") + "settings: {hold_seconds: 5}\n"
        "retention: {expire_sessions_after_days: 60}\ntags: [vip]\nsites: [{url: 'https://a.test/', max_pages: 7}]\n"
    )
    options = {"apply": True, "person": "DAN@acme.test"}
    text, status = run("config_import", "acme", file, **options)
    assert status == 2
    assert text.endswith("5 of 6 differences are gone.\n")
    assert "left: Missing in the file: tags[old]: desk old, file not there  (that needs --remove)" in text
    text, status = run("config_import", "acme", file, remove=True, **options)
    assert (status, text.splitlines()[-1]) == (0, "1 of 1 differences are gone.")
    with tenant_context(world.acme.pk):
        account = Account.objects.get(pk=world.acme.pk)
        assert (account.timezone, account.options.hold_seconds, account.expire_sessions_after_days) == ("Europe/Berlin", 5, 60)  # fmt: skip
        assert list(Tag.objects.filter(is_retired=False).values_list("name", flat=True)) == ["vip"]
        assert Site.objects.get().max_pages == 7
        assert ConfigDocument.objects.get().origin == "imported"
        kinds = list(AuditEvent.objects.filter(actor_name="Dan").order_by("id").values_list("kind", flat=True))
        assert kinds == ["config.document_added", "account.changed", "account.changed", "account.changed", "admin.changed", "admin.changed", "admin.changed"]  # fmt: skip
    assert run("config_import", "acme", file, **options)[1] == 0


@pytest.mark.parametrize("person", ["", "ada@acme.test", "eve@globex.test", "nobody@acme.test"])
def test_without_a_person_who_may_manage_nothing_is_applied(world: World, file: Path, person: str) -> None:
    file.write_text(HEAD + "settings: {hold_seconds: 5}\n")
    with assert_nothing_written(), pytest.raises(CommandError):
        run("config_import", "acme", file, apply=True, person=person)


@pytest.mark.parametrize(
    ("slug", "text"),
    [("nobody", HEAD), ("globex", HEAD), ("acme", "tags: *x"), ("acme", None), ("acme", HEAD + "#" * 70_000)],
)
def test_what_cannot_be_read_is_said(world: World, file: Path, slug: str, text: str | None) -> None:
    if text is not None:
        file.write_text(text)
    for name, options in (("config_diff", {}), ("config_import", {"dry_run": True})):
        with assert_nothing_written(), pytest.raises(CommandError, match="Nothing was changed"):
            run(name, slug, file, **options)


def test_a_prompts_text_beside_the_file_becomes_a_draft_that_has_to_pass(world: World, file: Path) -> None:
    file.write_text(HEAD + f"prompts: [{{key: reply, active_sha256: '{digest('Be kind.')}'}}]\n")
    (file.parent / "prompts").mkdir()
    (file.parent / "prompts" / "reply.md").write_text("Be kind.\n")
    text, status = run("config_import", "acme", file, apply=True, person="dan@acme.test")
    assert "added: reply-v1, as a draft" in text
    assert status == 0  # there is no approved answer to measure it on, so it is in use at once
    with tenant_context(world.acme.pk):
        assert PromptVersion.objects.get().status == "active"
