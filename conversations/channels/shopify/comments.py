"""Comments in: they are asked for, because Shopify posts nothing of them. Their numbers grow, so they are read as a
folder is.

A thread is what one person writes below one article; a comment of our own names nobody whom it answers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from conversations.channels.base import Author, Event, EventKind, Inbound, Party, Raw
from conversations.channels.shopify.api import ask, number_of
from conversations.channels.shopify.facts import AFTER, NEWEST, PAGE
from conversations.channels.shopify.settings import ShopifySettings

#: The only key of what is kept of a comment, by which it is told from what Shopify posts.
KEPT = "countersign_comment"
#: What a moderator or Shopify took away is nobody's question.
TAKEN_AWAY = frozenset({"SPAM", "REMOVED"})


@dataclass(slots=True)
class Comments:
    """The comments of a shop, as conversations.channels.base.Folder. What was asked for is kept until it is read."""

    settings: ShopifySettings
    token: str = field(repr=False)
    generation: int = 1
    newest: int = 0
    _found: dict[int, Raw] = field(default_factory=dict)

    def after(self, number: int) -> list[int]:
        """Up to a page; the next round asks for what follows."""
        found = ask(self.settings, self.token, AFTER, first=PAGE, query=f"id:>{number}")
        kept = [_raw(node) for node in found["comments"]["nodes"]]
        self._found = {raw.number: raw for raw in kept if raw.number > number}
        return sorted(self._found)

    def since(self, day: date) -> list[int]:
        return []

    def sizes(self, numbers: Sequence[int]) -> dict[int, int]:
        return {number: len(self._found[number].content) for number in numbers if number in self._found}

    def read(self, numbers: Sequence[int]) -> list[Raw]:
        return [self._found[number] for number in numbers if number in self._found]

    def heads(self, numbers: Sequence[int]) -> list[Raw]:
        return self.read(numbers)


@dataclass(frozen=True, slots=True)
class Source:
    settings: ShopifySettings
    token: str = field(repr=False)

    @property
    def folder(self) -> str:
        return "comments"

    def open(self) -> AbstractContextManager[Comments]:
        return self._open()

    @contextlib.contextmanager
    def _open(self) -> Iterator[Comments]:
        nodes = ask(self.settings, self.token, NEWEST)["comments"]["nodes"]
        yield Comments(self.settings, self.token, newest=number_of(nodes[0]["id"]) if nodes else 0)


def _raw(node: dict[str, Any]) -> Raw:
    content = json.dumps({KEPT: node}, ensure_ascii=False, sort_keys=True).encode()
    return Raw(number_of(node["id"]), content, datetime.fromisoformat(node["createdAt"]))


def event_of(node: dict[str, Any], settings: ShopifySettings) -> Event:
    """One comment. Raises ValueError, KeyError or TypeError for what is none."""
    if node["status"] in TAKEN_AWAY or not node.get("article"):
        return Event(EventKind.OTHER)
    name, who, text = str(number_of(node["id"])), node["author"], str(node["body"])
    place, title = place_of(node), str(node["article"].get("title") or "")
    address = str(who["email"]).strip().lower()
    is_own = is_ours(who, settings)
    is_answer = is_own or address in settings.colleagues
    inbound = Inbound(
        external_id=name,
        thread_id="" if is_answer else thread_of(place, address),
        sender=Party(address, str(who["name"])),
        subject=title,
        body_text=text,
        body_new=text,
    )
    at = datetime.fromisoformat(node["createdAt"])
    if not is_answer:
        return Event(EventKind.MESSAGE, name, Author.CUSTOMER, inbound, at=at)
    return Event(EventKind.MESSAGE, name, Author.US if is_own else Author.TEAM, inbound, at=at, among=f"{place}/")


def is_ours(who: dict[str, Any], settings: ShopifySettings) -> bool:
    """The name alone is anybody's to write; beside our address it is ours."""
    ours = (settings.author.strip().casefold(), settings.address.strip().casefold())
    return (str(who["name"]).strip().casefold(), str(who["email"]).strip().casefold()) == ours


def place_of(node: dict[str, Any]) -> str:
    return f"{number_of(node['article']['blog']['id'])}/{number_of(node['article']['id'])}"


def thread_of(place: str, address: str) -> str:
    return f"{place}/{address}"[:255]
