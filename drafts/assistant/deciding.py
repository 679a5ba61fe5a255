"""A person's decision on a proposed action: confirm or countersign it, which carries it out, or say no.

A press names what was on the screen, by two hashes. Under the locks the person's right is asked anew and the facts are read again:
where one differs from what was shown, the action expires with both, and nothing was changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from conversations import audit
from conversations.chats.actions import expire, record
from conversations.database import database_time
from conversations.errors import Conflict, Refusal
from conversations.models import (
    Account,
    ActionReceipt,
    Conversation,
    Membership,
    Notification,
    ProposedAction,
    Role,
    User,
)
from conversations.models.actions import UNDECIDED
from conversations.people.roles import Policy, Verb, check, role_of
from drafts.assistant.actions import PROPOSED, parse, scope_of
from drafts.assistant.tools import TOOLS, Arguments, Fact, Scope, Tool
from drafts.assistant.tools.shapes import stored, values
from drafts.desk import merging
from drafts.desk.scene import NeedsSecondPress

Status = ProposedAction.Status
MAX_REASON = 500
#: Four eyes are those of two people: a script that has somebody's token sees nothing.
ONLY_BY_HAND = "A colleague's action is signed or refused at the desk, by hand. No token does it; nothing was changed."


class NotAsShown(Conflict):
    """The card on the screen is not this action as it stands."""


class Decided(Conflict):
    """Somebody was first, or it is too late; `facts["action"]` says who and when."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press says: what was on the screen, for how long, whether it is the second one, and by which of the person's own
    tokens, if it was not by their hand."""

    arguments_sha256: str
    precondition_sha256: str
    seen_ms: int | None = None
    pressed_twice: bool = False
    request_id: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An action under its locks, with the tool that does it and what the actor sees now."""

    action: ProposedAction
    tool: Tool[Any]
    args: Arguments
    scope: Scope

    @property
    def is_own(self) -> bool:
        return self.action.owner_id == self.scope.actor.pk


def confirm(*, action_id: uuid.UUID, actor: User, pressed: Pressed) -> ProposedAction:
    """The proposer's press, or a second person's. Returns the action as it is then: done, failed (its verb refused, nothing was
    changed), waiting for a second person, or expired because what it rests on changed.

    One's own press repeated (same request id) returns the first outcome. Raises ProposedAction.DoesNotExist (404),
    PermissionDenied (403), Decided or NotAsShown (409), NeedsSecondPress (422).
    """
    with transaction.atomic():
        place = _lock(action_id, actor)
        action = place.action
        if pressed.token and not place.is_own:
            raise PermissionDenied(ONLY_BY_HAND)
        if pressed.request_id and pressed.request_id == (
            action.confirm_request if place.is_own else action.second_request if action.second_by_id == actor.pk else ""
        ):
            return action
        _still_open(place)
        if (pressed.arguments_sha256, pressed.precondition_sha256) != (
            action.arguments_sha256,
            action.precondition_sha256,
        ):
            raise NotAsShown("This is not the action that was on your screen. Nothing was changed; read it again.")
        alone = enough_alone(place.tool, actor, account_id=action.account_id, is_own=place.is_own)
        if (why := needs_two_presses(action)) and not pressed.pressed_twice:
            raise NeedsSecondPress(f"Two presses, because {why}. Nothing has happened yet.")
        if not place.is_own and not _owner_is_there(place):
            expire(action, reason="proposer_gone")
            return action
        now = _facts(place)
        if now is None or values(stored(now)) != values(action.precondition):
            expire(action, reason="target_changed", actor=actor, found=stored(now or ()))
            return action
        _sign(place, pressed)
        if not place.is_own or alone:
            _carry_out(place, now)
        else:
            _ask_for_a_second(place)
    return action


def reject(*, action_id: uuid.UUID, actor: User, reason: str = "") -> ProposedAction:
    """Say no, take one's confirmation back, or refuse the second signature. Saying it twice is saying it once.

    Raises ProposedAction.DoesNotExist (404), PermissionDenied (403), Decided (409).
    """
    with transaction.atomic():
        action = find(action_id, actor, lock=True)
        own = action.owner_id == actor.pk
        if action.rejected_by_id == actor.pk:
            return action
        tool = TOOLS.get(action.tool)
        check(actor, Verb.ASSIST if own or tool is None else tool.verb, account_id=action.account_id, kind=PROPOSED)
        if action.status not in UNDECIDED or is_over(action):
            raise decided(action)
        word = "refused" if not own else "taken_back" if action.status == Status.CONFIRMED else "rejected"
        turn_down(action, actor, word, said=reason)
    return action


def turn_down(action: ProposedAction, actor: User, word: str, *, said: str = "") -> None:
    """The rest of `reject`, under the action's lock."""
    said = said.replace("\x00", "").strip()[:MAX_REASON]
    move(
        action,
        Status.REJECTED,
        ended_at=Now(),
        rejected_by=actor,
        rejected_name=actor.name[:120],
        reason=word,
        said=said,
    )
    commit = {"said": said} if said else None
    record(audit.Kind.ACTION_REJECTED, action, actor, reason=word.replace("_", " "), commit=commit)


