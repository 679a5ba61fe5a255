"""A conversation that we begin: to an address, or with a thread that is passed on. A form, then the editor."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from conversations.errors import Invalid
from conversations.models import Channel, Conversation
from conversations.people.roles import Verb, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.threads import get_conversation_for
from drafts.desk import begin as beginning
from drafts.desk.readdress import MAX_SUBJECT, Recipients
from drafts.models import Draft


class BeginForm(forms.Form):
    """Who gets it and what it is about. Without `channels` the channel is the thread's own."""

    channel = forms.ChoiceField(label="From", help_text="Their answers come in there.")
    to = forms.CharField(label="To", max_length=10_000, help_text="One or more addresses. The first is the customer.")
    cc = forms.CharField(label="Copy", max_length=10_000, required=False)
    bcc = forms.CharField(label="Hidden copy", max_length=10_000, required=False, help_text="Nobody else sees these.")
    subject = forms.CharField(label="Subject", max_length=MAX_SUBJECT)

    def __init__(self, *args: Any, channels: list[Channel] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["channel"]
        assert isinstance(choice, forms.ChoiceField)
        if channels is None:
            del self.fields["channel"]
            self.fields["to"].help_text = "One or more addresses. They answer in a conversation of its own."
        else:
            choice.choices = [(str(one.pk), f"{one.name} ({one.sends_as})") for one in channels]
        for name, field in self.fields.items():
            field.widget.attrs |= {"class": "select" if name == "channel" else "input"}
            if name in {"to", "cc", "bcc"}:
                field.widget.attrs |= {
                    "autocapitalize": "none",
                    "spellcheck": "false",
                    "placeholder": "ana@example.com",
                }

    def recipients(self) -> Recipients:
        return Recipients.read(*(self.cleaned_data[name] for name in ("to", "cc", "bcc")))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.EDIT)
def new(request: HttpRequest) -> HttpResponse:
    """A conversation with somebody who did not write."""
    actor, tenant = person(request), require_tenant(request)
    channels = beginning.channels_for(tenant.channels)
    initial = {"to": request.GET.get("to", "")[:320]}
    form = BeginForm(request.POST or None, initial=initial, channels=channels)

    def act() -> Draft:
        return beginning.begin(
            account_id=tenant.account_id,
            actor=actor,
            channel_id=uuid.UUID(form.cleaned_data["channel"]),
            recipients=form.recipients(),
            subject=form.cleaned_data["subject"],
        )

    lead = "They get it when you, or a colleague, have approved it."
    if not channels:
        lead = "No channel of yours can write to an address that nobody wrote from. An admin can add one in Set-up."
    return _answer(request, form, act, title="New conversation", lead=lead, back=reverse("conversations:list"))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@require(Verb.EDIT)
def forward(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Pass a thread on to somebody else."""
    conversation = get_conversation_for(request, pk)
    initial = {"subject": f"Fwd: {conversation.subject}"[:MAX_SUBJECT]}
    form = BeginForm(request.POST or None, initial=initial)

    def act() -> Draft:
        return beginning.forward(
            conversation_id=pk,
            actor=person(request),
            recipients=form.recipients(),
            subject=form.cleaned_data["subject"],
        )

    lead = f"#{conversation.number}, {conversation.customer}: its messages and files, below what you write. They stay here too."
    back = reverse("conversations:detail", args=[pk])
    return _answer(request, form, act, title="Forward", lead=lead, back=back)


def _answer(request: HttpRequest, form: BeginForm, act: Any, **context: str) -> HttpResponse:
    """The form, or what was begun with it in its editor. A refusal stands over the form, with all that was typed."""
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                draft = act()
                return see_other(f"{reverse('drafts:detail', args=[draft.pk])}?do=edit")
            status = 422
        except (Channel.DoesNotExist, Conversation.DoesNotExist):
            raise Http404("There is no such channel or conversation in this account.") from None
        except Invalid as refusal:
            form.add_error(None, str(refusal))
            status = refusal.status
        except PermissionDenied as refusal:
            form.add_error(None, str(refusal))
            status = 403
    return render(request, "conversations/new.html", {"nav": "history", "form": form, **context}, status=status)
