"""Small mails with the right values, of `../shared/cases`: each after a fault that users of comparable products reported."""

from __future__ import annotations

import json
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from conversations.channels.base import Outbound, Party
from conversations.channels.email.building import build_mail
from conversations.channels.email.reading.parse import parse_mail
from conversations.channels.email.reading.quoting import split_reply
from conversations.messages.envelope import reply_envelope, writer_name
from conversations.messages.joining import takes_part
from conversations.messages.outgoing import problems
from conversations.models import Account, Channel, Conversation, Delivery, Message, RelatedConversation
from conversations.tenancy import tenant_context
from drafts.desk.readdress import readdress
from drafts.flow.drafting import write_draft
from drafts.models import Draft
from drafts.writing.markdown import pieces_of
from drafts.writing.statements import supports
from ingestion.knowledge.chunk import split_passages
from ingestion.knowledge.extract import read_file
from ingestion.receive import receive_mail
from tests import factories
from tests.conftest import World

CASES = Path(settings.BASE_DIR).parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this checkout")


@pytest.fixture
def desk(world: World, attachments_dir: Any) -> Channel:
    return factories.channel(world.acme, external_id="support@hotrodan.example", name="Hot rod mail")


def case(desk: Channel, name: str, ours: str = "") -> Message:
    (file,) = CASES.glob(f"case-{name}-*.eml")
    raw = file.read_bytes().replace(b"@@OUR_MESSAGE_ID@@", ours.encode())
    found = receive_mail(account_id=desk.account_id, channel_id=desk.pk, raw=raw, recipient=desk.external_id)
    assert found.message is not None
    return found.message


def answer(message: Message, world: World) -> Delivery:
    delivery = factories.approved(factories.draft(message), world.ada)
    with tenant_context(message.account_id):
        for status in ("queued", "sending", "sent"):
            Delivery.objects.filter(pk=delivery.pk).update(
                status=status, lease_until=timezone.now(), sent_at=timezone.now()
            )
    return delivery


def goes_to(desk: Channel, message: Message) -> tuple[list[tuple[str, str]], str]:
    with tenant_context(desk.account_id):
        conversation = Conversation.objects.get(pk=message.conversation_id)
        envelope = reply_envelope(conversation, desk, message)
        return [(party["name"], party["address"]) for party in envelope["to"]], writer_name(conversation, message)


def test_01_a_colleague_who_answers_is_greeted_and_answered_by_their_own_name(world: World, desk: Channel) -> None:
    first = case(desk, "01a")
    delivery = answer(first, world)
    second = case(desk, "01b", delivery.idempotency_key)
    assert goes_to(desk, second) == ([("Tomasz Berg", "tomasz.berg@example.net")], "Tomasz Berg")
    with tenant_context(desk.account_id):
        relation = RelatedConversation.objects.get()
        assert (relation.conversation_id, relation.other_id) == (second.conversation_id, first.conversation_id)


def approvable(world: World, desk: Channel, message: Message) -> dict[str, Any]:
    """The envelope of an approved reply that the channel has nothing against."""
    delivery = factories.approved(factories.draft(message), world.ada)
    with tenant_context(desk.account_id):
        assert problems(desk, delivery.envelope, body_text=delivery.body_text) == []
    return delivery.envelope


def test_02_a_sender_who_uses_an_id_twice_wrote_two_mails(world: World, desk: Channel) -> None:
    one, two = case(desk, "02a"), case(desk, "02b")
    assert one.conversation_id != two.conversation_id
    assert approvable(world, desk, two)["in_reply_to"] == "<h4-02-status@parcels.example>"


def test_04_ids_that_no_mail_can_carry_are_left_out(world: World, desk: Channel) -> None:
    envelope = approvable(world, desk, case(desk, "04"))
    assert envelope["references"] == ["<ok-1@example.com>", "<h4-04@example.com>"]
    assert envelope["in_reply_to"] == "<h4-04@example.com>"


def test_05_a_subject_is_one_line(world: World, desk: Channel) -> None:
    assert approvable(world, desk, case(desk, "05"))["subject"] == "Re: Order 77 which regulator?"


