"""Zoho's data centres: an organisation lives in one of them, and its hosts come from here, never from what somebody
wrote.

As documented on 29 November 2026 (zoho.com/accounts/protocol/oauth/multi-dc.html, desk.zoho.com/DeskAPIDocument).
"""

from __future__ import annotations

from typing import Literal

Region = Literal["com", "eu", "in", "au", "jp", "ca", "sa", "uk", "cn"]

#: Region: its host of Zoho Desk, and of the accounts that renew tokens.
HOSTS: dict[str, tuple[str, str]] = {
    "com": ("desk.zoho.com", "accounts.zoho.com"),
    "eu": ("desk.zoho.eu", "accounts.zoho.eu"),
    "in": ("desk.zoho.in", "accounts.zoho.in"),
    "au": ("desk.zoho.com.au", "accounts.zoho.com.au"),
    "jp": ("desk.zoho.jp", "accounts.zoho.jp"),
    "ca": ("desk.zohocloud.ca", "accounts.zohocloud.ca"),
    "sa": ("desk.zoho.sa", "accounts.zoho.sa"),
    "uk": ("desk.zoho.uk", "accounts.zoho.uk"),
    "cn": ("desk.zoho.com.cn", "accounts.zoho.com.cn"),
}
#: What an admin reads beside them.
NAMES: dict[str, str] = {
    "com": "United States (zoho.com)",
    "eu": "Europe (zoho.eu)",
    "in": "India (zoho.in)",
    "au": "Australia (zoho.com.au)",
    "jp": "Japan (zoho.jp)",
    "ca": "Canada (zohocloud.ca)",
    "sa": "Saudi Arabia (zoho.sa)",
    "uk": "United Kingdom (zoho.uk)",
    "cn": "China (zoho.com.cn)",
}
#: Where a data centre publishes the keys that it signs its posts with.
JWKS = "/.well-known/jwks.json"
SCOPE = "Desk.tickets.READ,Desk.tickets.UPDATE"
#: Characters that a reply may have, as HTML (zohodesk-oas v1.0/Thread.json, emailThreadSendReply).
MOST_CHARS = 16_000_000
