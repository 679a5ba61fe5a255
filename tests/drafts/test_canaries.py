"""Check drafts: planted, never sent, and followed by the real draft."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from conversations.models import Account, AuditEvent, Delivery, Message, User
from drafts.desk import decisions, editing
from drafts.evidence import canaries
from drafts.flow import drafting
from drafts.models import Draft, LearningSample
from drafts.writing.port import Claim, DraftRequest, DraftResult, Tell
from tests import factories
from tests.conftest import World

ANSWER = "Hi,\n\nPTFE hose is safe with E85.\n\nBest regards"
SOURCE = UUID("01890000-0000-7000-8000-000000000001")


class Sourced:
    def __init__(self, **changes: object) -> None:
        self.changes = changes

    def write(self, request: DraftRequest, *, tell: Tell | None = None) -> DraftResult:
        values = {
            "text": ANSWER,
            "claims": (Claim(5, 32, (SOURCE,)),),
            "confidence": 0.9,
            "reasons": (),
            "intent": "compatibility",
            "needs_human": (),
            "model_key": "scripted",
            "tokens_used": 0,
            "latency_ms": 1,
        }
        return DraftResult(**{**values, **self.changes})  # type: ignore[arg-type]


@pytest.fixture
def always(world: World, acme: None, monkeypatch: pytest.MonkeyPatch) -> World:
    Account.objects.filter(pk=world.acme.pk).update(settings={"canary_share": 0.02})
    monkeypatch.setattr(canaries, "bucket", lambda pk, salt: 0.0)
    return world


def write(world: World, message: Message, **changes: object) -> Draft | None:
    return drafting.write_draft(
        account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=Sourced(**changes)
    )


def planted(world: World) -> tuple[Message, Draft]:
    message = factories.message(world.mail)
    draft = write(world, message)
    assert draft is not None
    return message, draft


def test_the_planted_sentence_looks_sourced_and_is_named(always: World) -> None:
    _, draft = planted(always)
    sentence = canaries.PLANTED[0]
    assert draft.is_canary
    assert draft.canary_defect == f"No source says: {sentence}"
    assert draft.suggested_text == f"Hi,\n\nPTFE hose is safe with E85. {sentence}\n\nBest regards"
    spans = [draft.suggested_text[claim["start"] : claim["end"]] for claim in draft.claims]
    assert spans == ["PTFE hose is safe with E85.", sentence]
    assert draft.unsourced_count == 0


@pytest.mark.parametrize(
    "changes",
    [{"needs_human": ("upset",)}, {"claims": ()}, {"claims": (Claim(5, 32),)}],
    ids=["care", "none", "unsourced"],
)
def test_only_a_fully_sourced_draft_is_used(always: World, changes: dict[str, object]) -> None:
    draft = write(always, factories.message(always.mail), **changes)
    assert draft is not None
    assert not draft.is_canary


def test_it_is_off_by_default(world: World, acme: None) -> None:
    for _ in range(20):
        draft = write(world, factories.message(world.mail))
        assert draft is not None
        assert not draft.is_canary


@pytest.mark.parametrize(
    ("edit", "type_", "outcome"),
    [(None, "approve", "missed"), (ANSWER, "edit", "caught")],
    ids=["signed unread", "taken out"],
)
def test_a_decision_sends_nothing_and_brings_the_real_draft(
    always: World, edit: str | None, type_: str, outcome: str
) -> None:
    message, draft = planted(always)
    action = decisions.approve(
        draft_id=draft.pk,
        actor=always.ada,
        seen=factories.seen(draft),
        final_text=edit,
        attention=decisions.Attention(pressed_twice=True),
    )
    assert (action.type, action.message) == (type_, None)
    assert AuditEvent.objects.get(kind="check.decided").data == {"outcome": outcome}
    assert not Delivery.objects.exists()
    assert not LearningSample.objects.exists()
    real = write(always, message)
    assert real is not None
    assert (real.is_canary, real.suggested_text, real.status) == (False, ANSWER, "pending")


def test_rejecting_one_brings_the_real_draft_too(always: World) -> None:
    message, draft = planted(always)
    decisions.reject(draft_id=draft.pk, actor=always.ada, seen=factories.seen(draft), reasons=["unsupported_claim"])
    real = write(always, message)
    assert real is not None
    assert not real.is_canary
    assert write(always, message) is None, "one real draft is enough"


def test_a_reworded_error_is_still_the_error(always: World) -> None:
    _, draft = planted(always)
    assert canaries.holds(draft, draft.suggested_text.replace("Sunday", "Monday"))
    assert not canaries.holds(draft, ANSWER)


def test_a_stale_one_cannot_be_kept(always: World) -> None:
    message, draft = planted(always)
    newer = factories.reply_to(message)
    with pytest.raises(decisions.AlreadyDecided, match="planted error"):
        editing.keep(draft_id=draft.pk, actor=always.ada, last_inbound=newer.pk)


def test_over_http_the_desk_goes_on_and_says_what_it_was(always: World, signed_in: Callable[[User], Client]) -> None:
    _, draft = planted(always)
    client = signed_in(always.ada)
    form = {**factories.seen(draft).as_json(), "request_id": "request-1", "have": "0", "want": ""}
    answer = client.post(f"/drafts/{draft.pk}/approve/", form, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "A check draft with a planted error, never sent" in answer.content.decode()
    assert client.post(f"/drafts/{draft.pk}/approve/", form, headers={"HX-Request": "true"}).status_code == 200
    assert not Delivery.objects.exists()
