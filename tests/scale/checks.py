"""What must hold in the end, whatever was killed; each check is tried on a planted violation too."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from conversations.models import Delivery, Message
from conversations.tenancy import tenant_context
from conversations.trail import report
from drafts.models import Draft, DraftAction
from tests.faults.ground import Outcome, noticed
from tests.scale.load import Load

Check = Callable[[Outcome], None]


@dataclass(frozen=True)
class Promise:
    what: str
    count: Callable[[], str]
    check: Check
    plant: Callable[[], None]
    planted: str


def promises(load: Load) -> list[Promise]:
    stage = load.stage

    def messages(out: Outcome) -> None:
        for account in stage.accounts:
            with tenant_context(account.pk):
                there = Counter(Message.objects.filter(direction="inbound").values_list("external_id", flat=True))
            owed = {name for name, of in load.messages.items() if of == account.pk}
            out.must(owed <= set(there), f"{len(owed - set(there))} accepted messages are not there")
            out.must(set(there.values()) <= {1}, "a message is there twice")

    def drafts(out: Outcome) -> None:
        for account in stage.accounts:
            with tenant_context(account.pk):
                owed = set(Message.objects.filter(direction="inbound").values_list("conversation_id", flat=True))
                written = set(Draft.objects.values_list("conversation_id", flat=True))
            out.must(owed <= written, f"{len(owed - written)} conversations have no draft")

    def approvals(out: Outcome) -> None:
        for account in stage.accounts:
            with tenant_context(account.pk):
                decided = Counter(DraftAction.objects.filter(type="approve").values_list("draft_id", flat=True))
                replies = Counter(Delivery.objects.values_list("draft_id", flat=True))
            owed = {draft for draft, of in load.approved.items() if of == account.pk}
            out.must(owed <= set(decided), f"{len(owed - set(decided))} accepted approvals are not there")
            out.must(set(decided.values()) <= {1}, "a draft was approved twice")
            out.must(set(decided) == set(replies), "an approval has no delivery, or a delivery no approval")
            out.must(set(replies.values()) <= {1}, "a draft has two deliveries")

    def replies(out: Outcome) -> None:
        keys: dict[str, str] = {}
        for account in stage.accounts:
            with tenant_context(account.pk):
                keys |= dict(Delivery.objects.values_list("idempotency_key", "status"))
        taken = stage.postbox.taken
        for key, times in taken.items():
            out.must(times <= 1, f"a reply left {times} times")
            out.must(key in keys, "a reply left without an approval")
        for key, status in keys.items():
            out.must(status in {"sent", "uncertain"}, f"a reply is stuck as {status}")
            out.must(status != "sent" or taken[key] == 1, "a reply is called sent and did not leave")

    def trail(out: Outcome) -> None:
        for account in stage.accounts:
            with tenant_context(account.pk):
                found = report.verify(account.pk)
            out.must(found is None, f"the trail is broken: {found}")

    first = lambda table: f"(SELECT id FROM {table} ORDER BY id LIMIT 1)"  # noqa: E731
    return [
        Promise(
            "messages accepted (2xx), none lost, none twice",
            lambda: str(len(load.messages)),
            messages,
            lambda: stage.superuser(f"DELETE FROM conversations_message WHERE external_id = '{min(load.messages)}'"),
            "one removed",
        ),
        Promise(
            "conversations with a draft, none forgotten",
            lambda: str(_count(load, Draft)),
            drafts,
            lambda: stage.superuser(f"DELETE FROM drafts_draft WHERE id = {first('drafts_draft')}"),
            "one removed",
        ),
        Promise(
            "approvals accepted (200), none lost, none twice",
            lambda: f"{len(load.approved)} ({load.beaten} were told that a colleague was quicker)",
            approvals,
            lambda: stage.superuser(f"DELETE FROM drafts_draftaction WHERE id = {first('drafts_draftaction')}"),
            "one removed",
        ),
        Promise(
            "replies that left, none twice, none without an approval",
            lambda: f"{len(stage.postbox.taken)} ({_uncertain(load)} ask a person whether they left)",
            replies,
            lambda: stage.postbox.taken.update([next(iter(stage.postbox.taken))]),
            "one sent again",
        ),
        Promise(
            "audit trails verified",
            lambda: str(len(stage.accounts)),
            trail,
            lambda: stage.superuser(
                f"DELETE FROM conversations_auditevent WHERE id = {first('conversations_auditevent')}"
            ),
            "one event removed",
        ),
    ]


def _count(load: Load, model: type[Draft]) -> int:
    total = 0
    for account in load.stage.accounts:
        with tenant_context(account.pk):
            total += model.objects.values("conversation_id").distinct().count()
    return total


def _uncertain(load: Load) -> int:
    total = 0
    for account in load.stage.accounts:
        with tenant_context(account.pk):
            total += Delivery.objects.filter(status="uncertain").count()
    return total


def is_settled(load: Load, account_id: uuid.UUID) -> bool:
    """Nothing is on its way: each message has its draft, each draft is decided, each reply has ended."""
    with tenant_context(account_id):
        under_way = Delivery.objects.exclude(status__in=["sent", "uncertain", "failed", "cancelled"]).exists()
        waiting = Draft.objects.filter(status="pending").exists()
        owed = Message.objects.filter(direction="inbound").exclude(
            conversation_id__in=Draft.objects.values("conversation_id")
        )
        return not under_way and not waiting and not owed.exists()


def violated(promise: Promise) -> list[str]:
    found = Outcome()
    promise.check(found)
    return found.violations


def control(promise: Promise) -> str:
    """What the check says once a violation was planted; "" if it says nothing."""
    promise.plant()
    return noticed(promise.check, what=promise.planted)
