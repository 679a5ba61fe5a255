"""Whose post it is: HMAC-SHA256 with the app's signing secret over version, time and body (docs.slack.dev, "Verifying requests").

Retries are not looked at (`X-Slack-Retry-Num`): an event whose first post was lost comes with a retry's number, and the key
of the event tells what is known (docs/decisions/0068).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from conversations.channels.base import HookRequest, Refused, Verified

#: Seconds: a post that was kept by somebody is of no use later.
WITHIN = 300


def sign(secret: str, moment: str, body: bytes) -> str:
    base = b"v0:" + moment.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def verify(request: HookRequest, secrets: Sequence[str]) -> Verified:
    """The key is the event's id; what has none (a notice that we are called too often) goes by its bytes. The challenge that
    Slack asks when an address is entered is signed like all else. Raises Refused."""
    moment = request.headers.get("x-slack-request-timestamp", "")
    given = request.headers.get("x-slack-signature", "").encode("utf-8", "replace")
    right = [hmac.compare_digest(sign(secret, moment, request.body).encode(), given) for secret in secrets]
    if not any(right) or not moment.isascii() or not moment.isdecimal():
        raise Refused
    if abs(request.received_at.timestamp() - int(moment)) > WITHIN:
        raise Refused
    try:
        data = json.loads(request.body)
    except ValueError:
        data = None
    data = data if isinstance(data, dict) else {}
    if data.get("type") == "url_verification":
        return Verified("", answer=str(data.get("challenge", ""))[:1000])
    return Verified(str(data.get("event_id") or "") or hashlib.sha256(request.body).hexdigest())
