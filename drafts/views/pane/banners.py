"""The words over a draft that cannot simply be decided: what happened, what was kept, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.urls import reverse

from conversations.errors import Locked, Refusal
from conversations.models import Delivery, Message
from conversations.views.words import Clock, plural, span
from conversations.web.bidi import isolated
from drafts import diffing
from drafts.desk import recipients
from drafts.desk.decisions import AlreadyDecided, NeedsSecondPress, Stale
from drafts.desk.presence import Asked
from drafts.models import Draft, DraftAction
from drafts.queue import moment
from drafts.views.pane.acts import Can, Urls
from drafts.views.pane.desk import Desk
from drafts.views.present import Change, shortened

ACTED = {
    DraftAction.Type.APPROVE: "approved",
    DraftAction.Type.EDIT: "edited and approved",
    DraftAction.Type.REJECT: "rejected",
    DraftAction.Type.ANSWER_ELSEWHERE: "marked as answered elsewhere",
}
QUOTE = 140


@dataclass(frozen=True, slots=True)
class Action:
    """A button of a banner: a link, or a submit of the pane's form when `post`. `key` is the act whose cap it shows."""

    label: str
    url: str
    post: bool = False
    act: str = ""
    key: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Both:
    """Two people's texts: theirs as saved, and the other's, marked with what differs from theirs."""

    theirs: list[str]
    theirs_by: str
    yours: list[Change]


@dataclass(frozen=True, slots=True)
class Banner:
    kind: str
    icon: str
    title: str
    text: str
    actions: tuple[Action, ...] = ()
    alert: bool = False
    both: Both | None = None
    poll: str = ""  # asked every second for this banner anew
    prose: tuple[str, ...] = ()  # paragraphs, while they are being written
    changes: tuple[Change, ...] = ()


def standing(draft: Draft, desk: Desk, urls: Urls, can: Can, asked: Asked | None = None) -> Banner | None:
    """The banner that a draft's own state asks for, strongest first; None when there is nothing to say.

    `asked`: who asks this person, its holder, for the conversation.
    """
    clock = desk.clock
    if _is_stale(draft):
        return _stale(draft, urls, clock, can)
    if draft.status != Draft.Status.PENDING:
        return _decided(draft, urls, clock)
    holder = draft.holder  # type: ignore[attr-defined]
    if holder and str(holder["user_id"]) != str(desk.user.pk):
        name = isolated(holder["name"] or holder["email"])
        left = moment(holder["until"]) - clock.now
        return Banner(
            "info",
            "lock",
            f"{name} is working on this conversation.",
            f"You can read along, not decide. Their claim ends in {span(max(left, timedelta(0)))} unless they go on.",
            (
                Action("Next draft", urls.next, act="next", key="next"),
                *([Action("Take over", urls.claim, True, "take-over", "", "take_over", "1")] if can.take_over else []),
                *([Action("Ask to take over", urls.ask, True, "ask")] if can.claim and not can.take_over else []),
            ),
        )
    if asked and can.claim:
        return Banner(
            "info",
            "user",
            f"{asked.by} asks for this conversation.",
            f"Asked at {clock.time(asked.at)}. What you typed and saved goes with it.",
            (Action("Give it", urls.give, True, "give"), Action("Keep it", urls.hold_on, True, "hold-on")),
        )
    if draft.base_message and recipients.is_suspicious(draft.base_message):
        return _unproved(draft.base_message, urls)
    if draft.sources_changed_at:
        return _sources_changed(draft, urls, clock, can)
    act = draft.last_act  # type: ignore[attr-defined]
    if holder and act and act["type"] == DraftAction.Type.ESCALATE and str(act["user_id"]) != str(desk.user.pk):
        note = f"“{act['notes']}”" if act["notes"] else "They left no note."
        return Banner("info", "user", f"{act['by']} handed this over to you at {clock.time(moment(act['at']))}.", note)
    return None


def _unproved(message: Message, urls: Urls) -> Banner:
    details = message.details
    asked = ", ".join(party.address for party in details.answer_to) or details.reply_to
    return Banner(
        "bad",
        "alert",
        f"This mail may not be from {details.sender}.",
        f"{details.authentication.words}, and it asks for the answer at {asked}. Ask the customer another way before you "
        "send anything there.",
        (Action("Read the conversation", urls.conversation),),
        alert=True,
    )


def _sources_changed(draft: Draft, urls: Urls, clock: Clock, can: Can) -> Banner:
    assert draft.sources_changed_at is not None
    redraft = [Action("Redraft", urls.regenerate, True, "redraft-now", "redraft")] if can.regenerate else []
    return Banner(
        "warn",
        "book",
        f"A source of this draft changed at {clock.time(draft.sources_changed_at)}.",
        "What it says may not hold any more. Read the source again, or redraft.",
        tuple(redraft),
    )


def capped(banner: Banner | None, caps: Mapping[str, str]) -> Banner | None:
    """The banner with this person's keys on its buttons."""
    if banner is None or not any(action.key for action in banner.actions):
        return banner
    return replace(banner, actions=tuple(replace(action, key=caps.get(action.key, "")) for action in banner.actions))


def _is_stale(draft: Draft) -> bool:
    newer = draft.base_message_id != draft.conversation.last_inbound_message_id
    return draft.status == Draft.Status.STALE or (draft.status == Draft.Status.PENDING and newer)


def answered_anew(draft: Draft, urls: Urls, clock: Clock, can: Can, url: str) -> Banner:
    """A stale draft whose conversation has its new one already: that is the way on."""
    banner = _stale(draft, urls, clock, can)
    text = banner.text.replace("a new one is being written.", "a new draft is ready.")
    return replace(banner, text=text, actions=(Action("Open the new draft", url, act="show"), *banner.actions))


