"""Services work in a conversation by the verbs of the desk: closed, reopened, assigned, tagged, noted; customers are found."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from conversations import audit
from conversations.errors import Invalid
from conversations.models import AuditEvent, Conversation, Delivery, Message, Note, Notification
from conversations.people import tokens
from conversations.people.tokens import Scope
from conversations.tenancy import tenant_context
from drafts.desk import brought, editing
from drafts.desk.text import current_text
from drafts.models import Draft, DraftRevision
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(world: World, acme: Any) -> Call:
    plain = tokens.issue(account=world.acme, name="Crm", scopes=Scope.values, actor=audit.SYSTEM)[1]
    client = Client(raise_request_exception=False)

    def ask(path: str, body: dict[str, Any] | None = None, *, token: str = plain) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"/internal/{path}"
        answer = (
            client.get(url, headers=headers)
            if body is None
            else client.post(url, json.dumps(body), content_type="application/json", headers=headers)
        )
        return answer.status_code, answer.json()

    return ask


@pytest.fixture
def message(world: World, acme: Any) -> Message:
    return factories.message(world.mail)


def kinds() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("-id").values_list("kind", "actor_name")[:1])


def test_a_service_closes_with_a_reason_and_reopens(world: World, message: Message, call: Call) -> None:
    talk = f"conversations/{message.conversation_id}"
    draft = factories.draft(message)
    with assert_nothing_written():
        assert call(f"{talk}/close", {})[0] == 422
        assert call(f"{talk}/close", {"reason": "because"})[0] == 422
        assert call(f"{talk}/reopen", {})[0] == 409
    status, found = call(f"{talk}/close", {"reason": "answered_elsewhere"})
    assert (status, found["status"], found["outcome"], found["owed"]) == (200, "closed", "answered_elsewhere", "")
    draft.refresh_from_db()
    assert (draft.status, kinds()) == ("expired", [("conversation.closed", "Crm")])
    assert call(f"{talk}/close", {})[0] == 200
    status, found = call(f"{talk}/reopen", {})
    assert (status, found["status"], found["owed"]) == (200, "open", "reopened")


def test_a_conversation_in_somebodys_hands_is_not_closed_under_them(world: World, message: Message, call: Call) -> None:
    editing.claim(draft_id=factories.draft(message).pk, actor=world.ada)
    with assert_nothing_written():
        status, found = call(f"conversations/{message.conversation_id}/close", {"reason": "other"})
    assert (status, "Ada is working" in found["detail"]) == (423, True)


def test_it_gives_an_owner_who_may_decide_and_takes_them_away(world: World, message: Message, call: Call) -> None:
    talk = f"conversations/{message.conversation_id}/assign"
    assert call(talk, {"to": world.cy.email.upper()})[1]["owner"] == world.cy.email
    with assert_nothing_written():
        for nobody in (world.bo.email, world.eve.email, "x@nowhere.test"):
            assert call(talk, {"to": nobody})[0] == 422
    assert call(talk, {"to": None})[1]["owner"] is None


def test_tags_go_by_their_names(world: World, message: Message, call: Call) -> None:
    factories.tagged(factories.message(world.mail), "VIP")
    talk = f"conversations/{message.conversation_id}/tags"
    assert call(talk, {"add": ["vip"]}) == (200, ["VIP"])
    with assert_nothing_written():
        assert call(talk, {"add": ["nothing"]})[0] == 422
    assert call(talk, {"remove": ["VIP"]}) == (200, [])


def test_a_note_of_a_service_names_colleagues_and_never_leaves(world: World, message: Message, call: Call) -> None:
    status, found = call(f"conversations/{message.conversation_id}/notes", {"text": "Look at this, @Ada"})
    assert (status, found["author_name"]) == (201, "Crm")
    assert Note.objects.get().author is None
    assert not Delivery.objects.exists()
    assert AuditEvent.objects.get(kind="note.written").data == {"names": 1}


def test_a_colleagues_reply_waits_in_their_name_and_is_not_sent(world: World, message: Message, call: Call) -> None:
    body = {"writer": world.ada.email.upper(), "text": "Hi Marcus,\n\nI called the depot: it leaves on Monday.\n\nAda"}
    status, found = call(f"conversations/{message.conversation_id}/replies", body)
    assert (status, found["version"], found["status"]) == (201, 1, "pending")
    draft = Draft.objects.get()
    assert (draft.author_user, current_text(draft).text) == (world.ada, body["text"])
    assert DraftRevision.objects.get().author == world.ada
    assert kinds() == [("draft.brought", "Crm")]
    told = Notification.objects.get()
    assert (told.user, told.type, told.payload["draft"]) == (world.ada, "draft_ready", str(draft.pk))
    assert not Delivery.objects.exists()
    with assert_nothing_written():
        assert call(f"conversations/{message.conversation_id}/replies", body)[1] == found


def test_a_brought_reply_is_put_over_the_drafters_and_never_over_a_colleagues(
    world: World, message: Message, call: Call
) -> None:
    draft = factories.draft(message)
    talk = f"conversations/{message.conversation_id}/replies"
    assert call(talk, {"writer": world.ada.email, "text": "It leaves on Monday."})[0] == 201
    assert Draft.objects.get().pk == draft.pk
    with assert_nothing_written():
        status, problem = call(talk, {"writer": world.dan.email, "text": "It left on Friday."})
    assert (status, "Somebody's own words" in problem["detail"]) == (409, True)


@pytest.mark.parametrize("text", ["", "   ", "x" * 100_001])
def test_a_brought_reply_has_a_text_of_some_length(world: World, message: Message, call: Call, text: str) -> None:
    with assert_nothing_written():
        assert (
            call(f"conversations/{message.conversation_id}/replies", {"writer": world.ada.email, "text": text})[0]
            == 422
        )


@pytest.mark.parametrize("text", ["", " \n ", "x" * (editing.MAX_TEXT + 1)])
def test_the_verb_keeps_no_text_of_no_length_either(world: World, message: Message, text: str) -> None:
    service = audit.Actor(AuditEvent.ActorType.SERVICE, "Crm")
    with assert_nothing_written(), pytest.raises(Invalid, match="1 to 100,000 characters"):
        brought.bring(conversation_id=message.conversation_id, actor=service, writer=world.ada.email, text=text)


def test_only_who_may_write_here_can_have_written(world: World, message: Message, call: Call) -> None:
    talk = f"conversations/{message.conversation_id}/replies"
    with assert_nothing_written():
        answers = [
            call(talk, {"writer": address, "text": "Hello"})
            for address in ("nobody@acme.test", world.eve.email, world.bo.email, "no address")
        ]
    assert {status for status, _ in answers} == {422}
    assert len({problem["detail"] for _, problem in answers}) == 1
    factories.draft(message)
    editing.claim(draft_id=Draft.objects.get().pk, actor=world.dan)
    with assert_nothing_written():
        assert call(talk, {"writer": world.ada.email, "text": "Hello"})[0] == 423


def test_a_customer_is_found_by_an_address(world: World, message: Message, call: Call) -> None:
    status, found = call("customers?address=MARCUS@customer.test")
    assert (status, len(found)) == (200, 1)
    assert found[0] | {"id": 0} == {
        "id": 0, "name": "Marcus Delgado", "addresses": ["marcus@customer.test"], "conversations": 1, "open": 1,
    }  # fmt: skip
    assert call(f"customers/{found[0]['id']}")[1] == found[0]
    assert call("customers?address=nobody@x.test") == (200, [])
    assert call(f"customers/{uuid.uuid4()}")[0] == 404


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("close", {"reason": "other"}),
        ("reopen", {}),
        ("assign", {"to": None}),
        ("tags", {}),
        ("notes", {"text": "x"}),
        ("replies", {"writer": "ada@acme.test", "text": "x"}),
    ],
)
def test_without_the_scope_or_of_another_account_nothing_is_done(
    world: World, message: Message, call: Call, act: str, body: dict[str, Any]
) -> None:
    url = f"conversations/{message.conversation_id}/{act}"
    lesser = [Scope.READ_CONVERSATIONS, Scope.WRITE_MESSAGES]
    token = tokens.issue(account=world.acme, name="Less", scopes=lesser, actor=audit.SYSTEM)[1]
    with tenant_context(world.globex.pk):
        foreign = tokens.issue(account=world.globex, name="Other", scopes=Scope.values, actor=audit.SYSTEM)[1]
    with assert_nothing_written():
        assert call(url, body, token=token)[0] == 403
        assert call(url, body, token="cs_nothing_x")[0] == 401
    assert call(url, body, token=foreign)[0] == 404
    assert Conversation.objects.get(pk=message.conversation_id).status == "open"
