"""/healthz: the process answers. /readyz: the database answers, migrations are in, the queue is not stuck."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from conversations.web.outage import RETRY_AFTER

QUEUE_AGE_SQL = """
SELECT coalesce(extract(epoch FROM now() - min(coalesce(scheduled_at, now()))), 0)
  FROM procrastinate_jobs WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at < now())
"""


class HealthMiddleware:
    """Answers before sessions and hosts are looked at, so that a load balancer needs neither."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return HttpResponse("ok", content_type="text/plain")
        if request.path == "/readyz":
            return ready()
        return self.get_response(request)


def ready() -> HttpResponse:
    facts: dict[str, Any] = {"database": "ok"}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM django_migrations WHERE app = 'drafts' ORDER BY id DESC LIMIT 1")
            row = cursor.fetchone()
            facts["migrated_to"] = row[0] if row else None
            cursor.execute(QUEUE_AGE_SQL)
            facts["oldest_waiting_job_seconds"] = round(float(cursor.fetchone()[0]))
    except DatabaseError as error:
        away = JsonResponse({"database": f"unreachable: {type(error).__name__}"}, status=503)
        away["Retry-After"] = str(RETRY_AFTER)
        return away
    return JsonResponse(facts, status=200 if facts["migrated_to"] else 503)
