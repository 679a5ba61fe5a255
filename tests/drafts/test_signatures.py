"""A signature stands below a reply: the channel's, or a person's own below what they wrote; part of what is seen and frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.messages import outgoing
from conversations.models import Channel, Delivery, User
from drafts.desk import decisions, editing, life
from drafts.desk.decisions import Changed
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

OURS, ADAS = "Acme Hoses Ltd, 1 Mill Lane", "Ada Lovelace\nWorkshop"


@pytest.fixture
def signed(world: World, acme: Any) -> None:
    channel = Channel.objects.get(pk=world.mail.pk)
    Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, "signature": OURS})
    User.objects.filter(pk=world.ada.pk).update(preferences={"signature": ADAS})


def leaves(draft: Draft, actor: User) -> str:
    delivery = factories.approved(draft, actor)
    found = Delivery.objects.get(pk=delivery.pk)
    assert found.body_text == Draft.objects.get(pk=draft.pk).actions.get(type__in=["approve", "edit"]).final_text
    return outgoing.outbound_of(found).body_text


@pytest.mark.usefixtures("signed")
def test_a_drafters_reply_is_signed_by_the_channel(world: World) -> None:
    assert leaves(factories.draft(factories.message(world.mail)), world.ada).endswith(f"Best regards\n\n-- \n{OURS}")


@pytest.mark.usefixtures("signed")
def test_what_a_person_wrote_has_their_own_whoever_approves_it(world: World) -> None:
    draft = life.write(conversation_id=factories.message(world.mail).conversation_id, actor=world.ada)
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Yes, it does.")
    assert leaves(draft, world.dan) == f"Yes, it does.\n\n-- \n{ADAS}"


def test_without_one_the_text_leaves_as_it_was_written(world: World, acme: Any) -> None:
    draft = factories.draft(factories.message(world.mail))
    assert leaves(draft, world.ada) == draft.suggested_text


@pytest.mark.usefixtures("signed")
def test_a_signature_that_changed_since_was_not_seen(world: World) -> None:
    draft = factories.draft(factories.message(world.mail))
    seen = factories.seen(draft)
    channel = Channel.objects.get(pk=world.mail.pk)
    Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, "signature": "Another firm"})
    with assert_nothing_written(), pytest.raises(Changed):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen)


@pytest.mark.usefixtures("signed")
def test_it_is_shown_below_the_draft_and_kept_in_ones_preferences(
    world: World, signed_in: Callable[[User], Client]
) -> None:
    client, draft = signed_in(world.ada), factories.draft(factories.message(world.mail))
    page = BeautifulSoup(client.get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert page.select_one(".sign").text == OURS
    profile = BeautifulSoup(client.get("/profile/").content, "html.parser")
    assert profile.select_one("[name=signature]").text.strip() == ADAS
    values = {"display_name": "Ada", "hold_seconds": "", "single_keys": "on", "theme": "auto", "time_zone": ""}
    assert client.post("/profile/", {**values, "signature": "Ada\r\nHead"}).status_code == 303
    assert User.objects.get(pk=world.ada.pk).choices.signature == "Ada\nHead"
