"""The part of the internal API that tells the configuration: its documents, and where the newest differs from the desk.

A service reads; who changes something is a person, by a card or by a command (docs/decisions/0061).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Path, Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from conversations.models import Account
from conversations.people.tokens import Scope
from drafts.configuration import documents, words
from drafts.configuration.differences import masked
from drafts.models import ConfigDocument
from ingestion.api import PROBLEMS, Bearer, in_tenant

router = Router(auth=Bearer())
MOST = 100
Number = Annotated[int, Path(ge=1, le=2_000_000_000)]


class DocumentOut(Schema):
    number: int
    sha256: str
    origin: str
    path: str = Field(description="The place, where one was taken from the desk.")
    by_name: str
    created_at: datetime


class DocumentText(DocumentOut):
    text: str


class DifferenceOut(Schema):
    path: str
    type: Literal["missing_in_db", "missing_in_yaml", "value_mismatch"]
    yaml_value: Any = Field(description="What the file says; null where it says nothing, and what is secret is masked.")
    db_value: Any


class DifferencesOut(Schema):
    document: int
    differences: list[DifferenceOut]
    more: int = Field(description="How many there are beside these.")
    not_in_the_file: list[str] = Field(description="Sections of which the file says nothing.")


@router.get("/assistant/config/documents", response={200: list[DocumentOut], **PROBLEMS}, summary="The configuration's documents")  # fmt: skip
@in_tenant(Scope.READ_CONFIGURATION)
def list_documents(request: HttpRequest) -> Any:
    """The newest first, a hundred of them; the first is what the account declares."""
    return list(ConfigDocument.objects.order_by("-number").defer("text")[:MOST])


@router.get("/assistant/config/documents/{number}", response={200: DocumentText, **PROBLEMS}, summary="One of them, with its text")  # fmt: skip
@in_tenant(Scope.READ_CONFIGURATION)
def read_document(request: HttpRequest, number: Number) -> Any:
    found = ConfigDocument.objects.filter(number=number).first()
    if found is None:
        raise HttpError(404, "There is no such document in this account.")
    return found


@router.get("/assistant/config/differences", response={200: DifferencesOut, **PROBLEMS}, summary="Where the newest differs from the desk")  # fmt: skip
@in_tenant(Scope.READ_CONFIGURATION)
def list_differences(request: HttpRequest) -> Any:
    """404 where no document was stored yet."""
    account = Account.objects.get()  # of the tenant: row security
    newest = documents.current(account.pk)
    if newest is None:
        raise HttpError(404, "This account has no configuration file yet.")
    _, comparison = documents.difference(account, newest)
    return {
        "document": newest.number,
        "differences": [
            {
                "path": one.path,
                "type": one.kind,
                "yaml_value": masked(one.place, one.file),
                "db_value": masked(one.place, one.desk),
            }
            for one in comparison.differences
        ],
        "more": comparison.more,
        "not_in_the_file": [words.TITLES[section].lower() for section in comparison.silent],
    }
