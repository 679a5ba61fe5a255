"""Prompts and lanes in the browser: what is shown, what an admin does there, what everybody else is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.models import Account, User
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.desk.scene import Attention
from drafts.learning import prompts
from drafts.models import Lane, PromptVersion
from ingestion.models import JobRun
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]
URL = "/quality/training/"


@pytest.fixture
def version(world: World, acme: None) -> PromptVersion:
    return prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer kindly.", note="kinder")


def decided(world: World, number: int) -> None:
    for _ in range(number):
        draft = factories.draft(factories.message(world.mail), intent="returns")
        factories.approved(draft, world.ada, attention=Attention(viewed_ms=60_000))


def test_an_admin_writes_a_version_tries_it_and_activates_it(world: World, acme: None, signed_in: Browser) -> None:
    dan = signed_in(world.dan)
    assert dan.post(f"{URL}prompts/", {"text": "Be brief.\r\nBe kind.", "note": "shorter"}).status_code == 303
    version = PromptVersion.objects.get()
    assert (version.text, version.note, version.status) == ("Be brief.\nBe kind.", "shorter", "draft")
    for act in ("try", "end", "evaluate", "activate"):
        answer = dan.post(f"{URL}prompts/{version.pk}/{act}/", follow=True)
        assert answer.status_code == 200, act
    version.refresh_from_db()
    assert version.status == "active"
    assert JobRun.objects.get(type="eval").params["label"] == "reply-v1"
    page = dan.get(URL).content.decode()
    assert "reply-v1" in page
    assert "Be brief." in page


def test_a_lane_is_opened_and_shut(world: World, acme: None, signed_in: Browser, version: PromptVersion) -> None:
    prompts.activate(version_id=version.pk, actor=world.dan)
    Account.objects.filter(pk=world.acme.pk).update(settings={"lanes": True, "lane_reviewed": 20, "lane_bound": 0.8})
    decided(world, 20)
    dan = signed_in(world.dan)
    assert "20 of 20" in dan.get(URL).content.decode()
    form = {"intent": "returns", "channel": str(world.mail.pk), "prompt": "reply-v1", "model": "offline"}
    assert dan.post(f"{URL}lanes/", form).status_code == 303
    lane = Lane.objects.get()
    assert lane.state == "open"
    assert dan.post(f"{URL}lanes/{lane.pk}/shut/").status_code == 303
    lane.refresh_from_db()
    assert lane.state == "shut"


def test_without_evidence_the_page_says_so_and_nothing_opens(world: World, acme: None, signed_in: Browser) -> None:
    Account.objects.filter(pk=world.acme.pk).update(settings={"lanes": True})
    form = {"intent": "returns", "channel": str(world.mail.pk), "prompt": "reply-v0", "model": "offline"}
    client = signed_in(world.dan)
    with assert_nothing_written():
        answer = client.post(f"{URL}lanes/", form)
    assert answer.status_code == 409
    assert "Not enough evidence" in answer.content.decode()


@pytest.mark.parametrize("who", ["ada", "bo", "cy"])
def test_others_read_but_do_not_decide(world: World, signed_in: Browser, version: PromptVersion, who: str) -> None:
    client = signed_in(getattr(world, who))
    page = client.get(URL)
    assert page.status_code == 200
    assert "formaction" not in page.content.decode()
    with assert_nothing_written():
        assert client.post(f"{URL}prompts/", {"text": "Mine"}).status_code == 403
        assert client.post(f"{URL}prompts/{version.pk}/activate/").status_code == 403


def test_the_page_offers_what_can_be_done_with_a_version_and_says_why_not(
    world: World, acme: None, signed_in: Browser, version: PromptVersion
) -> None:
    def offered() -> list[str]:
        soup = BeautifulSoup(dan.get(URL).content, "html.parser")
        return [str(button["formaction"]).split("/")[-2] for button in soup.select("article button[formaction]")]

    dan = signed_in(world.dan)
    assert offered() == ["activate", "evaluate", "try"]
    found = goldens.propose(account_id=world.acme.pk, actor=world.dan, question="Is it safe?", answer="It is safe.")
    goldens.accept(golden_id=found.pk, actor=world.dan)
    assert offered() == ["evaluate"]
    assert "no finished evaluation on your 1 approved answers" in dan.get(URL).content.decode()
    PromptVersion.objects.filter(pk=version.pk).update(trial_share=0.1)
    assert offered() == ["evaluate", "end"]


def test_another_tenants_version_is_not_there(world: World, signed_in: Browser, version: PromptVersion) -> None:
    with tenant_context(world.globex.pk):
        factories.person("gil", world.globex, "admin")
        gil = User.objects.get(email="gil@globex.test")
    client = signed_in(gil)
    with assert_nothing_written():
        answer = client.post(f"{URL}prompts/{version.pk}/activate/")
    assert answer.status_code == 404


@pytest.mark.parametrize("form", [{}, {"channel": "nonsense"}, {"channel": str(uuid.UUID(int=0))}])
def test_bad_input_is_refused(world: World, acme: None, signed_in: Browser, form: dict[str, str]) -> None:
    client = signed_in(world.dan)
    with assert_nothing_written():
        assert client.post(f"{URL}lanes/", form).status_code in {404, 409, 422}
        assert client.post(f"{URL}prompts/", {"text": " "}).status_code == 422
        assert client.post(f"{URL}prompts/{uuid.uuid4()}/activate/").status_code == 404
        assert client.post(f"{URL}prompts/{uuid.uuid4()}/nonsense/").status_code == 404


@pytest.mark.parametrize(("drafter", "says"), [("offline", True), ("openai", False)])
def test_the_page_says_that_the_offline_drafter_does_not_read_prompts(
    world: World, acme: None, signed_in: Browser, settings: Any, drafter: str, says: bool
) -> None:
    settings.DRAFTER = drafter
    page = signed_in(world.dan).get(URL).content.decode()
    assert ("The offline drafter does not read prompts" in page) is says


def test_a_nul_in_a_form_is_left_out(world: World, acme: None, signed_in: Browser) -> None:
    dan = signed_in(world.dan)
    assert dan.post(f"{URL}prompts/", {"text": "Be\x00 brief.", "note": "\x00shorter"}).status_code == 303
    version = PromptVersion.objects.get()
    assert (version.text, version.note) == ("Be brief.", "shorter")
    lane = {"channel": str(world.mail.pk), "intent": "re\x00turns", "prompt": "\x00", "model": "\x00"}
    Account.objects.filter(pk=world.acme.pk).update(settings={"lanes": True})
    assert dan.post(f"{URL}lanes/", lane, headers={"HX-Request": "true"}).status_code == 409
