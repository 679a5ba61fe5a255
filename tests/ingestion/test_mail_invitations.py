"""Invitations to meetings: what they say is text for the page and for the drafter, and a broken one stops nothing."""

from __future__ import annotations

import random
import time

import pytest

from conversations.channels.base import Inbound
from conversations.channels.email.reading.parse import parse_mail

REQUEST = """BEGIN:VEVENT
UID:1@example.com
DTSTART;TZID=Europe/Berlin:20261203T140000
DTEND;TZID=Europe/Berlin:20261203T143000
SUMMARY:Call about pump sizing
LOCATION:Phone +00 555 0100
DESCRIPTION:Please ring me about the 600 hp pump\\, and
  bring the curve.\\nNadia
ORGANIZER;CN="Okoye, Nadia":MAILTO:nadia.okoye@example.com
ATTENDEE;CN=Support;PARTSTAT=ACCEPTED:mailto:support@acme.test
RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3
END:VEVENT
"""


def invited(
    event: str, *, method: str = "REQUEST", text: str = "", header: str = "text/calendar; charset=utf-8"
) -> Inbound:
    asked = f"METHOD:{method}\n" if method else ""
    calendar = f"BEGIN:VCALENDAR\n{asked}VERSION:2.0\n{event}END:VCALENDAR\n"
    return parse_mail(
        (
            "From: Nadia <nadia.okoye@example.com>\nSubject: Call\nMIME-Version: 1.0\n"
            'Content-Type: multipart/alternative; boundary="b"\n\n'
            f"--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: {header}\n\n{calendar}\n--b--\n"
        ).encode()
    )


def test_an_invitation_says_what_when_where_and_who_asks() -> None:
    mail = invited(REQUEST)
    assert mail.body_text == mail.body_new
    assert mail.body_new.splitlines() == [
        "Invitation: Call about pump sizing",
        "When: Thu 3 Dec 2026, 14:00 to 14:30 (Europe/Berlin, UTC+01:00)",
        "Repeats: every 2 weeks, 3 times",
        "Where: Phone +00 555 0100",
        "Organiser: Okoye, Nadia <nadia.okoye@example.com>",
        "",
        "Please ring me about the 600 hp pump, and bring the curve.",
        "Nadia",
    ]
    assert [file.mime_type for file in mail.files] == ["text/calendar"]


def test_it_stands_below_what_was_written_and_above_no_history() -> None:
    mail = invited(REQUEST, text="Shall we talk?\n\nOn 5 Jan 2026, at 15:00, Bo wrote:\n> old")
    assert mail.body_new.startswith("Shall we talk?\n\nInvitation: Call about pump sizing\n")
    assert "old" not in mail.body_new
    assert mail.body_text.index("> old") < mail.body_text.index("Invitation:")


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("CANCEL", ["Cancelled: Call about pump sizing"]),
        ("COUNTER", ["Another time is proposed for: Call about pump sizing"]),
        ("REPLY", ["Answer to the invitation: Call about pump sizing", "Support <support@acme.test> accepted"]),
        ("PUBLISH", ["Event: Call about pump sizing"]),
        ("", ["Event: Call about pump sizing"]),
    ],
)
def test_what_is_asked_of_us_is_said(method: str, first: list[str]) -> None:
    assert invited(REQUEST, method=method).body_new.splitlines()[: len(first)] == first


def test_the_header_says_the_method_where_the_calendar_does_not() -> None:
    mail = invited(REQUEST, method="", header="text/calendar; method=cancel")
    assert mail.body_new.startswith("Cancelled: ")


@pytest.mark.parametrize(
    ("times", "when"),
    [
        ("DTSTART:20261203T140000Z\nDURATION:PT90M", "Thu 3 Dec 2026, 14:00 to 15:30 (UTC)"),
        ("DTSTART:20261203T140000", "Thu 3 Dec 2026, 14:00 (no time zone given)"),
        ("DTSTART;TZID=Our own zone:20261203T140000", "Thu 3 Dec 2026, 14:00 (Our own zone)"),
        (
            "DTSTART;TZID=W. Europe Standard Time:20260703T220000\nDTEND;TZID=W. Europe Standard Time:20260704T010000",
            "Fri 3 Jul 2026, 22:00 to Sat 4 Jul 2026, 01:00 (W. Europe Standard Time, UTC+02:00)",
        ),
        ("DTSTART;VALUE=DATE:20261203\nDTEND;VALUE=DATE:20261205", "Thu 3 Dec 2026 to Fri 4 Dec 2026"),
        ("DTSTART;VALUE=DATE:20261203", "Thu 3 Dec 2026"),
    ],
)
def test_a_time_is_said_with_its_zone(times: str, when: str) -> None:
    assert f"\nWhen: {when}" in invited(f"BEGIN:VEVENT\nSUMMARY:Call\n{times}\nEND:VEVENT\n").body_new


