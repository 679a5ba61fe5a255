"""The page of the configuration: drift with both ways out as cards, in step, the file and its history; who may do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag as Element
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from conversations.models import Account, AssistantSession, AuditEvent, Channel, ProposedAction, Tag
from conversations.people import account_settings, members
from conversations.tenancy import tenant_context
from drafts.assistant.deciding import confirm
from drafts.assistant.toolbox import Library
from drafts.configuration import documents
from drafts.models import ConfigDocument
from tests import factories
from tests.asserts import assert_nothing_written_in, counted
from tests.conftest import World

Browser = Callable[..., Client]
FILE = """# Reviewed every quarter
version: 1
account: {slug: acme}
settings:
  hold_seconds: 20  # was too short in May
policy:
  - {role: agent, verb: close, kind: proposed, allowed: true}
channels: []
tags: []
"""


def store(world: World, text: str = FILE) -> ConfigDocument:
    with tenant_context(world.acme.pk):
        return documents.add_document(
            account_id=world.acme.pk, actor=world.dan, text=text, origin=documents.Origin.UPLOADED
        )


def page(client: Client, status: int = 200) -> Element:
    response = client.get(reverse("drafts:configuration"))
    assert response.status_code == status
    return soup(response)


def soup(response: Any) -> Element:
    found = BeautifulSoup(response.content, "html.parser").select_one("main")
    assert found, response.content[:300]
    return found


def words(found: Element, selector: str) -> list[str]:
    return [" ".join(one.get_text(" ").split()) for one in found.select(selector)]


def press(client: Client, path: str, to: str, number: int = 1) -> Any:
    return client.post(reverse("drafts:propose-difference"), {"path": path, "to": to, "document": number})


def test_without_a_file_the_desk_is_kept_as_the_first(world: World, signed_in: Browser) -> None:
    dan = signed_in(world.dan)
    assert "There is no file yet" in page(dan).get_text()
    assert dan.post(reverse("drafts:keep-configuration")).status_code == 303
    shown = page(dan)
    assert words(shown, ".synced h2") == ["The desk and the file say the same"]
    assert "document 1" in shown.get_text()
    assert len(words(shown, ".sec-ok")) == 9


def test_drift_is_shown_on_both_sides_with_its_line(world: World, signed_in: Browser) -> None:
    with tenant_context(world.acme.pk):
        Tag.objects.create(account=world.acme, name="goop")
    store(world)
    shown = page(signed_in(world.ada))
    assert words(shown, ".cfg__sum b") == ["4", "1", "1", "2"]
    assert words(shown, ".drift h3") == ["hold_seconds", "agent / close / proposed", "email/support@acme.test", "goop"]
    assert words(shown, ".drift .tag") == ["Other value", "Missing in the desk", "Missing in the file", "Missing in the file"]  # fmt: skip
    first = shown.select_one(".drift")
    assert first is not None
    assert words(first, ".vs dd") == ["10", "20"]
    assert words(first, ".end") == ["Line 5"]
    assert words(first, "button") == [
        "Make the desk follow the file : hold_seconds",
        "Take it into the file : hold_seconds",
    ]
    assert words(shown, ".code .m") == ["Other value: hold_seconds: 20 # was too short in May"]
    assert words(shown, ".code .g") == ["Missing in the file: email/support@acme.test: type: email, external_id: support@acme.test, provider: smtp, name: Acme mail, settings: {sender_name: \"Acme support\", smtp_host: \"127.0.0.1\", smtp_security: none}", "Missing in the file: - goop"]  # fmt: skip
    assert "A channel is never removed by a file" in shown.get_text()
    assert words(shown, ".sec-ok b") == ["Account", "Retention", "Prompts", "Lanes", "Sites"]


@pytest.mark.parametrize(("to", "tool"), [("desk", "apply_difference"), ("file", "adopt_difference")])
def test_a_way_out_is_a_card_that_a_second_press_carries_out(
    world: World, signed_in: Browser, to: str, tool: str
) -> None:
    store(world)
    dan = signed_in(world.dan)
    answer = press(dan, "settings.hold_seconds", to)
    with tenant_context(world.acme.pk, person=world.dan.pk):
        action = ProposedAction.objects.get()
        assert (action.tool, action.status) == (tool, "proposed")
        assert AssistantSession.objects.get().context_type == "infrastructure"
    assert answer.url.endswith(f"#act-{action.pk}")
    shown = page(dan)
    assert len(shown.select(".drift .act")) == 1
    assert not shown.select(".drift:has(.act) .drift__a")
    assert "Change" not in words(shown, ".act footer a")
    assert words(shown, ".rests__l li")[0] == "The desk says: 10 , as now"
    press(dan, "settings.hold_seconds", to)  # twice is once
    with tenant_context(world.acme.pk, person=world.dan.pk):
        assert confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action)).status == "executed"
        account = Account.objects.get(pk=world.acme.pk)
        newest = documents.current(account.pk)
        assert newest is not None
        if to == "desk":
            assert (account.options.hold_seconds, newest.number) == (20, 1)
        else:
            assert newest.text == FILE.replace("hold_seconds: 20", "hold_seconds: 10")
        assert documents.difference(account, newest)[1].at("settings.hold_seconds") is None


def test_a_reviewer_proposes_and_an_admin_signs_it_on_the_same_page(world: World, signed_in: Browser) -> None:
    store(world)
    ada, dan = signed_in(world.ada), signed_in(world.dan)
    press(ada, "settings.hold_seconds", "desk")
    assert "Needs a second person" in page(ada).get_text()
    assert not page(dan).select(".act")  # a card is its owner's until they press it
    with tenant_context(world.acme.pk, person=world.ada.pk):
        action = ProposedAction.objects.get()
        assert confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action)).status == "confirmed"
    assert words(page(dan), ".act header .tag") == ["Waits for you"]
    with tenant_context(world.acme.pk, person=world.dan.pk):
        assert confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action)).status == "executed"


def test_what_changed_meanwhile_ends_the_card(world: World, signed_in: Browser) -> None:
    store(world)
    press(signed_in(world.dan), "settings.hold_seconds", "file")
    with tenant_context(world.acme.pk, person=world.dan.pk):
        account_settings.set_setting(account_id=world.acme.pk, actor=world.dan, name="hold_seconds", value=33)
        action = ProposedAction.objects.get()
        assert confirm(action_id=action.pk, actor=world.dan, pressed=factories.pressed(action)).status == "expired"
        assert ConfigDocument.objects.count() == 1


def test_what_has_no_way_out_is_said_at_its_place(world: World, signed_in: Browser) -> None:
    store(world)
    dan = signed_in(world.dan)
    with assert_nothing_written_in(world.acme):
        answer = press(dan, "channels[email/support@acme.test]", "desk")
    assert answer.status_code == 422
    assert words(soup(answer), ".drift .error") == ["A channel is never removed by a file: it holds conversations. Switch it off on its own page."]  # fmt: skip
    assert press(dan, "settings.hold_seconds", "desk", number=2).status_code == 422
    assert press(dan, "settings.hold_seconds", "elsewhere").status_code == 404


def test_another_file_is_uploaded_or_pasted_and_its_history_stays(world: World, signed_in: Browser) -> None:
    store(world)
    dan, url = signed_in(world.dan), reverse("drafts:upload-configuration")
    other = FILE.replace("20", "30")
    assert dan.post(url, {"file": SimpleUploadedFile("countersign.yaml", other.encode())}).status_code == 303
    assert dan.post(url, {"text": FILE}).status_code == 303
    shown = page(dan)
    history = words(shown, ".side-col .list__i p")
    assert history[0].startswith("Uploaded by Dan, Today") and "1 line differ from 2." in history[0]
    assert words(shown, ".side-col .list__i b") == ["3", "2", "1"]
    assert dan.get(reverse("drafts:config-document", args=[2])).content.decode() == other
    assert dan.get(reverse("drafts:config-document", args=[9])).status_code == 404


@pytest.mark.parametrize(
    "given", [b"version: 2", b"\xff\xfe", b"x" * 65_537, FILE.replace("acme", "globex").encode(), b""]
)
def test_a_file_that_cannot_be_read_is_refused_and_given_back(world: World, signed_in: Browser, given: bytes) -> None:
    dan = signed_in(world.dan)
    with assert_nothing_written_in(world.acme):
        answer = dan.post(
            reverse("drafts:upload-configuration"), {"file": SimpleUploadedFile("a.yaml", given), "text": ""}
        )
    assert answer.status_code == 422
    assert "Nothing was changed" in soup(answer).select_one("#problem").get_text()  # type: ignore[union-attr]


def test_the_desk_is_exported_with_a_line_in_the_trail_and_no_secret(
    committed_world: World, signed_in: Browser
) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(credentials="zebrasecret")
    answer = signed_in(world.bo).get(reverse("drafts:export-configuration"))
    assert answer["Content-Disposition"] == 'attachment; filename="countersign.yaml"'
    assert b"zebrasecret" not in answer.content and b"support@acme.test" in answer.content
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.get(kind="export.made").actor_name == "Bo"


def test_everybody_may_look_and_nobody_else_may_change(world: World, signed_in: Browser) -> None:
    store(world)
    for person, proposes in ((world.bo, False), (world.cy, False), (world.ada, True)):
        client = signed_in(person)
        shown = page(client)
        assert bool(shown.select(".drift__a button")) is proposes
        assert not shown.select(".up")
        with assert_nothing_written_in(world.acme):
            assert client.post(reverse("drafts:upload-configuration"), {"text": FILE + "#"}).status_code == 403
            assert client.post(reverse("drafts:keep-configuration")).status_code == 403
            if not proposes:
                assert press(client, "settings.hold_seconds", "desk").status_code == 403
    assert "hold_seconds" not in page(signed_in(world.eve)).get_text()  # another account's
    assert signed_in(world.eve).get(reverse("drafts:config-document", args=[1])).status_code == 404


def test_many_differences_ask_no_more_than_one(world: World, signed_in: Browser) -> None:
    dan = signed_in(world.dan)
    asked = []
    for at, count in enumerate((1, 500)):
        tags = ", ".join(f"t{number}" for number in range(count))
        store(world, FILE.replace("tags: []", f"tags: [{tags}] # {at}"))
        page(dan)
        with counted() as queries:
            shown = page(dan)
        asked.append(len(queries))
    assert len(shown.select(".drift")) == 500
    assert asked[0] == asked[1]


def test_who_sees_some_channels_is_shown_nothing_that_names_all(world: World, signed_in: Browser) -> None:
    store(world)
    with tenant_context(world.acme.pk):
        members.set_channels(account_id=world.acme.pk, user=world.cy, channels=[world.mail.pk], actor=world.dan)
    client = signed_in(world.cy)
    for name, args in (("configuration", []), ("export-configuration", []), ("config-document", [1])):
        assert client.get(reverse(f"drafts:{name}", args=args)).status_code == 403
    library = Library(world.acme.pk, world.cy, "infrastructure", None, ZoneInfo("UTC"), None)
    assert library.on_file() is None
    assert Library(world.acme.pk, world.ada, "infrastructure", None, ZoneInfo("UTC"), None).on_file() is not None
