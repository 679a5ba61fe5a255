"""To whom a reply would go, under which subject and with which files: frozen and hashed before anybody decides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from conversations.models import Attachment, Channel, Conversation, Message


def reply_envelope(
    conversation: Conversation, channel: Channel, base: Message, attachments: Sequence[Attachment] = ()
) -> dict[str, Any]:
    """The envelope of a reply to `base`: only its sender (or their Reply-To) is addressed, never a silent copy."""
    details = base.details
    references = [*reversed(details.source.get("references", [])), base.external_id]
    subject = base.subject or conversation.subject
    return {
        "sender": {"address": channel.options.address or channel.external_id, "name": channel.options.sender_name},
        "to": [{"address": details.reply_to or details.sender or conversation.customer_email, "name": conversation.customer_name}],
        "cc": [],
        "subject": subject if subject[:3].lower() == "re:" else f"Re: {subject}".strip(),
        "in_reply_to": base.external_id if "@" in base.external_id else "",
        "references": [reference for reference in references if "@" in reference][-20:],
        "files": [{"name": file.file_name, "sha256": file.sha256, "key": file.storage_key} for file in attachments],
    }  # fmt: skip


def digest(envelope: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON (RFC 8785 in spirit: sorted keys, no spaces, UTF-8)."""
    text = json.dumps(envelope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
