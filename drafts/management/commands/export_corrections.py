from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from conversations import audit
from conversations.database import database_time
from conversations.models import AuditEvent
from conversations.tenancy import account_directory, tenant_context
from conversations.visible import ALL
from drafts.learning import redaction, samples, training

OPERATOR = audit.Actor(AuditEvent.ActorType.SYSTEM, "export_corrections, on the server")


def moment(value: str) -> datetime:
    """`24h`, `7d`, a date or a date and time (UTC if it has no zone)."""
    if value[:-1].isdigit() and value[-1:] in "hd":
        return database_time.now() - timedelta(**{"hours" if value[-1] == "h" else "days": int(value[:-1])})
    try:
        if found := parse_datetime(value):
            return found if found.tzinfo else timezone.make_aware(found)
        if day := parse_date(value):
            return timezone.make_aware(datetime(day.year, day.month, day.day))
    except ValueError:
        pass
    raise CommandError(f"{value!r} is no time. Use 24h, 7d, 2026-11-22 or 2026-11-22T06:00. Nothing was exported.")


class Command(BaseCommand):
    help = (
        "Write what people signed as JSON lines to standard output: samples (replayable corrections), sft or dpo "
        "(training lines; personal data of the kinds that the report names is replaced)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", default="24h", help="24h (the default), 7d, a date, or a date and time")
        parser.add_argument("--account", default="", help="only this account (its short name)")
        parser.add_argument("--format", default="samples", choices=["samples", "sft", "dpo"])
        parser.add_argument("--split", default="all", choices=["all", "train", "validation"], help="of sft and dpo")

    def handle(self, *args: Any, **options: Any) -> None:
        since = moment(options["since"])
        accounts = [entry for entry in account_directory() if options["account"] in ("", entry["slug"])]
        if not accounts:
            raise CommandError(f"There is no account {options['account']!r}. Nothing was exported.")
        if options["format"] != "samples":
            self._training(accounts, since, options["format"], options["split"])
            return
        count = 0
        for entry in accounts:
            with tenant_context(entry["id"]):
                rows = samples.exported(account_id=entry["id"], within=ALL, since=since).count()
                audit.record_export(account_id=entry["id"], actor=OPERATOR, what="everybody's corrections", rows=rows)
            with tenant_context(entry["id"]):
                for sample in samples.export(account_id=entry["id"], within=ALL, since=since):
                    self.stdout.write(json.dumps({"account": entry["slug"], **sample}, ensure_ascii=False))
                    count += 1
        self.stderr.write(f"{count} samples since {since:%Y-%m-%d %H:%M} UTC")

    def _training(
        self, accounts: Sequence[dict[str, Any]], since: datetime, layout: training.Layout, split: str
    ) -> None:
        report: Counter[str] = Counter()
        for entry in accounts:
            with tenant_context(entry["id"]):
                rows = samples.exported(account_id=entry["id"], within=ALL, since=since).count()
                audit.record_export(account_id=entry["id"], actor=OPERATOR, what=f"{layout} training lines", rows=rows)
            with tenant_context(entry["id"]):
                for line in training.lines(
                    account_id=entry["id"], since=since, layout=layout, split=split, report=report
                ):
                    self.stdout.write(json.dumps(line, ensure_ascii=False))
        told = {"format": layout, "since": since.isoformat(), **dict(sorted(report.items()))}
        told |= {"looked_for": redaction.LOOKED_FOR, "not_looked_for": redaction.NOT_LOOKED_FOR}
        self.stderr.write(json.dumps(told))
