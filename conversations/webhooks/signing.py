"""Standard Webhooks: how a body is signed, and what the secret for it looks like."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"


def new_secret() -> str:
    """32 random bytes, written as the specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(*, event_id: str, at: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """What goes with a body that is sent now; `at` in seconds since 1970. Each secret signs: a receiver has one of them."""
    signed = f"{event_id}.{at}.".encode() + body
    made = [base64.b64encode(hmac.digest(_bytes(key), signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in made),
    }


def _bytes(key: str) -> bytes:
    return base64.b64decode(key.removeprefix(PREFIX))
