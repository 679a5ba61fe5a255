"""Which addresses are the open internet's: everything that no registry sets apart."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: IANA IPv4 Special-Purpose Address Registry (RFC 6890, RFC 8190), and multicast (RFC 5771). Also what is "globally
#: reachable" there (relays and AS112 servers): no web site is.
SPECIAL_4 = [
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private use, RFC 1918"),
    ("100.64.0.0/10", "shared address space, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("169.254.0.0/16", "link local, RFC 3927"),
    ("172.16.0.0/12", "private use, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relay anycast, deprecated by RFC 7526"),
    ("192.168.0.0/16", "private use, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved, with 255.255.255.255, RFC 1112"),
]
#: IANA IPv6 Special-Purpose Address Registry, and what left it or is in the address space registry (RFC 4291).
SPECIAL_6 = [
    ("::/128", "unspecified, RFC 4291"),
    ("::1/128", "loopback, RFC 4291"),
    ("::/96", "IPv4-compatible, deprecated by RFC 4291"),
    ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
    ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765"),
    ("64:ff9b:1::/48", "local translation, RFC 8215"),
    ("100::/64", "discard only, RFC 6666"),
    ("100:0:0:1::/64", "dummy prefix, RFC 9780"),
    ("2001::/23", "IETF protocol assignments with Teredo (2001::/32), RFC 2928, RFC 4380"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2002::/16", "6to4, RFC 3056"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3fff::/20", "documentation, RFC 9637"),
    ("5f00::/16", "segment routing, RFC 9602"),
    ("fc00::/7", "unique local, RFC 4193"),
    ("fe80::/10", "link local, RFC 4291"),
    ("fec0::/10", "site local, deprecated by RFC 3879"),
    ("ff00::/8", "multicast, RFC 4291"),
]
#: All that IANA hands out of the IPv6 space (RFC 4291, "IPv6 Global Unicast Address Assignments"): the rest is nobody's.
UNICAST_6 = ipaddress.IPv6Network("2000::/3")
#: A network that reaches the old internet through it has no other addresses for it (RFC 6052): the one inside decides.
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

_SPECIAL_4 = [ipaddress.IPv4Network(network) for network, _ in SPECIAL_4]
_SPECIAL_6 = [ipaddress.IPv6Network(network) for network, _ in SPECIAL_6]


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet: in none of the networks that IANA sets apart.

    The lists are those of https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
    as updated on 2024-10-22, with RFC 9780 of 2025. Written out here and not taken from `ipaddress.is_global`, whose
    answer changes with the release of Python. What embeds an IPv4 address (mapped, compatible, translated, 6to4, Teredo)
    is refused whatever is inside; only 64:ff9b::/96 is as public as the address in it.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if address in TRANSLATED:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in UNICAST_6 and not any(address in network for network in _SPECIAL_6)
