"""The decision endpoints over HTTP: what a browser sends, and what it gets back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.models import Delivery, User
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.models import Draft, DraftAction
from drafts.views import answers
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
VERBS = [
    "approve", "reject", "edit", "regenerate", "snooze", "claim", "release", "keep", "reopen", "answered-elsewhere", "no-answer",
]  # fmt: skip


@pytest.fixture
def draft(world: World) -> Draft:
    return factories.draft(factories.message(world.mail))


def shown(client: Client, draft: Draft) -> dict[str, Any]:
    """The hidden fields of the pane, as the browser would post them."""
    soup = BeautifulSoup(client.get(f"/drafts/{draft.pk}/").content, "html.parser")
    return {field["name"]: field["value"] for field in soup.select_one("#decide").find_all("input", type="hidden", recursive=False) if field["name"] != "csrfmiddlewaretoken"}  # fmt: skip


def status(draft: Draft) -> str:
    with tenant_context(draft.account_id):
        return Draft.objects.values_list("status", flat=True).get(pk=draft.pk)


def test_approve_answers_htmx_with_only_what_changed(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    following = factories.draft(factories.message(world.mail, subject="Next in line"))
    data = {**shown(client, draft), "want": str(following.pk), "have": "1", "viewed_ms": "4100", "sources_opened": "2"}
    response = client.post(f"/drafts/{draft.pk}/approve/", data, headers=HTMX)
    assert response.status_code == 200
    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select_one("#count").text == "1"
    assert soup.find(id=f"li-{draft.pk}")["hx-swap-oob"] == "delete"
    assert [t["data-next"] for t in soup.select("template[data-next]")] == [str(following.pk)]
    assert "Marcus Delgado" in soup.select_one("#outbox").text
    with tenant_context(world.acme.pk):
        action = DraftAction.objects.get(draft=draft)
    assert (action.type, action.viewed_ms, action.sources_opened, action.pressed_twice) == ("approve", 4100, 2, False)


def test_approve_without_the_script_is_303_to_the_next_draft(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    following = factories.draft(factories.message(world.mail))
    response = client.post(f"/drafts/{draft.pk}/approve/", shown(client, draft))
    assert (response.status_code, response["Location"]) == (303, f"/drafts/{following.pk}/")
    response = client.post(f"/drafts/{following.pk}/approve/", shown(client, following))
    assert (response.status_code, response["Location"]) == (303, "/queue/")


def test_a_repeated_post_approves_once(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    data = shown(client, draft)
    assert client.post(f"/drafts/{draft.pk}/approve/", data, headers=HTMX).status_code == 200
    assert client.post(f"/drafts/{draft.pk}/approve/", data, headers=HTMX).status_code == 200
    with tenant_context(world.acme.pk):
        assert Delivery.objects.count() == 1


def test_a_stale_approval_is_409_in_place_with_the_text_kept(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    data = {**shown(client, draft), "final_text": "My own <b>words</b>"}
    factories.reply_to(draft.base_message, "Forgot to say")
    with tenant_context(world.acme.pk), assert_nothing_written():
        response = client.post(f"/drafts/{draft.pk}/approve/", data, headers=HTMX)
    assert (response.status_code, response["HX-Retarget"], response["HX-Reswap"]) == (409, "#review", "innerHTML")
    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select_one("#banner")["role"] == "alert"
    assert "My own <b>words</b>" in soup.select_one("#decide").text
    whole = client.post(f"/drafts/{draft.pk}/approve/", data)
    assert whole.status_code == 409
    assert b"<!doctype html>" in whole.content


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_a_refusal_builds_the_pane_of_its_draft_once(
    world: World, signed_in: Browser, draft: Draft, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    client = signed_in(world.ada)
    data = shown(client, draft)
    factories.reply_to(draft.base_message, "Forgot to say")
    build, built = answers.build, []

    def noted(one: Draft, *args: Any, **kwargs: Any) -> Any:
        built.append(one.pk)
        return build(one, *args, **kwargs)

    monkeypatch.setattr(answers, "build", noted)
    assert client.post(f"/drafts/{draft.pk}/approve/", data, headers=headers).status_code == 409
    assert built == [draft.pk]


def test_an_older_version_is_409(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    old = shown(client, draft)
    client.post(f"/drafts/{draft.pk}/edit/", {"version": "0", "final_text": "Newer text"}, headers=HTMX)
    response = client.post(f"/drafts/{draft.pk}/approve/", old, headers=HTMX)
    assert response.status_code == 409
    assert "now version 1" in response.content.decode()
    assert status(draft) == "pending"


def test_a_refused_press_without_the_script_asks_nothing_twice(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    data = {**shown(client, draft), "version": "7"}
    with counted() as queries:
        response = client.post(f"/drafts/{draft.pk}/approve/", data)
    assert response.status_code == 409
    asked = [query["sql"] for query in queries if query["sql"].startswith(("SELECT", "WITH"))]
    assert sorted(asked) == sorted(set(asked))


def test_an_unsourced_statement_is_422_and_the_answer_carries_the_second_press(
    world: World, signed_in: Browser
) -> None:
    risky = factories.unsourced(factories.message(world.mail))
    client = signed_in(world.ada)
    response = client.post(f"/drafts/{risky.pk}/approve/", shown(client, risky), headers=HTMX)
    assert response.status_code == 422
    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select_one("[name=pressed_twice]")["value"] == "1"
    again = {field["name"]: field["value"] for field in soup.select("#decide > input[type=hidden]")}
    assert client.post(f"/drafts/{risky.pk}/approve/", again, headers=HTMX).status_code == 200
    assert status(risky) == "approved"


def test_somebody_elses_claim_is_423(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    assert signed_in(world.cy).post(f"/drafts/{draft.pk}/claim/", {}, headers={**HTMX, "HX-Target": "saved"}).status_code == 204  # fmt: skip
    response = client.post(f"/drafts/{draft.pk}/approve/", shown(client, draft), headers=HTMX)
    assert response.status_code == 423
    assert "Cy is working on this conversation" in response.content.decode()
    taken = client.post(f"/drafts/{draft.pk}/claim/", {"take_over": "1"}, headers=HTMX)
    assert taken.status_code == 200
    assert client.post(f"/drafts/{draft.pk}/approve/", shown(client, draft), headers=HTMX).status_code == 200


def test_a_save_answers_with_the_new_version_and_what_a_second_press_would_be_for(
    world: World, signed_in: Browser, draft: Draft
) -> None:
    client = signed_in(world.ada)
    text = f"{draft.suggested_text}\r\n\r\nTighten the ends to 18 ft-lb."
    response = client.post(f"/drafts/{draft.pk}/edit/", {"version": "0", "final_text": text}, headers=HTMX)
    assert (response.status_code, response["ETag"], response["X-Version"]) == (204, '"1"', "1")
    assert response["X-Second"] == "1 unsourced"


def test_an_editor_that_is_behind_keeps_both_texts(world: World, signed_in: Browser, draft: Draft) -> None:
    ada, dan = signed_in(world.ada), signed_in(world.dan)
    ada.post(f"/drafts/{draft.pk}/edit/", {"version": "0", "final_text": "Ada's text"}, headers=HTMX)
    response = dan.post(f"/drafts/{draft.pk}/edit/", {"version": "0", "final_text": "Dan's text"})
    assert response.status_code == 412
    soup = BeautifulSoup(response.content, "html.parser")
    assert soup.select_one("#final").text.strip() == "Dan's text"
    assert "Ada saved version 1" in soup.select_one("#banner").text


def test_reject_without_a_reason_is_422(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    response = client.post(f"/drafts/{draft.pk}/reject/", shown(client, draft))
    assert response.status_code == 422
    assert "Say why" in response.content.decode()
    assert status(draft) == "pending"


def test_a_rejected_draft_can_be_reopened(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    client.post(f"/drafts/{draft.pk}/reject/", {**shown(client, draft), "reason": "tone"}, headers=HTMX)
    assert status(draft) == "rejected"
    response = client.post(f"/drafts/{draft.pk}/reopen/", {}, headers=HTMX)
    assert response["HX-Retarget"] == "#review"
    assert status(draft) == "pending"


def test_undo_brings_the_draft_back_and_too_late_is_409(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    delivery = factories.approved(draft, world.ada)
    response = client.post(f"/deliveries/{delivery.pk}/undo/", {}, headers=HTMX)
    assert (response.status_code, response["HX-Retarget"]) == (200, "#review")
    assert status(draft) == "pending"
    again = client.post(f"/deliveries/{delivery.pk}/undo/", {}, headers=HTMX)
    assert (again.status_code, again["HX-Reswap"]) == (409, "none")
    assert client.post(f"/deliveries/{delivery.pk}/undo/", {}).status_code == 409


def test_an_uncertain_delivery_is_settled_by_a_reviewer_only(world: World, signed_in: Browser, draft: Draft) -> None:
    delivery = factories.approved(draft, world.ada)
    with tenant_context(world.acme.pk):
        for state in ("queued", "sending", "uncertain"):
            Delivery.objects.filter(pk=delivery.pk).update(status=state, lease_until=delivery.hold_until)
    url = f"/deliveries/{delivery.pk}/resolve/sent/"
    assert "It arrived" in signed_in(world.ada).get(f"/conversations/{draft.conversation_id}/").content.decode()
    assert signed_in(world.cy).post(url).status_code == 403
    assert signed_in(world.ada).post(f"/deliveries/{delivery.pk}/resolve/nonsense/").status_code == 422
    assert signed_in(world.ada).post(url).status_code == 303
    assert status(draft) == "sent"


@pytest.mark.parametrize("verb", VERBS)
def test_a_get_changes_nothing(world: World, signed_in: Browser, draft: Draft, verb: str) -> None:
    assert signed_in(world.ada).get(f"/drafts/{draft.pk}/{verb}/").status_code == 405


@pytest.mark.parametrize("verb", VERBS)
def test_a_foreign_draft_is_404_and_nothing_is_written(
    world: World, signed_in: Browser, draft: Draft, verb: str
) -> None:
    data = _data(world, draft)
    client = signed_in(world.eve)
    client.get("/queue/")
    with tenant_context(world.acme.pk), assert_nothing_written():
        foreign = client.post(f"/drafts/{draft.pk}/{verb}/", data)
    assert foreign.status_code == client.post(f"/drafts/{uuid.uuid4()}/{verb}/", data).status_code == 404


@pytest.mark.parametrize("verb", VERBS)
def test_an_auditor_is_403_and_nothing_is_written(world: World, signed_in: Browser, draft: Draft, verb: str) -> None:
    data = _data(world, draft)
    client = signed_in(world.bo)
    client.get("/queue/")
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert client.post(f"/drafts/{draft.pk}/{verb}/", data).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"version": "x"},
        {"version": "9" * 40, "last_inbound": "no", "envelope": "zz", "request_id": "é"},
        {"final_text": "\x00", "reason": "nonsense", "note": "n" * 5000, "until": "soon", "viewed_ms": "-1"},
    ],
)
def test_bad_input_is_a_refusal_never_a_500(
    world: World, signed_in: Browser, draft: Draft, verb: str, bad: dict[str, str]
) -> None:
    client = signed_in(world.ada)
    for headers in ({}, HTMX):
        response = client.post(f"/drafts/{draft.pk}/{verb}/", bad, headers=headers)
        assert response.status_code in {200, 204, 303, 409, 422}, response.content
    assert status(draft) == "pending"


def _data(world: World, draft: Draft) -> dict[str, Any]:
    seen: decisions.Seen = factories.seen(draft)
    return {
        "version": seen.version,
        "last_inbound": str(seen.last_inbound),
        "envelope": seen.envelope,
        "request_id": uuid.uuid4().hex,
        "reason": "tone",
        "final_text": "x",
        "until": "2999-01-01T00:00",
    }


def test_a_snooze_ends_at_the_typed_time_of_the_persons_zone(world: World, signed_in: Browser, draft: Draft) -> None:
    client = signed_in(world.ada)
    world.ada.preferences = {"time_zone": "Europe/Oslo"}
    world.ada.save(update_fields=["preferences"])
    page = BeautifulSoup(client.get(f"/drafts/{draft.pk}/?do=snooze").content, "html.parser")
    assert page.select_one("[data-ask] input[name=at]")["type"] == "datetime-local"
    picked = page.select_one("[data-ask] input[name=until]")["value"]
    at = (timezone.now().astimezone(ZoneInfo("Europe/Oslo")) + timedelta(days=3)).replace(second=0, microsecond=0)
    typed = f"{at:%Y-%m-%dT%H:%M}"
    data = {**shown(client, draft), "until": picked}
    assert client.post(f"/drafts/{draft.pk}/snooze/", {**data, "at": "soon"}).status_code == 422
    assert client.post(f"/drafts/{draft.pk}/snooze/", {**data, "at": typed}).status_code == 303
    with tenant_context(world.acme.pk):
        draft.refresh_from_db()
    assert draft.snoozed_until == at
