"""Mail in: what is decoded, what is kept, and that nothing stops it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.channels.base import Inbound, Party
from conversations.channels.email.reading.addresses import parse_addresses
from conversations.channels.email.reading.charsets import decode_bytes
from conversations.channels.email.reading.parse import parse_mail

NESTED_LEVELS = 10_000


def mail(headers: str = "", body: str = "Hello", charset: str = "utf-8") -> bytes:
    top = "From: Ada <ada@example.com>\nTo: desk@acme.example\nMessage-ID: <1@example.com>\n"
    return (top + headers + "\n" + body).encode(charset)


def texts(value: object) -> list[str]:
    """Every text anywhere in an Inbound."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    if isinstance(value, tuple):
        return [text for part in value for text in texts(part)]
    if hasattr(value, "__slots__"):
        return [text for name in value.__slots__ for text in texts(getattr(value, name))]
    return []


def storable(inbound: Inbound) -> bool:
    """What PostgreSQL's text accepts: valid UTF-8 (no lone surrogate) without NUL."""
    for text in texts(inbound):
        text.encode("utf-8")
        if "\x00" in text:
            return False
    return True


def test_it_reads_a_plain_mail() -> None:
    raw = (
        b"Date: Fri, 20 Nov 2026 10:30:00 +0100\r\nFrom: Ada Lovelace <Ada@Example.com>\r\nTo: desk@acme.example\r\n"
        b"Cc: Bo <bo@example.com>, cy@example.com\r\nReply-To: ada@home.example\r\nSubject: E85 hose\r\n"
        b"Message-ID: <1@example.com>\r\nIn-Reply-To: <c@acme.example>\r\n"
        b"References: <a@acme.example> <b@acme.example>\r\n <c@acme.example>\r\n\r\nIs it safe?\r\n"
    )
    read = parse_mail(raw)
    assert read.external_id == "<1@example.com>"
    assert read.sender == Party("Ada@Example.com", "Ada Lovelace")
    assert read.reply_to == Party("ada@home.example")
    assert (read.to, read.cc) == (
        (Party("desk@acme.example"),),
        (Party("bo@example.com", "Bo"), Party("cy@example.com")),
    )
    assert (read.subject, read.body_text, read.body_html) == ("E85 hose", "Is it safe?\n", "")
    assert read.sent_at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    assert read.references == ("<c@acme.example>", "<b@acme.example>", "<a@acme.example>")
    assert read.headers["subject"] == "E85 hose"
    assert (read.files, read.automatic, read.problems) == ((), None, ())


def test_a_mail_without_message_id_is_named_by_its_bytes() -> None:
    one, other = parse_mail(b"From: a@b.example\n\none"), parse_mail(b"From: a@b.example\n\nother")
    assert one.external_id == "sha256:" + hashlib.sha256(b"From: a@b.example\n\none").hexdigest()
    assert one.external_id != other.external_id
    assert one == parse_mail(b"From: a@b.example\n\none")


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=", "Grüße an alle"),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?Q?Gr=C3=BC?=\n =?iso-8859-1?Q?=DFe?= all", "Grüße all"),
        ("a =?utf-8?Q?b?= c", "a b c"),
        ("=?gb2312?B?vKjQp7ncwO0=?=", "绩效管理"),
        ("=?iso-2022-jp?B?GyRCJWElayVeJSwycj18GyhC?=", "メルマガ解除"),
        ("=?shift_jis?B?h0A=?=", "①"),
        ("=?ks_c_5601-1987?B?vsiz5w==?=", "안녕"),
        ("=?windows-1258?Q?Vi=EA=F2t?=", "Việt"),
        ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
        ("=?x-nobody-knows?Q?plain?=", "plain"),
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"),
        ("=?utf-8?Q?a=00b=0D=0ABcc:_x?=", "ab Bcc: x"),
        ("Grüße raw", "Grüße raw"),
    ],
)
def test_it_decodes_the_subject(field: str, subject: str) -> None:
    assert parse_mail(mail(f"Subject: {field}\n")).subject == subject


def test_raw_eight_bit_headers_are_read_in_the_charset_of_the_body() -> None:
    raw = mail("Subject: Привет\nContent-Type: text/plain; charset=koi8-r\n", "тело", "koi8-r")
    assert (parse_mail(raw).subject, parse_mail(raw).body_text) == ("Привет", "тело")


