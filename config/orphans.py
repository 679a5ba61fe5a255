"""A web process whose server was killed ends too: else it would answer on the port beside its successor, with old code.

granian's main process has the port and its children answer. A killed main (SIGKILL, out of memory) cannot tell them to
stop, and the port can be shared, so a new server starts and half of the requests go to the orphan. systemd and containers
end the whole group; any other supervisor does not.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

LOOK_SECONDS = 0.5
#: Requests that are being answered may end; then nothing waits any more.
GRACE_SECONDS = 10.0


def end_with_parent() -> None:
    """In a child of a server: stop as if it had asked, once it is gone. Elsewhere (a shell, a test) nothing."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # Its number as the server gave it: a server that was killed while we were starting is not our parent any more.
    threading.Thread(target=_watch, args=[parent.pid], name="parent", daemon=True).start()


def _watch(parent: int | None) -> None:
    # Asked, not told: prctl(2) names the thread that forked and not its process, and sockets of siblings keep pipes open.
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
