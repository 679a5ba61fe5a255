"""The card of a proposed action: what it shows in each state, and its buttons, with and without a script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from bs4 import Tag as Element
from django.test import Client
from django.urls import reverse

from conversations.models import ConversationTag, Membership, MembershipChannel, PolicyRule, ProposedAction, Tag, User
from conversations.tenancy import tenant_context
from drafts.assistant.deciding import confirm
from drafts.desk import tags
from tests import factories
from tests.asserts import assert_nothing_written_in, counted
from tests.conftest import World

Browser = Callable[..., Client]
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def action(world: World) -> ProposedAction:
    """Cy's card: the tag Refund for a conversation."""
    with tenant_context(world.acme.pk):
        for name in ("Refund", "Urgent"):
            Tag.objects.create(account=world.acme, name=name)
    return factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})


def soup(response: Any) -> Element:
    found = BeautifulSoup(response.content, "html.parser").select_one(".act")
    assert found, response.content[:300]
    return found


def words(found: Element, selector: str = ".act") -> str:
    element = found if selector == ".act" else found.select_one(selector)
    return " ".join(element.get_text(" ").split()) if element else ""


def page(client: Client, action: ProposedAction, query: str = "") -> Element:
    return soup(client.get(reverse("drafts:action", args=[action.pk]) + query))


def press(client: Client, action: ProposedAction, act: str = "confirm", **more: Any) -> Any:
    headers = more.pop("headers", {})
    hashes = {"arguments_sha256": action.arguments_sha256, "precondition_sha256": action.precondition_sha256}
    return client.post(reverse("drafts:decide-action", args=[action.pk, act]), {**hashes, **more}, **headers)


def buttons(card: Element) -> list[str]:
    return [words(one) for one in card.select("footer button, footer a")]


def four_eyes(world: World) -> None:
    with tenant_context(world.acme.pk):
        for role in ("agent", "reviewer", "admin"):
            PolicyRule.objects.create(
                account=world.acme, role=role, verb="tag", kind="proposed", allowed=True, four_eyes=True
            )


def again(world: World, action: ProposedAction) -> ProposedAction:
    with tenant_context(world.acme.pk):
        return ProposedAction.objects.get(pk=action.pk)


