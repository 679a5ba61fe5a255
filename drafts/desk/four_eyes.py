"""Four eyes: who had a hand in a reply may not sign for it alone. A hand is its text, whom it goes to, and the files with it."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from conversations import audit
from conversations.models import AuditEvent, User
from drafts.models import Draft, DraftRevision
from drafts.models.files import files_of


def refuse_own_work(draft: Draft, actor: User, *, is_edited: bool) -> None:
    """Raises PermissionDenied (403) for whoever wrote the draft (`is_edited`: in this moment), chose its recipients, or attached
    its files."""
    if is_edited or _wrote(draft, actor):
        raise PermissionDenied(
            "Another person has to approve what you wrote. Save it, so that they find it; nothing was sent."
        )
    if draft.is_readdressed and _chose_recipient(draft, actor):
        raise PermissionDenied("Another person has to approve a reply to whom you chose. Nothing was sent.")
    if _attached(draft, actor):
        raise PermissionDenied("Another person has to approve the files that you attached. Nothing was sent.")


def _wrote(draft: Draft, actor: User) -> bool:
    return draft.author_user_id == actor.pk or DraftRevision.objects.filter(draft=draft, author=actor).exists()


def _chose_recipient(draft: Draft, actor: User) -> bool:
    """Whether it was `actor` who chose who gets the reply. A later draft to the same mail keeps the choice."""
    chosen = _events(draft, audit.Kind.DRAFT_READDRESSED)
    return chosen.order_by("-id").values_list("actor_id", flat=True).first() == str(actor.pk)


def _attached(draft: Draft, actor: User) -> bool:
    """Whether there are files, and `actor` attached some since the last reply left: they move on to a later draft."""
    if not files_of(draft):
        return False
    gone = Draft.objects.filter(conversation=draft.conversation_id, status=Draft.Status.SENT)
    added = _events(draft, audit.Kind.DRAFT_FILE_ADDED).filter(actor_id=str(actor.pk))
    return added.exclude(object_id__in=[str(pk) for pk in gone.values_list("pk", flat=True)]).exists()


def _events(draft: Draft, kind: audit.Kind) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(account_id=draft.account_id, conversation_id=draft.conversation_id, kind=kind)
