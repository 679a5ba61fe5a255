"""A confidence calibrated on what the account's people did with drafts that were as sure."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from django.core.cache import caches

from conversations.tenancy import tenant_context
from drafts.evidence.calibration import MIN_DECISIONS, Curve, curve_of, fit
from drafts.evidence.rates import Rate, history
from drafts.flow import drafting
from drafts.models import Draft, DraftAction
from drafts.writing.port import DraftRequest, DraftResult, OnText
from tests import factories
from tests.conftest import World


def test_it_is_not_known_under_the_number_of_decisions_that_is_needed() -> None:
    few = [(0.9, True)] * (MIN_DECISIONS - 1)
    assert fit(few) == Curve(MIN_DECISIONS - 1)
    assert fit(few).of(0.9) is None
    assert fit(few).apply(0.9) == (
        0.9, "Confidence is not yet known: 99 of 100 decisions so far."
    )  # fmt: skip


def test_it_says_what_share_was_sent_unchanged_and_never_less_for_surer_drafts() -> None:
    chance = random.Random(7)
    decided = [(sure, chance.random() < sure**2) for sure in (chance.random() for _ in range(2000))]
    curve = fit(decided)
    shown = [curve.of(at / 50) or 0.0 for at in range(51)]
    assert shown == sorted(shown)
    for sure in (0.3, 0.5, 0.7, 0.9):
        assert curve.of(sure) == pytest.approx(sure**2, abs=0.08)
    before = sum((sure - hit) ** 2 for sure, hit in decided)
    after = sum(((curve.of(sure) or 0.0) - hit) ** 2 for sure, hit in decided)
    assert after < before  # Brier


def test_where_surer_drafts_fared_worse_all_get_one_figure() -> None:
    curve = fit([(0.3, True)] * 50 + [(0.9, False)] * 50)
    assert curve.of(0.3) == curve.of(0.9) == 0.5


def test_drafts_of_one_confidence_are_not_told_apart_by_chance() -> None:
    assert len(fit([(0.6, n % 3 == 0) for n in range(300)]).points) == 1


@pytest.mark.parametrize(
    ("decided", "factor", "words"),
    [
        ({}, 1.0, ""),
        ({"returns": (9, 10)}, 1.0, ""),  # nothing about this topic
        ({"shipping": (0, 40)}, 1.0, ""),  # nothing was ever sent unchanged: no topic is worse
        ({"returns": (20, 80), "shipping": (20, 20)}, 1.0, ""),  # better than the others: no more than before
        ({"returns": (40, 40), "shipping": (1, 2)}, 0.956, ""),  # two decisions move little
        ({"returns": (40, 40), "shipping": (10, 40)}, 0.6, "Drafts on shipping are sent unchanged less often than others: 10 of 40."),
        ({"returns": (400, 400), "shipping": (0, 400)}, 0.5, "Drafts on shipping are sent unchanged less often than others: 0 of 400."),
    ],
)  # fmt: skip
def test_a_topic_that_people_correct_more_than_others_is_worth_less(
    decided: dict[str, tuple[int, int]], factor: float, words: str
) -> None:
    found = {(topic, f"reply-v{n}"): Rate(*counts) for n, (topic, counts) in enumerate(decided.items())}
    assert history(found, "shipping") == (pytest.approx(factor, abs=0.001), words)


class Sure:
    """A drafter that is always as sure."""

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        return DraftResult("Hello,\n\nWe look into it.", (), 0.8, ("Because.",), "other", (), "fake", 0, 1)


def decide(world: World, count: int, *, unchanged: int, intent: str = "") -> None:
    """Decisions as they are stored, without the road to them."""
    with tenant_context(world.acme.pk):
        base = factories.draft(factories.message(world.mail))
        Draft.objects.filter(pk=base.pk).update(status=Draft.Status.REJECTED)
        drafts, actions = [], []
        for n in range(count):
            copy = Draft.objects.get(pk=base.pk)
            copy.pk, copy.confidence, copy.raw_confidence = uuid.uuid4(), 0.8 if n % 2 else 0.3, None
            copy.intent = intent
            drafts.append(copy)
            kind = DraftAction.Type.APPROVE if n < unchanged else DraftAction.Type.REJECT
            values: dict[str, Any] = {
                "account": world.acme,
                "draft": copy,
                "type": kind,
                "user": world.ada,
                "version": 0,
            }
            actions.append(DraftAction(**values, conversation_id=copy.conversation_id, user_name="Ada", reasons=[]))
        Draft.objects.bulk_create(drafts)
        DraftAction.objects.bulk_create(actions)
    caches["process"].clear()


@pytest.mark.django_db
def test_a_new_draft_stores_both_figures_and_says_on_how_many_decisions(world: World) -> None:
    caches["process"].clear()
    message = factories.message(world.mail)
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=Sure())
    assert draft is not None
    assert (draft.confidence, draft.raw_confidence) == (0.8, 0.8)
    assert draft.confidence_reasons == [
        "Because.", "Confidence is not yet known: 0 of 100 decisions so far."
    ]  # fmt: skip
    decide(world, 120, unchanged=90)
    message = factories.message(world.mail)
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=Sure())
    assert draft is not None
    assert (draft.confidence, draft.raw_confidence) == (0.75, 0.8)
    assert draft.confidence_reasons == ["Because.", "Calibrated on 120 decisions; 80% before that."]


@pytest.mark.django_db
def test_a_new_draft_knows_how_its_topic_fared(world: World) -> None:
    for topic, unchanged in (("returns", 40), ("other", 10)):
        decide(world, 40, unchanged=unchanged, intent=topic)
    caches["process"].clear()
    message = factories.message(world.mail)
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id, drafter=Sure())
    assert draft is not None
    assert (draft.confidence, draft.raw_confidence) == (0.48, 0.48)  # 0.8 times 0.6
    assert "Drafts on other topics are sent unchanged less often than others: 10 of 40." in draft.confidence_reasons


@pytest.mark.django_db
def test_what_was_shown_calibrated_is_learned_from_as_it_was_before(world: World) -> None:
    decide(world, 120, unchanged=60)
    with tenant_context(world.acme.pk):
        Draft.objects.filter(confidence=0.8).update(raw_confidence=0.6)
        assert curve_of(world.acme.pk, fresh=True).decided == 120
        assert max(at for at, _ in curve_of(world.acme.pk, fresh=True).points) < 0.61


@pytest.mark.django_db
def test_a_topic_with_enough_decisions_has_its_own_curve(world: World) -> None:
    decide(world, 100, unchanged=100, intent="shipping")
    decide(world, 100, unchanged=20, intent="returns")
    decide(world, 99, unchanged=0, intent="sizes")
    with tenant_context(world.acme.pk):
        own, few, all_ = (curve_of(world.acme.pk, topic, fresh=True) for topic in ("shipping", "sizes", ""))
    assert (own.decided, own.of(0.8)) == (100, 1.0)
    assert own.apply(0.8)[1] == "Calibrated on 100 decisions on shipping; 80% before that."
    assert (few.decided, few.topic) == (299, "")
    assert few == all_
