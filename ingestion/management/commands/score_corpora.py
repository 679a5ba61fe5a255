"""`manage.py score_corpora`: how well mail is read, measured on the test material of other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.channels.email.reading.scoring import report, score_corpora


class Command(BaseCommand):
    help = "Read every mail and reply of the shared corpora and compare with what their authors expect."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("corpora", nargs="?", type=Path, help="the folder of the corpora (beside the checkout)")
        parser.add_argument("--write", action="store_true", help="also write docs/corpora.md")
        parser.add_argument("--misses", action="store_true", help="name the cases that do not match")

    def handle(self, *args: Any, **options: Any) -> None:
        base = Path(settings.BASE_DIR)
        corpora: Path = options["corpora"] or base.parent / "shared" / "corpora"
        if not corpora.is_dir():
            raise CommandError(f"There are no corpora in {corpora}. Name their folder as the argument.")
        scores = score_corpora(corpora)
        if not scores:
            raise CommandError(f"None of the known corpora is in {corpora}; nothing was measured.")
        missed = 0
        for score in scores:
            slowest = f"slowest {score.slowest * 1000:.0f} ms ({score.slowest_case})"
            problems = f"{score.with_problems} with problems"
            self.stdout.write(f"{score.corpus:<18}{score.stored}/{score.mails} stored, {problems}, {slowest}")
            for measure in score.measures.values():
                missed += not measure.reached
                verdict = f"{measure.goal} {'reached' if measure.reached else 'MISSED'}" if measure.goal else ""
                self.stdout.write(f"    {measure.name:<24}{measure.matching}/{measure.total}  {verdict}")
                if options["misses"] and measure.misses:
                    self.stdout.write(f"        {', '.join(measure.misses)}")
        if options["write"]:
            page = base / "docs" / "corpora.md"
            page.parent.mkdir(exist_ok=True)
            page.write_text(report(scores), "utf-8")
            self.stdout.write(f"Written to {page.relative_to(base)}.")
        if missed:
            raise CommandError(f"{missed} goals were missed.")
