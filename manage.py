#!/usr/bin/env python3
"""Countersign's command line. Without DATABASE_URL it starts the embedded PostgreSQL for as long as it runs."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["receive_mail"]:
        from config import pipe

        raise SystemExit(pipe.run(sys.argv))
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from config import postgres

    try:
        with postgres.running_for(sys.argv):
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        raise SystemExit(f"Countersign cannot start: {error}") from None


if __name__ == "__main__":
    main()
