"""F9 and F17: fifty people decide one draft at the same moment; an approval and the customer's next message meet."""

from __future__ import annotations

import threading
from collections import Counter

from django.db import connection

from conversations.errors import Refusal
from conversations.models import Conversation, Delivery
from conversations.tenancy import tenant_context
from drafts.desk import decisions
from drafts.models import Draft, DraftAction
from tests import factories
from tests.drafts.test_races import Meetings
from tests.faults.ground import Ground, Outcome, noticed

PEOPLE = 50


def f09_fifty_approvers(ground: Ground) -> Outcome:
    """Fifty at once approve, edit or reject one draft, and every third time a newer message comes between: one winner."""
    rounds = ground.count(100, 5)
    out = Outcome(trials=rounds * PEOPLE)
    winners: Counter[str] = Counter()
    for number in range(rounds):
        draft = ground.drafts(1)[0]
        winners[_round(ground, draft, out, with_news=number % 3 == 2)] += 1
    ground.check_trail(out)
    out.figures = ", ".join(f"{number} {who}" for who, number in sorted(winners.items()))

    def decided_twice(planted: Outcome) -> None:
        draft = ground.drafts(1)[0]
        _round(ground, draft, planted, with_news=False)
        with tenant_context(ground.world.acme.pk):
            action = DraftAction.objects.filter(draft=draft).exclude(type__in=["claim", "release"]).first()
        assert action is not None
        ground.superuser(
            "INSERT INTO drafts_draftaction SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(),"
            f" 'request_id', gen_random_uuid()::text))).* FROM drafts_draftaction a WHERE id = '{action.pk}'"
        )
        _judge(ground, draft, planted)

    out.control = noticed(decided_twice, what="a second decision planted")
    return out


def _round(ground: Ground, draft: Draft, out: Outcome, *, with_news: bool) -> str:
    seen, people = factories.seen(draft), [ground.world.ada, ground.world.dan]
    gate = threading.Barrier(PEOPLE + with_news)
    won: list[str] = []

    def decide(number: int) -> None:
        try:
            gate.wait(30)
            with tenant_context(draft.account_id):
                facts = {
                    "draft_id": draft.pk,
                    "actor": people[number % 2],
                    "seen": seen,
                    "request_id": f"{draft.pk}-{number}",
                }
                kind = ("approve", "edit", "reject")[number % 3]
                if kind == "approve":
                    decisions.approve(**facts)
                elif kind == "edit":
                    decisions.approve(**facts, final_text=f"Person {number} wrote this.")
                else:
                    decisions.reject(**facts, reasons=["tone"])
            won.append(kind)
        except Refusal:
            pass
        except Exception as error:
            out.violations.append(f"{error!r}")
        finally:
            connection.close()

    def news() -> None:
        try:
            gate.wait(30)
            factories.reply_to(draft.base_message, "One more thing")
        except Exception as error:
            out.violations.append(f"the customer's message: {error!r}")
        finally:
            connection.close()

    crowd = [threading.Thread(target=decide, args=(number,)) for number in range(PEOPLE)]
    crowd += [threading.Thread(target=news)] if with_news else []
    ground.chance.shuffle(crowd)  # who starts last opens the gate and is often first through it
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    out.must(len(won) == 1 or (with_news and not won), f"{len(won)} winners")
    _judge(ground, draft, out)
    return won[0] if won else "nobody, the customer was first"


def _judge(ground: Ground, draft: Draft, out: Outcome) -> None:
    with tenant_context(draft.account_id):
        acts = list(DraftAction.objects.filter(draft=draft).exclude(type__in=["claim", "release", "undo"]))
        live = list(Delivery.objects.filter(draft_id=draft.pk).exclude(status="cancelled"))
        latest = Conversation.objects.values_list("last_inbound_message", flat=True).get(pk=draft.conversation_id)
    decided = [act for act in acts if act.type in {"approve", "edit", "reject"}]
    out.must(len(decided) <= 1, f"{len(decided)} decisions on one draft")
    for delivery in live:
        out.must(latest == draft.base_message_id, "a reply waits that does not answer the newest message")
        wrote = decided[0].final_text if decided and decided[0].final_text else draft.suggested_text
        out.must(delivery.body_text.strip() == (wrote or "").strip(), "what leaves is not what the winner saw")


def f17_an_approval_meets_a_newer_message(ground: Ground) -> Outcome:
    """An approval and a newer message meet at a random moment: the reply is taken back or refused, and never stale."""
    meetings, batch = Meetings(ground.world, ground.chance), 100
    out = Outcome(trials=ground.count(20, 1) * batch)
    for _ in range(out.trials // batch):
        meetings.hold(batch)
    out.violations += meetings.wrong()
    for outcome, number in meetings.outcomes.items():
        out.must(number > out.trials // 10, f"only {number} were {outcome}: they hardly met")
    ground.check_trail(out)
    out.figures = ", ".join(f"{number} {outcome}" for outcome, number in meetings.outcomes.items())

    def left_stale(planted: Outcome) -> None:
        ground.superuser(
            "UPDATE conversations_delivery SET status = 'queued' WHERE id = "
            "(SELECT id FROM conversations_delivery WHERE status = 'cancelled' LIMIT 1)"
        )
        planted.violations += meetings.wrong()

    out.control = noticed(left_stale, what="a stale reply queued by hand")
    return out
