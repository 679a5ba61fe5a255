"""Generated requests against the OpenAPI schema: no 5xx, and every answer is one that the schema declares."""

from __future__ import annotations

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

EXAMPLES = 60


@pytest.fixture
def api(world: World) -> Iterator[dict[str, str]]:
    with tenant_context(world.acme.pk):
        plain = tokens.issue(account=world.acme, name="Fuzz", scopes=tokens.Scope.values, actor=audit.SYSTEM)[1]
    message = factories.message(world.mail)
    # As Django's own test client does: a request's end must not close the connection that holds the test's transaction.
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield {
        "token": plain,
        "conversation": str(message.conversation_id),
        "channel": str(world.mail.pk),
    }
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)


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
    response = case.call(headers={"Authorization": f"Bearer {api['token']}"})
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
