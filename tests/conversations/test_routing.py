"""Whose mail an address brings in: one account's, for good, whatever another account does."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction
from django.test import Client

from conversations.channels.addresses import is_same, mailbox_of, normal_address
from conversations.models import AuditEvent, Channel
from conversations.tenancy import address_is_usable, channels_at, tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

#: Every way of writing Acme's address that a mail server or a form may bring.
SPELLINGS = [
    "support@acme.test", "SUPPORT@Acme.Test", " support@acme.test ", "<support@acme.test>", "support@acme.test.",
    "support+sales@acme.test", "Support+b.0123@ACME.test.",
]  # fmt: skip


@pytest.fixture
def owner_database(committed: None) -> Any:
    yield
    connections["owner"].close()


def switch(channel: Channel, *, on: bool) -> None:
    with tenant_context(channel.account_id):
        Channel.objects.filter(pk=channel.pk).update(is_active=on)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Support@Straße.example.", "support@xn--strae-oqa.example"),
        ("support@strasse.example", "support@strasse.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@bücher。example", "a@xn--bcher-kva.example"),
        ("<A+b@c.test>", "a+b@c.test"),
        ("Acme <support@acme.test>", ""),
        ("Acme mail", ""),
        ("a@b@c", ""),
        ("a@", ""),
        ("a@-.test\n", "a@-.test"),
        ("a@b c", ""),
    ],
)
def test_an_address_has_one_form(written: str, normal: str) -> None:
    assert normal_address(written) == normal


def test_what_follows_a_plus_is_the_owners_own_matter() -> None:
    assert mailbox_of("a+b+c@d.test") == "a@d.test"
    assert mailbox_of("+b@d.test") == "+b@d.test"


@pytest.mark.parametrize("written", SPELLINGS)
def test_mail_is_routed_by_the_address_however_it_is_written(world: World, written: str) -> None:
    assert [entry["channel_id"] for entry in channels_at(written)] == [world.mail.pk]


def test_a_name_or_an_id_is_no_address(world: World) -> None:
    for written in ("Acme mail", str(world.mail.pk), "", "acme.test", "support", "nobody@acme.test", "%@acme.test"):
        assert channels_at(written) == []


def test_a_channel_named_like_anothers_address_takes_nothing(world: World) -> None:
    """Both were refused before: the command found two channels of that "name"."""
    factories.channel(world.globex, external_id="else@globex.test", name="support@acme.test")
    factories.channel(world.globex, type="chat", external_id="support@acme.test", name="Chat")
    factories.channel(world.globex, external_id=str(world.mail.pk), name=str(world.mail.pk))
    assert [entry["slug"] for entry in channels_at("support@acme.test")] == ["acme"]
    assert channels_at(str(world.mail.pk)) == []


@pytest.mark.parametrize("written", SPELLINGS)
@pytest.mark.parametrize("column", ["external_id", "address"])
def test_another_accounts_address_cannot_be_taken(world: World, written: str, column: str) -> None:
    values = {"external_id": written} if column == "external_id" else {"metadata": {"address": written}}
    with pytest.raises(IntegrityError, match="cannot be used"), transaction.atomic():
        factories.channel(world.globex, **{"external_id": "free@globex.test", "name": "x", **values})
    with tenant_context(world.globex.pk):
        assert Channel.objects.count() == 1


@pytest.mark.parametrize("written", ["support@straße.test", "sup port@acme.test", "a@b@c"])
def test_what_has_no_one_form_is_refused_by_the_database(world: World, written: str) -> None:
    with pytest.raises(IntegrityError, match="cannot be used"), transaction.atomic():
        factories.channel(world.globex, external_id=written, name="x")


def test_an_address_of_a_channel_that_is_off_stays_its_accounts(world: World) -> None:
    switch(world.mail, on=False)
    assert channels_at("support@acme.test") == []
    with pytest.raises(IntegrityError, match="cannot be used"), transaction.atomic():
        factories.channel(world.globex, external_id="support@acme.test", name="x")
    # Switched off it may be written down; it is switching it on that claims.
    theirs = factories.channel(world.globex, external_id="support@acme.test", name="x", is_active=False)
    with pytest.raises(IntegrityError, match="cannot be used"), transaction.atomic():
        switch(theirs, on=True)
    switch(world.mail, on=True)
    assert [entry["slug"] for entry in channels_at("support@acme.test")] == ["acme"]


def test_two_channels_of_one_account_cannot_share_an_address(world: World) -> None:
    with pytest.raises(IntegrityError, match="cannot be used"), transaction.atomic():
        factories.channel(world.acme, external_id="zoho-1", name="x", metadata={"address": "Support@acme.test"})
    sales = factories.channel(world.acme, external_id="support+sales@acme.test", name="Sales")
    assert [entry["channel_id"] for entry in channels_at("support+sales@acme.test")] == [sales.pk]
    assert [entry["channel_id"] for entry in channels_at("support+other@acme.test")] == [world.mail.pk]


def test_the_runtime_role_cannot_read_or_write_the_claims(world: World) -> None:
    for sql in (
        "SELECT * FROM mail_address_claim",
        "DELETE FROM mail_address_claim",
        "UPDATE mail_address_claim SET account_id = NULL",
        "INSERT INTO mail_address_claim (mailbox) VALUES ('x@y.test')",
        "TRUNCATE mail_address_claim",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(sql)


def test_the_answer_is_the_same_for_a_taken_and_for_an_impossible_address(world: World) -> None:
    with tenant_context(world.globex.pk):
        assert not address_is_usable("support@acme.test")
        assert not address_is_usable("no address")
        assert address_is_usable("free@globex.test")
        assert address_is_usable("support@globex.test")


def test_two_accounts_that_claim_at_once_are_one_and_a_refusal(committed_world: World, in_threads: Any) -> None:
    world = committed_world

    def claim(account: Any) -> Any:
        return lambda: factories.channel(account, external_id="New@shared.test", name="New")

    results = in_threads([claim(world.acme), claim(world.globex)])
    assert sorted(type(result).__name__ for result in results) == ["Channel", "IntegrityError"]
    winner = next(result for result in results if isinstance(result, Channel))
    assert [entry["account_id"] for entry in channels_at("new@shared.test")] == [winner.account_id]


def test_two_channels_that_claim_the_same_two_addresses_do_not_deadlock(
    committed_world: World, in_threads: Any
) -> None:
    world = committed_world

    def claim(account: Any, first: str, second: str) -> Any:
        return lambda: factories.channel(account, external_id=first, name=first, metadata={"address": second})

    for number in range(10):
        one, two = f"one{number}@shared.test", f"two{number}@shared.test"
        results = in_threads([claim(world.acme, one, two), claim(world.globex, two, one)])
        assert sorted(type(result).__name__ for result in results) == ["Channel", "IntegrityError"]


def test_a_letter_of_another_alphabet_does_not_become_a_customers() -> None:
    """The lower case of the Kelvin sign is k."""
    assert not is_same("mar\u212aus@customer.test", "markus@customer.test")
    assert normal_address("Mar\u212aus@customer.test") == "mar\u212aus@customer.test"
    assert is_same("MARKUS@customer.test", "markus@customer.test")
    assert is_same("ÄNNE@customer.test", "änne@customer.test")


# --- the page ------------------------------------------------------------------------------------------------------
def form(**changes: str) -> dict[str, str]:
    return {"type": "email", "provider": "smtp", "external_id": "a@globex.test", "name": "Mail", "is_active": "on", "credentials": "", "smtp_port": "587", "smtp_security": "starttls", "sender_per_hour": "30", "mails_per_hour": "600", **changes}  # fmt: skip


@pytest.fixture
def gil(world: World, signed_in: Any) -> Client:
    return signed_in(factories.person("gil", world.globex, "admin"))


@pytest.mark.parametrize("field", ["external_id", "address"])
def test_the_admin_of_another_account_reads_one_neutral_sentence(world: World, gil: Client, field: str) -> None:
    with tenant_context(world.globex.pk), assert_nothing_written():
        answer = gil.post("/admin/conversations/channel/add/", form(**{field: "Support@acme.test"}))
    text = answer.content.decode()
    assert "This address cannot be used. If it is yours, ask the operator" in text
    assert "acme" not in text.lower().replace("support@acme.test", "")


def test_an_address_is_saved_in_its_one_form(world: World, gil: Client, serve: Any, settings: Any) -> None:
    settings.SMTP_OVERRIDE = f"127.0.0.1:{serve()[0]}"
    answer = gil.post(
        "/admin/conversations/channel/add/", form(external_id="Hilfe@Straße.example", address="HILFE@straße.example")
    )
    assert answer.status_code == 303, answer.content
    with tenant_context(world.globex.pk):
        channel = Channel.objects.get(name="Mail")
        assert (channel.external_id, channel.options.address) == ("hilfe@xn--strae-oqa.example",) * 2
    assert [entry["channel_id"] for entry in channels_at("hilfe@STRASSE.example")] == []
    assert [entry["channel_id"] for entry in channels_at("hilfe@straße.example")] == [channel.pk]


# --- the operator --------------------------------------------------------------------------------------------------
def command(*words: str) -> str:
    out = io.StringIO()
    call_command("mail_address", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_an_operator_releases_and_gives_an_address_and_both_trails_say_so(owner_database: None) -> None:
    world = World()
    assert command("list") == "support@acme.test: acme\nsupport@globex.test: globex\n"
    with pytest.raises(CommandError, match=r"still has support@acme\.test: Acme mail"):
        command("give", "support@acme.test", "--account", "globex", "--reason", "contract of May")
    switch(world.mail, on=False)
    assert "globex's" in command("give", "support@acme.test", "--account", "globex", "--reason", "contract of May")
    theirs = factories.channel(world.globex, external_id="support@acme.test", name="x")
    assert [entry["channel_id"] for entry in channels_at("support@acme.test")] == [theirs.pk]
    with pytest.raises(IntegrityError, match="cannot be used"):
        switch(world.mail, on=True)
    for account, kind in ((world.acme, "address.released"), (world.globex, "address.given")):
        with tenant_context(account.pk):
            event = AuditEvent.objects.get(kind=kind)
            assert event.data == {"address": "support@acme.test", "reason": "contract of May"}
    switch(theirs, on=False)
    assert "nobody's" in command("release", "SUPPORT@acme.test", "--reason", "moved")
    switch(world.mail, on=True)
    assert [entry["slug"] for entry in channels_at("support@acme.test")] == ["acme"]


@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_an_operators_mistakes_change_nothing(owner_database: None) -> None:
    World()
    for words in (
        ("release", "nobody@acme.test", "--reason", "x"),
        ("release", "Acme mail", "--reason", "x"),
        ("give", "a@b.test", "--account", "nobody", "--reason", "x"),
    ):
        with pytest.raises(CommandError, match="Nothing was changed"):
            command(*words)
    assert command("list") == "support@acme.test: acme\nsupport@globex.test: globex\n"


@pytest.mark.django_db(databases=["default", "owner"], transaction=True)
def test_a_contested_address_brings_nothing_in_until_it_is_given(owner_database: None) -> None:
    """As an upgrade leaves one that two accounts' active channels have."""
    world = World()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE mail_address_claim SET account_id = NULL WHERE mailbox = 'support@acme.test'")
    assert channels_at("support@acme.test") == []
    assert "support@acme.test: contested" in command("list")
    command("give", "support@acme.test", "--account", "acme", "--reason", "asked both")
    assert [entry["channel_id"] for entry in channels_at("support@acme.test")] == [world.mail.pk]
