"""A channel is one folder and one line of the registry: here is one, and nothing else of the product knows of it."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.conf import settings
from django.test import Client

from conversations.channels import registry
from conversations.channels.provider import ChannelType
from conversations.models import Channel, Conversation, Delivery
from conversations.tenancy import tenant_context
from drafts.models import Draft, DraftAction
from ingestion.knowledge.index import index_document
from ingestion.receive import receive_mail
from tests import factories, toy
from tests.asserts import assert_nothing_written
from tests.conftest import World

ADD = "/admin/conversations/channel/add/"
APPS = ("conversations", "ingestion", "drafts")
#: Where types and providers may be named: their own folders, released migrations, and demo data.
NAMED_IN = ("conversations/channels/", "/migrations/", "drafts/demo/", "drafts/management/commands/seed.py")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one line."""
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, toy.TOY))
    monkeypatch.setattr(toy, "SENT", [])
    yield


def made(client: Client, **changes: str) -> Any:
    form = {
        "provider": "toy", "external_id": "toy-1", "name": "Toy box", "is_active": "on", "room": "nursery",
        "credentials": "sesame", "sender_per_hour": "30", "mails_per_hour": "600",
    }  # fmt: skip
    return client.post(ADD, {**form, **changes})


def arrives(world: World, channel: Channel, number: int, text: str) -> None:
    said = {"id": f"m-{number}", "thread": "t-7", "from": "kid-1", "name": "Robin", "text": text}
    receive_mail(account_id=world.acme.pk, channel_id=channel.pk, raw=json.dumps(said).encode())


def fields(page: bytes) -> dict[str, str]:
    soup = BeautifulSoup(page, "html.parser")
    found = soup.select_one("#decide").find_all("input", type="hidden", recursive=False)
    return {field["name"]: field["value"] for field in found if field["name"] != "csrfmiddlewaretoken"}


def test_it_receives_is_drafted_for_is_approved_and_sends(
    committed_world: World, signed_in: Callable[..., Client], worker_turn: Callable[[], None], attachments_dir: Path
) -> None:
    world = committed_world
    index_document(
        account_id=world.acme.pk,
        source_url="https://a.test/ptfe",
        title="PTFE",
        text="# PTFE and E85\n\nPTFE hose is safe with E85. It does not harden.",
    )
    assert made(signed_in(world.dan)).status_code == 303
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(provider="toy")
    assert (channel.type, channel.options.model_dump(exclude_defaults=True)) == ("chat", {"room": "nursery"})

    arrives(world, channel, 1, "Hello")
    arrives(world, channel, 2, "Is PTFE hose safe with E85?")
    worker_turn()
    with tenant_context(world.acme.pk):
        assert Conversation.objects.get().external_id == "t-7"
        draft = Draft.objects.pending().get()
    assert "PTFE hose is safe with E85." in draft.suggested_text

    world.ada.preferences = {"hold_seconds": 0}
    world.ada.save()
    client = signed_in(world.ada)
    page = client.get(f"/drafts/{draft.pk}/").content
    assert "Toy via" not in page.decode()  # its name says it already
    assert "Toy box" in page.decode()
    answer = client.post(f"/drafts/{draft.pk}/approve/", {**fields(page), "pressed_twice": "1"})
    assert answer.status_code == 303, answer.content
    worker_turn()
    with tenant_context(world.acme.pk):
        delivery = Delivery.objects.get()
    assert (delivery.status, delivery.provider_id, delivery.receipt) == ("sent", "toy-1", "thanks")
    assert [("nursery", draft.suggested_text, "t-7", "m-2")] == toy.SENT


