"""Two people saved the same draft: both texts are kept and shown side by side (412)."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from conversations.tenancy import require_tenant
from conversations.views.access import person
from conversations.views.words import clock_for
from drafts import diffing
from drafts.desk.decisions import Changed, tidy
from drafts.queue import moment
from drafts.views import answers
from drafts.views.pane import Action, Banner, Both, Doing
from drafts.views.present import Change, DeskFilters
from drafts.views.prose import paragraphs


def both_texts(
    request: HttpRequest, pk: uuid.UUID, error: Changed, *, filters: DeskFilters, own_text: str
) -> HttpResponse:
    """Theirs is saved, this person's is still in the box; either can be gone on with."""
    draft = answers.draft_or_404(pk, require_tenant(request).channels)
    revision = draft.revision  # type: ignore[attr-defined]
    theirs = revision["text"] if revision else draft.suggested_text
    own_text = tidy(own_text)
    ops = diffing.diff_ops(theirs, own_text)
    own = revision is not None and str(revision["author_id"]) == str(person(request).pk)
    by = "You, elsewhere" if own else revision["author"] if revision else "As suggested"
    at = f" at {clock_for(request).time(moment(revision['at']))}" if revision else ""
    url = reverse("drafts:detail", args=[pk])
    banner = Banner(
        "warn",
        "alert",
        "Two texts of this draft. Both are kept.",
        str(error),
        (
            Action(
                "Go on with mine",
                reverse("drafts:edit", args=[pk]),
                True,
                "keep-mine",
                "",
                "version",
                str(draft.version),
            ),
            Action("Take theirs", f"{url}?do=edit"),
        ),
        alert=True,
        both=Both(
            paragraphs(theirs),
            f"{by}, version {draft.version}{at}",
            [Change(k, t) for k, t in diffing.render_ops(ops, theirs)],
        ),
    )
    doing = Doing("edit" if own_text else "", typed=own_text, refused=error, banner=banner)
    return answers.refusal(request, pk, filters=filters, doing=doing, status=412)
