"""Workers' tasks of drafting, and of the assistant."""

from __future__ import annotations

import uuid

from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app

from conversations.chats import turns
from conversations.models import Account
from conversations.tenancy import account_directory, tenant_context
from drafts.answers import goldens
from drafts.assistant import engine, expiring, vectors
from drafts.desk import lanes, presence, quiet
from drafts.flow import drafting, sweeping
from drafts.practice import drafting as practice
from drafts.writing.port import DrafterUnavailable
from ingestion.knowledge.embed import EmbedderDown

ATTEMPTS = 4


@app.task(
    name="drafts.write",
    queue="drafts",
    pass_context=True,
    retry=RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=3, retry_exceptions={DrafterUnavailable}),
)
def write(context: JobContext, account_id: str, conversation_id: str, asked_by: str = "") -> str:
    """Write the draft that a conversation asks for. After the last attempt a person sees it without one."""
    account, conversation = uuid.UUID(account_id), uuid.UUID(conversation_id)
    try:
        draft = drafting.write_draft(
            account_id=account, conversation_id=conversation, asked_by=uuid.UUID(asked_by) if asked_by else None
        )
    except DrafterUnavailable as error:
        if context.job and context.job.attempts + 1 < ATTEMPTS:
            raise
        with tenant_context(account):
            draft = drafting.store_failure(account_id=account, conversation_id=conversation, reason=str(error))
    if draft is None:
        return "nothing to write"
    with tenant_context(account):
        lanes.consider(draft_id=draft.pk)
    return str(draft.pk)


@app.periodic(cron="* * * * *")
@app.task(name="drafts.sweep", queue="drafts", queueing_lock="sweep_drafts")
def sweep(timestamp: int) -> None:
    """Ask again for drafts whose job was lost."""
    for account in account_directory():
        if account["is_active"]:
            sweeping.sweep(account_id=account["id"])


@app.task(name="drafts.answer", queue="drafts")
def answer(account_id: str, person_id: str, turn_id: str) -> str:
    """Answer what somebody asked the assistant."""
    return engine.answer(account_id=uuid.UUID(account_id), person_id=uuid.UUID(person_id), turn_id=uuid.UUID(turn_id))


@app.task(
    name="drafts.practise",
    queue="drafts",
    pass_context=True,
    retry=RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=3, retry_exceptions={DrafterUnavailable}),
)
def practise(context: JobContext, account_id: str, person_id: str, turn_id: str) -> str:
    """Draft an answer to what the assistant said as a customer, for somebody who practises."""
    last_try = not context.job or context.job.attempts + 1 >= ATTEMPTS
    return practice.write(
        account_id=uuid.UUID(account_id),
        person_id=uuid.UUID(person_id),
        turn_id=uuid.UUID(turn_id),
        last_try=last_try,
    )


@app.periodic(cron="* * * * * */10")
@app.task(name="drafts.sweep_turns", queue="drafts", queueing_lock="sweep_turns")
def sweep_turns(timestamp: int) -> None:
    """Find questions that lost their worker or their job."""
    for account in account_directory():
        turns.sweep(account_id=account["id"])
        practice.sweep(account_id=account["id"])


@app.task(
    name="drafts.read_chats",
    queue="knowledge",
    retry=RetryStrategy(max_attempts=ATTEMPTS, exponential_wait=3, retry_exceptions={EmbedderDown}),
)
def read_chats(account_id: str, person_id: str) -> int:
    """What this person said in their chats, read for its meaning: found by them then also without its words."""
    return vectors.remember(account_id=uuid.UUID(account_id), person_id=uuid.UUID(person_id))


@app.periodic(cron="*/5 * * * *")
@app.task(name="drafts.watch_lanes", queue="drafts", queueing_lock="watch_lanes")
def watch_lanes(timestamp: int) -> None:
    """Lanes whose evidence is gone are suspended, also when no draft comes to ask for them."""
    for account in account_directory():
        with tenant_context(account["id"]):
            lanes.watch(account_id=account["id"])


@app.periodic(cron="*/5 * * * *")
@app.task(name="drafts.warn_of_expiry", queue="drafts", queueing_lock="warn_of_expiry")
def warn_of_expiry(timestamp: int) -> None:
    """What nobody decided is told of once more before its time is over."""
    for account in account_directory():
        with tenant_context(account["id"]):
            expiring.warn(account_id=account["id"])


@app.periodic(cron="*/5 * * * *")
@app.task(name="drafts.forget_presence", queue="drafts", queueing_lock="forget_presence")
def forget_presence(timestamp: int) -> None:
    """Who read what an hour ago is not kept."""
    for account in account_directory():
        with tenant_context(account["id"]):
            presence.forget(account["id"])


@app.periodic(cron="*/5 * * * *")
@app.task(name="drafts.sweep_goldens", queue="knowledge", queueing_lock="sweep_goldens")
def sweep_goldens(timestamp: int) -> None:
    """Approved answers come into use and go out of it when their time says so."""
    for account in account_directory():
        goldens.sweep(account_id=account["id"])


@app.periodic(cron="23 * * * *")
@app.task(name="drafts.close_quiet", queue="drafts", queueing_lock="close_quiet")
def close_quiet(timestamp: int) -> None:
    """What waited for a customer who did not write any more closes, where the account wants that."""
    for account in account_directory():
        with tenant_context(account["id"]):
            if days := Account.objects.get(pk=account["id"]).options.close_after_days:
                quiet.close_quiet(account_id=account["id"], days=days)
