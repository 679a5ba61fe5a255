"""`manage.py config_export SLUG`: an account's configuration as a file, on standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from conversations import audit
from conversations.models import Account, AuditEvent
from conversations.tenancy import tenant_context
from drafts.configuration import accounts, documents
from drafts.models import PromptVersion

OPERATOR = audit.Actor(AuditEvent.ActorType.SYSTEM, "config_export, on the server")


class Command(BaseCommand):
    help = "Write an account's configuration as YAML. Credentials, people and tokens are never in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the account's short name")
        parser.add_argument(
            "--prompts", type=Path, metavar="FOLDER", help="also write each prompt in use as KEY.md there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        account_id = accounts.named(options["slug"])
        with tenant_context(account_id):
            account = Account.objects.get(pk=account_id)
            text = documents.export(account)
            audit.record_export(account_id=account_id, actor=OPERATOR, what="the configuration", rows=text.count("\n"))
            prompts = dict(PromptVersion.objects.filter(status=PromptVersion.Status.ACTIVE).values_list("key", "text"))
        self.stdout.write(text, ending="")
        if folder := options["prompts"]:
            folder.mkdir(parents=True, exist_ok=True)
            for key, prompt in prompts.items():
                (folder / f"{key}.md").write_text(prompt, encoding="utf-8")
