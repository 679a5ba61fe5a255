"""What drafts do when something happens below them, in that thing's own transaction and under the conversation's lock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from conversations import audit
from conversations.channels.base import Author, Event, EventKind
from conversations.database import database_time
from conversations.database.compiled import Compiled
from conversations.jobs import wake
from conversations.messages import outbox, owing
from conversations.models import Conversation, Delivery, Message, Notification, Watcher
from drafts.desk import life, notify
from drafts.desk.check_drafts import WRITE_TASK
from drafts.desk.editing import retire
from drafts.learning import samples
from drafts.models import Draft, Hold

_NOT_YET_SENT = [Delivery.Status.HELD, Delivery.Status.QUEUED]


def customer_wrote(conversation: Conversation, message: Message) -> None:
    """A newer inbound makes the live draft stale, brings a held approval back, and asks for a new draft.

    An automatic message asks for no answer and changes nothing. A burst asks once: one waiting job per conversation.
    """
    if message.is_automatic:
        return
    [ends] = _ends(conversation=conversation.pk, now=database_time.now())
    if ends["draft"]:
        _retire(conversation)
    if ends["delivery"]:
        _take_back(conversation, Draft.Status.STALE, "the customer wrote again before it left")
    if ends["hold"]:
        Hold.objects.filter(conversation=conversation, lease_until__lte=database_time.now()).delete()
    if ends["watched"]:
        notify.watchers(conversation, "the customer wrote")
    wait = conversation.account.options.draft_burst_seconds
    wake(
        WRITE_TASK,
        at=database_time.now() + timedelta(seconds=wait) if wait else None,
        once=f"write:{conversation.pk}",
        queue="drafts",
        account_id=conversation.account_id,
        conversation_id=conversation.pk,
    )


@Compiled
def _ends(given: Any) -> QuerySet[Conversation, Any]:
    """What a new message ends, and whether anybody watches. Most conversations have nothing of it, and are asked once."""
    of = OuterRef("pk")
    not_sent = Delivery.objects.filter(conversation=of, status__in=_NOT_YET_SENT, draft_id__isnull=False)
    return Conversation.objects.filter(pk=given.conversation).values(
        draft=Exists(Draft.objects.filter(conversation=of).pending()),
        delivery=Exists(not_sent),
        watched=Exists(Watcher.objects.filter(conversation=of)),
        hold=Exists(Hold.objects.filter(conversation=of, lease_until__lte=given.now)),
    )


def _retire(conversation: Conversation) -> None:
    for draft in Draft.objects.filter(conversation=conversation).pending():
        retire(draft, Draft.Status.STALE, reason="the customer wrote again")


def _take_back(conversation: Conversation, to: Draft.Status, reason: str) -> None:
    """An approval that has not left would answer what is answered or old: it does not leave, and who approved it is told."""
    for delivery in Delivery.objects.select_for_update(of=("self",)).filter(
        conversation=conversation, status__in=_NOT_YET_SENT, draft_id__isnull=False
    ):
        delivery.conversation = conversation
        outbox.cancel(delivery=delivery, actor=audit.SYSTEM, reason=reason)
        draft = Draft.objects.select_for_update(of=("self",)).get(pk=str(delivery.draft_id))
        samples.drop_samples(draft=draft)
        retire(draft, to, reason=reason)
        Notification.objects.create(
            account_id=draft.account_id,
            user_id=delivery.approved_by_id,
            type=Notification.Type.CAME_BACK,
            payload={
                "draft": str(draft.pk),
                "conversation": str(conversation.pk),
                "customer": conversation.customer,
                "why": reason,
            },
        )


def answered_elsewhere(conversation: Conversation) -> None:
    """Somebody answered outside of this desk: the draft that waits, or the reply that has not left, would be a second answer."""
    for draft in Draft.objects.filter(conversation=conversation).pending():
        retire(draft, Draft.Status.ANSWERED_ELSEWHERE, reason="somebody answered outside of this desk")
    _take_back(conversation, Draft.Status.ANSWERED_ELSEWHERE, "somebody answered outside of this desk before it left")


def status_there(conversation: Conversation, event: Event) -> str:
    """Somebody closed the thread at the vendor, or opened it again: it is so here too. Who is owed something is let go only
    where a person of ours closed it, and nobody is at work on it here (promise 10)."""
    if event.kind == EventKind.OPENED:
        if conversation.status != Conversation.Status.CLOSED or conversation.archived_at:
            return "it is open here"
        life.reopen_here(conversation, actor=audit.SYSTEM)
        return "reopened"
    if conversation.status == Conversation.Status.CLOSED:
        return "closed before"
    if Hold.objects.filter(conversation=conversation, lease_until__gt=database_time.now()).exists():
        return "somebody is working on it here"
    is_leaving = conversation.owed == Conversation.Owed.LEAVING
    if conversation.owed and not is_leaving and event.author == Author.CUSTOMER:
        return "something is owed here, and no person of ours closed it there"
    draft = Draft.objects.select_for_update(of=("self",)).filter(conversation=conversation).pending().first()
    # While a reply leaves, it is that reply that answers: if it does not arrive, the customer is owed one as before.
    reason = "" if is_leaving else Conversation.Outcome.CLOSED_THERE
    life.close_here(conversation, draft, actor=audit.SYSTEM, reason=reason)
    return "closed"


def delivery_moved(delivery: Delivery) -> None:
    """A draft is `sent` when its delivery is. One whose delivery was given up stays approved, with that in its trail.

    A reply that somebody began meanwhile keeps its conversation open.
    """
    if delivery.draft_id and delivery.status == Delivery.Status.SENT:
        draft = Draft.objects.select_for_update(of=("self",)).get(pk=delivery.draft_id)
        if draft.status == Draft.Status.APPROVED:
            draft.status = Draft.Status.SENT
            draft.save(update_fields=["status", "updated_at"])
    conversation = delivery.conversation
    waiting = Draft.objects.filter(conversation=conversation).pending()
    if conversation.status != Conversation.Status.OPEN and waiting.exists():
        owing.begin(conversation)
        conversation.save(update_fields=owing.FIELDS)
    # A reply that left woke the conversation; what was begun sleeps no longer than it.
    if delivery.status == Delivery.Status.SENT:
        waiting.exclude(snoozed_until=conversation.snoozed_until).update(snoozed_until=conversation.snoozed_until)
