"""The internal API (seed 004): services add messages and read conversations, with a scoped token. /internal/docs"""

from __future__ import annotations

import base64
import binascii
import hashlib
import inspect
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any, Literal

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from ninja import Header, NinjaAPI, Query, Schema, Status
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from conversations import audit
from conversations.channels.base import Inbound, Party
from conversations.database import database_time
from conversations.database.compiled import Compiled
from conversations.errors import Refusal
from conversations.messages import elsewhere
from conversations.messages.inbox import find_or_open, record_inbound
from conversations.models import Channel, Conversation, Message
from conversations.people import tokens
from conversations.people.tokens import Caller, Scope
from conversations.tenancy import tenant_context
from ingestion import request_keys
from ingestion.models import InboundEvent

PAGE = 100


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("a NUL character cannot be stored; remove it")
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("a lone surrogate is not text; send valid UTF-8")
    return value


def _written(value: str) -> str:
    if not value.strip():
        raise ValueError("the text is empty")
    return value


Line = Annotated[str, AfterValidator(_storable)]
Text = Annotated[str, AfterValidator(_storable), AfterValidator(_written)]


class Body(Schema):
    model_config = ConfigDict(extra="forbid")


class Problem(Schema):
    detail: str
    errors: list[str] = []


class Person(Body):
    address: Line = Field(default="", max_length=320)
    name: Line = Field(default="", max_length=200)


class ConversationIn(Body):
    channel_id: uuid.UUID
    external_id: Line = Field(min_length=1, max_length=255, description="The provider's id of the thread or ticket.")
    subject: Line = Field(default="", max_length=200)
    customer: Person = Person()


class ConversationOut(Schema):
    id: uuid.UUID
    number: int
    channel_id: uuid.UUID
    external_id: str
    subject: str
    status: str
    customer_email: str
    customer_name: str
    message_count: int
    last_message_at: datetime | None
    created_at: datetime


class MessageIn(Body):
    external_id: Line = Field(
        min_length=1, max_length=900, description="The provider's id; the same id is stored once."
    )
    direction: Literal["inbound", "outbound"] = "inbound"
    body_text: Text = Field(max_length=500_000)
    body_html: Line = Field(default="", max_length=500_000)
    subject: Line = Field(default="", max_length=200)
    sender: Person = Person()
    sent_at: AwareDatetime | None = Field(default=None, description="The provider's clock; order is by arrival.")


class MessageOut(Schema):
    id: uuid.UUID
    conversation_id: uuid.UUID
    seq: int
    external_id: str
    direction: str
    role: str
    subject: str
    body_text: str
    sent_at: datetime
    received_at: datetime


class MessagePage(Schema):
    messages: list[MessageOut]
    next: str | None = Field(description="Pass as `cursor` for the next page; null at the end.")


