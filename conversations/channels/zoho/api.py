"""How Zoho Desk is called: at the organisation's own data centre, with its id beside the token."""

from __future__ import annotations

from conversations.channels.http import Vendor
from conversations.channels.zoho.settings import ZohoSettings

GONE = frozenset({404})


def desk(settings: ZohoSettings, token: str) -> Vendor:
    """Zoho Desk for whoever has `token`."""
    headers = {"Authorization": f"Zoho-oauthtoken {token}", "orgId": settings.organisation}
    return Vendor("Zoho Desk", settings.host, headers)


def ticket_path(ticket: str, rest: str = "") -> str:
    return f"/api/v1/tickets/{ticket}{rest}"
