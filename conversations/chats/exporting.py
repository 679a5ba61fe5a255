"""One chat, to take along: JSON for machines, Markdown for people."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from conversations import audit
from conversations.chats.sessions import session_of
from conversations.models import AssistantSession, Message, User

Form = Literal["json", "markdown"]
_SPEAKERS = {"user": "You", "assistant": "Assistant", "operator": "A colleague", "system": "Countersign"}


@dataclass(frozen=True, slots=True)
class File:
    name: str
    mime_type: str
    content: str


def export_session(*, session_id: uuid.UUID, actor: User, form: Form) -> File:
    """The person's own chat as a file. That it was taken is in the trail; of what stands in it, nothing is.

    Raises AssistantSession.DoesNotExist (404).
    """
    session = session_of(session_id, actor)
    messages = list(Message.objects.filter(conversation_id=session.conversation_id).shown().in_order())
    audit.record_export(
        account_id=session.account_id,
        actor=actor,
        what="a chat of their own",
        rows=len(messages),
        about=session,
        conversation_id=session.conversation_id,
    )
    stem = f"chat-{session.conversation.started_at:%Y-%m-%d}-{str(session.pk)[-6:]}"
    if form == "json":
        content = json.dumps(_as_data(session, messages), indent=2, ensure_ascii=False) + "\n"
        return File(f"{stem}.json", "application/json", content)
    return File(f"{stem}.md", "text/markdown; charset=utf-8", _as_markdown(session, messages))


def _as_data(session: AssistantSession, messages: list[Message]) -> dict[str, Any]:
    chat = session.conversation
    return {
        "id": str(session.pk),
        "title": chat.title,
        "context": session.context_type,
        "case": str(session.case_id) if session.case_id else None,
        "project": {"kind": session.project_kind, "id": str(session.project_id)} if session.project_id else None,
        "status": session.status,
        "tags": chat.tags,
        "summary": session.context.get("summary", ""),
        "started_at": chat.started_at.isoformat(),
        "closed_at": session.closed_at.isoformat() if session.closed_at else None,
        "average_sentiment": chat.average_sentiment,
        "messages": [
            {
                "seq": message.seq,
                "role": message.role,
                "at": message.received_at.isoformat(),
                "text": message.body_text,
                "erased": message.erased_at is not None,
                "intent": message.intent,
                "confidence": message.confidence,
                "tokens_used": message.tokens_used,
                "model_used": message.model_used,
                "latency_ms": message.latency_ms,
                "metadata": message.metadata,
            }
            for message in messages
        ],
    }


def _as_markdown(session: AssistantSession, messages: list[Message]) -> str:
    """A heading a message. Their text is quoted, so that what stands in it is never taken for what we say."""
    chat = session.conversation
    lines = [f"# {_one_line(chat.title) or 'Chat'}", "", f"Begun {chat.started_at:%Y-%m-%d %H:%M} UTC."]
    if chat.tags:
        lines.append("Tags: " + ", ".join(map(_one_line, chat.tags)) + ".")
    for message in messages:
        lines += ["", f"## {_SPEAKERS[message.role]}, {message.received_at:%Y-%m-%d %H:%M} UTC", ""]
        text = message.body_text if message.erased_at is None else "(removed)"
        lines += [f"> {line}".rstrip() for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
