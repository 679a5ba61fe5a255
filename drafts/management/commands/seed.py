from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from conversations.models import Channel
from conversations.tenancy import account_directory, tenant_context
from drafts.demo import bulk, seeding


class Command(BaseCommand):
    help = "Make the demo tenant Hot Rod AN: people, channels, knowledge, conversations in several states. Idempotent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--size", type=int, default=0, help="add this many plain conversations, for load")
        parser.add_argument("--password", default="", help="of the demo's people; made up and printed if not given")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEMO or settings.DEBUG or settings.EMBEDDED_DATABASE) and account_directory():
            raise CommandError(
                "This database has tenants and is not a demo: seeding would add people with a known password. "
                "Set DEMO=true if that is what you want. Nothing was changed."
            )
        if options["size"] < 0:
            raise CommandError("--size cannot be negative. Nothing was changed.")
        password = options["password"] or secrets.token_urlsafe(12)
        account = seeding.seed(password=password, say=self.stdout.write)
        if options["size"]:
            with tenant_context(account.pk):
                channel = Channel.objects.get(type="email")
            added = bulk.add_conversations(account_id=account.pk, channel_id=channel.pk, size=options["size"])
            self.stdout.write(f"{added} plain conversations added")