@pytest.mark.parametrize(
    ("content", "label", "text"),
    [
        ("Größe €".encode(), "iso-8859-1", "Größe €"),
        ("Größe €".encode("cp1252"), "iso-8859-1", "Größe €"),
        ("Größe".encode("cp1252"), "us-ascii", "Größe"),
        ("Größe".encode("cp1252"), "", "Größe"),
        ("Größe".encode(), "no-such-charset", "Größe"),
        ("测试㈱".encode("gb18030"), "gb2312", "测试㈱"),
        ("テスト①".encode("cp932"), "iso-2022-jp", "テスト①"),
        (b"\x1b$B-!%F%9%H\x1b(B ok", "iso-2022-jp", "①テスト ok"),
        ("hello".encode("utf-16-le"), "us-ascii", "hello"),
        (b"\xff\xfeh\x00i\x00", "utf-16", "hi"),
        (b"a\x00b", "utf-8", "ab"),
        (b"+2AA-", "utf-7", "\ufffd"),
        (b"aGk=", "base64", "aGk="),
        (b"abc", "punycode", "abc"),
        (b"\\x41", "unicode_escape", "\\x41"),
        (b"\xef\xbb\xbfhi", "utf-8", "hi"),
        (b"ok \x81\x8d end", "utf-8", "ok \ufffd\ufffd end"),
    ],
)
def test_a_wrong_charset_neither_raises_nor_loses_text(content: bytes, label: str, text: str) -> None:
    assert decode_bytes(content, label)[0] == text


def test_it_says_which_charset_it_does_not_know() -> None:
    read = parse_mail(mail("Content-Type: text/plain; charset=x-klingon\n", "Größe"))
    assert read.body_text == "Größe"
    assert read.problems == ("The character set “x-klingon” is unknown.",)


@pytest.mark.parametrize(
    ("field", "parties"),
    [
        ("ada@example.com", [Party("ada@example.com")]),
        ("<ada@example.com>", [Party("ada@example.com")]),
        ('"Lovelace, Ada" <ada@example.com>', [Party("ada@example.com", "Lovelace, Ada")]),
        ("Lovelace, Ada <ada@example.com>", [Party("ada@example.com", "Lovelace, Ada")]),
        ("ada@example.com (Ada (the first) Lovelace)", [Party("ada@example.com", "Ada (the first) Lovelace")]),
        ("=?utf-8?Q?Jos=C3=A9=2C_Ana?= <ana@example.com>", [Party("ana@example.com", "José, Ana")]),
        ('"=?utf-8?Q?Jos=C3=A9?=" <jose@example.com>', [Party("jose@example.com", "José")]),
        ("'Ada' <ada@example.com>", [Party("ada@example.com", "Ada")]),
        (
            "a@b.example, C <c@d.example>; e@f.example",
            [Party("a@b.example"), Party("c@d.example", "C"), Party("e@f.example")],
        ),
        ("undisclosed-recipients:;", []),
        ("Team: a@b.example, C <c@d.example>;", [Party("a@b.example"), Party("c@d.example", "C")]),
        ("Ada <<ada@example.com>>", [Party("ada@example.com", "Ada")]),
        ("Ada <mailto:ada@example.com>", [Party("ada@example.com", "Ada")]),
        ('"Ada \\"the\\" L" <ada@example.com>', [Party("ada@example.com", 'Ada "the" L')]),
        ('"Unclosed <ada@example.com>', [Party("ada@example.com", '"Unclosed')]),
        ("Ada Lovelace", [Party("", "Ada Lovelace")]),
        ("MAILER-DAEMON (Mail Delivery System)", [Party("MAILER-DAEMON", "Mail Delivery System")]),
        ("Müller <müller@bücher.example>", [Party("müller@bücher.example", "Müller")]),
        ("", []),
        ("<>", []),
    ],
)
def test_it_reads_addresses_as_people_write_them(field: str, parties: list[Party]) -> None:
    assert list(parse_addresses(field)) == parties


