"""What the customer is answered: another draft, an answer that people stand for, a colleague who looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field

from conversations.errors import Invalid
from conversations.messages.envelope import digest
from conversations.models import Tag
from conversations.people.roles import Verb
from drafts.answers import goldens
from drafts.assistant.tools import seen
from drafts.assistant.tools.shapes import (
    Arguments,
    Change,
    Context,
    Done,
    Effect,
    Fact,
    Facts,
    Proposal,
    Scope,
    Tool,
    Wrong,
)
from drafts.desk import decisions, notes, tags
from drafts.desk.scene import Seen
from drafts.models import Draft, Golden

CASE = frozenset({Context.CASE})
REDRAFTED = (Draft.Status.PENDING, Draft.Status.REJECTED, Draft.Status.STALE)
ESCALATED = "escalated"


class Redraft(Arguments):
    instruction: str = Field(default="", max_length=1000, description="What should be different.")


def _newest(scope: Scope) -> Draft | None:
    drafts = Draft.objects.filter(conversation=scope.conversation).order_by("-id")
    return drafts.pending().first() or drafts.first()


def _check_redraft(scope: Scope, args: Redraft) -> None:
    draft = _newest(scope)
    if draft is None or draft.status not in REDRAFTED:
        raise Wrong("There is no draft here that another one could replace.")
    if scope.conversation.last_inbound_message_id is None:
        raise Wrong("Nobody wrote here yet, so there is nothing that a drafter could answer.")


def _redraft_facts(scope: Scope, args: Redraft) -> Facts:
    draft = _newest(scope)
    value = [str(draft.pk), draft.version, draft.status] if draft else None
    shown = f"version {draft.version}, {draft.get_status_display().lower()}" if draft else "none"
    return Fact("draft", "Draft", value, shown), seen.last_inbound(scope)


def _describe_redraft(scope: Scope, args: Redraft, facts: Facts) -> Effect:
    sentence = f"Redraft with “{args.instruction}”" if args.instruction else "Write another draft"
    return Effect(
        sentence,
        [Change("Draft", [facts[0].shown], ["a new one replaces it when it is ready"])],
        ["Nothing is sent: the new draft waits for a person."],
    )


def _run_redraft(scope: Scope, args: Redraft) -> Done:
    case, draft = scope.conversation, _newest(scope)
    if draft is None:
        raise Invalid("There is no draft here that another one could replace.")
    envelope = digest(decisions.envelope_of(case, draft))
    decisions.regenerate(
        draft_id=draft.pk,
        actor=scope.actor,
        seen=Seen(draft.version, case.last_inbound_message_id, envelope),
        instruction=args.instruction,
    )
    return Done("Another draft is being written.")


class Answer(Arguments):
    question: str = Field(min_length=3, max_length=goldens.MAX_QUESTION, description="What customers ask.")
    answer: str = Field(min_length=3, max_length=goldens.MAX_ANSWER, description="What they are told, word for word.")


def _in_use(scope: Scope, question: str) -> Golden | None:
    same = Golden.objects.filter(account_id=scope.account.pk, question__iexact=question)
    return same.filter(status=Golden.Status.ACCEPTED).first()


def _check_answer(scope: Scope, args: Answer) -> None:
    if _in_use(scope, args.question):
        raise Wrong("There is an approved answer to this question already. Change it on its page.")


def _answer_facts(scope: Scope, args: Answer) -> Facts:
    found = _in_use(scope, args.question)
    return (
        Fact("in_use", "Approved answer to this question", str(found.pk) if found else None, "there is one" if found else "none"),
    )  # fmt: skip


def _describe_answer(scope: Scope, args: Answer, facts: Facts) -> Effect:
    return Effect(
        "Keep this as an approved answer",
        [Change("Question", [], [args.question]), Change("Answer", [], [args.answer])],
        ["Drafts may quote it from then on, in your name."],
    )


def _run_answer(scope: Scope, args: Answer) -> Done:
    golden = goldens.propose(account_id=scope.account.pk, actor=scope.actor, question=args.question, answer=args.answer)
    goldens.accept(golden_id=golden.pk, actor=scope.actor)
    return Done("The answer is approved and in use.", {"golden": str(golden.pk)})


def _revert_answer(args: Answer, before: Mapping[str, Any], kept: Mapping[str, Any]) -> Proposal:
    return Proposal("retire_golden", {"golden": kept["golden"]})


class Retire(Arguments):
    golden: UUID


def _golden(scope: Scope, args: Retire) -> Golden:
    found = Golden.objects.filter(account_id=scope.account.pk, pk=args.golden).first()
    if found is None:
        raise Wrong("There is no such approved answer.")
    return found


def _check_retire(scope: Scope, args: Retire) -> None:
    if _golden(scope, args).status != Golden.Status.ACCEPTED:
        raise Wrong("This answer is not in use.")


def _retire_facts(scope: Scope, args: Retire) -> Facts:
    golden = _golden(scope, args)
    return (Fact("status", "The answer is", golden.status, golden.get_status_display()),)


def _describe_retire(scope: Scope, args: Retire, facts: Facts) -> Effect:
    golden = _golden(scope, args)
    return Effect(
        "Take this approved answer out of use",
        [Change("Question", [golden.question], []), Change("Answer", [golden.answer], [])],
        ["Drafts that wait and quote it are marked."],
    )


def _run_retire(scope: Scope, args: Retire) -> Done:
    goldens.retire(golden_id=args.golden, actor=scope.actor)
    return Done("The answer is out of use.")


class Escalate(Arguments):
    to: str = Field(default="", max_length=120, description="The colleague who should look, by name or address.")
    note: str = Field(min_length=1, max_length=2000, description="What they should know.")


def _tag(scope: Scope) -> Tag | None:
    """The account's own tag for it, where it has one."""
    return Tag.objects.filter(account_id=scope.account.pk, name__iexact=ESCALATED, is_retired=False).first()


