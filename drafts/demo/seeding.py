"""The Hot Rod AN tenant of seed 004, made by the product's own verbs, so that its history is real. Idempotent."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from conversations import audit
from conversations.channels.base import Inbound, Party
from conversations.database import database_time
from conversations.messages import elsewhere
from conversations.messages.envelope import digest
from conversations.messages.inbox import record_inbound
from conversations.models import Account, Channel, Conversation, Membership, Notification, ServiceToken, User
from conversations.people import addresses, tokens
from conversations.tenancy import account_directory, create_account, tenant_context
from drafts.demo import chats, configuration, practice
from drafts.desk import decisions, editing
from drafts.flow import drafting
from drafts.learning.prompts import BUILT_IN_TEXT
from drafts.models import Draft, PromptVersion, Topic
from drafts.writing.offline import OfflineDrafter
from ingestion import jobs
from ingestion.knowledge.embed import get_remembering_embedder
from ingestion.knowledge.index import index_document
from ingestion.models import JobRun, SourceDocument

HERE = Path(__file__).resolve().parent
SLUG, ADDRESS, SITE = "hot-rod-an", "support@hotrodan.example", "https://hotrodan.example/help"
PEOPLE = (
    ("tess@hotrodan.example", "Tess Novak", "reviewer"),
    ("joel@hotrodan.example", "Joel Park", "agent"),
    ("mina@hotrodan.example", "Mina Alvarez", "admin"),
    ("ava@hotrodan.example", "Ava Lindqvist", "auditor"),
)
CHANNELS: tuple[dict[str, Any], ...] = (
    {
        "type": "email",
        "provider": "smtp",
        "external_id": ADDRESS,
        "name": "Email via Zoho",
        "metadata": {"address": ADDRESS, "sender_name": "Hot Rod AN", "smtp_host": "smtp.zoho.example", "due_minutes": 120},
    },
    {
        "type": "chat",
        "provider": "intercom",
        "external_id": "intercom-hotrodan",
        "name": "Chat via Intercom",
        "metadata": {"due_minutes": 60, "admin_id": "4711"},
        "credentials": "intercom-demo",
        "incoming_credentials": "demo-client-secret",
    },
    {
        "type": "shopify",
        "provider": "shopify",
        "external_id": "hotrodan.myshopify.example",
        "name": "Shopify comments",
        "metadata": {"shop": "hotrodan", "author": "Hot Rod AN", "address": ADDRESS, "people": "joel@hotrodan.example"},
        "credentials": "shopify-demo",
    },
    {
        "type": "slack",
        "provider": "slack",
        "external_id": "T0HOTROD",
        "name": "Slack, dealers",
        "metadata": {"rooms": "C0DEALERS", "people": "U0JOEL"},
        "credentials": "xoxb-demo",
        "incoming_credentials": "demo-signing-secret",
    },
    {
        "type": "zoho",
        "provider": "zoho",
        "external_id": "wholesale@hotrodan.example",
        "name": "Zoho Desk, wholesale",
        "metadata": {"organisation": "2389290", "client_id": "1000.DEMO"},
        "client_secret": "zoho-demo",
        "refresh_token": "zoho-demo",
    },
)  # fmt: skip
#: How a vendor names the n-th thread, which somebody began, and its m-th message.
THREADS: dict[str, Callable[[int, str], str]] = {
    "intercom": lambda thread, who: str(21500 + thread),
    "shopify": lambda thread, who: f"700/{9000 + thread}/{who}",
    "slack": lambda thread, who: f"C0DEALERS:17900{thread:05}.000001",
}
MESSAGES: dict[str, Callable[[int, int], str]] = {
    "intercom": lambda thread, message: f"{21500 + thread}:{message if message > 1 else 'source'}",
    "shopify": lambda thread, message: str(51000 + 100 * thread + message),
    "slack": lambda thread, message: f"C0DEALERS:17900{thread:05}.{message:06}",
}
#: Minutes until the first threads are due; the later ones follow a quarter of an hour apart.
DUE_IN = (4, 9, 38, 41, 55, 64, 80, 108)
Say = Callable[[str], None]


def seed(*, password: str, say: Say) -> Account:
    """Make what is missing and leave the rest as it is; `say` hears one line for each part."""
    account = _account()
    with tenant_context(account.pk):
        _people(account, password)
        channels = _channels(account)
        _prompt(account)
        _topics(account)
    _platform_operator(password)
    say(f"{account.name}: {len(PEOPLE)} people, {len(channels)} channels (password of all: {password})")
    say(f"{_documents(account)} source documents indexed")
    new = _conversations(account, channels)
    say(f"{len(new)} conversations received and drafted for")
    with tenant_context(account.pk):
        _decisions(account, new)
        _operations(account)
    say(f"{chats.seed(account)} chats with the assistant")
    say(f"{practice.seed(account)} scenarios to practise with")
    with tenant_context(account.pk):
        configuration.seed(account, keeper="mina@hotrodan.example")
    _second_tenant(password)
    return account


def _account() -> Account:
    known = next((entry for entry in account_directory() if entry["slug"] == SLUG), None)
    if known is None:
        return create_account(name="Hot Rod AN", slug=SLUG, actor=audit.SYSTEM, timezone="America/New_York")
    with tenant_context(known["id"]):
        return Account.objects.get(pk=known["id"])


def _person(email: str, name: str, password: str, **flags: Any) -> User:
    """Somebody whose address is proven, because whoever makes the demo has the shell."""
    known = addresses.namesakes(email)
    user = known[0] if known else User.objects.create_user(email, password, display_name=name, **flags)
    addresses.prove(user, email)
    return user


def _people(account: Account, password: str) -> None:
    for email, name, role in PEOPLE:
        user = _person(email, name, password)
        _, created = Membership.objects.get_or_create(account=account, user=user, defaults={"role": role})
        if created:
            data = {"person": name, "role": role}
            audit.record(audit.Kind.MEMBER_CHANGED, actor=audit.SYSTEM, about=user, account=account, data=data)


def _platform_operator(password: str) -> None:
    _person("root@countersign.example", "Platform operator", password, is_staff=True, is_superuser=True)


def _channels(account: Account) -> dict[str, Channel]:
    found = {}
    for values in CHANNELS:
        found[values["type"]], _ = Channel.objects.get_or_create(
            account=account, type=values["type"], external_id=values["external_id"], defaults=values
        )
    return found


def _prompt(account: Account) -> None:
    if not PromptVersion.objects.filter(key="reply").exists():
        PromptVersion.objects.create(
            account=account, key="reply", version=1, text=BUILT_IN_TEXT, status=PromptVersion.Status.ACTIVE
        )


def _topics(account: Account) -> None:
    """The shop's trade is the shop's own."""
    for name, words in json.loads((HERE / "topics.json").read_text()).items():
        Topic.objects.get_or_create(account=account, name=name, defaults={"words": words})


def _documents(account: Account) -> int:
    files = sorted((HERE / "knowledge").glob("*.md"))
    with tenant_context(account.pk):
        known = set(SourceDocument.objects.values_list("source_url", flat=True))
        job = None
        if len(known) < len(files):
            job = jobs.start_job(account_id=account.pk, type=JobRun.Type.CRAWL, total=len(files), unit="pages")
    for number, file in enumerate(files, 1):
        text = file.read_text()
        title = text.partition("\n")[0].lstrip("# ").strip()
        index_document(account_id=account.pk, source_url=f"{SITE}/{file.stem}", title=title, text=text, metadata={"kind": "help page"})  # fmt: skip
        if job:
            with tenant_context(account.pk):
                jobs.progress(job, done=number)
    if job:
        with tenant_context(account.pk):
            jobs.finish_job(job, metrics={"pages": len(files), "changed": len(files), "errors": 0})
    return len(files)


def _conversations(account: Account, channels: dict[str, Channel]) -> list[tuple[dict[str, Any], uuid.UUID]]:
    """Receive the threads that are not there yet, oldest first, and write a draft for each. Returns the new ones.

    By the offline drafter, whatever is set: a model would take minutes and money for what is the same in every demo.
    """
    drafter = OfflineDrafter(embedder=get_remembering_embedder())
    threads = json.loads((HERE / "conversations.json").read_text())
    # Mail first: it is what this desk can send, so it is what a newcomer decides first.
    threads.sort(key=lambda thread: thread["channel"] != "email")
    new = []
    for number, thread in enumerate(threads, 1):
        channel = channels[thread["channel"]]
        with tenant_context(account.pk):
            conversation_id, created = _thread(channel, number, thread)
        if created:
            drafting.write_draft(account_id=account.pk, conversation_id=conversation_id, drafter=drafter)
            new.append((thread, conversation_id))
    return new


def account_minutes(channel: Channel) -> int:
    return channel.account.options.due_minutes


def _thread(channel: Channel, number: int, thread: dict[str, Any]) -> tuple[uuid.UUID, bool]:
    sender = Party(thread["customer_email"], thread["customer_name"])
    due = database_time.now() + timedelta(minutes=DUE_IN[number - 1] if number <= len(DUE_IN) else 15 * number)
    arrived = due - timedelta(minutes=channel.options.due_minutes or account_minutes(channel))
    conversation: Conversation | None = None
    created = False

    def name_of(position: int) -> str:
        given = MESSAGES.get(channel.provider)
        return given(number, position) if given else f"<demo-{number}-{position}@{sender.address.rpartition('@')[2]}>"

    first = name_of(1)
    named = THREADS.get(channel.provider)
    place = "" if not channel.provided_by.threads else named(number, sender.address) if named else f"demo-{number}"
    for position, message in enumerate(thread["messages"], 1):
        at = arrived - timedelta(hours=20 * (len(thread["messages"]) - position))
        name = name_of(position)
        if message["direction"] == "outbound" and conversation:
            elsewhere.record_answer(
                conversation=conversation,
                external_id=name,
                body_text=message["text"],
                actor=audit.SYSTEM,
                sent_at=at,
            )
            continue
        stored, created = record_inbound(
            channel=channel,
            inbound=Inbound(
                external_id=name,
                sender=sender,
                subject=thread["subject"],
                body_text=message["text"],
                body_new=message["text"],
                sent_at=at,
                references=(first,) if position > 1 else (),
                thread_id=place,
            ),
        )
        conversation = Conversation.objects.get(pk=stored.conversation_id)
    assert conversation is not None
    if created:
        Conversation.objects.filter(pk=conversation.pk, status=Conversation.Status.OPEN).update(due_at=due)
    return conversation.pk, created


def _seen(draft: Draft) -> decisions.Seen:
    conversation = Conversation.objects.get(pk=draft.conversation_id)
    assert conversation.last_inbound_message_id is not None
    envelope = digest(decisions.envelope_of(conversation, draft))
    return decisions.Seen(draft.version, conversation.last_inbound_message_id, envelope)


def _decisions(account: Account, new: list[tuple[dict[str, Any], uuid.UUID]]) -> None:
    """Some of the new threads are decided already, as on any working day; the worker then delivers what was approved."""
    if not new:
        return
    tess = User.objects.with_address("tess@hotrodan.example").get()
    joel = User.objects.with_address("joel@hotrodan.example").get()
    mail = [entry[1] for entry in new if entry[0]["channel"] == "email" and entry[0].get("answered_by")]
    drafts = {draft.conversation_id: draft for draft in Draft.objects.pending()}
    ready = [drafts[key] for key in mail if key in drafts and not drafts[key].is_about_money and drafts[key].statements]
    looked = decisions.Attention(viewed_ms=24_000, sources_opened=1, pressed_twice=True)
    if len(ready) < 4:
        return
    plain, edited, rejected = ready[-1], ready[-2], ready[-3]
    decisions.approve(draft_id=plain.pk, actor=tess, seen=_seen(plain), attention=looked)
    text = edited.suggested_text.replace("Hi ", "Hello ", 1)
    decisions.approve(
        draft_id=edited.pk, actor=tess, seen=_seen(edited), final_text=text, reasons=["tone"], attention=looked
    )
    decisions.reject(
        draft_id=rejected.pk,
        actor=joel,
        seen=_seen(rejected),
        reasons=["missing_detail"],
        notes="Ask for the part number first.",
        attention=looked,
    )
    chats = [drafts[key] for thread, key in new if thread["channel"] != "email" and key in drafts]
    if chats:
        editing.claim(draft_id=chats[len(chats) // 2].pk, actor=joel)
        decisions.answered_elsewhere(draft_id=chats[-1].pk, actor=tess, seen=_seen(chats[-1]))


def _operations(account: Account) -> None:
    if not Notification.objects.exists():
        pending = Draft.objects.in_queue().due_first().select_related("conversation").first()
        if pending:
            Notification.objects.create(
                account=account,
                type=Notification.Type.DRAFT_READY,
                payload={
                    "draft": str(pending.pk),
                    "conversation": str(pending.conversation_id),
                    "customer": pending.conversation.customer,
                },
            )
    if not ServiceToken.objects.exists():
        tokens.issue(account=account, name="Zoho sync service", scopes=tokens.Scope.values, actor=audit.SYSTEM)


def _second_tenant(password: str) -> None:
    """A neighbour, so that isolation and the tenant menu can be seen: Mina works in both."""
    if any(entry["slug"] == "bay-marine" for entry in account_directory()):
        return
    account = create_account(name="Bay Marine Supply", slug="bay-marine", actor=audit.SYSTEM)
    with tenant_context(account.pk):
        mina = User.objects.with_address("mina@hotrodan.example").get()
        Membership.objects.create(account=account, user=mina, role="admin")
        channel = Channel.objects.create(
            account=account,
            type="email",
            provider="smtp",
            external_id="help@baymarine.example",
            name="Email",
            metadata={
                "address": "help@baymarine.example",
                "sender_name": "Bay Marine",
                "smtp_host": "smtp.baymarine.example",
            },
        )
        record_inbound(
            channel=channel,
            inbound=Inbound(
                external_id="<bay-1@example.org>",
                sender=Party("olav@example.org", "Olav Brekke"),
                subject="Bilge pump size",
                body_text="Which bilge pump do I need for a 28 foot sloop?",
                body_new="Which bilge pump do I need for a 28 foot sloop?",
            ),
        )
