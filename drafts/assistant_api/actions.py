"""Cards: what the assistant proposed, read as it was shown, and a person's own ones decided by a token of theirs.

The same verbs as at the desk: what was shown is named by two hashes, its facts are read again under the locks, and what needs
two presses needs two requests. A colleague's card can be read by who may sign it, and is signed and refused by hand alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import Query, Schema, Status
from pydantic import Field

from conversations.chats import sessions
from conversations.database import database_time
from conversations.models import ProposedAction
from conversations.people.own_tokens import OwnScope
from conversations.views.words import Clock
from drafts.assistant import again, deciding, waiting
from drafts.assistant_api.persons import ANSWERS, RequestId, account_of, as_person, person_of, router
from drafts.views.cards import Sight, told
from ingestion.api import PAGE, Body, Line, caller_of

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: What a button of the card is called here.
ACTS = {"take-back": "reject"}
CHANGED = "It is not as it was when this was proposed. Nothing was changed; propose it again."
GONE = "Who proposed it is not there any more, or may not do it. Nothing was changed."


class PressIn(Body):
    arguments_sha256: Hash = Field(description="As the card that you decided on said.")
    precondition_sha256: Hash = Field(description="The same of what it rests on.")
    seen_ms: int | None = Field(default=None, ge=0, le=86_400_000, description="How long a person looked at it.")
    pressed_twice: bool = Field(default=False, description="The second of two presses, where `two_presses` says why.")
    request_id: RequestId = ""


class RejectIn(Body):
    reason: Line = Field(default="", max_length=deciding.MAX_REASON)


class ChangeIn(Body):
    arguments: dict[str, Any] = Field(description="All of the tool's arguments, as you want them.")


class ChangeOut(Schema):
    label: str
    old: list[str]
    new: list[str]
    is_set: bool


class FactOut(Schema):
    label: str
    was: str = Field(description="When it was proposed; this is what a confirmation is of.")
    now: str | None = Field(description="Null where it is not looked at any more: what was decided rested on `was`.")
    holds: bool | None


class ActionOut(Schema):
    id: uuid.UUID
    session_id: uuid.UUID | None = Field(description="Your own chat; null for a colleague's card.")
    is_own: bool
    owner_name: str
    case: uuid.UUID | None
    tool: str
    version: int
    status: str
    sentence: str
    changes: list[ChangeOut]
    notes: list[str]
    arguments: dict[str, Any]
    arguments_sha256: str
    precondition_sha256: str
    facts: list[FactOut]
    two_presses: str = Field(description="Why one press is not enough, empty if it is.")
    may: list[Literal["confirm", "change", "reject", "again", "revert"]] = Field(
        description="What you may do with it here."
    )
    who: str = Field(description="Who may do it, in words.")
    expires_at: datetime
    confirmed_at: datetime | None
    confirmed_name: str
    second_at: datetime | None
    second_name: str
    ended_at: datetime | None
    reason: str
    said: str
    replaces: uuid.UUID | None
    reverts: uuid.UUID | None


class ActionPage(Schema):
    actions: list[ActionOut]
    next: uuid.UUID | None = Field(description="Pass as `before` for the next page; null at the end.")


@router.get("/assistant/actions", response={200: ActionPage, **ANSWERS}, summary="List cards")
@as_person(OwnScope.READ)
def list_actions(
    request: HttpRequest,
    waiting_for: Annotated[
        Literal["", "me", "others"],
        Query(
            alias="waiting",
            description="`me`: what you could sign; `others`: what you confirmed and somebody has to sign.",
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
    before: uuid.UUID | None = None,
) -> Any:
    """Your own, newest first; or what waits for a second person, first the one that expires first."""
    person, account = person_of(request), account_of(request)
    if waiting_for:
        found = waiting.for_signature if waiting_for == "me" else waiting.for_others
        return {"actions": _told(found(person, account), request), "next": None}
    return _page(ProposedAction.objects.filter(account_id=account, owner=person), request, limit, before)


@router.get(
    "/assistant/sessions/{session_id}/actions", response={200: ActionPage, **ANSWERS}, summary="List a chat's cards"
)
@as_person(OwnScope.READ)
def list_of_session(
    request: HttpRequest,
    session_id: uuid.UUID,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
    before: uuid.UUID | None = None,
) -> Any:
    session = sessions.session_of(session_id, person_of(request))
    return _page(ProposedAction.objects.filter(session=session.pk, owner=person_of(request)), request, limit, before)


@router.get("/assistant/actions/{action_id}", response={200: ActionOut, **ANSWERS}, summary="Read a card")
@as_person(OwnScope.READ)
def read_action(request: HttpRequest, action_id: uuid.UUID) -> Any:
    return _told([deciding.find(action_id, person_of(request))], request)[0]


@router.post(
    "/assistant/actions/{action_id}/confirm", response={200: ActionOut, **ANSWERS}, summary="Confirm your card"
)
@as_person(OwnScope.CONFIRM)
def confirm(request: HttpRequest, action_id: uuid.UUID, body: PressIn) -> Any:
    """It is carried out once, or waits for a second person, who signs at the desk. `status` says which: also `failed`, where the
    desk refused and nothing was changed. 409 if it is decided, not as you say, or what it rests on changed (its facts, in
    `errors`: it is over then); 422 if it needs two presses and this is the first."""
    pressed = deciding.Pressed(**body.model_dump(), token=str(caller_of(request).token_id))
    action = deciding.confirm(action_id=action_id, actor=person_of(request), pressed=pressed)
    if action.reason in ("target_changed", "proposer_gone"):
        # Returned, not raised: that it expired is what came of the press, and stays.
        return Status(409, {"detail": CHANGED if action.found else GONE, "errors": _differences(action)})
    return _told([action], request)[0]


@router.post("/assistant/actions/{action_id}/reject", response={200: ActionOut, **ANSWERS}, summary="Reject your card")
@as_person(OwnScope.WRITE)
def reject(request: HttpRequest, action_id: uuid.UUID, body: RejectIn) -> Any:
    """Or take your confirmation back. Twice is once."""
    if deciding.find(action_id, person_of(request)).owner_id != person_of(request).pk:
        raise PermissionDenied(deciding.ONLY_BY_HAND)
    action = deciding.reject(action_id=action_id, actor=person_of(request), reason=body.reason)
    return _told([action], request)[0]


@router.post("/assistant/actions/{action_id}/change", response={201: ActionOut, **ANSWERS}, summary="Change your card")
@as_person(OwnScope.WRITE)
def change(request: HttpRequest, action_id: uuid.UUID, body: ChangeIn) -> Any:
    """A new card with your arguments takes its place; it is confirmed by itself."""
    new = again.change(action_id=action_id, actor=person_of(request), arguments=body.arguments)
    return Status(201, _told([new], request)[0])


@router.post("/assistant/actions/{action_id}/again", response={201: ActionOut, **ANSWERS}, summary="Propose it again")
@as_person(OwnScope.WRITE)
def propose_again(request: HttpRequest, action_id: uuid.UUID) -> Any:
    """On the facts of now, after it failed or expired. Twice is once."""
    return Status(201, _told([again.again(action_id=action_id, actor=person_of(request))], request)[0])


@router.post(
    "/assistant/actions/{action_id}/revert", response={201: ActionOut, **ANSWERS}, summary="Take back what was done"
)
@as_person(OwnScope.WRITE)
def revert(request: HttpRequest, action_id: uuid.UUID) -> Any:
    """A new card that does, while everything is as it was left. Twice is once."""
    return Status(201, _told([again.revert(action_id=action_id, actor=person_of(request))], request)[0])


def _page(found: Any, request: HttpRequest, limit: int, before: uuid.UUID | None) -> dict[str, Any]:
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found.order_by("-pk")[: limit + 1])
    more = len(rows) > limit
    return {"actions": _told(rows[:limit], request), "next": rows[limit - 1].pk if more else None}


def _told(actions: Iterable[ProposedAction], request: HttpRequest) -> list[dict[str, Any]]:
    sight, clock = Sight(person_of(request)), Clock(database_time.now(), UTC)
    return [_card(action, sight, clock) for action in actions]


def _card(action: ProposedAction, sight: Sight, clock: Clock) -> dict[str, Any]:
    own = action.owner_id == sight.viewer.pk
    buttons, rests, who = told(action, sight, clock)
    names = ("id", "owner_name", "tool", "version", "arguments", "arguments_sha256", "precondition_sha256")
    times = ("expires_at", "confirmed_at", "confirmed_name", "second_at", "second_name", "ended_at", "reason", "said")
    undecided = action.is_undecided and not deciding.is_over(action)
    return {
        **{name: getattr(action, name) for name in (*names, *times)},
        "status": "expired" if deciding.is_over(action) else action.status,
        "session_id": action.session_id if own else None,
        "is_own": own,
        "case": action.case_id if sight.of(action) else None,
        "sentence": action.effect.get("sentence") or action.tool.replace("_", " ").capitalize(),
        "changes": action.effect.get("changes", []),
        "notes": action.effect.get("notes", []),
        "facts": [{"label": one.label, "was": one.was, "now": one.now, "holds": one.holds} for one in rests]
        or [{"label": one["label"], "was": one["shown"], "now": None, "holds": None} for one in action.precondition],
        "two_presses": deciding.needs_two_presses(action) if undecided else "",
        "may": sorted(ACTS.get(name, name) for name in buttons) if own else [],
        "who": who,
        "replaces": action.replaces_id,
        "reverts": action.reverts_id,
    }


def _differences(action: ProposedAction) -> list[str]:
    now = {fact["name"]: fact for fact in action.found}
    return [
        f"{fact['label']}: was {fact['shown']}, is {now[fact['name']]['shown'] if fact['name'] in now else 'not there any more'}"
        for fact in action.precondition
        if fact["name"] not in now or now[fact["name"]]["value"] != fact["value"]
    ]
