"""Before a reply is approved: who gets it, and which files go with it. One POST each."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from conversations.channels.base import File
from conversations.errors import Invalid, NotKept
from conversations.messages import files as kept
from conversations.messages.envelope import digest
from conversations.models import Attachment
from conversations.people.roles import Verb, require
from conversations.tenancy import outside_transaction, require_tenant
from conversations.views.access import is_fragment, person, signed_in
from drafts.desk import files as attaching
from drafts.desk import formatting
from drafts.desk import readdress as addressing
from drafts.desk.decisions import Seen, envelope_of
from drafts.desk.readdress import Recipients
from drafts.models import Draft, DraftAction
from drafts.views import answers, press
from drafts.views.pane import Doing
from drafts.views.present import DeskFilters
from drafts.views.press import LINES, in_place, onward, read

logger = logging.getLogger(__name__)


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def readdress(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Choose who gets the reply: one of the choices that are offered (`to`), or the addresses as they were typed."""
    seen = read(request).seen()
    if to := request.POST.get("to", ""):
        addressing.readdress(draft_id=pk, actor=person(request), seen=seen, to=to)
    else:
        _choose(request, pk, seen)
    typed = request.POST.get("final_text", "").replace("\x00", "")
    if is_fragment(request):
        return answers.pane_answer(request, pk, filters=filters, doing=Doing("edit" if typed else "", typed=typed))
    messages.success(request, "Changed who gets the reply. Nothing was sent.")
    return onward(request, pk, filters, leaves=False)


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def files(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Attach files, pick one of the thread (`pick`), or take one off (`remove`)."""
    seen, actor = read(request).seen(), person(request)
    try:
        if picked := request.POST.get("pick"):
            attaching.pick(draft_id=pk, actor=actor, seen=seen, attachment_id=_id(picked))
        elif removed := request.POST.get("remove"):
            attaching.remove(draft_id=pk, actor=actor, seen=seen, attachment_id=_id(removed))
        else:
            found = _uploaded(request.FILES.getlist("files"))
            attaching.look(draft_id=pk, actor=actor, seen=seen, files=found)
            _keep(request, found)
            attaching.add(draft_id=pk, actor=actor, seen=seen, files=found)
    except Attachment.DoesNotExist:
        raise Http404("There is no such file here.") from None
    if is_fragment(request):
        return answers.pane_answer(request, pk, filters=filters)
    return onward(request, pk, filters, leaves=False, place="files")


@require_POST
@signed_in
@require(Verb.READ)
@in_place
def formatted(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters) -> HttpResponse:
    """Read the text as Markdown, or send it as it is."""
    formatting.choose(
        draft_id=pk, actor=person(request), seen=read(request).seen(), formatted=request.POST.get("formatted") == "1"
    )
    typed = request.POST.get("final_text", "").replace("\x00", "")
    if is_fragment(request):
        return answers.pane_answer(request, pk, filters=filters, doing=Doing("edit" if typed else "", typed=typed))
    return onward(request, pk, filters, leaves=False)


def addressed(request: HttpRequest, pk: uuid.UUID, seen: Seen, request_id: str) -> Seen:
    """What the person sees with the addresses that they typed: those are chosen first, in the caller's transaction, so that
    nobody who was typed is left out. A repeated press has chosen already."""
    if not press.addressed(request):
        return seen
    if DraftAction.objects.filter(draft_id=pk, user=person(request), request_id=request_id).exists():
        return seen
    draft = _choose(request, pk, seen)
    return replace(seen, envelope=digest(envelope_of(draft.conversation, draft)))


def _choose(request: HttpRequest, pk: uuid.UUID, seen: Seen) -> Draft:
    chosen = Recipients.read(*(request.POST.get(name, "") for name in LINES))
    subject = request.POST.get("subject_line", "").replace("\x00", "")
    return addressing.choose(draft_id=pk, actor=person(request), seen=seen, recipients=chosen, subject=subject)


def _keep(request: HttpRequest, found: Sequence[File]) -> None:
    """The bytes, before the transaction that names them. Raises NotKept (503)."""
    account_id = require_tenant(request).account_id
    with outside_transaction(request):
        try:
            kept.put_all(account_id, found)
        except OSError as error:
            logger.warning("files could not be kept: %s", error)
            raise NotKept(
                "The files could not be kept, their store is away. Nothing was attached; try again."
            ) from None


def _id(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        raise Invalid("Reload the page and try again; nothing was changed.") from None


def _uploaded(found: Sequence[UploadedFile]) -> list[File]:
    return [
        File(one.name or "file", one.content_type or "application/octet-stream", one.read(), inline=False)
        for one in found
    ]
