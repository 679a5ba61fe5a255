"""The envelope that is frozen with an approval, and the digest by which a decision knows that nothing of it moved."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conversations.channels.base import Party
from conversations.messages.envelope import addressees, digest, reply_envelope, writer_name
from conversations.models import Account, Channel, Message
from tests import factories
from tests.conftest import World


def a_file() -> dict[str, Any]:
    return {"name": "Größe.pdf", "sha256": "a" * 64, "key": "acme/aa", "type": "application/pdf", "size": 7}


def envelope(world: World, message: Message, *files: dict[str, Any]) -> dict[str, Any]:
    return reply_envelope(message.conversation, Channel.objects.get(pk=world.mail.pk), message, files)


@pytest.fixture
def mail(world: World, acme: Account) -> Message:
    return factories.message(
        world.mail, external_id="<newest@customer.test>", references=("<near@customer.test>", "<far@customer.test>")
    )


def test_it_is_exactly_this(world: World, mail: Message) -> None:
    assert envelope(world, mail, a_file()) == {
        "sender": {"address": "support@acme.test", "name": "Acme support"},
        "to": [{"address": "marcus@customer.test", "name": "Marcus Delgado"}],
        "cc": [],
        "subject": "Re: Hose for E85",
        "in_reply_to": "<newest@customer.test>",
        "references": ["<far@customer.test>", "<near@customer.test>", "<newest@customer.test>"],
        "files": [a_file()],
    }


PARTS: dict[str, Any] = {
    "sender": {"address": "other@acme.test", "name": "Acme support"},
    "to": [{"address": "marcus@customer.test", "name": "Another"}],
    "cc": [{"address": "boss@customer.test", "name": ""}],
    "subject": "re: hose for E85",
    "in_reply_to": "",
    "references": ["<newest@customer.test>"],
    "files": [],
}


@pytest.mark.parametrize("part", PARTS)
def test_no_part_can_change_behind_the_digest(world: World, mail: Message, part: str) -> None:
    seen = envelope(world, mail, a_file())
    assert set(seen) == set(PARTS)
    assert digest({**seen, part: PARTS[part]}) != digest(seen)


@pytest.mark.parametrize("field", ["name", "sha256", "key", "type"])
def test_neither_can_a_file_nor_their_order(world: World, mail: Message, field: str) -> None:
    other = {**a_file(), "name": "b.pdf", "sha256": "b" * 64, "key": "acme/bb"}
    seen = envelope(world, mail, a_file(), other)
    changed = copy.deepcopy(seen)
    changed["files"][1][field] += "x"
    assert len({digest(seen), digest(changed), digest(envelope(world, mail, other, a_file()))}) == 3


def test_the_digest_is_of_what_it_says_and_not_of_how_it_lies(world: World, mail: Message) -> None:
    seen = envelope(world, mail, a_file())
    assert digest(dict(reversed(seen.items()))) == digest(seen)
    assert digest({"b": "ü", "a": 1}) == "1a59e522e02ce50ad2c27c11a6d30f8667489c199580627fe9e3e33e2b0e91d5"


def test_the_channels_own_address_stands_before_its_id(world: World, mail: Message) -> None:
    Channel.objects.filter(pk=world.mail.pk).update(metadata={**world.mail.metadata, "address": "shop@acme.test"})
    assert envelope(world, mail)["sender"]["address"] == "shop@acme.test"


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        ("RE: Hose", "RE: Hose"), ("re: Hose", "re: Hose"), ("Rest", "Re: Rest"), ("", "Re: Old"), ("AW: Angebot", "AW: Angebot"),
        ("Antw: Re: Prijs", "Antw: Re: Prijs"), ("SV: Hej", "SV: Hej"), ("Re[3]: Цена", "Re[3]: Цена"), ("回复：报价", "回复：报价"),
        ("Version: 3", "Re: Version: 3"), ("Reply: 4", "Re: Reply: 4"), ("a\u0085b\u2028c", "Re: a b c"),
    ],
)  # fmt: skip
def test_a_subject_says_re_once(world: World, mail: Message, subject: str, answer: str) -> None:
    mail.subject, mail.conversation.subject = subject, "Old"
    assert envelope(world, mail)["subject"] == answer
    mail.subject = mail.conversation.subject = ""
    assert envelope(world, mail)["subject"] == "Re:"


#: How mail programs of the world begin the subject of an answer.
PREFIXES = (
    "Re", "RE", "R", "RES", "Resp", "RÉP", "RÉF", "AW", "Antw", "Antwort", "SV", "VS", "Vá", "RIF", "Odp", "Odpověď", "YNT", "YAN", "ATB",
    "BLS", "HB", "TL", "ΑΠ", "Απάντ", "ΣΧΕΤ", "Отв", "Ответ", "Відп", "השב", "תשובה", "رد", "回复", "回覆", "答复", "答覆", "返信", "답장", "회신",
)  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_prefix_of_an_answer_grows_however_often_one_answers(world: World, mail: Message, prefix: str) -> None:
    for form in (
        "{}: Angebot",
        "{} : Angebot",
        "{}：Angebot",
        "{}[2]: Angebot",
        "{}(3): Angebot",
        "{}^4: Angebot",
        "{}: Re: Angebot",
    ):
        mail.subject = form.format(prefix)
        for _ in range(3):  # their program puts no prefix of its own before one that it knows
            mail.subject = envelope(world, mail)["subject"]
        assert mail.subject == form.format(prefix)


@pytest.mark.parametrize(
    "subject", ["Return: hose", "Area: north", "R2: valve", "Rebate: 5", "Fwd: Angebot", "WG: Angebot", "To: you"]
)
def test_what_only_begins_like_a_prefix_is_a_subject(world: World, mail: Message, subject: str) -> None:
    mail.subject = subject
    assert envelope(world, mail)["subject"] == f"Re: {subject}"


def test_only_ids_of_mail_are_references_and_the_last_twenty(world: World, acme: Account) -> None:
    message = factories.message(world.mail, external_id="sha256:abc", references=("no id", "<1@customer.test>"))
    found = envelope(world, message)
    assert (found["in_reply_to"], found["references"]) == ("", ["<1@customer.test>"])
    ids = tuple(f"<{number}@customer.test>" for number in range(20))
    message = factories.message(world.mail, external_id="<own@customer.test>", references=ids)
    assert envelope(world, message)["references"] == [*reversed(ids[:19]), "<own@customer.test>"]


@pytest.mark.parametrize("own", ["support@acme.test", "SUPPORT@acme.test"])
def test_our_own_address_is_not_answered_nor_one_twice(world: World, acme: Account, own: str) -> None:
    message = factories.message(
        world.mail, answer_to=(Party(own, "Us"), Party("pa@customer.test", "Pa"), Party("pa@customer.test", ""))
    )
    assert [party["address"] for party in envelope(world, message)["to"]] == ["pa@customer.test"]


def test_where_a_provider_has_threads_the_reply_names_them(world: World, acme: Account) -> None:
    chat = factories.channel(world.acme, type="chat", external_id="c1", name="Chat")
    message = factories.message(chat, external_id="m-7", thread_id="t-1")
    found = reply_envelope(message.conversation, chat, message)
    assert (found["thread_id"], found["answers"], found["in_reply_to"]) == ("t-1", "m-7", "")


ANN, ASKED = Party("ann@customer.test", "Ann Lee"), Party("desk@customer.test", "The desk")


def answered(message: Message) -> tuple[list[tuple[str, str]], str]:
    """Who is addressed, and by which name the text greets them."""
    conversation = message.conversation
    named = [(party["address"], party["name"]) for party in addressees(conversation, message, own="us@acme.test")]
    return named, writer_name(conversation, message)


@pytest.mark.parametrize(
    ("facts", "to", "greeted"),
    [
        ({}, [("marcus@customer.test", "Marcus Delgado")], "Marcus Delgado"),
        ({"sender": ANN}, [("ann@customer.test", "Ann Lee")], "Ann Lee"),
        ({"reply_to": ASKED}, [("desk@customer.test", "The desk")], "The desk"),
        ({"sender": ANN, "reply_to": Party("x@customer.test")}, [("x@customer.test", "")], "Ann Lee"),
        ({"reply_to": Party("Us@acme.test")}, [("marcus@customer.test", "Marcus Delgado")], "Marcus Delgado"),
        ({"answer_to": (ASKED, ANN)}, [("desk@customer.test", "The desk"), ("ann@customer.test", "Ann Lee")], "The desk"),
    ],
    ids=str,
)  # fmt: skip
def test_who_is_answered_and_greeted(
    world: World, acme: Account, facts: dict[str, Any], to: list[tuple[str, str]], greeted: str
) -> None:
    assert answered(factories.message(world.mail, **facts)) == (to, greeted)


def test_a_name_is_that_of_the_address_alone(world: World, acme: Account) -> None:
    first = factories.message(world.mail)
    nameless = factories.reply_to(first, sender=Party("MARCUS@customer.test"))
    assert answered(nameless) == ([("MARCUS@customer.test", "Marcus Delgado")], "Marcus Delgado")
    stranger = factories.reply_to(first, reply_to=Party("else@customer.test"), sender=Party("MARCUS@customer.test"))
    assert answered(stranger) == ([("else@customer.test", "")], "Marcus Delgado")
    other = factories.message(world.mail, sender=Party("bo@customer.test"))
    other.conversation.customer_name, other.conversation.customer_email = "Marcus", "marcus@customer.test"
    assert answered(other) == ([("bo@customer.test", "")], "")


def test_without_a_sender_the_customer_is_answered(world: World, acme: Account) -> None:
    message = factories.message(world.mail)
    message.metadata = {}
    assert answered(message) == ([("marcus@customer.test", "Marcus Delgado")], "Marcus Delgado")
    message.conversation.customer_name = ""
    assert answered(message) == ([("marcus@customer.test", "")], "Marcus Delgado"), "known from an earlier mail"
    message.writer = None
    assert answered(message) == ([("marcus@customer.test", "")], "")


def test_a_form_is_not_greeted_for_who_filled_it_in(world: World, acme: Account) -> None:
    sent = {"sender": Party("forms@shop.test", "Website form"), "reply_to": Party("pat@customer.test")}
    sent["customer"] = sent["reply_to"]
    assert answered(factories.message(world.mail, **sent)) == ([("pat@customer.test", "")], "")
    factories.message(world.mail, sender=Party("pat@customer.test", "Pat Moss"))
    again = factories.message(world.mail, **sent)
    again.refresh_from_db()
    assert answered(again) == ([("pat@customer.test", "")], "Pat Moss"), "by the name of an earlier mail"


def test_who_answers_in_anothers_thread_is_greeted_and_not_who_opened_it(world: World, acme: Account) -> None:
    first = factories.message(
        world.mail, answer_to=(Party("marcus@customer.test"), Party("luis@customer.test", "Luis"))
    )
    joined = factories.reply_to(first, sender=Party("luis@customer.test"))
    assert joined.conversation_id == first.conversation_id
    assert answered(joined) == ([("luis@customer.test", "")], "")
    named = factories.reply_to(first, sender=Party("luis@customer.test", "Luis Ortega"))
    named.refresh_from_db()
    assert answered(named) == ([("luis@customer.test", "Luis Ortega")], "Luis Ortega")


def test_what_answers_nothing_and_names_nobody_goes_to_nobody(world: World, mail: Message) -> None:
    """Lists, never nothing: the page and the adapter walk them."""
    found = reply_envelope(mail.conversation, world.mail, None, subject="Your order")
    assert (found["to"], found["cc"], found["subject"], found["in_reply_to"]) == ([], [], "Your order", "")
