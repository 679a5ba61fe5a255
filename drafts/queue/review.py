"""Drafts with all that the review pane shows: by their ids, or the next of the queue."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, JSONObject, Now

from conversations.customers import known
from conversations.database.arrays import any_of
from conversations.database.compiled import Compiled
from conversations.models import Attachment, ChannelHealth, Conversation, Message, Note, RelatedConversation, User
from conversations.views.notes import FIELDS as NOTE_FIELDS
from conversations.visible import Visible
from drafts.models import Draft, DraftAction, DraftRevision, Hold
from drafts.models.files import own_files
from drafts.queue.rows import SORTS, Filters, person_values, visible_of, visible_values, waiting_for

RELATED = 5  # conversations that may be related, named with a draft
THREAD = 30  # newest messages shown with a draft; the rest are on the conversation's page


def panes(draft_ids: Sequence[uuid.UUID | str], within: Visible) -> list[Draft]:
    """The drafts, in the order asked for, with all that the review pane shows: one statement for any number of them.

    Each carries `thread` (the newest messages with their files, newest first), `revision` (the person's saved text of
    the draft's version), `own_files`, `holder` (a live hold), `last_act`, `known` (the customer) and `notes` (newest first), all as
    plain JSON values.
    """
    wanted = [uuid.UUID(str(pk)) for pk in draft_ids]
    by_id = {draft.pk: draft for draft in _panes(ids=wanted, **visible_values(within))} if wanted else {}
    return [by_id[pk] for pk in wanted if pk in by_id]


@Compiled
def _panes(given: Any) -> QuerySet[Draft]:
    return _with_panes(Draft.objects.within(visible_of(given)).filter(pk__in=given.ids), visible_of(given))


def _with_panes(drafts: QuerySet[Draft], within: Visible) -> QuerySet[Draft]:
    attachments = JSONObject(id="id", name="file_name", size="size_bytes", inline="is_inline", verdict="verdict")
    thread = (
        Message.objects.shown()
        .filter(conversation=OuterRef("conversation"))
        .order_by("-seq")[:THREAD]
        .values(
            json=JSONObject(
                id="id",
                direction="direction",
                role="role",
                text="body_text",
                new="body_new",
                has_html=~Q(body_html=""),
                sent_at="sent_at",
                arrived="received_at",
                is_automatic="is_automatic",
                erased_at="erased_at",
                sender=F("metadata__sender"),
                sender_name=F("metadata__sender_name"),
                reply_to=F("metadata__reply_to"),
                answer_to=F("metadata__answer_to"),
                cc=F("metadata__cc"),
                authentication=F("metadata__authentication"),
                problems=F("metadata__problems"),
                there=F("metadata__there"),
                files=ArraySubquery(Attachment.objects.filter(message=OuterRef("pk")).values(json=attachments)),
            )
        )
    )
    revision = DraftRevision.objects.filter(draft=OuterRef("pk"), number=OuterRef("version")).values(
        json=JSONObject(
            text="text", statements="statements", author="author_name", author_id="author_id", at="created_at"
        )
    )
    holder = Hold.objects.filter(conversation=OuterRef("conversation"), lease_until__gt=Now()).values(
        json=JSONObject(
            user_id="user_id", name="user__display_name", email="user__email", since="created_at", until="lease_until"
        )
    )
    last_act = (
        DraftAction.objects.filter(draft=OuterRef("pk"))
        .order_by("-created_at")
        .values(
            json=JSONObject(
                type="type", by="user_name", user_id="user_id", at="created_at", reasons="reasons", notes="notes"
            )
        )
    )
    notes = (
        Note.objects.filter(conversation=OuterRef("conversation"))
        .order_by("-created_at", "-id")[:THREAD]
        .values(json=JSONObject(**{name: name for name in NOTE_FIELDS}))
    )
    related = RelatedConversation.objects.annotate(
        with_it=Case(When(conversation=OuterRef("conversation"), then=F("other")), default=F("conversation")),
    ).filter(Q(conversation=OuterRef("conversation")) | Q(other=OuterRef("conversation")))
    with_it = Conversation.objects.filter(pk=OuterRef("with_it"))
    related_json = related.values(
        json=JSONObject(
            id="with_it",
            number=Subquery(with_it.values("number")[:1]),
            channel=Subquery(with_it.values("channel_id")[:1]),
            reason="reason",
        )
    )[:RELATED]
    merged = (
        Conversation.objects.filter(
            Q(merged_into=OuterRef("conversation")) | Q(merged_into__merged_into=OuterRef("conversation"))
        )
        .order_by("number")[:RELATED]
        .values(json=JSONObject(id="id", number="number"))
    )
    away = ChannelHealth.objects.filter(channel=OuterRef("conversation__channel"), faults__gt=0).values(
        json=JSONObject(since="failing_since", problem="problem")
    )
    writer = Coalesce(OuterRef("base_message__writer"), OuterRef("conversation__customer_address"))
    return drafts.select_related("conversation__channel", "base_message__writer", "author_user").annotate(
        related=ArraySubquery(related_json),
        merged=ArraySubquery(merged),
        thread=ArraySubquery(thread),
        revision=Subquery(revision[:1]),
        own_files=own_files(),
        holder=Subquery(holder[:1]),
        away=Subquery(away[:1]),
        last_act=Subquery(last_act[:1]),
        known=Subquery(known.beside(writer, "conversation", within)[:1]),
        notes=ArraySubquery(notes),
    )


def following(
    filters: Filters, user: User, *, skip: Iterable[uuid.UUID], limit: int, within: Visible
) -> list[uuid.UUID]:
    """The first drafts of the queue that the page neither shows nor holds nor has already decided."""
    own = person_values(filters, user, within)
    return _following(filters, limit, **own, skip=list(dict.fromkeys(skip))) if limit else []


@Compiled
def _following(given: Any, filters: Filters, limit: int) -> QuerySet[Draft, uuid.UUID]:
    return waiting_for(given, filters).exclude(pk__in=given.skip).values_list("pk", flat=True)[:limit]


def following_panes(
    filters: Filters, user: User, *, skip: Iterable[uuid.UUID], limit: int, within: Visible
) -> list[Draft]:
    """The same drafts as `panes` gives them, in one statement."""
    own = person_values(filters, user, within)
    return _following_panes(filters, limit, **own, skip=list(dict.fromkeys(skip))) if limit else []


@Compiled
def _following_panes(given: Any, filters: Filters, limit: int) -> QuerySet[Draft]:
    picked = waiting_for(given, filters).exclude(pk__in=given.skip).values("pk")[:limit]
    return _with_panes(Draft.objects.filter(any_of("pk", picked)), visible_of(given)).order_by(*SORTS[filters.sort][1])
