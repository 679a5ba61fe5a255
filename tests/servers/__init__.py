"""Real servers on this machine that tests speak to."""

from __future__ import annotations

import socketserver
import threading


def in_background(server: socketserver.BaseServer) -> threading.Thread:
    """Serve in a thread until `shutdown()`, which by itself would take up to half a second in each test."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    return thread
