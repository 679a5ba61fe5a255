"""A real vector store for the tests that need one, and the toy's vendor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conversations.channels import registry
from tests import toy
from tests.conftest import World
from tests.ingestion.toy_vendor import Vendor


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, on a free port, with its own folder, for this session only."""
    pytest.importorskip("chromadb_rust_bindings", reason="the vector store's server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--host", "127.0.0.1", "--port", str(port)]
    folder = tmp_path_factory.mktemp("chroma")
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [*command, "--path", str(folder / "data")],
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while not _answers(url):
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/api/v2/heartbeat", timeout=1).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's vendor is one of the providers."""
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, toy.TOY))
    monkeypatch.setattr(toy, "SENT", [])


@pytest.fixture
def vendor(toys: None, committed_world: World, attachments_dir: Any) -> Vendor:
    return Vendor(committed_world)
