"""A PostgreSQL with the whole schema, made once and copied: a test process starts in a second instead of migrating.

The copy that is kept stands for the files that made it (migrations, SQL, roles, the locked versions, the server's binaries); when any
of them differs, another one is made. `tests/schema` migrates by itself, up and down.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from config.postgres import Cluster, embedded, find_bin

ROOT = Path(__file__).resolve().parent.parent
CLUSTERS = ROOT / ".local" / "test-clusters"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


def digest() -> str:
    made = hashlib.sha256(str(find_bin()).encode())
    files = [ROOT / "requirements-dev.txt", ROOT / "deploy" / "roles.sql", ROOT / "config" / "postgres.py"]
    files += [
        ROOT / "config" / "settings.py",
        ROOT / "conversations" / "database" / "guards.py",
        ROOT / "conversations" / "database" / "sqlfiles.py",
    ]
    for app in ("conversations", "ingestion", "drafts"):
        files += sorted((ROOT / app / "migrations").glob("*.py")) + sorted((ROOT / app).glob("sql/*"))
        files += sorted((ROOT / app).glob("models/*.py"))  # the content types that migrating leaves behind
    for file in files:
        made.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return made.hexdigest()[:16]


def start(folder: Path, migrate: Callable[[Cluster], None]) -> Cluster:
    """A running cluster in `folder/data` with the schema; `migrate` is called on a running one when none is kept."""
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    kept = CLUSTERS / digest()
    with (CLUSTERS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(kept, migrate)
    folder.chmod(0o755)
    found = embedded(folder / "data")
    _copy(kept, found.data)
    found.start(*FAST)
    return found


def _make(kept: Path, migrate: Callable[[Cluster], None]) -> None:
    for old in CLUSTERS.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="countersign-pg-new-") as name:
        Path(name).chmod(0o755)
        cluster = embedded(Path(name) / "data")
        cluster.start(*FAST)
        try:
            migrate(cluster)
        finally:
            cluster.stop()
        _copy(cluster.data, kept.with_suffix(".part"))
    kept.with_suffix(".part").rename(kept)


def _copy(source: Path, target: Path) -> None:
    # Owner and mode go along: the server refuses a folder that is not its own.
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
