"""How a channel fares, as far as its rows tell: on, off, when something last came and went, and what did not go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q

from conversations.messages import access, fetching
from conversations.models import Channel, ChannelHealth, ChannelToken, Conversation, Delivery

S = Delivery.Status
WAITING = (S.HELD, S.QUEUED, S.SENDING)
NEWEST = 50


@dataclass(frozen=True, slots=True)
class Health:
    channel: Channel
    received_at: datetime | None
    sent_at: datetime | None
    waiting: int
    oldest: datetime | None
    uncertain: int
    failed: int
    health: ChannelHealth | None = None
    signed_out: str = ""  # what its vendor said when it ended the sign-in
    silent_since: datetime | None = None  # it is to be fetched from, and was not for too long

    @property
    def sends(self) -> bool:
        return self.channel.provided_by.open is not None

    @property
    def away(self) -> ChannelHealth | None:
        """Nothing is handed to it for a while, or the last try failed."""
        return self.health if self.health and self.health.faults else None

    @property
    def needs_a_person(self) -> bool:
        return self.channel.is_active and self.state[1] in {"bad", "warn"}

    @property
    def cannot_send(self) -> bool:
        """An entry is missing that it was switched on without, before that was refused."""
        return bool(self.channel.missing)

    @property
    def state(self) -> tuple[str, str]:
        """Words, and what kind of state they are (ok, warn, bad, q)."""
        if not self.channel.is_active:
            never = self.received_at is None and self.sent_at is None
            return ("Off, never used" if never else "Off"), "q"
        if self.cannot_send:
            return "Cannot send", "bad"
        if self.signed_out:
            return "Connect again", "bad"
        if self.away:
            return "Does not send", "bad"
        if self.health and self.health.hook_refused_at:
            return "Refuses what is posted", "bad"
        if self.silent_since:
            return "Receives nothing", "bad"
        if self.uncertain:
            return "Somebody has to look", "bad"
        if self.failed:
            return "A reply did not go", "warn"
        if self.channel.checked and not self.channel.is_proved:
            return "Failed its last check", "bad"
        if not self.channel.is_proved and self.sent_at is None:
            return "On, never proved", "warn"
        return ("Works", "ok") if self.sends else ("Receives only", "ok")


def health_of(channels: list[Channel]) -> list[Health]:
    """One for each channel, in their order."""
    ids = [channel.pk for channel in channels]
    open_ = {
        row["channel_id"]: row
        for row in Delivery.objects.filter(channel_id__in=ids, status__in=[*WAITING, S.UNCERTAIN, S.FAILED])
        .values("channel_id")
        .annotate(
            waiting=Count("pk", filter=Q(status__in=WAITING)),
            oldest=Min("created_at", filter=Q(status__in=WAITING)),
            uncertain=Count("pk", filter=Q(status=S.UNCERTAIN)),
            failed=Count("pk", filter=Q(status=S.FAILED)),
        )
    }
    health = {row.channel_id: row for row in ChannelHealth.objects.filter(channel_id__in=ids)}
    tokens = {row.channel_id: row for row in ChannelToken.objects.filter(channel_id__in=ids, is_broken=True)}
    nothing: dict[str, Any] = {"waiting": 0, "oldest": None, "uncertain": 0, "failed": 0}
    found = []
    for channel in channels:
        row: Any = open_.get(channel.pk, nothing)
        found.append(
            Health(
                channel=channel,
                received_at=_received(channel),
                sent_at=_sent(channel),
                waiting=row["waiting"],
                oldest=row["oldest"],
                uncertain=row["uncertain"],
                failed=row["failed"],
                health=health.get(channel.pk),
                signed_out=tokens[channel.pk].problem if access.is_signed_out(tokens.get(channel.pk), channel) else "",
                silent_since=_silent_since(channel, health.get(channel.pk)),
            )
        )
    return found


def _silent_since(channel: Channel, health: ChannelHealth | None) -> datetime | None:
    return fetching.silent_since(channel, health) if channel.is_active and channel.is_fetched_from else None


def _received(channel: Channel) -> datetime | None:
    """Of the conversations that moved last: an index has these at hand, however many there are."""
    moved = Conversation.objects.of_customers().filter(channel=channel).newest_first()[:NEWEST]
    found = moved.values_list("last_inbound_message__created_at", flat=True)
    return max((at for at in found if at is not None), default=None)


def _sent(channel: Channel) -> datetime | None:
    rows = Delivery.objects.filter(channel=channel, status=S.SENT).order_by("-created_at")
    return rows.values_list("sent_at", flat=True).first()
