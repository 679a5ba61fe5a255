"""The product's own mail in tests: what a worker sends, and the links in it."""

from __future__ import annotations

import re
from typing import Any

from allauth.account.models import EmailAddress
from django.core import mail
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import tasks
from conversations.models import User

TASKS = {task.name: task for task in (tasks.mail_invitation, tasks.mail_reset)}


def run_letters() -> list[Any]:
    """Do the worker's turn for every invitation and reset that was asked for, and return the mails that left.

    In this transaction and without taking the jobs off: an invitation is not mailed twice, a reset is.
    """
    before = len(mail.outbox)
    for job in ProcrastinateJob.objects.filter(queue_name="letters", status="todo").order_by("id"):
        TASKS[job.task_name](**job.args)  # those that were done before find nothing to do
    return mail.outbox[before:]


def path_in(message: Any) -> str:
    """The path of the link in a mail, the same in text and HTML."""
    found = re.findall(r"https?://[^/\s]+(/[^\s\"<]+)", message.body)
    assert len(set(found)) == 1, message.body
    assert found[0] in message.alternatives[0][0]
    return str(found[0])


def token_in(message: Any) -> str:
    return path_in(message).strip("/").rpartition("/")[2]


def unproven(email: str, password: str | None = "correct horse", **facts: Any) -> User:
    """Somebody who says that this address is theirs, and has not proven it."""
    user = User.objects.create_user(email, password, **facts)
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=False)
    return user
