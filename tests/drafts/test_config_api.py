"""A service reads the configuration: the documents, and where the newest differs from the desk. It changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from conversations import audit
from conversations.models import Channel
from conversations.people import tokens
from conversations.people.tokens import Scope
from conversations.tenancy import tenant_context
from drafts.configuration import documents
from tests.asserts import assert_nothing_written
from tests.conftest import World

FILE = "version: 1\naccount: {slug: acme}\nsettings: {hold_seconds: 20}\nchannels: []\n"


def token(world: World, *scopes: str, of: str = "acme") -> str:
    account = getattr(world, of)
    with tenant_context(account.pk):
        return tokens.issue(account=account, name="Watch", scopes=scopes or Scope.values, actor=audit.SYSTEM)[1]


def get(path: str, plain: str) -> tuple[int, Any]:
    answer = Client().get(f"/internal/assistant/config/{path}", headers={"Authorization": f"Bearer {plain}"})
    return answer.status_code, answer.json()


@pytest.fixture
def world_with_file(world: World) -> World:
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(credentials="zebrasecret")
        documents.add_document(account_id=world.acme.pk, actor=world.dan, text=FILE, origin=documents.Origin.UPLOADED)
    return world


def test_the_documents_and_the_differences_are_told(world_with_file: World) -> None:
    plain = token(world_with_file, Scope.READ_CONFIGURATION)
    status, found = get("documents", plain)
    assert (status, [(one["number"], one["origin"], one["by_name"]) for one in found]) == (
        200,
        [(1, "uploaded", "Dan")],
    )
    assert "text" not in found[0]
    assert get("documents/1", plain)[1]["text"] == FILE
    status, told = get("differences", plain)
    assert (status, told["document"], told["more"]) == (200, 1, 0)
    assert told["differences"][0] == {
        "path": "settings.hold_seconds", "type": "value_mismatch", "yaml_value": 20, "db_value": 10,
    }  # fmt: skip
    assert [one["path"] for one in told["differences"]] == [
        "settings.hold_seconds",
        "channels[email/support@acme.test]",
    ]
    assert "tags" in told["not_in_the_file"]
    assert "zebrasecret" not in str(told)


def test_without_the_scope_or_of_another_account_nothing_is_told(world_with_file: World) -> None:
    world = world_with_file
    lesser = token(world, Scope.READ_CONVERSATIONS, Scope.WRITE_MESSAGES, Scope.MANAGE_CONVERSATIONS)
    foreign = token(world, of="globex")
    for path in ("documents", "documents/1", "differences"):
        with assert_nothing_written():
            assert get(path, lesser)[0] == 403
            assert get(path, "nonsense")[0] == 401
    assert get("documents", foreign) == (200, [])
    assert get("documents/1", foreign)[0] == 404
    assert get("differences", foreign)[0] == 404
    assert get("documents/9", token(world))[0] == 404
    assert get("documents/0", token(world))[0] == 422
