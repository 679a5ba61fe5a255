"""What leaves as a file is in the trail first, also when an auditor takes it, whose own transaction writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from conversations import audit
from conversations.models import AuditEvent, User
from conversations.tenancy import tenant_context
from conversations.trail import report
from drafts.desk import decisions
from tests import factories
from tests.conftest import World

Browser = Callable[[User], Client]
PRESSED = decisions.Attention(pressed_twice=True)


def lines(answer: object) -> list[dict]:
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]


def made(world: World) -> list[AuditEvent]:
    with tenant_context(world.acme.pk):
        return list(AuditEvent.objects.filter(kind="export.made").order_by("id"))


def edited(world: World, user: User) -> None:
    draft = factories.draft(factories.message(world.mail))
    factories.approved(draft, user, final_text=f"Hi,\n\n{factories.SENTENCE} Truly.", attention=PRESSED)


@pytest.mark.parametrize("who", ["bo", "dan"])
def test_an_exported_timeline_is_in_the_trail(committed_world: World, signed_in: Browser, who: str) -> None:
    world, person = committed_world, getattr(committed_world, who)
    message = factories.message(world.mail)
    url = f"/conversations/{message.conversation_id}/timeline/export.csv"
    browser = signed_in(person)
    browser.head(url)
    assert made(world) == []  # nothing was taken
    answer = browser.get(url)
    [event] = made(world)  # before the first byte was read
    rows = b"".join(answer.streaming_content).count(b"\r\n") - 1  # type: ignore[attr-defined]
    assert (event.actor_id, event.conversation_id) == (str(person.pk), message.conversation_id)
    assert event.data == {"what": f"the timeline of conversation #{message.conversation.number} as CSV", "rows": rows}
    assert audit.sentence(event) == f"{person.name} exported {event.data['what']}: {rows} rows"
    with tenant_context(world.acme.pk):
        assert report.verify(world.acme.pk) is None


def test_who_may_not_export_leaves_no_trace(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    message = factories.message(world.mail)
    for url in (f"/conversations/{message.conversation_id}/timeline/export.csv", "/quality/export.trail.jsonl"):
        assert signed_in(world.ada).get(url).status_code == 403
    assert signed_in(world.cy).get("/quality/export.corrections.jsonl").status_code == 403
    assert signed_in(world.bo).get("/quality/export.corrections.jsonl").status_code == 403
    assert made(world) == []


def test_the_whole_trail_is_exported_as_it_was_counted(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    factories.message(world.mail)
    factories.message(world.other_mail)
    answer = signed_in(world.bo).get("/quality/export.trail.jsonl")
    [event] = made(world)
    found = lines(answer)
    assert {row["account_id"] for row in found} == {str(world.acme.pk)}
    assert len(found) == event.data["rows"] + 1  # the export itself came before its first line
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))


def test_a_reviewer_exports_their_own_corrections_and_an_admin_all(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    edited(world, world.ada)
    edited(world, world.dan)
    assert len(lines(signed_in(world.ada).get("/quality/export.corrections.jsonl"))) == 1
    assert len(lines(signed_in(world.dan).get("/quality/export.corrections.jsonl"))) == 2
    assert [(event.actor_name, event.data) for event in made(world)] == [
        ("Ada", {"what": "own corrections", "rows": 1}),
        ("Dan", {"what": "everybody's corrections", "rows": 2}),
    ]


def test_the_command_is_in_the_trail_of_each_account(committed_world: World) -> None:
    world = committed_world
    edited(world, world.ada)
    out = StringIO()
    call_command("export_corrections", "--since", "7d", stdout=out, stderr=StringIO())
    [event] = made(world)
    assert (event.actor_name, event.data["rows"]) == ("export_corrections, on the server", 1)
    assert len(out.getvalue().splitlines()) == 1
