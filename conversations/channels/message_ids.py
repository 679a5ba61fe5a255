"""Message ids that only we can make: a reply joins a conversation when it names one of them (never by subject).

The id holds the delivery it belongs to and a MAC over it, so nobody who guesses an id can write into a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from uuid import UUID

_PURPOSE = b"countersign message id 1\x00"
_MAC_BYTES = 16
# Some gateways fold ids to lower case and some clients drop the angle brackets: both still read.
_TOKEN = re.compile(r"<?cs\.([0-9a-f]{32})\.([0-9a-f]{32})@[^<>@\s]{1,255}>?", re.IGNORECASE)
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
