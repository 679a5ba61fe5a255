"""What is pressed under a list of conversations, for all that are ticked in it: close, assign, snooze, tag."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from conversations.errors import Invalid, Refusal
from conversations.models import Conversation
from conversations.people.roles import Verb, check, require
from conversations.tenancy import require_tenant, tenant_context
from conversations.views.access import View, person, signed_in
from conversations.views.links import address, see_other, with_query
from drafts.desk import life, many, tags
from drafts.desk.many import Act, Left
from drafts.views.life import an_id, ids, moment

NAMED = 5  # so many of those that were left are named; the others are counted
Prepared = tuple[Act, str]  # what is done with each, and the word for it


def for_each(verb: Verb) -> Callable[[Callable[[HttpRequest], Prepared]], View]:
    """Around what reads the form: the acts run when this request's own transaction is over, each in one of its own; then the
    list again, which says what was done and what was left, with the reason."""

    def around(prepare: Callable[[HttpRequest], Prepared]) -> View:
        @functools.wraps(prepare)
        def pressed(request: HttpRequest) -> HttpResponse:
            tenant, user = require_tenant(request), person(request)
            check(user, verb, account_id=tenant.account_id)
            back = see_other(with_query(address("conversations:list"), request.POST.get("filter", "")[:2000]))
            try:
                chosen = _chosen(request)
                many.check_size(len(chosen))
                act, done = prepare(request)
            except Refusal as refusal:
                messages.error(request, str(refusal))
                return back

            def run() -> None:
                left = many.each(account_id=tenant.account_id, actor=user, chosen=chosen, act=act)
                _say(request, done, len(chosen) - len(left), left)

            transaction.on_commit(run)
            return back

        return require_POST(signed_in(require(Verb.READ)(pressed)))

    return around


@for_each(Verb.CLOSE)
def close(request: HttpRequest) -> Prepared:
    reason, user = request.POST.get("reason", ""), person(request)
    return lambda pk, seen: life.close(conversation_id=pk, actor=user, reason=reason, last_inbound=seen), "closed"


@for_each(Verb.ASSIGN)
def assign(request: HttpRequest) -> Prepared:
    to, user = an_id(request, "to"), person(request)
    return lambda pk, seen: life.assign(conversation_id=pk, actor=user, to=to), "assigned" if to else "given back"


@for_each(Verb.SNOOZE)
def snooze(request: HttpRequest) -> Prepared:
    until, user = moment(request, "until"), person(request)
    return lambda pk, seen: life.snooze(conversation_id=pk, actor=user, until=until), "snoozed"


@for_each(Verb.TAG)
def tag(request: HttpRequest) -> Prepared:
    add, user = ids(request, "tag"), person(request)
    if not add:
        raise Invalid("Choose a tag. Nothing was changed.")
    return lambda pk, seen: tags.retag(conversation_id=pk, actor=user, add=add, remove=()), "tagged"


def _chosen(request: HttpRequest) -> list[tuple[uuid.UUID, uuid.UUID | None]]:
    """What is ticked, each as its id and the newest message that the list showed. Raises Invalid (422)."""
    out: dict[uuid.UUID, uuid.UUID | None] = {}
    try:
        for value in request.POST.getlist("take"):
            pk, _, seen = value.partition(":")
            out[uuid.UUID(pk)] = uuid.UUID(seen) if seen else None
    except ValueError:
        raise Invalid("This page is damaged. Load it again; nothing was changed.") from None
    return list(out.items())


def _say(request: HttpRequest, done: str, count: int, left: Sequence[Left]) -> None:
    """In the page's lines above the list. The caller stands outside of any transaction."""
    if count:
        messages.success(request, f"{count} {done}.")
    if not left:
        return
    reasons = {one.conversation_id: one.why for one in left[:NAMED]}
    tenant = require_tenant(request)
    with tenant_context(tenant.account_id, read_only=True):
        within = Conversation.objects.of_customers().within(tenant.channels)
        names = {one.pk: str(one) for one in within.filter(pk__in=reasons)}
    for pk, why in reasons.items():
        messages.warning(request, f"{names.get(pk, 'One')} was left as it is. {why}")
    if len(left) > NAMED:
        messages.warning(request, f"{len(left) - NAMED} more were left as they are.")
