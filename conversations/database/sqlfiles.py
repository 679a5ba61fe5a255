"""Reads the `.up.sql` and `.down.sql` files of an app into reversible migration operations."""

from __future__ import annotations

from pathlib import Path

from django.db.migrations import RunSQL

ROOT = Path(__file__).resolve().parents[2]


def run_sql(app: str, name: str) -> RunSQL:
    """`<app>/sql/<name>.up.sql`, undone by its `.down.sql`."""
    up, down = (ROOT / app / "sql" / f"{name}.{way}.sql" for way in ("up", "down"))
    # A one-item list of (sql, None) runs the file as it stands: no splitting, no parameters.
    return RunSQL([(up.read_text(), None)], [(down.read_text(), None)])
