from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit
from conversations.errors import Conflict, Invalid, Refusal
from conversations.models import AuditEvent, Notification
from conversations.tenancy import tenant_context
from ingestion import jobs
from ingestion.models import JobRun
from tests.asserts import assert_nothing_written
from tests.conftest import World

Run = Callable[[jobs.Work], dict[str, Any]]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Run]]:
    """What jobs of the type `export` do in a test."""
    todo: dict[str, Run] = {"run": lambda work: {"done": True}}

    def prepare(params: dict[str, Any]) -> dict[str, Any]:
        if params.get("wrong"):
            raise Invalid("Not like that. Nothing was started.")
        return params

    kind = jobs.JobKind(run=lambda work: todo["run"](work), prepare=prepare, unit="steps")
    monkeypatch.setitem(jobs._kinds, JobRun.Type.EXPORT, kind)
    yield todo


def ask(world: World, actor: Any = None, **params: Any) -> JobRun:
    with tenant_context(world.acme.pk):
        return jobs.queue_job(account_id=world.acme.pk, type="export", params=params, actor=actor or world.dan)


def do(world: World, job: JobRun, **options: Any) -> str:
    return jobs.run_job(account_id=world.acme.pk, job_id=job.pk, **options)


def fresh(world: World, job: JobRun) -> JobRun:
    with tenant_context(world.acme.pk):
        return JobRun.objects.get(pk=job.pk)


def set_facts(world: World, job: JobRun, **facts: Any) -> None:
    with tenant_context(world.acme.pk):
        JobRun.objects.filter(pk=job.pk).update(**facts)


def test_an_admin_asks_and_a_worker_is_woken_in_the_same_transaction(world: World, work: dict[str, Run]) -> None:
    job = ask(world, days=7)
    assert (job.status, job.params, job.unit, job.started_by_name) == ("queued", {"days": 7}, "steps", "Dan")
    waiting = ProcrastinateJob.objects.get(task_name="ingestion.run_job")
    assert waiting.args == {"account_id": str(world.acme.pk), "job_id": str(job.pk)}
    with tenant_context(world.acme.pk):
        event = AuditEvent.objects.get(kind="job.asked")
    assert audit.sentence(event) == "Dan asked for the job export"


def test_the_same_job_is_not_queued_twice_but_another_is(world: World, work: dict[str, Run]) -> None:
    job = ask(world, days=7)
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Conflict, match="nothing was started"):
        jobs.queue_job(account_id=world.acme.pk, type="export", params={"days": 7}, actor=world.dan)
    ask(world, days=8)
    set_facts(world, job, status="running")
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Conflict):
        jobs.queue_job(account_id=world.acme.pk, type="export", params={"days": 7}, actor=world.dan)
    set_facts(world, job, status="failed")
    ask(world, days=7)