def find(action_id: uuid.UUID, actor: User, *, lock: bool = False) -> ProposedAction:
    """The action, if the actor may know of it: their own, or one that its owner signed and that is about what they see. One
    about no conversation is for who may sign it, and for who did.

    Raises ProposedAction.DoesNotExist (404).
    """
    found = ProposedAction.objects.select_for_update(of=("self",)) if lock else ProposedAction.objects.all()
    action = found.get(pk=action_id)
    if action.owner_id != actor.pk and (action.confirmed_at is None or not _sees(action, actor)):
        raise ProposedAction.DoesNotExist
    took_part = actor.pk in {action.owner_id, action.second_by_id, action.rejected_by_id}
    if action.case_id is None and not took_part and actor not in may_sign(action):
        raise ProposedAction.DoesNotExist
    return action


def needs_two_presses(action: ProposedAction) -> str:
    """Why one press is not enough, in words that go on after "because"; "" if it is."""
    if action.tainted:
        return "what was read for it holds an instruction that nobody here gave"
    tool = TOOLS.get(action.tool)
    return str(action.effect.get("twice") or "") or ("it promises money" if tool and tool.risk == "money" else "")


def is_over(action: ProposedAction) -> bool:
    """Whether its time is over, to the microsecond, whether or not the sweep has been there."""
    return action.status in UNDECIDED and action.expires_at <= database_time.now()


def decided(action: ProposedAction) -> Decided:
    """What became of it, as a refusal."""
    if is_over(action) or (action.status == Status.EXPIRED and action.reason == "too_late"):
        words = f"Its time was over at {action.expires_at:%H:%M:%S} UTC. Nothing was changed; propose it again."
    elif action.status == Status.EXECUTED:
        who = action.second_name or action.confirmed_name
        words = f"{who} was first: done at {action.ended_at:%H:%M:%S} UTC. It was done once."
    elif action.status == Status.CONFIRMED:
        words = f"{action.confirmed_name} confirmed it. Another person has to sign; nobody signs twice."
    elif action.status == Status.REJECTED:
        words = f"{action.rejected_name} was first: rejected at {action.ended_at:%H:%M:%S} UTC. Nothing was changed."
    else:
        words = f"This is over: {action.get_status_display().lower()}. Nothing was changed by your press."
    return Decided(words, action=action)


def _lock(action_id: uuid.UUID, actor: User) -> Place:
    """First the conversations that the tool touches, in its verb's order, or the account where there is none; then the action."""
    found = ProposedAction.objects.get(pk=action_id)
    own = found.owner_id == actor.pk
    if not own and found.confirmed_at is None:
        raise ProposedAction.DoesNotExist
    tool = TOOLS.get(found.tool)
    if tool is None or tool.version != found.version or not found.arguments_sha256:
        raise Decided(
            "The assistant can do this no more as it was shown. Nothing was changed; ask again.", action=found
        )
    scope, args = _scope(found, actor, own), parse(tool, found.arguments)
    touched = tool.touches(scope, args)
    customers = Conversation.objects.of_customers().filter(account_id=found.account_id)
    for pk in merging.to_lock(*touched) if len(touched) == 2 else touched:
        customers.select_for_update(of=("self",)).filter(pk=pk).values_list("pk").first()
    if not touched:
        Account.objects.select_for_update(no_key=True).only("pk").get(pk=found.account_id)
    action = ProposedAction.objects.select_for_update(of=("self",)).get(pk=action_id)
    return Place(action, tool, args, _scope(action, actor, own))


def _scope(action: ProposedAction, actor: User, own: bool) -> Scope:
    try:
        return scope_of(actor=actor, account_id=action.account_id, case_id=action.case_id)
    except Conversation.DoesNotExist:
        if not own:
            raise ProposedAction.DoesNotExist from None
        raise PermissionDenied("You no longer work on the channel of this conversation. Nothing was changed.") from None


def _sees(action: ProposedAction, person: User) -> bool:
    mine = Membership.objects.filter(account_id=action.account_id, user=person, is_active=True)
    if action.case_id is not None:
        mine = mine.seeing(Conversation.objects.values_list("channel_id", flat=True).get(pk=action.case_id))
    return mine.exists()


def _still_open(place: Place) -> None:
    action = place.action
    wanted = Status.PROPOSED if place.is_own else Status.CONFIRMED
    if action.status != wanted or is_over(action):
        raise decided(action)


def enough_alone(tool: Tool[Any], actor: User, *, account_id: uuid.UUID, is_own: bool) -> bool:
    """Whether this person's press is enough by itself. Raises PermissionDenied (403) where it is nothing at all."""
    if is_own and tool.proposed_by is not None:
        check(actor, tool.proposed_by, account_id=account_id, kind=PROPOSED)
        try:
            return not check(actor, tool.verb, account_id=account_id, kind=PROPOSED).four_eyes
        except PermissionDenied:
            return False  # who may only propose signs first; who may do it signs second
    return not check(actor, tool.verb, account_id=account_id, kind=PROPOSED).four_eyes


