"""Mailboxes of From, To, Cc and Reply-To (RFC 5322 section 3.4, with the mistakes of real mailers allowed for)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from conversations.channels.base import Party
from conversations.channels.email.reading.headers import ENCODED_WORD, decode_words
from conversations.channels.lines import one_line

MAX_MAILBOXES = 1000
# Bounded on both sides, so that a long run without "@" costs linear time.
_BARE_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]{1,256}@[^\s<>()\[\],;:\"]{1,256}")


@dataclass(slots=True)
class _Mailbox:
    phrase: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: str | None = None
    has_at: bool = False

    def is_empty(self) -> bool:
        return self.angle is None and not "".join(self.phrase).strip() and not self.comments


def parse_addresses(text: str) -> tuple[Party, ...]:
    """Return the mailboxes of an address field whose encoded words are still encoded. Never raises.

    A display name without any address is kept as a Party with an empty address, so that nothing shown is lost.
    """
    parties: list[Party] = []
    waiting: _Mailbox | None = None  # a name cut by an unquoted comma: Smith, John <john@example.com>
    for box in _mailboxes(text):
        joined = box
        if waiting is not None:
            if box.angle is not None and "".join(box.phrase).strip():
                joined = _Mailbox([*waiting.phrase, ", ", *box.phrase], waiting.comments + box.comments, box.angle)
            else:
                parties.append(_party(waiting))
            waiting = None
        if joined.angle is None and not _BARE_ADDRESS.search("".join(joined.phrase)):
            waiting = joined
            continue
        parties.append(_party(joined))
        if len(parties) >= MAX_MAILBOXES:
            break
    if waiting is not None:
        parties.append(_party(waiting))
    return tuple(dict.fromkeys(party for party in parties if party.address or party.name))


def _party(box: _Mailbox) -> Party:
    phrase = "".join(box.phrase)
    comment = " ".join(part for part in (_name(comment) for comment in box.comments) if part)
    if box.angle is not None:
        address = _address(box.angle)
        return Party(address, _name(phrase) or comment)
    found = _BARE_ADDRESS.search(phrase)
    if found:
        rest = _name(phrase[: found.start()] + " " + phrase[found.end() :])
        return Party(_address(found[0]), rest or comment)
    words = phrase.split()
    if len(words) == 1 and comment:  # MAILER-DAEMON (Mail Delivery System)
        return Party(one_line(words[0], 320), comment)
    return Party("", _name(phrase) or comment)


def _address(text: str) -> str:
    text = decode_words(text).strip()
    if text.startswith("@") and ":" in text:  # the source route of RFC 822
        text = text.split(":", 1)[1]
    text = re.sub(r"\s+", "", text) if "@" in text and '"' not in text else text
    text = re.sub(r"^(?:mailto:|smtp:)", "", text, flags=re.IGNORECASE).strip("<>'")
    return one_line(text, 320)


def _name(text: str) -> str:
    name = re.sub(r" {2,}", " ", one_line(decode_words(text)))
    while len(name) >= 2 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name


def _mailboxes(text: str) -> list[_Mailbox]:
    boxes: list[_Mailbox] = []
    box = _Mailbox()
    position, end = 0, len(text)
    last_quote, last_angle, last_paren = text.rfind('"'), text.rfind(">"), text.rfind(")")

    def flush() -> None:
        nonlocal box
        if not box.is_empty():
            boxes.append(box)
        box = _Mailbox()

    while position < end and len(boxes) <= MAX_MAILBOXES:
        character = text[position]
        if character == "=" and (word := ENCODED_WORD.match(text, position)):
            box.phrase.append(word[0])
            position = word.end()
            continue
        if character == '"' and position < last_quote:
            content, position = _quoted(text, position + 1)
            box.phrase.append(content)
            continue
        if character == "(" and position < last_paren:
            content, position = _comment(text, position + 1)
            box.comments.append(content)
            continue
        if character == "<" and position < last_angle:
            close = text.index(">", position)
            nested = text.rfind("<", position, close)  # "<<a@example.com>>", "<Name <a@example.com>"
            box.angle = text[nested + 1 : close]
            if nested > position:
                box.phrase.append(text[position + 1 : nested].strip("< "))
            position = close + 1
            continue
        if character in ",;":
            flush()
        elif character == ":" and box.angle is None and not box.has_at:
            if "".join(box.phrase).strip().lower() not in {"mailto", "smtp"}:
                box = _Mailbox()  # the name of a group: "undisclosed-recipients:;"
            else:
                box.phrase.clear()
        elif character not in ">":
            box.phrase.append(character)
            box.has_at = box.has_at or character == "@"
        position += 1
    flush()
    return boxes


def _quoted(text: str, position: int) -> tuple[str, int]:
    out: list[str] = []
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            out.append(text[position + 1])
            position += 2
            continue
        position += 1
        if character == '"':
            break
        out.append(character)
    return "".join(out), position


def _comment(text: str, position: int) -> tuple[str, int]:
    out: list[str] = []
    depth = 1
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\" and position < len(text):
            out.append(text[position])
            position += 1
            continue
        depth += (character == "(") - (character == ")")
        if not depth:
            break
        out.append(character)
    return "".join(out), position
