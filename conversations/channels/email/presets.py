"""Mail servers that many have, filled in. What a vendor states may change: an admin sees it and can write something else."""

from __future__ import annotations

from conversations.channels.provider import Preset

_STARTTLS = {"smtp_port": 587, "smtp_security": "starttls"}
_TLS = {"smtp_port": 465, "smtp_security": "tls"}
_IMAPS = {"imap_port": 993, "imap_security": "tls"}

PRESETS = (
    Preset(
        "google",
        "Google Workspace or Gmail",
        "The servers are filled in. Google takes an app password, not the one you sign in with.",
        "two-step verification at Google, an app password",
        {
            "smtp_host": "smtp.gmail.com",
            **_STARTTLS,
            "imap_host": "imap.gmail.com",
            **_IMAPS,
            "oauth_token_url": "https://oauth2.googleapis.com/token",
        },
    ),
    Preset(
        "microsoft",
        "Microsoft 365 or Outlook",
        "The servers are filled in. SMTP AUTH has to be allowed for the mailbox, and IMAP takes an access token.",
        "SMTP AUTH for this mailbox, its password, an access token for IMAP",
        {
            "smtp_host": "smtp.office365.com",
            **_STARTTLS,
            "imap_host": "outlook.office365.com",
            **_IMAPS,
            "imap_sign_in": "xoauth2",
            "oauth_token_url": "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
            "oauth_scope": "https://outlook.office365.com/.default",
        },
    ),
    Preset(
        "zoho",
        "Zoho Mail",
        "The servers of the .com region are filled in; other regions end in .eu, .in or .com.au.",
        "an app password",
        {
            "smtp_host": "smtp.zoho.com",
            **_TLS,
            "imap_host": "imap.zoho.com",
            **_IMAPS,
            "oauth_token_url": "https://accounts.zoho.com/oauth/v2/token",
        },
    ),
    Preset(
        "fastmail",
        "Fastmail",
        "The servers are filled in.",
        "an app password for mail",
        {"smtp_host": "smtp.fastmail.com", **_TLS, "imap_host": "imap.fastmail.com", **_IMAPS},
    ),
    Preset("other", "Another mail server", "Any server that speaks SMTP.", "server name, user, password"),
)
