"""Names of messages that were erased: what came from outside is replaced by what recognises it and says nothing.

The same message delivered again is then still the same message, and is not brought back to life.
"""

from __future__ import annotations

from django.utils.crypto import salted_hmac

_PREFIX = "erased:"


def tombstone(name: str) -> str:
    """Stands for a provider's name of a message or a thread. Without SECRET_KEY nobody can try names against it."""
    if not name or name.startswith(_PREFIX):
        return name
    return _PREFIX + salted_hmac("countersign.tombstone", name, algorithm="sha256").hexdigest()
