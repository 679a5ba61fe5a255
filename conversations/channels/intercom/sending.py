"""Intercom's REST API: a reply is a part of its conversation, given once in a teammate's name, and looked for among the
parts when nobody knows what became of it. Nothing of ours travels along, so it is known by its author and its words.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conversations.channels.base import ChannelError, Failure, Outbound, Receipt, SignInRefused
from conversations.channels.http import Vendor
from conversations.channels.intercom.events import is_note, name_of, parts_of, text_of
from conversations.channels.intercom.settings import IntercomSettings

#: The version of the API that all this was written by.
VERSION = "2.15"
#: Intercom publishes no limit; what is longer is no chat. Files travel in the request itself.
MOST_TEXT, MOST_FILES, MOST_FILE_BYTES = 10_000, 10, 5_000_000
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class IntercomAdapter:
    host: str
    admin_id: str
    token: str = field(repr=False)

    def problems(self, outbound: Outbound) -> Sequence[str]:
        """Why it cannot be given. Nobody is called."""
        found = []
        if not _ID.fullmatch(outbound.thread_id):
            found.append("The conversation has no number of Intercom's, so there is no place to answer in.")
        if not outbound.body_text.strip():
            found.append("The reply has no text.")
        return found

    def send(self, outbound: Outbound, *, before_handover: Callable[[], None]) -> Receipt:
        """Give it, once. Raises `ChannelError`."""
        if not _ID.fullmatch(outbound.thread_id):
            raise ChannelError(Failure.PERMANENT, " ".join(self.problems(outbound)))
        reply: dict[str, Any] = {
            "message_type": "comment",
            "type": "admin",
            "admin_id": self.admin_id,
            "body": as_html(outbound.body_text),
        }
        if outbound.files:
            reply["attachment_files"] = [
                {
                    "content_type": file.mime_type,
                    "name": file.file_name,
                    "data": base64.b64encode(file.content).decode(),
                }
                for file in outbound.files
            ]
        path = f"/conversations/{outbound.thread_id}/reply"
        answer = self._vendor.write("POST", path, reply, before_handover=before_handover)
        said = answer.data()
        if said.get("type") != "conversation" or str(said.get("id")) != outbound.thread_id:
            detail = "Intercom took the reply and answered what makes no sense. It may or may not stand there."
            raise ChannelError(Failure.UNCERTAIN, detail)
        name = self._newest(outbound, parts_of(said))
        return Receipt(name, f"{answer.status}, {name or 'without the part'}")

    def find(self, outbound: Outbound) -> Receipt | None:
        """The newest part with its words, in the teammate's name, behind the one that it answers."""
        if not _ID.fullmatch(outbound.thread_id):
            return None
        answer = self._vendor.read(f"/conversations/{outbound.thread_id}", takes=frozenset({404}))
        if answer.status == 404:
            return None
        name = self._newest(outbound, parts_of(answer.data()))
        return Receipt(name, f"It stands in the conversation in Intercom, as {name}.") if name else None

    def whose(self) -> dict[str, Any]:
        """Whom the token is of. Raises `ChannelError`."""
        return self._vendor.read("/me").data()

    def teammate(self) -> dict[str, Any] | None:
        """The teammate in whose name replies are given, None if there is none of that id. Raises `ChannelError`."""
        answer = self._vendor.read(f"/admins/{self.admin_id}", takes=frozenset({404}))
        return None if answer.status == 404 else answer.data()

    @property
    def _vendor(self) -> Vendor:
        if not self.token or not self.admin_id:
            raise SignInRefused("No access token or no teammate is entered, so nothing can be sent to Intercom.")
        headers = {"Authorization": f"Bearer {self.token}", "Intercom-Version": VERSION}
        return Vendor("Intercom", self.host, headers, resets="X-RateLimit-Reset")

    def _newest(self, outbound: Outbound, parts: Iterable[dict[str, Any]]) -> str:
        there, wanted = [part for part in parts if part.get("id")], _words(outbound.body_text)
        names = [name_of(outbound.thread_id, part) for part in there]
        begins = names.index(outbound.answers) + 1 if outbound.answers in names else 0
        for name, part in reversed(list(zip(names, there, strict=True))[begins:]):
            author = part.get("author")
            by = (author.get("type"), str(author.get("id"))) if isinstance(author, dict) else None
            is_his = by == ("admin", self.admin_id)
            if is_his and not is_note(part) and _words(text_of(part)[0]) == wanted:
                return str(name)
        return ""


def open_intercom(settings: IntercomSettings, secret: str) -> IntercomAdapter:
    """The sending half of a channel with its access token."""
    return IntercomAdapter(settings.host, settings.admin_id, secret.strip())


def as_html(text: str) -> str:
    """A text as Intercom takes it: none of its signs is HTML, paragraphs and lines stay."""
    paragraphs = [block for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()) if block.strip()]
    return "".join(f"<p>{html.escape(block.strip(), quote=False).replace(chr(10), '<br>')}</p>" for block in paragraphs)


def _words(text: str) -> str:
    return " ".join(text.split())
