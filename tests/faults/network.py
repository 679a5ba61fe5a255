"""F3 to F6: the customer's mail server hangs up, is away, stalls, is busy, or refuses."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from django.db import connection

from conversations.messages import moves, outbox
from conversations.models import Delivery, DeliveryAttempt
from conversations.tenancy import tenant_context
from tests.faults.ground import TIMEOUT, Ground, Outcome, noticed


def deliver_all(ground: Ground, rows: list[Delivery], *, at_once: int = 8) -> Counter[str]:
    def one(row: Delivery) -> str:
        try:
            return outbox.deliver(account_id=row.account_id, delivery_id=row.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=at_once) as crowd:
        return Counter(crowd.map(one, rows))


def f03_the_answer_is_lost(ground: Ground) -> Outcome:
    """The server takes the mail and hangs up before it says so, every third time."""
    out = Outcome(trials=ground.count(100, 12))
    ground.postbox.mode, ground.postbox.every = "hang up", 3
    rows = ground.approved(out.trials)
    found = deliver_all(ground, rows)
    for _ in range(2):  # nobody tries again by himself
        ground.due()
        deliver_all(ground, rows)
        outbox.sweep(account_id=ground.world.acme.pk)
    ground.check_sent(out)
    with tenant_context(ground.world.acme.pk):
        uncertain = set(Delivery.objects.filter(status="uncertain").values_list("idempotency_key", flat=True))
    out.must(uncertain == ground.postbox.hung_up, f"{len(ground.postbox.hung_up)} hung up, {len(uncertain)} uncertain")
    out.figures = ", ".join(f"{number} {state}" for state, number in sorted(found.items()))

    def again(planted: Outcome) -> None:
        ground.postbox.mode = "take"
        with mock.patch.object(outbox, "_uncertain", lambda row, detail: moves.move(row, outbox.Status.QUEUED)):
            _repeat(ground, rows[2])
        ground.check_sent(planted, settled=False)

    out.control = noticed(again, what="an uncertain one repeated by hand")
    return out


def _repeat(ground: Ground, row: Delivery) -> None:
    ground.superuser(f"UPDATE conversations_delivery SET status = 'queued' WHERE id = '{row.pk}'")
    ground.due()
    outbox.deliver(account_id=row.account_id, delivery_id=row.pk)


def f04_away_or_silent_or_slow(ground: Ground) -> Outcome:
    """Refused connections are tried again and sent once; a server that never answers the text leaves a doubt."""
    each = ground.count(50, 5)
    out = Outcome(trials=3 * each)
    rows = ground.approved(each)
    ground.postbox.stop()
    away = deliver_all(ground, rows)
    out.must(set(away) <= {"queued", "held"}, f"while the server was away: {dict(away)}")
    ground.postbox.start()
    ground.due()
    deliver_all(ground, rows[:1])  # one tries the channel, for all
    back = deliver_all(ground, rows)
    out.must(set(back) == {"sent"}, f"after its return: {dict(back)}")

    silent = ground.approved(each)
    ground.postbox.mode = "silent"
    began = time.monotonic()
    found = deliver_all(ground, silent, at_once=each)
    took = time.monotonic() - began
    out.must(set(found) == {"uncertain"}, f"a silent server: {dict(found)}")
    out.must(took < TIMEOUT * 3 + 5, f"a silent server held the worker for {took:.1f} s")

    slow = ground.approved(each)
    ground.postbox.mode = 0.3
    found = deliver_all(ground, slow)
    out.must(set(found) == {"sent"}, f"a slow server: {dict(found)}")
    ground.check_sent(out)
    out.figures = f"silent: {took:.1f} s for {each}"

    def lost(planted: Outcome) -> None:
        key = slow[0].idempotency_key
        ground.postbox.taken.pop(key, None)
        ground.check_sent(planted)

    out.control = noticed(lost, what="a taken mail forgotten by the postbox")
    return out


def f05_a_storm_of_come_back_later(ground: Ground) -> Outcome:
    """Every recipient is answered 450 for a while: nobody comes before the wait is over, and another tenant is not hurt."""
    number = ground.count(200, 20)
    out = Outcome(trials=number)
    rows = ground.approved(number)
    theirs = _of_globex(ground, 5)
    ground.postbox.mode = "busy"
    first = deliver_all(ground, rows)
    out.must(set(first) == {"queued"}, f"busy: {dict(first)}")
    tries = len(ground.postbox.tried)
    early = deliver_all(ground, rows)  # jobs that come too early, as a second worker's would
    out.must(set(early) == {"queued"}, f"too early: {dict(early)}")
    out.must(len(ground.postbox.tried) == tries == number, "somebody came before the wait was over")
    with tenant_context(ground.world.acme.pk):
        waits = [row.next_attempt_at - row.updated_at for row in Delivery.objects.filter(status="queued")]
    out.must(all(4 < wait.total_seconds() < 6 for wait in waits), "the wait is not the back-off's")
    ground.postbox.mode = "take"
    other = deliver_all(ground, theirs)
    out.must(set(other) == {"sent"}, f"the other tenant: {dict(other)}")
    ground.due()
    deliver_all(ground, rows)
    with tenant_context(ground.world.globex.pk):
        out.must(Delivery.objects.filter(status="sent").count() == len(theirs), "the other tenant's mail did not leave")
    for row in theirs:  # they are not of the account that is checked
        ground.postbox.taken.pop(row.idempotency_key, None)
    ground.check_sent(out)

    def impatient(planted: Outcome) -> None:
        ground.postbox.mode = "busy"
        more = ground.approved(3)
        before = len(ground.postbox.tried)
        with mock.patch.object(outbox, "BACKOFF", (0,)):
            for _ in range(3):
                deliver_all(ground, more)
        planted.must(len(ground.postbox.tried) - before == 3, "somebody came before the wait was over")

    out.control = noticed(impatient, what="no back-off")
    return out


def _of_globex(ground: Ground, number: int) -> list[Delivery]:
    return ground.approved(number, ground.world.other_mail, ground.world.eve)


def f06_refused_after_the_text(ground: Ground) -> Outcome:
    """554 after the last byte is a no: it stops, is told to a person, and is never sent again by itself."""
    out = Outcome(trials=ground.count(50, 5))
    rows = ground.approved(out.trials)
    ground.postbox.mode = "refuse"
    for _ in range(3):
        deliver_all(ground, rows)
        ground.due()
        outbox.sweep(account_id=ground.world.acme.pk)
    with tenant_context(ground.world.acme.pk):
        states = Counter(Delivery.objects.values_list("status", flat=True))
        attempts = DeliveryAttempt.objects.count()
    out.must(states == {"failed": out.trials}, f"refused: {dict(states)}")
    out.must(
        attempts == out.trials == len(ground.postbox.tried), f"{attempts} attempts of {out.trials} refused replies"
    )
    ground.check_sent(out)

    def repeated(planted: Outcome) -> None:
        _repeat(ground, rows[0])
        with tenant_context(ground.world.acme.pk):
            planted.must(DeliveryAttempt.objects.count() == out.trials, "a refused reply was tried again")

    out.control = noticed(repeated, what="a refused one queued again by hand")
    return out
