"""Snippets: texts of a person's own, or of the account, put into a reply with what is known filled in."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from conversations import audit
from conversations.channels.lines import one_line
from conversations.errors import Conflict, Invalid
from conversations.messages.envelope import writer_name
from conversations.models import User
from conversations.people.roles import Verb, check
from drafts.models import Draft, Golden, Snippet

MOST, NAME, TEXT = 300, 60, 5000
#: What stands in braces, and what it is replaced with.
FIELDS = {
    "name": "the customer's whole name",
    "first name": "the first word of it",
    "number": "the number of the conversation",
    "me": "your own name",
    "account": "the account's name for customers",
}
_FIELD = re.compile(r"\{\s*([a-z][a-z ]{1,20}?)\s*\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """One choice of the picker, filled in. `kind`: yours, shared, or an approved answer."""

    name: str
    kind: str
    text: str


def save(
    *, account_id: uuid.UUID, actor: User, name: str, text: str, is_shared: bool, snippet_id: uuid.UUID | None = None
) -> Snippet:
    """Keep a text under a name; `snippet_id` is the one that it replaces.

    Raises PermissionDenied (403: shared ones are reviewers'), Snippet.DoesNotExist (404: also somebody else's own), Conflict
    (409: the name is taken, or there are too many), Invalid (422: nothing in it, too long, or a field that is none).
    """
    name, text = one_line(name), text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not name or len(name) > NAME or not text or len(text) > TEXT:
        raise Invalid(f"Give it a name of 1 to {NAME} characters and a text of 1 to {TEXT:,}. Nothing was saved.")
    if unknown := [field for field in _FIELD.findall(text) if field.lower() not in FIELDS]:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise Invalid(f"“{{{unknown[0]}}}” is no field. There are {known}. Nothing was saved.")
    with transaction.atomic():
        check(actor, Verb.DECIDE_GOLDENS if is_shared else Verb.EDIT, account_id=account_id)
        User.objects.select_for_update(of=("self",)).only("pk").get(pk=actor.pk)
        mine = Snippet.objects.of(actor.pk).filter(account_id=account_id)
        owner = None if is_shared else actor
        found = (
            mine.select_for_update(of=("self",)).get(pk=snippet_id) if snippet_id else Snippet(account_id=account_id)
        )
        if snippet_id and found.owner_id is None:
            check(actor, Verb.DECIDE_GOLDENS, account_id=account_id)
        if mine.filter(owner=owner, name=name).exclude(pk=found.pk).exists():
            raise Conflict(
                f"There is one called “{name}” already. Nothing was saved; change that one, or choose a name."
            )
        if not snippet_id and mine.count() >= MOST:
            raise Conflict(f"There are {MOST} already. Remove one first; nothing was saved.")
        found.name, found.text, found.owner = name, text, owner
        found.save()
        if is_shared:
            audit.record(audit.Kind.SNIPPET_SHARED, actor=actor, about=found, data={"name": name})
    return found


def remove(*, snippet_id: uuid.UUID, actor: User) -> str:
    """Take one away; its name. Raises Snippet.DoesNotExist (404), PermissionDenied (403: shared ones are reviewers')."""
    with transaction.atomic():
        found = Snippet.objects.of(actor.pk).select_for_update(of=("self",)).get(pk=snippet_id)
        check(actor, Verb.EDIT if found.owner_id else Verb.DECIDE_GOLDENS, account_id=found.account_id)
        if found.owner_id is None:
            audit.record(audit.Kind.SNIPPET_REMOVED, actor=actor, about=found, data={"name": found.name})
        found.delete()
    return found.name


def find(*, draft: Draft, actor: User, words: str, account_name: str, most: int = 8) -> list[Found]:
    """What can be put into this draft: snippets whose name or text has all the words, then approved answers whose question has
    them. Two statements."""
    values = fields_of(draft, actor, account_name)
    wanted = words.casefold().split()[:6]
    snippets = [
        one
        for one in Snippet.objects.of(actor.pk).filter(account_id=draft.account_id)[:MOST]
        if all(word in f"{one.name} {one.text}".casefold() for word in wanted)
    ]
    snippets.sort(key=lambda one: not one.name.casefold().startswith(words.casefold().strip()))
    found = [
        Found(one.name, "yours" if one.owner_id else "shared", filled(one.text, values)) for one in snippets[:most]
    ]
    answers = Golden.objects.in_use().filter(account_id=draft.account_id)
    for word in wanted:
        answers = answers.filter(question__icontains=word)
    left = most - len(found)
    return found + [Found(one.question, "approved answer", one.answer) for one in answers.order_by("question")[:left]]


def fields_of(draft: Draft, actor: User, account_name: str) -> Mapping[str, str]:
    """The values of `FIELDS` in this draft; "" where nothing is known."""
    conversation, base = draft.conversation, draft.base_message
    name = writer_name(conversation, base, to_forwarded=draft.to_forwarded) if base else conversation.customer_name
    return {
        "name": name,
        "first name": name.split()[0] if name else "",
        "number": f"#{conversation.number}",
        "me": actor.name,
        "account": account_name,
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in. What is not known stays in braces, so that nobody sends a gap unseen."""
    return _FIELD.sub(lambda match: values.get(match[1].lower()) or match[0], text)
