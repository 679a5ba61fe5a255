"""Which mail a person wrote, and which nobody should be drafted an answer to."""

from __future__ import annotations

import pytest

from conversations.channels.base import Automatic, Inbound
from conversations.channels.email.reading.parse import parse_mail

OWN = frozenset({"Desk@acme.example", "sales@acme.example"})


def read(headers: str, body: str = "Hello", sender: str = "Ada <ada@example.com>") -> Inbound:
    raw = f"From: {sender}\nTo: desk@acme.example\nMessage-ID: <1@example.com>\n{headers}\n{body}"
    return parse_mail(raw.encode(), own_addresses=OWN)


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "Auto-Submitted: no\n",
        "Auto-Submitted: NO (a person)\n",
        "Auto-Submitted: auto-forwarded\n",
        "Auto-Submitted: auto-forwarded; owner-email=x@y\n",
        "X-Autoreply: no\n",
        "X-Autoreply: False\n",
        "X-Autoreply: 0\n",
        "Content-Type: multipart/mixed; report-type=feedback-report; boundary=b\n",
        "Precedence: normal\n",
        "X-Auto-Response-Suppress: DR, RN, NRN\n",
        "X-Auto-Response-Suppress: All\n",
        "Return-Path: <ada@example.com>\n",
        "Subject: Re: Automatic reply: I am away\n",
        "Subject: Automatic gearbox: which oil?\n",
        "Subject: Undelivered parcel\n",
        "List-Unsubscribe: <mailto:x@y>\n",
        "List-Id: Neighbours <street.example.com>\nPrecedence: list\n",
        "Precedence: list\nList-Id: <g.example.com>\nList-Post: <mailto:g@example.com>\nList-Unsubscribe: <mailto:x@y>\n",
        "Mailing-List: list g@example.com; contact g+owners@example.com\nX-Original-Sender: ada@example.com\n",
        "Subject: Abwesenheit unseres Fahrers\n",
    ],
)
def test_mail_of_people_is_not_automatic(headers: str) -> None:
    mail = read(headers)
    assert (mail.automatic, mail.automatic_reason) == (None, "")


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        ("Auto-Submitted: auto-replied\n", Automatic.AUTO_REPLY, "Auto-Submitted: auto-replied"),
        ("Auto-Submitted: auto-generated (vacation)\n", Automatic.AUTO_REPLY, "Auto-Submitted: auto-generated"),
        ("Auto-Submitted: something-new; x=y\n", Automatic.AUTO_REPLY, "Auto-Submitted: something-new"),
        ("X-Autoreply: yes\n", Automatic.AUTO_REPLY, "X-Autoreply: yes"),
        ("X-Autorespond: 1\n", Automatic.AUTO_REPLY, "X-Autorespond: 1"),
        ("X-Auto-Reply-From: a@b.test\n", Automatic.AUTO_REPLY, "X-Auto-Reply-From: a@b.test"),
        ("X-FC-MachineGenerated: true\n", Automatic.AUTO_REPLY, "X-Fc-Machinegenerated: true"),
        ("Precedence: auto_reply\n", Automatic.AUTO_REPLY, "Precedence: auto_reply"),
        ("Precedence: Auto-Reply\n", Automatic.AUTO_REPLY, "Precedence: auto-reply"),
        ("Precedence: autoreply\n", Automatic.AUTO_REPLY, "Precedence: autoreply"),
        ("Return-Path:\n", Automatic.AUTO_REPLY, "empty Return-Path"),
        ("Precedence: bulk\n", Automatic.BULK, "Precedence: bulk"),
        ("Precedence: Junk\n", Automatic.BULK, "Precedence: junk"),
        ("List-Id: <news.example.com>\nList-Unsubscribe: <mailto:x@y>\n", Automatic.BULK, "a mailing to subscribers: List-Unsubscribe, and nowhere to post"),
        ("List-Id: <news.example.com>\nList-Post: NO (closed)\n", Automatic.BULK, "List-Post: NO, a list for announcements"),
        ("Return-Path: <>\n", Automatic.AUTO_REPLY, "empty Return-Path"),
        ("Subject: Out of Office: back on Monday\n", Automatic.AUTO_REPLY, "the subject is the one of an automatic reply"),
        ("Subject: Automatische Antwort: Angebot\n", Automatic.AUTO_REPLY, "the subject is the one of an automatic reply"),
    ],
)  # fmt: skip
def test_it_knows_automatic_mail_by_its_headers(headers: str, kind: Automatic, reason: str) -> None:
    mail = read(headers)
    assert (mail.automatic, mail.automatic_reason) == (kind, reason)


