"""What makes a mail a bounce, which message it says came back, and for whom: each sign by itself, and where each limit is."""

from __future__ import annotations

from typing import Any

import pytest

from conversations.channels.base import Automatic, Party
from conversations.channels.email.reading import automatic
from conversations.channels.email.reading.automatic import Verdict
from conversations.channels.email.reading.mime import parse_tree

DAEMON = "MAILER-DAEMON@mx.test"
SUBJECT = "Subject: Undelivered Mail\n"
QUIET = "Return-Path: <>\n"


def judged(raw: str, sender: str = "ada@example.com", body_text: str = "", **facts: Any) -> Verdict:
    values: dict[str, Any] = {"reply_to": None, "own_addresses": frozenset(), "new_text": ""}
    return automatic.classify(
        parse_tree(raw.encode()), sender=Party(sender), body_text=body_text, **{**values, **facts}
    )


def report(*parts: tuple[str, str], head: str = "", kind: str = "multipart/report; report-type=delivery-status") -> str:
    inside = "".join(f"--b\nContent-Type: {mime}\n\n{text}\n" for mime, text in parts)
    return f"{head}Content-Type: {kind}; boundary=b\n\n{inside}--b--\n"


def status(*lines: str, mime: str = "message/delivery-status") -> tuple[str, str]:
    return mime, "\n".join(("Reporting-MTA: dns; mx.test", "", *lines))


FAILED = status("Final-Recipient: rfc822; ada@example.com", "Action: failed", "Status: 5.1.1")
MIXED = "multipart/mixed"


# --- is it one? ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["multipart/report; report-type=Delivery-Status", "multipart/report"])
def test_a_report_is_one_whoever_sends_it(kind: str) -> None:
    found = judged(report(("text/plain", "sorry"), FAILED, kind=kind))
    assert (found.kind, found.reason, found.addresses) == (Automatic.BOUNCE, "a delivery report", ("ada@example.com",))


def test_a_report_of_another_kind_is_none_whatever_its_case() -> None:
    found = judged(report(("text/plain", "x"), kind="multipart/report; report-type=Feedback-Report"))
    assert (found.kind, found.reason) == (Automatic.AUTO_REPLY, "a report (feedback-report)")


@pytest.mark.parametrize("mime", ["message/delivery-status", "message/global-delivery-status"])
@pytest.mark.parametrize(("sender", "head"), [(DAEMON, ""), ("ada@example.com", QUIET)])
def test_a_status_part_counts_from_a_robot_or_without_a_way_back(mime: str, sender: str, head: str) -> None:
    raw = report(("text/plain", "x"), status("Action: failed", "Original-Recipient: rfc822; bo@example.com", mime=mime), head=head, kind=MIXED)  # fmt: skip
    found = judged(raw, sender)
    assert (found.kind, found.reason) == (Automatic.BOUNCE, "returned by the mail system")
    assert found.addresses == ("bo@example.com",)


def test_a_status_part_that_a_person_passes_on_is_mail_of_a_person() -> None:
    assert judged(report(("text/plain", "what is this?"), FAILED, kind=MIXED)) == Verdict()


@pytest.mark.parametrize("sender", [DAEMON, "mailer-daemon", "postmaster@mx.test", "bounce-7@mx.test"])
def test_a_robot_with_a_bounces_subject_returns_mail(sender: str) -> None:
    assert judged(f"{SUBJECT}\nno such user\n", sender).kind is Automatic.BOUNCE


def test_without_a_way_back_the_subject_decides() -> None:
    assert judged(f"{SUBJECT}{QUIET}\nno such user\n").kind is Automatic.BOUNCE
    assert judged(f"Subject: A word\n{QUIET}\nno such user\n").kind is Automatic.AUTO_REPLY
    assert judged(f"{SUBJECT}\nno such user\n") == Verdict()
    assert judged("Subject: A word\n\nno such user\n", "postmaster@mx.test") == Verdict()


# --- a report without a failure ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (["Action: Delayed"], "delayed"),
        (["Action: delivered"], "delivered"),
        (["Action: relayed"], "relayed"),
        (["Action: expanded", "Action: relayed"], "relayed"),
        (["Action: expanded"], "notice"),
        (["Action: delayed", "Status: 4.4.1"], "delayed"),
    ],
)
def test_a_report_without_a_failure_says_what_it_tells(lines: list[str], word: str) -> None:
    found = judged(report(("text/plain", "x"), status(*lines)))
    assert found == Verdict(Automatic.AUTO_REPLY, f"a delivery report without a failure ({word})")


@pytest.mark.parametrize(
    "lines",
    [
        ["Action: failed"],
        ["Action: FAILED"],
        ["Status: 5.1.1"],
        ["Status: 4.4.7"],
        ["Action: delivered", "Action: failed"],
        ["Action: delayed", "Action: failed"],
    ],
)
def test_one_failure_is_enough(lines: list[str]) -> None:
    assert judged(report(("text/plain", "x"), status(*lines))).kind is Automatic.BOUNCE


