"""What an assistant may look up, always as the person who asks, in transactions that can change nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse

from conversations import audit
from conversations.chats.finding import by_words
from conversations.chats.listing import chats_of, these
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.models import Account, AuditEvent, Conversation, Message, User
from conversations.people.roles import Policy, Verb, check, role_of
from conversations.tenancy import tenant_context
from drafts.assistant.actions import PROPOSED, parse, scope_of, tool_of
from drafts.assistant.port import AtDesk, Case, Offer, OnFile, Past, Waiting
from drafts.assistant.tools import tools_for
from drafts.configuration import documents, following
from drafts.queue.around import COUNT_CAP
from drafts.queue.rows import Filters, waiting
from drafts.writing.port import Source
from drafts.writing.retrieval import find_sources
from ingestion.knowledge.embed import Embedder, EmbedderDown
from ingestion.knowledge.words import overlap, rarity, terms

LOOKED_AT = 400  # the newest closed conversations
LOOKED_BACK = 2000  # events of the trail, for who changed a setting
SHORTLIST = 24  # of them, by words; these are compared by meaning
MOST = 3
BY_WORDS, BY_MEANING = 0.25, 0.45  # less is not alike


@dataclass(frozen=True, slots=True)
class Library:
    """Implements ``port.Toolbox``."""

    account_id: uuid.UUID
    person: User
    context: str
    case_id: uuid.UUID | None
    zone: ZoneInfo
    embedder: Embedder | None

    @contextmanager
    def _looking(self) -> Iterator[None]:
        with tenant_context(self.account_id, person=self.person.pk, read_only=True):
            yield

    def sources(self, text: str) -> tuple[tuple[Source, ...], Any]:
        found, findings, _ = find_sources(account_id=self.account_id, text=text)
        return found, findings.recogniser

    def offers(self) -> list[Offer]:
        return [Offer(tool.name, tool.about, tool.args.model_json_schema()) for tool in tools_for(self.context)]

    def on_file(self) -> OnFile | None:
        with self._looking():
            account, newest = Account.objects.get(pk=self.account_id), documents.current(self.account_id)
            if newest is None or not Policy.of(account).answer(role_of(self.person, account.pk), Verb.READ).allowed:
                return None
            if not scope_of(actor=self.person, account_id=self.account_id, case_id=None).channels.is_all:
                return None  # it names every channel
            _, comparison = documents.difference(account, newest)
            stuck = {one.path: why for one in comparison.differences if (why := following.why_not(account, one))}
        return OnFile(newest.number, comparison, stuck)

    def last_change(self, setting: str) -> str:
        with self._looking():
            newest = AuditEvent.objects.filter(account_id=self.account_id).order_by("-id")[:LOOKED_BACK]
            wanted = setting.replace("_", " ")
            last = next(
                (
                    (who, at)
                    for kind, data, who, at in newest.values_list("kind", "data", "actor_name", "created_at")
                    if kind == audit.Kind.ACCOUNT_CHANGED and wanted in str(data.get("fields", "")).split(", ")
                ),
                None,
            )
        return f"{last[0]}, {last[1].astimezone(self.zone):%-d %b %Y}" if last else ""

    def problem(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """As proposing it would refuse it, before anything is stored."""
        try:
            with self._looking():
                found = tool_of(tool, self.context)
                scope = scope_of(actor=self.person, account_id=self.account_id, case_id=self.case_id)
                check(self.person, found.proposed_by or found.verb, account_id=self.account_id, kind=PROPOSED)
                found.check(scope, parse(found, arguments))
        except (Refusal, PermissionDenied) as refusal:
            return str(refusal)
        except Conversation.DoesNotExist:
            return "You do not see that conversation."
        return ""

    def own_chats(self, text: str) -> list[tuple[str, str, str]]:
        with self._looking():
            rows = these(chats_of(self.person, self.account_id), by_words(text), size=5)
        return [(reverse("conversations:chat", args=[row["session"]]), row["title"] or "Chat", row["last_line"] or "") for row in rows]  # fmt: skip

    def at_desk(self) -> AtDesk:
        with self._looking():
            seen = scope_of(actor=self.person, account_id=self.account_id, case_id=None).channels
            drafts, mine = (waiting(Filters(show, sort="oldest"), self.person.pk, seen) for show in ("", "mine"))
            owed = Conversation.objects.of_customers().within(seen).owed().order_by("due_at", "pk")
            late = owed.filter(due_at__lt=Now())
            waits, yours, owes, overdue = (
                len(each.values_list("pk")[:COUNT_CAP]) for each in (drafts, mine, owed, late)
            )
            first = [
                self._waits(one.conversation, since=one.created_at)
                for one in drafts.select_related("conversation")[:MOST]
            ]
            first += [self._waits(one, due=one.due_at) for one in owed[:MOST]]
        return AtDesk(waits, yours, owes, overdue, first)

    def _waits(self, one: Conversation, *, since: datetime | None = None, due: datetime | None = None) -> Waiting:
        return Waiting(
            id=one.pk, number=one.number or 0, subject=one.subject or one.title, customer=one.customer_name or one.customer_email,
            since=f"{since.astimezone(self.zone):%-d %b %H:%M}" if since else "",
            due=f"{due.astimezone(self.zone):%-d %b %H:%M}" if due else "",
            is_late=due is not None and due < database_time.now(),
        )  # fmt: skip

    def similar(self, text: str, case: Case | None) -> list[Past]:
        """Closed conversations that asked the like and were answered: by their words, then, of the best, by their meaning."""
        with self._looking():
            scope = scope_of(actor=self.person, account_id=self.account_id, case_id=self.case_id)
            closed = Conversation.objects.of_customers().closed().within(scope.channels)
            if case:
                closed = closed.exclude(Q(pk=case.id) | Q(merged_into=case.id))
            asked = {
                one.pk: f"{one.subject}\n{one.last_inbound_message.body_new or one.last_inbound_message.body_text}"
                for one in closed.filter(last_inbound_message__erased_at__isnull=True)
                .exclude(last_inbound_message=None)
                .select_related("last_inbound_message")
                .order_by("-last_message_at", "-id")[:LOOKED_AT]
                if one.last_inbound_message
            }
        best = self._alike(text, asked)
        with self._looking():
            return [past for pk in best if (past := self._past(pk))][:MOST]

    def _alike(self, text: str, asked: Mapping[uuid.UUID, str]) -> list[uuid.UUID]:
        words = {pk: terms(said) for pk, said in asked.items()}
        weights, wanted = rarity(list(words.values())), set(terms(text))
        by_word = {pk: overlap(said, wanted, weights) for pk, said in words.items()}
        ranked = sorted(by_word, key=lambda pk: (-by_word[pk], str(pk)))[:SHORTLIST]
        if self.embedder is not None and ranked:
            try:
                own, *others = self.embedder.embed([text[:2000], *(asked[pk][:2000] for pk in ranked)])
            except EmbedderDown:
                pass
            else:
                near = {pk: sum(a * b for a, b in zip(own, one, strict=True)) for pk, one in zip(ranked, others, strict=True)}  # fmt: skip
                alike = [pk for pk in ranked if near[pk] >= BY_MEANING]
                return sorted(alike, key=lambda pk: (-(near[pk] + by_word[pk]), str(pk)))
        return [pk for pk in ranked if by_word[pk] >= BY_WORDS]

    def _past(self, pk: uuid.UUID) -> Past | None:
        ours = Message.objects.filter(conversation=pk, direction="outbound", erased_at__isnull=True).shown()
        reply = ours.select_related("conversation").order_by("-seq").first()
        if reply is None:
            return None
        one = reply.conversation
        closed = one.completed_at or reply.received_at
        return Past(
            id=pk, number=one.number or 0, subject=one.subject, customer=one.customer,
            closed=f"{closed.astimezone(self.zone):%-d %b %Y}", reply=reply.body_new or reply.body_text, reply_id=reply.pk,
        )  # fmt: skip