def test_06_a_long_local_part_is_the_servers_to_judge(world: World, desk: Channel) -> None:
    message = case(desk, "06")
    (party,) = approvable(world, desk, message)["to"]
    assert len(party["address"].partition("@")[0]) > 64
    with tenant_context(desk.account_id):
        assert takes_part(message.conversation_id, party["address"])


def test_08a_who_filled_in_a_form_is_the_customer_and_shares_no_history(
    world: World, desk: Channel, signed_in: Any
) -> None:
    message = case(desk, "08a")
    other = (CASES / "case-08a-contact-form.eml").read_bytes().replace(b"Ines Lund <ines.lund@", b"Per Dal <per@")
    found = receive_mail(account_id=desk.account_id, channel_id=desk.pk, raw=other.replace(b"<h4-08a@", b"<h4-08b@"))
    assert found.message is not None
    draft = factories.draft(message)
    with tenant_context(desk.account_id):
        customer = Conversation.objects.get(pk=message.conversation_id)
        assert (customer.customer_name, customer.customer_email) == ("Ines Lund", "ines.lund@example.org")
        assert Conversation.objects.get(pk=found.message.conversation_id).customer_email == "per@example.org"
    assert goes_to(desk, message) == ([("Ines Lund", "ines.lund@example.org")], "Ines Lund")
    page = signed_in(world.ada).get(f"/drafts/{draft.pk}/").content.decode()
    assert "Ines Lund" in page
    assert str(found.message.conversation_id) not in page


def test_10_a_mail_through_a_group_of_ours_is_its_writers(desk: Channel) -> None:
    message = case(desk, "10")
    with tenant_context(desk.account_id):
        customer = Conversation.objects.get(pk=message.conversation_id)
    assert (message.is_automatic, customer.customer_email, customer.customer_name) == (
        False,
        "lena.fuchs@example.com",
        "Lena Fuchs",
    )
    assert goes_to(desk, message) == ([("Lena Fuchs", "lena.fuchs@example.com")], "Lena Fuchs")


def test_11_a_person_whose_server_asks_for_no_automatic_answer_gets_a_draft(desk: Channel) -> None:
    message = case(desk, "11")
    assert not message.is_automatic
    assert message.details.headers["x-auto-response-suppress"] == "All"
    assert write_draft(account_id=desk.account_id, conversation_id=message.conversation_id) is not None
    with tenant_context(desk.account_id):
        assert Draft.objects.pending().count() == 1


def test_22_both_who_are_in_reply_to_are_answered_and_the_copy_is_kept(
    world: World, desk: Channel, signed_in: Any
) -> None:
    message = case(desk, "22")
    assert goes_to(desk, message)[0] == [
        ("Nadia Okoye", "nadia.okoye@example.com"),
        ("Purchasing", "buying@example.com"),
    ]
    assert message.details.cc == ["foreman@example.com"]
    page = signed_in(world.ada).get(f"/conversations/{message.conversation_id}/").content.decode()
    assert "copy to foreman@example.com" in page


def test_38_two_desks_that_have_one_mail_know_of_each_other(world: World, desk: Channel) -> None:
    sales = factories.channel(world.acme, external_id="sales@hotrodan.example", name="Sales")
    one, two = case(desk, "38"), case(sales, "38")
    with tenant_context(desk.account_id):
        relation = RelatedConversation.objects.get()
        assert {relation.conversation_id, relation.other_id} == {one.conversation_id, two.conversation_id}
        assert relation.reason == "same_mail"


def test_43_a_bounce_in_prose_marks_the_delivery_that_it_names(world: World, desk: Channel) -> None:
    delivery = answer(case(desk, "02a"), world)
    message = case(desk, "43", delivery.idempotency_key)
    with tenant_context(desk.account_id):
        delivery.refresh_from_db()
        assert delivery.envelope["to"][0]["address"] == "depot@parcels.example"
        assert (delivery.status, message.is_automatic) == ("bounced", True)


def test_45_a_read_receipt_asks_for_no_answer(world: World, desk: Channel) -> None:
    assert case(desk, "45").is_automatic


def test_23_prefixes_of_answers_do_not_grow(world: World, desk: Channel) -> None:
    message = case(desk, "23")
    subject = approvable(world, desk, message)["subject"]
    assert subject in {"Re: Angebot", "AW: Re: Angebot"}