def test_a_from_without_address_falls_back_and_says_so() -> None:
    read = parse_mail(b'From: "Bay" <>\nReply-To: bay@example.com\n\nx')
    assert (read.sender, read.problems) == (
        Party("bay@example.com"),
        ("The From field names no address; the sender is taken from Reply-To.",),
    )
    nobody = parse_mail(b"Subject: x\n\nx")
    assert (nobody.sender, nobody.problems) == (Party(""), ("The message names no sender address.",))


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Fri, 20 Nov 2026 10:30:00 -0500", datetime(2026, 11, 20, 15, 30, tzinfo=UTC)),
        ("20 Nov 26 10:30 GMT", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 10:30:00", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("2026-11-20T10:30:00+01:00", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("2026-11-20 10:30:00", datetime(2026, 11, 20, 10, 30, tzinfo=UTC)),
        ("yesterday", None),
        ("Fri, 99 Nov 2026 10:30:00 +0100", None),
        ("Fri, 20 Nov 99999999999 10:30:00 +0100", None),
    ],
)
def test_it_reads_dates_and_survives_bad_ones(date: str, moment: datetime | None) -> None:
    read = parse_mail(mail(f"Date: {date}\n"))
    assert read.sent_at == moment
    assert bool(read.problems) is (moment is None)


def test_no_date_is_no_problem() -> None:
    assert (parse_mail(mail()).sent_at, parse_mail(mail()).problems) == (None, ())


def test_references_are_nearest_first_and_named_once() -> None:
    read = parse_mail(mail("In-Reply-To: Your message <c@x>\nReferences: <a@x><b@x>,<c@x> <a@x>\n"))
    assert read.references == ("<c@x>", "<b@x>", "<a@x>")
    assert parse_mail(mail("In-Reply-To: bare@x\n")).references == ("<bare@x>",)
    assert parse_mail(mail("In-Reply-To: \n")).references == ()


ALTERNATIVE = """Content-Type: multipart/alternative; boundary=b

preamble
--b
Content-Type: text/plain; charset=utf-8

plain {plain}
--b
Content-Type: text/html; charset=utf-8

<p>html <b>text</b></p><img src="cid:logo">
--b--
epilogue
"""


def test_it_takes_text_and_html_of_an_alternative() -> None:
    head, _, body = ALTERNATIVE.partition("\n\n")
    read = parse_mail(mail(head + "\n", body.format(plain="ü")))
    assert read.body_text == "plain ü"
    assert read.body_html == '<p>html <b>text</b></p><img src="cid:logo">'
    assert read.files == ()


def test_html_alone_gets_a_text() -> None:
    html = (
        "<html><head><title>t</title><style>p{color:red}</style></head><body><p>Hello&nbsp;you</p>"
        "<table><tr><td>a</td><td>b</td></tr></table><script>x()</script>"
        "<div>On Mon, 5 Jan 2026 at 15:00, Acme &lt;help@acme.example&gt; wrote:</div>"
        '<blockquote type="cite">old <b>text</b><br>more</blockquote></body></html>'
    )
    read = parse_mail(mail("Content-Type: text/html\n", html))
    assert read.body_text == (
        "Hello you\n\na b\nOn Mon, 5 Jan 2026 at 15:00, Acme <help@acme.example> wrote:\n> old text\n> more"
    )
    assert read.body_html == html
    assert read.body_new == "Hello you\n\na b"


def test_html_without_charset_is_read_by_its_meta_tag() -> None:
    raw = mail("Content-Type: text/html\n", '<meta charset="koi8-r"><p>Привет</p>', "koi8-r")
    assert parse_mail(raw).body_text == "Привет"


def test_an_empty_plain_part_gives_way_to_the_html() -> None:
    head, _, body = ALTERNATIVE.partition("\n\n")
    assert parse_mail(mail(head + "\n", body.replace("plain {plain}", " "))).body_text == "html text"


