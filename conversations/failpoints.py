"""Places where the crash tests make this process die as kill -9 would. Off unless FAILPOINT names one."""

from __future__ import annotations

import os
import signal
from functools import partial

from django.conf import settings
from django.db import transaction

NAMES = (
    "deliver.leased",
    "smtp.before_connect",
    "smtp.connected",
    "smtp.handing_over",
    "smtp.written",
    "smtp.answered",
    "deliver.answered",
    "deliver.recorded",
    "approve.before_commit",
    "approve.after_commit",
    "turn.claimed",
    "turn.written",
    "turn.before_commit",
    "turn.stored",
    "mail.stored",
    "mail.reading",
    "mailbox.leased",
    "mailbox.opened",
    "mailbox.fetched",
    "mailbox.storing",
    "mailbox.stored",
    "reconcile.looked",
    "token.leased",
    "token.answered",
    "token.stored",
    "hook.stored",
    "hook.taken",
    "webhook.answered",
)


def failpoint(name: str) -> None:
    if settings.FAILPOINT and name == settings.FAILPOINT:
        os.kill(os.getpid(), signal.SIGKILL)


def failpoint_after_commit(name: str) -> None:
    """The same behind the commit of the outermost transaction: a request's, which ends after its verb has returned."""
    if settings.FAILPOINT and name == settings.FAILPOINT:
        transaction.on_commit(partial(failpoint, name))
