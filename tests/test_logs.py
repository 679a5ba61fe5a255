"""Logs as JSON: one object a line, of which account it is, and the trace of the request."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from conversations.tenancy import tenant_context
from conversations.web.logs import JsonLines, begin
from tests.conftest import World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def lines() -> Iterator[Any]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_the_setting_names_the_formatter() -> None:
    assert settings.LOGGING["formatters"]["json"] == {"()": "conversations.web.logs.JsonLines"}
    assert settings.LOGGING["handlers"]["console"]["formatter"] == settings.LOG_FORMAT == "line"


def test_a_requests_lines_have_its_account_and_the_callers_trace(world: World, signed_in: Any, lines: Any) -> None:
    browser = signed_in(world.dan)
    browser.get("/no/such/page", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    Client().get("/no/such/page")
    mine, nobodys = [one for one in lines() if one["logger"] == "django.request"]
    assert (mine["account"], mine["trace"], mine["level"]) == (str(world.acme.pk), TRACE, "WARNING")
    assert "account" not in nobodys and len(nobodys["trace"]) == 32 and nobodys["trace"] != TRACE


@pytest.mark.parametrize("given", ["", "zebra", f"00-{'0' * 32}-00f067aa0ba902b7-01", f'00-{TRACE}-1-01"}}'])
def test_a_trace_that_is_none_is_replaced(given: str) -> None:
    first, second = begin(given), begin(given)
    assert first != second and TRACE not in (first, second)
    assert all(len(one) == 32 and int(one, 16) for one in (first, second))


def test_work_for_an_account_is_of_it_and_then_no_more(world: World, lines: Any) -> None:
    begin("")  # whatever a request of another test left
    log = logging.getLogger("work")
    with tenant_context(world.acme.pk):
        with tenant_context(world.globex.pk):
            log.warning("inside")
        log.warning("around")
    log.warning('a "line"\nbreak')
    found = {one["message"]: one.get("account") for one in lines()}
    assert found["inside"] == str(world.globex.pk) and found["around"] == str(world.acme.pk)
    assert found['a "line"\nbreak'] is None


def test_an_error_has_its_traceback_in_the_same_line(lines: Any) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("work").exception("it failed")
    (line,) = lines()
    assert line["message"] == "it failed" and line["traceback"].endswith("ValueError: broken")
