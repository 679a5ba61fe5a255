"""Facts about a conversation that several tools rest on, in the words of a card."""

from __future__ import annotations

from conversations.models import Conversation, Membership, User
from drafts.assistant.tools.shapes import Fact, Scope, Wrong
from drafts.models import Draft, Hold


def status(scope: Scope) -> Fact:
    case = scope.conversation
    return Fact("status", "Status", case.status, case.get_status_display())


def last_inbound(scope: Scope) -> Fact:
    case = scope.conversation
    newest = case.last_inbound_message
    return Fact(
        "last_inbound",
        "Last message",
        str(newest.pk) if newest else None,
        scope.when(newest.received_at) if newest else "none",
    )


def owed(scope: Scope) -> Fact:
    case = scope.conversation
    shown = Conversation.Owed(case.owed).label if case.owed else "nothing"
    return Fact("owed", "Owed", [case.owed, case.due_at.isoformat() if case.due_at else None], shown)


def draft(scope: Scope) -> Fact:
    """The draft that waits, by its version: an edit is another text."""
    found = waiting_draft(scope.conversation)
    return Fact(
        "draft",
        "Draft",
        [str(found.pk), found.version] if found else None,
        (f"version {found.version} waits" if found.version else "waits as it was written") if found else "none waits",
    )


def waiting_draft(case: Conversation) -> Draft | None:
    return Draft.objects.filter(conversation=case).pending().first()


def owner(scope: Scope) -> Fact:
    case = scope.conversation
    return Fact(
        "owner", "Owner", str(case.owner_id) if case.owner_id else None, case.owner.name if case.owner else "nobody"
    )


def holder(scope: Scope) -> Fact:
    """Who is at it now, by the number of their lease."""
    hold = Hold.objects.select_related("user").filter(conversation=scope.conversation).first()
    return Fact("holder", "At it now", hold.token if hold else None, hold.user.name if hold else "nobody")


def colleague(scope: Scope, called: str) -> User:
    """Who is meant by a name, a first name or an address. Raises Wrong (422) where that is nobody, or several."""
    case = scope.conversation
    members = Membership.objects.seeing(case.channel_id).filter(is_active=True, user__is_active=True)
    people = [row.user for row in members.filter(account_id=scope.account.pk).select_related("user")]
    wanted = called.casefold().lstrip("@")
    whole = [user for user in people if wanted in {user.name.casefold(), user.email.casefold()}]
    found = whole or [
        user for user in people if wanted in {user.name.split()[0].casefold(), user.email.partition("@")[0].casefold()}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise Wrong(f"“{called}” could be {' or '.join(sorted(user.name for user in found))}. Say which.")
    names = ", ".join(sorted(user.name for user in people))
    raise Wrong(f"Nobody here is called “{called}”. Who can be chosen: {names}.")
