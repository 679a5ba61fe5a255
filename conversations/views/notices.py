"""Notifications: what happened out of sight, marking it as read, and which kinds a person wants to hear of."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_http_methods, require_POST

from conversations.database import database_time
from conversations.models import Notification
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.people import keep
from conversations.views.words import clock_for
from conversations.web.bidi import isolated

PAGE = 50
Type = Notification.Type
#: Title and words of each kind; the words are filled from its payload.
WORDS = {
    Type.DRAFT_READY: ("A draft is ready", "{customer}"),
    Type.DRAFT_FAILED: ("A draft could not be written", "Write the reply yourself, or ask for another draft."),
    Type.CAME_BACK: ("A reply you approved came back", "It was not sent. {customer}: {why}"),
    Type.SEND_FAILED: ("A reply could not be sent", "The approved text is kept. Send it again or give up."),
    Type.SEND_UNCERTAIN: ("Was this reply sent?", "We cannot tell. Check with the channel, then settle it."),
    Type.BOUNCED: ("A reply bounced", "The customer's server did not take it."),
    Type.JOB_FAILED: ("A job failed", "{error}"),
    Type.HANDED_OVER: ("A conversation was handed to you", "{by}: {note}"),
    Type.TAKEN_OVER: ("A conversation was taken over", "{by} goes on with it. What you typed is kept."),
    Type.ASKED_FOR: ("Somebody asks for a conversation of yours", "{by} would like to take it over."),
    Type.SOURCE_CHANGED: ("A source of a waiting draft changed", "Read the draft again, or ask for another one."),
    Type.LANE_SHUT: ("Automatic approval stopped", "{reason}"),
    Type.FACTOR_LOST: ("A lost second factor", "{person}: {what}"),
    Type.INBOUND_HELD: ("Mail waits in quarantine", "{channel}: {reason}"),
    Type.CHANNEL_AWAY: ("A channel does not work", "{channel}: {problem}"),
    Type.WEBHOOK_AWAY: ("Outgoing events do not arrive", "{host}: {problem}"),
    Type.WATCHED: ("Something happened in a conversation that you watch", "#{number}: {what}."),
    Type.COUNTERSIGN: (
        "Your signature is wanted",
        "{by} confirmed what the assistant proposed: {what}. It is done when you sign.",
    ),
    Type.EXPIRING: (
        "Nobody decided yet",
        "What the assistant proposed to {of} is over at {until}: {what}. Nothing is done without a signature.",
    ),
    Type.MENTIONED: ("You are named in a note", "By {by}, in #{number}."),
}
#: What each kind is called where people choose. FACTOR_LOST is no choice: every admin is told (decisions/0022).
CHOICES = {
    Type.DRAFT_READY: "Drafts that are ready",
    Type.DRAFT_FAILED: "Drafts that could not be written",
    Type.CAME_BACK: "Approved replies that came back",
    Type.SEND_FAILED: "Replies that could not be sent",
    Type.SEND_UNCERTAIN: "Replies that may not have been sent",
    Type.BOUNCED: "Replies that bounced",
    Type.JOB_FAILED: "Jobs that failed",
    Type.HANDED_OVER: "Conversations handed to me",
    Type.TAKEN_OVER: "Conversations taken over from me",
    Type.ASKED_FOR: "Colleagues who ask for a conversation of mine",
    Type.SOURCE_CHANGED: "Sources of waiting drafts that changed",
    Type.LANE_SHUT: "Automatic approval that stopped",
    Type.INBOUND_HELD: "Mail that waits in quarantine",
    Type.CHANNEL_AWAY: "Channels that do not work",
    Type.WEBHOOK_AWAY: "Outgoing events that do not arrive",
    Type.WATCHED: "Conversations that I watch",
    Type.COUNTERSIGN: "What waits for my signature",
    Type.EXPIRING: "What waits for my signature, shortly before its time is over",
    Type.MENTIONED: "Notes that name me",
}
#: Where a kind leads when its payload names no draft, conversation or job. Names of pages, which may not be built in.
FALLBACKS = {
    Type.JOB_FAILED: "ingestion:sources",
    Type.LANE_SHUT: "drafts:quality",
    Type.INBOUND_HELD: "ingestion:inbound",
    Type.CHANNEL_AWAY: "admin:channels",
    Type.WEBHOOK_AWAY: "admin:webhooks",
}


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.READ)
def page(request: HttpRequest) -> HttpResponse:
    """Newest first; `before` goes back. POST marks as read: the one that `notice` names, or all.

    What is addressed to the whole account is read for everybody once somebody has read it.
    """
    tenant, user, clock = require_tenant(request), person(request), clock_for(request)
    muted = set(user.choices.muted)
    own = Notification.objects.for_person(user.pk).within(tenant.channels)
    if request.method == "POST":
        unread = own.filter(read_at__isnull=True)
        if "notice" in request.POST:
            wanted = _uuid(request.POST["notice"])
            if wanted is None or not own.filter(pk=wanted).exists():
                raise Http404("There is no such notification.")
            unread = unread.filter(pk=wanted)
        else:
            unread = unread.exclude(type__in=muted)  # what somebody does not see, they have not read for the others
        unread.order_by().update(read_at=database_time.now())
        return see_other(reverse("conversations:notices"))
    mine = own.exclude(type__in=muted)
    if before := _uuid(request.GET.get("before", "")):
        mine = mine.filter(pk__lt=before)
    found = list(mine[: PAGE + 1])
    shown = found[:PAGE]
    may_mark = not tenant.changes_nothing
    context = {
        "notices": [
            {
                "id": str(notice.pk),
                "title": WORDS[Type(notice.type)][0],
                "text": fill(WORDS[Type(notice.type)][1], notice.payload),
                "at": clock.stamp(notice.created_at),
                "at_iso": notice.created_at.isoformat(timespec="seconds"),
                "url": link(Type(notice.type), notice.payload),
                "unread": notice.read_at is None,
                "for_all": notice.user_id is None,
            }
            for notice in shown
        ],
        "may_mark": may_mark,
        "any_unread": may_mark and any(notice.read_at is None for notice in shown),
        "more_url": f"?before={shown[-1].pk}" if len(found) > PAGE else "",
        "choices": [{"value": kind.value, "label": label, "on": kind not in muted} for kind, label in CHOICES.items()],
    }
    return render(request, "conversations/notices.html", context)


@require_POST
@signed_in
def choose(request: HttpRequest) -> HttpResponse:
    """Keep which kinds the person wants; the others are neither listed nor made for them."""
    wanted = set(request.POST.getlist("want"))
    if unknown := wanted - set(Type.values):
        return HttpResponse(f"Unknown: {', '.join(sorted(unknown))[:100]}. Nothing was changed.", status=422)
    keep(person(request), muted=[kind.value for kind in CHOICES if kind not in wanted])
    messages.success(request, "Saved.")
    return see_other(reverse("conversations:notices"))


def fill(words: str, payload: dict[str, Any]) -> str:
    """The words with the payload's facts in them; what is missing leaves no trace."""

    class Known(dict[str, Any]):
        def __missing__(self, key: str) -> str:
            return ""

    return words.format_map(Known({key: isolated(str(value)) for key, value in payload.items()})).strip(" :")


def link(kind: Notification.Type, payload: dict[str, Any]) -> str:
    """Where the notification leads. This app knows drafts and jobs only as data."""
    if action := _uuid(str(payload.get("action", ""))):
        return reverse("drafts:action", args=[action])
    if draft := _uuid(str(payload.get("draft", ""))):
        return reverse("drafts:detail", args=[draft])
    if conversation := _uuid(str(payload.get("conversation", ""))):
        return reverse("conversations:detail", args=[conversation])
    if job := _uuid(str(payload.get("job", ""))):
        return reverse("ingestion:job", args=[job])
    try:
        return reverse(FALLBACKS[kind]) if kind in FALLBACKS else ""
    except NoReverseMatch:
        return ""


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
