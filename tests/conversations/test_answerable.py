"""Whatever mail comes in can be answered: a reply is built and handed over as approved, or the page says why not before.

`ANSWERABLE_MAILS=20000` tries that many generated mails instead of a few hundred.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from email.parser import Parser
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import idna
import pytest

from conversations.channels.base import Outbound, Party
from conversations.channels.email.building import build_mail
from conversations.channels.email.reading.parse import parse_mail
from conversations.channels.email.smtp import SmtpAdapter
from conversations.messages import inbox, outgoing
from conversations.messages.envelope import reply_envelope
from conversations.models import Account, Channel, Conversation, Message
from tests.conversations.conftest import Keeper

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
pytestmark = pytest.mark.django_db  # ids are made by the database's clock
MAILS = int(os.environ.get("ANSWERABLE_MAILS", "400"))
TEXT = "Yes, PTFE hose is fine for E85.\n\nBest regards\nHot rod"


def answered(raw: bytes) -> tuple[dict[str, Any], list[str]]:
    """The envelope of the reply to a mail, and what the page would say against sending it."""
    account = Account(name="Acme", slug="acme")
    channel = Channel(
        account=account,
        type="email",
        provider="smtp",
        external_id="support@acme.test",
        name="Acme mail",
        metadata={"sender_name": "Acme support", "smtp_host": "127.0.0.1", "smtp_security": "none"},
    )
    inbound = inbox.storable(parse_mail(raw, recipient="support@acme.test"))
    conversation = Conversation(
        account=account,
        channel=channel,
        subject=inbound.subject[:200],
        customer_email=inbound.sender.address,
        customer_name=inbound.sender.name,
    )
    base = Message(
        account=account,
        conversation=conversation,
        channel=channel,
        external_id=inbound.external_id,
        subject=inbound.subject,
        body_text=inbound.body_text,
        metadata=inbox.details_of(inbound),
    )
    envelope = reply_envelope(conversation, channel, base)
    return envelope, outgoing.problems(channel, envelope, body_text=TEXT)


def outbound(envelope: dict[str, Any]) -> Outbound:
    return Outbound(
        message_id="<cs.1@acme.test>",
        sender=Party(**envelope["sender"]),
        to=tuple(Party(**party) for party in envelope["to"]),
        subject=envelope["subject"],
        body_text=TEXT,
        in_reply_to=envelope["in_reply_to"],
        references=tuple(envelope["references"]),
    )


def assert_the_mail_says_what_was_approved(envelope: dict[str, Any], content: bytes) -> None:
    head = content.split(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))  # RFC 5322 section 2.1.1
    mail = Parser(EmailMessage, policy=policy.default).parsestr(content.decode())
    # The library's newer parser fails at dots in a row, which real addresses have.
    to = re.search(r"^To: (.*(?:\n .*)*)", head, re.MULTILINE)
    assert to is not None
    assert to[1].count(",\n ") == len(envelope["to"]) - 1  # the reader below does without
    written = [address for _, address in getaddresses([to[1]])]
    assert written == [on_the_wire(one["address"]) for one in envelope["to"]]
    ids = re.search(r"^References: (.*(?:\n .*)*)", head, re.MULTILINE)
    assert (ids[1].split() if ids else []) == envelope["references"]
    assert (mail["In-Reply-To"] or "") == envelope["in_reply_to"]
    assert squeezed(mail["Subject"]) == squeezed(envelope["subject"])
    assert mail.get_content().replace("\r\n", "\n").strip() == TEXT


def on_the_wire(address: str) -> str:
    local, _, domain = address.rpartition("@")
    if local.startswith('"') and re.fullmatch(r'"[\w!#$%&\'*+/=?^`{|}~.-]+"', local, re.ASCII) and ".." not in local:
        local = local.strip('"') if not re.search(r'"\.|\."', local) else local
    return f"{local}@{domain.rstrip('.').lower() if domain.isascii() else idna.encode(domain.rstrip('.'), uts46=True).decode()}"


def squeezed(text: str) -> str:
    """Folding may change white space, and nothing else."""
    return "".join(text.split())


def looks_sendable(address: str) -> bool:
    """By other means than the product's: an ordinary address at a host name."""
    return re.fullmatch(r"[A-Za-z0-9._+-]{1,200}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", address) is not None


def check(raw: bytes) -> bool:
    """Whether the mail can be answered. Where it cannot, somebody is told, and for a reason."""
    envelope, problems = answered(raw)
    if problems:
        assert all(problem.endswith((".", "to.")) and len(problem) > 20 for problem in problems)
        assert not all(looks_sendable(party["address"]) for party in envelope["to"]), (problems, envelope)
        return False
    assert_the_mail_says_what_was_approved(envelope, build_mail(outbound(envelope)))
    return True


