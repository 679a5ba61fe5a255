"""Filters of the queue, or a search, that a person keeps under a name."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations.errors import Conflict, Invalid
from conversations.models import User
from drafts.models import SavedView

MAX_VIEWS = 20
NAME, QUERY = 60, 500


def views_of(account_id: uuid.UUID, user: User) -> list[SavedView]:
    """A person's own views in this account, by page and name."""
    return list(SavedView.objects.filter(account_id=account_id, user=user).order_by("page", "name"))


def save_view(*, account_id: uuid.UUID, actor: User, page: SavedView.Page, name: str, query: str) -> SavedView:
    """Keep `query` under `name`; a name of one's own that exists on the page is given the new query.

    Raises Invalid (422) for a name or query that does not fit, Conflict (409) from the twenty-first on.
    """
    name = " ".join(name.replace("\x00", "").split())
    if not name or len(name) > NAME:
        raise Invalid(f"Give the view a name of 1 to {NAME} characters. Nothing was saved.")
    if len(query) > QUERY:
        raise Invalid(f"These filters are longer than {QUERY} characters. Take some away; nothing was saved.")
    with transaction.atomic():
        # The person's row is the lock: two tabs saving the twentieth at once are counted one after the other.
        User.objects.select_for_update(of=("self",)).only("pk").get(pk=actor.pk)
        mine = SavedView.objects.filter(account_id=account_id, user=actor, page=page)
        found = mine.filter(name=name).first()
        if found is None and mine.count() >= MAX_VIEWS:
            raise Conflict(f"You have {MAX_VIEWS} views here. Remove one first; nothing was saved.")
        if found is None:
            return SavedView.objects.create(account_id=account_id, user=actor, page=page, name=name, query=query)
        found.query = query
        found.save(update_fields=["query"])
    return found


def remove_view(*, view_id: uuid.UUID, actor: User) -> str:
    """Take one's own view away; its name. Raises SavedView.DoesNotExist (404) for others' and unknown ones alike."""
    with transaction.atomic():
        view = SavedView.objects.select_for_update(of=("self",)).get(pk=view_id, user=actor)
        view.delete()
    return view.name
