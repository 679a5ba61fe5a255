"""Rows of the tests, made by the product's own verbs where there is one, each inside its tenant."""

from __future__ import annotations

import itertools
from typing import Any

from allauth.account.models import EmailAddress

from conversations import audit
from conversations.channels.base import Authentication, Inbound, Party
from conversations.messages.envelope import digest
from conversations.messages.inbox import record_inbound
from conversations.models import Account, Channel, Conversation, Delivery, Membership, Message, User
from conversations.tenancy import create_account, tenant_context
from drafts.desk import decisions
from drafts.desk.text import Text, statements_from_json, statements_to_json
from drafts.models import Draft
from drafts.writing.port import Statement
from ingestion.models import InboundEvent

_number = itertools.count(1)


def account(name: str, slug: str) -> Account:
    return create_account(name=name, slug=slug, actor=audit.SYSTEM)


def person(name: str, account: Account, role: str) -> User:
    user = User.objects.create_user(f"{name}@{account.slug}.test", "correct horse", display_name=name.capitalize())
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    with tenant_context(account.pk):
        Membership.objects.create(account=account, user=user, role=role)
    return user


def channel(account: Account, **changes: Any) -> Channel:
    values: dict[str, Any] = {
        "type": "email",
        "provider": "smtp",
        "external_id": f"support@{account.slug}.test",
        "name": f"{account.name} mail",
        "metadata": {"sender_name": f"{account.name} support", "smtp_host": "127.0.0.1", "smtp_security": "none"},
    }
    if changes.get("type", "email") != "email":  # its type's first provider, which has no server
        values |= {"provider": "", "metadata": {"sender_name": f"{account.name} support"}}
    with tenant_context(account.pk):
        return Channel.objects.create(account=account, **{**values, **changes})


#: What a trusted mail server says of mail that is from whom it says.
PROVED = Authentication("pass", "mx.desk.test", spf="pass", dkim="pass", dmarc="pass")
#: And of mail that is not.
FORGED = Authentication("fail", "mx.desk.test", spf="fail", dkim="none", dmarc="fail")


def inbound(text: str = "Does PTFE hose work with E85?", **changes: Any) -> Inbound:
    number = next(_number)
    values: dict[str, Any] = {
        "external_id": f"<{number}@customer.test>",
        "sender": Party("marcus@customer.test", "Marcus Delgado"),
        "body_text": text,
        "body_new": text,
        "subject": "Hose for E85",
    }
    return Inbound(**{**values, **changes})


def message(channel: Channel, text: str = "Does PTFE hose work with E85?", **changes: Any) -> Message:
    with tenant_context(channel.account_id):
        return record_inbound(channel=channel, inbound=inbound(text, **changes))[0]


def reply_to(message: Message, text: str = "And on the return side?", **changes: Any) -> Message:
    """The same customer writes again in the same thread."""
    with tenant_context(message.account_id):
        channel = Channel.objects.get(pk=message.channel_id)
    return _again(channel, message, text, changes)


def _again(channel: Channel, first: Message, text: str, changes: dict[str, Any]) -> Message:
    with tenant_context(first.account_id):
        return record_inbound(
            channel=channel, inbound=inbound(text, **{"references": (first.external_id,), **changes})
        )[0]


def waiting_mail(channel: Channel, status: str = "quarantined", text: str = "Hello", **changes: Any) -> InboundEvent:
    """A mail in quarantine: read up to its sender, and not let in."""
    number = next(_number)
    raw = f"From: pat@customer.test\r\nSubject: Mail {number}\r\n\r\n{text}\r\n".encode()
    values: dict[str, Any] = {
        "external_id": f"sha256:{number}",
        "payload_sha256": f"{number}",
        "payload": raw,
        "size_bytes": len(raw),
        "status": status,
        "sender": "pat@customer.test",
        "subject": f"Mail {number}",
        "detail": "More than 30 mails of this sender within an hour." if status == "quarantined" else "ValueError",
    }
    with tenant_context(channel.account_id):
        return InboundEvent.objects.create(account_id=channel.account_id, channel=channel, **{**values, **changes})


SENTENCE = "PTFE hose is safe with E85."


def draft(message: Message, text: str = f"Hi Marcus,\n\n{SENTENCE}\n\nBest regards", **changes: Any) -> Draft:
    """A pending draft that answers `message`; its one factual sentence is sourced unless `statements` says otherwise."""
    start = text.find(SENTENCE)
    source = "01890000-0000-7000-8000-000000000001"
    statements = [{"start": start, "end": start + len(SENTENCE), "sources": [source]}] if start >= 0 else []
    values: dict[str, Any] = {
        "suggested_text": text,
        "statements": statements,
        "model_key": "offline",
        "prompt_label": "reply-v1",
    }
    values.update(changes)
    with tenant_context(message.account_id):
        judged = Text(values["suggested_text"], statements_from_json(values["statements"]))
        return Draft.objects.create(
            account_id=message.account_id,
            conversation_id=message.conversation_id,
            base_message=message,
            trigger_message=message,
            unsourced_count=judged.unsourced,
            is_about_money=judged.is_about_money,
            **values,
        )


def unsourced(message: Message) -> Draft:
    text = "Hi Marcus,\n\nTighten the ends to 18 ft-lb.\n\nBest regards"
    return draft(message, text, statements=statements_to_json([Statement(12, 41)]))


def seen(draft: Draft) -> decisions.Seen:
    """What a person who has this draft open now sees."""
    with tenant_context(draft.account_id):
        conversation = Conversation.objects.get(pk=draft.conversation_id)
        fresh = Draft.objects.get(pk=draft.pk)
        assert conversation.last_inbound_message_id is not None
        return decisions.Seen(
            fresh.version, conversation.last_inbound_message_id, digest(decisions.envelope_of(conversation, fresh))
        )


def approved(draft: Draft, user: User, **changes: Any) -> Delivery:
    """Approve and return the delivery that now waits."""
    with tenant_context(draft.account_id):
        action = decisions.approve(draft_id=draft.pk, actor=user, seen=seen(draft), **changes)
        return Delivery.objects.get(message_id=action.message_id)
