"""Text that is unreadable without the key ring: channel credentials.

`FIELD_ENCRYPTION_KEYS` holds Fernet keys, the current one first; older ones still read. A wrong key raises
`cryptography.fernet.InvalidToken` instead of handing out ciphertext.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models

PREFIX = "enc1:"


@lru_cache(maxsize=8)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def ring() -> MultiFernet:
    return _ring(tuple(settings.FIELD_ENCRYPTION_KEYS))


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """A TextField whose column holds ciphertext. Filtering by it is refused: equal texts have unequal ciphertexts."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value if not value else PREFIX + ring().encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if not value:
            return value
        if not value.startswith(PREFIX):
            raise ValueError(f"{self.name}: the stored value is not encrypted")
        return ring().decrypt(value[len(PREFIX) :]).decode()

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise TypeError(f"{self.name} is encrypted and cannot be filtered by {lookup_name}")
        return super().get_lookup(lookup_name)
