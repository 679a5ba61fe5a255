"""The queue, one draft, and the pulse that keeps an open page true."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import is_fragment, person, signed_in
from conversations.views.links import address, with_query
from conversations.views.words import initials
from drafts import queue
from drafts.desk import presence
from drafts.flow.progress import so_far
from drafts.models import Draft
from drafts.views import answers
from drafts.views.pane import Can, Doing, Urls, banners, build
from drafts.views.present import DeskFilters

MAX_ROWS = 200  # of a list that was lengthened by "Show more": a pulse keeps its length up to here
DOINGS = {"edit", "reject", "redraft", "snooze", "handover"}


@require_safe
@signed_in
def home(request: HttpRequest) -> HttpResponseBase:
    """Where work begins: the queue; for the platform's operators, who have none, their tenants."""
    if person(request).is_superuser and request.tenant is None:  # type: ignore[attr-defined]
        return redirect("admin:tenants")
    return queue_page(request)


@require_safe
@signed_in
@require(Verb.READ)
def queue_page(request: HttpRequest) -> HttpResponse:
    """The list and its first draft; `after` is a keyset cursor, `next`/`prev` lead to a neighbour of a draft."""
    filters = DeskFilters.read(request.GET)
    for direction in ("next", "prev"):
        if draft_id := _uuid(request.GET.get(direction, "")):
            return _neighbour(request, filters, draft_id, back=direction == "prev")
    after = request.GET.get("after", "")
    if is_fragment(request) and after:
        desk, summary = answers.desk_of(request, filters)
        found, more = queue.feed(filters, desk.user, summary.channels, within=desk.within, after=after)
        return render(request, "drafts/_rows.html", answers.rows_context(found, more, desk))
    return answers.page(request, filters=filters, draft_id=None, after=after)


@require_safe
@signed_in
@require(Verb.READ)
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One draft: the pane for htmx, else the desk around it. `do` opens a form without the script."""
    do = request.GET.get("do", "")
    doing = Doing(do if do in DOINGS else "")
    return answers.pane_answer(request, pk, filters=DeskFilters.read(request.GET), doing=doing)


@require_safe
@signed_in
@require(Verb.READ)
def pulse(request: HttpRequest) -> HttpResponse:
    """What changed since `since` (the newest audit event that the page knows), or 204. `want` asks for panes ahead.

    Along the way the person is marked as reading `draft`, and told who else is; `room` is whom the page shows already.
    """
    tenant = require_tenant(request)
    data = request.GET
    open_id = _uuid(data.get("draft", ""))
    room = presence.enter(
        tenant.account_id, person(request).pk, open_id, renew=not tenant.changes_nothing, within=tenant.channels
    )
    news = data.get("since", "") != str(room.seq)
    moved = open_id is not None and data.get("room", "") != room.key
    wanted = answers.ids(data.get("want", ""))
    if not (news or wanted or moved):
        return HttpResponse(status=204)
    filters = DeskFilters.of_query(data.get("filter", ""))
    desk, summary = answers.desk_of(request, filters)
    context = {"changed": news, "csrf": desk.csrf, "draft_id": str(open_id) if open_id else ""}
    if moved:
        context["room"] = {"key": room.key, "people": [{"name": n, "initials": initials(n)} for _, n in room.others]}
    if news:
        rows = data.get("rows", "")
        length = min(max(int(rows) if rows.isdecimal() and len(rows) < 4 else 0, queue.PAGE), MAX_ROWS)
        found, more = queue.feed(filters, desk.user, summary.channels, within=desk.within, limit=length)
        context |= answers.rows_context(found, more, desk, data.get("draft", ""))
        context |= answers.counts_context(summary, desk)
    shown = open_id if news else None
    asked_for = [*wanted, *([shown] if shown else [])]
    fetched = {draft.pk: draft for draft in queue.panes(asked_for, desk.within)} if asked_for else {}
    if shown and (draft := fetched.get(shown)):
        went = draft.status in {Draft.Status.SUPERSEDED, Draft.Status.STALE}
        newer = answers.replaced(draft, desk) if went else None
        banner = newer or banners.standing(draft, desk, Urls.of(draft, desk), Can.of(draft, desk), room.asked)
        context["banner"] = banners.capped(banner, desk.user.choices.caps)
    ahead = [fetched[pk] for pk in wanted if pk in fetched and fetched[pk].status == Draft.Status.PENDING]
    context["prefetched"] = [build(draft, desk) for draft in ahead]
    response = render(request, "drafts/pulse.html", context)
    response["X-Since"] = str(summary.since)
    return response


@require_safe
@signed_in
@require(Verb.READ)
def progress(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How far the other draft is that was asked for: its text so far, then (286: ask no more) how it differs."""
    filters = DeskFilters.read(request.GET)
    desk, _ = answers.desk_of(request, filters)
    draft = answers.draft_or_404(pk, desk.within)
    ready = answers.replaced(draft, desk)
    if ready and not is_fragment(request):
        return redirect(ready.actions[0].url)
    banner = ready or banners.being_written(Urls.of(draft, desk), so_far(draft.conversation_id))
    if not is_fragment(request):
        return answers.page(request, filters=filters, draft_id=pk, doing=Doing(banner=banner))
    return render(request, "drafts/_banner.html", {"banner": banner}, status=286 if ready else 200)


def _neighbour(request: HttpRequest, filters: DeskFilters, draft_id: uuid.UUID, *, back: bool) -> HttpResponse:
    found = queue.neighbour(filters, person(request), draft_id, back=back, within=require_tenant(request).channels)
    url = address("drafts:queue") if found is None else reverse("drafts:detail", args=[found])
    return redirect(with_query(url, filters.query))


def _uuid(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None
