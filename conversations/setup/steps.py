"""What a new account has to do before its first reply reaches a customer. A step is done by evidence, and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from conversations import hooks
from conversations.channels.provider import Finding
from conversations.database import database_time
from conversations.models import Account, Channel, Conversation, Delivery, Invitation, Membership

PEOPLE = 2
DELIVERED = (Delivery.Status.SENT, Delivery.Status.DELIVERED)


@dataclass(frozen=True, slots=True)
class Link:
    """A way on: the name of the page, with the key of the channel that it is about, if it is about one."""

    text: str
    page: str
    channel: Channel | None = None
    query: str = ""


@dataclass(slots=True)
class Step:
    key: str
    title: str
    is_done: bool
    text: str
    state: str
    links: tuple[Link, ...] = ()
    lines: tuple[Finding, ...] = ()
    waits_for: int = 0  # the number of the step that has to be done first
    number: int = field(default=0)


def steps_of(account: Account) -> list[Step]:
    """The five steps in their order, each with what is known of it."""
    channels = list(Channel.objects.order_by("-is_active", "-checked_at", "created_at"))
    reply = _reply(channels)
    found = [reply, _receive(channels, reply), _sources(), _people(), _first_answer()]
    for number, step in enumerate(found, 1):
        step.number = number
    last = found[-1]
    if not last.is_done:
        last.waits_for = next((step.number for step in (found[1], found[0]) if not step.is_done), 0)
    if not found[1].is_done and not channels:
        found[1].waits_for = 1
    return found


def finish(account: Account, steps: list[Step]) -> bool:
    """Note that all is done; whether that is news."""
    if account.set_up_at is not None or not all(step.is_done for step in steps):
        return False
    return bool(Account.objects.filter(pk=account.pk, set_up_at=None).update(set_up_at=database_time.now()))


def _day(at: datetime | None) -> str:
    return f"{at:%-d %b %H:%M}" if at else ""


def _reply(channels: list[Channel]) -> Step:
    """A channel whose connection was checked, and whose test somebody received."""
    able = [channel for channel in channels if channel.provided_by.check is not None]
    done = next((one for one in able if one.is_active and one.is_proved and one.test_arrived_at), None)
    title = "A channel that can reply"
    if done is not None:
        text = (
            f"Replies leave as {done.sends_as}. The connection was checked, and the test arrived at {done.tested_to}."
        )
        return Step(
            "reply",
            title,
            True,
            text,
            f"Done {_day(done.test_arrived_at)}",
            (Link("Open the channel", "channel", done),),
        )
    if not able:
        text = "Say where customers write to you and how replies leave. Nothing is sent before a person approves it."
        return Step("reply", title, False, text, "Not begun", (Link("Add a channel", "channel-add"),))
    best = able[0]
    lines = (*best.findings, _test_line(best))
    if not best.is_proved:
        lines = tuple(best.findings) or (Finding("no", "Connection", "Not checked yet."),)
    text = f"{best.name} is there. It can reply once its connection is checked, it is switched on and its test arrived."
    return Step(
        "reply", title, False, text, "Not proved yet", (Link("Go on with the channel", "channel", best),), lines
    )


def _test_line(channel: Channel) -> Finding:
    if channel.test_arrived_at:
        return Finding("ok", "The test arrived", f"{channel.tested_to}, {_day(channel.test_arrived_at)}")
    if channel.tested_at:
        said = f"Sent to {channel.tested_to}, {_day(channel.tested_at)}"
        return Finding(
            "warn", "The test is on its way", said, "Open the link in that mail. It is not there? Look in spam."
        )
    return Finding("no", "Test", "None was sent yet.")


def _receive(channels: list[Channel], reply: Step) -> Step:
    newest = Conversation.objects.of_customers().filter(last_inbound_message__isnull=False).newest_first().first()
    title = "Receive what customers write"
    if newest is not None:
        text = "Messages come in, are stored first and read then."
        return Step(
            "receive", title, True, text, f"Last one {_day(newest.last_message_at)}", (Link("Channels", "channels"),)
        )
    mailed = next((channel for channel in channels if channel.provided_by.by_address), None)
    if mailed is None:
        text = "Messages come by the channel that you add first, or from your own software by the internal API."
        return Step("receive", title, False, text, "Not begun")
    text = (
        f"Write to {mailed.external_id} from any other address. What is in the mailbox is fetched every minute."
        if mailed.is_fetched_from
        else f"Have your mail server hand mail for {mailed.external_id} over to this installation; whoever runs it knows how. "
        "Then write to that address from any other one."
    )
    return Step("receive", title, False, text, "Nothing read yet", (Link("Look again", "setup"),), (
        Finding("warn", "No mail read yet", f"Nothing came in for {mailed.external_id}."),
    ))  # fmt: skip


def _sources() -> Step:
    count = sum(handler() for handler in hooks.documents_read)
    title = "Sources that drafts may cite"
    if count:
        text = f"{count} document{'s' if count != 1 else ''} can be cited."
        return Step("sources", title, True, text, "Done", (Link("Sources", "sources"),))
    text = "Missing: at least one website or file. Without sources a draft can only say that a colleague will answer."
    return Step("sources", title, False, text, "Not begun", (Link("Add a website or files", "sources"),))


def _people() -> Step:
    people = Membership.objects.filter(is_active=True).count()
    open_ = list(Invitation.objects.live().order_by("expires_at"))
    title, links = "People who answer", (Link("People", "people"),)
    if people >= PEOPLE:
        text = "More than one person can look at a draft, so nothing hangs on one."
        if open_:
            text = f"{open_[0].address} has not accepted yet; the invitation ends on {open_[0].expires_at:%-d %B}."
        pending = f", {len(open_)} pending" if open_ else ""
        return Step("people", title, True, text, f"{people} accepted{pending}", links)
    if open_:
        text = f"{open_[0].address} is invited and has not accepted yet; it ends on {open_[0].expires_at:%-d %B}."
        return Step("people", title, False, text, f"{len(open_)} pending", links)
    text = "You are alone here. Invite at least one more person; somebody should answer while you are away."
    return Step("people", title, False, text, "Not begun", (Link("Invite somebody", "people"),))


def _first_answer() -> Step:
    sent = Delivery.objects.filter(status__in=DELIVERED).order_by("sent_at").first()
    title = "Answer the first mail"
    if sent is not None:
        return Step(
            "answer",
            title,
            True,
            "The first reply was delivered.",
            f"Done {_day(sent.sent_at)}",
            (Link("Queue", "queue"),),
        )
    text = "When the first mail is here, its draft opens in the queue. Read it, correct it, approve it."
    return Step("answer", title, False, text, "Not yet", (Link("Open the queue", "queue"),))
