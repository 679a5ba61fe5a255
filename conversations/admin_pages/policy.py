"""Who may do what: one table of acts and roles, over what comes with the role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from conversations.admin_pages.rights import is_platform, is_tenant_admin
from conversations.errors import Refusal
from conversations.models import Account, Role, User
from conversations.people.policy import Key, by_default, fingerprint, set_policy
from conversations.people.roles import Answer, Kind, Policy, Verb
from conversations.tenancy import require_tenant

ROLES = (Role.AGENT, Role.REVIEWER, Role.ADMIN, Role.AUDITOR)
FOUR_EYES = "four_eyes"


class Act(NamedTuple):
    """A row. `signs`: a second person can be asked for."""

    words: str
    verb: Verb
    kind: Kind = Kind.ANY
    hint: str = ""
    signs: bool = False


GROUPS: dict[str, list[Act]] = {
    "Approve a draft": [
        Act("Every statement has a source", Verb.APPROVE, Kind.SOURCED, signs=True),
        Act("A statement has none", Verb.APPROVE, Kind.UNSOURCED, signs=True),
        Act("It speaks of money", Verb.APPROVE, Kind.MONEY, signs=True),
        Act("Several at once", Verb.BATCH_APPROVE, hint="Only fully sourced ones."),
    ],
    "Work on drafts": [
        Act("Write and edit", Verb.EDIT),
        Act("Reject", Verb.REJECT),
        Act("Ask for another draft", Verb.REGENERATE),
        Act("Say it was answered elsewhere", Verb.ANSWER_ELSEWHERE),
        Act("Take a reply back before it leaves", Verb.UNDO),
        Act("Take over from a colleague", Verb.TAKE_OVER),
    ],
    "Work on conversations": [
        Act("Close and reopen", Verb.CLOSE),
        Act("Snooze", Verb.SNOOZE),
        Act("Give an owner", Verb.ASSIGN),
        Act("Write notes", Verb.NOTE),
        Act("Set tags", Verb.TAG),
        Act("Merge conversations and customers", Verb.MERGE),
        Act("Spam, and block a sender", Verb.BLOCK),
    ],
    "Confirm what an assistant proposes": [
        Act("Close and reopen", Verb.CLOSE, Kind.PROPOSED, signs=True),
        Act("Give an owner", Verb.ASSIGN, Kind.PROPOSED, signs=True),
        Act("Set tags", Verb.TAG, Kind.PROPOSED, signs=True),
        Act("Merge conversations", Verb.MERGE, Kind.PROPOSED, signs=True),
        Act("Ask for another draft", Verb.REGENERATE, Kind.PROPOSED, signs=True),
        Act("Make an approved answer", Verb.DECIDE_GOLDENS, Kind.PROPOSED, signs=True),
    ],
    "Around it": [
        Act("Have an assistant", Verb.ASSIST),
        Act("Propose changes of the settings", Verb.PROPOSE, hint="Who may manage signs them."),
        Act("Decide on approved answers", Verb.DECIDE_GOLDENS),
        Act("Deal with mail that could not be read", Verb.HANDLE_INBOUND),
        Act("Settle a delivery that is uncertain", Verb.RESOLVE_DELIVERY),
        Act("Try failed jobs again", Verb.RETRY_JOBS),
        Act("Read sources again, add sites", Verb.RUN_JOBS),
        Act("Export what was learned", Verb.EXPORT_SAMPLES, hint="A reviewer: their own only."),
        Act("Export the audit trail", Verb.EXPORT_AUDIT),
    ],
}
#: Auditors read. What they may have beside that is this, and what an account gave them by hand.
OF_AUDITORS = {Verb.EXPORT_AUDIT}


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    label: str
    column: str
    ticked: bool
    offered: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Row:
    act: Act
    cells: list[Cell] = field(default_factory=list)


@require_http_methods(["GET", "HEAD", "POST"])
def policy_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The table, and what was ticked in it; "defaults" puts every row of it back."""
    if not (is_tenant_admin(request) or is_platform(request)):
        raise PermissionDenied("Only an admin of this account sees who may do what.")
    account = Account.objects.get(pk=require_tenant(request).account_id)
    policy = Policy.of(account)
    if request.method != "POST":
        return _page(request, site, account, policy)
    if not is_tenant_admin(request) or not isinstance(request.user, User):
        raise PermissionDenied("Only an admin of this account changes who may do what. Nothing was changed.")
    wanted = _defaults(policy) if "defaults" in request.POST else _ticked(policy, request.POST)
    try:
        count = set_policy(account_id=account.pk, actor=request.user, wanted=wanted, seen=request.POST.get("seen", ""))
    except Refusal as refusal:
        return _page(request, site, account, policy, shown=wanted, problem=str(refusal), status=refusal.status)
    messages.success(
        request, f"Saved: {count} answer{'' if count == 1 else 's'} changed." if count else "Nothing to change."
    )
    return HttpResponseRedirect(reverse("admin:policy"), status=303)