def test_long_jobs_leave_workers_to_drafting(
    world: World, work: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(jobs._kinds, JobRun.Type.CRAWL, jobs._kinds[JobRun.Type.EXPORT])
    for account, admin in ((world.acme, world.dan), (world.globex, audit.SYSTEM)):
        with tenant_context(account.pk):
            for number in range(3):
                for kind in ("crawl", "export"):
                    jobs.queue_job(account_id=account.pk, type=kind, params={"n": number}, actor=admin)
    locks = list(ProcrastinateJob.objects.values_list("lock", flat=True))
    assert len(locks) == 12
    assert len({lock for lock in locks if lock.startswith("crawl:")}) <= 2
    assert {lock for lock in locks if not lock.startswith("crawl:")} == {
        f"jobs:{world.acme.pk}",
        f"jobs:{world.globex.pk}",
    }


def test_two_who_ask_at_once_get_one_job(
    committed_world: World, work: dict[str, Run], in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    results = in_threads([lambda: ask(committed_world, days=1)] * 6)
    assert sum(isinstance(result, JobRun) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 5


@pytest.mark.parametrize("who", ["ada", "bo", "cy", "eve"])
def test_nobody_but_an_admin_of_the_account_asks_or_cancels(world: World, work: dict[str, Run], who: str) -> None:
    job = ask(world)
    with tenant_context(world.acme.pk), assert_nothing_written():
        with pytest.raises(PermissionDenied):
            jobs.queue_job(account_id=world.acme.pk, type="export", params={"n": 2}, actor=getattr(world, who))
        with pytest.raises(PermissionDenied):
            jobs.cancel_job(job_id=job.pk, actor=getattr(world, who))


@pytest.mark.parametrize("who", ["bo", "cy", "eve"])
def test_a_reviewer_may_start_a_failed_job_again_and_nobody_less(world: World, work: dict[str, Run], who: str) -> None:
    job = ask(world)
    set_facts(world, job, status="running")
    set_facts(world, job, status="failed", error="no")
    with tenant_context(world.acme.pk):
        with assert_nothing_written(), pytest.raises(PermissionDenied):
            jobs.retry_job(job_id=job.pk, actor=getattr(world, who))
        again = jobs.retry_job(job_id=job.pk, actor=world.ada)
    assert (again.status, again.error, again.attempts) == ("queued", "", 0)
    assert do(world, job) == "succeeded"


def test_another_tenants_job_does_not_exist(world: World, work: dict[str, Run]) -> None:
    job = ask(world)
    with tenant_context(world.globex.pk), assert_nothing_written():
        for verb in (jobs.cancel_job, jobs.retry_job):
            with pytest.raises(JobRun.DoesNotExist):
                verb(job_id=job.pk, actor=world.eve)
    assert jobs.run_job(account_id=world.globex.pk, job_id=job.pk) == "not queued"
    assert fresh(world, job).status == "queued"


def test_what_cannot_be_asked_for_is_refused(world: World, work: dict[str, Run]) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        with pytest.raises(Invalid, match="Not like that"):
            jobs.queue_job(account_id=world.acme.pk, type="export", params={"wrong": True}, actor=world.dan)
        for kind in ("retention", "no such type"):
            with pytest.raises(Invalid, match="run by a command"):
                jobs.queue_job(account_id=world.acme.pk, type=kind, params={}, actor=world.dan)


def test_it_runs_with_progress_and_ends_with_metrics(world: World, work: dict[str, Run]) -> None:
    seen = []

    def run(work: jobs.Work) -> dict[str, Any]:
        for number in range(3):
            work.step(done=number, total=3, resume={"next": number})
            row = fresh(world, job)
            seen.append((row.status, row.done, row.total, row.resume, row.heartbeat_at is not None))
        return {"made": 3}

    work["run"] = run
    job = ask(world)
    assert do(world, job) == "succeeded"
    assert seen == [("running", n, 3, {"next": n}, True) for n in range(3)]
    ended = fresh(world, job)
    assert (ended.status, ended.metrics, ended.attempts) == ("succeeded", {"made": 3}, 1)
    assert do(world, job) == "not queued"


@pytest.mark.parametrize(
    ("error", "told"), [(Refusal("The disk is full."), "The disk is full."), (KeyError("x"), "KeyError: 'x'")]
)
def test_what_goes_wrong_is_on_the_job_and_people_are_told(
    world: World, work: dict[str, Run], error: Exception, told: str
) -> None:
    def run(work: jobs.Work) -> dict[str, Any]:
        raise error

    work["run"] = run
    job = ask(world)
    assert do(world, job) == "failed"
    assert (fresh(world, job).status, fresh(world, job).error) == ("failed", told)
    with tenant_context(world.acme.pk):
        assert Notification.objects.get(type="job_failed").payload["error"] == told


def test_a_cancelled_job_stops_at_its_next_step_and_is_not_failed(world: World, work: dict[str, Run]) -> None:
    reached = []

    def run(work: jobs.Work) -> dict[str, Any]:
        work.step(done=1)
        with tenant_context(world.acme.pk):
            jobs.cancel_job(job_id=job.pk, actor=world.dan)
        work.step(done=2, resume={"next": 2})
        reached.append("past it")
        return {}

    work["run"] = run
    job = ask(world)
    assert do(world, job) == "stopped"
    ended = fresh(world, job)
    assert (ended.status, ended.done, ended.resume, reached) == ("cancelled", 2, {"next": 2}, [])
    with tenant_context(world.acme.pk):
        assert not Notification.objects.exists()
        with assert_nothing_written(), pytest.raises(Conflict, match="cancelled already"):
            jobs.cancel_job(job_id=job.pk, actor=world.dan)


def test_a_job_cancelled_before_it_began_does_not_begin(world: World, work: dict[str, Run]) -> None:
    job = ask(world)
    with tenant_context(world.acme.pk):
        jobs.cancel_job(job_id=job.pk, actor=world.dan)
    assert do(world, job) == "not queued"


def test_a_retry_goes_on_from_where_it_was(world: World, work: dict[str, Run]) -> None:
    begun_at = []

    def run(work: jobs.Work) -> dict[str, Any]:
        begun_at.append(work.resume.get("next", 0))
        work.step(resume={"next": 5})
        if len(begun_at) == 1:
            raise Refusal("The network went away.")
        return {}

    work["run"] = run
    job = ask(world)
    assert do(world, job) == "failed"
    with tenant_context(world.acme.pk):
        jobs.retry_job(job_id=job.pk, actor=world.dan)
        with assert_nothing_written(), pytest.raises(Conflict, match="queued"):
            jobs.retry_job(job_id=job.pk, actor=world.dan)
    assert do(world, job) == "succeeded"
    assert begun_at == [0, 5]


def test_a_worker_that_is_to_stop_puts_the_job_back(world: World, work: dict[str, Run]) -> None:
    work["run"] = lambda work: work.step(done=1, resume={"next": 1}) or {}
    job = ask(world)
    ProcrastinateJob.objects.all()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    assert do(world, job, should_stop=lambda: True) == "put back"
    back = fresh(world, job)
    assert (back.status, back.resume, back.attempts) == ("queued", {"next": 1}, 0)
    assert ProcrastinateJob.objects.filter(status="todo", task_name="ingestion.run_job").count() == 1
    assert do(world, job) == "succeeded"


def test_a_job_without_a_heartbeat_is_given_to_another_three_times_and_then_failed(
    world: World, work: dict[str, Run]
) -> None:
    def die(work: jobs.Work) -> dict[str, Any]:
        raise KeyboardInterrupt

    work["run"] = die
    job = ask(world)
    for attempt in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            do(world, job)
        assert jobs.sweep(account_id=world.acme.pk) == 0  # its heart still beat a moment ago
        set_facts(world, job, heartbeat_at=timezone.now() - jobs.SILENCE - timedelta(seconds=1))
        assert jobs.sweep(account_id=world.acme.pk) == 1
        assert (fresh(world, job).attempts, fresh(world, job).status) == (
            attempt,
            "failed" if attempt == 3 else "queued",
        )
    assert "stopped 3 times" in fresh(world, job).error
    with tenant_context(world.acme.pk):
        assert Notification.objects.filter(type="job_failed").count() == 1


def test_a_worker_that_wakes_up_after_it_was_given_up_changes_nothing(world: World, work: dict[str, Run]) -> None:
    held: list[jobs.Work] = []

    def run(work: jobs.Work) -> dict[str, Any]:
        held.append(work)
        if len(held) == 1:
            # Its worker sleeps through two minutes; another one takes the job and is in the middle of it.
            set_facts(world, job, heartbeat_at=timezone.now() - jobs.SILENCE - timedelta(seconds=1))
            jobs.sweep(account_id=world.acme.pk)
            assert do(world, job) == "failed"
        elif len(held) == 2:
            with pytest.raises(jobs.Stopped):
                held[0].step(done=99)
            assert fresh(world, job).done == 0
            raise Refusal("enough")
        return {"by": "the first"}

    work["run"] = run
    job = ask(world)
    assert do(world, job) == "stopped"
    assert (fresh(world, job).status, fresh(world, job).metrics) == ("failed", {})


def test_a_queued_job_whose_wake_up_was_lost_is_woken_again(world: World, work: dict[str, Run]) -> None:
    job = ask(world)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    jobs.sweep(account_id=world.acme.pk)
    assert not ProcrastinateJob.objects.exists()
    set_facts(world, job, created_at=timezone.now() - jobs.SILENCE - timedelta(seconds=1))
    jobs.sweep(account_id=world.acme.pk)
    jobs.sweep(account_id=world.acme.pk)
    assert ProcrastinateJob.objects.filter(task_name="ingestion.run_job").count() == 1


def test_what_a_job_works_on_may_have_gone(world: World) -> None:
    with tenant_context(world.acme.pk):
        job = JobRun.objects.create(account=world.acme, type="crawl", params={"site": str(uuid.uuid4())})
    assert do(world, job) == "failed"
    assert fresh(world, job).error == "What this job works on is not there any more."
