"""Workers' tasks of what comes in."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from procrastinate import JobContext
from procrastinate.contrib.django import app

from conversations import audit
from conversations.database import database_time
from conversations.errors import Refusal
from conversations.tenancy import account_directory, tenant_context
from ingestion import jobs, keys, mailboxes, receive, request_keys, uploads
from ingestion.knowledge.answers import learn_answers as learn
from ingestion.knowledge.crawl import period
from ingestion.knowledge.embed import EmbedderDown
from ingestion.knowledge.index import repair_vectors as repair
from ingestion.knowledge.index import vectors_missing
from ingestion.knowledge.vectors import VectorStoreDown
from ingestion.models import JobRun, Site

logger = logging.getLogger(__name__)


@app.task(name="ingestion.run_job", queue="knowledge", pass_context=True)
def run_job(context: JobContext, account_id: str, job_id: str) -> str:
    """Do a JobRun. When the worker is asked to stop, the job goes back to the queue with what it knows."""
    return jobs.run_job(account_id=uuid.UUID(account_id), job_id=uuid.UUID(job_id), should_stop=context.should_abort)


@app.task(name="ingestion.read_event", queue="inbound")
def read_event(account_id: str, event_id: str) -> str:
    """Read a stored mail into its conversation."""
    found = receive.read_event(account_id=uuid.UUID(account_id), event_id=uuid.UUID(event_id))
    return str(found.event.status)


@app.periodic(cron="* * * * *")
@app.task(name="ingestion.sweep_mail", queue="inbound", queueing_lock="sweep_mail")
def sweep_mail(timestamp: int) -> None:
    """Mails whose reader was killed, or whom nobody read, are read again."""
    for account in account_directory():
        receive.sweep(account_id=account["id"])


@app.periodic(cron="* * * * *")
@app.task(name="ingestion.fetch_mailboxes", queue="mailboxes", queueing_lock="fetch_mailboxes")
def fetch_mailboxes(timestamp: int) -> None:
    """Ask for a round of each mailbox, in jobs of their own: one that hangs keeps no other from its mail."""
    for account in account_directory():
        if account["is_active"]:
            mailboxes.ask_for_rounds(account_id=account["id"])


@app.task(name=mailboxes.TASK, queue="mailboxes")
def fetch_mail(account_id: str, mailbox_id: str) -> int:
    """One round of one mailbox; returns how many mails were kept."""
    return mailboxes.fetch(account_id=uuid.UUID(account_id), mailbox_id=uuid.UUID(mailbox_id))


@app.periodic(cron="* * * * *")
@app.task(name="ingestion.sweep_jobs", queue="knowledge", queueing_lock="sweep_jobs")
def sweep_jobs(timestamp: int) -> None:
    """Jobs that lost their worker go on, uploads nobody needs go, sites that are due are crawled."""
    for account in account_directory():
        jobs.sweep(account_id=account["id"])
        uploads.drop_uploads(account_id=account["id"])
        if account["is_active"]:
            crawl_due_sites(account_id=account["id"])


@app.periodic(cron="11 * * * *")
@app.task(name="ingestion.sweep_files", queueing_lock="sweep_files")
def sweep_files(timestamp: int) -> None:
    """Bytes that nothing names leave the store."""
    for account in account_directory():
        uploads.sweep(account_id=account["id"])


@app.periodic(cron="23 2 * * *")
@app.task(name="ingestion.nightly", queue="knowledge", queueing_lock="ingestion_nightly")
def nightly(timestamp: int) -> None:
    """What people changed becomes proposed answers, once a night (UTC)."""
    for account in account_directory():
        if account["is_active"]:
            _ask(account["id"], JobRun.Type.CORRECTIONS_SYNC, {})


@app.periodic(cron="*/10 * * * *")
@app.task(name="ingestion.repair_vectors", queue="knowledge", queueing_lock="repair_vectors")
def repair_vectors(timestamp: int) -> None:
    """Passages that were indexed while the vector store was down get their vectors."""
    for account in account_directory():
        try:
            if vectors_missing(account["id"]):
                repair(account["id"])
        except (VectorStoreDown, EmbedderDown) as error:
            logger.warning("account %s: vectors not repaired yet: %s", account["slug"], error)


@app.periodic(cron="3-59/10 * * * *")
@app.task(name="ingestion.learn_answers", queue="knowledge", queueing_lock="learn_answers")
def learn_answers(timestamp: int) -> None:
    """Approved answers that changed are learned again."""
    for account in account_directory():
        try:
            learn(account_id=account["id"])
        except EmbedderDown as error:
            logger.warning("account %s: approved answers not learned yet: %s", account["slug"], error)


@app.periodic(cron="29 4 * * *")
@app.task(name="ingestion.forget_request_keys", queueing_lock="forget_request_keys")
def forget_request_keys(timestamp: int) -> None:
    """Idempotency-Keys end with the raw bytes of their requests, keys of events when no vendor brings them again."""
    for account in account_directory():
        request_keys.forget(account["id"])
        keys.forget(account["id"])


def crawl_due_sites(*, account_id: uuid.UUID) -> int:
    """Ask for a crawl of each site that nobody asked for in its last `every_hours`; returns of how many."""
    now, due = database_time.now(), []
    with tenant_context(account_id):
        for site in Site.objects.filter(is_active=True, every_hours__gt=0):
            asked = JobRun.objects.filter(
                type=JobRun.Type.CRAWL,
                params__site=str(site.pk),
                created_at__gt=now - period(site),
            )
            if not asked.exists():
                due.append(site.pk)
    return sum(_ask(account_id, JobRun.Type.CRAWL, {"site": str(pk)}) for pk in due)


def _ask(account_id: uuid.UUID, type: JobRun.Type, params: dict[str, Any]) -> bool:
    """Queue a job for the clock; one that is there already is enough."""
    try:
        with tenant_context(account_id):
            jobs.queue_job(account_id=account_id, type=type, params=params, actor=audit.SYSTEM)
    except Refusal as refusal:
        logger.debug("account %s: %s not queued: %s", account_id, type, refusal)
        return False
    return True
