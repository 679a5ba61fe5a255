"""Generated requests against the OpenAPI schema: no 5xx, and every answer is one that the schema declares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import schemathesis
from django.core import signals
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from config.wsgi import application
from conversations import audit
from conversations.people import tokens
from conversations.tenancy import tenant_context
from ingestion.api import api as internal
from tests import factories
from tests.conftest import World
from tests.drafts.personal import Script

EXAMPLES = 60
#: Where a person's own token is needed.
PERSONAL = ("/internal/assistant/",)


@pytest.fixture
def api(world: World) -> Iterator[dict[str, str]]:
    with tenant_context(world.acme.pk):
        plain = tokens.issue(account=world.acme, name="Fuzz", scopes=tokens.Scope.values, actor=audit.SYSTEM)[1]
    message = factories.message(world.mail)
    session, action = _of_ada(world)
    # As Django's own test client does: a request's end must not close the connection that holds the test's transaction.
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield {
        "token": plain,
        "conversation": str(message.conversation_id),
        "channel": str(world.mail.pk),
        "own": Script(world.acme, world.ada).headers["Authorization"],
        "session_id": str(session),
        "action_id": str(action),
        "case": str(message.conversation_id),
    }
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)


def _of_ada(world: World) -> tuple[uuid.UUID, uuid.UUID]:
    """Her chat, with a card in it."""
    factories.tagged(factories.message(world.mail), "Refund")
    case = factories.message(world.mail).conversation
    action = factories.proposed(case, world.ada, "set_tags", {"add": ["Refund"]})
    return action.session_id, action.pk


schema = schemathesis.openapi.from_dict(internal.get_openapi_schema())
schema.app = application


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_no_generated_request_breaks_it(case: schemathesis.Case, api: dict[str, str]) -> None:
    # Half of the requests reach real rows: random ids alone would only ever test the 404.
    if "conversation_id" in (case.path_parameters or ()) and len(str(case.body)) % 2:
        case.path_parameters["conversation_id"] = api["conversation"]
    if isinstance(case.body, dict) and "channel_id" in case.body:
        case.body["channel_id"] = api["channel"]
    bearer = f"Bearer {api['token']}"
    if case.path.startswith(PERSONAL) and "/config/" not in case.path:
        bearer = api["own"]
        for name in ("session_id", "action_id"):
            if name in (case.path_parameters or ()) and len(str(case.body)) % 3:
                case.path_parameters[name] = api[name]
    if isinstance(case.body, dict) and case.body.get("case") is not None:
        case.body["case"] = api["case"]
    response = case.call(headers={"Authorization": bearer})
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
