"""Internal notes of a conversation: saving one, taking one's own back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from conversations.errors import Refusal
from conversations.models import Note
from conversations.people.roles import Verb, require
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.threads import get_conversation_for, thread_page
from drafts.desk import notes
from drafts.views.life import an_id, moment, press


@press
def write(request: HttpRequest, pk: uuid.UUID) -> str:
    """Save a note; the page opens at it."""
    note = notes.write(
        conversation_id=pk,
        actor=person(request),
        text=request.POST.get("note_text", ""),
        due_at=moment(request, "due") if request.POST.get("due") else None,
        to=an_id(request, "to"),
    )
    told = " and ".join(user.name for user in notes.told_by(note))
    messages.success(
        request, f"Note saved. {told} {'are' if ' and ' in told else 'is'} told." if told else "Note saved."
    )
    return f"{reverse('conversations:detail', args=[pk])}#n-{note.pk}"


@require_POST
@signed_in
@require(Verb.READ)
def remove(request: HttpRequest, pk: uuid.UUID, note: uuid.UUID) -> HttpResponse:
    """Take one's own note back."""
    conversation = get_conversation_for(request, pk)
    if not Note.objects.filter(conversation=conversation, pk=note).exists():
        raise Http404("There is no such note in this conversation.")
    try:
        notes.remove(note_id=note, actor=person(request))
    except PermissionDenied as refusal:
        return thread_page(request, conversation, problem=str(refusal), status=403)
    except Refusal as refusal:
        return thread_page(request, conversation, problem=str(refusal), status=refusal.status)
    messages.success(request, "The note was taken back.")
    return see_other(f"{reverse('conversations:detail', args=[pk])}#n-{note}")
