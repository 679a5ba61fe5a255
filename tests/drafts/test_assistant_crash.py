"""The assistant's worker under kill -9: wherever it dies, the question gets one answer with its card, or none yet."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from conversations.chats import sessions, turns
from conversations.database import database_time
from conversations.models import AssistantTurn, Message, ProposedAction
from conversations.tenancy import tenant_context
from tests import factories
from tests.conftest import World
from tests.conversations.test_crash import Zygote


@pytest.fixture
def zygote(cluster: Any) -> Iterator[Zygote]:
    found = Zygote(str(cluster.socket_dir))
    yield found
    found.process.kill()
    found.process.wait()


@pytest.mark.parametrize("failpoint", ["turn.claimed", "turn.written", "turn.before_commit", "turn.stored"])
def test_a_killed_worker_answers_once(committed_world: World, zygote: Zygote, failpoint: str) -> None:
    world = committed_world
    message = factories.message(world.mail)
    factories.tagged(factories.message(world.mail), "fuel")
    with tenant_context(world.acme.pk, person=world.ada.pk):
        session, _ = sessions.start_session(
            actor=world.ada, account_id=world.acme.pk, context="case", case=message.conversation_id
        )
        turn, _ = turns.post(session_id=session.pk, actor=world.ada, text="Tag it fuel", request_id="")
    command = {"account": str(world.acme.pk), "person": str(world.ada.pk), "turn": str(turn.pk)}

    def there() -> tuple[int, int]:
        with tenant_context(world.acme.pk, person=world.ada.pk):
            answers = Message.objects.filter(conversation=session.conversation_id, role="assistant")
            return answers.count(), ProposedAction.objects.filter(session_id=session.pk).count()

    assert zygote.run(failpoint=failpoint, **command) == signal.SIGKILL
    assert there() == ((1, 1) if failpoint == "turn.stored" else (0, 0))
    with tenant_context(world.acme.pk, person=world.ada.pk):
        running = AssistantTurn.objects.filter(status="running")
        running.update(lease_until=database_time.now() - timedelta(seconds=1))
    turns.sweep(account_id=world.acme.pk)
    assert zygote.run(failpoint="", **command) == 0
    assert there() == (1, 1)
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert AssistantTurn.objects.get().status == "done"
