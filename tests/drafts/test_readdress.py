"""A mail that was passed on with a note is answered to who passed it on, or to who wrote it: a person chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client

from conversations.channels.base import Party
from conversations.errors import Invalid, Locked
from conversations.messages.joining import takes_part
from conversations.models import AuditEvent, Conversation, Delivery, PolicyRule, User
from conversations.visible import ALL
from drafts.desk import batch, decisions, editing
from drafts.desk.readdress import readdress
from drafts.desk.scene import Attention
from drafts.flow.drafting import write_draft
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_recipients import Writes

PRESSED_TWICE = Attention(pressed_twice=True)
RAVI, KIM = Party("ravi@customer.test", "Ravi Shah"), Party("kim@client.test", "Kim Dahl")
Browser = Callable[[User], Client]


@pytest.fixture
def draft(world: World, acme: Any) -> Draft:
    message = factories.message(world.mail, "Could you help my client?", sender=RAVI, forwarded=KIM)
    return factories.draft(
        message, checks=[{"ok": True, "text": "Goes to the customer"}, {"ok": True, "text": "All sourced"}]
    )


def choose(draft: Draft, actor: User, to: str = "forwarded", **changes: Any) -> Draft:
    return readdress(draft_id=draft.pk, actor=actor, **{"seen": factories.seen(draft), "to": to, **changes})


def addressed(draft: Draft) -> list[dict[str, str]]:
    fresh = Draft.objects.select_related("conversation__channel__account", "base_message").get(pk=draft.pk)
    return decisions.envelope_of(fresh.conversation, fresh)["to"]


def test_a_reply_goes_to_who_passed_the_mail_on_until_somebody_chooses(world: World, draft: Draft) -> None:
    assert addressed(draft) == [{"address": "ravi@customer.test", "name": "Ravi Shah"}]
    changed = choose(draft, world.cy)
    assert addressed(draft) == [{"address": "kim@client.test", "name": "Kim Dahl"}]
    assert [each["text"] for each in changed.checks] == [
        "Goes to kim@client.test; the customer is ravi@customer.test",
        "All sourced",
    ]
    assert [each["text"] for each in choose(draft, world.cy, "writer").checks] == [
        "Goes to the customer",
        "All sourced",
    ]
    assert addressed(draft) == [{"address": "ravi@customer.test", "name": "Ravi Shah"}]


def test_what_was_chosen_is_in_the_trail_without_the_address(world: World, draft: Draft) -> None:
    choose(draft, world.cy)
    event = AuditEvent.objects.get(kind="draft.readdressed")
    assert (event.actor_name, event.data) == ("Cy", {"to": "who wrote the mail that was passed on"})
    assert event.conversation_id == draft.conversation_id
    with assert_nothing_written():
        choose(draft, world.cy)  # saying it twice is saying it once


def test_the_approved_reply_goes_to_who_was_chosen_and_makes_them_part_of_the_thread(
    world: World, draft: Draft
) -> None:
    choose(draft, world.ada)
    delivery = factories.approved(draft, world.ada)
    assert delivery.envelope["to"] == [{"address": "kim@client.test", "name": "Kim Dahl"}]
    assert delivery.envelope["in_reply_to"] == draft.base_message.external_id
    assert takes_part(draft.conversation_id, "kim@client.test")
    assert Conversation.objects.get().customer_email == "ravi@customer.test"


def test_nobody_approves_recipients_that_they_did_not_see(world: World, draft: Draft) -> None:
    before = factories.seen(draft)
    choose(draft, world.cy)
    with assert_nothing_written(), pytest.raises(decisions.Changed):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=before)
    with assert_nothing_written(), pytest.raises(decisions.Changed):
        choose(draft, world.ada, "writer", seen=before)
    assert not Delivery.objects.exists()


def test_an_auditor_and_another_tenant_choose_nothing(world: World, draft: Draft) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        choose(draft, world.bo)
    foreign = factories.draft(factories.message(world.other_mail, forwarded=KIM))
    with assert_nothing_written(), pytest.raises(Draft.DoesNotExist):
        choose(foreign, world.ada)


def test_a_decided_a_stale_and_a_held_draft_stay_as_they_are(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    editing.claim(draft_id=draft.pk, actor=world.dan)
    with assert_nothing_written(), pytest.raises(Locked):
        choose(draft, world.ada)
    editing.release(draft_id=draft.pk, actor=world.dan)
    factories.reply_to(draft.base_message, sender=RAVI)
    with assert_nothing_written(), pytest.raises(decisions.Stale):
        choose(draft, world.ada, seen=seen)
    other = factories.draft(factories.message(world.mail, sender=RAVI, forwarded=KIM))
    factories.approved(other, world.dan)
    with assert_nothing_written(), pytest.raises(decisions.AlreadyDecided):
        choose(other, world.ada)


@pytest.mark.parametrize("to", ["", "kim@client.test", "cc"])
def test_nobody_else_can_be_chosen(world: World, draft: Draft, to: str) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        choose(draft, world.ada, to)


def test_where_nothing_was_passed_on_there_is_no_choice(world: World, acme: Any, signed_in: Browser) -> None:
    plain = factories.draft(factories.message(world.mail, sender=RAVI))
    with assert_nothing_written(), pytest.raises(Invalid):
        choose(plain, world.ada)
    assert "instead" not in signed_in(world.ada).get(f"/drafts/{plain.pk}/").content.decode()


def test_the_next_draft_keeps_the_choice_and_greets_who_was_chosen(world: World, draft: Draft) -> None:
    choose(draft, world.ada)
    action = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    drafter = Writes()
    written = write_draft(
        account_id=world.acme.pk, conversation_id=draft.conversation_id, asked_by=action.pk, drafter=drafter
    )
    assert written is not None
    assert drafter.request.customer_name == "Kim Dahl"
    assert (written.to_forwarded, addressed(written)[0]["address"]) == (True, "kim@client.test")
    assert written.checks[0]["text"] == "Goes to kim@client.test; the customer is ravi@customer.test"


def test_no_batch_takes_it(world: World, draft: Draft) -> None:
    choose(draft, world.ada)
    (found,) = batch.candidates([draft.pk], world.ada, ALL)
    assert found.why_not == "Somebody chose who gets it"


def test_the_page_shows_the_choice_and_carries_it_out(world: World, draft: Draft, signed_in: Browser) -> None:
    client = signed_in(world.ada)

    def page() -> BeautifulSoup:
        return BeautifulSoup(client.get(f"/drafts/{draft.pk}/").content, "html.parser")

    first = page()
    button = first.select_one("[data-act=readdress][value=forwarded]")
    assert button.text.split() == ["Answer", "Kim", "Dahl", "instead"]
    assert "Ravi Shah <ravi@customer.test>" in first.select_one(".to > summary").text
    hidden = {field["name"]: field["value"] for field in first.select("#decide > input[type=hidden]")}
    del hidden["csrfmiddlewaretoken"]
    sent = {**hidden, button["name"]: button["value"]}
    assert client.post(button["formaction"], sent).status_code == 303
    second = page()
    assert "Kim Dahl <kim@client.test>" in second.select_one(".to > summary").text
    assert second.select_one("[data-act=readdress][value=writer]").text.split() == ["Answer", "Ravi", "Shah", "instead"]
    # The page that shows the former recipients can do nothing any more.
    answer = client.post(button["formaction"], sent, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    fragment = client.post(
        button["formaction"],
        {**sent, "envelope": factories.seen(draft).envelope, "to": "writer"},
        headers={"HX-Request": "true"},
    )
    assert (fragment.status_code, b"Answer <bdi>Kim Dahl</bdi> instead" in fragment.content) == (200, True)
    assert client.get(button["formaction"]).status_code == 405
    assert signed_in(world.bo).post(button["formaction"], sent).status_code == 403
    assert signed_in(world.eve).post(button["formaction"], sent).status_code == 404


def test_four_eyes_hold_for_who_chose_the_recipient(world: World, acme: Any, draft: Draft) -> None:
    PolicyRule.objects.create(account=acme, role="reviewer", verb="approve", allowed=True, four_eyes=True)
    choose(draft, world.ada)
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    action = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    kept = write_draft(
        account_id=world.acme.pk, conversation_id=draft.conversation_id, asked_by=action.pk, drafter=Writes()
    )
    assert kept is not None
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        decisions.approve(draft_id=kept.pk, actor=world.ada, seen=factories.seen(kept), attention=PRESSED_TWICE)
    second = factories.person("fay", world.acme, "reviewer")
    assert (
        decisions.approve(draft_id=kept.pk, actor=second, seen=factories.seen(kept), attention=PRESSED_TWICE).type
        == "approve"
    )


def test_who_chose_the_writer_again_chose_nothing(world: World, acme: Any, draft: Draft) -> None:
    PolicyRule.objects.create(account=acme, role="reviewer", verb="approve", allowed=True, four_eyes=True)
    choose(draft, world.ada)
    choose(draft, world.ada, "writer")
    assert decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft)).type == "approve"
