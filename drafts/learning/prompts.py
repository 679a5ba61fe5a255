"""Prompts as versions: one is active, one may be on trial, and none becomes active that does worse on approved answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Max, QuerySet

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import User
from conversations.people.roles import Verb, check
from drafts.evidence.sampling import bucket
from drafts.models import EvalRun, Golden, PromptVersion

Status = PromptVersion.Status
KEY = "reply"
#: What drafts are written with until the account has a version of its own.
BUILT_IN_LABEL = f"{KEY}-v0"
BUILT_IN_TEXT = (
    "You write reply drafts for a support desk. A person checks and signs each one. Answer only from the sources given, "
    "cite them sentence by sentence, keep the customer's language, be brief and warm. If the sources do not hold the "
    "answer, say so and promise a person."
)
MAX_TEXT = 20_000
MAX_CASES = (
    200  # approved answers of an evaluation, the newest; more would not change a verdict and costs a model's time
)


def add(*, account_id: uuid.UUID, actor: User, text: str, note: str = "", key: str = KEY) -> PromptVersion:
    """The next version of a prompt, as a draft: no draft reply is written with it yet. The caller is in the tenant.

    Raises PermissionDenied (403), Invalid (422: no text, or too long a one).
    """
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise Invalid(f"A prompt has 1 to {MAX_TEXT:,} characters; this one has {len(text):,}. Nothing was stored.")
    with transaction.atomic():
        check(actor, Verb.MANAGE, account_id=account_id)
        newest = PromptVersion.objects.filter(key=key).aggregate(newest=Max("version"))["newest"]
        version = PromptVersion.objects.create(
            account_id=account_id, key=key, version=(newest or 0) + 1, text=text, note=note[:300], created_by=actor
        )
        _record(version, actor, "added")
    return version


def activate(*, version_id: uuid.UUID, actor: User) -> PromptVersion:
    """Make this version the one that drafts are written with; the former one is retired, and can come back at once.

    A version that was never active needs its newest evaluation to have passed when there are, or were since it was added,
    approved answers to measure it on: Conflict (409) otherwise, with the cases that got worse in `facts["cases"]`.
    """
    with transaction.atomic():
        version = _lock(version_id, actor)
        if version.status == Status.ACTIVE:
            return version
        if version.status == Status.DRAFT:
            _passed(version)
        active = PromptVersion.objects.filter(account_id=version.account_id, key=version.key, status=Status.ACTIVE)
        active.update(status=Status.RETIRED)
        version.status, version.trial_share = Status.ACTIVE, 0.0
        version.save(update_fields=["status", "trial_share"])
        _record(version, actor, "active")
    return version


def try_out(*, version_id: uuid.UUID, actor: User, share: float) -> PromptVersion:
    """Write the drafts of this share of conversations (0 to 0.5) with a version that is not active yet. 0 ends the trial.

    One version of a prompt is on trial at a time. Which conversations it gets is decided by their hash: a conversation stays
    on its side as long as the trial runs.

    Customers get its replies, so a trial asks for what `activate` asks for.

    Raises PromptVersion.DoesNotExist (404), PermissionDenied (403), Conflict (409: it was active, or its evaluation is
    missing, out of date or not passed), Invalid (422: the share).
    """
    if not 0 <= share <= 0.5:
        raise Invalid("A trial takes 0 to 50 % of the conversations. Nothing was changed.")
    with transaction.atomic():
        version = _lock(version_id, actor)
        if version.status != Status.DRAFT:
            raise Conflict(f"{version.label} is {version.status}: only a version that waits can be tried out.")
        if share:
            _passed(version)
        others = PromptVersion.objects.filter(account_id=version.account_id, key=version.key, trial_share__gt=0)
        others.exclude(pk=version.pk).update(trial_share=0.0)
        version.trial_share = share
        version.save(update_fields=["trial_share"])
        _record(version, actor, f"trial on {share:.0%}" if share else "trial ended")
    return version


def choose(conversation_id: uuid.UUID, key: str = KEY) -> PromptVersion | None:
    """The version that this conversation's drafts are written with; None: the built-in text. The caller is in the tenant."""
    found = {
        version.status: version
        for version in PromptVersion.objects.filter(key=key).exclude(status=Status.RETIRED)
        if version.status == Status.ACTIVE or version.trial_share
    }
    trial = found.get(Status.DRAFT)
    if trial is not None and bucket(conversation_id, trial.label) < trial.trial_share:
        return trial
    return found.get(Status.ACTIVE)


