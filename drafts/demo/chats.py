"""What the demo's people asked the assistant: answered by the built-in one through the product's own verbs. Idempotent.

A card waits for Tess in the chat beside the first draft of her queue; another, which Joel confirmed, waits for her signature.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from conversations.chats import sessions, turns
from conversations.models import (
    Account,
    AssistantSession,
    AssistantTurn,
    Conversation,
    PolicyRule,
    ProposedAction,
    Role,
    Tag,
    User,
)
from conversations.people.account_settings import set_rule
from conversations.people.roles import Verb
from conversations.tenancy import tenant_context
from drafts.assistant import deciding, engine
from drafts.assistant.offline import OfflineAssistant
from drafts.desk.tags import retag
from ingestion.knowledge.embed import get_remembering_embedder

TAGS = ("dealer", "fittings", "fuel", "order", "shipping")
#: The first question of a thread by its subject, and the tags that somebody gave it.
TAGGED = {
    "Wrong size in order HRA-21877": ("order",),
    "Where is order HRA-21902?": ("order", "shipping"),
    "Torque for -10 aluminum ends": ("fittings",),
    "Opening a dealer account": ("dealer",),
    "What size feed line for 650 hp on E85?": ("fuel",),
}


@dataclass(frozen=True, slots=True)
class Talk:
    """One chat: whose, about which conversation (by its subject; none: in general), and what was said."""

    person: str
    subject: str
    says: tuple[str, ...]
    tags: tuple[str, ...] = ()
    confirms: bool = False  # what the last line proposed


TALKS = (
    Talk("mina@hotrodan.example", "", ("How long do we hold approved replies?",), tags=("settings",)),
    Talk(
        "joel@hotrodan.example",
        "power steering pump for a 1958 Edsel",
        ("What is this about?", "Close it, the customer no longer needs it"),
        confirms=True,
    ),
    Talk("tess@hotrodan.example", "", ("Can a customer send back hose that was cut?",), tags=("returns",)),
    Talk(
        "tess@hotrodan.example",
        "Torque for -10 aluminum ends",
        ("What torque do -10 aluminum ends need?", "What is this about?", "What should I do next?"),
    ),
    Talk(
        "tess@hotrodan.example",
        "E85 return line: PTFE or rubber?",
        ("Can rubber hose be used for E85?", "Tag it fuel"),
    ),
)


def seed(account: Account) -> int:
    """Make what is missing. Returns how many chats were begun."""
    with tenant_context(account.pk):
        _tags(account)
        _two_people_close(account)
    return sum(_talk(account, talk) for talk in TALKS)


def _tags(account: Account) -> None:
    """The account's list, and some of it on conversations; what somebody has changed since stays changed."""
    if Tag.objects.exists():
        return
    tags = {tag.name: tag.pk for tag in Tag.objects.bulk_create(Tag(account=account, name=name) for name in TAGS)}
    tess = _person("tess@hotrodan.example")
    for subject, names in TAGGED.items():
        if case := _about(subject):
            retag(conversation_id=case, actor=tess, add=[tags[name] for name in names], remove=[])


def _two_people_close(account: Account) -> None:
    """What an assistant proposes to an agent to close is closed when a second person has signed."""
    rule = {"role": Role.AGENT, "verb": Verb.CLOSE, "kind": PolicyRule.Kind.PROPOSED}
    if not PolicyRule.objects.filter(**rule).exists():
        mina = _person("mina@hotrodan.example")
        set_rule(account_id=account.pk, actor=mina, **rule, allowed=True, four_eyes=True)  # type: ignore[arg-type]


def _talk(account: Account, talk: Talk) -> bool:
    with tenant_context(account.pk):
        person = _person(talk.person)
        case = _about(talk.subject) if talk.subject else None
        if talk.subject and case is None:
            return False
    with tenant_context(account.pk, person=person.pk):
        if AssistantSession.objects.of(person.pk).filter(case=case).exists():
            return False
        context = AssistantSession.Context.CASE if case else AssistantSession.Context.GENERAL
        session, _ = sessions.start_session(actor=person, account_id=account.pk, context=context, case=case)
        if talk.tags:
            sessions.set_tags(session_id=session.pk, actor=person, tags=talk.tags)
    for text in talk.says:
        _ask(account, person, session, text)
    with tenant_context(account.pk, person=person.pk):
        if talk.confirms and (action := ProposedAction.objects.filter(session=session).first()):
            shown = deciding.Pressed(action.arguments_sha256, action.precondition_sha256, seen_ms=6_000)
            deciding.confirm(action_id=action.pk, actor=person, pressed=shown)
    return True


def _ask(account: Account, person: User, session: AssistantSession, text: str) -> None:
    """By the built-in assistant, whatever is set: the job of the question finds it answered."""
    with tenant_context(account.pk, person=person.pk, durable=True):
        turn, _ = turns.post(
            session_id=session.pk, actor=person, text=text, request_id="", engine=AssistantTurn.Engine.OFFLINE
        )
    assistant = OfflineAssistant(embedder=get_remembering_embedder())
    engine.answer(account_id=account.pk, person_id=person.pk, turn_id=turn.pk, assistant=assistant)


def _person(email: str) -> User:
    return User.objects.with_address(email).get()


def _about(subject: str) -> uuid.UUID | None:
    """The thread of the demo; None in a demo in which somebody has closed or erased it since."""
    found = Conversation.objects.of_customers().filter(subject=subject, status=Conversation.Status.OPEN)
    return found.order_by("number").values_list("pk", flat=True).first()
