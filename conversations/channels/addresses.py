"""Mail addresses as they are compared: one form for one mailbox, whatever case, script or dots it is written with."""

from __future__ import annotations

import re

import idna

# RFC 5321 section 4.5.3.1: 64 octets before the @, 255 after it. Quoted local parts exist on paper only.
_ADDRESS = re.compile(r"[^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f]{1,64}@([^\s<>@,;:\"\\()\[\]\x00-\x1f\x7f]{1,255})")


def normal_address(written: str) -> str:
    """`Support@Straße.example.` as `support@xn--strae-oqa.example`; "" when it is no address. Never raises.

    Case is ignored on both sides of the @ (nobody gives two mailboxes to two people by case alone), a domain is in its
    ASCII form by IDNA 2008 (RFC 5891), so that two spellings of one domain are equal and two domains never become one.
    """
    text = written.strip().strip("<>").strip()
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return ""
    local = "".join(_lower(letter) for letter in text.rpartition("@")[0])
    domain = ascii_domain(found[1])
    return f"{local}@{domain}" if domain else ""


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
