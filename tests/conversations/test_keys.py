"""Single keys can be moved one by one; what is printed on the buttons is what works."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations import keys
from conversations.errors import Invalid
from conversations.metadata import Preferences
from conversations.models import User
from tests import factories
from tests.conftest import World

Browser = Callable[[User], Client]


def test_only_what_was_moved_is_kept() -> None:
    assert keys.chosen({}) == {}
    assert keys.chosen({"approve": "Q", "edit": "e", "reject": ""}) == {"approve": "q"}
    assert keys.chosen({"next": "k", "prev": "j"}) == {"next": "k", "prev": "j"}  # two change places
    assert Preferences(moved={"approve": "q"}).caps["approve"] == "Q"
    with pytest.raises(ValueError, match="would do two things"):
        Preferences(moved={"approve": "e"})


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"approve": "e"}, "“E” would do two things: Approve and send; Edit the draft"),
        ({"approve": "1"}, "“1” would do two things: Sources by number; Approve and send"),
        ({"undo": "?"}, "This list; Undo the last decision"),
        ({"undo": "/"}, "Filter the queue; Undo the last decision"),
        ({"edit": "ab"}, "“ab” is not one key"),
        ({"edit": "\x07"}, "is not one key"),
    ],
)
def test_what_cannot_be_a_key_is_refused_with_the_values_kept(
    world: World, signed_in: Browser, wanted: dict[str, str], why: str
) -> None:
    with pytest.raises(Invalid):
        keys.chosen(wanted)
    answer = signed_in(world.ada).post("/profile/keys/", {"snooze": "w", **wanted})
    page = BeautifulSoup(answer.content, "html.parser")
    assert answer.status_code == 422
    assert why in page.select_one("#keys-error").get_text()
    assert page.select_one("#k-snooze")["value"] == "w"
    act, key = next(iter(wanted.items()))
    assert page.select_one(f"#k-{act}")["value"] == key
    assert User.objects.get(pk=world.ada.pk).choices.moved == {}


def test_moved_keys_are_on_every_cap_and_can_be_put_back(world: World, signed_in: Browser) -> None:
    draft = factories.draft(factories.message(world.mail))
    browser = signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    assert BeautifulSoup(browser.get(url).content, "html.parser").select_one("[data-act=approve] kbd").text == "A"
    answer = browser.post("/profile/keys/", {"approve": "q", "next": "!", "undo": "u"})
    assert (answer.status_code, answer["Location"]) == (303, "/profile/#own-keys")
    page = BeautifulSoup(browser.get(url).content, "html.parser")
    approve = page.select_one(".actions [data-act=approve]")
    assert (approve["aria-keyshortcuts"], approve.kbd.text) == ("Q", "Q")
    assert page.select_one("[data-nav=next]")["aria-keyshortcuts"] == "!"
    assert page.select_one("#palette [data-do=undo] kbd").text == "U"
    assert "Q" in [cap.text for cap in page.select("#keys kbd")] and "A" not in [
        cap.text for cap in page.select("#keys kbd")
    ]
    assert '"q":"approve"' in page.body["data-acts"]
    factories.approved(draft, world.ada)
    assert (
        BeautifulSoup(browser.get("/queue/").content, "html.parser").select_one("#outbox [data-undo] kbd").text == "U"
    )
    assert browser.post("/profile/keys/", {"reset": "1", "approve": "q"}).status_code == 303
    assert User.objects.get(pk=world.ada.pk).choices.moved == {}


def test_a_key_that_somebody_chose_stays_theirs_when_a_new_act_would_have_it(world: World, signed_in: Browser) -> None:
    """Who put Approve on Q before there was an assistant keeps it; the assistant then has no key, until it is given one."""
    assert keys.keys_of({})["assist"] == "q" and keys.keys_of({"approve": "q"})["assist"] == ""
    assert keys.acts_at({"approve": "q"}, conversation=True)["q"] == "approve"
    assert keys.chosen({"approve": "q"}) == {"approve": "q"}
    assert keys.chosen({"approve": "q", "assist": "w"}) == {"approve": "q", "assist": "w"}
    with pytest.raises(Invalid, match="would do two things"):
        keys.chosen({"approve": "q", "assist": "q"})


def test_the_other_preferences_stay(world: World, signed_in: Browser) -> None:
    browser = signed_in(world.ada)
    browser.post("/profile/keys/", {"approve": "q"})
    browser.post("/profile/preferences/", {"theme": "dark"})
    form = {"display_name": "Ada", "hold_seconds": "", "single_keys": "alt", "theme": "light", "time_zone": ""}
    browser.post("/profile/", form)
    choices = User.objects.get(pk=world.ada.pk).choices
    assert (choices.moved, choices.theme, choices.single_keys) == ({"approve": "q"}, "light", "alt")
