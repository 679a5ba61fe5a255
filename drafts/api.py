"""The part of the internal API that works in a conversation: close, reopen, assign, tags, notes, and who the customer is.

The same verbs as the desk's; the actor is the service, whose token needs the scope. A provider that closes or reopens a ticket
says so here (seed 004). Mounted beside `ingestion.api`, which has the tenant, the errors and the description.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from ninja.errors import HttpError
from pydantic import Field

from conversations.customers import known
from conversations.models import Conversation, Customer, CustomerAddress, Tag, User
from conversations.people.tokens import Scope
from conversations.visible import ALL
from drafts.desk import brought, life, notes, tags
from drafts.desk.editing import MAX_TEXT
from ingestion.api import PROBLEMS, Bearer, Body, ConversationOut, Line, Problem, Text, in_tenant, service_of

router = Router(auth=Bearer())
ANSWERS: dict[int, type[Schema]] = {**PROBLEMS, 423: Problem}


class LifeOut(ConversationOut):
    """A conversation with where it stands: `status` open (ours), pending (the customer's) or closed; `owed` says why it is ours."""

    owed: str
    outcome: str
    due_at: datetime | None
    snoozed_until: datetime | None
    owner: str | None = Field(description="The address of who sees to it; null: whoever comes first.")

    @staticmethod
    def resolve_owner(obj: Conversation) -> str | None:
        return obj.owner.email if obj.owner else None


class CloseIn(Body):
    reason: Line = Field(default="", max_length=20, description=f"Where something is owed: {', '.join(life.REASONS)}.")


class AssignIn(Body):
    to: Line | None = Field(default=None, max_length=254, description="A member's address; null takes the owner away.")


class TagsIn(Body):
    add: list[Line] = Field(default=[], max_length=50)
    remove: list[Line] = Field(default=[], max_length=50)


class NoteIn(Body):
    text: Text = Field(
        max_length=notes.MAX_CHARS, description="Internal: it is never sent. An @name tells that colleague."
    )


class NoteOut(Schema):
    id: uuid.UUID
    author_name: str
    text: str
    created_at: datetime


class ReplyIn(Body):
    writer: Line = Field(max_length=254, description="The address of the member who wrote it.")
    text: Text = Field(max_length=MAX_TEXT)


class ReplyOut(Schema):
    id: uuid.UUID = Field(description="The draft that waits.")
    version: int
    status: str


class CustomerOut(Schema):
    id: uuid.UUID
    name: str
    addresses: list[str]
    conversations: int
    open: int = Field(description="Of these, how many are not closed.")


@router.post("/conversations/{conversation_id}/close", response={200: LifeOut, **ANSWERS}, summary="Close")
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def close(request: HttpRequest, conversation_id: uuid.UUID, body: CloseIn) -> Any:
    """Closing it twice is closing it once. A message of the customer reopens it."""
    return _done(life.close, request, conversation_id, reason=body.reason)


@router.post("/conversations/{conversation_id}/reopen", response={200: LifeOut, **ANSWERS}, summary="Reopen")
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def reopen(request: HttpRequest, conversation_id: uuid.UUID) -> Any:
    """It is ours again. 409 if it is open."""
    return _done(life.reopen, request, conversation_id)


@router.post("/conversations/{conversation_id}/assign", response={200: LifeOut, **ANSWERS}, summary="Give it an owner")
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def assign(request: HttpRequest, conversation_id: uuid.UUID, body: AssignIn) -> Any:
    """422 for nobody who may decide here, whether they exist or not."""
    found = User.objects.with_address(body.to).first() if body.to else None
    nobody = uuid.UUID(int=0) if body.to else None
    return _done(life.assign, request, conversation_id, to=found.pk if found else nobody)


@router.post(
    "/conversations/{conversation_id}/tags", response={200: list[str], **ANSWERS}, summary="Add and take off tags"
)
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def retag(request: HttpRequest, conversation_id: uuid.UUID, body: TagsIn) -> Any:
    """By their names in the account's list; the answer is what it has now."""
    wanted = {name.casefold() for name in (*body.add, *body.remove)}
    named = {tag.name.casefold(): tag.pk for tag in Tag.objects.all() if tag.name.casefold() in wanted}
    if unknown := sorted(wanted - named.keys()):
        raise HttpError(422, f"“{unknown[0]}” is no tag of this account. Nothing was changed.")
    add, remove = ([named[name.casefold()] for name in names] for names in (body.add, body.remove))
    return [tag.name for tag in _done(tags.retag, request, conversation_id, add=add, remove=remove)]


@router.post("/conversations/{conversation_id}/notes", response={201: NoteOut, **ANSWERS}, summary="Write a note")
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def note(request: HttpRequest, conversation_id: uuid.UUID, body: NoteIn) -> Any:
    return Status(201, _done(notes.write, request, conversation_id, text=body.text))


@router.post(
    "/conversations/{conversation_id}/replies", response={201: ReplyOut, **ANSWERS}, summary="Bring a person's reply"
)
@in_tenant(Scope.MANAGE_CONVERSATIONS)
def reply(request: HttpRequest, conversation_id: uuid.UUID, body: ReplyIn) -> Any:
    """What a colleague wrote in another tool waits at the desk in their name, and they are told. It is not sent: a person
    presses there, as for every reply. 409 where somebody's own words wait already."""
    return Status(201, _done(brought.bring, request, conversation_id, writer=body.writer, text=body.text))


@router.get("/customers", response={200: list[CustomerOut], **PROBLEMS}, summary="Find a customer by an address")
@in_tenant(Scope.READ_CONVERSATIONS)
def customers(request: HttpRequest, address: Annotated[str, Query(min_length=1, max_length=320)]) -> Any:
    """None or one for a mail address; a name that a channel gives may stand in several channels."""
    found = CustomerAddress.objects.filter(address=address.replace("\x00", "").strip().lower())
    return [_customer(pk) for pk in found.values_list("customer_id", flat=True).distinct()[:20]]


@router.get("/customers/{customer_id}", response={200: CustomerOut, **PROBLEMS}, summary="Read a customer")
@in_tenant(Scope.READ_CONVERSATIONS)
def customer(request: HttpRequest, customer_id: uuid.UUID) -> Any:
    """One that was merged is whom it was merged into."""
    return _customer(customer_id)


def _done(verb: Any, request: HttpRequest, conversation_id: uuid.UUID, **values: Any) -> Any:
    try:
        return verb(conversation_id=conversation_id, actor=service_of(request), **values)
    except Conversation.DoesNotExist:
        raise HttpError(404, "There is no such conversation in this account.") from None


def _customer(customer_id: uuid.UUID) -> dict[str, Any]:
    found = known.find(customer_id, ALL)
    if found is None:
        raise HttpError(404, "There is no such customer in this account.")
    person: Customer
    person, addresses = found
    theirs = known.conversations_of(addresses, ALL)
    return {
        "id": person.pk,
        "name": person.name,
        "addresses": [one.address for one in addresses],
        "conversations": theirs.count(),
        "open": theirs.exclude(status=Conversation.Status.CLOSED).count(),
    }
