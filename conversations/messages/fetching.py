"""Whether a channel that is asked for messages answers: kept in its health, and told to admins when it does not for long.

Nothing fails as silently as a fetcher (docs/decisions/0064). A round is due every minute; three that are missing and five
minutes on top are no hiccup any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from conversations import audit
from conversations.database import database_time
from conversations.messages import breaker
from conversations.models import Channel, ChannelHealth

ROUND = timedelta(seconds=60)
LATE = 3 * ROUND + timedelta(minutes=5)


def silent_since(channel: Channel, health: ChannelHealth | None) -> datetime | None:
    """Since when nothing could be fetched, where that is too long; None while all is well. Who was just set up has time."""
    last = health.fetched_at if health else None
    counted = max(filter(None, [last, channel.updated_at]))
    return (last or counted) if database_time.now() - counted > LATE else None


def fetched(channel: Channel) -> None:
    """A round came to its end."""
    health = breaker.locked(channel)
    if health.fetch_told_at is not None:
        breaker.untell_admins(channel, what="fetching")
    health.fetched_at, health.fetch_problem, health.fetch_told_at = database_time.now(), "", None
    health.save(update_fields=["fetched_at", "fetch_problem", "fetch_told_at"])


def not_fetched(channel: Channel, problem: str) -> None:
    health = breaker.locked(channel)
    health.fetch_problem = audit.masked(problem)[:500]
    health.save(update_fields=["fetch_problem"])


def watch(channel: Channel) -> None:
    """Tell admins once of a channel from which nothing came for too long, whoever is to fetch it and does not."""
    since = silent_since(channel, breaker.health_of(channel.pk))
    if since is None:
        return
    health = breaker.locked(channel)
    if health.fetch_told_at is None:
        health.fetch_told_at = database_time.now()
        health.save(update_fields=["fetch_told_at"])
        problem = health.fetch_problem or "Nobody fetched; does a worker run?"
        breaker.tell_admins(channel, f"It fetches nothing since {since:%-d %b %H:%M} UTC: {problem}", what="fetching")
