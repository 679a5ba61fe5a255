"""Builds the review pane of one draft from what `drafts.queue.panes` fetched."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import reverse

from conversations import outgoing
from conversations.envelope import digest, reply_envelope
from conversations.models import Channel, Role, User
from conversations.roles import Policy, Verb
from conversations.tenancy import Tenant
from conversations.views.links import address, below
from conversations.views.present import FileView, channel_words, message_view, related_words, title_of
from conversations.views.words import Clock, initials, plural, size, span
from conversations.visible import Visible
from drafts import diffing
from drafts.desk.presence import Asked
from drafts.evidence.rates import NOTHING, TopicRates
from drafts.models import Draft
from drafts.queue import Summary, moment
from drafts.views import banners
from drafts.views.present import (
    NEEDS,
    OLD_SOURCE,
    REASONS,
    Banner,
    Can,
    Check,
    Choice,
    DeskFilters,
    More,
    Pane,
    SourceView,
    Urls,
    due_words,
    shortened,
)
from drafts.views.prose import blocks

UNTIL_RELEASED = 3600  # seconds of hold from which on a reply waits until somebody presses Send


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, from where, and what they may do: the same for every pane of one answer."""

    user: User
    tenant: Tenant
    clock: Clock
    filters: DeskFilters
    policy: Policy
    rates: TopicRates
    hold_seconds: int
    csrf: str
    queue_url: str
    drafts_url: str
    conversations_url: str

    @classmethod
    def of(
        cls,
        user: User,
        tenant: Tenant,
        clock: Clock,
        filters: DeskFilters,
        summary: Summary,
        rates: TopicRates,
        csrf: str,
    ) -> Desk:
        return cls(
            rates=rates,
            user=user,
            tenant=tenant,
            clock=clock,
            filters=filters,
            policy=summary.policy,
            hold_seconds=summary.hold_seconds,
            csrf=csrf,
            queue_url=address("drafts:queue"),
            drafts_url=below("drafts:detail"),
            conversations_url=address("conversations:list"),
        )

    @property
    def role(self) -> Role | None:
        return self.tenant.role

    @property
    def within(self) -> Visible:
        return self.tenant.channels

    def may(self, verb: Verb) -> bool:
        return self.policy.answer(self.role, verb).allowed

    @property
    def may_batch(self) -> bool:
        return self.may(Verb.BATCH_APPROVE)