# --- states -----------------------------------------------------------------------------------------------------------
def test_a_proposed_card_shows_what_it_does_and_what_it_rests_on(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    card = page(signed_in(world.cy), action)
    assert (words(card, "h2"), words(card, "header .tag")) == ("Add the tag Refund", "Proposed")
    assert words(card, ".chg ins") == "comes: Refund"
    assert [words(one) for one in card.select(".rests li")] == ["Tags: none , as now", "You may confirm it alone"]
    assert buttons(card) == ["Confirm", "Change", "Reject"]
    assert '"set_tags"' in words(card, ".exact pre")
    assert words(card, "footer .hint").startswith("Expires ")


def test_a_press_does_it_and_the_card_says_so_with_its_way_back(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    client = signed_in(world.cy)
    card = soup(press(client, action, headers=HTMX))
    assert words(card, "header .tag").startswith("Done ")
    assert buttons(card) == ["Trail of the conversation", "Revert"]
    assert words(card, "footer .hint") == "Confirmed by you"
    back = BeautifulSoup(press(client, action, "revert", headers=HTMX).content, "html.parser").select(".act")
    assert [words(one, "h2") for one in back] == ["Add the tag Refund", "Take off Refund"]
    with tenant_context(world.acme.pk):
        assert ConversationTag.objects.get().tag.name == "Refund"


def test_what_changed_since_shows_the_old_fact_and_the_new_one(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    client = signed_in(world.cy)
    with tenant_context(world.acme.pk):
        urgent = Tag.objects.get(name="Urgent")
        tags.retag(conversation_id=action.case_id, actor=world.ada, add=[urgent.pk], remove=[])
    assert words(page(client, action), ".rests .not") == "Tags: none Urgent"  # already before the press
    response = press(client, action, headers=HTMX)
    card = soup(response)
    assert (response.status_code, words(card, "header .tag")) == (409, "Not done, it changed")
    assert (words(card, ".rests .not del"), words(card, ".rests .not ins")) == ("none", "Urgent")
    assert buttons(card) == ["Propose again"]
    renewed = BeautifulSoup(press(client, action, "again", headers=HTMX).content, "html.parser").select(".act")
    assert words(renewed[1], "header .tag") == "Proposed"


def test_a_verb_that_refuses_says_why_and_that_nothing_was_changed(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    with tenant_context(world.acme.pk):
        Tag.objects.update(is_retired=True)
    card = soup(press(signed_in(world.cy), action, headers=HTMX))
    assert words(card, "header .tag").startswith("Failed ")
    assert words(card, ".note-box--bad").endswith("Nothing was changed.")
    assert buttons(card) == ["Propose again", "Trail of the conversation"]


def test_what_is_tainted_asks_for_two_presses(world: World, signed_in: Browser, action: ProposedAction) -> None:
    with tenant_context(world.acme.pk):
        case = action.case
    tainted = factories.proposed(case, world.cy, "set_tags", {"add": ["Refund"]}, tainted=True)
    client = signed_in(world.cy)
    assert words(page(client, tainted), ".note-box--warn").startswith("Two presses, because what was read for it")
    with assert_nothing_written_in(world.acme):
        response = press(client, tainted, headers=HTMX)
    card = soup(response)
    assert (response.status_code, buttons(card)[0]) == (422, "Press again")
    assert "Nothing has happened yet." in words(card, "footer")
    assert words(soup(press(client, tainted, pressed_twice="1", headers=HTMX)), "header .tag").startswith("Done ")


def test_no_is_said_with_a_reason(world: World, action: ProposedAction, signed_in: Browser) -> None:
    card = soup(press(signed_in(world.cy), action, "reject", reason="Not a refund.", headers=HTMX))
    assert words(card, "header .tag").startswith("Rejected by you ")
    assert "“Not a refund.”" in words(card)
    assert buttons(card) == []


def test_a_changed_card_is_the_persons_own_and_its_errors_keep_what_was_typed(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    client = signed_in(world.cy)
    form = page(client, action, "?change=1")
    assert words(form, "header .tag") == "You are changing it"
    assert form.select_one("[name=arg-add]")["value"] == "Refund"
    with assert_nothing_written_in(world.acme):
        refused = press(client, action, "change", **{"arg-add": "nothing such", "arg-remove": ""}, headers=HTMX)
    card = soup(refused)
    assert (refused.status_code, card.select_one("[name=arg-add]")["value"]) == (422, "nothing such")
    assert "There is no tag “nothing such”" in words(card, "[role=alert]")
    both = press(client, action, "change", **{"arg-add": "Urgent, refund", "arg-remove": ""}, headers=HTMX)
    old, new = BeautifulSoup(both.content, "html.parser").select(".act")
    assert words(old, "header .tag").startswith("Changed by you")
    assert words(new, "h2") == "Add the tags Urgent, Refund"


def test_a_time_is_typed_in_the_persons_own_zone(world: World, action: ProposedAction, signed_in: Browser) -> None:
    with tenant_context(world.acme.pk):
        case = action.case
        User.objects.filter(pk=world.cy.pk).update(preferences={"time_zone": "America/New_York"})
    world.cy.refresh_from_db()
    at = action.created_at + timedelta(days=2)
    snooze = factories.proposed(case, world.cy, "snooze", {"until": at.isoformat()})
    client = signed_in(world.cy)
    field = page(client, snooze, "?change=1").select_one("[name=arg-until]")
    typed = field["value"]
    press(client, snooze, "change", **{"arg-until": typed}, headers=HTMX)
    with tenant_context(world.acme.pk):
        new = ProposedAction.objects.latest("created_at")
    assert new.replaces_id == snooze.pk
    assert new.arguments["until"] == f"{typed}:00-05:00"


# --- who --------------------------------------------------------------------------------------------------------------
def test_a_second_person_finds_it_in_their_list_and_countersigns(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    four_eyes(world)
    cy, ada = signed_in(world.cy), signed_in(world.ada)
    assert words(page(cy, action), ".rests .who") == "Needs a second person with “tag”"
    waits = soup(press(cy, action, headers=HTMX))
    assert words(waits, "header .tag") == "1 of 2 signatures"
    assert words(waits, "footer .act__why") == "Ada and Dan can sign. You cannot sign twice."
    assert buttons(waits) == ["Take it back"]
    waiting = ada.get(reverse("drafts:waiting"))
    assert words(soup(waiting), "header .tag") == "Waits for you"
    assert buttons(soup(waiting)) == ["Countersign", "Refuse"]
    assert BeautifulSoup(waiting.content, "html.parser").select_one("#waiting-n").get_text() == "1"
    assert b"Please do that" not in waiting.content  # no word of the chat
    assert not BeautifulSoup(cy.get(reverse("drafts:waiting")).content, "html.parser").select(".wait .act")
    done = soup(press(ada, action, headers=HTMX))
    assert [words(one) for one in done.select(".sig dd")] == ["C Cy", "A Ada"]
    late = press(signed_in(world.dan), action, headers=HTMX)
    assert late.status_code == 409
    assert "Ada was first: done at" in words(soup(late), "[role=alert]")


def test_an_agent_kept_to_another_channel_has_nothing_to_sign(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    four_eyes(world)
    with tenant_context(world.acme.pk, person=world.cy.pk):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    elsewhere = factories.channel(world.acme, external_id="other@acme.test", name="Other")
    kept = factories.person("kay", world.acme, "agent")
    with tenant_context(world.acme.pk):
        own = Membership.objects.get(account=world.acme, user=kept)
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=elsewhere)
    client = signed_in(kept)
    assert not BeautifulSoup(client.get(reverse("drafts:waiting")).content, "html.parser").select(".wait .act")
    with assert_nothing_written_in(world.acme):
        assert press(client, action, headers=HTMX).status_code == 404


def test_what_one_signed_is_listed_while_one_sees_what_it_is_about(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    four_eyes(world)
    kay = factories.person("kay", world.acme, "agent")
    press(signed_in(world.cy), action, alone="1")
    press(signed_in(kay), action, alone="1")
    assert again(world, action).status == "executed"
    url, client = reverse("drafts:action", args=[action.pk]), signed_in(kay)
    assert url in client.get(reverse("drafts:waiting")).text and client.get(url).status_code == 200
    elsewhere = factories.channel(world.acme, external_id="other@acme.test", name="Other")
    with tenant_context(world.acme.pk):
        own = Membership.objects.get(account=world.acme, user=kay)
        MembershipChannel.objects.create(account=world.acme, membership=own, channel=elsewhere)
    assert url not in client.get(reverse("drafts:waiting")).text and client.get(url).status_code == 404


@pytest.mark.parametrize("act", ["confirm", "reject", "change", "again", "revert"])
def test_others_find_nothing_and_an_auditor_presses_nothing(
    world: World, action: ProposedAction, signed_in: Browser, act: str
) -> None:
    for person, status in ((world.ada, 404), (world.eve, 404), (world.bo, 403)):
        client = signed_in(person)
        with assert_nothing_written_in(world.acme):
            assert press(client, action, act, headers=HTMX).status_code == status
            assert client.get(reverse("drafts:decide-action", args=[action.pk, act])).status_code in (403, 405)


def test_a_right_that_was_lost_is_said_on_the_card_which_stays(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    with tenant_context(world.acme.pk):
        PolicyRule.objects.create(account=world.acme, role="agent", verb="tag", kind="proposed", allowed=False)
    client = signed_in(world.cy)
    with assert_nothing_written_in(world.acme):
        response = press(client, action, headers=HTMX)
    assert response.status_code == 403
    assert "Your role may not do this" in words(soup(response), ".note-box--bad")
    assert again(world, action).status == "proposed"


# --- without a script -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("query", ["", "?change=1"])
def test_a_card_offers_nothing_that_it_would_refuse(
    world: World, action: ProposedAction, signed_in: Browser, query: str
) -> None:
    four_eyes(world)
    press(signed_in(world.cy), action)
    press(signed_in(world.cy), action, alone="1")
    own = factories.proposed(factories.message(world.mail).conversation, world.cy, "set_tags", {"add": ["Refund"]})
    with tenant_context(world.acme.pk):
        PolicyRule.objects.filter(verb="tag").update(allowed=False, four_eyes=False)
    card = page(signed_in(world.cy), own, query)
    assert buttons(card) == ["Reject"] and "You may not confirm it: that needs “tag" in words(card)
    card = page(signed_in(world.ada), action, query)
    assert buttons(card) == [] and "You may not sign it: that needs “tag" in words(card)


def test_a_card_about_the_desk_is_for_who_may_sign_it(world: World, signed_in: Browser) -> None:
    session = factories.chat(world.acme, world.ada, "Please do that.", context="infrastructure")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        action = factories.proposed_in(session, world.ada, "set_setting", {"name": "hold_seconds", "value": 20})
        confirm(action_id=action.pk, actor=world.ada, pressed=factories.pressed(action))
    for person, status in ((world.ada, 200), (world.dan, 200), (world.cy, 404)):
        found = signed_in(person).get(reverse("drafts:action", args=[action.pk]))
        assert (person.name, found.status_code) == (person.name, status)
    assert press(signed_in(world.cy), action, "reject").status_code == 404
    press(signed_in(world.dan), action, alone="1")
    assert again(world, action).status == "executed"


def test_without_a_script_a_press_leads_to_the_card_alone_and_from_there_back(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    client, chat = signed_in(world.cy), reverse("conversations:chat", args=[action.session_id])
    with assert_nothing_written_in(world.acme):
        first = press(client, action, back=chat)
    assert (first.status_code, first["Location"]) == (303, f"{reverse('drafts:action', args=[action.pk])}?back={chat}")
    card = soup(client.get(first["Location"]))
    assert (card.select_one("[name=alone]")["value"], card.select_one("[name=back]")["value"]) == ("1", chat)
    done = press(client, action, alone="1", back=chat)
    assert (done.status_code, done["Location"]) == (303, f"{chat}#act-{action.pk}")
    stale = press(client, action, alone="1", back=chat)
    assert stale.status_code == 409 and "Cy was first" in words(soup(stale))


@pytest.mark.parametrize("back", ["//evil.test/", "https://evil.test/", "javascript:alert(1)", ""])
def test_the_way_back_is_never_out_of_the_desk(
    world: World, action: ProposedAction, signed_in: Browser, back: str
) -> None:
    response = press(signed_in(world.cy), action, "reject", back=back)
    assert response["Location"].startswith(reverse("conversations:chat", args=[action.session_id]))


def test_an_act_that_is_none_is_not_found(world: World, action: ProposedAction, signed_in: Browser) -> None:
    assert press(signed_in(world.cy), action, "approve").status_code == 404


def test_ten_cards_of_a_case_look_at_it_as_often_as_two(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    """What the viewer sees is asked once for a conversation, however many cards are about it."""
    four_eyes(world)
    with tenant_context(world.acme.pk):
        case = action.case

    def waits(count: int) -> int:
        for _ in range(count):
            one = factories.proposed(case, world.cy, "set_tags", {"add": ["Refund"]})
            with tenant_context(world.acme.pk, person=world.cy.pk):
                confirm(action_id=one.pk, actor=world.cy, pressed=factories.pressed(one))
        client = signed_in(world.ada)
        with counted() as asked:
            assert client.get(reverse("drafts:waiting")).status_code == 200
        return sum("membershipchannel" in query["sql"] for query in asked.captured_queries)

    assert waits(2) == waits(8)


def test_the_chats_say_how_many_wait_for_ones_signature_and_which_chat_waits_for_a_decision(
    world: World, action: ProposedAction, signed_in: Browser
) -> None:
    def shown(person: User) -> tuple[str, int]:
        page = BeautifulSoup(signed_in(person).get(reverse("conversations:chats")).content, "html.parser")
        number = page.select_one("#waiting-n")
        return number.get_text() if number else "", len(page.select(".row--chat .tag--accent"))

    assert (shown(world.ada), shown(world.cy)) == (("", 0), ("", 1))
    with tenant_context(world.acme.pk):
        for role in ("agent", "reviewer"):
            PolicyRule.objects.create(account=world.acme, role=role, verb="tag", kind="proposed", allowed=True, four_eyes=True)  # fmt: skip
    with tenant_context(world.acme.pk, person=world.cy.pk):
        confirm(action_id=action.pk, actor=world.cy, pressed=factories.pressed(action))
    assert (shown(world.ada), shown(world.cy)) == (("1", 0), ("", 1))
