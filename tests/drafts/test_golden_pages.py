"""Approved answers: what the page offers to whom, and what pressing it does."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from conversations.models import User
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.models import Golden, LearningSample
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.factories import seen

Browser = Callable[[User], Client]
WORDS = {"question": "How long does shipping take?", "answer": "Two days.", "intent": "shipping"}


def golden(world: World, *, account: Any = None, **changes: Any) -> Golden:
    account = account or world.acme
    with tenant_context(account.pk):
        return Golden.objects.create(account=account, **{**WORDS, **changes})


def status(found: Golden) -> str:
    with tenant_context(found.account_id):
        return str(Golden.objects.get(pk=found.pk).status)


def test_a_proposal_is_accepted_retired_and_used_again(world: World, signed_in: Browser) -> None:
    found, browser = golden(world), signed_in(world.ada)
    for show, act, after in (("", "accept", "accepted"), ("used", "retire", "retired"), ("retired", "accept", "accepted")):  # fmt: skip
        page = browser.get(f"/sources/answers/?show={show}")
        assert WORDS["question"] in page.content.decode()
        answer = browser.post(f"/sources/answers/{found.pk}/{act}/", {"show": show})
        assert (answer.status_code, status(found)) == (303, after)


def test_a_correction_is_shown_word_by_word(world: World, signed_in: Browser) -> None:
    draft = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen(draft), final_text=draft.suggested_text.replace("Best", "Kind"))  # fmt: skip
        sample = LearningSample.objects.get()
    golden(world, samples=[str(sample.pk), str(uuid.uuid4())], origin="corrections")
    page = signed_in(world.ada).get("/sources/answers/").content.decode()
    assert "<del>Best</del>" in page and "<ins>Kind</ins>" in page and "and 1 more" in page


def test_other_words_take_its_place(world: World, signed_in: Browser) -> None:
    found = golden(world)
    form = {**WORDS, "answer": "Three days.", "valid_until": "2099-01-31"}
    assert signed_in(world.ada).post(f"/sources/answers/{found.pk}/edit/", form).status_code == 303
    with tenant_context(world.acme.pk):
        new = Golden.objects.get(status="proposed")
        assert (new.answer, new.valid_until and new.valid_until.year) == ("Three days.", 2099)
    assert status(found) == "refused"


@pytest.mark.parametrize("change", [{"answer": " "}, {"valid_from": "31.1.2099"}, {"valid_from": "2026-02-30"}, {"valid_from": "2027-01-02", "valid_until": "2027-01-01"}, {"question": "x" * 2001}])  # fmt: skip
def test_what_cannot_be_an_answer_is_refused(world: World, signed_in: Browser, change: dict[str, str]) -> None:
    browser = signed_in(world.ada)
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert browser.post("/sources/answers/add/", {**WORDS, **change}).status_code == 422


@pytest.mark.parametrize("name", ["cy", "bo"])
def test_who_may_not_decide_sees_no_buttons_and_gets_nowhere(world: World, signed_in: Browser, name: str) -> None:
    found, browser = golden(world), signed_in(getattr(world, name))
    assert b"formaction" not in browser.get("/sources/answers/").content.partition(b"<main")[2]
    with tenant_context(world.acme.pk), assert_nothing_written():
        for path in (f"{found.pk}/accept/", f"{found.pk}/edit/", "add/"):
            assert browser.post(f"/sources/answers/{path}", WORDS).status_code == 403


def test_another_tenants_answer_and_an_unknown_act_are_not_there(world: World, signed_in: Browser) -> None:
    theirs, ours, browser = golden(world, account=world.globex), golden(world), signed_in(world.ada)
    for path in (f"{theirs.pk}/accept/", f"{theirs.pk}/edit/", f"{ours.pk}/eat/", f"{uuid.uuid4()}/refuse/"):
        assert browser.post(f"/sources/answers/{path}", WORDS).status_code == 404
    assert status(theirs) == "proposed"


def test_a_refused_one_cannot_be_retired(world: World, signed_in: Browser) -> None:
    found = golden(world, status="refused")
    assert signed_in(world.ada).post(f"/sources/answers/{found.pk}/retire/").status_code == 409
