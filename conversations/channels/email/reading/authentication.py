"""Authentication-Results (RFC 8601): what the mail server in front of us found about the sender.

Anybody can write such a field. Only the topmost one that bears the name of the trusted server counts; all others are
ignored and not kept, as section 5 asks. That server must remove fields that came in under its own name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from conversations.channels.addresses import ascii_domain, is_same
from conversations.channels.base import Authentication
from conversations.channels.email.reading.headers import ENCODED_WORD, Headers, raw_to_text
from conversations.channels.lines import one_line

# A field with more than this does not count for what is left of it: what was cut may be the failure.
MAX_CHARS = 5000
MAX_RESULTS = 50
_METHOD = re.compile(r"\s*([a-z][a-z0-9-]{0,30})\s*(?:/\s*\d+)?\s*=\s*([a-z]{1,20})", re.IGNORECASE)
_PROPERTY = re.compile(
    r"\b(header|smtp|policy)\s*\.\s*([a-z0-9-]{1,30})\s*=\s*(\"[^\"]{0,320}\"|[^\s;\"]{1,320})", re.IGNORECASE
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ADDRESS = re.compile(r"[^\s<>,;:\"@]{1,256}@[^\s<>,;:\"]{1,256}")
_BAD = {"fail", "softfail", "hardfail", "permerror", "policy"}


@dataclass(frozen=True, slots=True)
class _Result:
    method: str
    value: str
    properties: dict[str, str] = field(default_factory=dict)

    def domain(self, *names: str) -> str:
        found = next((self.properties[name] for name in names if name in self.properties), "")
        return ascii_domain(found.rpartition("@")[2])


def trusted_field(headers: Headers, authserv_id: str) -> str:
    """The topmost field of the trusted server, as one line; "" when there is none or nobody is trusted."""
    wanted = authserv_id.strip().rstrip(".").casefold()
    if not wanted:
        return ""
    for raw in headers.all_raw("authentication-results"):
        text = one_line(raw_to_text(raw), MAX_CHARS + 1)
        named = _without_comments(text).partition(";")[0].split()
        if named and named[0].strip('"').rstrip(".").casefold() == wanted:
            return text
    return ""


def read_authentication(headers: Headers, *, authserv_id: str, sender: str) -> Authentication | None:
    """What the trusted server found about `sender`; None when it said nothing. Never raises.

    The address is proved when its domain vouches for the mail: DMARC passed for it (RFC 7489), or without DMARC a DKIM
    signature or the envelope sender of that domain or of one above it. "fail", whatever any server says or refuses, for a
    sender that is not the one address in From: servers look at From alone, and which of several is anybody's guess.
    """
    text = trusted_field(headers, authserv_id)
    is_clear = not sender or _is_the_one_author(headers, sender)
    if not text:
        return None if is_clear else Authentication("fail")
    results = _results(text)
    domain = ascii_domain(sender.rpartition("@")[2])
    said = {name: _first(results, name, domain) for name in ("spf", "dkim", "dmarc")}
    is_whole = len(text) <= MAX_CHARS and _without_comments(text).count(";") <= MAX_RESULTS
    return Authentication(_verdict(results, domain) if is_clear and is_whole else "fail", authserv_id.strip(), **said)


def _is_the_one_author(headers: Headers, sender: str) -> bool:
    """Whether all fields named From hold this address and no other, also none where an address must not stand."""
    named = set()
    for raw in headers.all_raw("from"):
        text = _QUOTED.sub(" ", ENCODED_WORD.sub(" ", _without_comments(raw_to_text(raw))))
        named |= {found.strip("'") for found in _ADDRESS.findall(text)}
    return bool(named) and all(is_same(one, sender) for one in named)


def _verdict(results: list[_Result], domain: str) -> str:
    if not domain:
        return "none"
    asked = [r for r in results if r.method == "dmarc"]
    if any(r.properties.get("header.from") and r.domain("header.from") != domain for r in asked):
        return "fail"  # the server read another From than we did
    dmarc = [r.value for r in asked]
    if "pass" in dmarc and not set(dmarc) & _BAD:
        return "pass"
    if set(dmarc) & _BAD:
        return "fail"
    for result in results:
        vouched = {"dkim": ("header.d", "header.i"), "spf": ("smtp.mailfrom",)}.get(result.method)
        if vouched and result.value == "pass" and _is_above(result.domain(*vouched), domain):
            return "pass"
    looked = {r.value for r in results if r.method in {"dkim", "spf"}}
    return "fail" if looked & _BAD else "none"


def _is_above(vouching: str, domain: str) -> bool:
    """The domain itself or one above it. Not one below, and not a sibling: a host of many would vouch for its neighbours."""
    return "." in vouching and (vouching == domain or domain.endswith(f".{vouching}"))


def _first(results: list[_Result], method: str, domain: str) -> str:
    """One word for a method with several results: that of the sender's own domain, else the first."""
    found = [r for r in results if r.method == method]
    own = [r for r in found if r.domain("header.d", "header.i", "smtp.mailfrom", "header.from") == domain]
    return (own or found)[0].value if found else ""


def _results(text: str) -> list[_Result]:
    found = []
    for piece in _without_comments(text).split(";")[1 : MAX_RESULTS + 1]:
        method = _METHOD.match(piece)
        if method is None:
            continue
        properties: dict[str, str] = {}
        for kind, name, value in _PROPERTY.findall(piece[method.end() :]):
            properties.setdefault(f"{kind}.{name}".lower(), value.strip('"'))
        found.append(_Result(method[1].lower(), method[2].lower(), properties))
    return found


def _without_comments(text: str) -> str:
    """The text without (comments), which nest and may hold what looks like a result; quoted text is left as it is."""
    out: list[str] = []
    depth, quoted, position = 0, False, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and (depth or quoted):
            position += 2
            continue
        if character == '"' and not depth:
            quoted = not quoted
        elif character == "(" and not quoted:
            depth += 1
        elif character == ")" and not quoted and depth:
            depth -= 1
            position += 1
            continue
        if not depth:
            # A quoted semicolon separates nothing.
            out.append(" " if quoted and character == ";" else character)
        position += 1
    return "".join(out)