def test_it_keeps_every_part_as_a_file_with_its_name() -> None:
    body = """--b
Content-Type: text/plain

the text
--b
Content-Type: application/pdf; name="=?utf-8?Q?Gr=C3=B6=C3=9Fe.pdf?="
Content-Transfer-Encoding: base64
Content-Disposition: attachment

JVBERi0x
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename*0*=utf-8''Gr%C3%B6%C3%9Fe%20; filename*1="zwei.bin"

12
--b
Content-Type: application/ms-tnef; name=winmail.dat

tnef
--b
Content-Type: image/png; name=my logo.png
Content-ID: <logo@x>
Content-Transfer-Encoding: base64

iVBO
--b
Content-Type: message/rfc822

Subject: =?utf-8?Q?inner=20mail?=
From: bo@example.com

inner text
--b
Content-Type: text/calendar
Content-Disposition: attachment; filename="../../etc/pass\twd"

BEGIN:VCALENDAR
--b
Content-Type: image/gif

GIF
--b--
"""
    read = parse_mail(mail("Content-Type: multipart/mixed; boundary=b\n", body))
    assert read.body_text == "the text"
    assert [(file.file_name, file.mime_type, file.content, file.content_id, file.inline) for file in read.files] == [
        ("Größe.pdf", "application/pdf", b"%PDF-1", "", False),
        ("Größe zwei.bin", "application/octet-stream", b"12", "", False),
        ("winmail.dat", "application/ms-tnef", b"tnef", "", False),
        (
            "inner mail.eml",
            "message/rfc822",
            b"Subject: =?utf-8?Q?inner=20mail?=\nFrom: bo@example.com\n\ninner text",
            "",
            False,
        ),
        ("etc_pass wd", "text/calendar", b"BEGIN:VCALENDAR", "", False),
        ("my logo.png", "image/png", b"\x89PN"[:3], "logo@x", True),
        ("attachment-7.gif", "image/gif", b"GIF", "", True),
    ]


def test_it_takes_uuencoded_files_out_of_the_text() -> None:
    encoded = "begin 644 data.bin\n#0V%T\n`\nend\n"
    read = parse_mail(mail("", f"before\n{encoded}after\nbegin 644 not a file\n"))
    assert read.body_text == "before\nafter\nbegin 644 not a file\n"
    assert [(file.file_name, file.content) for file in read.files] == [("data.bin", b"Cat")]


def test_it_joins_the_soft_breaks_of_flowed_text() -> None:
    body = "A long \nline.\n> quoted \n> too\n>> deeper\n>> still\n-- \nAda\n"
    read = parse_mail(mail("Content-Type: text/plain; format=flowed\n", body))
    assert read.body_text == "A long line.\n> quoted too\n> > deeper\n> > still\n-- \nAda\n"
    joined = parse_mail(mail("Content-Type: text/plain; format=flowed; delsp=yes\n", "連 \n続\n"))
    assert joined.body_text == "連続\n"


def test_damaged_encodings_keep_what_can_be_read_and_say_so() -> None:
    head = "Content-Type: application/x\nContent-Transfer-Encoding: base64\n"
    damaged = parse_mail(mail(head, "aGVs*bG8=\n"))
    assert [file.content for file in damaged.files] == [b"hello"]
    assert damaged.problems == ("A part is damaged base64; what could be decoded is kept.",)
    unknown = parse_mail(mail("Content-Transfer-Encoding: x-magic\n", "as it is"))
    assert unknown.body_text == "as it is"
    assert "x-magic" in unknown.problems[0]


def test_a_wrong_boundary_is_guessed() -> None:
    body = "--real\nContent-Type: text/plain\n\ntext\n--real\nContent-Type: application/x\n\nfile\n--real--\n"
    read = parse_mail(mail("Content-Type: multipart/mixed; boundary=wrong\n", body))
    assert (read.body_text, [file.content for file in read.files]) == ("text", [b"file"])
    assert "boundary" in read.problems[0]


def test_a_multipart_cut_off_in_transit_keeps_its_last_part() -> None:
    body = "--b\nContent-Type: text/plain\n\ntext\n--b\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\naGVsbG"
    read = parse_mail(mail("Content-Type: multipart/mixed; boundary=b\n", body))
    assert (read.body_text, [file.content for file in read.files]) == ("text", [b"hell"])


def test_a_longer_boundary_does_not_end_the_shorter_one() -> None:
    inner = "--bb\nContent-Type: text/plain\n\ninner\n--bb--\n"
    body = f"--b\nContent-Type: multipart/alternative; boundary=bb\n\n{inner}--b\nContent-Type: application/x\n\nfile\n--b--\n"
    read = parse_mail(mail("Content-Type: multipart/mixed; boundary=b\n", body))
    assert (read.body_text, [file.content for file in read.files]) == ("inner", [b"file"])


