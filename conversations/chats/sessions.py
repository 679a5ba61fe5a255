"""What a person does with their own chats. Whoever else asks, the database says that there is no such session.

Every verb runs in the caller's transaction, which names the person (`tenant_context(..., person=...)`, or the request's).
None but `post` moves a chat in the list: the order is that of the messages.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models.functions import Now

from conversations import audit
from conversations.chats import actions
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.jobs import wake
from conversations.models import AssistantSession, Channel, Conversation, Message, User
from conversations.models.chats import ONE_EACH, OPEN
from conversations.people.members import channels_of
from conversations.people.roles import Verb, check
from conversations.tenancy import seen_by

Context, Status = AssistantSession.Context, AssistantSession.Status
Flag = Literal["pinned", "favourite"]
MAX_CHARS = 8000
MAX_TITLE, TITLE_CHARS = 200, 80
MAX_TAGS, TAG_CHARS = 20, 40
#: What a session of the context `project` can be about, and how it is asked for.
PROJECTS = {"channel": Channel}


@dataclass(frozen=True, slots=True)
class Project:
    kind: str
    id: uuid.UUID


def start_session(
    *,
    actor: User,
    account_id: uuid.UUID,
    context: str = Context.GENERAL,
    case: uuid.UUID | None = None,
    project: Project | None = None,
    request_id: str = "",
) -> tuple[AssistantSession, bool]:
    """The person's open session about this, or a new one; the second value says whether it is new.

    Of those about a case, a project or the whole desk there is one at a time, however many ask at once; of the others a new one
    for each `request_id`. Raises PermissionDenied (403), and ObjectDoesNotExist (404) for a case or a project that the person
    does not see.
    """
    check(actor, Verb.ASSIST, account_id=account_id)
    wanted = _about(actor, account_id, context, case, project)
    mine = AssistantSession.objects.of(actor.pk).select_related("conversation")
    request_id = "" if context in ONE_EACH else request_id
    if request_id:
        with connection.cursor() as cursor:  # the second of two that come at once waits for the first
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))", [f"{actor.pk}:{request_id}"])
        begun = mine.kept().filter(account_id=account_id, context_type=context)
        if known := begun.filter(conversation__external_id=request_id).first():
            return known, False
    same = mine.filter(account_id=account_id, **wanted).open()
    for _ in range(3):  # what another request has ended between two questions is not there any more
        if context in ONE_EACH and (found := same.first()):
            return found, False
        if new := _begin(actor, account_id, wanted, request_id):
            audit.record(
                audit.Kind.SESSION_STARTED,
                actor=actor,
                about=new,
                conversation_id=new.conversation_id,
                data={"context": str(context), "case": str(case) if case else None},
            )
            return new, True
    raise Conflict("Another window began and ended this chat at the same moment. Nothing was changed; try again.")


def begin_practice(
    *, actor: User, account_id: uuid.UUID, scenario_id: uuid.UUID, title: str, subject: str = ""
) -> AssistantSession:
    """A new practice with its chat; what the assistant plays in it, and who looks whether it may, is above this app."""
    check(actor, Verb.ASSIST, account_id=account_id)
    new = _begin(actor, account_id, {"context_type": Context.PRACTICE, "scenario_id": scenario_id})
    assert new is not None  # there may be many at a time
    Conversation.objects.filter(pk=new.conversation_id).update(title=title[:MAX_TITLE], subject=subject)
    audit.record(
        audit.Kind.SESSION_STARTED,
        actor=actor,
        about=new,
        conversation_id=new.conversation_id,
        data={"context": str(Context.PRACTICE), "case": None},
    )
    return new


def _begin(
    actor: User, account_id: uuid.UUID, wanted: dict[str, object], request_id: str = ""
) -> AssistantSession | None:
    """A new session with its chat; None, and nothing is there, if somebody was faster."""
    kind = Conversation.Kind.ASSISTANT
    with transaction.atomic():
        chat = Conversation.objects.create(
            account_id=account_id, kind=kind, number=None, private_to=actor, external_id=request_id
        )
        new = AssistantSession(account_id=account_id, conversation=chat, private_to=actor, **wanted)
        AssistantSession.objects.bulk_create([new], ignore_conflicts=True)  # ON CONFLICT DO NOTHING
        if AssistantSession.objects.filter(pk=new.pk).exists():
            return new
        transaction.set_rollback(True)
    return None


def _about(
    actor: User, account_id: uuid.UUID, context: str, case: uuid.UUID | None, project: Project | None
) -> dict[str, object]:
    """The columns that say what a session is about, after the look whether the person sees it."""
    if context not in (Context.GENERAL, *ONE_EACH):
        raise Invalid("There is no such kind of chat. Nothing was begun.")
    if (case is not None) != (context == Context.CASE) or (project is not None) != (context == Context.PROJECT):
        raise Invalid("A chat about a conversation or a channel names it, and no other does. Nothing was begun.")
    about: dict[str, object] = {"context_type": context, "case": None, "project_kind": "", "project_id": None}
    seen = seen_by(channels_of(account_id, actor.pk))
    if case is not None:
        customers = Conversation.objects.of_customers().filter(account_id=account_id)
        about["case"] = customers.within(seen).get(pk=case)
    if project is not None:
        if project.kind not in PROJECTS or project.id not in seen:
            raise ObjectDoesNotExist
        PROJECTS[project.kind].objects.only("pk").get(account_id=account_id, pk=project.id)
        about |= {"project_kind": project.kind, "project_id": project.id}
    return about


def post(*, session_id: uuid.UUID, actor: User, text: str, request_id: str) -> tuple[Message, bool]:
    """Store what the person says; the same `request_id` again is the same message, and the second value False.

    The first one names the chat. Raises Conflict (409) when the session has ended, Invalid (422) for no or too much text,
    AssistantSession.DoesNotExist (404), PermissionDenied (403).
    """
    session = locked(session_id, actor)
    check(actor, Verb.ASSIST, account_id=session.account_id)
    chat = session.conversation
    if request_id:
        known = Message.objects.filter(
            account_id=session.account_id, channel=None, external_id=request_id, conversation=chat
        )
        if found := known.first():
            return found, False
    text = readable(text)
    if session.context_type == Context.PRACTICE:
        raise Invalid("In a practice you answer the customer, on its own page. Nothing was said.")
    if not session.is_open:
        raise Conflict("This chat has ended. What you typed is kept; begin a new one with it.")
    message = Message.objects.create(
        account_id=session.account_id,
        conversation=chat,
        private_to_id=chat.private_to_id,
        external_id=request_id,
        direction=Message.Direction.INBOUND,
        role=Message.Role.USER,
        body_text=text,
    )
    changes = {} if chat.title else {"title": title_of(text)}
    if changes or chat.is_archived:  # who writes in it again has not put it away
        Conversation.objects.filter(pk=chat.pk).update(is_archived=False, **changes)
    AssistantSession.objects.filter(pk=session.pk).update(updated_at=database_time.now())
    read_again(session.account_id, actor.pk)
    return message, True


def read_again(account_id: uuid.UUID, person_id: uuid.UUID) -> None:
    """Something new was said: a worker reads it for its meaning, so that it is found."""
    once = f"read chats {account_id} {person_id}"
    wake("drafts.read_chats", once=once, queue="knowledge", account_id=account_id, person_id=person_id)


def readable(text: str) -> str:
    """What can be said in a chat, without what surrounds it. Raises Invalid (422)."""
    text = text.replace("\x00", "").strip()
    if not text:
        raise Invalid("There is nothing to send. Write something first.")
    if len(text) > MAX_CHARS:
        raise Invalid(f"That is {len(text):,} characters; {MAX_CHARS:,} are read at most. What you typed is kept.")
    return text


def title_of(text: str) -> str:
    """A first message as a title: its first line, cut between words."""
    line = re.sub(r"\s+", " ", next((one for one in text.splitlines() if one.strip()), "").strip())
    if len(line) <= TITLE_CHARS:
        return line
    head = line[:TITLE_CHARS]
    return (head.rsplit(" ", 1)[0] if " " in head[TITLE_CHARS // 2 :] else head).rstrip(" ,;:-") + "…"


def session_of(session_id: uuid.UUID, actor: User) -> AssistantSession:
    """The person's own session with its chat, unless they deleted it. Raises AssistantSession.DoesNotExist (404)."""
    return AssistantSession.objects.of(actor.pk).kept().select_related("conversation").get(pk=session_id)


