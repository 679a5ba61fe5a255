"""Access tokens that are renewed (RFC 6749): one call of a vendor's token address. What is kept of it is the caller's."""

from __future__ import annotations

import http.client
import json
import socket
import ssl as tls
import threading
import urllib.parse
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings

from conversations.channels.base import ChannelError, Failure
from conversations.channels.provider import Grant
from conversations.channels.reach import Unreachable, address_behind, may_be_unencrypted
from conversations.database import database_time

#: Of the whole call: shorter than the lease under which it is made.
SECONDS = 12.0
MOST_BYTES = 65_536
#: What a token is good for where the vendor does not say, and the most that is believed.
USUAL, LONGEST = 3600, 30 * 86_400


class SignedOut(ChannelError):
    """The grant itself is over (RFC 6749 section 5.2, invalid_grant): asking again helps nobody, a person has to connect again."""

    def __init__(self, detail: str, *, response: str = "") -> None:
        super().__init__(Failure.TRANSIENT, detail, response=response, channel_fault=True)


@dataclass(frozen=True, slots=True)
class Tokens:
    """`refresh` is "" where the vendor keeps the one that it was asked with; `seconds` is how long `access` is good."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    seconds: int


def ask(grant: Grant, *, client_secret: str, refresh_token: str) -> Tokens:
    """A new access token: for a refresh token, or without one for the application itself (client_credentials).

    Raises SignedOut, or ChannelError for what may work later.
    """
    given = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if not refresh_token:
        given = {"grant_type": "client_credentials"}
    given |= {"client_id": grant.client_id, "client_secret": client_secret, "scope": grant.scope}
    try:
        status, headers, body = _post(grant.token_url, urllib.parse.urlencode({k: v for k, v in given.items() if v}))
    except Unreachable as error:
        raise _away(f"{error}. {error.remedy}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)[:200]
        raise _away(f"it could not be reached ({reason})") from error
    return _read(status, headers, body)


def _read(status: int, headers: http.client.HTTPMessage, body: bytes) -> Tokens:
    try:
        said: Any = json.loads(body)
        said = said if isinstance(said, dict) else {}
    except ValueError:
        said = {}
    access = said.get("access_token")
    if status == 200 and isinstance(access, str) and access.isascii() and access.isprintable() and access:
        refresh, seconds = said.get("refresh_token"), said.get("expires_in")
        try:
            seconds = min(max(int(seconds), 1), LONGEST)
        except (TypeError, ValueError):
            seconds = USUAL
        return Tokens(access, refresh if isinstance(refresh, str) else "", seconds)
    words = " ".join(str(said.get(name, "")) for name in ("error", "error_description")).split()
    response = f"{status} {' '.join(words)[:300]}".strip()
    if said.get("error") == "invalid_grant":
        raise SignedOut(
            "The vendor does not renew this sign-in any more. Connect the channel again.", response=response
        )
    raise _away("it answered", response=response, retry_after=headers.get("Retry-After", ""))


def _away(why: str, *, response: str = "", retry_after: str = "") -> ChannelError:
    seconds = int(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0
    retry_at = database_time.now() + timedelta(seconds=min(seconds, 3600)) if seconds else None
    detail = f"The access token was not renewed: {why}{':' if response else '.'}"
    return ChannelError(Failure.TRANSIENT, detail, response=response, channel_fault=True, retry_at=retry_at)


def _post(url: str, body: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """To the address that was looked at, as the name that was written; a redirection is not followed. The installation's own
    stand-in of all vendors is asked instead, if there is one (`VENDOR_OVERRIDE`)."""
    parts = urllib.parse.urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    address, _, own_port = settings.VENDOR_OVERRIDE.rpartition(":")
    if address:
        port, is_tls = int(own_port), False
    else:
        address = address_behind(host, port, seconds=SECONDS / 2)
        if not is_tls and (parts.scheme != "http" or not may_be_unencrypted(address)):
            raise Unreachable(
                "The token address does not begin with https", "Secrets are sent there, so nothing else will do."
            )
    connection = _Pinned(host, port, address=address, is_tls=is_tls)
    hang_up = threading.Timer(SECONDS, connection.hang_up)  # one that answers a byte now and then never times out
    hang_up.daemon = True
    hang_up.start()
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        connection.request("POST", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(MOST_BYTES)
    finally:
        hang_up.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """Connects to one address, while the certificate has to be that of the name."""

    def __init__(self, host: str, port: int, *, address: str, is_tls: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.address, self.is_tls = address, is_tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), self.timeout)
        if self.is_tls:
            self.sock = tls.create_default_context().wrap_socket(self.sock, server_hostname=self.host)

    def hang_up(self) -> None:
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
