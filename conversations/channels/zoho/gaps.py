"""What was missed while nothing could be posted: the tickets that customers wrote in last are asked for, every five
minutes.

They are read as a folder is, whose numbers are times: what is kept is a post as Zoho would have posted it, naming
threads alone. What came by its post already is known by its thread's id, and is nothing new.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from conversations.channels.base import Raw
from conversations.channels.zoho.api import GONE, desk, ticket_path
from conversations.channels.zoho.events import THREAD
from conversations.channels.zoho.settings import ZohoSettings

#: Tickets of one question, the newest answer of a customer first (desk.zoho.com/DeskAPIDocument, "List all tickets"),
#: and how many questions a round may take.
PAGE, PAGES = 100, 20
#: Milliseconds: a thread may be a little older than the time that its ticket says.
OVERLAP = 300_000


@dataclass(slots=True)
class Gaps:
    """Tickets by when a customer wrote in them last, in milliseconds, as conversations.channels.base.Folder."""

    settings: ZohoSettings
    token: str = field(repr=False)
    tickets: dict[int, list[str]] = field(default_factory=dict)
    generation: int = 1
    newest: int = 0
    _after: int = 0
    _asked: int = 0  # tickets that were looked at
    _is_all: bool = False

    def look(self) -> None:
        """Ask for the next page."""
        query = {"limit": str(PAGE), "sortBy": "-customerResponseTime"}
        query |= {"from": str(self._asked + 1)} if self._asked else {}
        page = desk(self.settings, self.token).read("/api/v1/tickets", query).data().get("data") or []
        for ticket in page:
            if (at := _number(ticket.get("customerResponseTime"))) and _is_listened_to(ticket, self.settings):
                self.tickets.setdefault(at, []).append(str(ticket["id"]))
        self._asked += len(page)
        self._is_all = len(page) < PAGE
        self.newest = max(self.tickets, default=0)

    def after(self, number: int) -> list[int]:
        self._after = number
        while not self._is_all and min(self.tickets, default=number + 1) > number and self._asked < PAGE * PAGES:
            self.look()
        return sorted(at for at in self.tickets if at > number)

    def since(self, day: date) -> list[int]:
        return []

    def sizes(self, numbers: Sequence[int]) -> dict[int, int]:
        return {number: 0 for number in numbers if number in self.tickets}

    def read(self, numbers: Sequence[int]) -> list[Raw]:
        return [Raw(number, self._posts(number), _moment(number)) for number in numbers]

    def heads(self, numbers: Sequence[int]) -> list[Raw]:
        return self.read(numbers)

    def _posts(self, number: int) -> bytes:
        """What customers wrote since the last round in that time's tickets, as posts; nothing where that is nothing."""
        zoho, found = desk(self.settings, self.token), []
        for ticket in self.tickets[number]:
            page = zoho.read(ticket_path(ticket, "/threads"), {"limit": "50"}, takes=GONE).data().get("data") or []
            mine = [one for one in page if one.get("direction") == "in"]
            names = [str(one["id"]) for one in mine if _number(one.get("createdTime")) > self._after - OVERLAP]
            found += [{"eventType": THREAD, "payload": {"id": name, "ticketId": ticket}} for name in reversed(names)]
        return json.dumps(found).encode() if found else b""


@dataclass(frozen=True, slots=True)
class Source:
    settings: ZohoSettings
    token: str = field(repr=False)

    @property
    def folder(self) -> str:
        return "tickets"

    def open(self) -> AbstractContextManager[Gaps]:
        return self._open()

    @contextlib.contextmanager
    def _open(self) -> Iterator[Gaps]:
        gaps = Gaps(self.settings, self.token)
        gaps.look()
        yield gaps


def _number(written: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(written)).timestamp() * 1000)
    except ValueError:  # nobody wrote in it
        return 0


def _moment(number: int) -> datetime:
    return datetime.fromtimestamp(number / 1000, UTC)


def _is_listened_to(ticket: dict[str, Any], settings: ZohoSettings) -> bool:
    return not settings.listened_to or str(ticket.get("departmentId")) in settings.listened_to
