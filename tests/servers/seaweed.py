"""A real server of the S3 protocol for tests: SeaweedFS, in a folder of its own, fetched by `make s3-server`."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.demo.__main__ import free_port
from conversations.storage.objects import ObjectStorage

PROGRAM = Path(__file__).resolve().parents[2] / ".local" / "seaweed" / "bin" / "weed"
KEY_ID, KEY, BUCKET = "countersign", "tests-only-secret", "files"
try:
    import minio
except ImportError:  # pragma: no cover - the requirements of development have it
    minio = None
#: Empty where it can be run.
WHY_NOT = "make s3-server fetches SeaweedFS" if not PROGRAM.exists() else "" if minio else "minio is not installed"


class Seaweed:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "s3.json").write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "tests",
                            "credentials": [{"accessKey": KEY_ID, "secretKey": KEY}],
                            "actions": ["Admin", "Read", "Write", "List"],
                        }
                    ]
                }
            )
        )
        self.start()

    @property
    def options(self) -> dict[str, Any]:
        endpoint = f"http://127.0.0.1:{self.port}"
        return {
            "bucket": BUCKET,
            "prefix": "desk",
            "endpoint": endpoint,
            "key_id": KEY_ID,
            "secret": KEY,
            "timeout": 5.0,
        }

    @property
    def storages(self) -> dict[str, Any]:
        return {"BACKEND": "conversations.storage.objects.ObjectStorage", "OPTIONS": self.options}

    def client(self) -> Any:
        return ObjectStorage(**self.options)._client

    def names(self) -> set[str]:
        """Every object that is there."""
        return {found.object_name for found in self.client().list_objects(BUCKET, recursive=True)}

    def start(self) -> None:
        """Until bytes can be kept and read: it answers for names before it knows where their bytes are."""
        for _ in range(3):  # another process may have taken one of its ports meanwhile
            self._process = self._begin()
            until = time.monotonic() + 60
            while self._process.poll() is None and time.monotonic() < until:
                time.sleep(0.1)
                with contextlib.suppress(Exception):
                    self._try()
                    return
            self.stop()
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def _begin(self) -> subprocess.Popen[bytes]:
        ports = [f"-{name}={free_port()}" for name in ("master.port", "volume.port", "filer.port")]
        ports += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
        return subprocess.Popen(
            [
                *(PROGRAM, f"-logdir={self.folder}", "server", f"-dir={self.folder}", "-ip=127.0.0.1"),
                *("-ip.bind=127.0.0.1", "-volume.max=20", "-master.volumeSizeLimitMB=64", "-filer", "-s3"),
                "-s3.autoCreateBucket=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",  # two may run at once
                *(f"-s3.port={self.port}", f"-s3.config={self.folder / 's3.json'}", *ports),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )

    def _try(self) -> None:
        client = self.client()
        if not client.bucket_exists(BUCKET):
            client.make_bucket(BUCKET)
        client.put_object(BUCKET, "ready", io.BytesIO(b"ready"), 5)
        answer = client.get_object(BUCKET, "ready")
        assert answer.read() == b"ready"
        answer.close()
        client.remove_object(BUCKET, "ready")

    def stop(self) -> None:
        """At once: asked to end, it takes twenty seconds."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running() -> Iterator[Seaweed]:
    folder = Path(tempfile.mkdtemp(prefix="countersign-s3-"))
    server = Seaweed(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