def test_29_mail_goes_to_the_very_domain_that_was_written(world: World, desk: Channel) -> None:
    (party,) = approvable(world, desk, case(desk, "29"))["to"]
    reply = Outbound("<cs.1@acme.test>", Party("desk@acme.test"), (Party(**party),), "Re", "Yes")
    assert b"jorg@xn--strae-oqa.example" in build_mail(reply)


def test_12_words_beside_html_that_say_nothing_of_it_are_not_the_text(desk: Channel) -> None:
    message = case(desk, "12")
    assert message.body_new == "Hello,\n\ndo I need a return line with the returnless regulator?\n\nNadia"


def test_14_armour_is_taken_off_and_the_signature_named_as_not_checked(desk: Channel) -> None:
    message = case(desk, "14")
    assert message.body_new.splitlines()[3] == "- item one: eight millimetres"
    assert "PGP" not in message.body_text and "Hash" not in message.body_text
    assert message.details.problems == ["The message is signed with PGP; the signature was not checked."]


def test_16_an_invitation_beside_empty_html_is_read(world: World, desk: Channel, signed_in: Any) -> None:
    message = case(desk, "16")
    draft = factories.draft(message)
    said = ["Call about pump sizing", "Thu 3 Dec 2026, 14:00 to 14:30 (UTC)", "Phone +00 555 0100",
            "Nadia Okoye <nadia.okoye@example.com>", "Please ring me about the 600 hp pump."]  # fmt: skip
    assert all(words in message.body_new for words in said)
    for page in (f"/conversations/{message.conversation_id}/", f"/drafts/{draft.pk}/"):
        shown = unescape(signed_in(world.ada).get(page).content.decode())
        assert all(words in shown for words in said), page


def test_17_what_was_passed_on_with_a_note_reaches_the_drafter_and_is_answered_to_whom_one_chooses(
    world: World, desk: Channel, signed_in: Any
) -> None:
    message = case(desk, "17")
    assert "Could you help my client" in message.body_new
    assert "which hose do I need for E85, and is PTFE enough?" in message.body_new
    draft = factories.draft(message)
    assert "Answer <bdi>Kim Dahl</bdi> instead" in signed_in(world.ada).get(f"/drafts/{draft.pk}/").content.decode()
    with tenant_context(desk.account_id):
        readdress(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), to="forwarded")
        assert factories.approved(draft, world.ada).envelope["to"] == [
            {"address": "kim.dahl@example.org", "name": "Kim Dahl"}
        ]


@pytest.mark.parametrize("name", ["18", "18c"])
def test_18_content_that_looks_like_a_signature_is_kept(desk: Channel, name: str) -> None:
    message = case(desk, name)
    assert message.body_new == message.body_text.strip()


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Niue", "UTC"])
@pytest.mark.parametrize("name", ["19", "19b"])
def test_19_no_page_fails_over_a_date_that_cannot_be_right(
    world: World, desk: Channel, signed_in: Any, name: str, zone: str
) -> None:
    message = case(desk, name)
    draft = factories.draft(message)
    with tenant_context(world.acme.pk):
        Account.objects.filter(pk=world.acme.pk).update(timezone=zone)
    ada = signed_in(world.ada)
    for page in (f"/conversations/{message.conversation_id}/", f"/drafts/{draft.pk}/", "/conversations/", "/queue/",
                 f"/conversations/{message.conversation_id}/timeline/"):  # fmt: skip
        assert ada.get(page).status_code == 200, page
    assert abs(message.sent_at - message.received_at) < timedelta(minutes=1) or name == "19b"
    if name == "19":
        assert "31 Dec 9999, cannot be right" in message.details.problems[0]
        for page in (f"/conversations/{message.conversation_id}/", f"/drafts/{draft.pk}/"):
            assert "31 Dec 9999, cannot be right" in ada.get(page).content.decode(), page


def test_24_a_picture_that_the_html_shows_is_kept(desk: Channel) -> None:
    message = case(desk, "24")
    with tenant_context(desk.account_id):
        (picture,) = message.attachments.all()
        assert (picture.file_name, picture.content_id, picture.is_inline) == ("pic.png", "pic24@example.com", True)
    assert "Which hose fits?" in message.body_new


