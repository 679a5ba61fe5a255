"""A hundred questions about a shop's own pages, thirty of which no page answers: nothing is said that no source says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from conversations.answer_shapes import Step
from drafts.assistant.offline import NOT_SAID, OfflineAssistant
from drafts.assistant.port import Reply, Request
from drafts.assistant.slots import Colleague
from drafts.assistant.toolbox import Library
from drafts.writing.statements import factual_sentences, supports
from ingestion.knowledge.embed import get_remembering_embedder
from tests import factories
from tests.conftest import World
from tests.eval.documents import NONE, account, questions


def going_on(text: str, steps: Sequence[Step]) -> bool:
    return True


def test_a_hundred_questions_no_sentence_without_a_source_and_most_of_what_nobody_answers_is_declined(
    committed_world: World,
) -> None:
    asked = questions("help-mail", chosen=False)  # the half that nothing was chosen by
    open_ones = [one for one in asked if one.page == NONE][:30]
    answerable = [one for one in asked if one.page != NONE][:70]
    assert (len(open_ones), len(answerable)) == (30, 70)
    shop = account("help")
    person = factories.person("pat", shop, "agent")
    embedder = get_remembering_embedder()
    assistant = OfflineAssistant(embedder=embedder)
    library = Library(shop.pk, person, "general", None, ZoneInfo("UTC"), embedder)

    def ask(text: str) -> Reply:
        request = Request(
            text=text, context="general", now=datetime(2026, 11, 28, tzinfo=UTC), zone=ZoneInfo("UTC"),
            person=Colleague(str(person.pk), person.name),
        )  # fmt: skip
        return assistant.turn(request, library, tell=going_on)

    replies = {one.text: ask(one.text) for one in chain(open_ones, answerable)}
    for reply in replies.values():
        assert not reply.proposals
        passages = {source.passage: source for source in reply.sources}
        assert all(claim.sources or claim.said for claim in reply.claims), reply.text
        if reply.claims:  # and what is cited really says so
            stated = {reply.text[claim.start : claim.end] for claim in reply.claims}
            assert {
                one.text for one in factual_sentences(reply.text) if not one.text.startswith(NOT_SAID[:-1])
            } <= stated
            assert passages and all(source.quote for source in reply.sources)
            cited = " ".join(source.quote for source in reply.sources)
            assert all(supports(one, cited) or len(cited) > 250 for one in stated), reply.text
    # Of a mail with two questions one may be answered: then it says that the sources do not say more.
    declined = [one.text for one in open_ones if NOT_SAID[:-1] in replies[one.text].text]
    answered = [one.text for one in answerable if replies[one.text].claims]
    assert len(declined) >= 24, f"{len(declined)} of 30 declined, {len(answered)} of 70 answered"
    assert len(answered) >= 30, f"{len(answered)} of 70 answered"
