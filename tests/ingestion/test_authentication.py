"""Authentication-Results: the trusted server's word, and nobody else's."""

from __future__ import annotations

import pytest

from conversations.channels.base import Inbound
from conversations.channels.email.reading.parse import parse_mail

OURS = "mx.desk.test"
GMAIL = (
    "Authentication-Results: mx.desk.test; dkim=pass header.i=@shop.test header.s=s1 header.b=abc;\n"
    "       spf=pass (mx.desk.test: domain of ada@shop.test designates 1.2.3.4 as permitted sender)\n"
    "       smtp.mailfrom=ada@shop.test;\n       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=shop.test\n"
)


def read(headers: str, sender: str = "Ada <ada@shop.test>", authserv_id: str = OURS) -> Inbound:
    return parse_mail(f"{headers}From: {sender}\nTo: desk@acme.test\n\nHello".encode(), authserv_id=authserv_id)


def results(text: str) -> str:
    return f"Authentication-Results: {OURS}; {text}\n"


def test_it_reads_what_the_trusted_server_found() -> None:
    found = read(GMAIL).authentication
    assert found is not None
    assert (found.verdict, found.server, found.spf, found.dkim, found.dmarc) == ("pass", OURS, "pass", "pass", "pass")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("dmarc=pass header.from=shop.test", "pass"),
        ("dmarc=fail (p=none) header.from=shop.test", "fail"),
        ("dmarc=fail header.from=shop.test; dkim=pass header.d=shop.test", "fail"),
        ("dmarc=pass header.from=other.test", "fail"),  # the server read another From than we did
        ("dmarc=pass header.from=!", "fail"),
        ("dkim=pass header.d=evil.test; " * 60 + "dmarc=fail header.from=shop.test", "fail"),
        ("dkim=pass header.d=shop.test; " * 60 + "dmarc=fail header.from=shop.test", "fail"),
        (f"dkim=pass ({'x' * 5000}) header.d=shop.test; dmarc=fail header.from=shop.test", "fail"),
        ("dkim=pass header.d=shop.test", "pass"),
        ("dkim=pass header.d=SHOP.test.", "pass"),
        ("dkim=fail header.d=shop.test; dkim=pass header.d=shop.test", "pass"),
        ("dkim=pass header.d=mailer.test", "none"),
        ("dkim=pass header.d=mail.shop.test", "none"),  # a host below vouches for nobody above it
        ("dkim=pass header.d=test", "none"),
        ("spf=pass smtp.mailfrom=bounce@shop.test", "pass"),
        ("spf=pass smtp.helo=shop.test", "none"),
        ("spf=softfail smtp.mailfrom=ada@shop.test", "fail"),
        ("spf=none; dkim=none", "none"),
        ("spf=temperror", "none"),
        ("none", "none"),
        ("", "none"),
        ("spf=fail (dmarc=pass header.from=shop.test) smtp.mailfrom=x", "fail"),
        ('spf=fail smtp.mailfrom="x; dmarc=pass header.from=shop.test"', "fail"),
        ("spf=fail (unclosed; dmarc=pass header.from=shop.test", "fail"),
        ("x-dmarc=pass header.from=shop.test; spf=fail", "fail"),
        *((f"spf={word} smtp.mailfrom=x@shop.test", "fail") for word in ("hardfail", "permerror", "policy")),
        ("dkim=fail header.d=shop.test", "fail"),
        ("iprev=fail policy.iprev=1.2.3.4", "none"),  # it is not about the sender
        ("dkim=pass header.i=@shop.test", "pass"),
        ("dmarc=pass", "pass"),
        ("DKIM=PASS HEADER.D=Shop.Test", "pass"),
        ('dkim=pass header.d="shop.test"', "pass"),
        ("dkim=pass header.d=shop.test header.d=evil.test", "pass"),  # the first word of a name counts
        (r'spf=none reason="\"; dkim=pass header.d=shop.test; "', "none"),
        (r"spf=none (\); dkim=pass header.d=shop.test)", "none"),
        (r"spf=none \(x); dkim=pass header.d=shop.test", "pass"),  # outside of both it stands for itself
        ('spf=none (a " b); dkim=pass header.d=shop.test', "pass"),
        ('spf=none reason="a ( b"; dkim=pass header.d=shop.test', "pass"),
        ('spf=none (a) reason="b ) c"; dkim=pass header.d=shop.test', "pass"),
        ("spf=none a) b; dkim=pass header.d=shop.test", "pass"),
    ],
)
def test_the_verdict_is_about_the_address_in_from(text: str, verdict: str) -> None:
    found = read(results(text)).authentication
    assert found is not None
    assert found.verdict == verdict


