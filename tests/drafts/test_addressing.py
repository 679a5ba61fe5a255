"""Who gets a reply: everybody who was in the mail, until a person says otherwise; and what was seen is who gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from conversations.channels.addresses import normal_address
from conversations.channels.base import Authentication, Automatic, Party
from conversations.channels.lines import one_line
from conversations.errors import Invalid
from conversations.messages import outgoing
from conversations.messages.envelope import copies
from conversations.models import AuditEvent, Delivery, Message, PolicyRule, User
from conversations.visible import ALL
from drafts.desk import batch, decisions, editing, lanes, life, recipients
from drafts.desk.decisions import Changed, Stale
from drafts.desk.readdress import MOST, Recipients, choose, readdress
from drafts.flow.drafting import write_draft
from drafts.models import Draft
from drafts.views.pane.sending import _line
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.drafts.test_recipients import Writes

Browser = Callable[[User], Client]
PRESSED = decisions.Attention(pressed_twice=True)
DESK, LUIS, BOSS = Party("support@acme.test"), Party("luis@customer.test", "Luis"), Party("boss@customer.test")


def wrote(world: World, **more: Any) -> Message:
    return factories.message(world.mail, **{"to": (DESK, LUIS), "cc": (BOSS,), **more})


def drafted(world: World, message: Message) -> Draft:
    found = write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=Writes())
    assert found is not None
    return found


def gets(draft: Draft) -> dict[str, list[str]]:
    fresh = Draft.objects.select_related("conversation__channel__account", "base_message").get(pk=draft.pk)
    envelope = decisions.envelope_of(fresh.conversation, fresh)
    return {name: [party["address"] for party in envelope.get(name, ())] for name in ("to", "cc", "bcc")}


def test_a_draft_keeps_everybody_who_was_in_the_mail(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    assert gets(draft) == {
        "to": ["marcus@customer.test"],
        "cc": ["luis@customer.test", "boss@customer.test"],
        "bcc": [],
    }
    assert {"ok": True, "text": "Copy to luis@customer.test, boss@customer.test, as in the mail", "about": "recipients"} in draft.checks  # fmt: skip
    assert not draft.is_readdressed


def test_so_does_a_reply_of_ones_own(world: World, acme: Any) -> None:
    draft = life.write(conversation_id=wrote(world).conversation_id, actor=world.ada)
    assert gets(draft)["cc"] == ["luis@customer.test", "boss@customer.test"]


def test_a_text_that_is_kept_goes_to_who_is_in_the_newer_mail(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    newer = factories.reply_to(draft.base_message, to=(DESK,), cc=(LUIS,))
    kept = editing.keep(draft_id=draft.pk, actor=world.ada, last_inbound=newer.pk)
    assert gets(kept)["cc"] == ["luis@customer.test"]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"to": (DESK,), "cc": ()}, []),
        # None of our own addresses stands in it: To is an alias that leads here.
        ({"to": (Party("help@acme-alias.test"),), "cc": (LUIS,)}, ["luis@customer.test"]),
        ({"to": (DESK,), "cc": (Party("MARCUS@customer.test"), LUIS)}, ["luis@customer.test"]),
        ({"to": (Party("sales@acme.test"),), "cc": (LUIS,), "recipient": "sales@acme.test"}, ["luis@customer.test"]),
        ({"to": (DESK, *(Party(f"p{n}@list.test") for n in range(21))), "cc": ()}, []),
        ({"to": (DESK, LUIS), "authentication": Authentication("fail", dmarc="fail")}, []),
        ({"to": (DESK, LUIS), "automatic": Automatic.AUTO_REPLY}, []),
    ],
)
def test_a_copy_goes_to_other_people_only(world: World, acme: Any, more: dict[str, Any], wanted: list[str]) -> None:
    message = wrote(world, **more)
    found = copies(message, [{"address": "marcus@customer.test"}], own=recipients.own_addresses())
    assert [party["address"] for party in found] == wanted


def test_what_a_person_chooses_is_what_is_approved_and_sent(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    chosen = Recipients.read("Marcus <marcus@customer.test>", "luis@customer.test", "lawyer@acme.test")
    choose(draft_id=draft.pk, actor=world.cy, seen=factories.seen(draft), recipients=chosen)
    fresh = Draft.objects.get(pk=draft.pk)
    assert {"ok": False, "text": "Hidden copy to lawyer@acme.test, who was not in the mail", "about": "recipients"} in fresh.checks  # fmt: skip
    event = AuditEvent.objects.filter(kind="draft.readdressed").get()
    assert (event.data, list(event.commitments)) == ({"to": "3 addresses"}, ["to"])
    delivery = factories.approved(fresh, world.ada, attention=PRESSED)
    outbound = outgoing.outbound_of(Delivery.objects.get(pk=delivery.pk))
    assert [one.address for one in (*outbound.to, *outbound.cc, *outbound.bcc)] == [
        "marcus@customer.test", "luis@customer.test", "lawyer@acme.test",
    ]  # fmt: skip


def test_who_has_the_former_recipients_open_approves_nothing(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    seen = factories.seen(draft)
    choose(draft_id=draft.pk, actor=world.cy, seen=seen, recipients=Recipients.read("marcus@customer.test"))
    for act in (
        lambda: decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen, attention=PRESSED),
        lambda: choose(draft_id=draft.pk, actor=world.ada, seen=seen, recipients=Recipients.read("x@customer.test")),
    ):
        with assert_nothing_written(), pytest.raises(Changed, match="recipients"):
            act()


def test_one_press_takes_the_copies_off_and_another_puts_them_back(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    for to, count in (("alone", 0), ("all", 2)):
        readdress(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), to=to)
        assert len(gets(draft)["cc"]) == count
    assert not Draft.objects.get(pk=draft.pk).is_readdressed


def test_another_draft_to_the_same_mail_keeps_the_choice(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    chosen = Recipients.read("marcus@customer.test", "new@customer.test")
    choose(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), recipients=chosen)
    action = decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft))
    again = write_draft(account_id=world.acme.pk, conversation_id=draft.conversation_id, asked_by=action.pk, drafter=Writes())  # fmt: skip
    assert again is not None and gets(again)["cc"] == ["new@customer.test"]


def test_no_lane_and_no_batch_sends_to_more_than_the_customer(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world, authentication=Authentication("pass", dmarc="pass")))
    assert not lanes._may_leave(draft, draft.conversation)
    plain = drafted(world, wrote(world, to=(DESK,), cc=(), authentication=Authentication("pass", dmarc="pass")))
    assert lanes._may_leave(plain, plain.conversation)
    sourced = factories.draft(wrote(world))
    choose(draft_id=sourced.pk, actor=world.ada, seen=factories.seen(sourced), recipients=Recipients.read("a@b.test"))
    (found,) = batch.candidates([sourced.pk], world.ada, ALL)
    assert found.why_not == "Somebody chose who gets it"


def test_four_eyes_hold_for_who_chose(world: World, acme: Any) -> None:
    PolicyRule.objects.create(account=acme, role="reviewer", verb="approve", allowed=True, four_eyes=True)
    draft = drafted(world, wrote(world))
    choose(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), recipients=Recipients.read("a@b.test"))
    with assert_nothing_written(), pytest.raises(PermissionDenied, match="Another person"):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attention=PRESSED)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("luis@",), "“luis@” is no address"),
        (("a@b.test", "x; y@c.test"), "“x” is no address"),
        (("", "a@b.test"), "Who gets this"),
        (("; ".join(f"p{n}@b.test" for n in range(MOST + 1)),), f"At most {MOST}"),
        (("a@b.test\r\nBcc: c@d.test",), "is no address"),
    ],
)
def test_what_is_no_list_of_addresses_says_so(typed: tuple[str, ...], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        Recipients.read(*typed)


def test_addresses_are_read_as_people_type_them_and_nobody_is_in_two_lists() -> None:
    found = Recipients.read(
        'Ana Lima <ana@x.test>, "Shah, Ravi" <ravi@x.test>; b@x.test\nc@x.test', "B@x.test, d@x.test"
    )
    assert found.to == [
        {"address": "ana@x.test", "name": "Ana Lima"},
        {"address": "ravi@x.test", "name": "Shah, Ravi"},
        {"address": "b@x.test", "name": ""},
        {"address": "c@x.test", "name": ""},
    ]
    assert [party["address"] for party in found.cc] == ["d@x.test"]


def test_an_auditor_changes_nobody(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        choose(draft_id=draft.pk, actor=world.bo, seen=factories.seen(draft), recipients=Recipients.read("a@b.test"))


def test_nobody_is_changed_once_the_customer_wrote_again(world: World, acme: Any) -> None:
    draft = drafted(world, wrote(world))
    seen = factories.seen(draft)
    factories.reply_to(draft.base_message)
    with assert_nothing_written(), pytest.raises(Stale):
        choose(draft_id=draft.pk, actor=world.ada, seen=seen, recipients=Recipients.read("a@b.test"))


def fields(page: BeautifulSoup) -> dict[str, str]:
    form = page.select_one("#decide")
    assert form is not None
    values = {one["name"]: one["value"] for one in form.select("input[type=hidden]")}
    return {**values, **{one["name"]: one.text for one in form.select(".to textarea")}}


def test_who_is_typed_and_not_yet_taken_over_gets_the_approved_reply_too(
    world: World, acme: Any, signed_in: Browser
) -> None:
    draft, client = drafted(world, wrote(world)), signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    values = {**fields(BeautifulSoup(client.get(url).content, "html.parser")), "pressed_twice": "1"}
    refused = client.post(f"{url}approve/", {**values, "cc_line": "luis@"})
    assert (refused.status_code, Delivery.objects.count()) == (422, 0)
    done = client.post(f"{url}approve/", {**values, "cc_line": "new@customer.test", "bcc_line": ""})
    assert done.status_code == 303
    assert [party["address"] for party in Delivery.objects.get().envelope["cc"]] == ["new@customer.test"]
    # The same press again, as after a lost answer, is answered with its first outcome.
    assert client.post(f"{url}approve/", {**values, "cc_line": "new@customer.test"}).status_code == 303
    assert Delivery.objects.count() == 1


def test_the_page_shows_each_address_and_marks_who_is_new(world: World, acme: Any, signed_in: Browser) -> None:
    draft, client = drafted(world, wrote(world)), signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    values = fields(BeautifulSoup(client.get(url).content, "html.parser"))
    sent = {**values, "cc_line": f"{values['cc_line']}; new@other.test"}
    assert client.post(f"{url}readdress/", sent).status_code == 303
    page = BeautifulSoup(client.get(url).content, "html.parser")
    chips = {chip.select_one("bdi").text: "addr--new" in chip["class"] for chip in page.select(".addr")}
    assert chips == {
        "Marcus Delgado <marcus@customer.test>": False, "luis@customer.test": False, "boss@customer.test": False,
        "new@other.test": True,
    }  # fmt: skip


def test_a_customer_with_a_strange_name_brings_nobody_in_when_a_copy_is_typed(
    world: World, acme: Any, signed_in: Browser
) -> None:
    """The fields are read again as a whole: what a stranger wrote as their name stands in one of them."""
    stranger = Party("marcus@customer.test", 'Marcus" <thief@evil.test>, "x')
    draft, client = drafted(world, factories.message(world.mail, sender=stranger)), signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    values = {**fields(BeautifulSoup(client.get(url).content, "html.parser")), "pressed_twice": "1"}
    assert client.post(f"{url}approve/", {**values, "cc_line": "boss@acme.test"}).status_code == 303
    envelope = Delivery.objects.get().envelope
    assert [party["address"] for party in envelope["to"]] == ["marcus@customer.test"]
    assert [party["address"] for party in envelope["cc"]] == ["boss@acme.test"]


PIECES = ['"', "\\", ";", ":", ",", "<", ">", "@", "(", ")", "[", "]", ".", " ", "a", "é", "thief@evil.test", "<thief@evil.test>"]  # fmt: skip
ODD = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: one_line("".join(pieces)))


@given(names=st.lists(ODD, min_size=1, max_size=3), local=ODD)
def test_what_stands_in_a_field_is_read_as_these_addresses_and_no_others(names: list[str], local: str) -> None:
    quoted = f'"{local}"@customer.test'
    written = [quoted if normal_address(quoted) else "q@customer.test", "u1@customer.test", "u2@customer.test"]
    parties = [{"address": address, "name": name} for address, name in zip(written, names, strict=False)]
    try:
        found = Recipients.read(_line(parties)).to
    except Invalid:
        assert '"' in written[0], "only an address in quotes may be refused"
    else:
        assert [normal_address(one["address"]) for one in found] == [normal_address(one["address"]) for one in parties]


@pytest.mark.parametrize("press", ["readdress", "approve"])
def test_a_refusal_gives_back_the_addresses_that_were_typed(
    world: World, acme: Any, signed_in: Browser, press: str
) -> None:
    draft, client = drafted(world, wrote(world)), signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    values = fields(BeautifulSoup(client.get(url).content, "html.parser"))
    typed = {"cc_line": "luis@", "bcc_line": "file@acme.test"}
    page = BeautifulSoup(client.post(f"{url}{press}/", {**values, **typed}).content, "html.parser")
    again = fields(page)
    assert {name: again[name] for name in typed} == typed
    assert page.select_one("details.to[open]")
    assert again["lines"] == values["lines"], "what was shown is still what is stored"


def test_a_refusal_of_something_else_leaves_the_addresses_as_they_are(
    world: World, acme: Any, signed_in: Browser
) -> None:
    draft, client = drafted(world, wrote(world)), signed_in(world.ada)
    url = f"/drafts/{draft.pk}/"
    values = fields(BeautifulSoup(client.get(url).content, "html.parser"))
    choose_copy = Recipients.read(values["to_line"], "kim@customer.test", "")
    choose(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), recipients=choose_copy, subject="")
    page = BeautifulSoup(client.post(f"{url}approve/", values).content, "html.parser")
    assert fields(page)["cc_line"] == "kim@customer.test", "not what an old page had, which nobody had touched"
    assert not page.select_one("details.to[open]")
