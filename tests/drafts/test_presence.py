"""Who else reads a conversation: said by their pulses, forgotten a minute after the last one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from conversations.models import Account, User
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.desk import editing, handover, presence
from drafts.evidence.rates import KNOWN_FROM, Rate, topic_rates
from drafts.models import Draft, Presence
from drafts.queue.pace import pace_of
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

Browser = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def draft(world: World) -> Draft:
    return factories.draft(factories.message(world.mail))


def names(room: presence.Room) -> list[str]:
    return [name for _, name in room.others]


def test_two_people_see_each_other_and_nobody_sees_themselves(acme: Account, world: World, draft: Draft) -> None:
    assert names(presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)) == []
    assert names(presence.enter(acme.pk, world.cy.pk, draft.pk, within=ALL)) == ["Ada"]
    assert names(presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)) == ["Cy"]


def test_a_page_that_went_quiet_says_nothing_after_a_minute(acme: Account, world: World, draft: Draft) -> None:
    presence.enter(acme.pk, world.cy.pk, draft.pk, within=ALL)
    assert names(presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)) == ["Cy"]
    Presence.objects.filter(user=world.cy).update(seen_at=timezone.now() - timedelta(seconds=61))
    assert names(presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)) == []
    presence.enter(acme.pk, world.cy.pk, draft.pk, within=ALL)
    assert names(presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)) == ["Cy"]


def test_a_pulse_soon_after_another_writes_nothing(acme: Account, world: World, draft: Draft) -> None:
    presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)
    with assert_nothing_written():
        presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)
        presence.enter(acme.pk, world.ada.pk, None, within=ALL)
        presence.enter(acme.pk, world.bo.pk, draft.pk, within=ALL, renew=False)


def test_another_tenants_draft_names_nobody_and_keeps_nothing(acme: Account, world: World) -> None:
    theirs = factories.draft(factories.message(world.other_mail))
    with tenant_context(world.globex.pk):
        presence.enter(world.globex.pk, world.eve.pk, theirs.pk, within=ALL)
    with assert_nothing_written():
        assert names(presence.enter(acme.pk, world.ada.pk, theirs.pk, within=ALL)) == []


def test_the_holder_learns_who_asks(acme: Account, world: World, draft: Draft) -> None:
    editing.claim(draft_id=draft.pk, actor=world.ada)
    handover.ask(draft_id=draft.pk, actor=world.cy)
    asked = presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL).asked
    assert asked is not None
    assert asked.by == "Cy"
    assert presence.enter(acme.pk, world.dan.pk, draft.pk, within=ALL).asked is None
    assert presence.asked_of(acme.pk, world.ada.pk, draft.conversation_id) == asked


def test_the_pulse_says_who_came_and_is_silent_until_they_go(world: World, signed_in: Browser, draft: Draft) -> None:
    ada, cy = signed_in(world.ada), signed_in(world.cy)
    since = BeautifulSoup(ada.get("/queue/").content, "html.parser").select_one("#pulse")["data-since"]
    url = f"/queue/pulse/?since={since}&draft={draft.pk}"
    assert ada.get(url, headers=HTMX).status_code == 204
    news = cy.get(url, headers=HTMX)
    room = BeautifulSoup(news.content, "html.parser").select_one(".room")
    assert room.select_one(".avatar")["aria-label"] == "Ada is reading this too"
    assert "rows" not in news.content.decode()
    assert cy.get(f"{url}&room={room['data-room']}", headers=HTMX).status_code == 204


def test_an_auditor_looks_and_leaves_no_trace(world: World, signed_in: Browser, draft: Draft) -> None:
    signed_in(world.ada).get(f"/queue/pulse/?draft={draft.pk}", headers=HTMX)
    news = signed_in(world.bo).get(f"/queue/pulse/?draft={draft.pk}", headers=HTMX)
    assert "Ada is reading this too" in news.content.decode()
    with tenant_context(world.acme.pk):
        assert [row.user for row in Presence.objects.select_related("user")] == [world.ada]


def decide(world: World, texts: list[str | None], **changes: object) -> None:
    for text in texts:
        draft = factories.draft(factories.message(world.mail), intent="hose", **changes)
        factories.approved(draft, world.ada, final_text=text)


def test_figures_count_what_was_sent_unchanged_for_the_same_topic_and_prompt(acme: Account, world: World) -> None:
    decide(world, [None, None, f"Hi Marcus,\n\n{factories.SENTENCE}\n\nAda"])
    decide(world, [None], prompt_label="reply-v2")
    found = topic_rates(acme.pk, fresh=True)
    assert found["hose", "reply-v1"] == Rate(unchanged=2, base=3)
    assert found["hose", "reply-v2"] == Rate(unchanged=1, base=1)
    decide(world, [None])
    assert topic_rates(acme.pk)["hose", "reply-v1"] == Rate(2, 3), "remembered"


def test_a_figure_is_not_told_before_it_means_something() -> None:
    assert "not yet known, 29 of 30" in Rate(29, KNOWN_FROM - 1).words
    assert Rate(41, 50).words == "Sent unchanged: 41 of 50 drafts like it, last 90 days"


def test_what_was_taken_back_counts_nowhere_but_as_undone(acme: Account, world: World) -> None:
    from drafts.desk import decisions

    decide(world, [None, None])
    delivery = factories.approved(factories.draft(factories.message(world.mail), intent="hose"), world.ada)
    decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    assert topic_rates(acme.pk, fresh=True)["hose", "reply-v1"] == Rate(2, 2)
    pace = pace_of(acme.pk, world.ada, since=timezone.now() - timedelta(hours=1), within=ALL)
    assert (pace.decided, pace.undone, pace.seconds, len(pace.last)) == (2, 1, None, 2)
    assert pace.minutes_for(10) is None


def test_the_pane_shows_the_figure(world: World, signed_in: Browser, draft: Draft) -> None:
    page = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert page.select_one("[data-figure]").text == "Sent unchanged: not yet known, 0 of 30 decisions so far"


def test_who_read_what_an_hour_ago_is_not_kept(acme: Account, world: World, draft: Draft) -> None:
    presence.enter(acme.pk, world.ada.pk, draft.pk, within=ALL)
    presence.enter(acme.pk, world.cy.pk, draft.pk, within=ALL)
    Presence.objects.filter(user=world.cy).update(seen_at=timezone.now() - timedelta(seconds=presence.REMOVE_AFTER + 1))
    assert presence.forget(acme.pk) == 1
    assert [row.user_id for row in Presence.objects.all()] == [world.ada.pk]