def locked(session_id: uuid.UUID, actor: User) -> AssistantSession:
    """The same under its chat's lock, as it stands then."""
    chats = Conversation.objects.select_for_update(of=("self",)).filter(kind=Conversation.Kind.ASSISTANT)
    if chats.filter(private_to=actor, sessions=session_id).first() is None:
        raise AssistantSession.DoesNotExist
    return session_of(session_id, actor)


def set_flag(*, session_id: uuid.UUID, actor: User, flag: Flag, on: bool) -> None:
    session = session_of(session_id, actor)
    chat = Conversation.objects.filter(pk=session.conversation_id)
    if flag == "favourite":
        chat.update(is_favorited=on)
    elif on:
        chat.filter(is_pinned=False).update(is_pinned=True, pinned_at=Now())  # pinned again stays where it is
    else:
        chat.update(is_pinned=False, pinned_at=None)


def rename(*, session_id: uuid.UUID, actor: User, title: str) -> None:
    session = session_of(session_id, actor)
    title = re.sub(r"\s+", " ", title.replace("\x00", "")).strip()
    if not title:
        raise Invalid("A chat needs a title. The old one was kept.")
    if len(title) > MAX_TITLE:
        raise Invalid(f"A title has {MAX_TITLE} characters at most. The old one was kept.")
    Conversation.objects.filter(pk=session.conversation_id).update(title=title)


