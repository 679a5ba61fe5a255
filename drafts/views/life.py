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
from conversations.tenancy import require_tenant
from conversations.views.access import View, person, signed_in
from conversations.views.links import see_other
from conversations.views.threads import get_conversation_for, thread_page
from conversations.views.words import clock_for
from drafts.desk import life, merging, spam, tags, watching
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
        last_inbound=an_id(request, "last_inbound"),
    )
    return "Closed. A message of the customer opens it again; so can you."


@press
def reopen(request: HttpRequest, pk: uuid.UUID) -> str:
    life.reopen(conversation_id=pk, actor=person(request))
    return "Reopened. It is owed an answer from now on."


@press
def answered(request: HttpRequest, pk: uuid.UUID) -> str:
    """The customer has their answer by other means."""
    life.answered_elsewhere(conversation_id=pk, actor=person(request), last_inbound=an_id(request, "last_inbound"))
    return "Marked as answered elsewhere. It waits for the customer."


@press
def assign(request: HttpRequest, pk: uuid.UUID) -> str:
    found = life.assign(conversation_id=pk, actor=person(request), to=an_id(request, "to"))
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
        to=an_id(request, "to"),
    )
    return "Noted. It stands in Owed until somebody answers or closes."


@press
def merge(request: HttpRequest, pk: uuid.UUID) -> str:
    """Into one that is picked, or named by its number; the page that follows is the other one's."""
    number = request.POST.get("number", "").strip().lstrip("#")
    into = an_id(request, "into")
    if number:
        within = Conversation.objects.of_customers().within(require_tenant(request).channels)
        found = within.filter(number=int(number)) if number.isdecimal() and len(number) < 10 else within.none()
        into = found.values_list("pk", flat=True).first()
    if into is None:
        raise Invalid("Pick a conversation, or give its number. Nothing was merged.")
    try:
        target = merging.merge(conversation_id=pk, into=into, actor=person(request))
    except Conversation.DoesNotExist:
        raise Invalid("There is no such conversation here. Nothing was merged.") from None
    messages.success(request, f"Merged into #{target.number}. Both pages show both; new mail comes here.")
    return reverse("conversations:detail", args=[target.pk])


@press
def unmerge(request: HttpRequest, pk: uuid.UUID) -> str:
    merging.unmerge(conversation_id=pk, actor=person(request))
    return "Taken apart. It is owed an answer from now on."


@press
def mark_spam(request: HttpRequest, pk: uuid.UUID) -> str:
    """Closed as spam, with `block` the sender too."""
    block = bool(request.POST.get("block"))
    spam.mark(conversation_id=pk, actor=person(request), block=block)
    return "Closed as spam." + (" The sender is blocked: further mail is set aside in the quarantine." if block else "")


@press
def unblock(request: HttpRequest, pk: uuid.UUID) -> str:
    spam.unblock(conversation_id=pk, actor=person(request))
    return "Unblocked. What was set aside waits in the quarantine for somebody to let it in."


@press
def watch(request: HttpRequest, pk: uuid.UUID) -> str:
    """Be told of what happens here, or no more (`on` is 0)."""
    on = request.POST.get("on", "1") != "0"
    watching.watch(conversation_id=pk, actor=person(request), on=on)
    return "You are told of mail, notes and the closing." if on else "You are told of it no more."


@press
def tag(request: HttpRequest, pk: uuid.UUID) -> str:
    """The tags as they were ticked; `had` are those that the form showed as given."""
    wanted, had = ids(request, "tag"), ids(request, "had")
    found = tags.retag(conversation_id=pk, actor=person(request), add=wanted - had, remove=had - wanted)
    return f"Tags: {', '.join(one.name for one in found)}." if found else "It has no tags."


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


def an_id(request: HttpRequest, name: str) -> uuid.UUID | None:
    """The id that a form names; None if it names none. Raises Invalid (422)."""
    return next(iter(ids(request, name)), None)


def ids(request: HttpRequest, name: str) -> set[uuid.UUID]:
    """The ids that a form names. Raises Invalid (422)."""
    try:
        return {uuid.UUID(value) for value in request.POST.getlist(name) if value}
    except ValueError:
        raise Invalid("Reload the page and try again; nothing was changed.") from None
