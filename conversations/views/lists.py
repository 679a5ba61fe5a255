"""The lists of conversations, with their search: what is to be answered, owed, whose, asleep, waiting, closed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, Func, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, JSONObject, Left, Lower, NullIf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations import search
from conversations.models import Account, Conversation, ConversationTag, Membership, Message, Tag, User
from conversations.models.threads import ConversationQuerySet
from conversations.people.roles import Verb, may, require
from conversations.tenancy import Tenant, require_tenant
from conversations.views import life, present
from conversations.views.access import person, signed_in
from conversations.views.cursors import cursor, place_of
from conversations.views.links import address, with_query
from conversations.views.words import Clock, clock_for

PAGE = 50
PALETTE = 6
COUNTED = 100  # a count stops here
MAX_QUERY = 400  # what is longer than a search may be is cut by the search, which says so
#: By the word in the address: what the chip says, and the question.
LISTS: dict[str, tuple[str, Callable[[ConversationQuerySet, User], ConversationQuerySet]]] = {
    "": ("All", lambda found, user: found),
    "to_answer": ("To answer", lambda found, user: found.to_answer()),
    "owed": ("Owed", lambda found, user: found.owed()),
    "mine": ("Mine", lambda found, user: found.of_owner(user.pk)),
    "snoozed": ("Snoozed", lambda found, user: found.snoozed()),
    "waiting": ("Waiting", lambda found, user: found.waiting()),
    "closed": ("Closed", lambda found, user: found.closed()),
    "automatic": ("Automatic", lambda found, user: found.filter(search.AUTOMATIC)),
}
#: How many there are stands beside the word of these; the first two are worked through, the most urgent first.
BY_DUE = ("owed", "snoozed")
COUNTS = (*BY_DUE, "mine")
#: What an empty list says of itself.
EMPTY = {
    "": ("No conversation yet", "The first message on any channel opens one."),
    "to_answer": ("Nothing waits for an answer", "Drafts that wait for a decision stand here and in the queue."),
    "owed": ("Nothing is owed", "Every promise is kept."),
    "mine": ("Nothing is yours right now", "What you own, or are given, stands here until it is closed."),
    "snoozed": ("Nothing is snoozed", "What is put off comes back by itself."),
    "waiting": ("No customer owes us a word", "Conversations that were answered stand here."),
    "closed": ("Nothing is closed", "A customer's message reopens what is."),
    "automatic": ("No machine wrote", "Away notices and bounces stand here; nobody owes them an answer."),
}
#: Saved views of before the lists had these words.
_FORMER = {"open": "to_answer", "pending": "waiting"}
FIELDS = (
    "id", "subject", "title", "customer_name", "customer_email", "status", "owed", "owed_note", "snoozed_until", "outcome",
    "message_count", "last_message_at", "due_at", "has_draft", "owner__display_name", "owner__email",
    "channel__type", "channel__provider", "channel__name", "last_inbound_message",
)  # fmt: skip


@require_safe
@signed_in
@require(Verb.READ)
def conversation_list(request: HttpRequest) -> HttpResponse:
    """One list, a page by keyset. `q` is a search (`conversations.search`); the palette asks for a short list."""
    tenant, user = require_tenant(request), person(request)
    clock, url = clock_for(request), reverse("conversations:list")
    shown, tag = _chosen(request), _tag(request)
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_QUERY]
    question = search.parse(words, clock.zone)
    by_due = shown in BY_DUE and not words
    place = place_of(request.GET.get("after", ""))
    mine = Conversation.objects.of_customers().within(tenant.channels)
    listed = LISTS[shown][1](mine, user).with_draft().filter(last_message_at__isnull=False)
    if tag:
        listed = listed.filter(Exists(ConversationTag.objects.filter(conversation=OuterRef("pk"), tag_id=tag)))
    listed = listed.most_urgent_first() if by_due else listed.newest_first()
    page = search.find(listed, question, before=place[0] if place and not by_due else None)
    if place:
        page = page.filter(_beyond(place, by_due=by_due))
    if request.headers.get("HX-Target") == "pal-found":
        if not words:
            return HttpResponse()
        found = [{**row, "snippet": ""} for row in page.values(*FIELDS)[:PALETTE]]
        context = {"rows": present.conversation_rows(found, clock, url), "problems": question.problems, "query": words}
        return render(request, "conversations/_found.html", context)
    snippet = Message.objects.shown().filter(conversation=OuterRef("pk")).order_by("-seq")
    short = snippet.values(short=Left(Coalesce(NullIf("body_new", Value("")), "body_text"), 120))[:1]
    labels = Tag.objects.of(OuterRef("pk")).values(json=JSONObject(name="name", colour="colour"))
    page = page.annotate(snippet=Subquery(short), labels=ArraySubquery(labels))
    found = list(page.values(*FIELDS, "snippet", "labels")[: PAGE + 1])
    asked = {key: value for key, value in (("q", words), ("list", shown), ("tag", str(tag or ""))) if value}
    more = ""
    if len(found) > PAGE:
        last = found[PAGE - 1]
        at = cursor(last["due_at" if by_due else "last_message_at"], last["id"])
        more = f"?{urlencode({**asked, 'after': at})}"
    labels_of_account = _tags(tag, asked)
    context = {
        "nav": "history",
        "title": LISTS[shown][0] if shown else "History",
        "lead": "Conversations of" if shown else "Every conversation of",
        "order": "the most urgent first" if by_due else "newest activity first",
        "rows": present.conversation_rows(found[:PAGE], clock, url),
        "query": words,
        "problems": question.problems,
        "operators": search.EXAMPLES,
        "views_url": with_query(address("drafts:views"), urlencode({"page": "history", **asked})),
        "new_url": address("drafts:new") if may(tenant, Verb.EDIT) else "",
        "chips": _chips(shown, asked, _counts(mine, user, tenant.account_id)),
        "tags": labels_of_account,
        "bulk": _bulk(tenant, user, clock, labels_of_account),
        "filter_query": urlencode({**asked, **({"after": request.GET["after"]} if place else {})}),
        "more_url": more,
        "newest_url": f"?{urlencode(asked)}" if place else "",
        "clear_url": url,
        "empty": EMPTY[shown],
    }
    return render(request, "conversations/list.html", context)


def _chosen(request: HttpRequest) -> str:
    word = request.GET.get("list", request.GET.get("status", ""))
    word = _FORMER.get(word, word)
    return word if word in LISTS else ""


def _counts(mine: ConversationQuerySet, user: User, account_id: uuid.UUID) -> dict[str, str]:
    """How many are owed, asleep and mine, up to `COUNTED`, in one statement: words for the chips."""

    def up_to(name: str) -> Func:
        inner = ArraySubquery(LISTS[name][1](mine, user).order_by().values("pk")[: COUNTED + 1])
        return Func(inner, function="cardinality", output_field=IntegerField())

    counted = Account.objects.filter(pk=account_id).values_list(*(up_to(name) for name in COUNTS)).get()
    found = dict(zip(COUNTS, counted, strict=True))
    return {name: f"{COUNTED}+" if found[name] > COUNTED else str(found[name] or "") for name in COUNTS}


def _chips(shown: str, asked: dict[str, str], counts: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "count": counts.get(key, ""),
            "current": key == shown,
            "url": f"?{urlencode({k: v for k, v in {**asked, 'list': key}.items() if v})}",
        }
        for key, (label, _) in LISTS.items()
    ]


def _bulk(tenant: Tenant, user: User, clock: Clock, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """What can be done with those that are ticked; nothing for who only reads."""
    members = Membership.objects.filter(account_id=tenant.account_id)
    offered = {
        "close": [(one.value, one.label) for one in life.REASONS] if may(tenant, Verb.CLOSE) else [],
        "assign": life.colleagues(members, user) if may(tenant, Verb.ASSIGN) else [],
        "snooze": life.moments(clock, short=True) if may(tenant, Verb.SNOOZE) else [],
        "tag": [(one["id"], one["name"]) for one in labels if one["in_use"]] if may(tenant, Verb.TAG) else [],
    }
    return {act: choices for act, choices in offered.items() if choices}


def _tags(chosen: uuid.UUID | None, asked: dict[str, str]) -> list[dict[str, Any]]:
    """The account's tags as filters; the chosen one leads back to all."""
    rest = {key: value for key, value in asked.items() if key != "tag"}
    return [
        {
            "id": str(tag.pk),
            "in_use": not tag.is_retired,
            "name": tag.name,
            "colour": tag.colour,
            "current": tag.pk == chosen,
            "url": f"?{urlencode(rest if tag.pk == chosen else {**rest, 'tag': str(tag.pk)})}",
        }
        for tag in Tag.objects.filter(Q(is_retired=False) | Q(pk=chosen)).order_by(Lower("name"))
    ]


def _tag(request: HttpRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.GET.get("tag", ""))
    except ValueError:
        return None


def _beyond(place: tuple[datetime, uuid.UUID], *, by_due: bool) -> Q:
    at, pk = place
    if by_due:
        return Q(due_at__gte=at) & (Q(due_at__gt=at) | Q(due_at=at, pk__gt=pk))
    return Q(last_message_at__lte=at) & (Q(last_message_at__lt=at) | Q(last_message_at=at, pk__lt=pk))
