"""An approved answer is quoted until its time is over, by the database's clock, whether or not a sweep has come by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from conversations.database import database_time
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.desk import decisions
from drafts.flow import drafting
from drafts.models import Draft, Golden
from ingestion.knowledge.search import find_passages
from ingestion.models import SourceDocument, in_time
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

ANSWER = "PTFE hose is safe with E85."


@pytest.fixture
def golden(world: World) -> Golden:
    """In use for another hour."""
    with tenant_context(world.acme.pk):
        proposed = goldens.propose(
            account_id=world.acme.pk, actor=world.ada, question="Can I use PTFE hose with E85?", answer=ANSWER,
            valid_until=database_time.now() + timedelta(hours=1),
        )  # fmt: skip
        return goldens.accept(golden_id=proposed.pk, actor=world.ada)


def end(world: World) -> None:
    """Its time is over, and no sweep came by."""
    with tenant_context(world.acme.pk):
        over = database_time.now() - timedelta(seconds=1)
        Golden.objects.update(valid_until=over)
        SourceDocument.objects.update(next_refresh_at=over)


def found(world: World) -> list[str]:
    return [each.passage.text for each in find_passages(account_id=world.acme.pk, text="Can I use PTFE hose with E85?")]


def citing(world: World) -> Draft:
    message = factories.message(world.mail, "Hello, can I use PTFE hose with E85?", subject="Hose")
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
    assert draft is not None
    assert any(source["cited"] for source in draft.top_sources)
    return draft


def approve(world: World, draft: Draft, **changes: Any) -> Any:
    with tenant_context(world.acme.pk):
        return decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), **changes)


def test_a_search_finds_it_until_its_time_is_over(world: World, golden: Golden) -> None:
    assert found(world) == [ANSWER]
    end(world)
    assert found(world) == []


def test_a_page_that_is_to_be_read_again_stays_a_source(world: World, golden: Golden) -> None:
    end(world)
    with tenant_context(world.acme.pk):
        SourceDocument.objects.update(kind="page")
        assert SourceDocument.objects.filter(in_time()).exists()
        SourceDocument.objects.update(kind="golden", next_refresh_at=None)
        assert SourceDocument.objects.filter(in_time()).exists()
    assert found(world) == [ANSWER]


def test_who_approves_a_draft_that_cites_it_is_told_once(world: World, golden: Golden) -> None:
    draft = citing(world)
    end(world)
    with assert_nothing_written(), pytest.raises(decisions.NeedsSecondPress) as refused:
        approve(world, draft)
    assert str(refused.value) == (
        "The time of an approved answer that it cites is over. Approve again to send it anyway; nothing was sent yet."
    )
    action = approve(world, draft, attention=decisions.Attention(pressed_twice=True))
    assert (action.type, action.pressed_twice) == ("approve", True)


def test_a_draft_that_is_marked_already_says_so_itself(world: World, golden: Golden) -> None:
    draft = citing(world)
    end(world)
    assert goldens.sweep(account_id=world.acme.pk) == 1
    with tenant_context(world.acme.pk):
        draft.refresh_from_db()
    assert draft.sources_changed_at is not None
    assert approve(world, draft).type == "approve"


def test_an_answer_that_is_in_time_is_no_reason_to_ask(world: World, golden: Golden) -> None:
    assert approve(world, citing(world)).type == "approve"


def test_an_answer_that_is_not_cited_is_no_reason_to_ask(world: World, golden: Golden) -> None:
    draft = citing(world)
    end(world)
    with tenant_context(world.acme.pk):
        Draft.objects.filter(pk=draft.pk).update(
            top_sources=[{**source, "cited": False} for source in draft.top_sources]
        )
    assert approve(world, draft).type == "approve"
