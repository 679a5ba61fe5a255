"""A mail as bytes becomes an `Inbound`: the one way in for IMAP, files, standard input and the mail webhook."""

from __future__ import annotations

import hashlib
import logging
import re

from conversations.channels.base import Inbound, Party
from conversations.channels.email.reading.addresses import parse_addresses
from conversations.channels.email.reading.authentication import read_authentication, trusted_field
from conversations.channels.email.reading.automatic import classify
from conversations.channels.email.reading.bodies import MAX_TEXT_CHARS, read_bodies
from conversations.channels.email.reading.charsets import clean_text, decode_bytes
from conversations.channels.email.reading.forwards import forwarded_sender, is_forward
from conversations.channels.email.reading.headers import Headers, decode_words, message_ids, parse_date
from conversations.channels.email.reading.mime import Part, parse_tree, walk
from conversations.channels.email.reading.quoting import split_reply
from conversations.channels.email.reading.wrapped import UNREADABLE, is_encrypted, open_wrapped
from conversations.channels.lines import one_line

logger = logging.getLogger(__name__)

# Local parts that programs of websites write under.
_PROGRAM = re.compile(
    r"(?:.*[-_.+])?(?:no-?reply|do-?not-?reply|forms?|(?:web|contact|kontakt)-?form(?:s|ular)?|formulaire|formulario|wordpress|www-data|"
    r"web(?:site|server|master)?|mailer|notifications?|apache|nobody)(?:[-_.+].*)?",
    re.IGNORECASE,
)
MAX_REFERENCES = 100
MAX_HEADER_CHARS = 5000
MAX_HEADERS_KEPT = 200


