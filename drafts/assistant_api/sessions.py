"""A person's chats: listed both ways, begun once, read, named, pinned, put away, deleted."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Schema, Status
from ninja.errors import HttpError
from pydantic import Field

from conversations.chats import listing, sessions
from conversations.chats.finding import by_words
from conversations.models import AssistantSession, AssistantTurn, Conversation, Message
from conversations.people.members import channels_of
from conversations.people.own_tokens import OwnScope
from conversations.tenancy import seen_by
from conversations.views.cursors import cursor, place_of
from drafts.assistant_api.persons import ANSWERS, RequestId, account_of, as_person, person_of, router
from ingestion.api import PAGE, Body, Line

Limit = Annotated[int, Query(ge=1, le=PAGE)]
Number = Annotated[int | None, Query(ge=0, le=2_000_000_000)]
Mark = Annotated[str, Query(max_length=200)]
Context = Literal["general", "case", "project", "infrastructure", "practice"]


class Project(Body):
    kind: Literal["channel"]
    id: uuid.UUID


class SessionIn(Body):
    context: Literal["general", "case", "project", "infrastructure"] = "general"
    case: uuid.UUID | None = Field(
        default=None, description="The conversation that a chat of the context `case` is about."
    )
    project: Project | None = None
    request_id: RequestId = ""


class SessionChange(Body):
    """What is given is changed, all of it or nothing; `ended` true ends the chat and what waits in it."""

    title: Line | None = Field(default=None, max_length=1000)
    pinned: bool | None = None
    favourite: bool | None = None
    archived: bool | None = None
    tags: list[Line] | None = Field(default=None, max_length=50)
    ended: Literal[True] | None = None


class SessionLine(Schema):
    id: uuid.UUID
    context: str
    status: str = Field(description="active, awaiting_confirmation, completed or expired.")
    title: str
    tags: list[str]
    pinned: bool
    favourite: bool
    archived: bool
    message_count: int
    last_message_at: datetime | None


class SessionRow(SessionLine):
    last_line: str = Field(description="The beginning of the newest message, or of the one that was searched for.")


class SessionOut(SessionLine):
    case: uuid.UUID | None = Field(description="The conversation that it is about, while you see it.")
    project: Project | None
    created_at: datetime
    closed_at: datetime | None
    reason: str = Field(description="Why it ended, where that is not plain.")
    average_sentiment: float | None
    live_turn: uuid.UUID | None = Field(description="The answer that is being written.")


class SessionPage(Schema):
    sessions: list[SessionRow]
    older: str | None = Field(description="Pass as `after` for the next page; null at the end.")
    newer: str | None = Field(description="Pass as `before` for the page above.")


class MessageOut(Schema):
    id: uuid.UUID
    seq: int
    role: str
    at: datetime
    text: str
    erased: bool
    intent: str
    confidence: float | None
    model_used: str
    tokens_used: int | None
    latency_ms: int | None
    metadata: dict[str, Any] = Field(description="Sources, claims, steps, references, links, suggestions, comparison.")


class MessagePage(Schema):
    messages: list[MessageOut] = Field(description="Oldest first.")
    earlier: int | None = Field(description="Pass as `before` for the messages before these; null at the beginning.")
    later: int | None = Field(description="Pass as `after` for those after these; null at the end.")


@router.get("/assistant/sessions", response={200: SessionPage, **ANSWERS}, summary="List your chats, newest first")
@as_person(OwnScope.READ)
def list_sessions(
    request: HttpRequest,
    list: Literal["", "favourites", "archived"] = "",
    context: Context | None = None,
    tag: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=200, description="Words, in all lists; the newest that hold them.")] = "",
    limit: Limit = 50,
    after: Mark = "",
    before: Mark = "",
) -> Any:
    """In keyset pages, both ways. A chat in which nothing was said yet is in no list."""
    mine = listing.chats_of(person_of(request), account_of(request))
    words, tag = (value.replace("\x00", "").strip() for value in (q, tag))
    if words:
        return _page(listing.Page(listing.these(mine, by_words(words), size=limit)))
    found = listing.LISTS[list](mine)
    if context:
        found = found.filter(sessions__context_type=context)
    if tag:
        found = found.filter(tags__contains=[tag.lower()])
    return _page(listing.page_of(found, after=_place(after), before=_place(before), size=limit))


@router.post(
    "/assistant/sessions",
    response={200: SessionOut, 201: SessionOut, **ANSWERS},
    summary="Begin a chat, or find the open one about the same thing",
)
@as_person(OwnScope.WRITE)
def create_session(request: HttpRequest, body: SessionIn) -> Any:
    """About a case, a channel or the whole desk there is one open chat at a time: 200 if it was there, 201 if it is new."""
    project = sessions.Project(body.project.kind, body.project.id) if body.project else None
    session, is_new = sessions.start_session(
        actor=person_of(request),
        account_id=account_of(request),
        context=body.context,
        case=body.case,
        project=project,
        request_id=body.request_id,
    )
    return Status(201 if is_new else 200, _told(session.pk, request))


@router.get("/assistant/sessions/{session_id}", response={200: SessionOut, **ANSWERS}, summary="Read a chat")
@as_person(OwnScope.READ)
def read_session(request: HttpRequest, session_id: uuid.UUID) -> Any:
    return _told(session_id, request)


@router.patch("/assistant/sessions/{session_id}", response={200: SessionOut, **ANSWERS}, summary="Change a chat")
@as_person(OwnScope.WRITE)
def change_session(request: HttpRequest, session_id: uuid.UUID, body: SessionChange) -> Any:
    """None of it moves the chat in the list."""
    one: dict[str, Any] = {"session_id": session_id, "actor": person_of(request)}
    sessions.session_of(**one)
    if body.title is not None:
        sessions.rename(**one, title=body.title)
    if body.pinned is not None:
        sessions.set_flag(**one, flag="pinned", on=body.pinned)
    if body.favourite is not None:
        sessions.set_flag(**one, flag="favourite", on=body.favourite)
    if body.archived is not None:
        sessions.archive(**one, on=body.archived)
    if body.tags is not None:
        sessions.set_tags(**one, tags=body.tags)
    if body.ended:
        sessions.close_session(**one)
    return _told(session_id, request)


@router.delete("/assistant/sessions/{session_id}", response={204: None, **ANSWERS}, summary="Delete a chat")
@as_person(OwnScope.WRITE)
def delete_session(request: HttpRequest, session_id: uuid.UUID) -> Any:
    """It ends, is in no list and no search any more, and is emptied some days later."""
    sessions.delete_session(session_id=session_id, actor=person_of(request))
    return Status(204, None)


@router.get(
    "/assistant/sessions/{session_id}/messages", response={200: MessagePage, **ANSWERS}, summary="Read its messages"
)
@as_person(OwnScope.READ)
def list_messages(
    request: HttpRequest, session_id: uuid.UUID, limit: Limit = 50, before: Number = None, after: Number = None
) -> Any:
    """The newest, or those `before` or `after` a number; always oldest first."""
    session = sessions.session_of(session_id, person_of(request))
    said = Message.objects.filter(account_id=session.account_id, conversation=session.conversation_id).shown()
    if after is not None:
        found = [*said.filter(seq__gt=after).order_by("seq")[:limit]]
    else:
        older = said if before is None else said.filter(seq__lt=before)
        found = [*reversed(older.order_by("-seq")[:limit])]
    first, last = (found[0].seq, found[-1].seq) if found else (0, 0)
    return {
        "messages": [_message(one) for one in found],
        "earlier": first if first and said.filter(seq__lt=first).exists() else None,
        "later": last if last and said.filter(seq__gt=last).exists() else None,
    }


def _message(message: Message) -> dict[str, Any]:
    fields = ("id", "seq", "role", "intent", "confidence", "model_used", "tokens_used", "latency_ms")
    return {
        **{name: getattr(message, name) for name in fields},
        "at": message.received_at,
        "text": message.body_text,
        "erased": message.erased_at is not None,
        "metadata": message.details.model_dump(mode="json", exclude_defaults=True),
    }


def _page(page: listing.Page) -> dict[str, Any]:
    rows = [
        {
            **{name: row[name] for name in ("context", "title", "tags", "message_count", "last_message_at")},
            "id": row["session"],
            "status": row["state"],
            "pinned": row["is_pinned"],
            "favourite": row["is_favorited"],
            "archived": row["is_archived"],
            "last_line": row["last_line"] or "",
        }
        for row in page.rows
    ]
    older, newer = (cursor(*place) if place else None for place in (page.older, page.newer))
    return {"sessions": rows, "older": older, "newer": newer}


def _place(given: str) -> listing.Place | None:
    found = place_of(given) if given else None
    if given and found is None:
        raise HttpError(422, "The cursor is not one that this API gave out.")
    return found


def _told(session_id: uuid.UUID, request: HttpRequest) -> dict[str, Any]:
    person = person_of(request)
    session = sessions.session_of(session_id, person)
    chat = session.conversation
    live = AssistantTurn.objects.filter(session=session).live().values_list("pk", flat=True).first()
    return {
        "id": session.pk,
        "context": session.context_type,
        "status": session.status,
        "title": chat.title,
        "tags": chat.tags,
        "pinned": chat.is_pinned,
        "favourite": chat.is_favorited,
        "archived": chat.is_archived,
        "message_count": chat.message_count,
        "last_message_at": chat.last_message_at,
        "case": _case(session),
        "project": {"kind": session.project_kind, "id": session.project_id} if session.project_id else None,
        "created_at": session.created_at,
        "closed_at": session.closed_at,
        "reason": session.reason,
        "average_sentiment": chat.average_sentiment,
        "live_turn": live,
    }


def _case(session: AssistantSession) -> uuid.UUID | None:
    """Nothing of a conversation that the person does not see any more."""
    if session.case_id is None:
        return None
    seen = seen_by(channels_of(session.account_id, session.private_to_id))
    cases = Conversation.objects.of_customers().within(seen)
    return session.case_id if cases.filter(pk=session.case_id).exists() else None