def test_an_encrypted_mail_says_that_it_is() -> None:
    body = "--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n-----BEGIN\n--b--\n"
    read = parse_mail(mail("Content-Type: multipart/encrypted; boundary=b\n", body))
    assert (read.body_text, read.body_new) == ("", "(This message is encrypted and cannot be read here.)")
    assert len(read.files) == 2
    assert read.problems == ("The message is encrypted with PGP and cannot be read here; it is kept as a file.",)


def test_headers_that_lost_their_indent_are_read_on() -> None:
    raw = b"Received: from a\nby b with SMTP\nid 1; Fri, 20 Nov 2026\nSubject: found\nFrom: a@b.example\n\nbody"
    read = parse_mail(raw)
    assert (read.subject, read.body_text) == ("found", "body")


def test_a_body_without_empty_line_is_not_swallowed_by_the_headers() -> None:
    read = parse_mail(b"From: a@b.example\nSubject: x\nHello there\n\nsecond paragraph: text")
    assert read.body_text == "Hello there\n\nsecond paragraph: text"


def test_the_first_of_two_equal_fields_counts_and_both_are_kept() -> None:
    read = parse_mail(mail("Subject: one\nSubject: two\n"))
    assert (read.subject, read.headers["subject"]) == ("one", "one\ntwo")


def test_a_mail_of_old_macs_is_read() -> None:
    assert parse_mail(mail("Subject: mac\n", "line\nline").replace(b"\n", b"\r")).body_text == "line\nline"


def test_ten_thousand_levels_are_cut_and_kept() -> None:
    level = "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n"
    raw = (
        b"From: a@b.example\n" + "".join(level.format(number) for number in range(NESTED_LEVELS)).encode() + b"\n\ndeep"
    )
    read = parse_mail(raw)
    assert "nested too deeply" in read.problems[0]
    assert read.files[0].content.endswith(b"deep")


def test_a_hundred_thousand_parts_are_cut_and_kept() -> None:
    raw = mail("Content-Type: multipart/mixed; boundary=b\n", "--b\n\nx\n" * 100_000 + "--b--")
    read = parse_mail(raw)
    assert len(read.files) == 1
    assert read.files[0].content.count(b"--b\n") == 100_000


def test_a_very_long_text_is_cut_for_the_page_and_kept_whole() -> None:
    read = parse_mail(mail("", "0123456789" * 600_000))
    assert len(read.body_text) == 1_000_000
    assert [(file.file_name, len(file.content)) for file in read.files] == [("message.txt", 6_000_000)]
    assert "kept whole as message.txt" in read.problems[0]


def test_of_a_huge_body_only_the_beginning_is_decoded_and_all_of_it_kept_as_it_came() -> None:
    body = "Größe\n" * 1_000_000
    read = parse_mail(mail("Content-Type: text/plain; charset=iso-8859-1\n", body, "iso-8859-1"))
    assert read.body_text.startswith("Größe\nGröße\n")
    assert [file.content for file in read.files] == [body.encode("iso-8859-1")]


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_deep_html_still_has_its_text(depth: int) -> None:
    assert parse_mail(mail("Content-Type: text/html\n", "<div>" * depth + "the text")).body_text == "the text"


def test_large_html_keeps_all_its_lines() -> None:
    links = "".join(f'<a href="https://example.com/{number}">link{number}</a> ' for number in range(20_000))
    assert parse_mail(mail("Content-Type: text/html\n", links)).body_text.split()[-1] == "link19999"
    blocks = "<div>x</div>" * 100_000
    assert parse_mail(mail("Content-Type: text/html\n", blocks)).body_text.count("x") == 100_000


