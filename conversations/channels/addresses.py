"""Mail addresses as they are compared: one form for one mailbox, whatever case, script or dots it is written with."""

from __future__ import annotations

import re

import idna

# RFC 5321 section 4.5.3.1 gives the local part 64 octets; marketplaces use more of them, and their servers take it.
_PLAIN = r"[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f-\x9f]{1,240}"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[^\x00-\x1f\x7f-\x9f]){1,240}"'
_DOMAIN = r"[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f-\x9f]{1,255}"
_ADDRESS = re.compile(f"({_PLAIN}|{_QUOTED})@({_DOMAIN})")
# A dot-atom (RFC 5322 section 3.2.3), and letters of other scripts (RFC 6532): what needs no quotes.
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")


def split_address(written: str) -> tuple[str, str] | None:
    """The local part, without its quotes, and the domain as it travels (`ascii_domain`); None when it is no address."""
    found = _ADDRESS.fullmatch(written)
    domain = ascii_domain(found[2]) if found else ""
    if found is None or not domain:
        return None
    local = found[1]
    return (re.sub(r"\\(.)", r"\1", local[1:-1]) if local[0] == '"' else local), domain


def join_address(local: str, domain: str) -> str:
    """The address as it is written, with quotes where the local part needs them (RFC 5321 section 4.1.2)."""
    if _DOT_ATOM.fullmatch(local) or (_ADDRESS.fullmatch(f"{local}@{domain}") and '"' not in local):
        return f"{local}@{domain}"
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + f'"@{domain}'


def normal_address(written: str) -> str:
    """`Support@Straße.example.` as `support@xn--strae-oqa.example`; "" when it is no address. Never raises.

    Case is ignored on both sides of the @ (nobody gives two mailboxes to two people by case alone), a domain is in its
    ASCII form by IDNA 2008 (RFC 5891), so that two spellings of one domain are equal and two domains never become one.
    """
    parts = split_address(written.strip().strip("<>").strip())
    if parts is None:
        return ""
    return join_address("".join(_lower(letter) for letter in parts[0]), parts[1])


def _lower(letter: str) -> str:
    """Its lower case, unless that is a letter of ASCII and it is not (the Kelvin sign): two mailboxes would be one."""
    lower = letter.lower()
    return lower if letter.isascii() or not lower.isascii() else letter


def ascii_domain(domain: str) -> str:
    """The domain as it travels, in lower case and without a trailing dot; "" when it is none."""
    bare = domain.strip().rstrip(".").lower()
    if bare.isascii():
        return bare if re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", bare) else ""
    try:
        return idna.encode(bare, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return ""


def mailbox_of(address: str) -> str:
    """The mailbox behind a normal address: without the `+detail` that its owner's server ignores (RFC 5233)."""
    return re.sub(r"^([^+@]+)\+[^@]*@", r"\1@", address)


def is_same(one: str, other: str) -> bool:
    """Whether two written addresses are one address."""
    return bool(one) and bool(other) and (normal_address(one) or one) == (normal_address(other) or other)
