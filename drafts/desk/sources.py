"""What drafts do when a source changes under them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import BooleanField, Exists, Func, JSONField, OuterRef, TextField, Value
from django.db.models.functions import Cast, JSONObject, Now

from conversations import audit
from conversations.database import database_time
from conversations.models import Conversation, Notification
from drafts.models import Draft
from ingestion.models import Passage, SourceDocument

CHECK = "A source of this draft changed or went after it was written"

_CITING = """
SELECT d.id, d.conversation_id, c.cited FROM drafts_draft d CROSS JOIN LATERAL (
  SELECT count(*) AS cited FROM jsonb_array_elements(d.top_sources) s
   WHERE s->>'passage' = ANY(%s) AND coalesce(s->>'cited', 'true') = 'true') c
WHERE d.account_id = %s AND d.status = 'pending' AND c.cited > 0 ORDER BY d.conversation_id
"""


def cites_expired() -> Exists:
    """Whether a draft cites an approved answer whose time is over and that no sweep took out of use yet: a part of the
    question that a decision asks about its draft anyway, under the lock."""
    cited = JSONObject(document=Cast("pk", TextField()), cited=Value(True))
    is_cited = Func(
        OuterRef("top_sources"),
        Func(cited, function="jsonb_build_array", output_field=JSONField()),
        template="(%(expressions)s)",
        arg_joiner=" @> ",
        output_field=BooleanField(),
    )
    over = SourceDocument.objects.filter(
        account_id=OuterRef("account_id"),
        kind=SourceDocument.Kind.GOLDEN,
        status=SourceDocument.Status.INDEXED,
        next_refresh_at__lte=Now(),
    )
    return Exists(over.filter(is_cited))


def passages_gone(document: SourceDocument, gone: Sequence[uuid.UUID]) -> None:
    """Mark exactly the pending drafts whose text cites one of these passages, in the transaction that takes them away."""
    with connection.cursor() as cursor:
        cursor.execute(_CITING, [[str(passage) for passage in gone], document.account_id])
        found = cursor.fetchall()
    marked = sum(_mark(draft, conversation, cited, document) for draft, conversation, cited in found)
    if marked:
        Notification.objects.create(
            account_id=document.account_id,
            type=Notification.Type.SOURCE_CHANGED,
            payload={"document": str(document.pk), "title": document.title[:200], "drafts": marked},
        )


def mark_if_gone(draft: Draft) -> bool:
    """A draft that was just written: mark it if a passage that it cites went while it was being written.

    The caller is in the tenant and holds the conversation's lock.
    """
    cited = {
        str(entry.get("passage")): entry.get("document") for entry in draft.top_sources if entry.get("cited", True)
    }
    there = {str(pk) for pk in Passage.objects.filter(pk__in=_ids(cited)).values_list("pk", flat=True)}
    gone = [passage for passage in cited if passage not in there]
    if not gone:
        return False
    _flag(draft, len(gone), str(cited[gone[0]]))
    return True


def _ids(values: Iterable[str]) -> list[uuid.UUID]:
    found = []
    for value in values:
        try:
            found.append(uuid.UUID(value))
        except ValueError:
            continue
    return found


def _mark(draft_id: uuid.UUID, conversation_id: uuid.UUID, cited: int, document: SourceDocument) -> bool:
    # The conversation first: whoever decides the draft at this moment is waited for, and then it is not pending.
    Conversation.objects.select_for_update(of=("self",)).get(pk=conversation_id)
    draft = Draft.objects.select_for_update(of=("self",)).get(pk=draft_id)
    if draft.status != Draft.Status.PENDING:
        return False
    _flag(draft, cited, str(document.pk))
    return True


def _flag(draft: Draft, count: int, document: str) -> None:
    draft.sources_changed_at = database_time.now()
    if all(check.get("text") != CHECK for check in draft.checks):
        draft.checks = [*draft.checks, {"ok": False, "text": CHECK}]
    draft.save(update_fields=["sources_changed_at", "checks", "updated_at"])
    audit.record(
        audit.Kind.DRAFT_SOURCES_CHANGED,
        actor=audit.SYSTEM,
        about=draft,
        conversation_id=draft.conversation_id,
        data={"document": document, "count": count},
    )
