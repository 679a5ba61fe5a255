"""The internal API of seed 004: what a service may do, and what every bad request gets."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit
from conversations.models import Account, Conversation, Message, ServiceToken
from conversations.people import tokens
from conversations.tenancy import tenant_context
from ingestion import request_keys
from ingestion.models import RequestKey
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def token(world: World) -> str:
    with tenant_context(world.acme.pk):
        return tokens.issue(account=world.acme, name="Sync", scopes=tokens.Scope.values, actor=audit.SYSTEM)[1]


@pytest.fixture
def call(token: str) -> Callable[..., Any]:
    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else ""
        return Client().generic(method, f"/internal{path}", data, "application/json", headers=headers)

    return ask


@pytest.fixture
def conversation(world: World, call) -> str:
    body = {
        "channel_id": str(world.mail.pk),
        "external_id": "ticket-1",
        "subject": "Hose",
        "customer": {"address": "m@c.test"},
    }
    return call("POST", "/conversations", body).json()["id"]


def message(text: str = "Can I?", **changes: Any) -> dict[str, Any]:
    return {"external_id": "m-1", "body_text": text, **changes}


def rows(world: World, model: Any) -> list[Any]:
    with tenant_context(world.acme.pk):
        return list(model.objects.order_by("created_at"))


def test_a_conversation_is_created_once_and_then_found(world: World, call) -> None:
    body = {"channel_id": str(world.mail.pk), "external_id": "ticket-1", "subject": "Hose"}
    first, second = call("POST", "/conversations", body), call("POST", "/conversations", body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(rows(world, Conversation)) == 1


def test_an_inbound_message_is_stored_and_asks_for_a_draft(world: World, call, conversation: str) -> None:
    answer = call("POST", f"/conversations/{conversation}/messages", message("Does it fit?"))
    assert answer.status_code == 201
    assert (answer.json()["seq"], answer.json()["body_text"], answer.json()["direction"]) == (
        1,
        "Does it fit?",
        "inbound",
    )
    assert ProcrastinateJob.objects.get().args["conversation_id"] == conversation


def test_the_same_external_id_is_stored_once(world: World, call, conversation: str) -> None:
    first = call("POST", f"/conversations/{conversation}/messages", message())
    second = call("POST", f"/conversations/{conversation}/messages", message())
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(rows(world, Message)) == 1


def test_an_idempotency_key_stands_for_one_message_and_one_body(world: World, call, conversation: str) -> None:
    key = {"Idempotency-Key": "abc"}
    first = call("POST", f"/conversations/{conversation}/messages", message(), **key)
    again = call("POST", f"/conversations/{conversation}/messages", message(), **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    with tenant_context(world.acme.pk), assert_nothing_written():
        other = call("POST", f"/conversations/{conversation}/messages", message("Another", external_id="m-2"), **key)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]
    assert len(rows(world, Message)) == len(rows(world, RequestKey)) == 1


def test_an_idempotency_key_is_bound_to_its_conversation_and_its_route(world: World, call, conversation: str) -> None:
    """The same key and body for another conversation was answered with the first one's message."""
    key = {"Idempotency-Key": "abc"}
    body = {"channel_id": str(world.mail.pk), "external_id": "ticket-2"}
    second = call("POST", "/conversations", body).json()["id"]
    assert call("POST", f"/conversations/{conversation}/messages", message(), **key).status_code == 201
    with tenant_context(world.acme.pk), assert_nothing_written():
        answers = [
            call("POST", f"/conversations/{second}/messages", message(), **key),
            call("POST", "/conversations", {**body, "external_id": "ticket-3"}, **key),
        ]
    assert [answer.status_code for answer in answers] == [422, 422]


