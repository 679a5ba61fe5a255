"""What Shopify posts: the three topics that every app has to take (shopify.dev, "Privacy law compliance"). Nothing else
is kept.

A post is proved by HMAC-SHA256 over its body with the app's secret. The topic stands in a header, which the signature
does not cover, so it is told from the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from conversations.channels.base import Event, EventKind, HookRequest, Refused, Verified
from conversations.channels.shopify.comments import KEPT, event_of
from conversations.channels.shopify.settings import ShopifySettings


def sign(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def verify(request: HookRequest, secrets: Sequence[str]) -> Verified:
    """Known by its bytes: the ids that come beside them are not signed. Raises Refused."""
    headers = request.headers
    given = headers.get("x-shopify-hmac-sha256") or headers.get("shopify-hmac-sha256") or ""
    right = [
        hmac.compare_digest(sign(secret, request.body).encode(), given.encode("utf-8", "replace")) for secret in secrets
    ]
    if not any(right):
        raise Refused
    return Verified(hashlib.sha256(request.body).hexdigest())


def parse(raw: bytes, settings: ShopifySettings) -> Sequence[Event]:
    """A comment that was asked for, or a post. Raises ValueError, KeyError or TypeError for what is neither."""
    data = json.loads(raw)
    if not isinstance(data, dict):
        return [Event(EventKind.OTHER)]
    if isinstance(data.get(KEPT), dict):
        return [event_of(data[KEPT], settings)]
    words = _asked(data, settings)
    return [Event(EventKind.PRIVACY, provider_id="privacy", detail=words) if words else Event(EventKind.OTHER)]


def _asked(data: dict[str, Any], settings: ShopifySettings) -> str:
    """What an admin has to do, in words; "" for any other post."""
    if not {"shop_id", "shop_domain"} <= set(data):
        return ""
    # Who it is stands in the post alone: these words go into the trail, which forgets nobody.
    if "data_request" in data:
        return "Shopify passes on that a customer wants to know what is stored. Export it on the customer's page."
    if "orders_to_redact" in data:
        return "Shopify passes on that a customer wants to be erased. Erase them on the customer's page."
    if set(data) <= {"shop_id", "shop_domain"}:
        return f"The app was removed from {settings.host}: Shopify asks to erase what came from that shop."
    return ""
