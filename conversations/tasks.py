"""Workers' tasks of the desk. Each takes ids, calls one verb, and is harmless when it runs twice or late."""

from __future__ import annotations

import logging
import uuid

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from conversations.chats import actions
from conversations.messages import files, outbox, reconcile, scanning, there
from conversations.people import invitations, limits, lost_factor, lost_factor_mail, proofs
from conversations.storage import WholeFiles
from conversations.tenancy import account_directory, tenant_context
from conversations.trail import anchors, checkpoints
from conversations.webhooks import deliver as webhooks
from conversations.webhooks import emit, retention

logger = logging.getLogger(__name__)


@app.task(name="conversations.deliver", queue="outbox")
def deliver(account_id: str, delivery_id: str) -> str:
    return outbox.deliver(account_id=uuid.UUID(account_id), delivery_id=uuid.UUID(delivery_id))


@app.task(name=outbox.LOOK_TASK, queue="outbox")
def look_for_sent(account_id: str, delivery_id: str, number: int) -> str:
    return reconcile.look(account_id=uuid.UUID(account_id), delivery_id=uuid.UUID(delivery_id), number=int(number))


@app.periodic(cron="* * * * * */10")
@app.task(name="conversations.sweep_outbox", queue="outbox", queueing_lock="sweep_outbox")
def sweep_outbox(timestamp: int) -> None:
    """Find deliveries that lost their worker or their job."""
    for account in account_directory():
        outbox.sweep(account_id=account["id"])


@app.task(name=emit.TASK, queue=emit.QUEUE)
def tell_webhook(account_id: str, delivery_id: str) -> str:
    return webhooks.deliver(account_id=uuid.UUID(account_id), delivery_id=uuid.UUID(delivery_id))


@app.periodic(cron="* * * * * */10")
@app.task(name="conversations.sweep_webhooks", queue=emit.QUEUE, queueing_lock="sweep_webhooks")
def sweep_webhooks(timestamp: int) -> None:
    """Find outgoing events that lost their worker or their job."""
    for account in account_directory():
        webhooks.sweep(account_id=account["id"])


@app.periodic(cron="23 * * * *")
@app.task(name="conversations.forget_webhook_events", queueing_lock="forget_webhook_events")
def forget_webhook_events(timestamp: int) -> None:
    """Outgoing events whose time is over."""
    for account in account_directory():
        retention.forget_old(account_id=account["id"])


@app.periodic(cron="* * * * * */30")
@app.task(name="conversations.sweep_actions", queueing_lock="sweep_actions")
def sweep_actions(timestamp: int) -> None:
    """End the proposals of assistants that nobody decided in time."""
    for account in account_directory():
        with tenant_context(account["id"]):
            actions.expire_overdue(account_id=account["id"])


@app.periodic(cron="*/5 * * * *")
@app.task(name="conversations.checkpoint_audit", queueing_lock="checkpoint_audit", lock="checkpoint_audit")
def checkpoint_audit(timestamp: int) -> None:
    """Sign every tenant's newest audit link and copy it outside, so that a chain cut or rewritten later is noticed."""
    kept = anchors.configured()
    for account in account_directory():
        try:
            with tenant_context(account["id"]):
                checkpoints.checkpoint(account["id"])
        except checkpoints.NotSigned as error:
            logger.critical("the audit trail of %s does not hold and was not signed: %s", account["slug"], error)
            continue
        for copy in kept:
            # One place that is away, or that holds something else, must not keep the others from their copies.
            try:
                anchors.anchor(account["id"], to=copy)
            except anchors.Differs as error:
                logger.critical("the audit trail of %s is not what was copied outside: %s", account["slug"], error)
            except Exception:
                logger.exception("the checkpoints of %s were not copied to %s", account["slug"], copy.name)


@app.periodic(cron="41 3 * * *")
@app.task(name="conversations.forget_unfinished_files", queueing_lock="forget_unfinished_files")
def forget_unfinished_files(timestamp: int) -> None:
    """Remove what killed processes began to store."""
    store = files.storage()
    if isinstance(store, WholeFiles):
        store.forget_unfinished()


@app.task(name=there.TASK, retry=RetryStrategy(max_attempts=5, exponential_wait=5))
def fetch_files(account_id: str, message_id: str) -> str:
    return there.fetch_files(account_id=uuid.UUID(account_id), message_id=uuid.UUID(message_id))


@app.task(name=files.SCAN_TASK)
def scan_file(account_id: str, file_id: str) -> str:
    return scanning.scan(account_id=uuid.UUID(account_id), file_id=uuid.UUID(file_id))


@app.periodic(cron="* * * * *")
@app.task(name="conversations.sweep_scans", queueing_lock="sweep_scans")
def sweep_scans(timestamp: int) -> None:
    """Files that no scanner has looked at yet, or could not."""
    for account in account_directory():
        scanning.sweep(account_id=account["id"])


@app.periodic(cron="37 * * * *")
@app.task(name="conversations.forget_tries", queueing_lock="forget_tries")
def forget_tries(timestamp: int) -> None:
    """Counts of tries whose span is over, and resets of a second factor that nobody finished."""
    limits.forget_old()
    lost_factor.lapse()


@app.task(name="conversations.mail_factor_reset", retry=RetryStrategy(max_attempts=8, exponential_wait=4))
def mail_factor_reset(reset_id: str, what: str) -> int:
    return lost_factor_mail.send(reset_id=uuid.UUID(reset_id), what=what)


@app.periodic(cron="* * * * * */15")
@app.task(name="conversations.retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: object, timestamp: int) -> None:
    """Jobs of a killed worker: its heartbeat stopped, so they are put back. Every task tolerates that."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


@app.task(name=invitations.TASK, queue="letters", retry=RetryStrategy(max_attempts=6, exponential_wait=5))
def mail_invitation(account_id: str, invitation_id: str, round: str) -> str:
    return invitations.mail(account_id=uuid.UUID(account_id), invitation_id=uuid.UUID(invitation_id), round=int(round))


@app.task(name=proofs.RESET_TASK, queue="letters")
def mail_reset(proof_id: str, asked_at: str) -> str:
    return proofs.mail_reset(proof_id=int(proof_id), asked_at=asked_at)
