"""The demo's sent mail, readable in the browser: /demo/mail/. Routed only when DEMO is on."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

NEWEST = 100


def _read(file: Path) -> dict[str, Any]:
    message = email.message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    return {
        "name": file.name,
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "message_id": str(message["Message-ID"]),
        "at": datetime.fromtimestamp(file.stat().st_mtime, UTC),
        "text": body.get_content() if body else "",
        "headers": [(key, str(value)) for key, value in message.items()],
    }


@require_safe
@login_required
def mailbox(request: HttpRequest) -> HttpResponse:
    """The newest mails that left, newest first."""
    files = sorted(settings.DEMO_MAIL_DIR.glob("*.eml"), reverse=True)[:NEWEST]
    return render(
        request, "demo/mailbox.html", {"mails": [_read(file) for file in files], "folder": settings.DEMO_MAIL_DIR}
    )


@require_safe
@login_required
def one_mail(request: HttpRequest, name: str) -> HttpResponse:
    found = next((file for file in settings.DEMO_MAIL_DIR.glob("*.eml") if file.name == name), None)
    if found is None:
        raise Http404("There is no such mail in the sink.")
    return render(request, "demo/mail.html", {"mail": _read(found)})


urlpatterns = [
    path("demo/mail/", mailbox, name="demo-mailbox"),
    path("demo/mail/<str:name>", one_mail, name="demo-mail"),
]
