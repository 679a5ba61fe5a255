"""`manage.py receive_mail` as a mail server runs it: the exit code is all that it understands (sysexits.h).

A mail server bounces a mail for any code but 0 and 75, and puts what was said on standard error into the bounce. So
whatever can pass is 75, wrong settings and a stopped database included, and never more than one line is said.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

#: A stop is a stop, however it is asked for. Death by a signal would make some mail servers bounce.
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)


def run(argv: Sequence[str]) -> int:
    """Run the command and return its exit code; at most one line on standard error, and no traceback."""
    # Log lines, warnings, tracebacks of libraries and what a program that we start says would end up in a bounce.
    stderr, said, kept = sys.stderr, io.StringIO(), os.dup(2)
    sys.stderr = said
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        line, code = _run(argv)
    except SystemExit as stop:  # --help and --version
        line, code = "", int(stop.code or 0) if isinstance(stop.code, int | None) else os.EX_USAGE
    except BaseException as error:
        line, code = f"{type(error).__name__}: {error}", os.EX_TEMPFAIL
    finally:
        os.dup2(kept, 2)
        sys.stderr = stderr
    if code and line:
        print(" ".join(f"receive_mail: {line}".split())[:1000], file=stderr)
    return code


def _run(argv: Sequence[str]) -> tuple[str, int]:
    import django
    from django.core.management import CommandError, call_command
    from django.db import connections

    from config import postgres
    from ingestion.stopped import Stopped

    def stop(number: int, frame: Any) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}")

    for number in SIGNALS:
        signal.signal(number, stop)
    with postgres.running_for(argv):
        django.setup()
        try:
            call_command("receive_mail", *argv[2:])
        except CommandError as error:
            # A command's own refusals carry their code; 1 is the parser's.
            return str(error), error.returncode if error.returncode != 1 else os.EX_USAGE
        finally:
            connections.close_all()
    return "", os.EX_OK