def test_what_it_cannot_send_is_said_on_the_page_and_not_approved(world: World, signed_in: Any, acme: Any) -> None:
    channel = factories.channel(world.acme, type="chat", external_id="toy-1", name="Toy box")
    Channel.objects.filter(pk=channel.pk).update(provider="toy")
    channel.refresh_from_db()
    draft = factories.draft(factories.message(channel, thread_id="t"), "HELLO " * 400, statements=[])
    client = signed_in(world.ada)
    page = client.get(f"/drafts/{draft.pk}/").content
    said = [check.text for check in BeautifulSoup(page, "html.parser").select(".check--warn")]
    assert said[:2] == ["The reply has 2,400 characters; 2,000 can be sent.", "The toy does not shout."]
    assert BeautifulSoup(page, "html.parser").select_one("#why-blocked").text == "This reply cannot be sent: see above"
    with assert_nothing_written():
        answer = client.post(f"/drafts/{draft.pk}/approve/", {**fields(page), "pressed_twice": "1"})
    assert answer.status_code == 422
    assert "The toy does not shout. Nothing was sent." in answer.content.decode()
    assert not DraftAction.objects.exists()


def test_the_admin_shows_the_fields_of_the_channels_own_provider(world: World, signed_in: Any) -> None:
    client = signed_in(world.dan)
    named = lambda url: {field.get("name") for field in BeautifulSoup(client.get(url).content, "html.parser").select("#main input, #main select")}  # noqa: E731  # fmt: skip
    assert {"room", "credentials"} <= named(f"{ADD}?provider=toy")
    assert not {"smtp_host", "authserv_id"} & named(f"{ADD}?provider=toy")
    assert {"smtp_host", "credentials"} <= named(f"{ADD}?provider=smtp")
    assert not {"room", "smtp_host"} & named(f"{ADD}?provider=slack")
    mail = f"/admin/conversations/channel/{world.mail.pk}/change/"
    assert "smtp_host" in named(mail)
    # A channel keeps its type, so a mail channel becomes no toy.
    assert "room" not in named(f"{mail}?provider=toy")


def test_a_setting_of_another_provider_is_not_stored(world: World, signed_in: Any) -> None:
    assert made(signed_in(world.dan), smtp_host="mail.example", type="email").status_code == 303
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(provider="toy")
    assert (channel.type, channel.metadata) == ("chat", {"room": "nursery"})


def test_every_type_has_a_provider_and_no_two_share_a_key() -> None:
    assert {provider.type for provider in registry.PROVIDERS} == set(ChannelType)
    keys = [provider.key for provider in registry.PROVIDERS]
    assert len(keys) == len(set(keys))


def test_an_unknown_provider_is_the_first_of_its_type() -> None:
    for type_ in ChannelType:
        found = registry.provider_of("as somebody wrote it", type_)
        assert found == next(provider for provider in registry.PROVIDERS if provider.type == type_)
    assert registry.provider_of("toy", "chat") is toy.TOY
    assert registry.provider_of("toy", "email").key == "smtp"
    with pytest.raises(LookupError):
        registry.provider_of("smtp", "pigeon")


def _named(tree: ast.AST, names: set[str]) -> list[int]:
    """Lines that ask which type or provider a channel is: `Type.EMAIL`, `type="email"`, `channel.type == "email"`."""
    found = []
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        if isinstance(node, ast.Attribute) and node.attr in ChannelType.names:
            found.append(node.lineno)
        if isinstance(node, ast.keyword) and (node.arg or "").endswith(("type", "provider")):
            values = [node.value]
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asks = any(isinstance(side, ast.Attribute) and side.attr in {"type", "provider"} for side in sides)
            values = sides if asks else []
        found += [value.lineno for value in values if isinstance(value, ast.Constant) and value.value in names]
    return sorted(found)


def test_no_type_and_no_provider_is_named_outside_of_its_own_folder() -> None:
    names = {*ChannelType.values, *(provider.key for provider in registry.PROVIDERS)}
    root = Path(settings.BASE_DIR)
    files = [path for app in APPS for path in sorted((root / app).rglob("*.py"))]
    looked_at = [path for path in files if not any(part in str(path.relative_to(root)) for part in NAMED_IN)]
    assert len(looked_at) > 150
    found = {str(path.relative_to(root)): lines for path in looked_at if (lines := _named(ast.parse(path.read_text()), names))}  # fmt: skip
    assert found == {}
    assert _named(ast.parse("a = Channel.Type.EMAIL\nb(type='email')\nif c.type == 'toy': pass"), names) == [1, 2, 3]