def test_mail_from_our_own_address_is_our_echo() -> None:
    assert read("", sender="Desk <DESK@acme.example>").automatic is Automatic.OWN
    assert read("Reply-To: SALES@acme.example\n", sender="desk@acme.example").automatic is Automatic.OWN


def test_a_web_form_that_mails_from_our_address_is_the_customer_in_reply_to() -> None:
    assert read("Reply-To: ada@example.com\n", sender="desk@acme.example").automatic is None


def test_a_no_reply_sender_cannot_be_answered() -> None:
    for address in ("noreply@example.com", "no-reply@example.com", "DoNotReply@example.com", "no_reply+12@example.com"):
        assert read("", sender=address).automatic is Automatic.AUTO_REPLY, address
    assert read("Reply-To: ada@example.com\n", sender="no-reply@shop.example").automatic is None
    assert read("Reply-To: noreply@b.example\n", sender="no-reply@shop.example").automatic is Automatic.AUTO_REPLY
    assert read("", sender="nora.reply@example.com").automatic is None


DSN = """This is the mail system. I'm sorry.

<ada@example.com>: no such user
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: {returned}

From: desk@acme.example
Message-ID: <cs.1@acme.example>
Subject: Re: Hose

the text
--b--
"""


def bounce(action: str = "failed", status: str = "5.1.1", returned: str = "message/rfc822") -> Inbound:
    headers = (
        "Return-Path: <>\nAuto-Submitted: auto-replied\nSubject: Undelivered Mail Returned to Sender\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n"
    )
    body = "--b\nContent-Type: text/plain\n\n" + DSN.format(action=action, status=status, returned=returned)
    return read(headers, body, sender="MAILER-DAEMON@mx.example.com (Mail Delivery System)")


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce_names_the_message_and_the_address_that_failed(returned: str) -> None:
    mail = bounce(returned=returned)
    assert (mail.automatic, mail.automatic_reason) == (Automatic.BOUNCE, "a delivery report")
    assert (mail.bounced_message_id, mail.bounced_addresses) == ("<cs.1@acme.example>", ("ada@example.com",))
    assert mail.body_text.startswith("This is the mail system.")


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("delivered", "2.0.0"), ("relayed", "2.0.0")])
def test_a_delivery_report_without_failure_is_no_bounce(action: str, status: str) -> None:
    mail = bounce(action, status)
    assert mail.automatic is Automatic.AUTO_REPLY
    assert (mail.bounced_message_id, mail.bounced_addresses) == ("", ())


def test_a_bounce_in_prose_is_read_too() -> None:
    body = (
        "Hi. This is the qmail-send program at mx.example.com.\nI'm afraid I wasn't able to deliver your message to the "
        "following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<ada@example.com>:\n"
        "Sorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
        "Message-ID: <cs.2@acme.example>\nFrom: desk@acme.example\n\ntext\n"
    )
    mail = read("Return-Path: <>\nSubject: failure notice\n", body, sender="MAILER-DAEMON@mx.example.com")
    assert mail.automatic is Automatic.BOUNCE
    assert (mail.bounced_message_id, mail.bounced_addresses) == ("<cs.2@acme.example>", ("ada@example.com",))


def test_failed_recipients_of_exim_are_a_bounce() -> None:
    headers = "X-Failed-Recipients: ada@example.com, bo@example.com\nIn-Reply-To: <cs.3@acme.example>\n"
    mail = read(headers, sender="Mail Delivery System <Mailer-Daemon@mx.example.com>")
    assert mail.automatic is Automatic.BOUNCE
    assert mail.bounced_message_id == "<cs.3@acme.example>"
    assert set(mail.bounced_addresses) == {"ada@example.com", "bo@example.com"}


