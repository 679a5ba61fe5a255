"""Who could still decide an action hears of it once, before its time is over: what expires was asked for by somebody."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction

from conversations.database import database_time
from conversations.models import Notification, ProposedAction, User
from drafts.assistant.deciding import may_sign

SOON = timedelta(hours=4)
PART = 6  # of its time: of a day the last four hours, of an hour the last ten minutes
MOST = 200
KIND = Notification.Type.EXPIRING


def warn(*, account_id: uuid.UUID) -> int:
    """Tell of each undecided action whose last part has begun: its owner, or, once they signed, who may be the second person.
    The caller is in the tenant. Of what was asked for nothing is copied. Returns how many were told of.
    """
    now = database_time.now()
    with transaction.atomic():
        soon = ProposedAction.objects.undecided().filter(account_id=account_id, expires_at__lte=now + SOON)
        waiting = soon.select_for_update(of=("self",), skip_locked=True).order_by("expires_at")[:MOST]
        due = [one for one in waiting if (one.expires_at - now) * PART <= one.expires_at - one.created_at]
        ids = [str(one.pk) for one in due]
        told = Notification.objects.filter(account_id=account_id, type=KIND, created_at__gte=now - timedelta(days=2))
        known = set(told.filter(payload__action__in=ids).values_list("payload__action", flat=True))
        new = [one for one in due if str(one.pk) not in known]
        Notification.objects.bulk_create(
            Notification(account_id=account_id, user=person, type=KIND, payload=_payload(one, person))
            for one in new
            for person in _who(one)
            if KIND not in person.choices.muted
        )
    return len(new)


def _who(action: ProposedAction) -> list[User]:
    if action.status == ProposedAction.Status.CONFIRMED:
        return may_sign(action)
    return [action.owner] if action.owner else []


def _payload(action: ProposedAction, person: User) -> dict[str, str]:
    of = "you" if action.owner_id == person.pk else action.owner_name
    until, what = f"{action.expires_at:%H:%M} UTC", action.tool.replace("_", " ")
    about = {"conversation": str(action.case_id)} if action.case_id else {}
    return {"action": str(action.pk), "of": of, "what": what, "until": until, **about}
