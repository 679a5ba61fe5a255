"""Whose post it is: a token (RFC 7519, RS256) in `X-ZDesk-JWT`, signed with a key of the organisation's data centre.

It names the organisation and the webhook and how long it is good. It says nothing of the body: whoever has a token may
put any words under it. So a post is believed in no more than that something happened, and what it was is asked of Zoho
itself (docs/decisions/0078).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from conversations.channels.base import HookRequest, Refused, Verified
from conversations.channels.zoho.events import names
from conversations.channels.zoho.keys import key_of
from conversations.channels.zoho.settings import ZohoSettings

HEADER = "x-zdesk-jwt"
#: Seconds that Zoho's clock may differ from ours, and that a token may be good at most.
LEEWAY, LONGEST = 60, 3600
MOST_CHARS = 8192


def signer(settings: ZohoSettings) -> list[str]:
    """Who has to have signed a post: nobody as long as the organisation is not known."""
    if not settings.organisation:
        return []
    return [json.dumps([settings.host, settings.organisation, settings.webhook])]


def verify(request: HookRequest, signers: Sequence[str]) -> Verified:
    """The key is made of what the post says happened. Raises Refused, ChannelError while Zoho's keys cannot be had."""
    token = request.headers.get(HEADER, "")
    if not any(_is_signed(token, *json.loads(one), now=request.received_at.timestamp()) for one in signers):
        raise Refused
    found = names(request.body)
    return Verified(
        found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode() or request.body).hexdigest()
    )


def _is_signed(token: str, host: str, organisation: str, webhook: str, *, now: float) -> bool:
    if len(token) > MOST_CHARS or token.count(".") != 2 or not token.isascii():
        return False
    signed, _, signature = token.rpartition(".")
    header, claims = (_object(part) for part in signed.split("."))
    if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
        return False
    # What costs nothing first: a key is asked for only on behalf of a token that could be right.
    if not _fits(claims, organisation, webhook, now=now):
        return False
    key = key_of(host, header["kid"])
    try:
        if key is not None:
            key.verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return key is not None


def _fits(claims: dict[str, Any], organisation: str, webhook: str, *, now: float) -> bool:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != f"orgId:{organisation}" or (webhook and f"webhookId:{webhook}" not in named):
        return False
    issued, ends = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    return ends > now - LEEWAY and now - LONGEST < issued < now + LEEWAY


def _seconds(moment: Any) -> float:
    """Zoho's page says milliseconds and its example has seconds. 0 for what is neither."""
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        return 0.0
    return moment / 1000 if moment > 1e11 else float(moment)


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
