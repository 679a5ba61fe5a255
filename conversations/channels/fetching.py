"""One file that stands at a vendor, fetched: from hosts that are named here, of a bounded size, and with the token only where it is the vendor's own."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping

from conversations.channels.base import ChannelError, Failure
from conversations.channels.http import TooLong, Vendor

#: As much as a mail may bring.
MOST_BYTES = 25 * 2**20
MOST_TURNS = 3
TURNS = frozenset({301, 302, 303, 307, 308})
GONE = frozenset({404, 410})
SECONDS = 60.0


def fetch(
    name: str,
    address: str,
    *,
    is_theirs: Callable[[str], bool],
    headers: Mapping[str, str] | None = None,
    signs_in: Callable[[str], bool] = lambda host: True,
) -> bytes:
    """The bytes at `address`. `is_theirs` says which hosts are the vendor's; nowhere else is asked, whatever a message or a
    redirection names. `headers` hold the secret and go to hosts that `signs_in` names. Raises ChannelError: PERMANENT for
    what another try does not change."""
    for _ in range(MOST_TURNS + 1):
        host, path = _parts(name, address, is_theirs)
        given = dict(headers or {}) if signs_in(host) else {}
        vendor = Vendor(name, host, {"Accept": "*/*", **given}, seconds=SECONDS, most_bytes=MOST_BYTES)
        try:
            answer = vendor.read(path, takes=TURNS | GONE)
        except ChannelError as error:
            if isinstance(error.__cause__, TooLong):
                raise ChannelError(Failure.PERMANENT, f"It is larger than {MOST_BYTES >> 20} MB.") from error
            raise
        if answer.status in GONE:
            raise ChannelError(Failure.PERMANENT, f"It is not there any more, says {name}.")
        if answer.status not in TURNS:
            return answer.body
        address = urllib.parse.urljoin(address, answer.headers.get("location", ""))
    raise ChannelError(Failure.PERMANENT, f"{name} sends whoever asks for it round in circles.")


def _parts(name: str, address: str, is_theirs: Callable[[str], bool]) -> tuple[str, str]:
    try:
        found = urllib.parse.urlsplit(address)
        host = (found.hostname or "").lower()
        is_plain = found.scheme == "https" and found.port in {None, 443} and not found.username and not found.password
    except ValueError:
        host, is_plain = "", False
    if not (is_plain and host and is_theirs(host)):
        raise ChannelError(Failure.PERMANENT, f"It stands at an address that is not one of {name}'s.")
    path = urllib.parse.quote(found.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = urllib.parse.quote(found.query, safe="/%:@!$&'()*+,;=~-._?")
    return host, f"{path}?{query}" if query else path
