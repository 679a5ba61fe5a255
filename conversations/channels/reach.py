"""Where a check may connect to: addresses of the open internet, and networks that the installation names.

Whoever is admin of an account writes any server's name and reads what it answered. Without this rule they would read
what stands behind the installation's own wall.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any

from django.conf import settings


class Unreachable(Exception):
    """The name leads nowhere that may be connected to; the words are for the admin."""

    def __init__(self, title: str, remedy: str) -> None:
        super().__init__(title)
        self.title, self.remedy = title, remedy


def address_behind(host: str, port: int, *, seconds: float, setting: str = "CHANNEL_NETWORKS") -> str:
    """The address to connect to. The caller connects to it and not to the name, which could lead elsewhere a moment later.
    `setting` names the installation's own networks that it may be in.

    Raises Unreachable.
    """
    found = _look_up(host, port, seconds)
    if not found:
        raise Unreachable(f"{host} was not found", "Look for a misspelling; your mail provider states the name.")
    inside = next((address for address in found if not _may_be_reached(address, setting)), None)
    if inside is not None:
        raise Unreachable(
            f"{host} is inside a private network ({inside})",
            "Name a server of the internet, or ask the operator of this installation to allow that network "
            f"({setting}).",
        )
    return found[0]


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """In a thread of its own: the system's resolver takes the time that it takes."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return list(dict.fromkeys(str(entry[4][0]) for entry in list(found)))


def may_be_unencrypted(address: str, *, setting: str = "CHANNEL_NETWORKS") -> bool:
    """Whether it stands in one of the networks that the installation names: its own."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return any(found in network for network in getattr(settings, setting))


def _may_be_reached(written: str, setting: str) -> bool:
    address = ipaddress.ip_address(written.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in getattr(settings, setting)):
        return True
    return address.is_global and not address.is_multicast