def test_a_person_who_quotes_a_bounce_is_a_person() -> None:
    mail = read(
        "Subject: Your mail came back\n", "Look:\n> Undelivered Mail\n> Final-Recipient: rfc822; x@example.com\n"
    )
    assert mail.automatic is None


def test_a_read_receipt_and_an_abuse_report_are_not_bounces() -> None:
    for report in ("disposition-notification", "feedback-report"):
        mail = read(f"Content-Type: multipart/report; report-type={report}; boundary=b\n", "--b\n\ntext\n--b--\n")
        assert (mail.automatic, mail.automatic_reason) == (Automatic.AUTO_REPLY, f"a report ({report})")


def test_two_desks_do_not_answer_each_other() -> None:
    """What this desk sends is mail of people; what the other sends by itself stops the loop here."""
    ticket = "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\nSubject: [Ticket 1] received\n"
    assert read(ticket, sender="support@other.example").automatic is Automatic.AUTO_REPLY


def test_a_mail_system_is_nobody_to_answer_and_a_postmaster_is() -> None:
    for sender in ("MAILER-DAEMON@mx.test", "mailer-daemon+x@mx.test", "Mail-Delivery-System@mx.test"):
        assert read("Subject: A word\n", sender=sender).automatic == Automatic.AUTO_REPLY
    for sender in ("postmaster@customer.test", "mailer@customer.test"):
        assert read("Subject: A word\n", sender=sender).automatic is None


AWAY = {
    "en": "Thank you for your message. I am out of the office until 12 December and will reply when I am back.",
    "de": "Vielen Dank für Ihre Nachricht. Ich bin bis zum 12. Dezember nicht im Büro und lese keine E-Mails.",
    "fr": "Merci pour votre message. Je suis actuellement en congés. En cas d'urgence, écrivez à Paul.",
    "es": "Gracias por su mensaje. Estoy fuera de la oficina hasta el lunes. Si es urgente, llame al 555.",
    "it": "Grazie per il messaggio. Sono fuori ufficio fino al 12 dicembre. Risponderò al mio rientro.",
    "pt": "Obrigado pela mensagem. Estou de férias até dia 12. Responderei no meu regresso.",
    "nl": "Bedankt voor uw bericht. Ik ben tot 12 december afwezig. Voor dringende zaken belt u Piet.",
    "sv": "Tack för ditt mejl. Jag är på semester till den 12 december.",
    "da": "Tak for din mail. Jeg holder ferie til den 12. december. Hvis det haster, ring til Bo.",
    "no": "Takk for e-posten. Jeg er ikke på kontoret før 12. desember.",
    "fi": "Kiitos viestistäsi. Olen lomalla 12.12. asti. Kiireellisissä asioissa soita Matille.",
    "pl": "Dziękuję za wiadomość. Jestem na urlopie do 12 grudnia. W pilnych sprawach proszę dzwonić.",
    "ru": "Спасибо за письмо. Я нахожусь в отпуске до 12 декабря. По срочным вопросам звоните Ивану.",
    "cs": "Děkuji za zprávu. Jsem na dovolené do 12. prosince.",
}


@pytest.mark.parametrize("language", AWAY)
def test_a_notice_of_absence_is_known_by_what_it_says(language: str) -> None:
    mail = read("Subject: Re: Pump noise\n", AWAY[language])
    assert mail.automatic is Automatic.AUTO_REPLY
    assert mail.automatic_reason == "it says that its writer is away, and asks nothing"


@pytest.mark.parametrize(
    "body",
    [
        "I am away until Monday, please ship it after that.",
        "Ich bin bis Freitag im Urlaub. Können Sie das Paket danach liefern?",
        "Thank you for your message. I am out of the office until Friday: which hose do I need for E85?",
        "Je suis en vacances au Portugal et la pompe ne marche plus.",
        "Thanks for your email! The pump works now.",
        "It is urgent: I am on vacation from Friday, ship it by Thursday.",
        "I am out of the office, so here is everything at once. Thank you for your message. "
        + "The pump is loud. " * 60,
    ],
)
def test_a_person_who_mentions_an_absence_is_a_person(body: str) -> None:
    assert read("Subject: Re: Pump noise\n", body).automatic is None
