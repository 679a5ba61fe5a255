"""What is pressed on a conversation's page, one POST each: close, reopen, assign, snooze, note what is owed, write."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from conversations.errors import Invalid, Refusal
from conversations.models import Conversation
from conversations.people.roles import Verb, require
from conversations.views.access import View, person, signed_in
from conversations.views.links import see_other
from conversations.views.threads import get_conversation_for, thread_page
from conversations.views.words import clock_for
from drafts.desk import life
from drafts.models import Draft

Act = Callable[[HttpRequest, uuid.UUID], str]


def press(act: Act) -> View:
    """Around a verb: its words and the page again; what it refuses stands on the page, with its status. `act` returns the
    words, or the address that follows."""

    @functools.wraps(act)
    def pressed(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        conversation = get_conversation_for(request, pk)
        try:
            said = act(request, pk)
        except Conversation.DoesNotExist:
            raise Http404("There is no such conversation in this account.") from None
        except Refusal as refusal:
            return thread_page(request, conversation, problem=str(refusal), status=refusal.status)
        except PermissionDenied as refusal:
            return thread_page(request, conversation, problem=str(refusal), status=403)
        if said.startswith("/"):
            return see_other(said)
        messages.success(request, said)
        return see_other(reverse("conversations:detail", args=[pk]))

    return require_POST(signed_in(require(Verb.READ)(pressed)))


@press
def close(request: HttpRequest, pk: uuid.UUID) -> str:
    """Nothing more to do here; why, where something is owed."""
    life.close(
        conversation_id=pk,
        actor=person(request),
        reason=request.POST.get("reason", ""),
        last_inbound=_id(request, "last_inbound"),
    )
    return "Closed. A message of the customer opens it again; so can you."


@press
def reopen(request: HttpRequest, pk: uuid.UUID) -> str:
    life.reopen(conversation_id=pk, actor=person(request))
    return "Reopened. It is owed an answer from now on."


@press
def answered(request: HttpRequest, pk: uuid.UUID) -> str:
    """The customer has their answer by other means."""
    life.answered_elsewhere(conversation_id=pk, actor=person(request), last_inbound=_id(request, "last_inbound"))
    return "Marked as answered elsewhere. It waits for the customer."


@press
def assign(request: HttpRequest, pk: uuid.UUID) -> str:
    found = life.assign(conversation_id=pk, actor=person(request), to=_id(request, "to"))
    return f"Owner is {found.owner.name}." if found.owner else "It has no owner: whoever comes first."


@press
def snooze(request: HttpRequest, pk: uuid.UUID) -> str:
    life.snooze(conversation_id=pk, actor=person(request), until=moment(request, "until"))
    return "Snoozed. It comes back by itself."


@press
def owe(request: HttpRequest, pk: uuid.UUID) -> str:
    """Until when something is to be done here, and by whom."""
    life.owe(
        conversation_id=pk,
        actor=person(request),
        due_at=moment(request, "due"),
        note=request.POST.get("note", "").replace("\x00", ""),
        to=_id(request, "to"),
    )
    return "Noted. It stands in Owed until somebody answers or closes."


@press
def write(request: HttpRequest, pk: uuid.UUID) -> str:
    """Begin a reply of one's own: the editor of a draft, empty."""
    draft = life.write(conversation_id=pk, actor=person(request))
    return f"{reverse('drafts:detail', args=[draft.pk])}?do=edit"


@require_POST
@signed_in
@require(Verb.READ)
def discard(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give up a reply that a person began; the way on is its conversation."""
    found = Draft.objects.select_related("conversation").filter(pk=pk).first()
    if found is None:
        raise Http404("There is no such draft in this account.")
    conversation = get_conversation_for(request, found.conversation_id)
    try:
        life.discard(draft_id=pk, actor=person(request))
    except Refusal as refusal:
        return thread_page(request, conversation, problem=str(refusal), status=refusal.status)
    messages.success(request, "Discarded. Nothing was sent.")
    return see_other(reverse("conversations:detail", args=[conversation.pk]))


def moment(request: HttpRequest, name: str) -> datetime:
    """What was typed, in the person's own time zone; else the choice that was picked. Raises Invalid (422)."""
    typed = request.POST.get(f"{name}_at", "").strip() or request.POST.get(name, "")
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        raise Invalid("Pick a time. Nothing was changed.") from None
    return found if found.tzinfo else timezone.make_aware(found, clock_for(request).zone)


def _id(request: HttpRequest, name: str) -> uuid.UUID | None:
    value = request.POST.get(name, "")
    if not value:
        return None
    try:
        return uuid.UUID(value)
    except ValueError:
        raise Invalid("Reload the page and try again; nothing was changed.") from None
