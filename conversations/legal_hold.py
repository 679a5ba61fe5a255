"""A legal hold: while an account has one, nothing of it is removed, whoever asks."""

from __future__ import annotations

import uuid

from conversations.models import Account


def is_held(account_id: uuid.UUID) -> bool:
    """Asked in the transaction of each batch: a hold that begins during a run ends it."""
    return Account.objects.filter(pk=account_id, legal_hold=True).exists()
