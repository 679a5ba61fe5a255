"""Message-IDs that only we can make: a reply joins a conversation by one of these, never by a subject or a guess.

The left part is `cs.<delivery id>.<tag>`, the tag 80 bits of HMAC-SHA256 over the id, in base32 because local parts
may be lower-cased on the way (RFC 5322 section 3.6.4 asks only for global uniqueness).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from uuid import UUID

_PATTERN = re.compile(r"<?\s*cs\.([0-9a-f]{32})\.([a-z2-7]{16})@[^<>\s]{1,255}\s*>?", re.IGNORECASE)


def _tag(key: bytes, delivery_id: UUID) -> str:
    mac = hmac.new(key, b"countersign.message-id:" + delivery_id.bytes, hashlib.sha256).digest()
    return base64.b32encode(mac[:10]).decode().lower()


def make_message_id(*, key: bytes, delivery_id: UUID, domain: str) -> str:
    """The id of a delivery's mail, with angle brackets; the same delivery has the same id on every attempt."""
    return f"<cs.{delivery_id.hex}.{_tag(key, delivery_id)}@{domain}>"


def read_message_id(value: str, *, key: bytes) -> UUID | None:
    """The delivery that `value` names, if the tag is ours; None for any other id, however it looks."""
    found = _PATTERN.fullmatch(value.strip()[:998])
    if not found:
        return None
    delivery_id = UUID(found[1].lower())
    return delivery_id if hmac.compare_digest(_tag(key, delivery_id), found[2].lower()) else None
