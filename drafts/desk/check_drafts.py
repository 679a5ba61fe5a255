"""A decision on a check draft: it has a planted sentence, never leaves, and is followed by the real one."""

from __future__ import annotations

from conversations import audit
from conversations.jobs import wake
from conversations.messages import owing
from conversations.models import User
from drafts.desk.scene import Attention, Scene, Seen, let_go
from drafts.desk.signing import act
from drafts.evidence import canaries
from drafts.models import Draft, DraftAction

Status = Draft.Status
Type = DraftAction.Type
WRITE_TASK = "drafts.write"


def decide(scene: Scene, actor: User, seen: Seen, attention: Attention, request_id: str, *, final: str) -> DraftAction:
    """A check draft was approved (missed) or its planted sentence taken out (caught). It never leaves; the real one follows."""
    draft = scene.draft
    draft.status = Status.REJECTED
    draft.save(update_fields=["status", "updated_at"])
    owing.draft_rejected(scene.conversation, another_follows=True)
    scene.conversation.save(update_fields=owing.FIELDS)
    caught = not canaries.holds(draft, final)
    action = act(
        Type.EDIT if caught else Type.APPROVE,
        draft,
        actor,
        seen=seen,
        version=draft.version,
        final_text=final,
        attention=attention,
        request_id=request_id,
    )
    let_go(scene)
    ask_for_another(draft)
    record(draft, action, actor, "caught" if caught else "missed", text=final)
    return action


def record(draft: Draft, action: DraftAction, actor: User, outcome: str, text: str | None = None) -> None:
    audit.record(
        audit.Kind.CHECK_DECIDED,
        actor=actor,
        about=draft,
        conversation_id=draft.conversation_id,
        data={"outcome": outcome},
        commit=None if text is None else {"text": text},
        act_id=action.pk,
    )


def ask_for_another(draft: Draft) -> None:
    """The message has no draft: a worker writes one."""
    wake(WRITE_TASK, queue="drafts", account_id=draft.account_id, conversation_id=draft.conversation_id)
