"""A source that changes or goes marks exactly the drafts that stand on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conversations import audit
from conversations.models import AuditEvent, Notification
from conversations.tenancy import tenant_context
from drafts.desk import decisions, sources
from drafts.models import Draft
from ingestion.knowledge.index import index_document, remove_document
from ingestion.models import Passage
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

URL = "https://docs.acme.test/hose"
ONE = "# Hose\n\n" + "PTFE hose is safe with E85. " * 12
TWO = "\n\n## Rubber\n\n" + "Rubber hose hardens within one season of ethanol. " * 8


def put(world: World, text: str, url: str = URL, account: Any = None) -> list[Passage]:
    account = account or world.acme
    document = index_document(account_id=account.pk, source_url=url, title="Hose", text=text)
    with tenant_context(account.pk):
        return list(Passage.objects.filter(document=document).order_by("ordinal"))


def draft(world: World, *passages: Passage, cited: bool = True, channel: Any = None) -> Draft:
    entries = [
        {"passage": str(p.pk), "document": str(p.document_id), "title": "Hose", "url": URL, "quote": "", "cited": cited}
        for p in passages
    ]
    return factories.draft(factories.message(channel or world.mail), top_sources=entries)


def marked(world: World, *drafts: Draft) -> list[bool]:
    with tenant_context(world.acme.pk):
        return [Draft.objects.get(pk=each.pk).sources_changed_at is not None for each in drafts]


def test_exactly_the_waiting_drafts_that_cite_what_changed_are_marked(world: World) -> None:
    one, two = put(world, ONE + TWO)
    (other,) = put(
        world, "Shipping takes two days within the country, and five abroad.", "https://docs.acme.test/shipping"
    )
    on_one, on_two, on_both = draft(world, one), draft(world, two), draft(world, one, two)
    read_only, elsewhere = draft(world, two, cited=False), draft(world, other)
    decided = draft(world, two)
    with tenant_context(world.acme.pk):
        decisions.reject(draft_id=decided.pk, actor=world.ada, seen=factories.seen(decided), reasons=["tone"])
    put(world, ONE + TWO.replace("one season", "two seasons"))
    assert marked(world, on_one, on_two, on_both, read_only, elsewhere, decided) == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]
    with tenant_context(world.acme.pk):
        fresh = Draft.objects.get(pk=on_two.pk)
        event = AuditEvent.objects.get(kind="draft.sources_changed", object_id=str(on_two.pk))
        note = Notification.objects.get(type="source_changed")
    assert fresh.checks == [{"ok": False, "text": sources.CHECK}]
    assert (fresh.status, fresh.version) == ("pending", on_two.version)
    assert event.conversation_id == on_two.conversation_id
    assert audit.sentence(event) == "Countersign marked the draft: 1 of the passages that it cites changed or went"
    assert (note.payload["title"], note.payload["drafts"]) == ("Hose", 2)


def test_a_removed_document_marks_its_drafts_and_a_second_change_adds_no_second_line(world: World) -> None:
    one, two = put(world, ONE + TWO)
    both = draft(world, one, two)
    put(world, ONE)
    remove_document(account_id=world.acme.pk, source_url=URL)
    with tenant_context(world.acme.pk):
        assert Draft.objects.get(pk=both.pk).checks == [{"ok": False, "text": sources.CHECK}]
        assert AuditEvent.objects.filter(kind="draft.sources_changed").count() == 2


def test_a_document_that_did_not_change_or_only_grew_marks_nobody(world: World) -> None:
    (one,) = put(world, ONE)
    cites = draft(world, one)
    put(world, ONE)
    put(world, ONE + TWO)
    assert marked(world, cites) == [False]
    with tenant_context(world.acme.pk):
        assert not Notification.objects.filter(type="source_changed").exists()


def test_another_tenants_drafts_are_left_alone(world: World) -> None:
    (mine,) = put(world, ONE)
    theirs = draft(world, mine, channel=world.other_mail)
    with tenant_context(world.globex.pk), assert_nothing_written():
        put(world, TWO)
    with tenant_context(world.globex.pk):
        assert Draft.objects.get(pk=theirs.pk).sources_changed_at is None


def test_a_draft_that_was_written_while_its_source_went_is_found(world: World) -> None:
    one, two = put(world, ONE + TWO)
    put(world, ONE)
    late, fine = draft(world, one, two), draft(world, one)
    with tenant_context(world.acme.pk):
        assert [sources.mark_if_gone(late), sources.mark_if_gone(fine)] == [True, False]
    assert marked(world, late, fine) == [True, False]


def test_an_approval_and_a_change_of_its_source_wait_for_each_other(
    committed_world: World, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    world = committed_world
    _, two = put(world, ONE + TWO)
    drafts = [draft(world, two) for _ in range(8)]
    looks = [factories.seen(each) for each in drafts]

    def approve(number: int) -> Any:
        with tenant_context(world.acme.pk):
            return decisions.approve(draft_id=drafts[number].pk, actor=world.ada, seen=looks[number])

    calls: list[Callable[[], Any]] = [lambda n=n: approve(n) for n in range(8)]  # type: ignore[misc]
    results = in_threads([*calls, lambda: put(world, ONE)])
    assert not [result for result in results if isinstance(result, Exception)]
    with tenant_context(world.acme.pk):
        for each in Draft.objects.all():
            # Approved before it was marked, or marked while it waited and approved after: no deadlock, no lost approval.
            assert each.status == "approved"


def test_a_draft_that_was_decided_while_it_was_waited_for_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, two = put(world, ONE + TWO)
    cites = draft(world, two)
    real = sources._mark

    def decided_meanwhile(*found: Any) -> bool:
        decisions.reject(draft_id=cites.pk, actor=world.ada, seen=factories.seen(cites), reasons=["tone"])
        return real(*found)

    monkeypatch.setattr(sources, "_mark", decided_meanwhile)
    put(world, ONE)
    assert marked(world, cites) == [False]
    with tenant_context(world.acme.pk):
        assert not Notification.objects.filter(type="source_changed").exists()


@pytest.mark.parametrize("entries", [[], [{"passage": "not an id", "cited": True}], [{"title": "no passage"}]])
def test_sources_of_any_form_break_nothing(world: World, entries: list[dict[str, Any]]) -> None:
    odd = factories.draft(factories.message(world.mail), top_sources=entries)
    put(world, ONE)
    assert remove_document(account_id=world.acme.pk, source_url=URL)
    assert marked(world, odd) == [False]
