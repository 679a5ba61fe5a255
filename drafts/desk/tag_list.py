"""The account's own list of tags: what conversations may be given."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Invalid
from conversations.models import Account, Tag, User
from conversations.people.roles import Verb, check


def keep_tag(*, account_id: uuid.UUID, actor: User, name: str) -> Tag:
    """A tag of this name that may be given, new or brought back. One name is one tag, however it is written.

    Raises PermissionDenied (403), Invalid (422: no name, or too long a one).
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise Invalid("A tag is a word or two, of 40 characters at most. Nothing was changed.")
    with transaction.atomic():
        _lock(account_id, actor)
        tag = Tag.objects.filter(account_id=account_id, name__iexact=name).first()
        if tag is None:
            tag = Tag.objects.create(account_id=account_id, name=name)
            _record(tag, actor, "added")
        elif tag.is_retired:
            tag.is_retired = False
            tag.save(update_fields=["is_retired"])
            _record(tag, actor, "in use again")
    return tag


def retire_tag(*, account_id: uuid.UUID, actor: User, name: str) -> Tag:
    """It stays where it was given, and is given to no other conversation.

    Raises PermissionDenied (403), Tag.DoesNotExist (404).
    """
    with transaction.atomic():
        _lock(account_id, actor)
        tag = Tag.objects.get(account_id=account_id, name__iexact=name)
        if not tag.is_retired:
            tag.is_retired = True
            tag.save(update_fields=["is_retired"])
            _record(tag, actor, "retired")
    return tag


def _lock(account_id: uuid.UUID, actor: User) -> None:
    Account.objects.select_for_update(no_key=True).only("pk").get(pk=account_id)
    check(actor, Verb.MANAGE, account_id=account_id)


def _record(tag: Tag, actor: User, what: str) -> None:
    audit.record(audit.Kind.ADMIN_CHANGED, actor=actor, about=tag, data={"what": f"tag {tag}", "fields": what})
