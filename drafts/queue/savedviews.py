"""Filters of the queue, or a search, that a person keeps under a name, for themselves or for the account."""

from __future__ import annotations

import uuid

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import Role, User
from conversations.people.roles import role_of
from drafts.models import SavedView

MAX_VIEWS = 20
NAME, QUERY = 60, 500


def views_of(account_id: uuid.UUID, user: User) -> list[SavedView]:
    """A person's own views in this account, then those that others share, each by page and name."""
    found = SavedView.objects.filter(Q(user=user) | Q(is_shared=True), account_id=account_id).select_related("user")
    return sorted(found, key=lambda view: (view.user_id != user.pk, view.page, view.name))


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


def share_view(*, account_id: uuid.UUID, view_id: uuid.UUID, actor: User, on: bool) -> SavedView:
    """Let the whole account find a view of one's own, or nobody else any more; an admin ends the sharing of any.

    Raises SavedView.DoesNotExist (404) for what one does not see, PermissionDenied (403) for others' shared ones and for
    who changes nothing here.
    """
    with transaction.atomic():
        views = SavedView.objects.filter(Q(user=actor) | Q(is_shared=True), account_id=account_id)
        view = views.select_for_update(of=("self",)).get(pk=view_id)
        role = role_of(actor, account_id)
        if role in {None, Role.AUDITOR} or (view.user_id != actor.pk and role != Role.ADMIN):
            raise PermissionDenied("Its owner or an admin decides who finds this view. Nothing was changed.")
        if view.is_shared == on:
            return view
        view.is_shared = on
        view.save(update_fields=["is_shared"])
        # Its name and query may be about a customer: the trail says only that it was done.
        audit.record(audit.Kind.VIEW_SHARED if on else audit.Kind.VIEW_UNSHARED, actor=actor, about=view)
    return view


def remove_view(*, view_id: uuid.UUID, actor: User) -> str:
    """Take one's own view away; its name. Raises SavedView.DoesNotExist (404) for others' and unknown ones alike."""
    with transaction.atomic():
        view = SavedView.objects.select_for_update(of=("self",)).get(pk=view_id, user=actor)
        view.delete()
    return view.name
