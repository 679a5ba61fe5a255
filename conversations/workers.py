"""What holds for every job of a worker, whatever its task: it belongs to the trace that asked for it."""

from __future__ import annotations

from typing import Any

from conversations import tracing


def ready(app: Any) -> None:
    """PROCRASTINATE_ON_APP_READY: all tasks are known by then."""
    app.worker_defaults["worker_middleware"] = [tracing.of_job]
