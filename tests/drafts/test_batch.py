"""Approving several at once: only the safe ones, each on what was seen of it, each in its own transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.channels.base import Party
from conversations.errors import Invalid
from conversations.models import Account, Delivery, User
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.desk import batch, decisions, editing, life, recipients
from drafts.desk.scene import LeftOut, Scene
from drafts.desk.text import Text
from drafts.models import Draft, DraftAction
from drafts.queue import Filters
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World

Browser = Callable[[User], Client]


def a_draft(world: World, **changes: Any) -> Draft:
    return factories.draft(factories.message(world.mail), **changes)


def every_kind(world: World) -> dict[str, Draft]:
    """A safe draft and one for each reason to be left out."""
    drafts = {
        "safe": a_draft(world),
        "unsourced": factories.unsourced(factories.message(world.mail)),
        "money": a_draft(world, text=f"Hi,\n\n{factories.SENTENCE}\n\nYou get a refund."),
        "care": a_draft(world, needs_human=["upset"]),
        "nothing stated": a_draft(world, text="Hi,\n\nA colleague will write to you."),
        "changed": a_draft(world, sources_changed_at=timezone.now()),
        "held": a_draft(world),
        "file": a_draft(world),
        "stale": a_draft(world),
        "decided": a_draft(world),
        "snoozed": a_draft(world),
    }
    factories.attached(drafts["file"], "prices.pdf")
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=drafts["held"].pk, actor=world.dan)
        life.snooze_draft(draft_id=drafts["snoozed"].pk, actor=world.dan, until=timezone.now() + timedelta(hours=1))
    factories.reply_to(drafts["stale"].base_message)
    factories.approved(drafts["decided"], world.dan)
    return drafts


def chosen(drafts: list[Draft]) -> list[tuple[uuid.UUID, Any, str]]:
    return [(draft.pk, factories.seen(draft), batch.new_request_id()) for draft in drafts]


def test_the_safe_ones_are_safe(acme: Account, world: World) -> None:
    drafts = every_kind(world)
    assert batch.safe_ones(Filters(), world.ada, ALL) == [drafts["safe"].pk]


def test_it_says_why_each_other_is_left_out(acme: Account, world: World) -> None:
    drafts = every_kind(world)
    found = {one.draft.pk: one.why_not for one in batch.candidates([d.pk for d in drafts.values()], world.ada, ALL)}
    why = {name: found[draft.pk] for name, draft in drafts.items()}
    assert why == {
        "safe": "",
        "unsourced": "1 without a source",
        "money": "It speaks of money",
        "care": "It needs care",
        "nothing stated": "It states nothing from a source",
        "changed": "A source changed",
        "held": "Dan is working on it",
        "file": "Somebody attached a file",
        "stale": "Not waiting any more: it is stale",
        "decided": "Not waiting any more: it is approved",
        "snoozed": "",
    }


def test_what_cannot_be_sent_is_left_out_and_the_page_says_why(acme: Account, world: World, signed_in: Browser) -> None:
    draft = factories.draft(factories.message(world.mail, sender=Party("marcus at customer.test", "Marcus")))
    [found] = batch.candidates([draft.pk], world.ada, ALL)
    assert "is not an address that mail can be sent to" in found.why_not
    page = BeautifulSoup(signed_in(world.ada).get("/queue/batch/").content, "html.parser")
    assert page.select_one(".list .tag").get_text() == found.why_not
    assert not page.select("input[name=take]")


def test_reading_twenty_five_takes_as_many_statements_as_one(acme: Account, world: World) -> None:
    one = [a_draft(world).pk]
    with counted() as few:
        batch.candidates(one, world.ada, ALL)
    many = [a_draft(world).pk for _ in range(30)]
    with counted() as more:
        assert len(batch.candidates(many, world.ada, ALL)) == batch.MAX_DRAFTS
    assert len(few) == len(more) <= 3


def test_each_is_approved_in_its_own_transaction_and_the_unsafe_are_left_alone(committed_world: World) -> None:
    world = committed_world
    drafts = every_kind(world)
    names = {draft.pk: name for name, draft in drafts.items()}
    results = batch.approve_each(account_id=world.acme.pk, actor=world.ada, chosen=chosen(list(drafts.values())))
    assert {names[r.draft_id] for r in results if r.action} == {"safe", "snoozed"}
    assert all(r.why_not for r in results if not r.action)
    with tenant_context(world.acme.pk):
        assert Delivery.objects.exclude(draft_id=drafts["decided"].pk).count() == 2
        assert Draft.objects.get(pk=drafts["unsourced"].pk).status == "pending"


def test_the_verb_alone_locks_and_asks_under_its_locks(acme: Account, world: World) -> None:
    draft = a_draft(world)
    asked: list[tuple[uuid.UUID, str]] = []

    def unless(scene: Scene, text: Text) -> str:
        asked.append((scene.draft.pk, text.text))
        return "Not this one"

    with assert_nothing_written(), counted() as statements, pytest.raises(LeftOut, match="Not this one"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), unless=unless)
    assert asked == [(draft.pk, draft.suggested_text)]
    assert len([each for each in statements if "FOR UPDATE" in each["sql"]]) == 2, "the conversation, then the draft"
    with counted() as statements:
        batch._approve(draft.pk, world.ada, factories.seen(draft), batch.new_request_id())
    locks = [each["sql"] for each in statements if "FOR UPDATE" in each["sql"]]
    assert [("conversations_conversation" in sql, 'OF "drafts_draft"' in sql) for sql in locks][:2] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert len(locks) == 2


def test_what_changed_after_it_was_shown_is_left_out(committed_world: World) -> None:
    world = committed_world
    same, edited, newer = a_draft(world), a_draft(world), a_draft(world)
    asked = chosen([same, edited, newer])
    with tenant_context(world.acme.pk):
        editing.save_revision(
            draft_id=edited.pk, actor=world.dan, version=0, text=edited.suggested_text.replace("Hi", "Dear")
        )
    factories.reply_to(newer.base_message)
    first, second, third = batch.approve_each(account_id=world.acme.pk, actor=world.ada, chosen=asked)
    assert first.action
    assert "version 1" in second.why_not
    assert third.action is None
    assert third.why_not
    with tenant_context(world.acme.pk):
        assert [d.draft_id for d in Delivery.objects.all()] == [same.pk]


def test_a_repeat_gives_the_same_outcome_and_sends_nothing_twice(committed_world: World) -> None:
    world = committed_world
    asked = chosen([a_draft(world), a_draft(world)])
    first = batch.approve_each(account_id=world.acme.pk, actor=world.ada, chosen=asked)
    assert batch.approve_each(account_id=world.acme.pk, actor=world.ada, chosen=asked) == first
    with tenant_context(world.acme.pk):
        assert Delivery.objects.count() == 2


def test_two_people_with_the_same_batch_send_each_once(
    committed_world: World, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    world = committed_world
    drafts = [a_draft(world) for _ in range(8)]
    asked = {user: chosen(drafts if user == world.ada else drafts[::-1]) for user in (world.ada, world.dan)}
    found = in_threads(
        [
            lambda user=user: batch.approve_each(account_id=world.acme.pk, actor=user, chosen=asked[user])  # type: ignore[misc]
            for user in asked
        ]
    )
    assert sum(bool(result.action) for results in found for result in results) == 8, found
    with tenant_context(world.acme.pk):
        assert Delivery.objects.count() == 8


def test_it_refuses_nothing_and_too_many(world: World) -> None:
    for count in (0, batch.MAX_DRAFTS + 1):
        with assert_nothing_written(), pytest.raises(Invalid):
            batch.approve_each(
                account_id=world.acme.pk,
                actor=world.ada,
                chosen=[(uuid.uuid4(), None, "x")] * count,  # type: ignore[list-item]
            )


def test_an_agent_gets_403_for_page_and_press_and_sees_no_control(world: World, signed_in: Browser) -> None:
    draft = a_draft(world)
    for user in (world.cy, world.bo):
        client = signed_in(user)
        assert client.get("/queue/batch/").status_code == 403
        assert client.post("/queue/batch/", {"take": str(draft.pk)}).status_code == 403
        assert client.get("/queue/batch/done/").status_code == 403
        page = client.get("/queue/").content.decode()
        assert "Approve the safe ones" not in page
        assert "pickrow" not in page


def form_of(page: Any) -> dict[str, Any]:
    soup = BeautifulSoup(page.content, "html.parser")
    form = soup.select_one("form[data-batch]")
    data: dict[str, Any] = {"take": [box["value"] for box in form.select("input[type=checkbox]")]}
    for field in form.select("input[type=hidden]"):
        data[field["name"]] = field["value"]
    return data


def test_the_page_shows_texts_approves_what_is_ticked_and_tells_what_became_of_it(
    committed_world: World, signed_in: Browser
) -> None:
    world = committed_world
    drafts = every_kind(world)
    client = signed_in(world.ada)
    page = client.get("/queue/batch/", {"id": [str(d.pk) for d in drafts.values()]})
    assert factories.SENTENCE in page.content.decode()
    assert "Dan is working on it" in page.content.decode()
    data = form_of(page)
    assert set(data["take"]) == {str(drafts["safe"].pk), str(drafts["snoozed"].pk)}
    data["take"] = [str(drafts["safe"].pk)]
    answer = client.post("/queue/batch/", data)
    assert (answer.status_code, answer["Location"]) == (303, "/queue/batch/done/")
    done = BeautifulSoup(client.get("/queue/batch/done/").content, "html.parser")
    assert done.select_one("h1").text == "1 approved"
    with tenant_context(world.acme.pk):
        delivery = Delivery.objects.exclude(draft_id=drafts["decided"].pk).get()
        assert DraftAction.objects.get(draft=drafts["safe"], type="approve").request_id.startswith("batch-")
    assert done.select_one("form[action*=undo]")["action"] == f"/deliveries/{delivery.pk}/undo/"


def test_a_batch_that_lost_a_race_lists_it_with_the_reason(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    draft = a_draft(world)
    client = signed_in(world.ada)
    data = form_of(client.get("/queue/batch/"))
    factories.reply_to(draft.base_message)
    client.post("/queue/batch/", data)
    done = BeautifulSoup(client.get("/queue/batch/done/").content, "html.parser")
    assert done.select_one("h1").text == "0 approved, 1 left out"


def test_it_says_so_when_nothing_was_ticked_or_the_page_is_damaged(world: World, signed_in: Browser) -> None:
    draft = a_draft(world)
    client = signed_in(world.ada)
    for data in ({}, {"take": str(draft.pk)}, {"take": "x", "seen-x": "a:b:c:d"}, {"take": str(draft.pk), f"seen-{draft.pk}": "1:2"}):  # fmt: skip
        answer = client.post("/queue/batch/", data)
        assert answer.status_code == 422, data
        assert "Nothing was approved" in answer.content.decode() or "nothing was approved" in answer.content.decode()
    with tenant_context(world.acme.pk):
        assert Draft.objects.get(pk=draft.pk).status == "pending"


def test_another_tenants_drafts_are_not_there(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    theirs = factories.draft(factories.message(world.other_mail, "zebra-4711"))
    client = signed_in(world.ada)
    assert "zebra" not in client.get("/queue/batch/", {"id": str(theirs.pk)}).content.decode()
    [result] = batch.approve_each(account_id=world.acme.pk, actor=world.ada, chosen=chosen([theirs]))
    assert result.why_not == "There is no such draft in this account"
    with tenant_context(world.globex.pk):
        assert not Delivery.objects.exists()


def test_the_page_shows_who_gets_each_reply(world: World, signed_in: Browser) -> None:
    """A stranger in Cc of a customer's mail gets our answer: nobody approves that unseen."""
    message = factories.message(world.mail, to=(Party("support@acme.test"),), cc=(Party("thief@evil.test"),))
    with tenant_context(world.acme.pk):
        copies = recipients.asked_for(message.conversation, message)
    draft = factories.draft(message, recipients=copies)
    page = BeautifulSoup(signed_in(world.ada).get("/queue/batch/", {"id": str(draft.pk)}).content, "html.parser")
    assert "To marcus@customer.test, copy to thief@evil.test" in " ".join(page.select_one(".one").text.split())
