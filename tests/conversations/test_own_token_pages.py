"""The page of a person's own tokens: one is made and shown this once, listed without its secret, and ended."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.models import PolicyRule, ServiceToken
from conversations.people import own_tokens, tokens
from conversations.tenancy import tenant_context
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[..., Client]
URL = "/profile/tokens/"
FORM: dict[str, Any] = {"name": "Nightly report", "scope": ["assistant:read", "practice:read"], "days": "30"}


def sure(client: Client) -> Client:
    """Who sits there said their password again."""
    assert client.post("/accounts/reauthenticate/", {"password": "correct horse"}).status_code == 302
    return client


def made(world: World, client: Client, **changes: Any) -> tuple[str, Any]:
    return asked(sure(client), **changes)


def asked(client: Client, **changes: Any) -> tuple[str, Any]:
    answer = client.post(URL, {**FORM, **changes})
    found = re.search(r"cs_[a-z0-9]{12}_[\w-]{43}", answer.content.decode())
    return (found[0] if found else ""), answer


def test_one_is_made_shown_once_and_listed_without_its_secret(world: World, signed_in: Browser) -> None:
    client = signed_in(world.cy)
    assert URL in client.get("/profile/").content.decode()
    plain, answer = made(world, client)
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (201, True)
    caller = tokens.read(f"Bearer {plain}")
    assert caller is not None and caller.person == world.cy.pk
    page = client.get(URL).content.decode()
    _, key, secret = plain.split("_", 2)
    assert secret not in page and f"cs_{key}_" in page
    [row] = BeautifulSoup(page, "html.parser").select(".list__i")
    assert "Nightly report" in row.get_text() and "not used yet" in row.get_text()
    assert [tag.get_text() for tag in row.select(".tag")] == ["assistant:read", "practice:read"]


def test_it_is_ended_with_a_press(world: World, signed_in: Browser) -> None:
    client = signed_in(world.cy)
    plain, _ = made(world, client)
    with tenant_context(world.acme.pk):
        token = ServiceToken.objects.get()
    answer = client.post(f"{URL}{token.pk}/end/", follow=True)
    assert "It opens nothing from now on" in answer.content.decode()
    assert not BeautifulSoup(answer.content, "html.parser").select(".list__i")
    assert tokens.read(f"Bearer {plain}") is None


@pytest.mark.parametrize("wanted", [{}, {"scope": ["assistant:confirm"], "days": "1"}])
def test_who_makes_one_says_again_who_they_are(world: World, signed_in: Browser, wanted: dict[str, Any]) -> None:
    client = signed_in(world.cy)
    with assert_nothing_written_in(world.acme):
        plain, answer = asked(client, **wanted)
    assert (plain, answer.status_code) == ("", 302)
    assert answer["Location"].startswith("/accounts/reauthenticate/?next=%2Fprofile%2Ftokens%2F")
    again = {"next": URL}
    assert client.post("/accounts/reauthenticate/", {"password": "wrong", **again}).status_code == 200
    answer = client.post("/accounts/reauthenticate/", {"password": "correct horse", **again})
    found = re.search(r"cs_[a-z0-9]{12}_[\w-]{43}", answer.content.decode())
    caller = tokens.read(f"Bearer {found[0]}") if found else None
    assert answer.status_code == 201 and caller is not None
    assert set(caller.scopes) == set({**FORM, **wanted}["scope"])
    assert asked(client, **wanted)[0]  # not once more within minutes


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"scope": []},
        {"scope": ["messages:write"]},
        {"days": "x"},
        {"days": "5"},
        {"scope": ["assistant:confirm"], "days": "7"},
    ],
)
def test_what_is_not_possible_is_said_and_what_was_typed_stays(
    world: World, signed_in: Browser, wrong: dict[str, Any]
) -> None:
    client = sure(signed_in(world.cy))
    with assert_nothing_written_in(world.acme):
        plain, answer = asked(client, **wrong)
    form = BeautifulSoup(answer.content, "html.parser").select_one("main form[method=post]:not([action])")
    assert form is not None
    assert (plain, answer.status_code, "No token was made" in form.get_text()) == ("", 422, True)
    assert form.select_one("[name=name]")["value"] == wrong.get("name", FORM["name"])  # type: ignore[index]
    ticked = [one["value"] for one in form.select("[name=scope][checked]")]
    assert ticked == [scope for scope in wrong.get("scope", FORM["scope"]) if scope in own_tokens.OwnScope.values]


def test_too_many_are_a_conflict(world: World, signed_in: Browser, monkeypatch: Any) -> None:
    monkeypatch.setattr(own_tokens, "MOST", 1)
    client = signed_in(world.cy)
    made(world, client)
    with assert_nothing_written_in(world.acme):
        assert asked(client)[1].status_code == 409


def test_others_see_and_end_nothing_of_it(world: World, signed_in: Browser) -> None:
    made(world, signed_in(world.cy))
    with tenant_context(world.acme.pk):
        token = ServiceToken.objects.get()
    mine, *others = (signed_in(one) for one in (world.cy, world.ada, world.dan, world.eve))
    with assert_nothing_written_in(world.acme):
        for client in others:
            assert "Nightly report" not in client.get(URL).content.decode()
            assert client.post(f"{URL}{token.pk}/end/").status_code == 404
        assert mine.post(f"{URL}{uuid.uuid4()}/end/").status_code == 404


def test_who_has_no_assistant_has_no_such_page(world: World, signed_in: Browser) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="reviewer", verb="assist", kind="any", allowed=False)
    for person in (world.bo, world.ada):
        client = signed_in(person)
        assert URL not in client.get("/profile/").content.decode()
        with assert_nothing_written_in(world.acme):
            assert (client.get(URL).status_code, client.post(URL, FORM).status_code) == (403, 403)


def test_a_stranger_is_sent_to_the_log_in(world: World) -> None:
    assert Client().get(URL).status_code == 302
    assert Client().post(URL, FORM).status_code == 302
