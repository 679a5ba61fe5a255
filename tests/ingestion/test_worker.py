"""Jobs in real workers: run by the worker itself, and killed in the middle."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.tenancy import tenant_context
from ingestion import jobs
from ingestion.models import JobRun, Passage, Site, SourceDocument
from tests.conftest import World
from tests.ingestion.web import Web, html, serve

PAGES = 12


@pytest.fixture
def web(settings: Any) -> Iterator[Web]:
    settings.CRAWL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with serve() as web:
        web["/robots.txt"] = (404, {}, b"")
        web["/"] = html("Start", "Everything starts here.", *(f"/p{n}" for n in range(PAGES - 1)))
        for number in range(PAGES - 1):
            web[f"/p{number}"] = html(f"Page {number}", f"Fitting number {number} is torqued to {number + 10} ft-lb.")
        yield web


def queue(world: World, web: Web) -> JobRun:
    with tenant_context(world.acme.pk):
        site = Site.objects.create(account=world.acme, url=web.url, allow_private=True)
        return jobs.queue_job(account_id=world.acme.pk, type="crawl", params={"site": str(site.pk)}, actor=world.dan)


def test_the_real_worker_crawls_what_a_page_asked_for(
    committed_world: World, web: Web, worker_turn: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.knowledge.crawl.PAUSE_SECONDS", 0.0)
    job = queue(committed_world, web)
    worker_turn()
    with tenant_context(committed_world.acme.pk):
        job.refresh_from_db()
        assert (job.status, job.done, job.error) == ("succeeded", PAGES, "")
        assert Passage.objects.count() == PAGES
    # The clock's own jobs may be there too: it asks for some at a minute of the night.
    assert ProcrastinateJob.objects.get(args__job_id=str(job.pk)).status == "succeeded"


def test_a_crawl_whose_worker_was_killed_is_finished_by_another_and_asks_for_no_page_twice(
    committed_world: World, web: Web, cluster: Any
) -> None:
    world = committed_world
    job = queue(world, web)
    root = Path(__file__).parents[2]
    script = (
        "import os, sys, uuid, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()\n"
        "from django.conf import settings; settings.DATABASES['default'].update(HOST=sys.argv[1], NAME='countersign_test',"
        " USER='app_rw')\n"
        "from ingestion.knowledge import crawl; crawl.PAUSE_SECONDS = 0.02\n"
        "from ingestion import jobs; print(jobs.run_job(account_id=uuid.UUID(sys.argv[2]), job_id=uuid.UUID(sys.argv[3])))\n"
    )
    environment = {**os.environ, "CRAWL_NETWORKS": "127.0.0.0/8"}
    command = [sys.executable, "-c", script, str(cluster.socket_dir), str(world.acme.pk), str(job.pk)]
    worker = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env=environment)
    killed = []

    def kill_at_the_sixth(path: str) -> None:
        if path == "/p5" and not killed:
            killed.append(path)
            os.kill(worker.pid, signal.SIGKILL)

    web.before = kill_at_the_sixth
    assert worker.wait(timeout=60) == -signal.SIGKILL
    with tenant_context(world.acme.pk):
        assert JobRun.objects.get().status == "running"
        assert SourceDocument.objects.count() == 6
        # Two silent minutes later:
        JobRun.objects.update(heartbeat_at=timezone.now() - jobs.SILENCE * 2)
    assert jobs.sweep(account_id=world.acme.pk) == 1
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"succeeded\n"
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
        assert (job.status, job.done, job.attempts) == ("succeeded", PAGES, 2)
        assert Passage.objects.count() == PAGES
    pages = [path for path in web.asked if path == "/" or path.startswith("/p")]
    # The page that it was killed over is asked for again, and no other.
    assert sorted(pages) == sorted(["/", *(f"/p{n}" for n in range(PAGES - 1)), "/p5"])
