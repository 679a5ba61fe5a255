"""Prompt versions: tried on a share, gated by an evaluation on the approved answers, rolled back at once."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial

import pytest
from django.core.exceptions import PermissionDenied

from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.learning import compare, evaluation, prompts
from drafts.learning.evaluation import Outcome
from drafts.models import EvalCase, EvalRun, Golden, PromptVersion
from drafts.writing.port import DraftRequest, DraftResult, OnText, Statement
from ingestion import jobs
from ingestion.models import JobRun
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def versions(world: World, acme: None) -> list[PromptVersion]:
    first = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer kindly.")
    prompts.activate(version_id=first.pk, actor=world.dan)
    second = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer in one word.", note="shorter")
    return [PromptVersion.objects.get(pk=first.pk), second]


def golden(world: World, question: str = "Is PTFE hose safe with E85?") -> None:
    found = goldens.propose(
        account_id=world.acme.pk, actor=world.dan, question=question, answer="PTFE hose is safe with E85."
    )
    goldens.accept(golden_id=found.pk, actor=world.dan)


def test_a_version_is_added_as_the_next_number_and_writes_nothing_yet(
    world: World, versions: list[PromptVersion]
) -> None:
    assert [(v.label, v.status) for v in versions] == [("reply-v1", "active"), ("reply-v2", "draft")]
    assert prompts.choose(uuid.uuid4()) == versions[0]


@pytest.mark.parametrize("text", ["", "  ", "x" * 20_001])
def test_an_empty_or_endless_text_is_refused(world: World, acme: None, text: str) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        prompts.add(account_id=world.acme.pk, actor=world.dan, text=text)


def test_only_an_admin_of_the_tenant_changes_prompts(world: World, versions: list[PromptVersion]) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        prompts.add(account_id=world.acme.pk, actor=world.ada, text="Mine")
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        prompts.try_out(version_id=versions[1].pk, actor=world.ada, share=0.1)
    with tenant_context(world.globex.pk), pytest.raises(PromptVersion.DoesNotExist):
        prompts.activate(version_id=versions[1].pk, actor=world.eve)


def test_a_trial_takes_its_share_and_keeps_each_conversation_on_its_side(
    world: World, versions: list[PromptVersion]
) -> None:
    prompts.try_out(version_id=versions[1].pk, actor=world.dan, share=0.25)
    conversations = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)) for number in range(800)]
    chosen = [prompts.choose(pk) for pk in conversations]
    assert 0.20 < sum(1 for version in chosen if version == versions[1]) / 800 < 0.30
    assert [prompts.choose(pk) for pk in conversations[:50]] == chosen[:50]
    prompts.try_out(version_id=versions[1].pk, actor=world.dan, share=0)
    assert {prompts.choose(pk) for pk in conversations[:50]} == {versions[0]}


@pytest.mark.parametrize("share", [-0.1, 0.51])
def test_a_share_out_of_range_is_refused(world: World, versions: list[PromptVersion], share: float) -> None:
    with assert_nothing_written(), pytest.raises(Invalid):
        prompts.try_out(version_id=versions[1].pk, actor=world.dan, share=share)


def test_an_active_version_is_not_tried_out(world: World, versions: list[PromptVersion]) -> None:
    with assert_nothing_written(), pytest.raises(Conflict):
        prompts.try_out(version_id=versions[0].pk, actor=world.dan, share=0.1)


def test_it_is_not_activated_before_it_was_measured(world: World, versions: list[PromptVersion]) -> None:
    golden(world)
    with assert_nothing_written(), pytest.raises(Conflict, match="no finished evaluation on your 1 approved answers"):
        prompts.activate(version_id=versions[1].pk, actor=world.dan)


class ByPrompt:
    """Answers well with one prompt and badly with the other, as a model might."""

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        good = request.prompt_text == "Answer kindly."
        text = "PTFE hose is safe with E85." if good else "Yes."
        return DraftResult(text, (), 0.5, (), "other", (), "scripted", 0, 0)


def evaluate(world: World, version: PromptVersion, monkeypatch: pytest.MonkeyPatch) -> JobRun:
    monkeypatch.setattr(evaluation, "get_drafter", lambda: ByPrompt())
    with tenant_context(world.acme.pk):
        job = evaluation.start(version_id=version.pk, actor=world.dan)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    return job


def test_one_that_does_worse_is_refused_with_the_cases(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        first = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer kindly.")
        prompts.activate(version_id=first.pk, actor=world.dan)
        second = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer in one word.")
        golden(world)
        golden(world, "May I use PTFE hose for E85 fuel?")
    job = evaluate(world, second, monkeypatch)
    with tenant_context(world.acme.pk):
        assert (job.status, job.metrics["cases"], job.metrics["passed"]) == ("succeeded", 2, 0)
        run = EvalRun.objects.get(prompt_version=second)
        assert (run.status, run.baseline.prompt_version, run.metrics["better"]) == ("regressed", first, 0)  # type: ignore[union-attr]
        assert EvalCase.objects.filter(run=run, passed=False).count() == 2
        with assert_nothing_written(), pytest.raises(Conflict, match=r"does worse .* on 2 questions") as refused:
            prompts.activate(version_id=second.pk, actor=world.dan)
        assert {case["after"] for case in refused.value.facts["cases"]} == {"Yes."}


def test_one_that_does_as_well_is_activated_and_rolled_back_in_one_act(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        first = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer in one word.")
        prompts.activate(version_id=first.pk, actor=world.dan)
        second = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer kindly.")
        golden(world)
    evaluate(world, second, monkeypatch)
    with tenant_context(world.acme.pk):
        prompts.try_out(version_id=second.pk, actor=world.dan, share=0.5)
        assert prompts.activate(version_id=second.pk, actor=world.dan).status == "active"
        assert prompts.choose(uuid.uuid4()) == second
        assert PromptVersion.objects.get(pk=second.pk).trial_share == 0
        assert prompts.activate(version_id=first.pk, actor=world.dan).status == "active"
        assert prompts.choose(uuid.uuid4()) == first


def test_an_evaluation_from_before_the_newest_answer_or_version_counts_no_more(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        first, second, third = (
            prompts.add(account_id=world.acme.pk, actor=world.dan, text=text)
            for text in ("Answer kindly.", "Answer kindly. ", "Answer kindly.\n\n")
        )
        prompts.activate(version_id=first.pk, actor=world.dan)
        golden(world)
    evaluate(world, second, monkeypatch)
    evaluate(world, third, monkeypatch)
    with tenant_context(world.acme.pk):
        golden(world, "May I use PTFE hose for E85 fuel?")
        with assert_nothing_written(), pytest.raises(Conflict, match="out of date"):
            prompts.activate(version_id=second.pk, actor=world.dan)
    evaluate(world, third, monkeypatch)
    evaluate(world, second, monkeypatch)
    with tenant_context(world.acme.pk):
        prompts.activate(version_id=second.pk, actor=world.dan)
        with assert_nothing_written(), pytest.raises(Conflict, match="out of date"):
            prompts.activate(version_id=third.pk, actor=world.dan)


def test_a_case_is_worse_when_it_declines_or_loses_its_source() -> None:
    key = uuid.uuid4()
    good = Outcome("PTFE is safe.", 0.9, 0, False)
    for bad in (replace(good, declined=True), replace(good, unsourced=1), replace(good, similarity=0.3)):
        assert list(evaluation.worse({key: good}, {key: bad})) == [key]
        assert list(evaluation.worse({key: bad}, {key: good})) == []
    assert list(evaluation.worse({key: good}, {key: replace(good, similarity=0.7)})) == []


class Scripted:
    """Says `text` with one prompt, the approved answer with the other; one statement, which its source bears."""

    def __init__(self, text: str, *, declines: bool = True) -> None:
        self.text, self.declines = text, declines

    def write(self, request: DraftRequest, *, on_text: OnText | None = None) -> DraftResult:
        is_new = request.prompt_text != "Answer kindly."
        if request.question in evaluation.MUST_DECLINE and (self.declines or not is_new):
            return DraftResult("I cannot say.", (), 0.5, (), "other", (), "scripted", 0, 0)
        text = self.text if is_new else ANSWER
        return DraftResult(text, (Statement(0, len(text), (SOURCE,)),), 0.5, (), "other", (), "scripted", 0, 0)


ANSWER = "You can send a hose back within 30 days if it was not used."
SOURCE = uuid.uuid4()


def measured(world: World, drafter: Scripted, monkeypatch: pytest.MonkeyPatch) -> tuple[PromptVersion, EvalRun]:
    """A new version beside the active one, evaluated on twenty answers that are all the same."""
    with tenant_context(world.acme.pk):
        first = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer kindly.")
        prompts.activate(version_id=first.pk, actor=world.dan)
        second = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer otherwise.")
        found = goldens.propose(
            account_id=world.acme.pk, actor=world.dan, question="Can I return a hose?", answer=ANSWER
        )
        goldens.accept(golden_id=found.pk, actor=world.dan)
        monkeypatch.setattr(evaluation, "get_drafter", lambda: drafter)
        job = evaluation.start(version_id=second.pk, actor=world.dan)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        return second, EvalRun.objects.get(prompt_version=second)


@pytest.mark.parametrize(
    "text",
    [
        "You can send a hose back within 60 days if it was not used.",
        "You can not send a hose back within 30 days if it was not used.",
        "You can send a hose back within 30 days if it was used.",
    ],
    ids=["another number", "a not more", "a not less"],
)
def test_one_statement_turned_round_fails_however_alike_the_words_are(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    world = committed_world
    version, run = measured(world, Scripted(text), monkeypatch)
    assert (run.status, run.metrics["contradicts"]) == ("regressed", 1)
    assert run.metrics["similarity"] > 0.95
    assert run.metrics["worse"][0]["differs"] == text
    with tenant_context(world.acme.pk):
        for refused in (prompts.activate, partial(prompts.try_out, share=0.1)):
            with assert_nothing_written(), pytest.raises(Conflict, match="does worse"):
                refused(version_id=version.pk, actor=world.dan)


def test_other_words_for_the_same_pass(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "A hose that was not used can be sent back to us within 30 days."
    assert measured(committed_world, Scripted(text), monkeypatch)[1].status == "passed"


def test_a_version_that_answers_what_nobody_can_know_has_not_passed(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = measured(committed_world, Scripted(ANSWER, declines=False), monkeypatch)
    assert (run.status, len(run.metrics["answered_all_the_same"])) == ("regressed", len(evaluation.MUST_DECLINE))
    assert {case["after"] for case in run.metrics["worse"]} == {"answered"}


def test_retiring_the_answer_that_it_fails_on_does_not_help(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = committed_world
    version, _ = measured(world, Scripted("You can send a hose back within 60 days."), monkeypatch)
    with tenant_context(world.acme.pk):
        goldens.retire(golden_id=Golden.objects.get().pk, actor=world.dan)
        with assert_nothing_written(), pytest.raises(Conflict, match="does worse"):
            prompts.activate(version_id=version.pk, actor=world.dan)
        job = evaluation.start(version_id=version.pk, actor=world.dan)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        assert EvalRun.objects.filter(prompt_version=version, status="regressed").count() == 2, "it is asked again"
        later = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Answer otherwise still.")
        prompts.activate(version_id=later.pk, actor=world.dan)  # added after it was retired: nothing to measure it on


def test_a_trial_ends_when_an_evaluation_does_not_pass(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = committed_world
    version, _ = measured(world, Scripted(ANSWER), monkeypatch)
    with tenant_context(world.acme.pk):
        prompts.try_out(version_id=version.pk, actor=world.dan, share=0.5)
        monkeypatch.setattr(evaluation, "get_drafter", lambda: Scripted("You can send a hose back within 60 days."))
        job = evaluation.start(version_id=version.pk, actor=world.dan)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        version.refresh_from_db()
        assert version.trial_share == 0
        assert AuditEvent.objects.filter(object_id=str(version.pk)).last().data["fields"].startswith("trial ended")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("reply", "is_other"),
    [
        ("You can send a hose back within 30 days if it was not used.", False),
        ("Unused hoses go back to the seller.", False),  # another matter
        ("Your question of order 4711: you can send a hose back within 30 days if it was not used.", False),
        ("We will refund you in full.", True),  # a promise that neither answer nor source makes
        ("Send a hose back in 31 days, not used.", True),
        ("A hose cannot be sent back within 30 days.", True),
    ],
)
def test_statements_are_compared_and_not_their_words(reply: str, is_other: bool) -> None:
    statements = (Statement(0, len(reply)),)
    found = compare.differences("Can I return a hose of order 4711?", ANSWER, reply, statements)
    assert found == ([reply] if is_other else [])
    if "refund" in reply:
        assert compare.differences("?", ANSWER, reply, (Statement(0, len(reply), (SOURCE,)),)) == []
        assert compare.differences("?", f"{ANSWER} {reply}", reply, statements) == []


def test_the_drafts_of_a_conversation_carry_the_version_they_were_written_with(
    world: World, versions: list[PromptVersion]
) -> None:
    from drafts.flow import drafting

    prompts.try_out(version_id=versions[1].pk, actor=world.dan, share=0.5)
    labels = set()
    for _ in range(12):
        message = factories.message(world.mail)
        draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
        assert draft is not None
        chosen = prompts.choose(message.conversation_id)
        assert chosen is not None
        assert (draft.prompt_version, draft.prompt_label) == (chosen, chosen.label)
        labels.add(draft.prompt_label)
    assert labels == {"reply-v1", "reply-v2"}
