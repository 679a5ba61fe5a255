"""Files of a message that stand at its vendor: fetched by a job once the message is recorded, and named until they are here.

What is not here yet is in the message's metadata (`there`): its name, its address, how often it was tried, and what went wrong.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from conversations import audit
from conversations.channels.base import ChannelError, Failure, File, FileThere, SignInRefused
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.jobs import wake
from conversations.messages import access, files
from conversations.messages.sniffing import kind_of
from conversations.metadata import ThereShape
from conversations.models import Channel, Message, User
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context

logger = logging.getLogger(__name__)

TASK = "conversations.fetch_files"
#: Seconds until it is tried again by itself; then it waits for a person.
WAITS = (5, 60, 600, 3600, 6 * 3600)
MOST_FILES = 20
GAVE_UP = len(WAITS) + 1


def noted(there: Sequence[FileThere]) -> list[ThereShape]:
    """What a message's metadata says of them."""
    return [ThereShape(name=one.name[:255] or "a file", address=one.address[:2000]) for one in there[:MOST_FILES]]


def ask(message: Message) -> None:
    """Have them fetched, after the caller's transaction."""
    wake(TASK, account_id=message.account_id, message_id=message.pk)


def fetch_again(*, message_id: uuid.UUID, actor: User) -> Message:
    """A person wants what could not be fetched tried again.

    Raises Message.DoesNotExist (404), PermissionDenied (403), Conflict (409: there is nothing to fetch).
    """
    with transaction.atomic():
        message = Message.objects.select_for_update(of=("self",)).get(pk=message_id)
        check(actor, Verb.EDIT, account_id=message.account_id)
        there = message.details.there
        if not any(one.tries >= GAVE_UP for one in there):
            raise Conflict(
                "No file of this message waits to be fetched again. Reload the page to see what became of it."
            )
        _keep(message, [one.model_copy(update={"tries": 0, "problem": ""}) for one in there])
        audit.record(audit.Kind.FILES_ASKED_FOR, actor=actor, about=message, conversation_id=message.conversation_id)
        ask(message)
    return message


def fetch_files(*, account_id: uuid.UUID, message_id: uuid.UUID) -> str:
    """Fetch what of a message stands at its vendor. Harmless twice or late; outside of any transaction."""
    with tenant_context(account_id):
        message = Message.objects.select_related("channel").filter(pk=message_id, erased_at__isnull=True).first()
    if message is None or message.channel is None or message.channel.provided_by.fetch_file is None:
        return "gone"
    waiting = [one for one in message.details.there if one.tries < GAVE_UP]
    for one in waiting:
        _one(message, message.channel, one)
    return "done" if waiting else "nothing"


def _one(message: Message, channel: Channel, there: ThereShape) -> None:
    fetch = channel.provided_by.fetch_file
    assert fetch is not None
    try:
        content = fetch(channel.options, access.sending_secret(channel), FileThere(there.name, there.address))
        if not content:
            raise ChannelError(Failure.PERMANENT, "It is empty.")
        files.put(message.account_id, content)
    except (ChannelError, OSError) as error:
        _failed(message, channel, there, error)
        return
    with tenant_context(message.account_id):
        held = _held(message, there)
        if held is None:
            return
        files.attach(held, [File(there.name, kind_of(content), content, inline=False)])
        _keep(held, [one for one in held.details.there if one.address != there.address])
        audit.record(audit.Kind.FILE_FETCHED, actor=audit.SYSTEM, about=held, conversation_id=held.conversation_id)


def _failed(message: Message, channel: Channel, there: ThereShape, error: Exception) -> None:
    words = audit.masked(str(error))[:300]
    is_final = isinstance(error, ChannelError) and error.failure == Failure.PERMANENT
    with tenant_context(message.account_id):
        held = _held(message, there)
        if held is None:
            return
        if isinstance(error, SignInRefused):
            access.refused(channel)
        tries = GAVE_UP if is_final else there.tries + 1
        changed = there.model_copy(update={"tries": tries, "problem": words})
        _keep(held, [changed if one.address == there.address else one for one in held.details.there])
        if tries < GAVE_UP:
            asked = error.retry_at if isinstance(error, ChannelError) else None
            at = database_time.now() + timedelta(seconds=WAITS[tries - 1])
            wake(TASK, at=max(asked or at, at), account_id=held.account_id, message_id=held.pk)
    logger.warning("a file of message %s was not fetched: %s", message.pk, words)


def _held(message: Message, there: ThereShape) -> Message | None:
    """The message, locked, if it is still there and still waits for this file."""
    found = Message.objects.select_for_update(of=("self",)).filter(pk=message.pk, erased_at__isnull=True).first()
    return found if found and any(one.address == there.address for one in found.details.there) else None


def _keep(message: Message, there: Sequence[ThereShape]) -> None:
    rest = {name: value for name, value in message.metadata.items() if name != "there"}
    message.metadata = {**rest, "there": [one.model_dump() for one in there]} if there else rest
    message.save(update_fields=["metadata"])
