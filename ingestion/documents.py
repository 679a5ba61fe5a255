"""Documents that a person takes out of use, and brings back."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.people.roles import Verb, check
from ingestion.knowledge.index import remove_document
from ingestion.models import SourceDocument

REMOVED = "removed"  # of a document's metadata: a person took it out, and a crawl leaves it out from then on


def count_usable() -> int:
    """How many documents drafts of this transaction's account may cite."""
    return SourceDocument.objects.filter(status=SourceDocument.Status.INDEXED).count()


def take_out(*, document_id: uuid.UUID, actor: User) -> SourceDocument:
    """Nothing of the document can be quoted any more; waiting drafts that cite it are marked. Its row stays.

    Raises PermissionDenied (403), SourceDocument.DoesNotExist (404), Conflict (409: it is gone already), Invalid (422:
    an approved answer, which is retired instead).
    """
    with transaction.atomic():
        document = _locked(document_id, actor)
        if document.kind == SourceDocument.Kind.GOLDEN:
            raise Invalid("This is an approved answer: retire it among the approved answers. Nothing was changed.")
        if document.status == SourceDocument.Status.GONE:
            raise Conflict("This document is out of use already. Nothing was changed.")
        remove_document(account_id=document.account_id, source_url=document.source_url)
        document.refresh_from_db()
        document.metadata = {**document.metadata, REMOVED: True}
        document.save(update_fields=["metadata", "updated_at"])
        _record(document, actor, audit.Kind.SOURCE_REMOVED)
    return document


def bring_back(*, document_id: uuid.UUID, actor: User) -> SourceDocument:
    """A page that a person took out is read again with the next crawl of its site. Raises as `take_out`."""
    with transaction.atomic():
        document = _locked(document_id, actor)
        if not can_come_back(document):
            raise Conflict("Only a page that was taken out can come back by itself. Nothing was changed.")
        document.metadata = {name: value for name, value in document.metadata.items() if name != REMOVED}
        document.save(update_fields=["metadata", "updated_at"])
        _record(document, actor, audit.Kind.SOURCE_BROUGHT_BACK)
    return document


def can_come_back(document: SourceDocument) -> bool:
    """Whether it is a page out of use because a person said so, of a site that is still crawled."""
    return (
        document.status == SourceDocument.Status.GONE
        and bool(document.metadata.get(REMOVED))
        and document.site_id is not None
    )


def _locked(document_id: uuid.UUID, actor: User) -> SourceDocument:
    document = SourceDocument.objects.select_for_update(of=("self",)).get(pk=document_id)
    check(actor, Verb.RUN_JOBS, account_id=document.account_id)
    return document


def _record(document: SourceDocument, actor: User, kind: audit.Kind) -> None:
    audit.record(kind, actor=actor, about=document, data={"document": str(document.pk), "title": str(document)[:200]})