def end_trial(version: PromptVersion) -> None:
    """No more customers for a version that turned out to do worse; in the caller's transaction."""
    locked = PromptVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
    if locked.trial_share:
        locked.trial_share = 0.0
        locked.save(update_fields=["trial_share"])
        _record(locked, audit.SYSTEM, "trial ended: its evaluation did not pass")


def cases_of(version: PromptVersion) -> QuerySet[Golden]:
    """What it is measured on: the answers in use, and those retired since it was added. Otherwise whoever retires an answer
    would retire the question that a version fails. The newest `MAX_CASES`."""
    return (Golden.objects.in_use() | _retired_since(version.created_at)).order_by("-created_at", "-id")[:MAX_CASES]


def how_many_cases(versions: Iterable[PromptVersion]) -> dict[uuid.UUID, int]:
    """The size of `cases_of` for each of these versions, in two statements."""
    used, known = Golden.objects.in_use().count(), list(versions)
    first = min((version.created_at for version in known), default=None)
    retired = list(_retired_since(first).values_list("decided_at", flat=True)[:MAX_CASES]) if first else []
    return {
        version.pk: min(MAX_CASES, used + sum(1 for at in retired if at and at >= version.created_at))
        for version in known
    }


def _retired_since(since: datetime) -> QuerySet[Golden]:
    return Golden.objects.filter(status=Golden.Status.RETIRED, decided_at__gte=since)


def obstacle(version: PromptVersion, run: EvalRun | None, *, cases: int, active: uuid.UUID | None) -> Conflict | None:
    """What keeps a version that was never active from customers; None: nothing. `run` is its newest evaluation (with its
    baseline), `cases` the size of `cases_of`, `active` the version that drafts are written with now."""
    if not cases and run is None:
        return None  # nothing to measure it on
    if run is None or run.status in {EvalRun.Status.RUNNING, EvalRun.Status.FAILED}:
        return Conflict(
            f"{version.label} has no finished evaluation on your {cases} approved answers. Evaluate it first; "
            "drafts are written with the former version as before."
        )
    if run.metrics.get("cases", 0) < cases or (run.baseline.prompt_version_id if run.baseline else None) != active:
        return Conflict(
            f"The evaluation of {version.label} is out of date: since then answers were approved, or another version became "
            "active. Evaluate it again; drafts are written with the active version as before."
        )
    if run.status == EvalRun.Status.REGRESSED:
        lost = run.metrics.get("worse", [])
        return Conflict(
            f"{version.label} does worse than the active version on {len(lost)} questions. Nothing was changed: "
            + "; ".join(case["question"][:80] for case in lost[:5]),
            cases=lost,
        )
    return None


def _passed(version: PromptVersion) -> None:
    runs = EvalRun.objects.filter(prompt_version=version).select_related("baseline")
    active = PromptVersion.objects.filter(account_id=version.account_id, key=version.key, status=Status.ACTIVE).first()
    found = obstacle(
        version,
        runs.order_by("-created_at", "-id").first(),
        cases=cases_of(version).count(),
        active=active.pk if active else None,
    )
    if found:
        raise found


def _lock(version_id: uuid.UUID, actor: User) -> PromptVersion:
    version = PromptVersion.objects.select_for_update(of=("self",)).get(pk=version_id)
    check(actor, Verb.MANAGE, account_id=version.account_id)
    return version


def _record(version: PromptVersion, actor: User | audit.Actor, what: str) -> None:
    audit.record(
        audit.Kind.ADMIN_CHANGED, actor=actor, about=version, data={"what": f"prompt {version.label}", "fields": what}
    )
