"""How a proposed action looks: one card, in the state that it is in, to who looks at it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from conversations.errors import Refusal
from conversations.models import Account, Conversation, ProposedAction, User
from conversations.models.base import new_id
from conversations.people.roles import Policy, Verb, role_of
from conversations.views.access import person
from conversations.views.words import Clock, clock_for, initials, span
from drafts.assistant.actions import PROPOSED, parse, scope_of
from drafts.assistant.again import way_back
from drafts.assistant.deciding import enough_alone, is_over, may_sign, needs_two_presses
from drafts.assistant.tools import TOOLS, Scope, Tool
from drafts.assistant.tools.shapes import stored
from drafts.views.card_fields import Field, fields_of

Status = ProposedAction.Status
#: Why it ended, in a sentence of its own; the rest is said by the card's state.
ENDED = {
    "too_late": "Nobody decided. Nothing was changed.",
    "session_ended": "Its chat ended before anybody decided. Nothing was changed.",
    "proposer_gone": "Who proposed it is not there any more, or may not do it. Nothing was changed.",
    "erased": "What it was about was removed. Nothing was changed.",
}


@dataclass(slots=True)
class Said:
    """What a press came to: words for the card, and its status. `again`: the first of two presses."""

    problem: str = ""
    status: int = 200
    again: bool = False
    changing: bool = False
    typed: dict[str, str] = field(default_factory=dict)


NOTHING = Said()


@dataclass(slots=True)
class Change:
    label: str
    old: list[str]
    new: list[str]
    kept: list[str]
    is_set: bool


@dataclass(slots=True)
class Rest:
    """A fact: as it was, and as it is where that differs."""

    label: str
    was: str
    now: str
    holds: bool
    still: str


@dataclass(slots=True)
class Signature:
    done: str
    name: str
    initials: str


@dataclass(slots=True)
class Card:
    id: str
    url: str
    acts: dict[str, str]
    icon: str
    title: str
    chip: str
    chip_icon: str
    chip_kind: str
    frame: str
    changes: list[Change]
    notes: list[str]
    twice: str
    again: str
    again_now: bool
    rests_title: str
    rests: list[Rest]
    who: str
    exact: str
    digest: str
    signatures: list[Signature]
    box: tuple[str, str, str]
    words: str
    hint: str
    why: str
    fields: list[Field]
    shows: frozenset[str]
    confirm: str
    trail: str
    revert_why: str
    hashes: tuple[str, str]
    request_id: str
    problem: str
    status: int
    back: str


def draw(
    request: HttpRequest, actions: Iterable[ProposedAction], *, said: Said = NOTHING, back: str = ""
) -> list[SafeString]:
    """Each as its card, as HTML."""
    sight = Sight(person(request))
    cards = [card_of(request, action, said, back=back, sight=sight) for action in actions]
    return [mark_safe(render_to_string("assistant/_card.html", {"card": card}, request)) for card in cards]


@dataclass(slots=True)
class Sight:
    """What the viewer sees, asked once for each conversation that the cards of a page are about."""

    viewer: User
    scopes: dict[uuid.UUID | None, Scope | None] = field(default_factory=dict)
    rights: dict[Verb, bool] = field(default_factory=dict)

    def of(self, action: ProposedAction) -> Scope | None:
        """None where they do not see it any more."""
        if action.case_id not in self.scopes:
            try:
                scope = scope_of(actor=self.viewer, account_id=action.account_id, case_id=action.case_id)
            except Conversation.DoesNotExist:
                scope = None
            self.scopes[action.case_id] = scope
        return self.scopes[action.case_id]

    def may(self, verb: Verb, account_id: uuid.UUID) -> bool:
        if verb not in self.rights:
            policy, role = Policy.of(Account.objects.get(pk=account_id)), role_of(self.viewer, account_id)
            self.rights[verb] = policy.answer(role, verb, PROPOSED).allowed
        return self.rights[verb]


def card_of(
    request: HttpRequest, action: ProposedAction, said: Said = NOTHING, *, back: str = "", sight: Sight | None = None
) -> Card:
    sight = sight or Sight(person(request))
    return _Drawing(action, sight, clock_for(request), said, back or request.get_full_path()).card()


def told(action: ProposedAction, sight: Sight, clock: Clock) -> tuple[frozenset[str], list[Rest], str]:
    """What a card says to whoever has no page: which buttons it has, what it rests on as it was and is, and who may do it."""
    drawing = _Drawing(action, sight, clock, NOTHING, "-")
    return drawing.shows()[0], drawing.rests(), drawing.who()


class _Drawing:
    def __init__(self, action: ProposedAction, sight: Sight, clock: Clock, said: Said, back: str) -> None:
        self.action, self.sight, self.viewer = action, sight, sight.viewer
        self.clock, self.said, self.back = clock, said, back
        self.tool: Tool[Any] | None = TOOLS.get(action.tool)
        self.own = action.owner_id == self.viewer.pk
        self.over = is_over(action)
        self.open = action.is_undecided and not self.over
        self.mine_to_press = self.open and action.status == (Status.PROPOSED if self.own else Status.CONFIRMED)

    def card(self) -> Card:
        action, said = self.action, self.said
        changing = said.changing and self.mine_to_press and self.own and self._may()
        chip, chip_icon, chip_kind, frame = self._chip()
        if changing:
            chip, chip_icon, chip_kind = "You are changing it", "", "accent"
        shows, why, revert_why = self.shows()
        twice = needs_two_presses(action) if self.open else ""
        effect = action.effect or {}
        return Card(
            id=f"act-{action.pk}",
            url=reverse("drafts:action", args=[action.pk]),
            acts={act: reverse("drafts:decide-action", args=[action.pk, act]) for act in ("confirm", "reject", "change", "again", "revert")},
            icon=self.tool.icon if self.tool else "assist",
            title=effect.get("sentence") or action.tool.replace("_", " ").capitalize(),
            chip=chip,
            chip_icon=chip_icon,
            chip_kind=chip_kind,
            frame="warn" if twice else frame,
            changes=[] if changing or action.status in {Status.FAILED, Status.EXPIRED, Status.REJECTED} else self._changes(),
            notes=[] if changing or not (self.open or action.status == Status.EXECUTED) else list(effect.get("notes", [])),
            twice=twice,
            again=str(effect.get("again") or "Press again"),
            again_now=said.again and self.mine_to_press,
            rests_title="What this rested on" if action.found else "Rests on",
            rests=[] if changing else self.rests(),
            who="" if changing else self.who(),
            exact="" if changing or not self.open else self._exact(),
            digest=" ".join((action.arguments_sha256[:4], action.arguments_sha256[4:8])),
            signatures=self._signatures(),
            box=self._box(),
            words=self._words(),
            hint=self._hint(),
            why=why,
            fields=fields_of(self.tool, action.arguments, said.typed, self.clock) if changing and self.tool else [],
            shows=frozenset({"propose-mine"}) if changing else shows,
            confirm="Confirm" if self.own else "Countersign",
            trail=self._trail(),
            revert_why=revert_why,
            hashes=(action.arguments_sha256, action.precondition_sha256),
            request_id=new_id().hex,
            problem=said.problem,
            status=said.status,
            back=self.back,
        )  # fmt: skip

    def _chip(self) -> tuple[str, str, str, str]:
        """Words, picture, colour, and the colour of the card's edge."""
        action, ended = self.action, self.action.ended_at
        at = self.clock.time(ended) if ended else ""
        if self.over:
            return f"Expired {self.clock.stamp(action.expires_at)}", "", "", "off"
        match action.status:
            case Status.PROPOSED:
                return "Proposed", "", "accent", "live" if self.mine_to_press else ""
            case Status.CONFIRMED:
                return (
                    ("1 of 2 signatures", "sign", "warn", "") if self.own else ("Waits for you", "sign", "warn", "live")
                )
            case Status.EXECUTED:
                return f"Done {at}", "check", "ok", ""
            case Status.FAILED:
                return f"Failed {at}", "x", "bad", "bad"
            case Status.REJECTED:
                who = "you" if action.rejected_by_id == self.viewer.pk else action.rejected_name
                word = {"refused": "Refused", "taken_back": "Taken back", "changed": "Changed"}.get(
                    action.reason, "Rejected"
                )
                return f"{word} by {who} {at}", "", "", "off"
            case Status.EXPIRED if action.reason == "target_changed":
                return "Not done, it changed", "alert", "warn", "warn"
            case Status.EXPIRED:
                return f"Expired {self.clock.stamp(ended)}" if ended else "Expired", "", "", "off"
        return action.get_status_display(), "", "", ""

    def _changes(self) -> list[Change]:
        out = []
        for each in self.action.effect.get("changes", []):
            old, new = list(each["old"]), list(each["new"])
            is_set = each["is_set"]
            kept = [word for word in old if word in new] if is_set else []
            out.append(Change(each["label"], [word for word in old if word not in kept], [word for word in new if word not in kept], kept, is_set))  # fmt: skip
        return out

    def rests(self) -> list[Rest]:
        action = self.action
        if action.found:
            now = {fact["name"]: fact for fact in action.found}
        elif self.mine_to_press:
            now = self._facts_now()
        else:
            return []
        return [
            Rest(
                fact["label"],
                fact["shown"],
                now[fact["name"]]["shown"] if fact["name"] in now else "not there any more",
                fact["name"] in now and now[fact["name"]]["value"] == fact["value"],
                "as before" if action.found else "as now",
            )
            for fact in action.precondition
        ]

    def _facts_now(self) -> dict[str, dict[str, Any]]:
        scope = self.sight.of(self.action)
        if self.tool is None or self.tool.facts is None or scope is None:
            return {}
        try:
            facts = self.tool.facts(scope, parse(self.tool, self.action.arguments))
        except (Refusal, ObjectDoesNotExist):
            return {}
        return {fact["name"]: fact for fact in stored(facts)}

    def who(self) -> str:
        """Who may do it, as things stand."""
        if not self.mine_to_press or self.tool is None:
            return ""
        if not self._may():
            act = "confirm" if self.own else "sign"
            return f"You may not {act} it: that needs “{self.tool.verb.label.lower()}”"
        if not self.own:
            return ""
        alone = enough_alone(self.tool, self.viewer, account_id=self.action.account_id, is_own=True)
        return "You may confirm it alone" if alone else f"Needs a second person with “{self.tool.verb.label.lower()}”"

    def _may(self) -> bool:
        """Whether the viewer's role may press it, as things stand."""
        if self.tool is None:
            return False
        verb = self.tool.proposed_by or self.tool.verb if self.own else self.tool.verb
        return self.sight.may(verb, self.action.account_id)

    def _exact(self) -> str:
        action = self.action
        shown = {"tool": action.tool, "version": action.version, **action.arguments}
        return json.dumps(shown, indent=2, ensure_ascii=False)

    def _signatures(self) -> list[Signature]:
        action = self.action
        if not action.confirmed_at or not (action.status == Status.CONFIRMED or action.second_at):
            return []
        first = Signature(
            f"Confirmed, {self.clock.time(action.confirmed_at)}", action.confirmed_name, initials(action.confirmed_name)
        )
        if action.second_at:
            return [first, Signature(f"Countersigned, {self.clock.time(action.second_at)}", action.second_name, initials(action.second_name))]  # fmt: skip
        if not self.open:
            return [first]
        return [first, Signature("Countersigned", "", "" if self.own else "your signature")]

    def _box(self) -> tuple[str, str, str]:
        """A coloured box: its colour, its strong words, and the rest."""
        action = self.action
        if action.status == Status.FAILED:
            return "bad", action.said, "Nothing was changed."
        if self.said.problem and self.said.status == 403:
            return "bad", self.said.problem, ""
        if twice := (needs_two_presses(action) if self.open else ""):
            return "warn", f"Two presses, because {twice}.", ""
        return "", "", ""

    def _words(self) -> str:
        action = self.action
        if action.status == Status.REJECTED:
            return f"“{action.said}”" if action.said else ""
        if action.status == Status.EXPIRED and action.reason == "target_changed":
            return "It is not as it was when this was proposed. Nothing was changed."
        return ""

    def _hint(self) -> str:
        action = self.action
        if self.open:
            return f"Expires {self.clock.stamp(action.expires_at)}, in {span(action.expires_at - self.clock.now)}"
        if self.over:
            return ENDED["too_late"]
        if action.status == Status.EXPIRED:
            return ENDED.get(action.reason, "")
        if action.status == Status.EXECUTED:
            return f"Confirmed by {'you' if action.confirmed_by_id == self.viewer.pk else action.confirmed_name}"
        return ""

    def shows(self) -> tuple[frozenset[str], str, str]:
        """The buttons; why there is one that cannot be pressed, and why nothing is taken back."""
        action = self.action
        if self.mine_to_press and not self._may():
            return frozenset({"reject"} if self.own else ()), "", ""
        if self.mine_to_press:
            mine = {"confirm", "reject"} if self.tool and self.tool.is_fixed else {"confirm", "change", "reject"}
            return frozenset(mine if self.own else {"confirm", "refuse"}), "", ""
        if self.open and self.own:
            names = [user.name for user in may_sign(action)]
            who = f"{_and(names)} can sign." if names else "Nobody else here may sign this; an admin can change that."
            return frozenset({"take-back"}), f"{who} You cannot sign twice.", ""
        if not self.own or not action.arguments_sha256:
            return frozenset(), "", ""
        if action.status == Status.EXECUTED:
            if self.tool is None or self.tool.revert is None:
                return frozenset(), "", ""
            proposal, why_not = way_back(action, self.viewer, self.sight.of(action))
            return frozenset({"revert"}), "", "" if proposal else why_not
        if action.status in {Status.FAILED, Status.EXPIRED} or self.over:
            return frozenset({"again"}), "", ""
        return frozenset(), "", ""

    def _trail(self) -> str:
        ended = self.action.status in {Status.EXECUTED, Status.FAILED}
        return reverse("drafts:timeline", args=[self.action.case_id]) if ended and self.action.case_id else ""


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