def test_a_conversation_is_created_once_for_its_key(world: World, call) -> None:
    body = {"channel_id": str(world.mail.pk), "external_id": "ticket-1"}
    first, again = (call("POST", "/conversations", body, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, again.status_code, first.json()["id"]) == (201, 200, again.json()["id"])


def test_an_idempotency_key_is_no_external_id(world: World, call, conversation: str) -> None:
    """A key that another message had as its external id was refused, or answered with that message."""
    call("POST", f"/conversations/{conversation}/messages", message("One", external_id="abc"))
    keyed = call(
        "POST",
        f"/conversations/{conversation}/messages",
        message("Two", external_id="m-2"),
        **{"Idempotency-Key": "abc"},
    )
    plain = call("POST", f"/conversations/{conversation}/messages", message("Three", external_id="m-3"))
    assert (keyed.status_code, plain.status_code) == (201, 201)
    assert [row.body_text for row in rows(world, Message)] == ["One", "Two", "Three"]


def test_the_same_key_of_another_token_is_another_key(world: World, call, conversation: str) -> None:
    with tenant_context(world.acme.pk):
        _, plain = tokens.issue(account=world.acme, name="Other", scopes=tokens.Scope.values, actor=audit.SYSTEM)
    key = {"Idempotency-Key": "1"}
    first = call("POST", f"/conversations/{conversation}/messages", message("One", external_id="a"), **key)
    other = call(
        "POST",
        f"/conversations/{conversation}/messages",
        message("Two", external_id="b"),
        **key,
        Authorization=f"Bearer {plain}",
    )
    assert (first.status_code, other.status_code) == (201, 201)


def test_a_key_ends_with_the_raw_bytes_of_its_request(world: World, call, conversation: str) -> None:
    call("POST", f"/conversations/{conversation}/messages", message("One", external_id="a"), **{"Idempotency-Key": "1"})
    past = timezone.now() - timedelta(seconds=1)
    with tenant_context(world.acme.pk):
        [row] = RequestKey.objects.all()
        RequestKey.objects.all().delete()
        RequestKey.objects.create(
            **{**{f.attname: getattr(row, f.attname) for f in row._meta.fields}, "expires_at": past}
        )
    assert (
        call(
            "POST",
            f"/conversations/{conversation}/messages",
            message("Two", external_id="b"),
            **{"Idempotency-Key": "1"},
        ).status_code
        == 201
    )
    assert request_keys.forget(world.acme.pk) == 0
    with tenant_context(world.acme.pk):
        assert RequestKey.objects.get().message.body_text == "Two"


def test_one_key_sent_ten_times_at_once_makes_one_message(committed_world: World, in_threads) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        _, plain = tokens.issue(account=world.acme, name="Sync", scopes=tokens.Scope.values, actor=audit.SYSTEM)
    conversation = factories.message(world.mail).conversation_id

    def post() -> int:
        return (
            Client()
            .post(
                f"/internal/conversations/{conversation}/messages",
                json.dumps(message()),
                "application/json",
                headers={"Authorization": f"Bearer {plain}", "Idempotency-Key": "k"},
            )
            .status_code
        )

    assert sorted(in_threads([post] * 10)) == [200] * 9 + [201]
    assert [row.body_text for row in rows(world, Message)][1:] == ["Can I?"]


def test_a_reply_sent_elsewhere_joins_the_thread_and_is_not_delivered(world: World, call, conversation: str) -> None:
    answer = call("POST", f"/conversations/{conversation}/messages", message("By phone", direction="outbound"))
    assert (answer.status_code, answer.json()["role"]) == (201, "operator")
    assert not ProcrastinateJob.objects.exists()


def test_an_echo_with_another_text_is_refused_and_the_same_one_is_known(world: World, call, conversation: str) -> None:
    path = f"/conversations/{conversation}/messages"
    first = message("By phone", direction="outbound", external_id="echo-1")
    assert [call("POST", path, first).status_code for _ in range(2)] == [201, 200]
    assert call("POST", path, {**first, "body_text": "By letter"}).status_code == 409
    assert [row.body_text for row in rows(world, Message) if row.external_id == "echo-1"] == ["By phone"]


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_no_page_fails_over_a_time_that_cannot_be_right(
    world: World, call, conversation: str, signed_in: Any, zone: str, at: str, direction: str
) -> None:
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(timezone=zone)
    sent = message("From the future", direction=direction, external_id="fut", sent_at=at)
    assert call("POST", f"/conversations/{conversation}/messages", sent).status_code == 201
    for page in (f"/conversations/{conversation}/", f"/conversations/{conversation}/timeline/", "/conversations/"):
        assert signed_in(world.ada).get(page).status_code == 200


@pytest.mark.parametrize(("order", "wanted"), [("newest", [5, 4, 3, 2, 1]), ("oldest", [1, 2, 3, 4, 5])])
def test_messages_come_in_keyset_pages_both_ways(call, conversation: str, order: str, wanted: list[int]) -> None:
    for number in range(5):
        call("POST", f"/conversations/{conversation}/messages", message(f"n{number}", external_id=f"m-{number}"))
    found, cursor = [], ""
    while True:
        page = call("GET", f"/conversations/{conversation}/messages?order={order}&limit=2&cursor={cursor}").json()
        found += [item["seq"] for item in page["messages"]]
        cursor = page["next"]
        if not cursor:
            break
    assert found == wanted


BAD_BODIES: dict[str, Any] = {
    "no JSON": b"{nope",
    "a list": [],
    "null": None,
    "no text": {"external_id": "x"},
    "an empty text": message(" "),
    "a number for a text": message(42),  # type: ignore[arg-type]
    "an unknown field": message(surprise=1),
    "an unknown direction": message(direction="sideways"),
    "a NUL": message("a\x00b"),
    "a NUL in the id": message(external_id="a\x00"),
    "a lone surrogate": b'{"external_id": "x", "body_text": "a\\ud800"}',
    "invalid UTF-8": b'{"external_id": "x", "body_text": "\xff"}',
    "an endless id": message(external_id="x" * 5000),
    "a naive time": message(sent_at="2026-01-01T00:00:00"),
    "no time": message(sent_at="yesterday"),
    "deep nesting": b'{"a":' * 5000 + b"1" + b"}" * 5000,
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_gets_a_4xx_that_helps_and_changes_nothing(world: World, call, conversation: str, name: str) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = call("POST", f"/conversations/{conversation}/messages", BAD_BODIES[name])
    assert 400 <= answer.status_code < 500, answer.content
    assert answer.json()["detail"]


def test_too_large_a_body_is_413(world: World, call, conversation: str) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = call("POST", f"/conversations/{conversation}/messages", message("x" * 1_100_000))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer nope", "Basic abc", "Bearer cs_aaaaaaaaaaaa_" + "b" * 43, "Bearer \u00e9"]
)
def test_a_wrong_token_is_401(world: World, conversation: str, header: str) -> None:
    answer = Client().get(f"/internal/conversations/{conversation}", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "token" in answer.json()["detail"]


@pytest.mark.parametrize("change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_revoked_or_expired_token_is_401(world: World, call, conversation: str, change: dict[str, Any]) -> None:
    with tenant_context(world.acme.pk):
        ServiceToken.objects.update(**change)
    assert call("GET", f"/conversations/{conversation}").status_code == 401


def test_a_scope_that_is_missing_is_403(world: World, conversation: str) -> None:
    with tenant_context(world.acme.pk):
        _, plain = tokens.issue(account=world.acme, name="Reader", scopes=["conversations:read"], actor=audit.SYSTEM)
    headers = {"Authorization": f"Bearer {plain}"}
    url = f"/internal/conversations/{conversation}/messages"
    assert Client().get(url, headers=headers).status_code == 200
    with tenant_context(world.acme.pk):
        ServiceToken.objects.update(last_used_at=timezone.now())
        with assert_nothing_written():
            answer = Client().post(url, json.dumps(message()), "application/json", headers=headers)
    assert answer.status_code == 403


def test_another_tenants_rows_and_unknown_ones_are_the_same_404(world: World, call) -> None:
    theirs = factories.message(world.other_mail)
    answers = []
    for pk in (theirs.conversation_id, uuid.uuid4()):
        answers += [call("GET", f"/conversations/{pk}"), call("GET", f"/conversations/{pk}/messages")]
        answers.append(call("POST", f"/conversations/{pk}/messages", message()))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    body = {"channel_id": str(world.other_mail.pk), "external_id": "x"}
    assert call("POST", "/conversations", body).status_code == 404


@pytest.mark.parametrize(
    "query", ["cursor=zzz", "cursor=bmV3ZXN0OjE%3D&order=oldest", "limit=0", "limit=1000", "order=up"]
)
def test_a_bad_query_is_422(call, conversation: str, query: str) -> None:
    assert call("GET", f"/conversations/{conversation}/messages?{query}").status_code == 422


def test_the_schema_and_its_page_need_nothing_from_elsewhere(world: World, signed_in: Any) -> None:
    page = signed_in(world.cy).get("/internal/docs")
    assert page.status_code == 200
    assert b"https://" not in page.content
    found = signed_in(world.cy).get("/internal/openapi.json")
    assert found.json()["info"]["title"] == "Countersign internal API"


def test_the_description_is_for_signed_in_people_and_for_tokens(world: World, call: Any) -> None:
    assert Client().get("/internal/docs")["Location"] == "/accounts/login/?next=/internal/docs"
    for headers in ({}, {"Authorization": "Bearer cs_aaaaaaaaaaaa_wrong"}, {"Authorization": "x"}):
        refused = Client().get("/internal/openapi.json", headers=headers)
        assert (refused.status_code, list(refused.json())) == (401, ["detail", "errors"])
    for path in ("/openapi.json", "/docs"):
        found = call("GET", path)
        assert (found.status_code, found["Cache-Control"]) == (200, "no-store, private")
