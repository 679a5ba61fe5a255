"""How the desk answers: a pane, a whole page around it, or only what changed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import reswap, retarget

from conversations.errors import Refusal
from conversations.messages.outbox import UNTIL_RELEASED
from conversations.models import Channel, Delivery
from conversations.people.roles import Verb
from conversations.tenancy import require_tenant
from conversations.views.access import is_fragment, person
from conversations.views.links import address, with_query
from conversations.views.words import clock_for, span
from conversations.visible import Visible
from drafts import queue
from drafts.desk import handover
from drafts.desk.presence import asked_of
from drafts.desk.recipients import who_is_answered
from drafts.evidence.rates import topic_rates
from drafts.models import Draft
from drafts.queue import Decided, Summary
from drafts.views import focus, present
from drafts.views.pane import NOTHING, Banner, Can, Desk, Doing, Pane, Urls, banners, build
from drafts.views.present import DeskFilters

PREFETCH = 2
REFUSED = (Refusal, PermissionDenied)


def desk_of(request: HttpRequest, filters: DeskFilters) -> tuple[Desk, Summary]:
    """Who is looking and what the desk around the draft says: one statement (and the rates', when they are old)."""
    user, tenant = person(request), require_tenant(request)
    summary = queue.summary(tenant.account_id, user, tenant.role, tenant.channels)
    rates = topic_rates(tenant.account_id)
    return Desk.of(user, tenant, clock_for(request), filters, summary, rates, get_token(request)), summary


def shown_pane(draft: Draft, desk: Desk, doing: Doing, *, follows: str = "") -> Pane:
    """The pane that is looked at, with what it needs beside the others' share: a statement each, and only in the states
    that ask for it."""
    said = doing.said(draft, desk)
    holder = draft.holder  # type: ignore[attr-defined]
    mine = holder is not None and str(holder["user_id"]) == str(desk.user.pk)
    return build(
        draft,
        desk,
        doing,
        banner=said or became(draft, desk),
        asked=asked_of(desk.tenant.account_id, desk.user.pk, draft.conversation_id) if mine and not said else None,
        colleagues=handover.colleagues(draft.conversation, desk.user) if doing.form == "handover" else (),
        follows=follows,
    )


def became(draft: Draft, desk: Desk) -> Banner | None:
    """What there is to say of a draft that is no longer in the queue, when another row knows it."""
    if draft.status in {Draft.Status.SUPERSEDED, Draft.Status.STALE}:
        return replaced(draft, desk)
    if draft.status not in {Draft.Status.APPROVED, Draft.Status.SENT}:
        return None
    delivery = Delivery.objects.filter(draft_id=draft.pk).order_by("-id").first()
    may_resolve = desk.may(Verb.RESOLVE_DELIVERY)
    return banners.unsettled(draft, delivery, Urls.of(draft, desk), may_resolve) if delivery else None


def replaced(draft: Draft, desk: Desk) -> Banner | None:
    """The newer draft of the same conversation, if there is one: against this one's text, or after the customer wrote again."""
    newer = Draft.objects.filter(conversation_id=draft.conversation_id, pk__gt=draft.pk).order_by("-pk").first()
    if newer is None:
        return None
    url = Urls.of(newer, desk).detail
    if draft.status == Draft.Status.STALE:
        return banners.answered_anew(draft, Urls.of(draft, desk), desk.clock, Can.of(draft, desk), url)
    return banners.replaced(draft, newer, url)


def draft_or_404(pk: uuid.UUID, within: Visible) -> Draft:
    """The draft with all that the pane shows; an id of another tenant, of a channel that the person does not see
    (`within`), and an absent one get the same answer."""
    found = queue.panes([pk], within)
    if not found:
        raise Http404("There is no such draft in this account.")
    return found[0]


def page(
    request: HttpRequest,
    *,
    filters: DeskFilters,
    draft_id: uuid.UUID | None,
    after: str = "",
    doing: Doing = NOTHING,
    status: int = 200,
) -> HttpResponse:
    """The desk: list, one draft, two more ready."""
    desk, summary = desk_of(request, filters)
    found, more = queue.feed(filters, desk.user, summary.channels, within=desk.within, after=after)
    listed = [row["id"] for row in found]
    current = draft_id or (listed[0] if listed else None)
    at = listed.index(current) + 1 if current in listed else 0
    wanted = ([current] if current else []) + [pk for pk in listed[at:] if pk != current][:PREFETCH]
    panes = queue.panes(wanted, desk.within)
    if draft_id and (not panes or panes[0].pk != draft_id):
        raise Http404("There is no such draft in this account.")
    shown = shown_pane(panes[0], desk, doing, follows=_who(panes)) if panes else None
    waiting = summary.counts[filters.show]
    context = {
        "nav": "queue",
        "view": filters.mode or ("review" if draft_id else "list"),
        "strip": focus.strip(desk, waiting) if filters.mode else None,
        "may_batch": desk.may_batch,
        "may_undo": desk.may(Verb.UNDO),
        "asks": {
            "reject": desk.may(Verb.REJECT),
            "redraft": desk.may(Verb.REGENERATE),
            "snooze": desk.may(Verb.SNOOZE),
        },
        "pane": shown,
        "prefetched": [build(draft, desk) for draft in panes[1:]],
        "empty": None if shown else empty(filters, summary, desk),
        "chips": chips(filters, summary, desk),
        "channels": [present.Choice("", "All channels", not filters.channel)]
        + [present.Choice(value, label, filters.channel == value) for value, label in Channel.Type.choices],
        "sorts": [present.Choice(key, words, filters.sort == key) for key, (words, _) in queue.SORTS.items()],
        "show": filters.show,
        "mode": filters.mode,
        "focus_url": f"{desk.queue_url}?{replace(filters, mode='focus').query}",
        "leave_url": with_query(desk.queue_url, replace(filters, mode="").query),
        "views_url": with_query(address("drafts:views"), f"page=queue&{replace(filters, mode='').query}".rstrip("&")),
        "batch_url": address("drafts:batch"),
        "filter_query": filters.query,
        "pulse_url": address("drafts:pulse"),
        "since": summary.since,
        **rows_context(found, more, desk, str(current)),
        **counts_context(summary, desk),
    }
    return render(request, "drafts/queue.html", context, status=status)


def _who(panes: Sequence[Draft]) -> str:
    """The customer of the draft after the shown one."""
    return who_is_answered(panes[1]) if len(panes) > 1 else ""


def rows_context(found: Sequence[dict[str, Any]], more: str, desk: Desk, current: str = "") -> dict[str, Any]:
    """The list's rows; `current` is the id of the draft that is open."""
    query = desk.filters.query
    tail = f"?{query}" if query else ""
    joined = f"{query}&" if query else ""
    pick = desk.may_batch
    return {
        "rows": [present.row(entry, desk.clock, desk.drafts_url, tail, current=current, pick=pick) for entry in found],
        "more_url": f"{desk.queue_url}?{joined}after={more}" if more else "",
    }


def counts_context(summary: Summary, desk: Desk) -> dict[str, Any]:
    return {
        "count": present.count_words(summary.counts[desk.filters.show]),
        "queue_count": present.count_words(summary.counts[""]),
        "tallies": [
            *((show or "all", _tally(summary, show)) for show in queue.SHOWS),
            ("owed", present.count_words(summary.owed) if summary.owed else ""),
        ],
        "oldest": f"Oldest waits {span(desk.clock.now - summary.oldest)}" if summary.oldest else "",
        "outbox": [outbox_item(entry, desk) for entry in summary.decided],
        "csrf": desk.csrf,
        "undo_key": desk.user.choices.caps["undo"],
    }


def chips(filters: DeskFilters, summary: Summary, desk: Desk) -> list[dict[str, Any]]:
    out = []
    for show, label in queue.SHOWS.items():
        query = filters.showing(show)
        url = with_query(desk.queue_url, query)
        entry = {"key": show or "all", "url": url, "label": label, "count": _tally(summary, show)}
        out.append({**entry, "current": show == filters.show})
    owed = present.count_words(summary.owed) if summary.owed else ""
    url = with_query(desk.conversations_url, "list=owed")
    return [*out, {"key": "owed", "url": url, "label": "Owed", "count": owed, "current": False}]


def _tally(summary: Summary, show: str) -> str:
    return present.count_words(summary.counts[show]) if summary.counts[show] else ""


def empty(filters: DeskFilters, summary: Summary, desk: Desk) -> dict[str, str]:
    """All caught up, or nothing matches: the words and the way on."""
    hidden, snoozed = summary.counts[""], summary.counts["snoozed"]
    if filters.narrows and hidden:
        return {
            "icon": "search",
            "title": "Nothing matches these filters",
            "text": f"{_named(filters)} hides {present.count_words(hidden)} waiting drafts.",
            "url": with_query(desk.queue_url, DeskFilters(mode=filters.mode).query),
            "label": "Clear filters",
        }
    parts = [
        "Nobody is waiting for an answer.",
        focus.today(desk),
        f"{present.count_words(snoozed)} snoozed come back by themselves." if snoozed else "",
    ]
    return {
        "icon": "check",
        "title": "All caught up",
        "text": " ".join(filter(None, parts)),
        "url": f"{desk.queue_url}?show=snoozed" if snoozed else "",
        "label": "See snoozed",
    }


def _named(filters: DeskFilters) -> str:
    """Needs care, Slack: the filters that hide something, in words."""
    names = [queue.SHOWS[filters.show]] if filters.show else []
    names += [str(Channel.Type(filters.channel).label)] if filters.channel else []
    return f"“{', '.join(names)}”"


def outbox_item(entry: Decided, desk: Desk) -> dict[str, Any]:
    """One line of the strip, as text. `state`: held, problem, sent, or plain."""
    clock = desk.clock
    timeline = f"{desk.conversations_url}{entry.conversation_id}/timeline/"
    common = {
        "id": entry.draft_id,
        "draft_id": entry.draft_id,
        "who": entry.who,
        "url": timeline,
        "at": clock.time(entry.at),
    }
    if entry.type == "reject":
        reopen = f"{desk.drafts_url}{entry.draft_id}/reopen/"
        undo_url = reopen if desk.may(Verb.REJECT) else ""
        return {**common, "state": "rejected", "icon": "x", "text": "Rejected,", "undo_url": undo_url}
    if entry.type == "answer_elsewhere":
        return {**common, "state": "plain", "icon": "check", "text": "Answered elsewhere,"}
    left = entry.hold_until - clock.now if entry.hold_until else timedelta(0)
    if entry.delivery_status == "held" and entry.hold_until and left > timedelta(0):
        hold = max(1, (entry.hold_until - entry.at).total_seconds())
        seconds = max(0.0, left.total_seconds())
        return {
            **common,
            "state": "held",
            "undo_url": reverse("drafts:undo", args=[entry.delivery_id]) if desk.may(Verb.UNDO) else "",
            "release_url": reverse("drafts:release-delivery", args=[entry.delivery_id]),
            "open_ended": seconds >= UNTIL_RELEASED,
            "left_ms": round(seconds * 1000),
            "left_s": round(seconds),
            "hold_ms": round(hold * 1000),
            "share": round(100 * min(1, seconds / hold)),
        }
    words = {
        "held": ("plain", "send", "Being sent to"),
        "queued": ("plain", "clock", "Waits to be sent to"),
        "sending": ("plain", "send", "Being sent to"),
        "sent": ("sent", "check", "Sent to"),
        "delivered": ("sent", "check", "Delivered to"),
        "failed": ("problem", "alert", "not sent"),
        "uncertain": ("problem", "alert", "sent or not? Please check"),
        "bounced": ("problem", "alert", "came back undelivered"),
        "cancelled": ("plain", "undo", "Taken back,"),
        "": ("plain", "info", "A check draft with a planted error, never sent:"),
    }
    state, icon, text = words[entry.delivery_status]
    if state == "problem":
        common["url"] = f"{desk.drafts_url}{entry.draft_id}/"
    at = clock.time(entry.sent_at) if entry.sent_at else common["at"]
    return {**common, "state": state, "icon": icon, "text": text, "at": at}


def pane_answer(
    request: HttpRequest,
    pk: uuid.UUID,
    *,
    filters: DeskFilters,
    doing: Doing = NOTHING,
    spoken: str = "",
) -> HttpResponse:
    """The review pane alone for htmx, else the page with it; `spoken` says in words what a press has done."""
    if not is_fragment(request):
        return page(request, filters=filters, draft_id=pk, doing=doing)
    desk, _ = desk_of(request, filters)
    shown = shown_pane(draft_or_404(pk, desk.within), desk, doing)
    return render(request, "drafts/touched.html", {"pane": shown, "csrf": desk.csrf, "spoken": spoken})


def handover_form(request: HttpRequest, pk: uuid.UUID, *, filters: DeskFilters) -> HttpResponse:
    """Whom the conversation could be given to."""
    doing = Doing("handover")
    if not is_fragment(request):
        return page(request, filters=filters, draft_id=pk, doing=doing)
    desk, _ = desk_of(request, filters)
    shown = shown_pane(draft_or_404(pk, desk.within), desk, doing)
    return render(request, "drafts/_handover_form.html", {"colleagues": shown.forms.colleagues, "urls": shown.urls})


def refusal(
    request: HttpRequest, pk: uuid.UUID, *, filters: DeskFilters, doing: Doing, status: int = 0
) -> HttpResponse:
    """A decision that was not carried out, shown in place: the reason, the way on, and the person's own text."""
    status = status or (doing.refused.status if isinstance(doing.refused, Refusal) else 403)
    if not is_fragment(request):
        return page(request, filters=filters, draft_id=pk, doing=doing, status=status)
    desk, _ = desk_of(request, filters)
    draft = draft_or_404(pk, desk.within)
    if request.headers.get("HX-Target") == "saved":
        banner = banners.capped(doing.said(draft, desk), desk.user.choices.caps)
        return render(request, "drafts/_banner.html", {"banner": banner}, status=status)
    response = render(
        request,
        "drafts/refused.html",
        {"pane": shown_pane(draft, desk, doing), "csrf": desk.csrf, "live": draft.status == Draft.Status.PENDING},
        status=status,
    )
    return reswap(retarget(response, "#review"), "innerHTML")


def changed(
    request: HttpRequest,
    *,
    filters: DeskFilters,
    gone: Sequence[uuid.UUID],
    restored: uuid.UUID | None = None,
    spoken: str = "",
) -> HttpResponse:
    """After a decision, for htmx: counts, strip, rows that left, and the panes that the client will need next."""
    desk, summary = desk_of(request, filters)
    wanted = ids(request.POST.get("want", ""))
    held = request.POST.get("have", "")
    short = PREFETCH - int(held) if held.isdecimal() else 0
    if wanted:
        ahead = [draft for draft in queue.panes(wanted, desk.within) if draft.status == Draft.Status.PENDING]
    else:
        skip = [*ids(request.POST.get("skip", ""), limit=200), *gone]
        ahead = queue.following_panes(filters, desk.user, skip=skip, limit=max(short, 0), within=desk.within)
    context = {
        "gone": [str(pk) for pk in gone],
        "spoken": spoken,
        "prefetched": [build(draft, desk) for draft in ahead],
        "empty": empty(filters, summary, desk) if not (wanted or ahead) and short == PREFETCH else None,
        "strip": focus.strip(desk, summary.counts[filters.show]) if filters.mode else None,
        **counts_context(summary, desk),
    }
    if restored is None:
        return render(request, "drafts/decided.html", context)
    found, more = queue.feed(filters, desk.user, summary.channels, within=desk.within)
    shown = build(draft_or_404(restored, desk.within), desk)
    context |= {"pane": shown, **rows_context(found, more, desk, str(restored))}
    return reswap(retarget(render(request, "drafts/restored.html", context), "#review"), "innerHTML")


def ids(value: str, limit: int = PREFETCH) -> list[uuid.UUID]:
    """Ids out of a comma-separated field; what is not an id is left out."""
    out = []
    for part in value.split(",")[:limit]:
        try:
            out.append(uuid.UUID(part))
        except ValueError:
            continue
    return out
