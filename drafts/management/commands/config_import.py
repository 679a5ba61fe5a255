"""`manage.py config_import SLUG FILE --dry-run | --apply --as PERSON`: the desk made to follow a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.errors import Conflict, Refusal
from conversations.models import Account, Membership, User
from conversations.tenancy import tenant_context
from drafts.configuration import accounts, documents
from drafts.configuration.desk import look
from drafts.configuration.differences import Difference, compare
from drafts.configuration.following import follow, removes, why_not
from drafts.configuration.prompt_files import add_missing
from drafts.configuration.reading import File
from drafts.configuration.words import line


class Command(BaseCommand):
    help = (
        "Make the desk follow a configuration file: the file becomes the account's newest document, and each difference is "
        "changed by itself, as PERSON, with an entry in the trail. What the file does not name is removed only with --remove."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the account's short name")
        parser.add_argument("file", type=Path)
        how = parser.add_mutually_exclusive_group(required=True)
        how.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
        how.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--as", dest="person", default="", metavar="EMAIL", help="who does it; they need to manage")
        parser.add_argument(
            "--remove", action="store_true", help="also remove entries that a list of the file does not name"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        account_id = accounts.named(options["slug"])
        with tenant_context(account_id, read_only=True):
            account = Account.objects.get(pk=account_id)
            file = accounts.file_of(account, options["file"])
            todo = list(compare(file.says, look(account)).differences)
        if options["dry_run"]:
            self._say(account, todo, remove=options["remove"])
            return
        person = self._person(account, options["person"])
        self._store(account, person, file)
        texts = options["file"].parent / "prompts"
        for said in self._as(account, lambda: add_missing(account=account, actor=person, file=file.says, folder=texts)):
            self.stdout.write(said)
        done = [self._follow(account, person, file, one, remove=options["remove"]) for one in todo]
        self.stdout.write(f"{sum(done)} of {len(todo)} differences are gone.")
        if not all(done):
            sys.exit(2)

    def _say(self, account: Account, todo: list[Difference], *, remove: bool) -> None:
        with tenant_context(account.pk, read_only=True):
            for one in todo:
                why = why_not(account, one) or (
                    "Left as it is: that needs --remove." if removes(one) and not remove else ""
                )
                self.stdout.write(f"{line(one)}{f'  ({why})' if why else ''}")
        self.stdout.write(f"{len(todo)} differences. Nothing was changed.")

    def _person(self, account: Account, email: str) -> User:
        if not email:
            raise CommandError("Say who does it: --as EMAIL. Nothing was changed.")
        with tenant_context(account.pk):
            member = Membership.objects.filter(is_active=True).shown_as(email).select_related("user").first()
        if member is None:
            raise CommandError(f"Nobody of {account.slug} is {email}. Nothing was changed.")
        return member.user

    def _store(self, account: Account, person: User, file: File) -> None:
        def add() -> None:
            documents.add_document(
                account_id=account.pk, actor=person, text=file.text, origin=documents.Origin.IMPORTED
            )

        try:
            self._as(account, add)
        except Conflict as same:
            self.stdout.write(str(same))
        except PermissionDenied as refusal:
            raise CommandError(str(refusal)) from refusal

    def _follow(self, account: Account, person: User, file: File, one: Difference, *, remove: bool) -> bool:
        if removes(one) and not remove:
            self.stdout.write(f"left: {line(one)}  (that needs --remove)")
            return False

        def do() -> None:
            row = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account.pk)
            if (now := compare(file.says, look(row)).at(one.path)) is None:
                return
            if now != one:
                raise Conflict("It is not as it was when it was compared. Nothing was changed.")
            follow(account=row, actor=person, difference=now, file=file.says)

        try:
            self._as(account, do)
        except (Refusal, PermissionDenied, ObjectDoesNotExist) as refusal:
            self.stdout.write(f"left: {line(one)}  ({refusal})")
            return False
        self.stdout.write(f"done: {line(one)}")
        return True

    def _as(self, account: Account, act: Any) -> Any:
        with tenant_context(account.pk):
            return act()