def _known(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The description is for people who are signed in and for services with a token: what there is to attack is nobody else's."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        person = request.user.is_authenticated and not getattr(request, "factor_wanted_by", "")
        if person or tokens.read(request.headers.get("Authorization", "")):
            response = view(request, *args, **kwargs)
        elif request.path.endswith(".json"):
            response = _problem(request, 401, "Send a service token, or sign in. Nothing was shown.")
        else:
            response = redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
        response["Cache-Control"] = "no-store, private"
        return response

    return inner


api = NinjaAPI(
    title="Countersign internal API",
    version="1",
    description="Errors are JSON with a `detail` for people. Nothing is changed by a request that is refused.",
    urls_namespace="internal",
    docs_url="/docs",
    docs_decorator=_known,
)
#: What every operation may answer besides its own success: declared, so that the schema tells the truth.
PROBLEMS: dict[int, type[Schema]] = dict.fromkeys((400, 401, 403, 404, 409, 413, 422), Problem)


class Bearer(HttpBearer):
    """The token decides the tenant."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        return tokens.read(f"Bearer {token}")


def _problem(request: HttpRequest, status: int, detail: str, errors: list[str] | None = None) -> HttpResponse:
    return api.create_response(request, {"detail": detail, "errors": errors or []}, status=status)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    lines = [".".join(str(part) for part in item["loc"][1:]) + ": " + item["msg"] for item in error.errors]
    return _problem(request, 422, "The request does not fit the schema. Nothing was stored.", lines)


@api.exception_handler(Refusal)
def _refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return _problem(request, refusal.status, str(refusal))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _problem(request, error.status_code, str(error))


@api.exception_handler(RequestDataTooBig)
def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return _problem(request, 413, f"The body is larger than {most:,} bytes. Nothing was stored.")


@api.exception_handler(DataError)
def _unstorable(request: HttpRequest, error: DataError) -> HttpResponse:
    return _problem(request, 422, "A value cannot be stored as it is. Nothing was stored.")


def in_tenant(scope: Scope) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The token's scope, then its tenant around the whole view, so that what a refusal had written is rolled back."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            caller = caller_of(request)
            if caller.person is not None:  # what services do is not kept to the channels of a person
                raise HttpError(403, "This is for services. A person's own token opens /internal/assistant/ alone.")
            if scope not in caller.scopes:
                raise HttpError(403, f"This token lacks the scope {scope.value}. Nothing was changed.")
            with tenant_context(caller.account_id):
                tokens.touch(caller)
                return view(request, *args, **kwargs)

        # Names in annotations are those of the view's own module, which this one is not for `drafts.api`.
        inner.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        return inner

    return decorate


@api.exception_handler(AuthenticationError)
def _unknown_token(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _problem(request, 401, "The bearer token is missing, unknown, expired or revoked. Nothing was changed.")


@api.post(
    "/conversations",
    response={200: ConversationOut, 201: ConversationOut, **PROBLEMS},
    auth=Bearer(),
    summary="Create a conversation, or find it by channel and external id",
)
@in_tenant(Scope.WRITE_MESSAGES)
def create_conversation(
    request: HttpRequest,
    body: ConversationIn,
    idempotency_key: Annotated[str, Header(alias="Idempotency-Key", max_length=200)] = "",
) -> Any:
    """200 if the conversation was known by its external id or its Idempotency-Key, 201 if it is new."""
    asked = _asked(request, body, idempotency_key)
    if known := request_keys.known(asked):
        return Status(200, known.conversation)
    channel = Channel.objects.filter(pk=body.channel_id, is_active=True).first()
    if channel is None:
        raise HttpError(404, "There is no such active channel in this account. Nothing was created.")
    conversation, created = find_or_open(
        channel=channel,
        external_id=body.external_id,
        subject=body.subject,
        customer=Party(body.customer.address, body.customer.name),
        actor=caller_of(request).actor,
    )
    request_keys.remember(asked, conversation=conversation)
    return Status(201 if created else 200, conversation)


@api.get(
    "/conversations/{conversation_id}",
    response={200: ConversationOut, **PROBLEMS},
    auth=Bearer(),
    summary="Read a conversation",
)
@in_tenant(Scope.READ_CONVERSATIONS)
def read_conversation(request: HttpRequest, conversation_id: uuid.UUID) -> Any:
    return _conversation(conversation_id)


@api.get(
    "/conversations/{conversation_id}/messages",
    response={200: MessagePage, **PROBLEMS},
    auth=Bearer(),
    summary="List messages, newest or oldest first, in keyset pages",
)
@in_tenant(Scope.READ_CONVERSATIONS)
def list_messages(
    request: HttpRequest,
    conversation_id: uuid.UUID,
    order: Literal["newest", "oldest"] = "newest",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> Any:
    rows = Message.objects.filter(conversation=_conversation(conversation_id)).shown()
    if cursor:
        after = _read_cursor(cursor, order)
        rows = rows.filter(seq__lt=after) if order == "newest" else rows.filter(seq__gt=after)
    found = list(rows.order_by("-seq" if order == "newest" else "seq")[: limit + 1])
    more = len(found) > limit
    return {"messages": found[:limit], "next": _cursor(found[limit - 1].seq, order) if more else None}


@api.post(
    "/conversations/{conversation_id}/messages",
    response={200: MessageOut, 201: MessageOut, **PROBLEMS},
    auth=Bearer(),
    summary="Add a message; an inbound one asks for a draft",
)
@in_tenant(Scope.WRITE_MESSAGES)
def add_message(
    request: HttpRequest,
    conversation_id: uuid.UUID,
    body: MessageIn,
    idempotency_key: Annotated[str, Header(alias="Idempotency-Key", max_length=200)] = "",
) -> Any:
    """200 if the message was known by its external id or its Idempotency-Key, 201 if it is new."""
    conversation = _conversation(conversation_id)
    channel = conversation.channel
    if channel is None:
        raise HttpError(409, "This conversation belongs to no channel. Nothing was stored.")
    asked = _asked(request, body, idempotency_key)
    if known := request_keys.known(asked):
        return Status(200, known.message)
    if body.direction == "outbound":
        message, created = elsewhere.record_answer(
            conversation=conversation,
            external_id=body.external_id,
            body_text=body.body_text,
            actor=caller_of(request).actor,
            sent_at=body.sent_at,
        )
    else:
        message, created = record_inbound(channel=channel, inbound=_inbound(conversation, body), into=conversation.pk)
    if message.conversation_id != conversation.pk:
        raise HttpError(409, "This external id belongs to a message of another conversation. Nothing was stored.")
    request_keys.remember(asked, conversation=conversation, message=message)
    _keep(channel, body, message)
    return Status(201 if created else 200, message)


def caller_of(request: HttpRequest) -> Caller:
    """Who proved a token, after `Bearer`."""
    return request.auth  # type: ignore[attr-defined,no-any-return]


def service_of(request: HttpRequest) -> audit.Actor:
    return caller_of(request).actor


def _conversation(conversation_id: uuid.UUID) -> Conversation:
    found = _with_channel(pk=conversation_id)
    if not found:
        raise HttpError(404, "There is no such conversation in this account.")
    conversation: Conversation = found[0]
    return conversation


@Compiled
def _with_channel(given: Any) -> QuerySet[Conversation]:
    return Conversation.objects.of_customers().filter(pk=given.pk).select_related("channel")


def _inbound(conversation: Conversation, body: MessageIn) -> Inbound:
    return Inbound(
        external_id=body.external_id,
        thread_id=conversation.external_id,
        sender=Party(
            body.sender.address or conversation.customer_email, body.sender.name or conversation.customer_name
        ),
        subject=body.subject,
        body_text=body.body_text,
        body_new=body.body_text,
        body_html=body.body_html,
        sent_at=body.sent_at,
    )


def _asked(request: HttpRequest, body: Body, key: str) -> request_keys.Asked:
    """The request as its Idempotency-Key stands for it: method, path (it names the conversation) and body."""
    return request_keys.Asked(caller_of(request), key, f"{request.method} {request.path}", _bytes(body))


def _bytes(body: Body) -> bytes:
    return json.dumps(body.model_dump(mode="json"), sort_keys=True).encode()


def _keep(channel: Channel, body: MessageIn, message: Message) -> None:
    """Keep the bytes, once: a repeat is the same row (constraint `inboundevent_once`)."""
    raw = _bytes(body)
    event = InboundEvent(
        account_id=channel.account_id,
        channel=channel,
        external_id=f"api:{body.external_id}",
        payload_sha256=hashlib.sha256(raw).hexdigest(),
        payload=raw,
        size_bytes=len(raw),
        expires_at=database_time.now() + timedelta(days=settings.INBOUND_RAW_DAYS),
        status=InboundEvent.Status.PROCESSED,
        message=message,
    )
    InboundEvent.objects.bulk_create([event], ignore_conflicts=True)


def _cursor(seq: int, order: str) -> str:
    return base64.urlsafe_b64encode(f"{order}:{seq}".encode()).decode()


def _read_cursor(cursor: str, order: str) -> int:
    try:
        direction, _, seq = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        found = int(seq)
    except (ValueError, binascii.Error) as error:
        raise HttpError(422, "The cursor is not one that this API gave out.") from error
    if direction != order or not 0 <= found < 2**31:
        raise HttpError(422, "The cursor is of a page in the other order.")
    return found