def test_only_the_topmost_field_of_the_trusted_server_counts() -> None:
    forged = results("dmarc=pass header.from=shop.test")
    true = results("dmarc=fail header.from=shop.test")
    for headers in (true + forged, "Authentication-Results: evil.test; dmarc=pass header.from=shop.test\n" + true):
        found = read(headers).authentication
        assert found is not None
        assert found.verdict == "fail"
    assert read("Authentication-Results: evil.test; dmarc=pass header.from=shop.test\n").authentication is None
    assert read("Authentication-Results: mx.desk.test.evil.test; dmarc=pass\n").authentication is None


def test_nobody_is_trusted_by_default() -> None:
    assert read(GMAIL, authserv_id="").authentication is None


def test_a_server_may_write_a_version_and_comments_into_its_name() -> None:
    found = read("Authentication-Results: (x;y) MX.Desk.Test 1 (z); dmarc=pass header.from=shop.test\n").authentication
    assert found is not None
    assert found.verdict == "pass"


def test_a_field_of_anybody_else_is_not_kept() -> None:
    kept = read("Authentication-Results: evil.test; dmarc=pass\n" + GMAIL).headers["authentication-results"]
    assert kept.startswith("mx.desk.test;")
    assert "evil" not in kept
    assert "authentication-results" not in read("Authentication-Results: evil.test; dmarc=pass\n").headers


@pytest.mark.parametrize(("results_before", "verdict"), [(49, "pass"), (50, "fail")])
def test_fifty_results_are_looked_at_and_with_one_more_none_counts(results_before: int, verdict: str) -> None:
    found = read(results("spf=none; " * results_before + "dkim=pass header.d=shop.test")).authentication
    assert found is not None
    assert (found.verdict, found.dkim) == (verdict, "pass" if verdict == "pass" else "")


@pytest.mark.parametrize(("length", "verdict"), [(5000, "pass"), (5001, "fail")])
def test_a_field_counts_up_to_five_thousand_signs(length: int, verdict: str) -> None:
    start, end = f"{OURS}; spf=none (", "); dkim=pass header.d=shop.test"
    filled = start + "x" * (length - len(start) - len(end)) + end
    found = read(f"Authentication-Results: {filled}\n").authentication
    assert found is not None
    assert found.verdict == verdict


def test_quotes_around_an_address_in_from_are_not_part_of_it() -> None:
    found = read(GMAIL, sender="'ada@shop.test' <ada@shop.test>").authentication
    assert found is not None
    assert found.verdict == "pass"


def test_a_huge_or_broken_field_raises_nothing() -> None:
    for text in ("(" * 50_000, "spf=pass " * 20_000, ";" * 60_000, "dkim=pass header.d=" + "a" * 60_000, "\\" * 1001):
        found = read(results(text)).authentication
        assert found is not None
        assert found.verdict != "pass"


