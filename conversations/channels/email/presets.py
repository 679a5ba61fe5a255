"""Mail servers that many have, filled in. What a vendor states may change: an admin sees it and can write something else."""

from __future__ import annotations

from conversations.channels.provider import Preset

_STARTTLS = {"smtp_port": 587, "smtp_security": "starttls"}
_TLS = {"smtp_port": 465, "smtp_security": "tls"}

PRESETS = (
    Preset(
        "google",
        "Google Workspace or Gmail",
        "The server is filled in. Google takes an app password, not the one you sign in with.",
        "two-step verification at Google, an app password",
        {"smtp_host": "smtp.gmail.com", **_STARTTLS},
    ),
    Preset(
        "microsoft",
        "Microsoft 365 or Outlook",
        "The server is filled in. SMTP AUTH has to be allowed for the mailbox by your Microsoft admin.",
        "SMTP AUTH for this mailbox, its password",
        {"smtp_host": "smtp.office365.com", **_STARTTLS},
    ),
    Preset(
        "zoho",
        "Zoho Mail",
        "The server of the .com region is filled in; other regions end in .eu, .in or .com.au.",
        "an app password",
        {"smtp_host": "smtp.zoho.com", **_TLS},
    ),
    Preset(
        "fastmail",
        "Fastmail",
        "The server is filled in.",
        "an app password for SMTP",
        {"smtp_host": "smtp.fastmail.com", **_TLS},
    ),
    Preset("other", "Another mail server", "Any server that speaks SMTP.", "server name, user, password"),
)
