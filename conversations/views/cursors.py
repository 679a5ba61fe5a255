"""A place in a list by keyset, as it stands in an address: a time and the id that decides among equals."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import datetime


def cursor(at: datetime, pk: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()}~{pk}".encode()).decode().rstrip("=")


def place_of(given: str) -> tuple[datetime, uuid.UUID] | None:
    try:
        at, pk = base64.urlsafe_b64decode((given + "=" * (-len(given) % 4)).encode()).decode().split("~")
        when, key = datetime.fromisoformat(at), uuid.UUID(pk)
    except (ValueError, binascii.Error, UnicodeError):
        return None
    return (when, key) if when.tzinfo else None
