"""`make mutants`: put small faults into the modules that matter and see whether a test notices.

    make mutants SAMPLE=40 SEED=1                       # some of all modules, always the same for a seed
    make mutants MODULE=drafts/desk/decisions.py        # all of one
    python -m tests.mutants --again old-output.txt      # after writing tests: only what survived the last time

Exit code 1 when a module (or the sample) has less than nine of ten killed, not counting those that `equivalent.txt` explains; for the
modules in `targets.NOT_YET` what was measured last stands in for the nine.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.operators import Mutant, mutants
from tests.mutants.runner import BROKEN, KILLED, NOT_PUT_IN, ROOT, SURVIVED, Trials
from tests.mutants.targets import FLOOR, NOT_YET, TARGETS

EQUIVALENT = Path(__file__).with_name("equivalent.txt")


def explained() -> dict[str, str]:
    """Mutants that no test can tell from the module: the line of the mutant, and below it why, indented."""
    found: dict[str, str] = {}
    key = ""
    for line in EQUIVALENT.read_text().splitlines():
        if line.startswith("  "):
            found[key] = f"{found[key]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            key = line
            found[key] = ""
    return found


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--module", action="append", choices=sorted(TARGETS), default=[])
    asked.add_argument("--sample", type=int, default=0, help="so many of all, chosen by the seed; 0: all")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--again", type=Path, help="only those that survived by this output of an earlier run")
    asked.add_argument("--list", action="store_true", help="only say how many there are")
    given = asked.parse_args()
    known = explained()
    found: list[Mutant] = []
    for path in given.module or [path for path in TARGETS if not given.sample or path not in NOT_YET]:
        found += [each for each in mutants(path, (ROOT / path).read_text()) if each.key not in known]
    if given.again:
        lines = given.again.read_text().splitlines()
        survived = {line.removeprefix("survived: ").partition("  (")[0] for line in lines}
        found = [each for each in found if each.key in survived]
    if given.list:
        for path, count in Counter(each.path for each in found).items():
            print(f"{count:5} {path}")
        return 0
    if given.sample and given.sample < len(found):
        chosen = set(random.Random(given.seed).sample(range(len(found)), given.sample))
        found = [each for index, each in enumerate(found) if index in chosen]
    paths = sorted({each.path for each in found})
    files = sorted(
        {f"tests/{name}.py" for path in paths for name in TARGETS[path] if (ROOT / f"tests/{name}.py").exists()}
    )
    if not files:
        asked.error("no test file judges this")
    trials = Trials(found, TARGETS, given.jobs)
    began = time.monotonic()
    code = pytest.main(["-q", "-s", *files], plugins=[trials])
    if code not in (0, 5) or len(trials.outcomes) != len(found):
        print("the mutants could not be tried", file=sys.stderr)
        return 2
    return report(trials, paths, given.sample, time.monotonic() - began)


def report(trials: Trials, paths: list[str], sample: int, seconds: float) -> int:
    low = []
    total: Counter[int] = Counter()
    for path in paths:
        here = Counter(each.result for each in trials.outcomes if each.mutant.path == path)
        total += here
        judged = here[KILLED] + here[SURVIVED] + here[BROKEN]
        share = here[KILLED] / judged if judged else 1.0
        print(
            f"{path}: {judged} mutants, {here[KILLED]} killed, {judged - here[KILLED]} survived ({share:.0%})"
            + (f", {here[NOT_PUT_IN]} not tried" if here[NOT_PUT_IN] else "")
        )
        if share < NOT_YET.get(path, FLOOR) and not sample:
            low.append(path)
    judged = total[KILLED] + total[SURVIVED] + total[BROKEN]
    print(f"together: {total[KILLED]} of {judged} killed in {seconds:.0f} s")
    if sample and judged and total[KILLED] / judged < FLOOR:
        low.append("the sample")
    if low:
        print(f"less than it has to be: {', '.join(low)}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
