"""The keys that a data centre signs its posts with (RFC 7517), fetched when they are needed and kept.

A post that names a key which is not known may come right after Zoho changed its keys, or from anybody: it has them
fetched again, but not more often than every `AT_MOST` seconds. No transaction is open meanwhile.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from conversations.channels.base import ChannelError
from conversations.channels.http import Vendor
from conversations.channels.zoho.facts import JWKS

logger = logging.getLogger(__name__)

#: Seconds: how long keys are believed, how long if newer ones cannot be had, and how often one may ask.
GOOD, GOOD_ENOUGH, AT_MOST = 6 * 3600.0, 24 * 3600.0, 300.0
#: Zoho waits five seconds for its answer.
SECONDS = 3.0
LEAST_BITS = 2048


@dataclass(slots=True)
class _Kept:
    """The keys of one host. The lock is held while they are fetched: who comes meanwhile waits, and asks for
    nothing."""

    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    asked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


_KEPT: dict[str, _Kept] = {}
_NEW = threading.Lock()


def key_of(host: str, key_id: str) -> RSAPublicKey | None:
    """None for a key that the data centre does not have. Raises ChannelError while its keys cannot be had."""
    with _NEW:
        kept = _KEPT.setdefault(host, _Kept())
    with kept.lock:
        now = time.monotonic()
        is_due = now - kept.fetched_at > GOOD or key_id not in kept.keys
        if is_due and now - kept.asked_at > AT_MOST:
            kept.asked_at = now
            try:
                kept.keys, kept.fetched_at = fetch(host), now
            except ChannelError:
                if now - kept.fetched_at > GOOD_ENOUGH:
                    kept.asked_at = float("-inf")  # the next post tries it at once: it is refused until then
                    raise
                logger.warning("the keys of %s cannot be fetched; those of before are used", host)
        return kept.keys.get(key_id)


def forget() -> None:
    """As if nothing had been fetched yet."""
    with _NEW:
        _KEPT.clear()


def fetch(host: str) -> dict[str, RSAPublicKey]:
    """The keys as they are published now, by their ids. Raises ChannelError."""
    found = Vendor("Zoho", host, seconds=SECONDS).read(JWKS).data().get("keys")
    keys = [(one, _key(one)) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {str(one["kid"]): key for one, key in keys if key is not None and one.get("kid")}


def _key(jwk: dict[str, Any]) -> RSAPublicKey | None:
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    except (KeyError, TypeError, ValueError):
        return None
    return key if key.key_size >= LEAST_BITS else None


def _number(written: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)), "big")
