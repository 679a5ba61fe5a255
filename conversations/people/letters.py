"""The product's own mail to its people: invitations, codes, resets. Text and HTML say the same; no pictures, no tracking.

Mail to customers is something else: it leaves by the outbox, once and audited.
"""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string

log = logging.getLogger(__name__)


def can_send() -> bool:
    """Whether this installation has a mail server for its own mail: EMAIL_HOST is set."""
    return bool(settings.EMAIL_HOST)


def address_of(path: str) -> str:
    """A link for a mail. From SITE_URL, never from a request, whose Host anybody chooses."""
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def letter(name: str, *, to: str, **context: Any) -> EmailMultiAlternatives:
    """The mail `templates/letters/<name>_*`, ready to send."""
    subject, text, html = (render_to_string(f"letters/{name}_{part}", context) for part in ("subject.txt", "message.txt", "message.html"))  # fmt: skip
    mail = EmailMultiAlternatives(" ".join(subject.split()), text.strip() + "\n", settings.DEFAULT_FROM_EMAIL, [to])
    mail.attach_alternative(html.strip(), "text/html")
    return mail


def try_to_send(mail: EmailMessage) -> bool:
    """Send now; what the mail server does wrong goes to the log and nowhere else, for a page must not tell of it."""
    if not can_send():
        log.warning("No mail was sent: EMAIL_HOST is not set. Subject: %s", _kind(mail))
        return False
    try:
        mail.send()
    except (OSError, SMTPException) as error:
        log.error("A mail could not be sent (%s): %s", _kind(mail), error)
        return False
    return True


def _kind(mail: EmailMessage) -> str:
    """Subjects may hold a code: only what comes before it is for the log."""
    return mail.subject.partition(":")[0]
