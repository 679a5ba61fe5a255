"""Who sends a request, as far as it can be known: the client's address behind our own proxies, and a device seen before."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac

from conversations.models import User

#: The device cookie's life, and how many people one device remembers.
DEVICE_DAYS = 180
MAX_PEOPLE = 10
_SALT = "countersign.device"


def client_address(request: HttpRequest) -> str:
    """The address that `TRUSTED_PROXIES` proxies of ours vouch for: that many places from the right of X-Forwarded-For.

    Whatever stands further left was written by the client. 0 proxies, a header that is missing or shorter than that, or
    something that is no address there: the connection's own peer, which cannot be forged.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    proxies = settings.TRUSTED_PROXIES
    named = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")] if proxies else []
    vouched = _address(named[-proxies]) if 0 < proxies <= len(named) else ""
    return vouched or _address(peer) or "unknown"


def client_network(request: HttpRequest) -> str:
    """What limits count by: an IPv4 address, or the /64 of an IPv6 one, which a single customer has whole (RFC 6177)."""
    found = client_address(request)
    if ":" not in found:
        return found
    return str(ipaddress.ip_network(f"{found}/64", strict=False))


def _address(text: str) -> str:
    """The address alone: without port or brackets, an IPv4 address that is written as IPv6 (::ffff:…) as IPv4."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


@dataclass(frozen=True, slots=True)
class Device:
    """A browser that somebody signed in with before. `people` are keyed hashes of who they are, not of what they call themselves."""

    id: str
    people: tuple[str, ...]

    def knows(self, user: User) -> bool:
        return _tag(user) in self.people


def device_of(request: HttpRequest) -> Device | None:
    """The device that the signed cookie names; None for a stranger, a forged or an outlived cookie.

    After OWASP's "Slow down online guessing attacks with device cookies": who signed in here before is counted apart
    from strangers, so that an attack on an address does not keep its owner out.
    """
    try:
        kept = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=_SALT, max_age=DEVICE_DAYS * 86_400
        )
        return Device(str(kept["id"]), tuple(str(tag) for tag in kept["people"]))
    except (signing.BadSignature, KeyError, TypeError):
        return None


def remember_device(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """After a whole log-in: let this browser be known for this person from now on."""
    before = device_of(request)
    people = [_tag(user), *(tag for tag in (before.people if before else ()) if tag != _tag(user))][:MAX_PEOPLE]
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps({"id": before.id if before else secrets.token_urlsafe(12), "people": people}, salt=_SALT),
        max_age=DEVICE_DAYS * 86_400,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _tag(user: User) -> str:
    """Of the person: several may say that one address is theirs, and a device of one is no device of another."""
    return salted_hmac(_SALT, str(user.pk), algorithm="sha256").hexdigest()[:32]
