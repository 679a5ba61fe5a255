"""Rows of the tests, made by the product's own verbs where there is one, each inside its tenant."""

from __future__ import annotations

import itertools
from typing import Any

from allauth.account.models import EmailAddress

from conversations import audit
from conversations.channels.base import Authentication, File, Inbound, Party
from conversations.chats import sessions
from conversations.messages import files
from conversations.messages.envelope import digest
from conversations.messages.inbox import record_inbound
from conversations.models import (
    Account,
    AssistantSession,
    Attachment,
    Channel,
    Conversation,
    ConversationTag,
    Delivery,
    Membership,
    Message,
    ProposedAction,
    Tag,
    User,
)
from conversations.tenancy import create_account, tenant_context
from drafts.assistant.actions import propose
from drafts.assistant.deciding import Pressed
from drafts.desk import decisions
from drafts.desk.text import Text, statements_from_json, statements_to_json
from drafts.models import Draft, PracticeTurn, Scenario, ScoreCard
from drafts.practice import drafting as practice_drafting
from drafts.practice import talks
from drafts.practice.scenarios import Script, set_ready, write_scenario
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


def sent(message: Message, text: str) -> Message:
    """What we answered to it, long since delivered."""
    with tenant_context(message.account_id):
        return Message.objects.create(
            account_id=message.account_id, conversation_id=message.conversation_id, channel_id=message.channel_id,
            direction=Message.Direction.OUTBOUND, role=Message.Role.OPERATOR, body_text=text,
        )  # fmt: skip


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


def attached(draft: Draft, name: str, content: bytes = b"%PDF sizes", kind: str = "application/pdf") -> Attachment:
    """A file that leaves with the draft's reply."""
    with tenant_context(draft.account_id):
        row = files.row_for(draft.account_id, File(name, kind, content), draft_id=draft.pk)
        row.save()
    return row


def unsourced(message: Message) -> Draft:
    text = "Hi Marcus,\n\nTighten the ends to 18 ft-lb.\n\nBest regards"
    return draft(message, text, statements=statements_to_json([Statement(12, 41)]))


def seen(draft: Draft) -> decisions.Seen:
    """What a person who has this draft open now sees."""
    with tenant_context(draft.account_id):
        conversation = Conversation.objects.get(pk=draft.conversation_id)
        fresh = Draft.objects.get(pk=draft.pk)
        return decisions.Seen(
            fresh.version, conversation.last_inbound_message_id, digest(decisions.envelope_of(conversation, fresh))
        )


def chat(account: Account, person: User, *texts: str, **about: Any) -> AssistantSession:
    """A person's own chat, with what they said in it."""
    with tenant_context(account.pk, person=person.pk):
        session, _ = sessions.start_session(actor=person, account_id=account.pk, **about)
        for text in texts:
            sessions.post(session_id=session.pk, actor=person, text=text, request_id="")
    return session


ROSA: dict[str, Any] = {
    "title": "Rosa wants her money back",
    "persona_name": "Rosa Delmonte",
    "persona": "Restores a truck with her father.",
    "subject": "Returns",
    "opening": "How long can unused fittings be returned?",
    "facts": [
        {"key": "order number, which order", "sentence": "It is HRA-21950."},
        {"key": "which hose, hose", "sentence": "The hose says PTFE -6."},
    ],
    "goal": "within 30 days",
    "patience": 3,
    "rubric": [
        {"kind": "asks_for", "text": "order number", "weight": 20},
        {"kind": "says", "text": "30 days", "weight": 30},
        {"kind": "no_promise", "text": "refund", "weight": 20},
        {"kind": "greets", "weight": 10},
        {"kind": "resolves", "weight": 20},
    ],
}


def scenario(account: Account, admin: User, *, ready: bool = True, **changes: Any) -> Scenario:
    """A customer to practise with."""
    with tenant_context(account.pk, person=admin.pk):
        script = Script(**{**ROSA, **changes})
        new = write_scenario(actor=admin, account_id=account.pk, script=script)
        return set_ready(scenario_id=new.pk, actor=admin, account_id=account.pk) if ready else new


class Practice:
    """One person's practice: `draft` lets a worker write, `answer` gives the persona a reply."""

    def __init__(self, scenario: Scenario, person: User, *, drafter: Any = None) -> None:
        self.scenario, self.person, self.drafter = scenario, person, drafter
        with self.as_person():
            self.session, self.is_new = talks.start_practice(
                actor=person, account_id=scenario.account_id, scenario_id=scenario.pk
            )

    def as_person(self) -> Any:
        return tenant_context(self.scenario.account_id, person=self.person.pk)

    @property
    def turn(self) -> PracticeTurn:
        with self.as_person():
            return PracticeTurn.objects.filter(session=self.session).latest("number")

    def draft(self) -> PracticeTurn:
        ids = {"account_id": self.scenario.account_id, "person_id": self.person.pk, "turn_id": self.turn.pk}
        practice_drafting.write(**ids, drafter=self.drafter)
        return self.turn

    def answer(self, text: str, **more: Any) -> PracticeTurn:
        turn = self.draft()
        with self.as_person():
            return talks.answer(turn_id=turn.pk, actor=self.person, text=text, **more)

    def said(self) -> list[str]:
        """What the persona said so far."""
        with self.as_person():
            theirs = Message.objects.filter(conversation=self.session.conversation_id, role="assistant")
            return list(theirs.order_by("seq").values_list("body_text", flat=True))

    def end(self) -> ScoreCard | None:
        with self.as_person():
            return talks.end_practice(session_id=self.session.pk, actor=self.person)

    def card(self) -> ScoreCard:
        with self.as_person():
            return ScoreCard.objects.get(session=self.session)


def proposed(case: Conversation, person: User, tool: str, arguments: dict[str, Any], **more: Any) -> ProposedAction:
    """What the assistant proposed to this person in their chat about a case."""
    with tenant_context(case.account_id):
        account = Account.objects.get(pk=case.account_id)
    session = chat(account, person, "Please do that.", context="case", case=case.pk)
    with tenant_context(case.account_id, person=person.pk):
        return proposed_in(session, person, tool, arguments, **more)


def proposed_in(
    session: AssistantSession, person: User, tool: str, arguments: dict[str, Any], **more: Any
) -> ProposedAction:
    """The same under the newest message of this chat; the caller names the person."""
    message = Message.objects.filter(conversation=session.conversation_id).latest("seq")
    return propose(session=session, message=message, actor=person, tool=tool, arguments=arguments, **more)


def pressed(action: ProposedAction, **changes: Any) -> Pressed:
    """A press of the button on this card, as it was shown."""
    return Pressed(
        **{"arguments_sha256": action.arguments_sha256, "precondition_sha256": action.precondition_sha256, **changes}
    )


def approved(draft: Draft, user: User, **changes: Any) -> Delivery:
    """Approve and return the delivery that now waits."""
    with tenant_context(draft.account_id):
        action = decisions.approve(draft_id=draft.pk, actor=user, seen=seen(draft), **changes)
        return Delivery.objects.get(message_id=action.message_id)


def tagged(message: Message, name: str, **values: Any) -> Tag:
    """A tag of the account, on the message's conversation."""
    with tenant_context(message.account_id):
        tag, _ = Tag.objects.get_or_create(account_id=message.account_id, name=name, defaults=values)
        ConversationTag.objects.create(account_id=message.account_id, conversation_id=message.conversation_id, tag=tag)
    return tag
