"""For commands: an account by its short name, and a file of the disk as its configuration."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.core.management.base import CommandError

from conversations.errors import Invalid
from conversations.models import Account
from conversations.tenancy import account_directory
from drafts.configuration.documents import read_for
from drafts.configuration.reading import MAX_BYTES, File


def named(slug: str) -> uuid.UUID:
    """Raises CommandError."""
    found: list[uuid.UUID] = [entry["id"] for entry in account_directory() if entry["slug"] == slug]
    if not found:
        raise CommandError(f"There is no account {slug!r}. Nothing was changed.")
    return found[0]


def file_of(account: Account, path: Path) -> File:
    """Raises CommandError where it cannot be read, or is another account's."""
    try:
        with path.open("rb") as source:
            return read_for(account, source.read(MAX_BYTES + 1).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}. Nothing was changed.") from error
    except Invalid as refusal:
        raise CommandError(str(refusal)) from refusal