def may_sign(action: ProposedAction) -> list[User]:
    """Who could be the second person, by name."""
    tool = TOOLS.get(action.tool)
    if tool is None:
        return []
    members = Membership.objects.filter(account_id=action.account_id, is_active=True, user__is_active=True)
    if action.case_id is not None:
        members = members.seeing(Conversation.objects.values_list("channel_id", flat=True).get(pk=action.case_id))
    policy = Policy.of(Account.objects.get(pk=action.account_id))
    found = [
        row.user
        for row in members.exclude(user=action.owner_id).select_related("user")
        if policy.answer(Role(row.role), tool.verb, PROPOSED).allowed
    ]
    return sorted(found, key=lambda user: user.name.lower())


def _owner_is_there(place: Place) -> bool:
    """Whether the first signature still counts: its person works there, and may still give it."""
    action, tool = place.action, place.tool
    if action.owner is None or not _sees(action, action.owner):
        return False
    policy, role = Policy.of(place.scope.account), role_of(action.owner, action.account_id)
    return policy.answer(role, tool.proposed_by or tool.verb, PROPOSED).allowed


def _facts(place: Place) -> tuple[Fact, ...] | None:
    """What it rests on, as it is now; None where that is not there any more."""
    try:
        return place.tool.facts(place.scope, place.args)
    except (Refusal, ObjectDoesNotExist):
        return None


def _sign(place: Place, pressed: Pressed) -> None:
    action, actor = place.action, place.scope.actor
    if place.is_own:
        move(
            action,
            Status.CONFIRMED,
            confirmed_at=Now(),
            confirmed_by=actor,
            confirmed_name=actor.name[:120],
            confirm_request=pressed.request_id,
            seen_ms=pressed.seen_ms,
        )
        by: dict[str, Any] = {"token": pressed.token} if pressed.token else {}
        record(audit.Kind.ACTION_CONFIRMED, action, actor, seen_ms=pressed.seen_ms, **by)
    else:
        ProposedAction.objects.filter(pk=action.pk).update(
            second_at=Now(), second_by=actor, second_name=actor.name[:120], second_request=pressed.request_id
        )
        record(audit.Kind.ACTION_SECOND_CONFIRMED, action, actor, seen_ms=pressed.seen_ms)


def _ask_for_a_second(place: Place) -> None:
    """Tell whoever could sign. Of what was asked for nothing is copied: the notification leads to it."""
    action, kind = place.action, Notification.Type.COUNTERSIGN
    payload = {"action": str(action.pk), "by": action.owner_name, "what": action.tool.replace("_", " ")}
    if action.case_id:
        payload["conversation"] = str(action.case_id)
    Notification.objects.bulk_create(
        Notification(account_id=action.account_id, user=user, type=kind, payload=payload)
        for user in may_sign(action)
        if kind not in user.choices.muted
    )


def _carry_out(place: Place, before: Sequence[Fact]) -> None:
    """Receipt, verb and outcome, in the caller's transaction. A refusal of the verb takes the receipt back with it."""
    action, tool, actor = place.action, place.tool, place.scope.actor
    move(action, Status.EXECUTING, fence=F("fence") + 1)
    try:
        with transaction.atomic():
            done = tool.run(place.scope, place.args)
            scope = scope_of(actor=actor, account_id=action.account_id, case_id=action.case_id)
            ActionReceipt.objects.create(
                account_id=action.account_id,
                action=action,
                fence=action.fence,
                before=stored(tuple(before)),
                after=stored(tool.facts(scope, place.args)),
                kept=dict(done.kept),
                reverts_id=action.reverts_id,
            )
    except (Refusal, PermissionDenied, ObjectDoesNotExist) as refusal:
        said = (
            str(refusal) if not isinstance(refusal, ObjectDoesNotExist) else "What it is about is not there any more."
        )
        move(action, Status.FAILED, ended_at=Now(), reason="refused_by_the_desk", said=said[:1000])
        record(audit.Kind.ACTION_FAILED, action, actor, fence=action.fence)
        return
    move(action, Status.EXECUTED, ended_at=Now(), said=done.says[:1000])
    record(audit.Kind.ACTION_EXECUTED, action, actor, fence=action.fence)
    if action.reverts is not None:
        record(audit.Kind.ACTION_REVERTED, action.reverts, actor, by=str(action.pk))


def move(action: ProposedAction, status: ProposedAction.Status, **fields: Any) -> None:
    """From the state and the fence that the caller saw, or not at all: a late one changes no row. Raises Decided (409)."""
    mine = ProposedAction.objects.filter(pk=action.pk, status=action.status, fence=action.fence)
    if not mine.update(status=status, **fields):
        action.refresh_from_db()
        raise decided(action)
    action.refresh_from_db()