def test_a_description_in_html_is_read_as_text() -> None:
    mail = invited("BEGIN:VEVENT\nSUMMARY:Call\nDESCRIPTION:<p>Ring <b>me</b></p><script>x()</script>\nEND:VEVENT\n")
    assert mail.body_new == "Invitation: Call\n\nRing me"


def test_the_same_calendar_as_text_and_as_file_is_said_once() -> None:
    mail = parse_mail(
        b'From: a@b.example\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nHi\n'
        b"--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Call\nEND:VEVENT\nEND:VCALENDAR\n"
        b'--b\nContent-Type: application/octet-stream; name="invite.ics"\n\n'
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Call\nEND:VEVENT\nEND:VCALENDAR\n--b--\n"
    )
    assert mail.body_new == "Hi\n\nEvent: Call"
    assert [file.mime_type for file in mail.files] == ["text/calendar", "application/octet-stream"]


BROKEN = "A calendar could not be read; it is kept as a file."


def test_a_broken_calendar_is_told_kept_and_shown_as_it_is() -> None:
    mail = invited("BEGIN:VEVENT\nSUMMARY:Call me on Friday\n")
    assert mail.problems == (BROKEN,)
    assert "SUMMARY:Call me on Friday" in mail.body_text
    assert len(mail.files) == 1


def test_one_broken_property_leaves_the_others() -> None:
    mail = invited("BEGIN:VEVENT\nSUMMARY:Call\nDTSTART:soon\nRRULE:x\nORGANIZER\nLOCATION:Here\nEND:VEVENT\n")
    assert mail.body_new == "Invitation: Call\nWhere: Here"


EVERY_SECOND = (
    "BEGIN:VTIMEZONE\nTZID:X\n"
    + "".join(
        f"BEGIN:{kind}\nDTSTART:20100101T000000\nRRULE:FREQ=SECONDLY\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0100\nEND:{kind}\n"
        for kind in ("STANDARD", "DAYLIGHT")
    )
    + "END:VTIMEZONE\nBEGIN:VEVENT\nDTSTART;TZID=X:20260101T000000\nEND:VEVENT\n"
)
HOSTILE = {
    "nested": "BEGIN:VEVENT\n" * 5000 + "END:VEVENT\n" * 5000,
    "many": "BEGIN:VEVENT\nSUMMARY:Call\nEND:VEVENT\n" * 5000,
    "long": "BEGIN:VEVENT\nDESCRIPTION:" + "x" * 400_000 + "\nEND:VEVENT\n",
    "every second": EVERY_SECOND,
    "every second, folded": EVERY_SECOND.replace("VTIMEZONE", "VTIME\n ZONE"),
    "every second, with a parameter": EVERY_SECOND.replace("BEGIN:VTIMEZONE", "BEGIN;X=1:vtimezone"),
    "empty lines": "BEGIN:VEVENT\n" + "\n" * 30_000 + "SUMMARY:Call\nEND:VEVENT\n",
    "no such day": "BEGIN:VEVENT\nDTSTART:99991231T235959Z\nDURATION:P99999999D\nRRULE:FREQ=DAILY;COUNT=99999999999\nEND:VEVENT\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_calendar_that_is_an_attack_costs_little(name: str) -> None:
    started = time.process_time()
    mail = invited(HOSTILE[name])
    assert len(mail.body_text) < 300_000
    assert time.process_time() - started < 3


def test_no_noise_in_a_calendar_stops_the_reader() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        noisy = list(REQUEST)
        for _ in range(dice.randrange(1, 30)):
            noisy[dice.randrange(len(noisy))] = dice.choice(
                ["", "\n", ":", ";", "=", "\x00", "\ud800", "BEGIN:VEVENT\n", '"', "9"]
            )
        mail = invited("".join(noisy).encode("utf-8", "replace").decode())
        # Read, or told that it could not be: never the last net of `parse_mail`.
        assert not any("could not be read. It is shown as it arrived" in problem for problem in mail.problems), seed
