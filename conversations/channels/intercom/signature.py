"""Whose post it is: HMAC-SHA1 of the body with the app's client secret (developers.intercom.com, "Webhooks", signed
notifications).

Nothing in it says when it was signed. What comes again is known by the key of its event (docs/decisions/0068).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from conversations.channels.base import HookRequest, Refused, Verified


def sign(secret: str, body: bytes) -> str:
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def verify(request: HookRequest, secrets: Sequence[str]) -> Verified:
    """The key is the notification's id; what has none goes by its bytes. A ping wants an answer only. Raises Refused."""
    given = request.headers.get("x-hub-signature", "").encode("utf-8", "replace")
    right = [hmac.compare_digest(sign(secret, request.body).encode(), given) for secret in secrets]
    if not any(right):
        raise Refused
    try:
        data = json.loads(request.body)
    except ValueError:
        data = None
    data = data if isinstance(data, dict) else {}
    if data.get("topic") == "ping":
        return Verified("")
    return Verified(str(data.get("id") or "") or hashlib.sha256(request.body).hexdigest())
