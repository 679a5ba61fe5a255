"""What an admin sets of a mail channel."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, JsonValue, field_validator

from conversations.channels.provider import ChannelSettings, Grant

SignIn = Literal["password", "xoauth2", "oauthbearer"]
SIGN_INS: dict[str, JsonValue] = {
    "password": "Password or app password",
    "xoauth2": "Access token, XOAUTH2 (Google, Microsoft 365)",
    "oauthbearer": "Access token, OAUTHBEARER",
}


class MailSettings(ChannelSettings):
    """Where replies are handed over, and what the mail server in front says and does.

    `imap_*`: the folder that mail is fetched from, where it is not handed over. `oauth_*`: where access tokens are renewed. `authserv_id` is the name by which that server signs its Authentication-Results (RFC 8601); without it no such header
    is believed. `server_checks`: it refuses what it cannot authenticate, and says so nowhere.
    `signed_return_path`: what we send names a return path of its own for each delivery (`local+b.TOKEN@domain`), and only
    what comes back there is a bounce; the mail server has to deliver `local+anything@domain` here. `signed_reply_to`: the same for answers.
    """

    smtp_host: str = Field(
        default="",
        title="SMTP server",
        description="Its name, as your mail provider states it.",
        json_schema_extra={"width": "two3"},
    )
    smtp_port: int = Field(
        default=587,
        ge=1,
        le=65535,
        title="Port",
        description="587 or 465, mostly.",
        json_schema_extra={"width": "third"},
    )
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        default="starttls",
        title="Encryption",
        description="Without encryption anybody on the way reads the password and the mail.",
        json_schema_extra={
            "choices": {
                "starttls": "STARTTLS (usual with 587)",
                "tls": "TLS (usual with 465)",
                "none": "None, only inside your own network",
            }
        },
    )
    smtp_user: str = Field(
        default="", title="User", description="Often the whole address. Empty: the server asks for no password."
    )
    smtp_sign_in: SignIn = Field(
        default="password",
        title="Sign-in for sending",
        description="A token is renewed by itself if Renewing tokens is filled in; else it stands in the password's place.",
        json_schema_extra={"choices": SIGN_INS},
    )
    imap_host: str = Field(
        default="",
        title="IMAP server",
        description="Mail is fetched from it every minute. Empty: your mail server hands mail over here.",
        json_schema_extra={"width": "two3"},
    )
    imap_port: int = Field(
        default=993,
        ge=1,
        le=65535,
        title="IMAP port",
        description="993 or 143, mostly.",
        json_schema_extra={"width": "third"},
    )
    imap_security: Literal["none", "starttls", "tls"] = Field(
        default="tls",
        title="Encryption of IMAP",
        description="Without encryption anybody on the way reads the password and the mail.",
        json_schema_extra={
            "choices": {
                "tls": "TLS (usual with 993)",
                "starttls": "STARTTLS (usual with 143)",
                "none": "None, only inside your own network",
            }
        },
    )
    imap_user: str = Field(default="", title="IMAP user", description="Empty: the same as for sending.")
    imap_sign_in: SignIn = Field(
        default="password",
        title="Sign-in for receiving",
        description="A token is renewed by itself if Renewing tokens is filled in; else it stands in the password's place.",
        json_schema_extra={"choices": SIGN_INS},
    )
    imap_folder: str = Field(
        default="INBOX",
        min_length=1,
        max_length=200,
        title="Folder",
        description="Nothing in it is changed, unless you want mail marked as read.",
    )
    imap_since: str = Field(
        default="",
        pattern=r"^(\d{4}-\d{2}-\d{2})?$",
        title="Also what came since",
        description="A day, as 2026-11-30, read when the folder is first opened: kept without drafts. Empty: from now on.",
    )
    imap_marks_read: bool = Field(
        default=False,
        title="Mark as read what was fetched",
        description="Only what is kept here. Off: nothing in the mailbox is changed.",
    )
    imap_sent_folder: str = Field(
        default="",
        max_length=200,
        title="Folder of sent mail",
        description="Where a reply is looked for if nobody knows whether it left. Empty: the one that the server marks.",
    )
    imap_reads_sent: bool = Field(
        default=False,
        title="Take in what people send from their own mail programs",
        description="A mail among the sent ones that answers a customer's becomes a reply here. Nothing else of it is kept.",
    )
    oauth_token_url: str = Field(
        default="",
        max_length=500,
        pattern=r"^(https?://[!-~]+)?$",
        title="Token address",
        description="Where your mail provider renews access tokens. Used only with an application's id.",
        json_schema_extra={"width": "full"},
    )
    oauth_client_id: str = Field(
        default="",
        max_length=300,
        title="Application (client) id",
        description="Of the application that you registered with your mail provider. Empty: tokens are not renewed.",
    )
    oauth_scope: str = Field(
        default="",
        max_length=1000,
        title="Scope",
        description="As your mail provider states it. Often empty for a refresh token.",
        json_schema_extra={"width": "full"},
    )
    authserv_id: str = Field(
        default="",
        title="Name in Authentication-Results",
        description="How your mail server signs what it found out about a sender. Empty: no such header is believed.",
    )
    server_checks: bool = Field(
        default=False,
        title="It refuses what it cannot authenticate",
        description="Tick this only if your mail server turns such mail away and writes no header about it.",
    )
    signed_return_path: bool = Field(
        default=False,
        title="Bounces come back to a signed address",
        description="Only what comes back there counts as a bounce. The server has to deliver name+anything@domain here.",
    )

    signed_reply_to: bool = Field(
        default=False,
        title="Answers come back to a signed address",
        description="Joins them where a server replaces message ids. The server has to deliver name+anything@domain here.",
    )

    @field_validator("imap_since")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if value:
            date.fromisoformat(value)
        return value

    @property
    def history_since(self) -> date | None:
        return date.fromisoformat(self.imap_since) if self.imap_since else None

    @property
    def grant(self) -> Grant | None:
        """How tokens are renewed, if it signs in by them and an application is named."""
        sends, fetches = self.smtp_sign_in != "password", self.imap_sign_in != "password" and bool(self.imap_host)
        if not self.oauth_client_id or not (sends or fetches):
            return None
        return Grant(self.oauth_token_url, self.oauth_client_id, self.oauth_scope, sends, fetches)

    @property
    def refuses_unproved(self) -> bool:
        return self.server_checks

    def own_addresses(self, external_id: str) -> frozenset[str]:
        return frozenset(
            one.lower() for one in (self.address, external_id, self.smtp_user, self.imap_user) if "@" in one
        )
