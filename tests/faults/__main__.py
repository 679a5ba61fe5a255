"""`python -m tests.faults`: the faults of a real installation, tried on real processes; prints trials and violations.

Each trial has a control: the same check after a violation was planted must complain, or the trial proves nothing. The exit
code is 1 if anything was violated or a control held its tongue. `--share 0.1` is the small run of CI; the seed makes it
repeatable as far as chance goes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

FAULTS = {
    "F1": ("killed", "f01_web_killed_in_approve"),
    "F2": ("killed", "f02_worker_killed_in_send"),
    "F3": ("network", "f03_the_answer_is_lost"),
    "F4": ("network", "f04_away_or_silent_or_slow"),
    "F5": ("network", "f05_a_storm_of_come_back_later"),
    "F6": ("network", "f06_refused_after_the_text"),
    "F7": ("database", "f07_the_database_stops_and_starts"),
    "F8": ("inbound", "f08_repeated_shuffled_and_bad"),
    "F9": ("races", "f09_fifty_approvers"),
    "F10": ("clocks", "f10_wrong_clocks"),
    "F11": ("disks", "f11_the_disk_is_full"),
    "F12": ("inbound", "f12_poison"),
    "F13": ("loops", "f13_two_desks"),
    "F14": ("database", "f14_restored"),
    "F15": ("drafting", "f15_draft_workers_killed"),
    "F16": ("drafting", "f16_vectors_killed"),
    "F17": ("races", "f17_an_approval_meets_a_newer_message"),
    "F18": ("lives", "f18_nobody_is_forgotten"),
    "F19": ("posts", "f19_posts_while_processes_die"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="F1", help="only these (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help="of the trials (default 1.0; CI: 0.1)")
    parser.add_argument("--seed", type=int, default=20261128, help="of what is left to chance")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.faults if name not in FAULTS]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    # Deliveries are made by hand here, many of one channel at once; that two are enough is tests/conversations/test_breaker.py.
    os.environ["CHANNEL_PARALLEL"] = "1000"
    import django

    django.setup()
    from tests.faults.ground import standing

    began, bad = time.monotonic(), list[str]()
    print(f"Seed {arguments.seed}, share {arguments.share:g} of the trials.", flush=True)
    print(f"{'':<4} {'trials':>6} {'violations':>10} {'seconds':>7}  what", flush=True)
    with standing(share=arguments.share, seed=arguments.seed) as ground:
        for name in arguments.faults or FAULTS:
            room, verb = FAULTS[name]
            bad += run(name, getattr(import_module(f"tests.faults.{room}"), verb), ground)
    # Once more at the end: what is above may have scrolled away, or been cut off by who keeps the log.
    print("".join(f"{line}\n" for line in bad), end="")
    print(f"{len(bad)} complaints. {time.monotonic() - began:.0f} s.", flush=True)
    sys.exit(bool(bad))


def run(name: str, trial: Callable[[Any], Any], ground: Any) -> list[str]:
    """Try one fault and print its line; what is not as it must be, each complaint a line."""
    from tests.faults.ground import Outcome

    began = time.monotonic()
    try:
        ground.fresh()
        found = trial(ground)
    except Exception:
        found = Outcome(violations=["the trial broke off: " + traceback.format_exc()])
    took = time.monotonic() - began
    title = (trial.__doc__ or "").split("\n")[0]
    if found.skipped:
        print(f"{name:<4} {'-':>6} {'-':>10} {took:>7.0f}  {title} NOT TRIED: {found.skipped}", flush=True)
        return []
    print(f"{name:<4} {found.trials:>6} {len(found.violations):>10} {took:>7.0f}  {title}", flush=True)
    if found.figures:
        print(f"{'':<30} {found.figures}", flush=True)
    print(f"{'':<30} control: {found.control or 'NOTHING WAS NOTICED, so this proves nothing'}", flush=True)
    for violation in found.violations[:5]:
        print(f"{'':<30} VIOLATED: {violation}", flush=True)
    if not found.control:
        return [f"{name} control: nothing was noticed", *(f"{name} VIOLATED: {each}" for each in found.violations[:5])]
    return [f"{name} VIOLATED: {each}" for each in found.violations[:5]]


if __name__ == "__main__":
    main()
