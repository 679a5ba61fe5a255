"""`manage.py config_diff SLUG FILE`: where a file and the desk say different things; ends with 2 if anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conversations.models import Account
from conversations.tenancy import tenant_context
from drafts.configuration import accounts
from drafts.configuration.desk import look
from drafts.configuration.differences import compare
from drafts.configuration.words import line

DRIFT = 2


class Command(BaseCommand):
    help = "Compare a configuration file with the desk. Exit status 0: they say the same, 2: they do not, 1: no answer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the account's short name")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        account_id = accounts.named(options["slug"])
        with tenant_context(account_id, read_only=True):
            account = Account.objects.get(pk=account_id)
            found = compare(accounts.file_of(account, options["file"]).says, look(account))
        for difference in found.differences:
            self.stdout.write(line(difference))
        if found.more:
            self.stdout.write(f"and {found.more} more")
        for section in found.silent:
            self.stdout.write(f"{section}: not in the file, which says nothing about it")
        if found.differences:
            sys.exit(DRIFT)
        self.stdout.write("The desk and the file say the same.")