def test_what_exim_names_as_failed_has_failed_whatever_the_report_says() -> None:
    raw = report(("text/plain", "x"), status("Action: delayed"), head="X-Failed-Recipients: <a@x.test> , nobody\n")
    found = judged(raw)
    assert (found.kind, found.addresses) == (Automatic.BOUNCE, ("a@x.test",))


# --- for whom --------------------------------------------------------------------------------------------------------
def test_fifty_addresses_are_kept_once_each_and_none_is_longer_than_a_column() -> None:
    many = ", ".join([*(f"a{n}@x.test" for n in range(60)), "a0@x.test"])
    found = judged(f"X-Failed-Recipients: {many}\n\nx\n")
    assert found.addresses == tuple(f"a{n}@x.test" for n in range(50))
    (long,) = judged(f"X-Failed-Recipients: {'a' * 400}@x.test\n\nx\n").addresses
    assert len(long) == 320


def test_a_soft_failure_names_its_address_too(monkeypatch: Any) -> None:
    from flufl import bounce

    asked: list[Any] = []

    def failures(message: Any) -> tuple[set[bytes], set[bytes]]:
        asked.append(message)
        return {b"soft@x.test", b"not an address"}, set()

    monkeypatch.setattr(bounce, "all_failures", failures)
    long = "x" * 300_000
    assert judged(f"{SUBJECT}\n{long}\n", DAEMON).addresses == ("soft@x.test",)
    assert len(asked[0].as_bytes()) <= 256 * 1024
    monkeypatch.setattr(bounce, "all_failures", lambda message: ({b"soft@x.test"}, {b"b@x.test", b"a@x.test"}))
    assert judged(f"{SUBJECT}\nx\n", DAEMON).addresses == ("a@x.test", "b@x.test")


def test_a_detector_that_falls_over_names_nobody(monkeypatch: Any) -> None:
    from flufl import bounce

    def falls(message: Any) -> None:
        raise ValueError("it trusted the mail")

    monkeypatch.setattr(bounce, "all_failures", falls)
    found = judged(f"{SUBJECT}\nx\n", DAEMON)
    assert (found.kind, found.addresses) == (Automatic.BOUNCE, ())


@pytest.mark.parametrize(("depth", "asked"), [(10, True), (11, False)])
def test_what_is_nested_too_deep_is_not_given_to_the_detectors(monkeypatch: Any, depth: int, asked: bool) -> None:
    monkeypatch.setattr(automatic, "walk", lambda root: [type("P", (), {"depth": n, "type": ""}) for n in range(depth + 1)])  # fmt: skip
    monkeypatch.setattr("flufl.bounce.all_failures", lambda message: (set(), {b"a@x.test"}))
    assert bool(judged(f"{SUBJECT}\nx\n", DAEMON).addresses) is asked


def test_nothing_is_read_further_than_a_quarter_of_a_megabyte() -> None:
    far = "X" * (256 * 1024)
    late = ("message/delivery-status", f"Action: failed\n{far}\nFinal-Recipient: rfc822; late@x.test\n")
    assert judged(report(("text/plain", "x"), late)).addresses == ()
    body = f"{far}\nMessage-ID: <late@x.test>\n"
    assert judged(report(("text/plain", "x"), FAILED), body_text=body).message_id == ""
    returned = ("message/rfc822", f"X-Long: {far}\nMessage-ID: <late@x.test>\n\nx")
    assert judged(report(("text/plain", "x"), FAILED, returned)).message_id == ""


# --- which message ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mime", ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"])
def test_the_returned_message_says_its_id(mime: str) -> None:
    raw = report((mime, "Message-ID: <cs.1@x.test>\nSubject: Re\n\nx"), ("message/rfc822", "Message-ID: <other@x.test>\n\nx"))  # fmt: skip
    assert judged(raw).message_id == "<cs.1@x.test>"


def test_a_part_without_an_id_and_a_text_that_quotes_one_are_passed_over() -> None:
    parts = [("text/plain", "Message-ID: <prose@x.test>"), ("message/rfc822", "Subject: Re\n\nx")]
    assert judged(report(*parts, ("message/rfc822", "Message-ID: <cs.1@x.test>\n\nx"))).message_id == "<cs.1@x.test>"
    own = "Message-ID: <the-report@x.test>\nIn-Reply-To: <cs.2@x.test>\n"
    assert judged(report(*parts, head=own)).message_id == "<cs.2@x.test>"
    assert judged(report(*parts, head=own), body_text="> Message-ID: <cs.3@x.test>").message_id == "<cs.3@x.test>"


# --- and what is none --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "head", ["Precedence: bulk\n", "List-Post: NO\n", "List-Id: <l.test>\nList-Unsubscribe: <mailto:x@l.test>\n"]
)
def test_a_list_of_ours_says_nothing(head: str) -> None:
    assert judged(f"{head}\nx\n").kind is Automatic.BULK
    assert judged(f"{head}\nx\n", through_own_list=True) == Verdict()


def test_a_field_is_read_up_to_two_hundred_signs() -> None:
    assert judged(f"Auto-Submitted: no{' ' * 200}; x\n\nx\n") == Verdict()
    found = judged(f"Auto-Submitted: {'x' * 300}\n\nx\n")
    assert found.reason.startswith("Auto-Submitted: xxx")
