"""The pane of one draft, put together of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drafts.desk.decisions import NeedsSecondPress
from drafts.desk.presence import Asked
from drafts.models import Draft
from drafts.views.pane import banners
from drafts.views.pane.acts import Can, Forms, Toolbar, Urls
from drafts.views.pane.banners import Banner
from drafts.views.pane.conversation import Head, Thread
from drafts.views.pane.desk import Desk
from drafts.views.pane.evidence import Evidence
from drafts.views.pane.reply import Edit, Reply, Signed
from drafts.views.pane.sending import Sending


@dataclass(frozen=True, slots=True)
class Doing:
    """What a person is in the middle of: the form that is open, and after a refusal what they had typed and ticked."""

    form: str = ""
    typed: str = ""
    reasons: Sequence[str] = ()
    refused: Exception | None = None
    addressed: Mapping[str, str] = field(default_factory=dict)  # who should get it, as typed, by field
    asked_anew: bool = False  # another draft was just asked for
    banner: Banner | None = None  # to be said first, whatever the draft's state

    @property
    def confirms(self) -> bool:
        """Whether the next press of Approve is the second one."""
        return isinstance(self.refused, NeedsSecondPress)

    def said(self, draft: Draft, desk: Desk) -> Banner | None:
        """The words that this asks for; None leaves them to the draft's own state."""
        if self.banner:
            return self.banner
        urls = Urls.of(draft, desk)
        if self.refused:
            return banners.refused(self.refused, urls, Can.of(draft, desk), text_kept=bool(self.typed))
        return banners.being_written(urls, "") if self.asked_anew else None


NOTHING = Doing()


@dataclass(frozen=True, slots=True)
class Pane:
    id: str
    urls: Urls
    can: Can
    keys: Mapping[str, str]  # the person's key caps, by act
    form: str  # the one that is open
    banner: Banner | None
    head: Head
    thread: Thread
    reply: Reply
    sending: Sending
    edit: Edit
    evidence: Evidence
    toolbar: Toolbar
    forms: Forms
    signed: Signed

    @property
    def editing(self) -> bool:
        return self.form == "edit"


def build(
    draft: Draft,
    desk: Desk,
    doing: Doing = NOTHING,
    *,
    banner: Banner | None = None,
    asked: Asked | None = None,
    colleagues: Sequence[tuple[str, str]] = (),
    follows: str = "",
) -> Pane:
    """`banner` goes before what the draft's own state asks for. `asked` is who asks this person for the conversation,
    `colleagues` whom it could be handed over to (only when that form is shown), `follows` the customer of the next draft.
    """
    urls, can, caps = Urls.of(draft, desk), Can.of(draft, desk), desk.user.choices.caps
    form = doing.form if can.opens(doing.form) and draft.status == Draft.Status.PENDING else ""
    editing, confirm = form == "edit", doing.confirms
    reply = Reply.of(draft, desk, editing=editing)
    sending = Sending.of(draft, reply.envelope, may_change=can.edit, typed=doing.addressed)
    notice = banner or banners.standing(draft, desk, urls, can, asked)
    return Pane(
        id=str(draft.pk),
        urls=urls,
        can=can,
        keys=caps,
        form=form,
        banner=banners.capped(notice, caps),
        head=Head.of(draft, desk),
        thread=Thread.of(draft, desk),
        reply=reply,
        sending=sending,
        edit=Edit.of(draft, desk, reply, editing=editing, typed=doing.typed, reasons=doing.reasons),
        evidence=Evidence.of(draft, desk, reply),
        toolbar=Toolbar.of(draft, desk, reply, can, urls, editing=editing, confirm=confirm, follows=follows),
        forms=Forms.of(desk.clock, colleagues),
        signed=Signed.of(draft, desk, reply, sending, confirm=confirm),
    )
