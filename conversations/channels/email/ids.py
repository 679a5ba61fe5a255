"""Message ids that only we can make: a reply joins a conversation when it names one of them (never by subject).

The id holds the delivery it belongs to and a MAC over it, so nobody who guesses an id can write into a thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from uuid import UUID

from django.conf import settings as conf

from conversations.channels.email.settings import MailSettings

_PURPOSE = b"countersign message id 1\x00"
_MAC_BYTES = 16
_RETURN_PURPOSE = b"countersign return path 1\x00"
_REPLY_PURPOSE = b"countersign reply to 1\x00"
_TAG_MAC_BYTES = 10
# Base 32 of 26 bytes, in lower case: servers may fold the case of a local part.
_TAGGED = re.compile(r"[^@\s]+\+(b|cs)\.([a-z2-7]{42})@[^@\s]+", re.IGNORECASE)
# Some gateways fold ids to lower case and some clients drop the angle brackets: both still read.
_TOKEN = re.compile(r"<?cs\.([0-9a-f]{32})\.([0-9a-f]{32})@[^<>@\s]{1,255}>?", re.IGNORECASE)
# What a mail can carry without folding or encoding it (RFC 5322 section 3.6.4, and a line's 998 characters).
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
# How the inbox tells apart what a sender gave one id: `<left@right>#digest`.
_REUSED = re.compile(r">#[0-9a-f]{32}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def make_message_id(*, key: bytes, delivery_id: UUID, domain: str) -> str:
    """Return the Message-ID (with angle brackets) of a delivery: always the same for the same delivery and key.

    Raises ValueError when `key` is empty or `domain` is not an ASCII host name.
    """
    if not key:
        raise ValueError("A message id needs a key.")
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{domain!r} is not a domain that can stand in a message id.")
    return f"<cs.{delivery_id.hex}.{_mac(key, delivery_id)}@{domain.lower()}>"


def is_message_id(written: str) -> bool:
    """Whether a mail can name it: ASCII, in angle brackets, in one piece. Ids of the world are often none of this."""
    return "@" in written and _MESSAGE_ID.fullmatch(written) is not None


def read_message_id(value: str, *, key: bytes) -> UUID | None:
    """Return the delivery that `value`, one message id, was made for; None when it is not ours. Constant time."""
    match = _TOKEN.fullmatch(value.strip())
    if match is None or not key:
        return None
    delivery_id = UUID(hex=match[1])
    if not hmac.compare_digest(_mac(key, delivery_id), match[2].lower()):
        return None
    return delivery_id


def _mac(key: bytes, delivery_id: UUID) -> str:
    return hmac.new(key, _PURPOSE + delivery_id.bytes, hashlib.sha256).digest()[:_MAC_BYTES].hex()


def make_return_path(*, key: bytes, delivery_id: UUID, address: str) -> str:
    """Return the envelope sender of a delivery, `local+b.TOKEN@domain`: only its recipient's servers learn it, so what comes
    back to it is about this delivery. The plain address when the two do not fit into a local part (RFC 5321, 64 octets)."""
    return _tagged("b", _RETURN_PURPOSE, key, delivery_id, address)


def read_return_path(value: str, *, key: bytes) -> UUID | None:
    """Return the delivery that an address is the return path of; None when it is none of ours. Constant time."""
    return _read_tagged("b", _RETURN_PURPOSE, key, value)


def make_reply_to(*, key: bytes, delivery_id: UUID, address: str) -> str:
    """Return where a delivery is answered, `local+cs.TOKEN@domain`: a mail that comes there names the delivery, whatever became
    of its Message-ID on the way. The plain address when the two do not fit into a local part."""
    return _tagged("cs", _REPLY_PURPOSE, key, delivery_id, address)


def read_reply_to(value: str, *, key: bytes) -> UUID | None:
    """Return the delivery that is answered at an address; None when it is none of ours. Constant time."""
    return _read_tagged("cs", _REPLY_PURPOSE, key, value)


def _tagged(tag: str, purpose: bytes, key: bytes, delivery_id: UUID, address: str) -> str:
    local, _, domain = address.rpartition("@")
    code = delivery_id.bytes + _tag_mac(purpose, key, delivery_id)
    token = base64.b32encode(code).decode().rstrip("=").lower()
    tagged = f"{local.partition('+')[0]}+{tag}.{token}"
    return f"{tagged}@{domain}" if len(tagged) <= 64 else address


def _read_tagged(tag: str, purpose: bytes, key: bytes, value: str) -> UUID | None:
    match = _TAGGED.fullmatch(value.strip().strip("<>"))
    if match is None or match[1].lower() != tag or not key:
        return None
    try:
        code = base64.b32decode(match[2].upper() + "======")
    except binascii.Error:
        return None
    delivery_id = UUID(bytes=code[:16])
    return delivery_id if hmac.compare_digest(_tag_mac(purpose, key, delivery_id), code[16:]) else None


def _tag_mac(purpose: bytes, key: bytes, delivery_id: UUID) -> bytes:
    return hmac.new(key, purpose + delivery_id.bytes, hashlib.sha256).digest()[:_TAG_MAC_BYTES]


class MailIds:
    """The names of deliveries on mail channels (`provider.Ids`), made with the installation's own key."""

    def make(self, delivery_id: UUID) -> str:
        return make_message_id(key=conf.MESSAGE_ID_KEY, delivery_id=delivery_id, domain=conf.MAIL_DOMAIN)

    def read(self, written: str) -> UUID | None:
        return read_message_id(written, key=conf.MESSAGE_ID_KEY)

    def return_path(self, delivery_id: UUID, *, sender: str, settings: MailSettings) -> str:
        """An address of its own where the channel's server can take it, else the sender's."""
        if not settings.signed_return_path:
            return sender
        return make_return_path(key=conf.MESSAGE_ID_KEY, delivery_id=delivery_id, address=sender)

    def as_named(self, external_id: str) -> str:
        found = _REUSED.sub(">", external_id)
        return found if is_message_id(found) else ""

    def read_return_path(self, address: str) -> UUID | None:
        return read_return_path(address, key=conf.MESSAGE_ID_KEY)

    def reply_to(self, delivery_id: UUID, *, sender: str, settings: MailSettings) -> str:
        """An address of its own where the channel's server can take it; "" where answers go to the sender."""
        if not settings.signed_reply_to:
            return ""
        found = make_reply_to(key=conf.MESSAGE_ID_KEY, delivery_id=delivery_id, address=sender)
        return found if found != sender else ""

    def read_reply_to(self, address: str) -> UUID | None:
        return read_reply_to(address, key=conf.MESSAGE_ID_KEY)

    def plain(self, address: str) -> str:
        if self.read_reply_to(address) is None:
            return address
        local, _, domain = address.rpartition("@")
        return f"{local.rpartition('+')[0]}@{domain}"

    def is_worldwide(self, external_id: str) -> bool:
        return external_id.startswith("<")