def test_27_signs_of_other_directions_and_joined_ones_go_round(world: World, desk: Channel) -> None:
    message = case(desk, "27")
    assert message.body_new == "שלום, איזו משאבה אני צריכה עבור E85?"
    envelope = approvable(world, desk, message)
    assert (envelope["to"][0]["name"], envelope["subject"]) == (
        'דנה לוי, "הזמנות" 🚗',
        "Re: 🔥 שאלה על משאבה 👨‍👩‍👧‍👦 hose?",
    )
    reply = Outbound(
        "<cs.1@acme.test>", Party("desk@acme.test"), (Party(**envelope["to"][0]),), envelope["subject"], "כן"
    )
    again = parse_mail(build_mail(reply))
    assert (again.to[0].name, again.subject, again.body_text.strip()) == (
        envelope["to"][0]["name"],
        envelope["subject"],
        "כן",
    )


def test_35_a_sign_that_two_encoded_words_share_is_whole(desk: Channel) -> None:
    assert case(desk, "35").subject == "Größenänderung für die Kühlmittelschläuche"


def test_36_an_unknown_character_set_is_read_and_told(desk: Channel) -> None:
    message = case(desk, "36")
    assert message.subject == "Café hose"
    assert "The character set “x-not-there” is unknown." in message.details.problems


@pytest.mark.parametrize("name", ["32", "32b"])
def test_32_a_notice_of_absence_gets_no_draft(desk: Channel, name: str) -> None:
    assert case(desk, name).is_automatic


QUOTING = json.loads((CASES / "case-66-quoting.json").read_text())["cases"] if CASES.exists() else []


@pytest.mark.parametrize("asked", QUOTING, ids=range(len(QUOTING)))
def test_66_nothing_that_is_asked_is_cut(asked: dict[str, Any]) -> None:
    new = split_reply(asked["text"])[0]
    assert all(words in new for words in asked["keep"])
    assert not any(words in new for words in asked.get("drop", ()))


PAGES = {
    "50": ["Orders paid before 14:00 leave the same day.", "Norway takes four working days."],
    "52": ["Send unused hose back within 30 days."],
    "53": ["How long is the warranty?\n\nPumps have two years, hoses five.", "Iceland?\n\nYes, by air, in six days."],
    "57": ["| PTFE | -8 | 12 per foot |"],
    "61": ["Pumps carry a two year warranty."],
    "63": ["| PTFE | -8 | 12 |"],
    "74": ["How long is the warranty?\n\nTwo years.", "Do you ship to Iceland?\n\nYes, by air, in six days."],
    "76": ["Do you ship to Iceland?\n\nYes, six days.", "Do you ship to Chile?\n\nNo."],
}


@pytest.mark.parametrize("name", PAGES)
def test_50_to_76_every_fact_of_a_source_is_read_beside_its_name(name: str) -> None:
    (file,) = CASES.glob(f"case-{name}-*")
    found = read_file(file.name, file.read_bytes())
    assert all(fact in found.text for fact in PAGES[name])
    assert "| -8 | 12 per foot |" not in found.text.split("\n") and "cookies" not in found.text
    assert (found.lost, found.missing) == (0, ())


def test_57_a_reply_never_says_the_price_of_one_row_under_the_name_of_another() -> None:
    passage = read_file("prices.html", next(CASES.glob("case-57-*")).read_bytes()).text
    rows = [piece.text for piece in pieces_of(passage)]
    assert "PTFE – Size: -8; Price: 12 per foot." in rows
    assert all(supports(row, passage) for row in rows)
    assert supports("PTFE, size -8: price 12 per foot.", passage)
    for wrong in ("Rubber – Size: -8; Price: 12 per foot.", "The rubber hose, size -6, price 9 per foot.", "-8 – Price: 12 per foot; Size: rubber."):  # fmt: skip
        assert not supports(wrong, passage), wrong


def test_59_passages_of_chinese_text_stay_short() -> None:
    found = read_file("hose.html", next(CASES.glob("case-59-*")).read_bytes())
    assert all(len(chunk.text) <= 273 for chunk in split_passages(found.text, title=found.title))
