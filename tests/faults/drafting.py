"""F15 and F16: draft workers die in the middle of writing, and the vector store dies under them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.db import connection
from django.db.models import Count

from config.demo.__main__ import free_port, wait_for
from conversations.models import Conversation
from conversations.tenancy import tenant_context
from drafts.demo import seeding
from drafts.models import Draft
from ingestion.knowledge.embed import get_embedder
from ingestion.knowledge.index import index_document, repair_vectors, vectors_missing
from ingestion.knowledge.vectors import get_vector_store
from ingestion.models import Passage
from tests import factories
from tests.faults.ground import Ground, Outcome, kill, noticed, wait_until

KNOWLEDGE = seeding.HERE / "knowledge"
QUESTION = "Is PTFE hose safe with E85 on the return line, and what does overnight shipping cost?"


def f15_draft_workers_killed(ground: Ground) -> Outcome:
    """Workers die at any moment while they write: in the end each conversation has one draft, and none is lost."""
    kills = ground.count(30, 3)
    out = Outcome(trials=kills)
    messages = [factories.message(ground.world.mail, f"{QUESTION} ({number})") for number in range(kills * 3)]
    connection.close()
    for _ in range(kills):
        child = ground.worker()
        before = _written(ground)
        wait_until(lambda b=before: _written(ground) > b, 15, 0.05)  # type: ignore[misc]
        time.sleep(ground.chance.uniform(0, 0.3))
        kill(child)
    with ground.working():
        out.must(
            wait_until(lambda: _written(ground) >= len(messages), 150, 0.5), "drafts are missing after the last kill"
        )

    def check(found: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            live = dict(Draft.objects.filter(status="pending").values_list("conversation_id").annotate(n=Count("pk")))
            all_of = Conversation.objects.count()
        found.must(len(live) == all_of, f"{all_of - len(live)} conversations have no draft")
        found.must(set(live.values()) <= {1}, "a conversation has two drafts")

    check(out)
    ground.check_trail(out)

    def one_lost(planted: Outcome) -> None:
        ground.superuser("UPDATE drafts_draft SET status = 'expired' WHERE id = (SELECT id FROM drafts_draft LIMIT 1)")
        check(planted)

    out.control = noticed(one_lost, what="one draft taken away by hand")
    return out


def _written(ground: Ground) -> int:
    with tenant_context(ground.world.acme.pk):
        return Draft.objects.count()


def f16_vectors_killed(ground: Ground) -> Outcome:
    """The vector store dies while pages are indexed and drafts written: all is written, and the vectors are mended."""
    program = shutil.which("chroma", path=str(Path(sys.executable).parent))
    if program is None:
        return Outcome(skipped="chroma is not installed (it comes with the demo's packages)")
    out = Outcome(trials=ground.count(10, 2))
    account, port = ground.world.acme.pk, free_port()
    url, pages = f"http://127.0.0.1:{port}", sorted(KNOWLEDGE.glob("*.md"))
    with mock.patch.object(settings, "CHROMA_URL", url):
        store = _chroma(ground, program, port)
        try:
            with ground.working(CHROMA_URL=url):
                for trial in range(out.trials):
                    killer = threading.Timer(ground.chance.uniform(0, 0.5), kill, [store])
                    killer.start()
                    for page in pages[trial % 4 :: 4]:
                        text = f"{page.read_text()}\n\nLooked at again, {trial} times."
                        index_document(account_id=account, source_url=f"https://acme.test/{page.stem}", title=page.stem, text=text)  # fmt: skip
                    factories.message(ground.world.mail, f"{QUESTION} ({trial})")
                    killer.join()
                    written = wait_until(lambda n=trial: _written(ground) > n, 60)  # type: ignore[misc]
                    out.must(written, "without the vector store no draft was written")
                    store = _chroma(ground, program, port)
                    repair_vectors(account)
                    out.must(
                        vectors_missing(account) == 0,
                        f"{vectors_missing(account)} vectors are missing after the repair",
                    )
            with tenant_context(account):
                out.figures = (
                    f"{Passage.objects.count()} passages, {Draft.objects.filter(status='pending').count()} drafts"
                )

            def unmended(planted: Outcome) -> None:
                with tenant_context(account):
                    gone = Passage.objects.values_list("pk", flat=True)[0]
                vectors = get_vector_store(get_embedder().name)
                assert vectors is not None
                vectors.delete(account, [gone])
                planted.must(vectors_missing(account) == 0, "1 vector is missing")

            out.control = noticed(unmended, what="one vector removed by hand")
        finally:
            kill(store)
    return out


def _chroma(ground: Ground, program: str, port: int) -> subprocess.Popen[bytes]:
    """A real Chroma server on the folder of this run, when it answers."""
    child = subprocess.Popen(
        [program, "run", "--host", "127.0.0.1", "--port", str(port), "--path", str(ground.folder / "chroma")],
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(f"http://127.0.0.1:{port}/api/v2/heartbeat", child, "chroma")
    return child