def _keys() -> list[tuple[Act, Key]]:
    return [(act, (role, act.verb, act.kind)) for acts in GROUPS.values() for act in acts for role in ROLES]


def _offered(key: Key, now: Answer) -> bool:
    return key[0] != Role.AUDITOR or key[1] in OF_AUDITORS or now.allowed


def _name(act: Act, column: str) -> str:
    return f"{act.verb}.{act.kind}.{column}"


def _signed(policy: Policy, act: Act) -> bool:
    return act.signs and any(policy.answer(role, act.verb, act.kind).four_eyes for role in ROLES)


def _ticked(policy: Policy, sent: QueryDict) -> dict[Key, Answer]:
    """What the form asks for. A second signature is one tick for all roles: untouched, each role keeps its own."""
    wanted: dict[Key, Answer] = {}
    for act, key in _keys():
        now = policy.answer(*key)
        if not _offered(key, now):
            continue
        asked, may = _name(act, FOUR_EYES) in sent, _name(act, key[0]) in sent
        four_eyes = asked and may if act.signs and asked != _signed(policy, act) else now.four_eyes
        wanted[key] = Answer(may, four_eyes and (may or not now.allowed))
    return wanted


def _defaults(policy: Policy) -> dict[Key, Answer]:
    shipped = Policy(policy.agent_approval, {})
    return {key: shipped.answer(*key) for _, key in _keys()}


def _rows(policy: Policy, shown: Mapping[Key, Answer]) -> list[tuple[str, list[Row]]]:
    return [(title, [_row(policy, shown, act) for act in acts]) for title, acts in GROUPS.items()]


def _row(policy: Policy, shown: Mapping[Key, Answer], act: Act) -> Row:
    row = Row(act)
    keys: list[Key] = [(role, act.verb, act.kind) for role in ROLES]
    for key in keys:
        now = policy.answer(*key)
        answer, label = shown.get(key, now), str(key[0].label)
        is_own = key in policy.rules and now.allowed != by_default(policy, key).allowed
        cell = Cell(_name(act, key[0]), f"{act.words}: {label}", label, answer.allowed, _offered(key, now), is_own)
        row.cells.append(cell)
    signed = any(shown.get(key, policy.answer(*key)).four_eyes for key in keys)
    row.cells.append(
        Cell(
            _name(act, FOUR_EYES),
            f"{act.words}: four eyes",
            "Four eyes",
            act.signs and signed,
            act.signs,
            _signed(policy, act),
        )
    )
    return row


def _page(
    request: HttpRequest,
    site: AdminSite,
    account: Account,
    policy: Policy,
    *,
    shown: Mapping[Key, Answer] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        **site.each_context(request),
        "title": "Who may do what",
        "nav": "admin",
        "side": "policy",
        "account": account,
        "columns": [*(role.label for role in ROLES), "Four eyes"],
        "groups": _rows(policy, shown or {}),
        "seen": fingerprint(policy),
        "problem": problem,
        "may_change": is_tenant_admin(request),
    }
    return TemplateResponse(request, "console/policy.html", context, status=status)
