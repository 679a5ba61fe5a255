"""The decisions, one POST each. First the form, then the verb, then the answer; the verb checks everything itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from conversations.database import database_time
from conversations.errors import Invalid
from conversations.messages.owing import Promise
from conversations.people.roles import Verb, require
from conversations.views.access import View, is_fragment, person, signed_in
from conversations.views.links import see_other, with_query
from conversations.views.words import clock_for
from drafts.desk import after, decisions, editing, life
from drafts.desk import handover as handing_over
from drafts.desk.unanswered import close_unanswered
from drafts.models import BY_A_PERSON
from drafts.views import answers
from drafts.views.conflict import both_texts
from drafts.views.life import moment
from drafts.views.pane import Doing, is_public, second_press
from drafts.views.present import DeskFilters
from drafts.views.press import SeenForm, in_place, onward, read
from drafts.views.sending import addressed

Act = Callable[[HttpRequest, uuid.UUID, SeenForm], Any]
DONE = {
    "approve": "Approved. You can take it back below until it is sent.",
    "reject": "Rejected. Nothing was sent; you can reopen it below.",
    "regenerate": "Another draft is being written. This one stays until it is ready.",
    "answered_elsewhere": "Marked as answered elsewhere. Nothing was sent.",
    "no_answer": "Closed. Nothing was sent; a message of the customer opens it again.",
    "snooze": "Snoozed. It comes back by itself.",
}


def decision(name: str, *, leaves: bool) -> Callable[[Act], View]:
    """A decision's view around its verb call. `leaves`: the draft leaves the queue, so the next one is shown."""

    def decorate(act: Act) -> View:
        def press(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
            form = read(request)
            if isinstance(answer := act(request, pk, form), HttpResponse):
                return answer
            if is_fragment(request):
                if leaves:
                    return answers.changed(request, filters=filters, gone=[pk])
                return answers.pane_answer(request, pk, filters=filters, doing=Doing(asked_anew=True))
            messages.success(request, DONE[name])
            return onward(request, pk, filters, leaves)

        press.__name__, press.__doc__ = name, act.__doc__
        return require_POST(signed_in(require(Verb.READ)(in_place(press, do="reject" if name == "reject" else ""))))

    return decorate


@decision("approve", leaves=True)
def approve(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> None:
    """Sign for the draft as shown, or for the text in the box."""
    follows = request.POST.get("sent", "")
    if follows not in after.Sent.values:
        raise Invalid("Choose what follows. Nothing was sent.")
    with transaction.atomic():
        after.approve(
            draft_id=pk,
            actor=person(request),
            follows=after.Sent(follows),
            seen=addressed(request, pk, form.seen(), form.cleaned_data["request_id"]),
            final_text=form.cleaned_data["final_text"] if "final_text" in request.POST else None,
            reasons=request.POST.getlist("reason"),
            notes=form.cleaned_data["note"],
            attention=form.attention(),
            request_id=form.cleaned_data["request_id"],
            promise=_promise(request),
        )


def _promise(request: HttpRequest) -> Promise | None:
    """What the person saw under a holding reply; None where nothing was shown."""
    if "promise_due" not in request.POST:
        return None
    owner = person(request).pk if request.POST.get("promise_by") == "me" else None
    return Promise(moment(request, "promise_due"), owner)


@decision("reject", leaves=True)
def reject(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> HttpResponse | None:
    """Say no, and what becomes of the customer. Who writes it themselves is taken to the editor."""
    _, begun = after.reject(
        draft_id=pk,
        actor=person(request),
        seen=form.seen(),
        reasons=request.POST.getlist("reason"),
        follows=_next(request, form),
        notes=form.cleaned_data["note"],
        attention=form.attention(),
        request_id=form.cleaned_data["request_id"],
    )
    if begun is None:
        return None
    editor = f"{reverse('drafts:detail', args=[begun.pk])}?do=edit"
    return HttpResponseClientRedirect(editor) if is_fragment(request) else see_other(editor)


def _next(request: HttpRequest, form: SeenForm) -> after.Next:
    """What follows the rejection: kept as owed unless something else was chosen."""
    then = request.POST.get("then", after.Then.OWED)
    if then not in after.Then.values:
        raise Invalid("Choose what follows. Nothing was changed.")
    return after.Next(
        after.Then(then),
        instruction=form.cleaned_data["instruction"],
        reason=request.POST.get("close_reason", ""),
        due_at=moment(request, "owed_due") if request.POST.get("owed_due") else None,
        is_mine=request.POST.get("owed_by") == "me",
    )


@decision("regenerate", leaves=False)
def regenerate(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> None:
    decisions.regenerate(
        draft_id=pk,
        actor=person(request),
        seen=form.seen(),
        instruction=form.cleaned_data["instruction"],
        wished=request.POST.get("act", ""),
        request_id=form.cleaned_data["request_id"],
    )


@decision("answered_elsewhere", leaves=True)
def answered_elsewhere(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> None:
    decisions.answered_elsewhere(
        draft_id=pk, actor=person(request), seen=form.seen(), request_id=form.cleaned_data["request_id"]
    )


@decision("no_answer", leaves=True)
def no_answer(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> None:
    """Nothing is asked any more: nothing is sent, and the conversation closes."""
    close_unanswered(draft_id=pk, actor=person(request), seen=form.seen())


@decision("snooze", leaves=True)
def snooze(request: HttpRequest, pk: uuid.UUID, form: SeenForm) -> None:
    life.snooze_draft(draft_id=pk, actor=person(request), until=_until(request))


def _until(request: HttpRequest) -> datetime:
    """What was typed, in the person's own time zone; else the choice that was picked."""
    try:
        until = datetime.fromisoformat(request.POST.get("at", "").strip() or request.POST.get("until", ""))
    except ValueError:
        raise Invalid("Pick when it should come back. Nothing was changed.") from None
    return until if until.tzinfo else timezone.make_aware(until, clock_for(request).zone)


def _given(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("to", ""))
    except ValueError:
        raise Invalid("Choose a colleague. Nothing was changed.") from None


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def edit(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Save what was typed as the next version; `version` is the one it was typed over (If-Match, RFC 9110 13.1.1).

    If somebody saved meanwhile: 412 with both texts, side by side, and nothing written.
    """
    text, version = request.POST.get("final_text", ""), request.POST.get("version", "")
    if_match = request.headers.get("If-Match", "").removeprefix("W/").strip('"')
    version = if_match if if_match.isdecimal() else version
    if not version.isdecimal() or len(version) > 9:
        raise Invalid("The version is missing. Reload the page; your text is still in the box.")
    try:
        draft = editing.save_revision(draft_id=pk, actor=person(request), version=int(version), text=text)
    except decisions.Changed as error:
        return both_texts(request, pk, error, filters=filters, own_text=text.replace("\x00", ""))
    if not is_fragment(request):
        messages.success(request, f"Saved as version {draft.version}.")
        return see_other(with_query(reverse("drafts:detail", args=[pk]), "do=edit"))
    if request.headers.get("HX-Target") == "review":
        return answers.pane_answer(request, pk, filters=filters, doing=Doing("edit"))
    response = HttpResponse(status=204)
    response["ETag"], response["X-Version"] = f'"{draft.version}"', str(draft.version)
    response["X-Saved"] = clock_for(request).time(database_time.now())
    unsourced = 0 if draft.model_key == BY_A_PERSON else draft.unsourced_count
    response["X-Second"] = second_press(
        unsourced, draft.is_about_money, public=is_public(draft)
    )  # a text of a person's own leaves nothing open
    return response


@require_POST
@signed_in
@require(Verb.READ)
def claim(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take the conversation for two minutes, or prolong one's own hold."""
    take_over = request.POST.get("take_over") == "1"
    return _touch(
        request,
        pk,
        lambda: editing.claim(draft_id=pk, actor=person(request), take_over=take_over),
        "It is yours for two minutes.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.READ)
def handover(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give the conversation to a colleague. GET is the form: alone for htmx, in the page without the script."""
    if request.method != "POST":
        return answers.handover_form(request, pk, filters=DeskFilters.read(request.GET))
    note = request.POST.get("note", "").replace("\x00", "")
    return _touch(
        request,
        pk,
        lambda: handing_over.hand_over(draft_id=pk, actor=person(request), to=_given(request), note=note),
        "Handed over. They were told.",
    )


@require_POST
@signed_in
@require(Verb.READ)
def ask(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask whoever holds the conversation for it."""
    return _touch(request, pk, lambda: handing_over.ask(draft_id=pk, actor=person(request)), "They were asked.")


@require_POST
@signed_in
@require(Verb.READ)
def give(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give the conversation to who asked for it."""
    return _touch(
        request,
        pk,
        lambda: handing_over.answer(draft_id=pk, actor=person(request), give=True),
        "It is in their hands now.",
    )


@require_POST
@signed_in
@require(Verb.READ)
def hold_on(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Keep the conversation although somebody asked for it."""
    return _touch(
        request, pk, lambda: handing_over.answer(draft_id=pk, actor=person(request), give=False), "It stays yours."
    )


@require_POST
@signed_in
@require(Verb.READ)
def release(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    return _touch(request, pk, lambda: editing.release(draft_id=pk, actor=person(request)), "You let it go.")


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def reopen(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Bring a rejected draft back."""
    editing.reopen(draft_id=pk, actor=person(request))
    if is_fragment(request):
        return answers.changed(request, filters=filters, gone=[], restored=pk, spoken="Reopened.")
    messages.success(request, "Reopened.")
    return onward(request, pk, filters, leaves=False)


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def keep(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Use a stale draft's text as the answer to the newer message, knowingly."""
    try:
        last_inbound = uuid.UUID(request.POST.get("last_inbound", ""))
    except ValueError:
        raise Invalid("Reload the page and try again; nothing was changed.") from None
    kept = editing.keep(draft_id=pk, actor=person(request), last_inbound=last_inbound)
    if is_fragment(request):
        return answers.changed(request, filters=filters, gone=[pk], restored=kept.pk)
    return onward(request, kept.pk, filters, leaves=False)


@in_place
def _touch(
    request: HttpRequest, pk: uuid.UUID, filters: DeskFilters, verb: Callable[[], Any], words: str
) -> HttpResponse:
    """Claim and release: 204 for the editor's heartbeat, the pane again for a press of the button."""
    verb()
    if request.headers.get("HX-Target") == "saved":
        return HttpResponse(status=204)
    if is_fragment(request):
        return answers.pane_answer(request, pk, filters=filters, spoken=words)
    messages.success(request, words)
    return onward(request, pk, filters, leaves=False)
