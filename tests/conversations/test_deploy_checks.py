"""`check --deploy`: what is right on a desk of one's own and wrong in production is an error."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from conversations.checks import deployment_fits, settings_fit


@pytest.mark.parametrize(("name", "value", "id_"), [("DEMO", True, "E022"), ("FAILPOINT", "after-send", "E023")])
def test_what_is_for_trials_is_refused_in_a_deployment(settings: Any, name: str, value: object, id_: str) -> None:
    settings.OPERATORS_NEED_FACTOR = True
    assert deployment_fits(None) == []
    setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=f"countersign.{id_}"):
        call_command("check", "--deploy", "--tag", "security")


def test_a_stand_in_of_all_vendors_is_refused_where_nothing_is_tried(settings: Any) -> None:
    settings.TESTING = False
    assert "countersign.E007" not in {problem.id for problem in settings_fit(None)}
    settings.VENDOR_OVERRIDE = "127.0.0.1:1"
    assert "countersign.E007" in {problem.id for problem in settings_fit(None)}
    settings.DEMO = True
    assert "countersign.E007" not in {problem.id for problem in settings_fit(None)}


def test_a_proxy_that_nobody_counts_is_told(settings: Any) -> None:
    settings.BEHIND_PROXY, settings.TRUSTED_PROXIES, settings.OPERATORS_NEED_FACTOR = True, 0, True
    assert [problem.id for problem in deployment_fits(None)] == ["countersign.W002"]
    settings.TRUSTED_PROXIES = 1
    assert deployment_fits(None) == []


def test_operators_with_a_password_alone_are_told(settings: Any) -> None:
    assert [problem.id for problem in deployment_fits(None)] == ["countersign.W003"]
