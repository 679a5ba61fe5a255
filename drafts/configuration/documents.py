"""The account's configuration file as it is kept: a new text is a new document, and what an account declares is the newest."""

from __future__ import annotations

import uuid

from django.db import transaction

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import Account, User
from conversations.people.roles import Verb, check
from drafts.configuration import editing
from drafts.configuration.desk import digest, look
from drafts.configuration.differences import Comparison, compare
from drafts.configuration.reading import MAX_BYTES, File, read
from drafts.configuration.writing import text_of
from drafts.models import ConfigDocument

Origin = ConfigDocument.Origin


def current(account_id: uuid.UUID) -> ConfigDocument | None:
    return ConfigDocument.objects.filter(account_id=account_id).order_by("-number").first()


def export(account: Account) -> str:
    """The desk as a file, which read back differs in nothing. The caller is in the tenant."""
    return text_of(look(account))


def read_for(account: Account, text: str) -> File:
    """A text that is this account's file. Raises Invalid (422)."""
    file = read(text.replace("\r\n", "\n").removeprefix("\ufeff"))
    if file.says.account.slug != account.slug:
        raise Invalid(f"This file is of “{file.says.account.slug[:60]}”, not of “{account.slug}”. Nothing was changed.")
    return file


def difference(account: Account, document: ConfigDocument) -> tuple[File, Comparison]:
    """What a stored document and the desk say differently now."""
    file = read(document.text)
    return file, compare(file.says, look(account))


def add_document(*, account_id: uuid.UUID, actor: User, text: str, origin: ConfigDocument.Origin, path: str = "") -> ConfigDocument:  # fmt: skip
    """Store a text as what the account declares from now on; nothing else is changed by it.

    Raises PermissionDenied (403), Invalid (422: it cannot be read, or is another account's), Conflict (409: it is the newest).
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account_id)
        check(actor, Verb.MANAGE, account_id=account_id)
        file = read_for(account, text)
        newest = current(account_id)
        if newest is not None and newest.text == file.text:
            raise Conflict(f"This is document {newest.number}, which is the newest already. Nothing was stored.")
        document = ConfigDocument.objects.create(
            account_id=account_id,
            number=newest.number + 1 if newest else 1,
            text=file.text,
            sha256=digest(file.text),
            origin=origin,
            path=path[:1200],
            by_name=actor.name[:120],
        )
        data = {"number": document.number, "origin": str(origin), "sha256": document.sha256}
        audit.record(audit.Kind.CONFIG_DOCUMENT_ADDED, actor=actor, about=document, data=data)
    return document


def keep_desk(*, account_id: uuid.UUID, actor: User) -> ConfigDocument:
    """The desk as it is now, as a document. Raises what `add_document` raises."""
    text = export(Account.objects.get(pk=account_id))
    if len(text.encode()) > MAX_BYTES:
        raise Invalid(f"The desk's configuration is larger than {MAX_BYTES // 1024} kB, which no file may be.")
    return add_document(account_id=account_id, actor=actor, text=text, origin=Origin.EXPORTED)


def take_in(*, account_id: uuid.UUID, actor: User, path: str) -> ConfigDocument:
    """What the desk says in one place, written into the newest document: a new one, with that difference gone and no other.

    Raises PermissionDenied (403), Invalid (422), Conflict (409: there is no such difference any more).
    """
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True, of=("self",)).get(pk=account_id)
        newest = current(account_id)
        file, before = difference(account, newest) if newest else (None, None)
        found = before.at(path) if before else None
        if file is None or before is None or found is None:
            raise Conflict("The file and the desk say the same there by now. Nothing was changed.")
        text = editing.adopt(file, found)
        after = compare(editing.checked(text).says, look(account))
        if after.differences != [one for one in before.differences if one != found] and not before.more:
            raise Invalid(editing.BY_HAND)
        return add_document(account_id=account_id, actor=actor, text=text, origin=Origin.ADOPTED, path=path)