@pytest.mark.parametrize("authserv_id", [OURS, ""])
@pytest.mark.parametrize(
    "fields",
    [
        "From: ada@shop.test\nFrom: thief@evil.test\n",
        "From: ada@shop.test, thief@evil.test\n",
        "From: team: ada@shop.test, thief@evil.test;\n",
        "From: <ada@shop.test> thief@evil.test\n",
        "From : ada@shop.test\nFROM:\n thief@evil.test\n",
        "From: Support\nReply-To: ada@shop.test\n",
        "From: Support\nSender: ada@shop.test\n",
        "Reply-To: ada@shop.test\n",
        "Return-Path: <ada@shop.test>\n",
        "From: x@acme.test\nList-Id: <x>\nX-Original-From: ada@shop.test\nReply-To: ada@shop.test\n",
    ],
)
def test_a_sender_that_is_not_the_one_address_in_from_is_never_proved(fields: str, authserv_id: str) -> None:
    """RFC 7489 section 6.6.1: with several addresses a server's word is about one that we cannot know."""
    head = results("dmarc=pass; dkim=pass header.d=shop.test; spf=pass smtp.mailfrom=shop.test")
    raw = f"{head}{fields}To: desk@acme.test\n\nHello".encode()
    mail = parse_mail(raw, authserv_id=authserv_id, own_addresses=frozenset({"desk@acme.test"}))
    assert mail.sender.address == "ada@shop.test"
    assert mail.authentication is not None
    assert mail.authentication.verdict == "fail"


def test_one_address_that_is_written_twice_is_one() -> None:
    for fields in ("From: ada@shop.test\nFrom: Ada <ADA@shop.test>\n", "From: Doe, ada@shop.test\n"):
        mail = parse_mail(f"{GMAIL}{fields}To: desk@acme.test\n\nHello".encode(), authserv_id=OURS)
        assert mail.authentication is not None
        assert mail.authentication.verdict == "pass"


@pytest.mark.parametrize(
    ("written", "trusted"),
    [
        ("mx.desk.test", "mx.desk.test"),
        ("MX.desk.TEST.", " mx.Desk.test. "),
        ('"mx.desk.test"', "mx.desk.test"),
        ("mx.desk.test 1", "mx.desk.test"),
    ],
)
def test_the_servers_name_is_compared_without_case_dot_or_quotes(written: str, trusted: str) -> None:
    field = f"Authentication-Results: {written}; dmarc=pass header.from=shop.test\n"
    found = read(field, authserv_id=trusted).authentication
    assert found is not None
    assert (found.verdict, found.server) == ("pass", trusted.strip())


@pytest.mark.parametrize(
    "written",
    [
        "desk.test",
        "x.mx.desk.test",
        "mx.desk.tes",
        "mx.desk.test2",
        "evil.test mx.desk.test",
        "(mx.desk.test) evil.test",
        "",
    ],
)
def test_a_name_that_only_looks_like_it_is_nobodys_word(written: str) -> None:
    field = f"Authentication-Results: {written}; dmarc=pass header.from=shop.test\n"
    assert read(field).authentication is None


def test_a_foreign_field_on_top_does_not_hide_ours() -> None:
    found = read("Authentication-Results: evil.test; dmarc=fail header.from=shop.test\n" + GMAIL).authentication
    assert found is not None
    assert found.verdict == "pass"


def test_each_word_is_that_of_the_senders_own_domain_else_the_first() -> None:
    found = read(
        results("dkim=fail header.d=mailer.test; dkim=pass header.d=shop.test; spf=neutral smtp.mailfrom=x@a.test")
    ).authentication
    assert found is not None
    assert (found.dkim, found.spf, found.dmarc) == ("pass", "neutral", "")
    other = read(results("dkim=neutral header.d=a.test; dkim=pass header.d=b.test")).authentication
    assert other is not None
    assert other.dkim == "neutral"


@pytest.mark.parametrize("text", ["dmarc=pass; dmarc=fail", "dmarc=fail; dmarc=pass header.from=shop.test"])
def test_one_bad_word_of_dmarc_outweighs_a_good_one(text: str) -> None:
    found = read(results(text)).authentication
    assert found is not None
    assert found.verdict == "fail"


def test_a_domain_above_vouches_and_a_neighbour_does_not() -> None:
    for vouching, verdict in (("shop.test", "pass"), ("xshop.test", "none"), ("b.shop.test", "none")):
        found = read(results(f"dkim=pass header.d={vouching}"), "Ada <ada@a.shop.test>").authentication
        assert found is not None
        assert found.verdict == verdict, vouching