def parse_mail(
    raw: bytes, *, own_addresses: frozenset[str] = frozenset(), authserv_id: str = "", recipient: str = ""
) -> Inbound:
    """Return the mail `raw` (RFC 5322, MIME), decoded and bounded. Never raises, whatever the bytes.

    `own_addresses` are the mailboxes of the desk: a mail from one of them is marked `Automatic.OWN`. `authserv_id` names
    the server whose Authentication-Results are believed, `recipient` is where the mail was delivered to. Message ids come
    with their angle brackets. `external_id` is the Message-ID, or `sha256:<hex of raw>` when there is none. `headers`
    has names in lower case, repeated fields joined by a line break. What could not be decoded is told in `problems`
    and kept as replacement characters or as a file; the caller keeps `raw`.
    """
    try:
        return _parse(_with_line_feeds(raw), raw, own_addresses, authserv_id, recipient)
    except Exception:
        # The last net, so that one mail never stops a mailbox. A mail that lands here is a defect of this package.
        logger.exception("A mail of %d bytes could not be read and is kept as plain text", len(raw))
        text = decode_bytes(raw[: MAX_TEXT_CHARS // 2])[0]
        problem = "This message could not be read. It is shown as it arrived; the original is kept."
        return Inbound(_digest(raw), Party(""), body_text=text, body_new=text, recipient=recipient, problems=(problem,))


def _parse(mail: bytes, raw: bytes, own_addresses: frozenset[str], authserv_id: str, recipient: str) -> Inbound:
    root = parse_tree(mail)
    open_wrapped(root)
    headers = root.headers
    charset = _charset_hint(root)
    bodies = read_bodies(root)
    problems = [*bodies.problems]
    sender = _sender(headers, charset, problems)
    answer_to = tuple(party for party in _parties(headers, "reply-to", charset) if "@" in party.address)
    reply_to = next(iter(answer_to), None)
    writer = _through_own_list(headers, answer_to, own_addresses)
    sender = writer or sender
    date = headers.text("date")
    sent_at = parse_date(date)
    if date and sent_at is None:
        problems.append(f"The date “{one_line(date, 80)}” could not be read.")
    # Of a mail that was passed on with a note, what it passes on is what is to be answered.
    subject = one_line(headers.text("subject", charset=charset))
    passed_on = is_forward(bodies.text, subject)
    new = bodies.text.strip("\n") if passed_on else split_reply(bodies.text)[0]
    new = f"{new}{bodies.attached}\n\n{bodies.events}".strip("\n")[:MAX_TEXT_CHARS]
    if not new and is_encrypted(root):
        new = UNREADABLE
    verdict = classify(
        root,
        sender=sender,
        reply_to=reply_to,
        body_text=bodies.text,
        new_text=new,
        own_addresses=own_addresses,
        through_own_list=writer is not None,
    )
    for part in walk(root):
        problems.extend(part.problems)
    return Inbound(
        external_id=next(iter(message_ids(headers.text("message-id"))), _digest(raw)),
        sender=sender,
        body_text=f"{bodies.text}\n\n{bodies.events}".strip("\n") if bodies.events else bodies.text,
        body_new=new,
        subject=subject,
        body_html=bodies.html,
        reply_to=reply_to,
        answer_to=answer_to,
        customer=_sent_for(sender, answer_to),
        forwarded=_forwarded(bodies.text if passed_on else bodies.attached, subject, sender, own_addresses),
        recipient=recipient,
        authentication=read_authentication(headers, authserv_id=authserv_id, sender=sender.address),
        to=_parties(headers, "to", charset),
        cc=_parties(headers, "cc", charset),
        sent_at=sent_at,
        references=_references(headers),
        files=tuple(bodies.files),
        automatic=verdict.kind,
        automatic_reason=verdict.reason,
        bounced_message_id=verdict.message_id,
        bounced_addresses=verdict.addresses,
        headers=_kept_headers(headers, charset, authserv_id),
        problems=tuple(dict.fromkeys(clean_text(problem) for problem in problems)),
    )


def _with_line_feeds(raw: bytes) -> bytes:
    """Mail of old Macs, or mangled by a gateway, ends its lines in CR alone."""
    return raw.replace(b"\r", b"\n") if b"\n" not in raw and b"\r" in raw else raw


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _charset_hint(root: Part) -> str:
    """The charset that raw 8-bit header bytes are most likely in: the one of the first text part."""
    return next((label for part in walk(root) if (label := part.content_type.get("charset"))), "")


def _parties(headers: Headers, name: str, charset: str) -> tuple[Party, ...]:
    return parse_addresses(headers.plain(name, charset=charset))


def _sender(headers: Headers, charset: str, problems: list[str]) -> Party:
    written = _parties(headers, "from", charset)
    for name in ("from", "reply-to", "sender", "return-path"):
        found = next((party for party in _parties(headers, name, charset) if "@" in party.address), None)
        if found is not None:
            if name != "from":
                problems.append(f"The From field names no address; the sender is taken from {name.title()}.")
            return found
    problems.append("The message names no sender address.")
    return next(iter(written), Party(""))


def _through_own_list(headers: Headers, answer_to: tuple[Party, ...], own: frozenset[str]) -> Party | None:
    """Who wrote a mail that came through a list of our own domain (a shared address of Google Groups and its like): the list
    puts itself into From and its writer into Reply-To. None for every other mail."""
    if len(answer_to) != 1 or not any(name in headers for name in ("list-id", "mailing-list")):
        return None
    domains = {address.rpartition("@")[2].casefold() for address in own}
    lists = next((party.address for party in parse_addresses(headers.plain("from"))), "")
    written = {
        party.address.casefold()
        for name in ("x-original-from", "x-original-sender")
        for party in parse_addresses(headers.plain(name))
    }
    is_ours = lists.rpartition("@")[2].casefold() in domains
    return answer_to[0] if is_ours and answer_to[0].address.casefold() in written else None


def _sent_for(sender: Party, answer_to: tuple[Party, ...]) -> Party | None:
    """Who filled in a form of a website: its program is in From, and they are in Reply-To. Everybody who writes by that form would
    be one customer otherwise, and be shown the others' history."""
    is_program = _PROGRAM.fullmatch(sender.address.partition("@")[0])
    return answer_to[0] if is_program and len(answer_to) == 1 and answer_to[0].address != sender.address else None


def _forwarded(text: str, subject: str, sender: Party, own: frozenset[str]) -> Party | None:
    """Who wrote the mail that this one passes on, as it says there; None for what the sender or we ourselves had written."""
    found = next((party for party in parse_addresses(forwarded_sender(text, subject)) if "@" in party.address), None)
    known = {sender.address.casefold(), *(address.casefold() for address in own)}
    return found if found and found.address.casefold() not in known else None


def _references(headers: Headers) -> tuple[str, ...]:
    """In-Reply-To first, then References from its end: the nearest message first (RFC 5322 section 3.6.4)."""
    nearest = message_ids(headers.text("in-reply-to"))
    thread = message_ids(headers.text("references"))
    return tuple(dict.fromkeys([*nearest, *reversed(thread)]))[:MAX_REFERENCES]


def _kept_headers(headers: Headers, charset: str, authserv_id: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    if found := trusted_field(headers, authserv_id):
        kept["authentication-results"] = found
    for name, raw in headers.fields:
        if name == "authentication-results":
            continue  # anybody can write one; the trusted server's is kept above
        if name not in kept and len(kept) >= MAX_HEADERS_KEPT:
            continue
        text = one_line(decode_words(decode_bytes(raw, charset if not raw.isascii() else "")[0]), MAX_HEADER_CHARS)
        joined = f"{kept[name]}\n{text}" if name in kept else text
        kept[name] = joined[: 4 * MAX_HEADER_CHARS]
    return kept
