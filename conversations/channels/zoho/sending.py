"""Replies out: a draft is laid into the ticket, its id is kept here, and then Zoho is told to send that draft.

Only the second step can send anything, and a draft can be sent once: whoever tries again, after whatever happened,
looks at the draft first (docs/decisions/0078). What Zoho has and has not sent yet (PENDING) is not delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from conversations.channels.base import ChannelError, Failure, Outbound, Party, Receipt
from conversations.channels.http import Answer
from conversations.channels.zoho.api import GONE, desk, ticket_path
from conversations.channels.zoho.facts import MOST_CHARS
from conversations.channels.zoho.settings import ZohoSettings

#: Characters of each line of recipients (zohodesk-oas v1.0/Thread.json).
MOST_RECIPIENTS = 13_000


@dataclass(frozen=True, slots=True)
class ZohoAdapter:
    settings: ZohoSettings
    token: str = field(repr=False)

    def problems(self, outbound: Outbound) -> Sequence[str]:
        found = []
        if not _is_id(outbound.thread_id):
            found.append("This conversation has no ticket in Zoho Desk, so there is nothing to answer there.")
        if len(_html(outbound)) > MOST_CHARS:
            found.append(f"The reply has more than {MOST_CHARS:,} characters as HTML; Zoho Desk takes no more.")
        lines = [_line(parties) for parties in (outbound.to, outbound.cc, outbound.bcc)]
        if any(len(line) > MOST_RECIPIENTS for line in lines):
            found.append(f"The addresses have more than {MOST_RECIPIENTS:,} characters; Zoho Desk takes no more.")
        if any(
            "," in party.address or "@" not in party.address for party in (*outbound.to, *outbound.cc, *outbound.bcc)
        ):
            found.append("One of the addresses is none that a mail can be sent to.")
        return found

    def send(self, outbound: Outbound, *, before_handover: Callable[..., None]) -> Receipt:
        """Raises ChannelError; see http.Vendor.write for what which failure means."""
        draft, receipt = self._begun(outbound)
        if receipt is not None:
            return receipt
        draft = draft or self._draft(outbound)
        answer = desk(self.settings, self.token).write(
            "POST",
            ticket_path(outbound.thread_id, "/sendDraft"),
            None,
            query={"draftThreadId": draft, "sendImmediately": "true"},
            before_handover=lambda: before_handover(begun=draft),
        )
        return _receipt(answer, draft)

    def find(self, outbound: Outbound) -> Receipt | None:
        if not outbound.begun:
            return None  # it never came so far that Zoho could have sent anything
        return self._lies_there(outbound)[1]

    def _begun(self, outbound: Outbound) -> tuple[str, Receipt | None]:
        """What is there of an earlier try. One that Zoho could not send is no hindrance: a person wants it sent
        again."""
        try:
            return self._lies_there(outbound) if outbound.begun else ("", None)
        except ChannelError as error:
            if error.failure != Failure.PERMANENT:
                raise
            return "", None

    def _lies_there(self, outbound: Outbound) -> tuple[str, Receipt | None]:
        """The draft of an earlier try if it may still be sent, and the receipt if it was. Raises ChannelError,
        PERMANENT if Zoho tried and could not."""
        path = ticket_path(outbound.thread_id, f"/threads/{outbound.begun}")
        answer = desk(self.settings, self.token).read(path, takes=GONE)
        status = answer.data().get("status")
        if answer.status in GONE:
            return "", None
        if status == "DRAFT":
            return outbound.begun, None
        return "", _receipt(answer, outbound.begun)

    def _draft(self, outbound: Outbound) -> str:
        """The id of a new draft. No customer sees it, so nothing that goes wrong here is uncertain."""
        try:
            answer = desk(self.settings, self.token).write(
                "POST", ticket_path(outbound.thread_id, "/draftReply"), _body(outbound), before_handover=lambda: None
            )
        except ChannelError as error:
            if error.failure != Failure.UNCERTAIN:
                raise
            detail = "Zoho Desk did not say whether it has the reply as a draft. Nothing was sent."
            raise ChannelError(Failure.TRANSIENT, detail, response=error.response, channel_fault=True) from error
        name = str(answer.data().get("id") or "")
        if not _is_id(name):
            detail = "Zoho Desk answered without the id of the draft. Nothing was sent."
            raise ChannelError(Failure.TRANSIENT, detail, response=answer.words())
        return name


def _body(outbound: Outbound) -> dict[str, Any]:
    lines = {"to": outbound.to, "cc": outbound.cc, "bcc": outbound.bcc}
    return {
        "channel": "EMAIL",
        "contentType": "html",  # without it Zoho shows the tags
        "content": _html(outbound),
        "fromEmailAddress": outbound.sender.address,
        **({"inReplyToThreadId": outbound.answers} if _is_id(outbound.answers) else {}),
        **{name: _line(parties) for name, parties in lines.items() if parties},
    }


def _html(outbound: Outbound) -> str:
    if outbound.body_html:
        return outbound.body_html
    return "".join(f"<div>{escape(line, quote=False) or '<br>'}</div>" for line in outbound.body_text.splitlines())


def _line(parties: Sequence[Party]) -> str:
    return ",".join(party.address for party in parties)


def _receipt(answer: Answer, draft: str) -> Receipt:
    """What Zoho says became of it. Everything but SUCCESS and FAILED is not known yet."""
    thread = answer.data()
    name, status = str(thread.get("id") or draft), str(thread.get("status") or "")
    if status == "FAILED":
        raise ChannelError(Failure.PERMANENT, "Zoho Desk could not send it.", response="FAILED")
    words = f"thread {name}: {status or 'no status'}"
    return Receipt(name if _is_id(name) else draft, words, is_pending=status != "SUCCESS")


def _is_id(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 30
