"""A primary and a standby for the tests of what happens when one of them is gone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from config.postgres import Cluster
from tests import ready_cluster
from tests.conftest import World, _migrate, _point_at
from tests.scale.pair import Pair


@pytest.fixture
def pair(cluster: Cluster, transactional_db: None) -> Iterator[Pair]:
    """This process is app_rw in whichever of the two can be written to, and in the tests' cluster again afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-pair-"))
    found = Pair(ready_cluster.start(folder, _migrate), folder, "fsync=off", "full_page_writes=off", "autovacuum=off")
    target: dict[str, Any] = connections["default"].settings_dict
    options = dict(target["OPTIONS"])
    try:
        found.start()
        connections["default"].close()
        target.update(HOST=found.hosts, OPTIONS={**options, "target_session_attrs": "read-write"})
        yield found
    finally:
        connections["default"].close()
        target["OPTIONS"] = options
        _point_at(cluster)
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def paired_world(pair: Pair) -> World:
    return World()
