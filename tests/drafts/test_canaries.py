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
from drafts.writing.port import DraftRequest, DraftResult, OnText, Statement
from tests import factories
from tests.conftest import World

ANSWER = "Hi,\n\nPTFE hose is safe with E85.\n\nBest regards"
SOURCE = UUID("01890000-0000-7000-8000-000000000001")


class Sourced:
    def __init__(self, **changes: object) -> None:
        self.changes = changes

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        values = {
            "text": ANSWER,
            "statements": (Statement(5, 32, (SOURCE,)),),
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
    spans = [draft.suggested_text[statement["start"] : statement["end"]] for statement in draft.statements]
    assert spans == ["PTFE hose is safe with E85.", sentence]
    assert draft.unsourced_count == 0


@pytest.mark.parametrize(
    "changes",
    [{"needs_human": ("upset",)}, {"statements": ()}, {"statements": (Statement(5, 32),)}],
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


# --- which drafts ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("share", "bucket", "is_one"), [(0.02, 0.019, True), (0.02, 0.02, False), (0.0, 0.0, False)])
def test_the_accounts_share_decides(
    world: World, acme: None, monkeypatch: pytest.MonkeyPatch, share: float, bucket: float, is_one: bool
) -> None:
    Account.objects.filter(pk=world.acme.pk).update(settings={"canary_share": share})
    monkeypatch.setattr(canaries, "bucket", lambda pk, salt: bucket)
    assert planted(world)[1].is_canary is is_one


def test_one_unsourced_claim_among_others_is_too_many(always: World) -> None:
    text = "Hi,\n\nPTFE hose is safe with E85. Tighten it well.\n\nBest regards"
    draft = write(
        always, factories.message(always.mail), text=text, statements=(Statement(5, 32, (SOURCE,)), Statement(33, 49))
    )
    assert draft is not None
    assert not draft.is_canary


def test_each_message_has_its_own_check_draft_once(always: World) -> None:
    """Another message's check draft, or a plain draft of this one, does not stand for it."""
    assert planted(always)[1].is_canary
    second = factories.message(always.mail)
    factories.draft(second, status="rejected")
    result = Sourced().write(None)  # type: ignore[arg-type]
    account = Account.objects.get(pk=always.acme.pk)
    assert canaries.plant(account=account, base=second, result=result) is not None
    factories.draft(second, status="rejected", is_canary=True, canary_defect="x")
    assert canaries.plant(account=account, base=second, result=result) is None


def test_which_sentence_is_the_messages_own(always: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for at in (0.0, 0.25, 0.5, 0.75, 0.999):
        monkeypatch.setattr(canaries, "bucket", lambda pk, salt, at=at: at if salt == "sentence" else 0.0)
        found.add(planted(always)[1].canary_defect.removeprefix("No source says: "))
    assert found == set(canaries.PLANTED)
    assert len(found) == 4


PLANTED = "You have to send a signed form."


def test_it_is_looked_for_where_it_stood_and_not_where_the_text_begins() -> None:
    kept, gone = "This sentence stays as it was, word for word. ", "But this one, which is long as well, is taken out. "
    suggested = f"{gone}{kept}{PLANTED} Bye."
    assert canaries.still_says(PLANTED, suggested, f"{kept}You have to send a form. Bye.")
    assert not canaries.still_says(PLANTED, suggested, f"{kept}Bye.")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (f"Hello. {PLANTED} Bye.", True),
        (f"{PLANTED} Hello. Bye.", True),  # put elsewhere
        ("Hello. You have to send a filled form. Bye.", True),
        ("Hello. You have to send. Bye.", True),
        ("Hello. You have. Bye.", False),
        ("Hello. Bye.", False),
        (
            "Hello. Bye. The form that you signed: you have sent it to us, send no other.",
            False,
        ),  # its words, another statement
        ("", False),
    ],
)
def test_what_became_of_the_planted_statement_decides(text: str, holds: bool) -> None:
    draft = Draft(canary_defect=f"No source says: {PLANTED}", suggested_text=f"Hello. {PLANTED} Bye.")
    assert canaries.holds(draft, text) is holds
    assert canaries.holds(Draft(canary_defect="", suggested_text=text), text) is False


@pytest.mark.parametrize(
    ("verb", "outcome"), [("regenerate", "caught"), ("answered_elsewhere", "answered elsewhere"), ("reject", "caught")]
)
def test_whatever_is_done_with_one_is_an_outcome(always: World, verb: str, outcome: str) -> None:
    _, draft = planted(always)
    about = {"reasons": ["tone"]} if verb == "reject" else {}
    getattr(decisions, verb)(draft_id=draft.pk, actor=always.ada, seen=factories.seen(draft), **about)
    event = AuditEvent.objects.get(kind="check.decided")
    assert (event.data, event.object_id) == ({"outcome": outcome}, str(draft.pk))
