"""The demo's practice: two customers to practise with, and a talk of Tess's that has its score. Through the product's own verbs."""

from __future__ import annotations

import uuid

from conversations.models import Account, AssistantSession, User
from conversations.tenancy import tenant_context
from drafts.models import PracticeTurn, Scenario
from drafts.practice import drafting, talks
from drafts.practice.scenarios import Script, set_ready, write_scenario
from drafts.writing.offline import OfflineDrafter
from ingestion.knowledge.embed import get_remembering_embedder

ROSA = Script(
    title="Rosa wants her money back",
    persona_name="Rosa Delmonte",
    persona="Restores a ’72 C10 with her father and has to drive on Saturday. Gets short when she is sent in circles.",
    subject="Wrong ends, I want my money back",
    opening="The ends I got do not grip the hose at all. How long can unused parts be returned, and when do I get my money?",
    facts=[
        {"key": "order number, which order, your order", "sentence": "It is HRA-21950."},
        {"key": "which hose, what hose, hose", "sentence": "The hose says PTFE -6. My dad says the blue ends always worked."},
        {"key": "opened, packaging, unused", "sentence": "I only opened one bag."},
    ],
    goal="30 days, five business days",
    patience=4,
    rubric=[
        {"kind": "asks_for", "text": "order number, which order", "weight": 15},
        {"kind": "says", "text": "30 days", "weight": 20},
        {"kind": "no_promise", "text": "refund, money", "weight": 20},
        {"kind": "sourced", "weight": 15},
        {"kind": "catches", "weight": 12},
        {"kind": "greets", "weight": 8},
        {"kind": "resolves", "weight": 10},
    ],
)  # fmt: skip
KURT = Script(
    title="Kurt asks what E85 does to his hose",
    persona_name="Kurt Weidner",
    persona="Knows engines, knows no brands. Wants one clear answer and dislikes long letters.",
    subject="E85 and rubber hose",
    opening="I am switching my Nova to E85 next month. Can I keep the rubber hose that is in the car?",
    facts=[
        {"key": "which hose, what hose, size", "sentence": "It is -8 rubber, five years old."},
        {"key": "pump, engine, horsepower", "sentence": "A 350 with some 400 hp and one electric pump."},
    ],
    goal="PTFE",
    patience=3,
    rubric=[
        {"kind": "says", "text": "PTFE", "weight": 30},
        {"kind": "sourced", "weight": 30},
        {"kind": "never_says", "text": "guarantee", "weight": 10},
        {"kind": "within", "text": "2", "weight": 20},
        {"kind": "greets", "weight": 10},
    ],
)  # fmt: skip
#: What Tess answers Rosa; the second has one sentence of her own that no source bears.
TESS = (
    "Hi Rosa,\n\nI am sorry about that. Which order number is it, and which hose do you have there?\n\nTess at Hot Rod AN",
    "Hi Rosa,\n\nUnused parts in their packaging may be returned within 30 days of delivery. We refund to the original payment"
    " method within five business days after the parcel reaches us. Parcels usually arrive at our place the next day.\n\nTess at Hot Rod AN",
)  # fmt: skip


def seed(account: Account) -> int:
    """Make what is missing; returns how many scenarios were written."""
    with tenant_context(account.pk):
        if Scenario.objects.exists():
            return 0
        mina, tess = (User.objects.with_address(f"{name}@hotrodan.example").get() for name in ("mina", "tess"))
    with tenant_context(account.pk, person=mina.pk):
        ready = [_ready(account, mina, script) for script in (KURT, ROSA)]
    _practise(account, tess, ready[-1])
    return len(ready)


def _ready(account: Account, mina: User, script: Script) -> Scenario:
    written = write_scenario(actor=mina, account_id=account.pk, script=script)
    return set_ready(scenario_id=written.pk, actor=mina, account_id=account.pk)


def _practise(account: Account, tess: User, scenario: Scenario) -> None:
    with tenant_context(account.pk, person=tess.pk):
        session, _ = talks.start_practice(actor=tess, account_id=account.pk, scenario_id=scenario.pk)
    for text in TESS:
        turn = _drafted(account, tess, session)
        with tenant_context(account.pk, person=tess.pk):
            talks.answer(turn_id=turn, actor=tess, text=text)
    drafting.write(account_id=account.pk, person_id=tess.pk, turn_id=turn)  # how she sounded is measured
    with tenant_context(account.pk, person=tess.pk):
        talks.end_practice(session_id=session.pk, actor=tess)


def _drafted(account: Account, tess: User, session: AssistantSession) -> uuid.UUID:
    """The newest message of the persona with its draft, by the built-in drafter whatever is set."""
    with tenant_context(account.pk, person=tess.pk):
        turn = PracticeTurn.objects.filter(session=session).latest("number")
    drafter = OfflineDrafter(embedder=get_remembering_embedder())
    drafting.write(account_id=account.pk, person_id=tess.pk, turn_id=turn.pk, drafter=drafter)
    return turn.pk
