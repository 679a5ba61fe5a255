"""Around a press on a draft: what was on the screen when it was made, and the answer when its verb refuses."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from conversations.errors import Invalid
from conversations.tenancy import require_tenant
from conversations.views.access import person
from conversations.views.links import address, see_other, with_query
from drafts import queue
from drafts.desk.decisions import Attention, Seen
from drafts.models import Draft
from drafts.views import answers
from drafts.views.pane import Doing
from drafts.views.present import DeskFilters

MAX_MS = 2**31 - 1
#: The fields of who gets it.
LINES = ("to_line", "cc_line", "bcc_line")


class SeenForm(forms.Form):
    """What was on the screen, how it was read, and what the person adds. One form for every decision."""

    version = forms.IntegerField(min_value=0, max_value=MAX_MS)
    last_inbound = forms.UUIDField(required=False)  # none where nobody wrote yet
    envelope = forms.RegexField(r"^[0-9a-f]{64}$")
    request_id = forms.RegexField(r"^[0-9a-zA-Z_-]{8,64}$")
    pressed_twice = forms.BooleanField(required=False)
    viewed_ms = forms.IntegerField(min_value=0, max_value=MAX_MS, required=False)
    sources_opened = forms.IntegerField(min_value=0, max_value=1000, required=False)
    final_text = forms.CharField(required=False, strip=False, max_length=200_000)
    note = forms.CharField(required=False, max_length=2000)
    instruction = forms.CharField(required=False, max_length=1000)

    def seen(self) -> Seen:
        data = self.cleaned_data
        return Seen(version=data["version"], last_inbound=data["last_inbound"], envelope=data["envelope"])

    def attention(self) -> Attention:
        data = self.cleaned_data
        return Attention(
            viewed_ms=data["viewed_ms"],
            sources_opened=data["sources_opened"] or 0,
            pressed_twice=data["pressed_twice"],
        )


P = ParamSpec("P")


def in_place(
    view: Callable[Concatenate[HttpRequest, uuid.UUID, DeskFilters, P], HttpResponse], *, do: str = ""
) -> Callable[Concatenate[HttpRequest, uuid.UUID, P], HttpResponse]:
    """Around a press: what its verb refuses is shown on the draft, with what the person had typed and ticked.

    `do` is the form that is open again then. The view gets the filters that the press was made under.
    """

    @functools.wraps(view)
    def pressed(request: HttpRequest, pk: uuid.UUID, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        filters = DeskFilters.of_query(request.POST.get("filter", ""))
        try:
            return view(request, pk, filters, *args, **kwargs)
        except Draft.DoesNotExist:
            raise Http404("There is no such draft in this account.") from None
        except answers.REFUSED as error:
            typed = request.POST.get("final_text", "").replace("\x00", "")
            reasons = request.POST.getlist("reason")
            doing = Doing(
                "edit" if typed else do, typed=typed, reasons=reasons, refused=error, addressed=addressed(request)
            )
            return answers.refusal(request, pk, filters=filters, doing=doing)

    return pressed  # type: ignore[return-value]  # Django passes pk by its name


def onward(request: HttpRequest, pk: uuid.UUID, filters: DeskFilters, leaves: bool, *, place: str = "") -> HttpResponse:
    """Without the script: 303 to the next draft, or back to this one, at the `place` where the press was."""
    if not leaves:
        back = with_query(reverse("drafts:detail", args=[pk]), filters.query)
        return see_other(f"{back}#{place}" if place else back)
    within = require_tenant(request).channels
    following = queue.following(filters, person(request), skip=[pk], limit=1, within=within)
    url = reverse("drafts:detail", args=following) if following else address("drafts:queue")
    return see_other(with_query(url, filters.query))


def addressed(request: HttpRequest) -> dict[str, str]:
    """The addresses and the subject as they were typed, by field; nothing where they are those that were shown."""
    fields = {name: request.POST.get(name, "").replace("\x00", "") for name in (*LINES, "subject_line")}
    # Without what white space a browser makes of them.
    is_same = "\n".join(fields.values()).split() == request.POST.get("lines", "").split()
    return {} if LINES[0] not in request.POST or is_same else fields


def read(request: HttpRequest) -> SeenForm:
    """What came with the press. Raises Invalid (422) with the first thing that is wrong."""
    form = SeenForm(request.POST)
    if not form.is_valid():
        raise Invalid(f"{_first_error(form)} Nothing was changed.")
    return form


def _first_error(form: forms.Form) -> str:
    field, errors = next(iter(form.errors.items()))
    return f"{field.replace('_', ' ').capitalize()}: {errors[0]}"
