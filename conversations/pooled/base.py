"""Django's PostgreSQL backend with a pool that tells "busy" from "away": who waits for a busy one is patient."""

from __future__ import annotations

import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg_pool import PoolTimeout

LOOK_SECONDS = 0.5  # the pool's own time-out (config/settings.py): how often a waiting request looks why it waits
PATIENCE_SECONDS = 10.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A free connection is waited for as long as the database can be reached; if it cannot, the request ends at once.

    With one time-out for both, a burst of pages on a healthy database was answered 503 (docs/decisions/0027).
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            return super().get_new_connection(conn_params)
        began, failed = time.monotonic(), self._failed()
        while True:
            try:
                return super().get_new_connection(conn_params)
            except PoolTimeout:
                if self._failed() > failed or time.monotonic() - began > PATIENCE_SECONDS:
                    raise

    def _failed(self) -> int:
        """How many connections the pool could not make so far."""
        return int(self.pool.get_stats().get("connections_errors", 0))