def build(
    draft: Draft,
    desk: Desk,
    *,
    do: str = "",
    banner: Banner | None = None,
    own_text: str = "",
    own_reasons: Sequence[str] = (),
    confirm: bool = False,
    field_error: str = "",
    asked: Asked | None = None,
    colleagues: Sequence[tuple[str, str]] = (),
    follows: str = "",
) -> Pane:
    """`own_text` is what the person had typed when a decision was refused: it stays in the box.

    `asked` is who asks this person for the conversation, `colleagues` whom it could be handed over to (only when that
    form is shown), `follows` the customer of the next draft.
    """
    clock, conversation = desk.clock, draft.conversation
    channel = conversation.channel
    urls = Urls.of(
        draft,
        base=desk.drafts_url,
        queue=desk.queue_url,
        conversations=desk.conversations_url,
        query=desk.filters.query,
    )
    live = draft.status == Draft.Status.PENDING
    can = Can.of(desk.policy, desk.role, draft)
    revision = draft.revision if draft.version else None  # type: ignore[attr-defined]
    text = revision["text"] if revision else draft.suggested_text
    statements = revision["statements"] if revision else draft.statements
    sources = [_source(n, entry, clock) for n, entry in enumerate(draft.top_sources, 1)]
    numbers = {str(entry.get("passage")): n for n, entry in enumerate(draft.top_sources, 1)}
    unsourced = sum(1 for one in statements if not any(str(s) in numbers for s in one.get("sources", ())))
    support = _support(len(statements), unsourced)
    thread = [
        message_view(
            entry, clock, customer=conversation.customer, account=desk.tenant.name, address=conversation.customer_email
        )
        for entry in reversed(draft.thread)  # type: ignore[attr-defined]
    ]
    cut = _first_unanswered(draft.thread)  # type: ignore[attr-defined]
    due, urgency = due_words(draft.due_at, clock)
    holder = _holder(draft, desk)
    notice = banner or banners.standing(draft, desk.user, urls, clock, can, asked)
    editing = do == "edit" and can.edit
    own = own_text or text
    caps = desk.user.choices.caps
    envelope = reply_envelope(conversation, channel, draft.base_message) if channel else {"to": [], "cc": []}
    # Of a text that is being edited nobody can say anything yet.
    problems = outgoing.problems(channel, envelope, body_text="" if editing else text) if channel and live else []
    ops = diffing.diff_ops(draft.suggested_text, own) if editing and own != draft.suggested_text else None
    return Pane(
        id=str(draft.pk),
        urls=urls,
        can=can,
        title=title_of(conversation.subject, conversation.title),
        customer=conversation.customer,
        icon=channel.provided_by.icon if channel else "mail",
        channel=channel_words(channel.provided_by.label, channel.name) if channel else "",
        reference=f"#{conversation.number}",
        due=f"Reply due in {due}" if urgency != "late" else f"Reply {due}",
        due_class=f" due--{urgency}",
        presence=[holder] if holder else [],
        hidden=[
            ("version", str(draft.version)),
            ("last_inbound", str(conversation.last_inbound_message_id or "")),
            ("envelope", digest(envelope)),
            ("request_id", uuid.uuid4().hex),
            ("filter", desk.filters.query),
            ("pressed_twice", "1" if confirm else ""),
        ],
        recipients=_recipients(envelope),
        earlier=thread[: len(thread) - cut],
        latest=thread[len(thread) - cut :],
        has_draft=bool(text) or draft.erased_at is not None,
        no_draft=f"{draft.error or 'No text came out.'} Write the reply yourself, or ask for another draft.",
        draft_title="Draft reply" if live else f"Draft reply, {draft.get_status_display().lower()}",
        written=_written(draft, revision, clock),
        text=text,
        blocks=blocks(text, statements, numbers),
        statements=len(statements),
        unsourced=unsourced,
        second="" if confirm else second_press(unsourced, draft.is_about_money),
        original=draft.suggested_text,
        draft_files=[FileView(f["name"], size(f["size"]), _file_url(f["id"])) for f in draft.own_files],  # type: ignore[attr-defined]
        checks=[
            *(Check("warn", problem) for problem in problems),
            *(Check("ok" if entry["ok"] else "warn", entry["text"]) for entry in draft.checks),
        ],
        sources=sources,
        support=support,
        support_notes=[str(reason) for reason in draft.confidence_reasons if not str(reason).startswith(support)],
        meter=[True] * (len(statements) - unsourced) + [False] * unsourced,
        customer_facts=[
            ("Name", conversation.customer),
            *([("Address", conversation.customer_email)] if conversation.customer_email else []),
            ("Messages", str(conversation.message_count)),
            *([("Answer within", target)] if (target := _target(channel)) else []),
            *(
                [("Needs", ", ".join(NEEDS[c][0] for c in draft.needs_human if c in NEEDS))]
                if draft.needs_human
                else []
            ),
        ],
        related=[
            (related_words(one["number"], one["reason"]), f"{desk.conversations_url}{one['id']}/")
            for one in draft.related  # type: ignore[attr-defined]
            if uuid.UUID(str(one["channel"])) in desk.within
        ],
        provenance=_provenance(draft),
        hold_note=_hold_words(desk.hold_seconds),
        approve_label="Press again: send anyway" if confirm else "Approve the edit" if editing else "Approve and send",
        readonly_note=_readonly(live, draft),
        edit_reasons=[Choice(value, label, value in own_reasons) for value, label in REASONS.items()],
        reject_reasons=[Choice(value, label) for value, label in REASONS.items()],
        snoozes=_snoozes(clock),
        more=_more(can, urls, holder is not None, desk.user, draft),
        do=do if can.opens(do) and live else "",
        banner=banners.capped(notice, caps),
        keys=caps,
        blocked=_blocked(can, draft, text or own_text or editing, problems),
        own_text=own if editing else "",
        kept=blocks(own_text) if own_text and not editing and own_text.strip() != text.strip() else [],
        saved=f"Saved {clock.time(moment(revision['at']))}" if revision else "",
        field_error=field_error,
        changes=shortened(diffing.render_ops(ops, draft.suggested_text)) if ops else [],
        change_counts="{} words out, {} in".format(*diffing.word_counts(ops)) if ops else "",
        colleagues=[Choice(pk, name) for pk, name in colleagues],
        figure=desk.rates.get((draft.intent, draft.prompt_label), NOTHING).words if live else "",
        stamp=f"{desk.user.pk.hex}.{draft.pk.hex}",
        follows=follows,
    )


def _first_unanswered(thread: Sequence[Mapping[str, Any]]) -> int:
    """How many of the newest messages to show open: the customer's last words since anybody answered, at least one."""
    count = 0
    for entry in thread:  # newest first
        if entry["direction"] != "inbound":
            break
        count += 1
    return max(1, min(count, 3))


