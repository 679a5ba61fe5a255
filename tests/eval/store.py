"""A vector store's server of this run, in a folder of this run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.bench.world import free_port


@contextlib.contextmanager
def chroma() -> Iterator[None]:
    """Started beside the throw-away cluster; CHROMA_URL names it for the settings."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--path", str(Path(os.environ["COUNTERSIGN_LOCAL_DIR"]) / "chroma")],
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the measurement
    )
    os.environ["CHROMA_URL"] = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx2.HTTPError):
                if httpx2.get(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=1).status_code == 200:
                    break
            if server.poll() is not None:
                raise SystemExit("The vector store's server did not start; nothing was measured.")
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(timeout=20)
