"""Chance that is not: which side something falls on is decided by its id, and stays so."""

from __future__ import annotations

import hashlib
import uuid


def bucket(key: uuid.UUID, salt: str) -> float:
    """A number in [0, 1) that is always the same for this id and this salt, and evenly spread over ids."""
    return int.from_bytes(hashlib.sha256(key.bytes + salt.encode()).digest()[:6]) / 2**48