def _source(n: int, entry: Mapping[str, Any], clock: Clock) -> SourceView:
    indexed = entry.get("indexed_at")
    age = clock.now - moment(indexed) if indexed else None
    url = str(entry.get("url") or "")
    return SourceView(
        n=n,
        title=str(entry.get("title") or "Untitled"),
        quote=str(entry.get("quote") or ""),
        cited=bool(entry.get("cited", True)),
        url=url if url.startswith(("https://", "http://")) else "",
        age=f"Indexed {span(age)} ago" if age is not None else "",
        old=age is not None and age > OLD_SOURCE,
    )


def _support(statements: int, unsourced: int) -> str:
    if not statements:
        return "It states no facts"
    return (
        f"{statements - unsourced} of {plural(statements, 'statement')} {'has' if statements == 1 else 'have'} a source"
    )


def second_press(unsourced: int, money: bool) -> str:
    """What a second press of Approve is asked for; "" when one press is enough."""
    return ", ".join([*([f"{unsourced} unsourced"] if unsourced else []), *(["money"] if money else [])])


def _provenance(draft: Draft) -> list[tuple[str, str, bool]]:
    facts = [("Model", draft.model_key, True)]
    if draft.prompt_label:
        facts.append(("Prompt", draft.prompt_label, True))
    if draft.confidence is not None:
        facts.append(("Confidence", f"{draft.confidence:.0%}", False))
    if draft.intent:
        facts.append(("Topic", draft.intent, False))
    if draft.latency_ms is not None:
        facts.append(("Took", f"{draft.latency_ms / 1000:.1f} s", False))
    facts.append(("Draft version", str(draft.version), False))
    return facts


def _written(draft: Draft, revision: Mapping[str, Any] | None, clock: Clock) -> str:
    if revision:
        return f"Version {draft.version}, saved {clock.time(moment(revision['at']))} by {revision['author']}"
    return f"Written {clock.stamp(draft.created_at)}"


def _holder(draft: Draft, desk: Desk) -> dict[str, str] | None:
    found = draft.holder  # type: ignore[attr-defined]
    if not found or str(found["user_id"]) == str(desk.user.pk):
        return None
    name = found["name"] or found["email"]
    return {"name": name, "initials": initials(name)}


def _recipients(envelope: Mapping[str, Any]) -> str:
    def party(entry: Mapping[str, str]) -> str:
        return f"{entry['name']} <{entry['address']}>" if entry.get("name") else entry["address"]

    copies = f", copy {', '.join(map(party, envelope['cc']))}" if envelope["cc"] else ""
    return ", ".join(map(party, envelope["to"])) + copies


def _hold_words(seconds: int) -> str:
    if seconds <= 0:
        return "Sends at once"
    return "Waits until you send it" if seconds >= UNTIL_RELEASED else f"Undo for {seconds} s"


def _readonly(live: bool, draft: Draft) -> str:
    if live:
        return "You can read and export. Decisions are made by reviewers."
    return f"This draft is {draft.get_status_display().lower()}: there is nothing left to decide."


def _blocked(can: Can, draft: Draft, text: str | bool, problems: Sequence[str] = ()) -> str:
    """Why Approve is drawn but cannot be pressed."""
    if not can.any:
        return ""
    newer = draft.base_message_id != draft.conversation.last_inbound_message_id
    if newer or draft.status == Draft.Status.STALE:
        return "Answer the new message first"
    if not text:
        return "Write the reply first"
    if problems:
        return "This reply cannot be sent: see above"
    if not can.approve:
        return "Your role may not approve this one; a reviewer can" if can.edit else ""
    return ""


def _snoozes(clock: Clock) -> list[Choice]:
    local = clock.local(clock.now)
    morning = (local + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    hours = [("1 hour", clock.now + timedelta(hours=1)), ("4 hours", clock.now + timedelta(hours=4))]
    choices = [*hours, ("Tomorrow 9:00", morning), ("In a week", morning + timedelta(days=6))]
    return [Choice(at.isoformat(timespec="minutes"), label) for label, at in choices]


def _more(can: Can, urls: Urls, held: bool, user: User, draft: Draft) -> list[More]:
    items = []
    if can.elsewhere:
        items.append(More("Answered elsewhere", urls.elsewhere, "elsewhere", "check"))
    holder = draft.holder  # type: ignore[attr-defined]
    mine = holder is not None and str(holder["user_id"]) == str(user.pk)
    if can.claim and not holder:
        items.append(More("Claim", urls.claim, "claim", "lock"))
    elif mine and can.claim:
        items.append(More("Release", urls.release, "release", "lock"))
    return items


def _target(channel: Channel | None) -> str:
    """The channel's own answering time; "" when it follows the account."""
    minutes = channel.options.due_minutes if channel else None
    return span(timedelta(minutes=minutes)) if minutes else ""


def _file_url(attachment_id: str) -> str:
    return reverse("conversations:attachment", args=[attachment_id])
