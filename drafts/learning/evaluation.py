"""A prompt version measured on the approved answers: each question is asked again, each reply compared with its answer.

The drafter, the retrieval and the sources are the ones of production, so an evaluation says what the version would do
now. It is compared case by case with a run of the active version over the same questions.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from rapidfuzz.fuzz import token_set_ratio

from conversations import database_time
from conversations.models import Account, User
from conversations.tenancy import tenant_context
from drafts.learning.prompts import BUILT_IN_LABEL, BUILT_IN_TEXT, MAX_CASES
from drafts.models import EvalCase, EvalRun, Golden, PromptVersion
from drafts.writing.port import Drafter, DraftRequest, Turn
from drafts.writing.registry import get_drafter
from drafts.writing.retrieval import find_sources
from drafts.writing.statements import NOT_FOUND, PASSED_ON
from ingestion.jobs import JobKind, Work, queue_job
from ingestion.models import JobRun

GOOD = 0.6  # a reply that shares this much with the approved answer passes
WORSE = 0.15  # a case is worse when it lost this much and no longer passes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question was answered. `similarity` is 0 to 1: the share of the approved answer's words in the reply."""

    answer: str
    similarity: float
    unsourced: int
    declined: bool

    @property
    def passed(self) -> bool:
        return not self.declined and self.similarity >= GOOD


def start(*, version_id: uuid.UUID, actor: User) -> JobRun:
    """Queue an evaluation of this version. Raises PermissionDenied (403), DoesNotExist (404), Conflict (409: it runs)."""
    version = PromptVersion.objects.get(pk=version_id)
    return queue_job(
        account_id=version.account_id, type=JobRun.Type.EVAL, params={"version": str(version.pk)}, actor=actor
    )


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    version = PromptVersion.objects.get(pk=uuid.UUID(str(params["version"])))
    return {"version": str(version.pk), "label": version.label}


def run(work: Work) -> dict[str, Any]:
    """Evaluate the active version and then the one asked for; the verdict is stored on its EvalRun."""
    with tenant_context(work.account_id):
        version = PromptVersion.objects.get(pk=uuid.UUID(work.params["version"]))
        active = PromptVersion.objects.filter(key=version.key, status=PromptVersion.Status.ACTIVE).first()
        goldens = list(Golden.objects.in_use().order_by("-created_at", "-id")[:MAX_CASES])
        account = Account.objects.get(pk=work.account_id)
    versions = [active, version] if active and active.pk != version.pk else [version]
    work.step(done=0, total=len(goldens) * len(versions))
    drafter = get_drafter()
    runs: list[tuple[EvalRun, dict[uuid.UUID, Outcome]]] = []
    for each in versions:
        found: dict[uuid.UUID, Outcome] = {}
        for golden in goldens:
            found[golden.pk] = ask(account=account, golden=golden, prompt=each, drafter=drafter)
            work.step(done=len(found) + sum(len(outcomes) for _, outcomes in runs))
        with tenant_context(work.account_id):
            runs.append((_store(each, found, runs[0] if runs else None, {g.pk: g for g in goldens}), found))
    return dict(runs[-1][0].metrics)


KIND = JobKind(run=run, prepare=prepare, unit="answers")


def ask(*, account: Account, golden: Golden, prompt: PromptVersion | None, drafter: Drafter) -> Outcome:
    """Draft a reply to a golden's question as if a customer had asked it. Nothing is stored."""
    sources, findings, spent = find_sources(account_id=account.pk, text=golden.question)
    result = drafter.write(
        DraftRequest(
            thread=(Turn("customer", golden.question),),
            question=golden.question,
            customer_name="",
            sources=sources,
            prompt_text=prompt.text if prompt else BUILT_IN_TEXT,
            prompt_version=prompt.label if prompt else BUILT_IN_LABEL,
            account_name=account.options.reply_name or account.name,
            recogniser=findings.recogniser,
            spent=spent,
        )
    )
    said = " ".join(result.text[statement.start : statement.end] for statement in result.statements) or result.text
    return Outcome(
        answer=result.text,
        similarity=round(token_set_ratio(golden.answer.lower(), said.lower()) / 100, 4),
        unsourced=sum(1 for statement in result.statements if not statement.source_ids),
        declined=NOT_FOUND in result.text or (not result.statements and PASSED_ON in result.text),
    )


def worse(before: dict[uuid.UUID, Outcome], after: dict[uuid.UUID, Outcome]) -> Iterator[uuid.UUID]:
    """The cases that passed and do not any more, or that brought a new statement without a source."""
    for key, old in before.items():
        new = after[key]
        if (old.passed and not new.passed and old.similarity - new.similarity >= WORSE) or (
            old.passed and new.declined
        ) or new.unsourced > old.unsourced:  # fmt: skip
            yield key


def _store(
    version: PromptVersion,
    found: dict[uuid.UUID, Outcome],
    baseline: tuple[EvalRun, dict[uuid.UUID, Outcome]] | None,
    goldens: dict[uuid.UUID, Golden],
) -> EvalRun:
    lost = list(worse(baseline[1], found)) if baseline else []
    won = list(worse(found, baseline[1])) if baseline else []
    verdict = EvalRun.Status.REGRESSED if len(lost) > len(won) else EvalRun.Status.PASSED
    metrics = {
        "cases": len(found),
        "passed": sum(1 for outcome in found.values() if outcome.passed),
        "declined": sum(1 for outcome in found.values() if outcome.declined),
        "unsourced": sum(outcome.unsourced for outcome in found.values()),
        "similarity": round(sum(outcome.similarity for outcome in found.values()) / max(1, len(found)), 4),
        "better": len(won),
        "worse": [
            {
                "golden": str(key),
                "question": goldens[key].question[:200],
                "before": baseline[1][key].answer[:600] if baseline else "",
                "after": found[key].answer[:600],
            }
            for key in lost[:20]
        ],
    }
    with transaction.atomic():
        run = EvalRun.objects.create(
            account_id=version.account_id,
            prompt_version=version,
            baseline=baseline[0] if baseline else None,
            status=verdict,
            metrics=metrics,
            finished_at=database_time.now(),
        )
        EvalCase.objects.bulk_create(
            EvalCase(
                account_id=version.account_id,
                run=run,
                golden_id=key,
                answer=outcome.answer[:5000],
                similarity=outcome.similarity,
                unsourced=outcome.unsourced,
                declined=outcome.declined,
                passed=outcome.passed,
            )
            for key, outcome in found.items()
        )
    return run
