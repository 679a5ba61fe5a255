"""What the sender wrote this time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.channels.email.reading.quoting import read_reply, split_reply

NEW = "Hello,\n\nyes that works, thank you.\n\nBest\nAnna"

HEADINGS = """
On Mon, Jan 5, 2026 at 3:00 PM, Acme <help@acme.example> wrote:
On 05/01/2026 15:00, Acme wrote:
On 5 Jan 2026, at 15:00, Acme via Desk wrote:
At 1/5/2026 03:00 PM, you wrote:
2026-01-05 15:00 GMT+01:00 Acme <help@acme.example>:
Am Mo., 5. Jan. 2026 um 15:00 Uhr schrieb Acme <help@acme.example>:
Acme <help@acme.example> schrieb am 15:00 Montag, 5.Januar 2026:
Le lun. 5 janv. 2026 à 15:00, Acme <help@acme.example> a écrit :
El lun, 5 ene 2026 a las 15:00, Acme (<help@acme.example>) escribió:
Il giorno lun 5 gen 2026 alle ore 15:00 Acme <help@acme.example> ha scritto:
Em seg., 5 de jan. de 2026 às 15:00, Acme <help@acme.example> escreveu:
Op ma 5 jan. 2026 om 15:00 schreef Acme <help@acme.example>:
Op 5 jan. 2026 om 15:00 heeft Acme <help@acme.example> het volgende geschreven:
Den mån 5 jan. 2026 kl 15:00 skrev Acme <help@acme.example>:
man. 5. jan. 2026 kl. 15:00 skrev Acme <help@acme.example>:
ma 5. tammik. 2026 klo 15.00 Acme (help@acme.example) kirjoitti:
pon., 5 sty 2026 o 15:00 Acme <help@acme.example> napisał(a):
po 5. 1. 2026 v 15:00 odesílatel Acme <help@acme.example> napsal:
Acme <help@acme.example> ezt írta (időpont: 2026. jan. 5., H, 15:00):
În lun., 5 ian. 2026 la 15:00, Acme <help@acme.example> a scris:
Acme <help@acme.example>, 5 Oca 2026 Pzt, 15:00 tarihinde şunu yazdı:
пн, 5 янв. 2026 г. в 15:00, Acme <help@acme.example>:
5 янв. 2026 г., в 15:00, Acme <help@acme.example> написал(а):
Στις Δευ, 5 Ιαν 2026 στις 3:00 μ.μ., ο χρήστης Acme <help@acme.example> έγραψε:
Acme <help@acme.example> 于2026年1月5日周一 15:00写道：
2026年1月5日(月) 15:00 Acme <help@acme.example>:
2026년 1월 5일 (월) 오후 3:00, Acme <help@acme.example>님이 작성:
Vào Th 2, 5 thg 1, 2026 vào lúc 15:00 Acme <help@acme.example> đã viết:
---- On Mon, 05 Jan 2026 15:00:00 +0100 Acme <help@acme.example> wrote ----
---- Am Mo, 05 Jan 2026 15:00:00 +0100 Acme <help@acme.example> schrieb ----
-----Original Message-----
-------- Ursprüngliche Nachricht --------
---------- Forwarded message ---------
##- Please type your reply above this line -##
""".strip().split("\n")

BLOCKS = r"""
From: Acme <help@acme.example>\nSent: Monday, 5 January 2026 15:00\nTo: anna@x.example\nSubject: RE: Order
________________________________\nFrom: Acme <help@acme.example>\nSent: Monday\nTo: anna@x.example\nSubject: RE: Order
*Von:* Acme <help@acme.example>\n*Gesendet:* Montag, 5. Januar 2026 15:00\n*An:* anna@x.example\n*Betreff:* AW: Order
Gesendet: Montag, 05. Januar 2026 um 15:00 Uhr\nVon: "Acme" <help@acme.example>\nAn: anna@x.example\nBetreff: Order
De : Acme <help@acme.example>\nEnvoyé : lundi 5 janvier 2026 15:00\nÀ : anna@x.example\nObjet : RE: Order
De: Acme <help@acme.example>\nEnviado el: lunes, 5 de enero de 2026\nPara: anna@x.example\nAsunto: RE: Order
Da: Acme <help@acme.example>\nInviato: lunedì 5 gennaio 2026\nA: anna@x.example\nOggetto: R: Order
Van: Acme <help@acme.example>\nVerzonden: maandag 5 januari 2026\nAan: anna@x.example\nOnderwerp: RE: Order
Od: Acme <help@acme.example>\nWysłano: poniedziałek, 5 stycznia 2026\nDo: anna@x.example\nTemat: RE: Order
От: Acme <help@acme.example>\nОтправлено: 5 января 2026 г.\nКому: anna@x.example\nТема: RE: Order
发件人: Acme <help@acme.example>\n发送时间: 2026年1月5日\n收件人: anna@x.example\n主题: 回复: Order
差出人: Acme <help@acme.example>\n送信日時: 2026年1月5日\n宛先: anna@x.example\n件名: Re: Order
Kimden: Acme <help@acme.example>\nGönderildi: 5 Ocak 2026\nKime: anna@x.example\nKonu: RE: Order
""".strip().split("\n")


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("old", ["> old text\n> older", "old text\nolder"], ids=["quoted", "bare"])
def test_it_cuts_below_a_heading(heading: str, old: str) -> None:
    assert split_reply(f"{NEW}\n\n{heading}\n\n{old}\n") == (NEW, f"{heading}\n\n{old}")


@pytest.mark.parametrize("block", BLOCKS)
def test_it_cuts_at_a_block_of_mail_fields(block: str) -> None:
    block = block.replace("\\n", "\n")
    assert split_reply(f"{NEW}\n\n{block}\n\nold text\n") == (NEW, f"{block}\n\nold text")


def test_a_heading_over_several_lines_is_one() -> None:
    heading = "On Mon, Dec 9, Mister Example\n<mrmister@example.com>\nwrote:"
    assert split_reply(f"{NEW}\n\n{heading}\n> old") == (NEW, f"{heading}\n> old")
    date_below = "W dniu\n05.01.2026 o 15:00, Acme pisze:"
    assert split_reply(f"{NEW}\n\n{date_below}\n> old") == (NEW, f"{date_below}\n> old")
    right_below = "Am Fr., 28.\nApr. 2026 um 11:53 Uhr schrieb Max <max@example.com>:"
    assert split_reply(f"Danke!\n{right_below}\n> alt") == ("Danke!", f"{right_below}\n> alt")


@pytest.mark.parametrize(
    "line",
    [
        "On Monday my colleague wrote:",
        "On the other hand, it could break:",
        "Our driver said:",
        "These are the errors at 15:00 on 5.1.2026:",
        "My order from 5.1.2026 10:30 contains:",
        "I told your colleague John (john@x.example) the following:",
        "Send it to j@x.example:",
        "From: Berlin\nTo: Rome\nDate: 12 May 2026",
        "Subject: chemistry",
        "- one\n- two\n-- three",
        "The note was sent from my iPhone app to all users.",
        "```\n-- \nOn Mon, Jan 5, 2026 at 3:00 PM, Acme <help@acme.example> wrote:\n```",
    ],
)
def test_what_only_looks_like_a_heading_stays(line: str) -> None:
    text = f"Hello,\n\n{line}\n\nThe thing is broken.\nPlease help."
    assert split_reply(text) == (text, "")


def test_a_rule_between_long_paragraphs_is_no_signature() -> None:
    text = f"First.\n\n-----\n\n{'A long paragraph of the customer. ' * 6}\n\n{'Another long one of the same. ' * 6}"
    assert split_reply(text) == (text, "")


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAnna Example\nCEO",
        "--\nAnna Example",
        "__\nAnna",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Inviato da iPhone",
        "Get Outlook for iOS",
        "Sendt fra min iPad",
        "Отправлено с iPhone",
        "從我的 iPhone 傳送",
        "Sent from my Samsung Galaxy\n\n-- \nAnna",
    ],
)
def test_it_cuts_the_signature(signature: str) -> None:
    assert split_reply(f"{NEW}\n\n{signature}\n") == (NEW, signature)


def test_signature_and_history_are_told_apart() -> None:
    reply = read_reply(
        f"{NEW}\n\nSent from my iPhone\n\nOn Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> old"
    )
    assert reply.new == NEW
    assert reply.signature == "Sent from my iPhone"
    assert reply.history == "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> old"


def test_an_answer_below_one_quote_is_new() -> None:
    quote = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> Which size?"
    assert split_reply(f"{quote}\n\nSize 42 please.") == ("Size 42 please.", quote)


def test_answers_between_quotes_keep_what_they_answer() -> None:
    text = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> Which size?\n\n42 please.\n\n> And which colour?\n\nBlue."
    assert split_reply(text) == (text, "")


def test_a_short_answer_under_a_greeting_and_a_quote_is_not_lost() -> None:
    text = "Hi,\n\nOn Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> Which size?\n\nSize 42 please."
    assert "Size 42 please." in split_reply(text)[0]


def test_a_long_answer_below_the_quote_is_not_taken_for_a_footer() -> None:
    quote = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> Which size?"
    answer = "\n".join(f"Line {number} of a long answer." for number in range(8))
    text = f"Hello Bo,\nthanks for asking.\nSee below.\n\n{quote}\n\n{answer}"
    assert split_reply(text) == (text, "")


def test_the_remainder_of_a_wrapped_quote_is_no_answer() -> None:
    wrapped = "> a quoted line so long that the mailer broke it before it reached the\nend of it\n> and more\n"
    old = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> old\n" + wrapped * 4
    assert split_reply(f"{NEW}\n\n{old}")[0] == NEW


def test_a_footer_below_the_history_goes_with_it() -> None:
    old = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> old\n\nThis mail is confidential."
    assert split_reply(f"{NEW}\n\n{old}") == (NEW, old)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "> only a quote\n> of two lines",
        "On Mon, Jan 5, 2026 at 3:00 PM, Acme <a@acme.example> wrote:\n> old",
        "---------- Forwarded message ---------\nFrom: Acme <a@acme.example>\nSubject: x\nTo: b@x.example\n\nold",
        "-- \nAnna",
    ],
)
def test_when_nothing_would_be_left_everything_is_new(text: str) -> None:
    assert split_reply(text) == (text, "")


PIECES = st.sampled_from(
    [*HEADINGS, *(block.replace("\\n", "\n") for block in BLOCKS), "", "text", "> quoted", ">> more", "-- ", "____", "```",
     "Sent from my iPhone", "From: a@b.example", "Subject: x", "a line that ends in a colon:", "wrote:", "<a@b.example>"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=30).map("\n".join))
def test_every_line_is_in_exactly_one_part(text: str) -> None:
    new, rest = split_reply(text)
    assert sorted(line for line in f"{new}\n{rest}".split("\n") if line) == sorted(
        line for line in text.split("\n") if line
    )
    assert new or not text.strip("\n")


@given(st.text(max_size=500))
def test_no_text_makes_it_raise(text: str) -> None:
    new, rest = split_reply(text)
    assert sorted((new + rest).replace("\r", "").replace("\n", "")) == sorted(text.replace("\r", "").replace("\n", ""))


@pytest.mark.parametrize(
    "bomb",
    [
        ">" * 300_000,
        "a:\n" * 150_000,
        "--\n" * 150_000,
        "On 1 Jan 2026 @ <a@b> wrote\n" * 20_000,
        "From: a@b\n" * 50_000,
        ("x" * 590 + ":\n") * 1_000,
        ("a@" * 290 + ":\n") * 1_000,
        ("-- " * 190 + ":\n") * 1_000,
        ("12.12." * 95 + "wrote:\n") * 1_000,
        ("On aa " * 95 + ":\n") * 1_000,
        "-----Original Message-----\n" * 80_000,
        "---------- Forwarded message ---------\n" * 80_000 + "the text",
    ],
    ids=[
        "quotes",
        "colons",
        "dashes",
        "headings",
        "fields",
        "long",
        "addresses",
        "rules",
        "dates",
        "openers",
        "delimiters",
        "forwards",
    ],
)
def test_a_bomb_is_split_like_any_text(bomb: str) -> None:
    """Each takes a second at most; of quadratic cost it would be minutes, for one mail of a stranger."""
    began = time.process_time()
    new, rest = split_reply(bomb)
    assert time.process_time() - began < 8
    assert len(new) + len(rest) <= len(bomb)
    assert sorted(f"{new}\n{rest}".split()) == sorted(bomb.split())


#: How phones sign, and what people write that begins alike: a rule that tells them apart is tried on both.
SENT = ("Sent from", "Sent via", "Posted via", "Gesendet von", "Gesendet mit", "Envoyé depuis", "Enviado desde", "Enviado por",
        "Inviato da", "Verzonden vanaf", "Skickat från", "Sendt fra", "Wysłane z", "Отправлено с")  # fmt: skip
DEVICES = ("iPhone", "my iPhone 12 Pro", "meinem iPad", "mon Samsung Galaxy S10", "Samsung SM-G960F", "Yahoo Mail for iPhone", "Proton Mail",
           "Windows 10", "K-9 Mail", "my TI-85", "mijn Huawei P30", "Outlook (https://aka.ms/o0ukef)", "der Telekom Mail App")  # fmt: skip
PARCELS = ("DHL on Monday, it never came.", "DHL, Nummer 434.", "MRW el lunes.", "Royal Mail on 3 May, tracking AB12.", "UPS, 1Z 999 AA1 012.",
           "PostNL op vrijdag.", "GLS am 12. Dezember.", "Colissimo lundi.", "FedEx. Where is it?", "DPD ieri sera.")  # fmt: skip


def test_phones_signatures_are_cut_and_parcels_are_not() -> None:
    signed = [f"{how} {device}" for how in SENT for device in DEVICES]
    told = [f"{how} {parcel}" for how in SENT for parcel in PARCELS]
    lost = [line for line in told if line not in split_reply(f"Where is my parcel?\n\n{line}")[0]]
    left = [line for line in signed if line in split_reply(f"Where is my parcel?\n\n{line}")[0]]
    assert (lost, left) == ([], [])


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("Thanks!\n\n--\nNadia\nPump Ltd\n", "Thanks!"),
        ("Thanks!\n\n-- \n\nNadia\nPump Ltd\n", "Thanks!"),
        ("One?\n\n--\n\nTwo?", "One?\n\n--\n\nTwo?"),
        ("Hi, it says:\n\nFrom: unit 4\nTo: hub\nSubject: low\n\nWhy?", "Hi, it says:\n\nFrom: unit 4\nTo: hub\nSubject: low\n\nWhy?"),
        ("Yes, please.\n\nFrom: Bo <bo@x.test>\nSent: Monday\nSubject: Offer\n\nShall we?", "Yes, please."),
        ("Fine\n\nMax <max@x.test> wrote:\nShall we?", "Fine"),
    ],
)  # fmt: skip
def test_rules_that_keep_content_still_cut_what_is_none(text: str, new: str) -> None:
    assert split_reply(text)[0] == new


TOP = "Hi Anna,\n\nthank you for asking.\nI wrote below what I know.\n\nBest\nNadia"
WROTE = "On Mon, Jan 5, 2026 at 3:00 PM, Acme <help@acme.example> wrote:"
MANY = "".join(f"> line {number}\n" for number in range(40))


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        (f"{WROTE}\n> Hello,\n>\n> Which year is it?\n\nIt is a 1969.\n\n> Regards\n> Acme",
         "> Hello,\n> Which year is it?\n\nIt is a 1969."),
        (f"{WROTE}\n{MANY}> Which year is it?\n1969\n> Which engine?\nAn LS3,\nas built.\n> Regards",
         f"{WROTE}\n> line 38\n> line 39\n> Which year is it?\n1969\n> Which engine?\nAn LS3,\nas built."),
        (f"{WROTE}\n{MANY}> Which year is it?\n1969, as built.\n> Regards",
         "> line 38\n> line 39\n> Which year is it?\n1969, as built."),
        ("-----Original Message-----\n> From: Acme <help@acme.example>\n> Subject: Year\n>\n> Which year?\n\n1969\n\n> Acme",
         "> From: Acme <help@acme.example>\n> Subject: Year\n> Which year?\n\n1969"),
    ],
)  # fmt: skip
def test_answers_between_quoted_lines_are_kept_with_the_lines_that_they_answer(history: str, kept: str) -> None:
    new, rest = split_reply(f"{TOP}\n\n{history}\n")
    assert [line for line in new.splitlines() if line.strip("> ")] == [
        line for line in f"{TOP}\n{kept}".splitlines() if line.strip("> ")
    ]
    assert "> line 1\n" not in new
    assert rest


@pytest.mark.parametrize(
    "history",
    [
        f"{WROTE}\n> This line is long and some mailer has wrapped it so that it goes on\nin the next one without its mark\n> and on",
        f"{WROTE}\n> A paragraph that is marked only where it begins goes on and on and\nhas its rest here.\n\n> A second one.",
        f"{WROTE}\n> Hello\n\nOn Fri, Jan 2, 2026 at 3:00 PM, Bo <bo@acme.example> wrote:\n>> Which year?\n\n1968\n\n>> Thanks",
        "-----Original Message-----\nFrom: Acme <help@acme.example>\nSubject: Year\n\nSee below.\n\n> Which year?\n\n1968\n\n> Bo",
        f"{WROTE}\n> Hello\n> it fits\n\n-- \nNadia Okoye\nBuilder\n> not a quote",
        f"{WROTE}\n> Hello\n\n_______________\nThe list of builders\nlist@acme.example",
    ],
    ids=["wrapped", "marked once", "an older mail", "history without marks", "signature", "footer"],
)  # fmt: skip
def test_what_only_stands_between_quoted_lines_is_history(history: str) -> None:
    assert split_reply(f"{TOP}\n\n{history}\n")[0].strip() == TOP
