from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from drafts.examination import examine

MARKS = {"ok": "ok  ", "warn": "look", "bad": "BAD "}


class Command(BaseCommand):
    help = (
        "Whether this installation can do its work: settings, database rights and row security, migrations, clock, "
        "workers, storage, vectors, channels. Says what helps. Exit code 1 if something is bad."
    )
    requires_system_checks = ()  # it makes them itself, and says them beside the others

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for a program to read")

    def handle(self, *args: Any, **options: Any) -> None:
        found = examine()
        bad = sum(one.state == "bad" for one in found)
        if options["json"]:
            self.stdout.write(json.dumps({"bad": bad, "findings": [asdict(one) for one in found]}, indent=2))
        else:
            for one in found:
                self.stdout.write(f"{MARKS[one.state]} {one.about}: {one.said}")
                if one.remedy:
                    self.stdout.write(f"       {one.remedy}")
        if bad:
            raise CommandError(f"{bad} of {len(found)} findings are bad.")
