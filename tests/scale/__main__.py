"""`python -m tests.scale`: past one machine, on this one. A primary with a synchronous standby, PgBouncer, three web and
three worker processes under load, killed at random while the primary fails over; then what was lost or sent twice.

Exit code 1 if a promise was broken, or if a check did not notice a planted violation. `--share 0.1` is a small run.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import threading
import time
from typing import Any

CONVERSATIONS = 400
BACK_SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help=f"of the {CONVERSATIONS} conversations (CI: 0.1)")
    parser.add_argument("--seed", type=int, default=20261129, help="of what is left to chance")
    arguments = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.scale.stage import staged

    began = time.monotonic()
    with staged(share=arguments.share, seed=arguments.seed) as stage:
        print(f"Seed {arguments.seed}, {os.cpu_count()} cores, Python {platform.python_version()}.", flush=True)
        bad = prove(stage, max(20, round(CONVERSATIONS * arguments.share)))
    print(f"{bad} promises were broken. {time.monotonic() - began:.0f} s.", flush=True)
    sys.exit(bool(bad))


def prove(stage: Any, number: int) -> int:
    from django.conf import settings

    from tests.scale.chaos import Chaos
    from tests.scale.checks import control, is_settled, promises, violated
    from tests.scale.load import Load, wait_settled

    load = Load(stage)
    chaos = Chaos(stage, load, after=number // 2)
    writers = [threading.Thread(target=load.write, args=[range(at, number, 4), at]) for at in range(4)]
    approvers = [threading.Thread(target=load.approve, args=[at, 100 + at]) for at in range(len(stage.approvers))]
    began = time.monotonic()
    for thread in (*writers, *approvers, chaos):
        thread.start()
    for thread in writers:
        thread.join()
    chaos.stop()
    took = time.monotonic() - began
    settled = wait_settled(lambda account: is_settled(load, account), stage)
    load.over.set()
    for thread in approvers:
        thread.join()
    answers = ", ".join(f"{status or 'none'}: {times}" for status, times in sorted(load.answers.items()))
    print(f"{number} conversations in {took:.0f} s, all at rest after {time.monotonic() - began:.0f} s.")
    print(
        f"Killed: {chaos.killed['web']} web, {chaos.killed['worker']} worker processes. Answers by status: {answers}."
    )
    print(
        f"Primary killed, standby promoted in {chaos.promoted:.1f} s; the desk took messages {chaos.back:.1f} s after."
    )
    bad = 0
    own = list(load.violations)
    own += [] if settled else [f"not everything came to rest: {unfinished_jobs(stage)}"]
    own += [] if 0 < chaos.back <= BACK_SECONDS else [f"the desk was back after {chaos.back:.1f} s"]
    if own:
        kept = settings.BASE_DIR / ".local" / "scale-logs"
        shutil.copytree(stage.folder / "logs", kept, dirs_exist_ok=True)
        print(f"What the processes said is in {kept}.")
    for words in own[:10]:
        print(f"VIOLATED: {words}")
    bad += bool(own)
    print(f"\n{'':<88} {'violations':>10}")
    # All of them first: what is planted for one check is seen by another.
    found = [(promise, f"{promise.count()} {promise.what}", violated(promise)) for promise in promises(load)]
    for _, title, violations in found:
        print(f"{title:<88} {len(violations):>10}")
        for violation in violations[:5]:
            print(f"    VIOLATED: {violation}")
    for promise, _, violations in found:
        noticed = control(promise)
        print(f"control: {noticed or promise.planted + ' WAS NOT NOTICED, so this proves nothing'}", flush=True)
        bad += bool(violations or not noticed)
    return bad


def unfinished_jobs(stage: Any) -> list[Any]:
    """Of the queue: what is not done, of which worker, and how long ago that one was last heard of."""
    with stage.pair.primary.connect("countersign_test") as server:
        return list(
            server.execute(
                "SELECT j.status, j.task_name, j.attempts, w.id, extract(epoch FROM now() - w.last_heartbeat)::int"
                "  FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id"
                " WHERE j.status NOT IN ('succeeded', 'cancelled') AND NOT (j.status = 'todo' AND j.scheduled_at > now())"
                " ORDER BY j.id LIMIT 12"
            ).fetchall()
        )


if __name__ == "__main__":
    main()