def set_tags(*, session_id: uuid.UUID, actor: User, tags: Sequence[str]) -> list[str]:
    """A chat's own tags; they are not the account's, which stand on customers' conversations. Returns them as kept."""
    session = session_of(session_id, actor)
    clean = [re.sub(r"\s+", " ", tag.replace("\x00", "")).strip().lower() for tag in tags]
    kept = sorted({tag for tag in clean if tag})
    if len(kept) > MAX_TAGS or any(len(tag) > TAG_CHARS for tag in kept):
        raise Invalid(f"At most {MAX_TAGS} tags of {TAG_CHARS} characters. The old ones were kept.")
    Conversation.objects.filter(pk=session.conversation_id).update(tags=kept)
    return kept


def archive(*, session_id: uuid.UUID, actor: User, on: bool) -> None:
    session = session_of(session_id, actor)
    Conversation.objects.filter(pk=session.conversation_id).update(is_archived=on)


def close_session(*, session_id: uuid.UUID, actor: User, reason: str = "") -> None:
    """End it: nothing more can be said in it. Ending one that has ended changes nothing."""
    session = locked(session_id, actor)
    if session.is_open:
        end(session, Status.COMPLETED, actor=actor, reason=reason)


def delete_session(*, session_id: uuid.UUID, actor: User) -> None:
    """Out of every list and search of its person, and ended; retention empties it some days later."""
    close_session(session_id=session_id, actor=actor, reason="deleted")
    session = session_of(session_id, actor)
    Conversation.objects.filter(pk=session.conversation_id).update(
        deleted_at=Now(), is_pinned=False, pinned_at=None, is_favorited=False
    )


def end(
    session: AssistantSession, status: AssistantSession.Status, *, actor: User | audit.Actor, reason: str = ""
) -> None:
    """Move an open session to one of its two ends, and what waits in it to its own; its chat is locked by the caller."""
    actions.expire_of(session, actor=actor)
    moved = AssistantSession.objects.filter(pk=session.pk, status__in=OPEN).update(
        status=status, closed_at=Now(), reason=reason, updated_at=database_time.now()
    )
    if moved:
        kind = audit.Kind.SESSION_EXPIRED if status == Status.EXPIRED else audit.Kind.SESSION_CLOSED
        audit.record(kind, actor=actor, about=session, conversation_id=session.conversation_id, data={"reason": reason})
