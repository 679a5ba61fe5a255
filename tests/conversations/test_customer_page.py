"""A customer's page and the column beside a conversation: what is theirs, what somebody sees of it, what can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import Party
from conversations.customers import merging
from conversations.models import (
    Account,
    AuditEvent,
    ConversationTag,
    Customer,
    CustomerAddress,
    Membership,
    MembershipChannel,
    Message,
    Tag,
    User,
)
from conversations.tenancy import tenant_context
from drafts.desk import life
from tests import factories
from tests.asserts import assert_nothing_written_in, counted
from tests.conftest import World

PAT, KIM, OTTO = Party("pat@c.test", "Pat Moss"), Party("kim@c.test", "Kim Ray"), Party("otto@c.test", "Otto")
Browser = Callable[[User], Client]


def wrote(world: World, who: Party, subject: str, **more: Any) -> Message:
    return factories.message(world.mail, sender=who, subject=subject, **more)


def customer(world: World, who: Party) -> Customer:
    with tenant_context(world.acme.pk):
        return Customer.objects.get(addresses__address=who.address)


def page(client: Client, who: Customer, **query: Any) -> BeautifulSoup:
    answer = client.get(f"/customers/{who.pk}/", query)
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def texts(soup: BeautifulSoup, selector: str) -> list[str]:
    return [" ".join(one.text.split()) for one in soup.select(selector)]


def test_the_column_shows_what_else_is_open_and_how_the_rest_ended(world: World, signed_in: Browser) -> None:
    for number in range(5):
        ended = wrote(world, PAT, f"Ended {number}")
        with tenant_context(world.acme.pk):
            life.close(conversation_id=ended.conversation_id, actor=world.ada, reason="not_needed")
    wrote(world, PAT, "Also open")
    wrote(world, KIM, "Not theirs")
    this = wrote(world, PAT, "This one")
    draft = factories.draft(this)
    client = signed_in(world.ada)
    for url in (f"/conversations/{this.conversation_id}/", f"/drafts/{draft.pk}/"):
        soup = BeautifulSoup(client.get(url).content, "html.parser")
        assert texts(soup, ".who b") == ["Pat Moss"]
        assert texts(soup, ".mailtos li") == ["pat@c.test"]
        assert texts(soup, "#cu-o, #cu-e") == ["Also open 1", "Earlier 5 closed"]
        assert texts(soup, ".conv b") == ["Also open", "Ended 4", "Ended 3", "Ended 2"]
        assert texts(soup, ".conv .state") == ["Owed"]
        assert texts(soup, ".conv .hint")[-1] == "The customer no longer needs it"
        assert soup.select_one(".who a")["href"] == f"/customers/{customer(world, PAT).pk}/"


def test_the_column_is_of_who_wrote_what_is_answered(world: World, signed_in: Browser) -> None:
    first = wrote(world, PAT, "Ours", answer_to=(PAT, KIM))
    wrote(world, KIM, "Kim's own")
    draft = factories.draft(factories.reply_to(first, sender=KIM))
    soup = BeautifulSoup(signed_in(world.ada).get(f"/drafts/{draft.pk}/").content, "html.parser")
    assert (texts(soup, ".who b"), texts(soup, ".conv b")) == (["Kim Ray"], ["Kim's own"])


def test_the_column_has_the_tags_of_the_other_conversations_that_one_sees(world: World, signed_in: Browser) -> None:
    this, other = wrote(world, PAT, "This"), wrote(world, PAT, "Other")
    unseen = factories.channel(world.acme, external_id="sales@acme.test")
    hidden = factories.message(unseen, sender=PAT, subject="Hidden")
    with tenant_context(world.acme.pk):
        for name, message in (("Wholesale", other), ("Fuel hose", this), ("Secret", hidden)):
            tag = Tag.objects.create(account=world.acme, name=name)
            ConversationTag.objects.create(account=world.acme, conversation_id=message.conversation_id, tag=tag)
        mine = Membership.objects.get(user=world.cy)
        MembershipChannel.objects.create(account=world.acme, membership=mine, channel=world.mail)
    soup = BeautifulSoup(signed_in(world.cy).get(f"/conversations/{this.conversation_id}/").content, "html.parser")
    assert texts(soup, ".tl-detail .mailtos + .hint") == ["Tagged Wholesale"]


def test_who_writes_for_the_first_time_is_said_to(world: World, signed_in: Browser) -> None:
    message = wrote(world, PAT, "First")
    client, url = signed_in(world.ada), f"/conversations/{message.conversation_id}/"
    assert "Their first message." in client.get(url).content.decode()
    factories.reply_to(message, sender=PAT)
    assert "Their first conversation." in client.get(url).content.decode()


def test_who_has_no_address_has_no_record_and_the_page_still_stands(world: World, signed_in: Browser) -> None:
    draft = factories.draft(wrote(world, Party("", "Somebody"), "No address"))
    client = signed_in(world.ada)
    for url in (f"/conversations/{draft.conversation_id}/", f"/drafts/{draft.pk}/"):
        soup = BeautifulSoup(client.get(url).content, "html.parser")
        assert (soup.select(".who"), "Somebody" in soup.text) == ([], True)


def test_the_page_has_all_that_is_theirs_and_all_that_they_wrote_in(world: World, signed_in: Browser) -> None:
    first = wrote(world, OTTO, "Otto's", answer_to=(OTTO, PAT))
    factories.reply_to(first, sender=PAT)
    factories.draft(wrote(world, PAT, "Own"))  # stands in To answer, and is not called owed
    ended = wrote(world, PAT, "Ended")
    wrote(world, KIM, "Not theirs")
    with tenant_context(world.acme.pk):
        life.close(conversation_id=ended.conversation_id, actor=world.ada, reason="other")
    client, pat = signed_in(world.ada), customer(world, PAT)
    soup = page(client, pat)
    assert texts(soup, "h1") == ["Pat Moss"]
    assert texts(soup, ".cust__list b") == ["Ended", "Own", "Otto's"]
    assert texts(soup, ".tile dd") == ["3", "21 owed", "0"]
    assert texts(page(client, pat, list="open"), ".cust__list b") == ["Own", "Otto's"]


def test_two_who_are_one_are_merged_and_split_from_the_page(world: World, signed_in: Browser) -> None:
    for who in (PAT, KIM):
        wrote(world, who, f"Of {who.name}")
    client, pat, kim = signed_in(world.cy), customer(world, PAT), customer(world, KIM)
    answer = client.post(f"/customers/{pat.pk}/merge/", {"address": " KIM@c.test "})
    assert (answer.status_code, answer["Location"].split("=")[0]) == (303, f"/customers/{pat.pk}/?merged")
    soup = BeautifulSoup(client.get(answer["Location"]).content, "html.parser")
    assert texts(soup, ".cust__list b") == ["Of Kim Ray", "Of Pat Moss"]
    assert texts(soup, ".addr-row > span:first-of-type") == ["pat@c.test", "kim@c.test"]
    assert "joined by Cy" in soup.select(".addr-row")[1].text
    assert client.get(f"/customers/{kim.pk}/")["Location"] == f"/customers/{pat.pk}/"
    back = soup.select_one("form.banner--info input[name=act]")["value"]
    assert client.post(f"/customers/{pat.pk}/split/", {"act": back}).status_code == 303
    assert texts(page(client, kim), ".cust__list b") == ["Of Kim Ray"]
    client.post(f"/customers/{pat.pk}/merge/", {"other": str(kim.pk)})
    with tenant_context(world.acme.pk):
        address = CustomerAddress.objects.get(address=KIM.address)
    client.post(f"/customers/{pat.pk}/split/", {"address": str(address.pk)})
    assert texts(page(client, pat), ".cust__list b") == ["Of Pat Moss"]


def test_another_of_the_same_name_is_offered_to_be_merged(world: World, signed_in: Browser) -> None:
    for who in (PAT, Party("pat@home.test", "Pat Moss"), KIM):
        wrote(world, who, "Q")
    client, pat = signed_in(world.ada), customer(world, PAT)
    assert texts(page(client, pat), ".pairing span:not(.vh)") == ["pat@home.test"]
    assert page(signed_in(world.bo), pat).select("#main form") == []


def test_a_refused_merge_gives_back_the_address(world: World, signed_in: Browser) -> None:
    wrote(world, PAT, "Q")
    answer = signed_in(world.ada).post(f"/customers/{customer(world, PAT).pk}/merge/", {"address": "nobody@c.test"})
    assert BeautifulSoup(answer.content, "html.parser").select_one("#mg-a")["value"] == "nobody@c.test"


@pytest.mark.parametrize(
    ("act", "data", "status", "words"),
    [
        ("merge", {"address": "nobody@c.test"}, 422, "Nobody wrote from nobody@c.test yet."),
        ("merge", {"address": ""}, 422, "Nobody wrote from an empty address yet."),
        ("merge", {"other": "x"}, 422, "There is no such customer."),
        ("merge", {"address": "pat@c.test"}, 422, "This is the same customer."),
        ("split", {"address": "x"}, 422, "This address is no longer this customer's."),
        ("split", {"act": "x"}, 404, ""),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page(
    world: World, signed_in: Browser, act: str, data: dict[str, str], status: int, words: str
) -> None:
    wrote(world, PAT, "Q")
    pat, client = customer(world, PAT), signed_in(world.ada)
    with assert_nothing_written_in(world.acme):
        answer = client.post(f"/customers/{pat.pk}/{act}/", data)
    assert answer.status_code == status
    assert words in answer.content.decode().replace("&#x27;", "'")


def test_who_is_kept_to_channels_sees_what_was_written_there_alone(world: World, signed_in: Browser) -> None:
    other = factories.channel(world.acme, external_id="sales@acme.test")
    wrote(world, PAT, "Seen")
    factories.message(other, sender=PAT, subject="Hidden")
    factories.message(other, sender=KIM, subject="Hidden too")
    factories.message(other, sender=Party("elsewhere@c.test", "Pat Moss"), subject="Hidden")
    pat, kim = customer(world, PAT), customer(world, KIM)
    with tenant_context(world.acme.pk):
        member = Membership.objects.get(user=world.cy)
        MembershipChannel.objects.create(account=world.acme, membership=member, channel=world.mail)
    client = signed_in(world.cy)
    soup = page(client, pat)
    assert (texts(soup, ".cust__list b"), soup.select(".pairing")) == (["Seen"], [])
    assert client.get(f"/customers/{kim.pk}/").status_code == 404
    with assert_nothing_written_in(world.acme):
        assert client.post(f"/customers/{pat.pk}/merge/", {"address": KIM.address}).status_code == 422
        assert client.post(f"/customers/{pat.pk}/merge/", {"other": str(kim.pk)}).status_code == 404


def kept_to(world: World, *channels: Any) -> None:
    """Cy sees these channels alone."""
    with tenant_context(world.acme.pk):
        member = Membership.objects.get(user=world.cy)
        for one in channels:
            MembershipChannel.objects.create(account=world.acme, membership=member, channel=one)


def test_of_another_of_the_same_name_only_the_addresses_of_ones_channels_are_told(
    world: World, signed_in: Browser
) -> None:
    other = factories.channel(world.acme, external_id="sales@acme.test")
    namesake, private = Party("pat@home.test", "Pat Moss"), Party("private@secret.test", "Pat Moss")
    wrote(world, PAT, "Q")
    wrote(world, namesake, "Q")
    factories.message(other, sender=private, subject="Hidden")
    pat, home = customer(world, PAT), customer(world, namesake)
    with tenant_context(world.acme.pk):
        merging.merge(customer_id=customer(world, private).pk, into_id=home.pk, actor=world.ada)
    kept_to(world, world.mail)
    answer = signed_in(world.cy).get(f"/customers/{pat.pk}/").content.decode()
    assert "pat@home.test" in answer
    assert "private@secret.test" not in answer


def test_only_what_made_this_customer_is_taken_back_on_its_page(world: World, signed_in: Browser) -> None:
    """Who is kept to channels takes back no merge of people whom they do not see, whatever act they name."""
    other = factories.channel(world.acme, external_id="sales@acme.test")
    wrote(world, PAT, "Q")
    for who in (KIM, OTTO):
        factories.message(other, sender=who, subject="Hidden")
    pat, kim, otto = (customer(world, who) for who in (PAT, KIM, OTTO))
    with tenant_context(world.acme.pk):
        act = merging.merge(customer_id=otto.pk, into_id=kim.pk, actor=world.ada)
    kept_to(world, world.mail)
    client = signed_in(world.cy)
    with assert_nothing_written_in(world.acme):
        answer = client.post(f"/customers/{pat.pk}/split/", {"act": str(act)})
    assert answer.status_code == 404


def test_an_erasure_shows_first_what_would_go(world: World, signed_in: Browser) -> None:
    wrote(world, PAT, "Q")
    pat, client, reviewer = customer(world, PAT), signed_in(world.dan), signed_in(world.ada)
    with assert_nothing_written_in(world.acme):
        soup = BeautifulSoup(client.post(f"/customers/{pat.pk}/erase/").content, "html.parser")
    assert texts(soup, "#erase .kv > *") == ["Conversations", "1", "Messages", "1", "Addresses", "1"]
    with assert_nothing_written_in(world.acme):
        assert reviewer.post(f"/customers/{pat.pk}/erase/", {"sure": "yes"}).status_code == 403
    assert client.post(f"/customers/{pat.pk}/erase/", {"sure": "yes"}).status_code == 303
    assert client.get(f"/customers/{pat.pk}/").status_code == 404
    with tenant_context(world.acme.pk):
        assert Message.objects.get().body_text == ""
        assert AuditEvent.objects.filter(kind="retention.applied").count() == 1


def test_a_legal_hold_is_said_and_nothing_goes(world: World, signed_in: Browser) -> None:
    wrote(world, PAT, "Q")
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(legal_hold=True)
    pat, client = customer(world, PAT), signed_in(world.dan)
    with assert_nothing_written_in(world.acme):
        answer = client.post(f"/customers/{pat.pk}/erase/", {"sure": "yes"})
    assert (answer.status_code, b"legal hold" in answer.content) == (409, True)


def test_many_conversations_take_as_many_statements_as_few(world: World, signed_in: Browser) -> None:
    first = wrote(world, PAT, "Q")
    draft = factories.draft(first)
    pat, client = customer(world, PAT), signed_in(world.ada)
    urls = (f"/customers/{pat.pk}/", f"/conversations/{first.conversation_id}/", f"/drafts/{draft.pk}/")

    def taken() -> list[int]:
        found = []
        for url in urls:
            with counted() as queries:
                assert client.get(url).status_code == 200
            found.append(len(queries))
        return found

    taken()  # what is compiled and kept once
    few = taken()
    for number in range(60):
        wrote(world, PAT, f"Q {number}")
    assert taken() == few
    assert page(client, pat).select_one("a[rel=next]")["href"] == "?page=2"
    assert len(page(client, pat, page=2).select(".cust__list tbody tr")) == 11