def test_a_fifty_megabyte_mail_needs_no_more_than_a_few_copies() -> None:
    # In a process of its own: the peak of this one is the test run's. 512 MB is the worker's limit.
    code = (
        "import base64, pathlib, re\nfrom conversations.channels.email.reading.parse import parse_mail\n"
        "body = base64.encodebytes(bytes(37_000_000))\n"
        "raw = b'From: a@b.example\\nContent-Type: application/x\\nContent-Transfer-Encoding: base64\\n\\n' + body\n"
        "del body\nassert len(raw) > 49_000_000\nread = parse_mail(raw)\nassert len(read.files[0].content) == 37_000_000\n"
        # Not ru_maxrss: a child starts with its parent's, and the parent is a whole test run.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert int(done.stdout) < 512


@given(st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise_or_leave_what_the_database_refuses(raw: bytes) -> None:
    check(raw)


PIECES = st.sampled_from(
    [
        b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Content-Type: ", b"Content-Transfer-Encoding: ", b"MIME-Version: 1.0",
        b"Content-Disposition: ", b"Message-ID: ", b"References: ", b"Return-Path: <>", b"Auto-Submitted: ", b"\n", b"\r\n",
        b"\n\n", b"\n ", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=\"b\"", b"multipart/report; boundary=b",
        b"message/rfc822", b"message/delivery-status", b"text/html; charset=", b"text/plain; charset=", b"; format=flowed",
        b"utf-16", b"utf-7", b"iso-2022-jp", b"hz", b"gb2312", b"big5", b"x", b"\n--b\n", b"\n--b--\n", b"base64", b"quoted-printable",
        b"x-uuencode", b"=?utf-8?q?=00=ED=A0=80?=", b"=?utf-7?b?KzJBQS0=?=", b"=?", b"?=", b"<a@b.example>", b"<", b">", b"\"", b"(", b",",
        b"filename*=utf-8''%00%ed%a0%80", b"filename*0=", b"\x00", b"\xff", b"\xed\xa0\x80", b"\x1b$B", b"begin 644 f\n", b"\nend\n", b"+2AA-",
        b"> ", b"On 1 Jan 2026 a@b.example wrote:\n", b"-- \n", b"<div>", b"<blockquote type=cite>", b"&#0;&#xD800;", b"Action: failed\n",
        b"Fri, 20 Nov 2026 10:30:00 +9999",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_no_heap_of_mail_pieces_makes_it_raise(raw: bytes) -> None:
    check(raw)


def check(raw: bytes) -> None:
    read = parse_mail(raw)
    assert storable(read)
    # The last net must not be what saves it.
    assert not any(problem.startswith("This message could not be read") for problem in read.problems)


def test_even_a_defect_of_its_own_leaves_the_mail_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: bytes) -> None:
        raise RecursionError("a defect")

    monkeypatch.setattr("conversations.channels.email.reading.parse.parse_tree", broken)
    read = parse_mail(b"From: a@b.example\n\nthe \x00text")
    assert read.body_text == read.body_new == "From: a@b.example\n\nthe text"
    assert read.external_id.startswith("sha256:")
    assert read.problems == ("This message could not be read. It is shown as it arrived; the original is kept.",)


def test_compressed_bytes_are_kept_and_storable() -> None:
    check(gzip.compress(base64.b64encode(bytes(range(256)))))


def test_a_mail_that_is_attached_is_read_below_the_text() -> None:
    raw = (
        b"From: Ravi <ravi@example.com>\nSubject: Can you answer this?\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nPlease see below.\n--b\nContent-Type: message/rfc822\n\n"
        b"From: Kim <kim@example.org>\nSubject: =?utf-8?q?Hose_=C3=BC?=\n\nWhich hose do I need for E85?\n--b--\n"
    )
    mail = parse_mail(raw)
    assert mail.body_new == (
        "Please see below.\n\n---------- Forwarded message ---------\nFrom: Kim <kim@example.org>\nSubject: Hose \u00fc\n\n"
        "Which hose do I need for E85?"
    )
    assert [file.file_name for file in mail.files] == ["Hose \u00fc.eml"]


@pytest.mark.parametrize(
    ("described", "name"), [("Offer 12.pdf", "Offer 12.pdf"), ("A drawing", "attachment-1.pdf"), ("../x.pdf", "x.pdf")]
)
def test_a_file_without_a_name_may_be_named_by_its_description(described: str, name: str) -> None:
    raw = f"From: a@b.test\nContent-Type: application/pdf\nContent-Description: {described}\n\n%PDF"
    assert [file.file_name for file in parse_mail(raw.encode()).files] == [name]


def test_mails_in_mails_without_end_are_read_to_the_first() -> None:
    level = (
        "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n\nLevel {0}\n--b{0}\nContent-Type: message/rfc822\n\n"
    )
    read = parse_mail(mail("".join(level.format(number) for number in range(NESTED_LEVELS)).removesuffix("\n"), ""))
    assert read.problems == ()
    assert read.body_text.strip() == "Level 0"
    assert read.body_new.strip().endswith("Level 1")
    assert [file.mime_type for file in read.files] == ["message/rfc822"]