def _stale(draft: Draft, urls: Urls, clock: Clock, can: Can) -> Banner:
    newest = next((m for m in draft.thread if m["direction"] == "inbound"), None)  # type: ignore[attr-defined]
    when = f" at {clock.time(moment(newest['sent_at']))}" if newest else ""
    words = " ".join(((newest["new"] or newest["text"]) if newest else "").split())
    quote = f"“{words[:QUOTE]}{'…' if len(words) > QUOTE else ''}” " if words else ""
    return Banner(
        "warn",
        "alert",
        f"{draft.conversation.customer} wrote again{when}.",
        f"{quote}This draft answers the earlier message; a new one is being written.",
        _out_of_stale(urls, can),
        alert=True,
    )


def _out_of_stale(urls: Urls, can: Can) -> tuple[Action, ...]:
    """The ways on from a draft that answers an earlier message, of those that are this person's."""
    redraft = Action("Redraft", urls.regenerate, True, "redraft-now", "redraft")
    keep = Action("Keep this draft", urls.keep, True, "keep")
    return (*([redraft] if can.regenerate else []), *([keep] if can.keep else []))


def _decided(draft: Draft, urls: Urls, clock: Clock) -> Banner:
    act = draft.last_act  # type: ignore[attr-defined]
    said = ACTED.get(act["type"]) if act else None
    if said:
        title = f"{act['by']} {said} this at {clock.time(moment(act['at']), seconds=True)}."
    else:
        title = f"This draft is {draft.get_status_display().lower()}."
    return Banner(
        "info",
        "info",
        title,
        "It is no longer in the queue. The timeline shows what became of it.",
        (Action("Audit timeline", urls.timeline), Action("Next draft", urls.queue, key="next", act="next")),
    )


def being_written(urls: Urls, text: str) -> Banner:
    """Another draft was asked for: what there is of it so far. The page asks again by itself."""
    return Banner(
        "info",
        "redo",
        "Another draft is being written.",
        "This one stays until it is ready.",
        (Action("Look again", urls.progress),),
        poll=urls.progress,
        prose=tuple(line for line in text.split("\n") if line),
    )


def replaced(draft: Draft, newer: Draft, url: str) -> Banner:
    """A newer draft took this one's place: what it says otherwise, and the way to it."""
    revision = draft.revision if draft.version else None  # type: ignore[attr-defined]
    before, after = revision["text"] if revision else draft.suggested_text, newer.suggested_text
    words = "This is what it changes." if after != before else "It says the same as this one."
    ops = diffing.diff_ops(before, after) if after and after != before else None
    return Banner(
        "info",
        "redo",
        "The new draft is ready.",
        words if after else newer.error,
        (Action("Show it", url, act="show"),),
        changes=tuple(shortened(diffing.render_ops(ops, before))) if ops else (),
    )


def unsettled(draft: Draft, delivery: Delivery, urls: Urls, may_resolve: bool) -> Banner | None:
    """What became of an approved reply, when a person has to look: it failed, or nobody can tell."""
    kinds = {
        "failed": ("bad", f"The reply to {draft.conversation.customer} could not be sent.", ("send_again", "give_up")),
        "uncertain": ("warn", f"Was the reply to {draft.conversation.customer} sent or not?", ("sent", "send_again")),
        "bounced": ("bad", f"The reply to {draft.conversation.customer} came back undelivered.", ()),
    }
    if delivery.status not in kinds:
        return None
    kind, title, outcomes = kinds[delivery.status]
    labels = {"send_again": "Try again", "give_up": "Give up", "sent": "It arrived"}
    tried = f"Tried {plural(delivery.attempt_count, 'time')}. " if delivery.attempt_count else ""
    error = f"{delivery.error.rstrip('.')}. " if delivery.error else ""
    actions = [
        Action(labels[outcome], reverse("drafts:resolve-delivery", args=[delivery.pk, outcome]), True, "resolve")
        for outcome in outcomes
    ]
    if not may_resolve:
        actions = []
    return Banner(
        kind, "alert", title, f"{tried}{error}The approved text is kept as it was.", tuple(actions), alert=True
    )


def refused(error: Exception, urls: Urls, can: Can, *, text_kept: bool) -> Banner:
    """The answer to a decision that was not carried out."""
    kept = " What you typed is kept below." if text_kept else ""
    words = f"{error}{kept}" if str(error) else f"Nothing was changed.{kept}"
    onward = Action("Next draft", urls.next, act="next", key="next")
    match error:
        case NeedsSecondPress():
            return Banner("warn", "alert", "Look once more before it goes.", words, alert=True)
        case Stale():
            return Banner(
                "warn",
                "alert",
                "The customer wrote again.",
                words,
                _out_of_stale(urls, can),
                alert=True,
            )
        case Locked():
            ask = [Action("Ask to take over", urls.ask, True, "ask")] if can.claim else []
            take = [Action("Take over", urls.claim, True, "take-over", "", "take_over", "1")] if can.take_over else ask
            return Banner("info", "lock", "Somebody else is working on this.", words, (onward, *take), alert=True)
        case AlreadyDecided():
            actions = (Action("Compare", urls.timeline), onward)
            return Banner("warn", "alert", "Already decided.", words, actions, alert=True)
        case PermissionDenied():
            return Banner("bad", "lock", "Your role may not do this.", words, (onward,), alert=True)
        case Refusal(status=422):
            return Banner("warn", "alert", "Not like this.", words, alert=True)
        case _:
            again = Action("Look again", urls.detail)
            return Banner("warn", "alert", "It changed while you were reading.", words, (again, onward), alert=True)