def _words(scope: Scope, args: Escalate) -> str:
    return f"@{seen.colleague(scope, args.to).name} {args.note}" if args.to else args.note


def _check_escalate(scope: Scope, args: Escalate) -> None:
    if args.to and seen.colleague(scope, args.to).pk == scope.actor.pk:
        raise Wrong("That is you. Who else should look?")


def _escalate_facts(scope: Scope, args: Escalate) -> Facts:
    to = seen.colleague(scope, args.to) if args.to else None
    tag = _tag(scope)
    has = bool(tag) and tag.links.filter(conversation=scope.conversation).exists()  # type: ignore[union-attr]
    return (
        seen.status(scope),
        seen.last_inbound(scope),
        Fact("to", "For", str(to.pk) if to else None, to.name if to else "nobody by name"),
        Fact("tagged", f"Tag {ESCALATED}", has if tag else None, "given" if has else "not given"),
    )


def _describe_escalate(scope: Scope, args: Escalate, facts: Facts) -> Effect:
    to = facts[2]
    changes = [Change("Internal note", [], [_words(scope, args)])]
    if facts[3].value is False:
        changes.append(Change("Tags", [], [ESCALATED], is_set=True))
    told = (
        [f"{to.shown} is told. The customer sees nothing of it."] if to.value else ["The customer sees nothing of it."]
    )
    return Effect(f"Escalate to {to.shown}" if to.value else "Escalate", changes, told)


def _run_escalate(scope: Scope, args: Escalate) -> Done:
    case, tag = scope.conversation, _tag(scope)
    note = notes.write(conversation_id=case.pk, actor=scope.actor, text=_words(scope, args))
    if tag:
        tags.retag(conversation_id=case.pk, actor=scope.actor, add=[tag.pk], remove=[])
    return Done("The note is written.", {"note": str(note.pk)})


REDRAFT = Tool(
    name="redraft", icon="redo", about="Ask for another draft of the reply, with an instruction.",
    args=Redraft, contexts=CASE, verb=Verb.REGENERATE,
    check=_check_redraft, facts=_redraft_facts, describe=_describe_redraft, run=_run_redraft,
)  # fmt: skip
CREATE_GOLDEN = Tool(
    name="create_golden", icon="book", about="Keep a question with its answer as an approved answer.",
    args=Answer, contexts=frozenset({Context.CASE, Context.GENERAL}), verb=Verb.DECIDE_GOLDENS,
    check=_check_answer, facts=_answer_facts, describe=_describe_answer, run=_run_answer, revert=_revert_answer,
)  # fmt: skip
RETIRE_GOLDEN = Tool(
    name="retire_golden", icon="undo", about="Take an approved answer out of use, by its id.",
    args=Retire, contexts=frozenset({Context.CASE, Context.GENERAL}), verb=Verb.DECIDE_GOLDENS,
    check=_check_retire, facts=_retire_facts, describe=_describe_retire, run=_run_retire,
)  # fmt: skip
ESCALATE = Tool(
    name="escalate", icon="alert", about="Ask a colleague to look: an internal note, the tag for it, and a notice.",
    args=Escalate, contexts=CASE, verb=Verb.NOTE,
    check=_check_escalate, facts=_escalate_facts, describe=_describe_escalate, run=_run_escalate,
)  # fmt: skip