LOCALS = (
    "marcus", "marcus.delgado+shop", "reply-" + "a1b2c3d4e5" * 8, '"john doe"', '"quo\\"te"', '"a@b"', "jürgen", "..dots..",
    "o'neil", "bang!path", "x" * 64, "x" * 200, "用户", "a\u0085b", "a\u200bb", '"plain"', "=?utf-8?q?ma=C3=A4r?=", "%percent",
)  # fmt: skip
DOMAINS = (
    "example.com", "Example.COM.", "straße.example", "bücher.example", "xn--bcher-kva.example", "例え.example", "[192.0.2.1]",
    "sub." * 20 + "example", "under_score.example", "-dash.example", "example..com", "ß.example", "fußball-ﬁ.example", "localhost", "",
)  # fmt: skip
NAMES = (
    "", "Marcus Delgado", '"Delgado, Marcus"', "=?utf-8?B?SsO2cmcgTcO8bGxlcg==?=", "Ünïcödé", "=?utf-8?Q?Li=C2=85ne?=", "'Lena' via Help",
    "=?utf-8?Q?=E2=80=AEgro.live?=", "=?gb2312?B?1cXI/Q==?=", '"a\\"b"', "N" * 300, "=?utf-8?Q?=0D=0ABcc:_x=40y.example?=", "(comment)",
)  # fmt: skip
IDS = (
    "<1@example.com>", "<angebot-größe@mail.example>", "<no-at-sign>", "<a b@example.com>", "bare@example.com", "<" + "x" * 950 + "@e.example>",
    "<cs.00@acme.test>", "<<double@example.com>>", "<a@b@c>", "<\u0085@example.com>", "", "<unclosed@example.com", "<x@例え.example>", "<;@a,b>",
)  # fmt: skip
SUBJECTS = (
    "Hose for E85", "=?utf-8?Q?Order_77=C2=85_which=3F?=", "AW: Re: Angebot", "=?utf-8?Q?a=E2=80=A8b?=", "", "Re[2]: =?utf-8?Q?=F0=9F=9A=97?=",
    "x" * 900, "=?utf-8?Q?=0D=0ATo:_victim=40example.com?=", "=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "ünencoded 漢字", "tab\there", "SV: Hej",
)  # fmt: skip


def generated(seed: int) -> bytes:
    dice = random.Random(seed)

    def mailbox() -> str:
        name, address = dice.choice(NAMES), f"{dice.choice(LOCALS)}@{dice.choice(DOMAINS)}"
        return dice.choice((f"{name} <{address}>", f"{name} <{address}>", address, f"{address} ({name})"))

    lines = [f"From: {mailbox()}", f"Subject: {dice.choice(SUBJECTS)}", "To: support@acme.test"]
    if dice.random() < 0.3:
        lines.append("Reply-To: " + ", ".join(mailbox() for _ in range(dice.randrange(1, 4))))
    for name in ("Message-ID", "In-Reply-To", "References"):
        if dice.random() < 0.7:
            lines.append(f"{name}: " + " ".join(dice.choice(IDS) for _ in range(dice.choice((1, 1, 1, 3, 30)))))
    dice.shuffle(lines)
    return ("\r\n".join(lines) + "\r\n\r\nDoes PTFE hose work with E85?\r\n").encode(
        dice.choice(("utf-8", "utf-8", "latin-1")), "replace"
    )


def test_every_generated_mail_can_be_answered_or_the_page_says_why_not() -> None:
    able = sum(check(generated(seed)) for seed in range(MAILS))
    # An address literal, a dash at the edge of a name, two dots, no domain: a third of what is generated.
    assert able > MAILS * 0.5


def corpus() -> list[Path]:
    mails = (file for folder in CORPORA.glob("*-mail/dev") for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in mails if file.suffix not in {".json", ".md"})


@pytest.mark.skipif(not CORPORA.exists(), reason="the shared mail corpora are not beside this checkout")
def test_every_mail_of_the_world_can_be_answered_or_the_page_says_why_not() -> None:
    files = corpus()
    able = sum(check(file.read_bytes()) for file in files)
    assert able > len(files) * 0.9 > 250  # the others name nobody who could be answered


def test_a_server_gets_each_reply_for_exactly_whom_it_was_approved(
    serve: Callable[..., tuple[int, Keeper]],
) -> None:
    port, keeper = serve(enable_SMTPUTF8=True)
    sent = 0
    for seed in range(60):
        envelope, problems = answered(generated(seed))
        if problems or any('"' in party["address"] for party in envelope["to"]):  # the server reads no quotes
            continue
        SmtpAdapter("127.0.0.1", port).send(outbound(envelope), before_handover=lambda: None)
        taken = keeper.envelopes[-1]
        assert taken.rcpt_tos == list(dict.fromkeys(on_the_wire(party["address"]) for party in envelope["to"]))
        assert isinstance(taken.content, bytes)
        assert_the_mail_says_what_was_approved(envelope, taken.content)
        sent += 1
    assert sent == len(keeper.envelopes) > 20
