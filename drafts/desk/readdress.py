"""Who gets a reply, where a person chooses it before anybody approves: any addresses and copies, and of a mail that was passed
on, who passed it on or who wrote it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import getaddresses

from django.db import transaction

from conversations import audit
from conversations.channels.addresses import normal_address
from conversations.channels.lines import one_line
from conversations.errors import Invalid
from conversations.messages import outbox
from conversations.messages.envelope import digest
from conversations.models import User
from conversations.people.roles import Verb
from drafts.desk import recipients as checking
from drafts.desk.scene import Changed, Scene, Seen, envelope_of, lock, still_open
from drafts.models import Draft

#: Of one reply: more is a mailing, which this desk is not for.
MOST = 50
MAX_SUBJECT = 200
_SEPARATORS = re.compile(r"[\r\n;]+")
#: What can be chosen with one press, in the words of the trail.
WORDS = {
    "forwarded": "who wrote the mail that was passed on",
    "writer": "who passed the mail on",
    "all": "everybody in the mail",
    "alone": "its writer alone",
}
_PASSED_ON = {"forwarded", "writer"}


def readdress(*, draft_id: uuid.UUID, actor: User, seen: Seen, to: str) -> Draft:
    """Address the reply by one of `WORDS`: of a mail that was passed on, to who wrote it ("forwarded") or who sent it here
    ("writer"); of one to several people, to "all" of them or to its writer "alone".

    What others have open does not match any more, so that nobody approves recipients that they did not see. Saying it
    twice is saying it once. Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided (409),
    Locked (423), Invalid (422: no such choice, or nothing was passed on).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        conversation, draft = scene.conversation, scene.draft
        still_open(scene, seen)
        base = draft.base_message
        if to not in WORDS or base is None or (to in _PASSED_ON and base.details.forwarded is None):
            raise Invalid("There is nobody else whom this reply could go to. Nothing was changed.")
        as_seen(scene, seen)
        to_forwarded = to == "forwarded"
        got = {} if to_forwarded or to == "alone" else checking.asked_for(conversation, base)
        if (draft.to_forwarded, draft.recipients) == (to_forwarded, got):
            return draft
        draft.to_forwarded, draft.recipients = to_forwarded, got
        _record(draft, scene, actor, WORDS[to])
    return draft


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who gets it: each a list of {address, name}, nobody in two of them."""

    to: list[dict[str, str]]
    cc: list[dict[str, str]]
    bcc: list[dict[str, str]]

    @classmethod
    def read(cls, to: str, cc: str = "", bcc: str = "") -> Recipients:
        """From what a person types: addresses, or names with addresses, with commas, semicolons or line breaks between.

        Raises Invalid (422) that names what is no address, for more than `MOST`, and where nobody is left to write to.
        """
        taken: set[str] = set()
        lists = [_parties(typed, taken) for typed in (to, cc, bcc)]
        if not lists[0]:
            raise Invalid("Who gets this? Add an address. Nothing was changed.")
        if len(taken) > MOST:
            raise Invalid(f"At most {MOST} addresses can get one reply; these are {len(taken)}. Nothing was changed.")
        return cls(*lists)

    def as_json(self) -> dict[str, list[dict[str, str]]]:
        return {"to": self.to, "cc": self.cc, "bcc": self.bcc}


def _parties(typed: str, taken: set[str]) -> list[dict[str, str]]:
    """The addresses in `typed` that are not `taken`, which they are afterwards. Raises Invalid (422)."""
    found = []
    for part in _SEPARATORS.split(typed.replace("\x00", "")):
        for name, address in getaddresses([part]) if part.strip() else ():
            known = normal_address(address)
            if not known or ":" in part:  # a colon makes a group of RFC 5322, which nobody means here
                raise Invalid(f"“{one_line(part)[:80]}” is no address. Nothing was changed.")
            if known not in taken:
                taken.add(known)
                found.append({"address": one_line(address), "name": one_line(name)[:200]})
    return found


def choose(*, draft_id: uuid.UUID, actor: User, seen: Seen, recipients: Recipients, subject: str = "") -> Draft:
    """These get the reply, and nobody else; `subject` counts where it answers nothing.

    What others have open does not match any more, so that nobody approves recipients that they did not see. Saying it
    twice is saying it once. Raises Draft.DoesNotExist (404), PermissionDenied (403), Stale, Changed or AlreadyDecided
    (409), Locked (423), Invalid (422: a channel that sends to no addresses, or no subject where it begins something).
    """
    with transaction.atomic():
        scene = lock(draft_id, actor=actor)
        scene.permit(Verb.EDIT)
        conversation, draft = scene.conversation, scene.draft
        still_open(scene, seen)
        as_seen(scene, seen)
        if not outbox.channel_of(conversation).provided_by.by_address:
            raise Invalid("On this channel a reply goes to who is in the thread. Nothing was changed.")
        subject = one_line(subject)[:MAX_SUBJECT] if draft.base_message is None else draft.subject
        if draft.base_message is None and not subject:
            raise Invalid("Say in the subject what it is about. Nothing was changed.")
        if (draft.recipients, draft.subject) == (recipients.as_json(), subject):
            return draft
        draft.recipients, draft.subject, draft.to_forwarded = recipients.as_json(), subject, False
        everybody = [party["address"] for party in (*recipients.to, *recipients.cc, *recipients.bcc)]
        _record(draft, scene, actor, f"{len(everybody)} address{'es' if len(everybody) > 1 else ''}", everybody)
    return draft


def as_seen(scene: Scene, seen: Seen) -> None:
    """Raises Changed (409) if recipients, subject or files are not those that were on the screen."""
    if digest(envelope_of(scene.conversation, scene.draft)) != seen.envelope:
        raise Changed("The recipients or files changed while you were reading. Nothing was changed; look again.")


def _record(draft: Draft, scene: Scene, actor: User, words: str, addresses: Sequence[str] = ()) -> None:
    envelope = envelope_of(scene.conversation, draft)
    draft.checks = checking.checks_anew(scene.conversation, draft, envelope)
    draft.save(update_fields=["to_forwarded", "recipients", "subject", "checks", "updated_at"])
    audit.record(
        audit.Kind.DRAFT_READDRESSED,
        actor=actor,
        about=draft,
        conversation_id=scene.conversation.pk,
        data={"to": words},
        commit={"to": ", ".join(addresses) or envelope["to"][0]["address"]},
    )
