"""The vendors' descriptions: samples of our own for a plain clone, the published ones where they stand beside it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import CORPORA, needs_corpora
from tests.contracts import vendors
from tests.contracts.spec import OpenApi3, Slack
from tests.contracts.vendors import IntercomInbox, SlackWorkspace

SAMPLES, PUBLISHED = Path(__file__).parent / "samples", CORPORA / "api-specs"
#: Slack's description is of 2020; these came in 2022 (docs.slack.dev, "chat.postMessage", "conversations.replies").
SLACK_LATER = {
    "metadata": "https://docs.slack.dev/messaging/message-metadata/",
    "include_all_metadata": "https://docs.slack.dev/reference/methods/conversations.replies/",
}
BOTH = [pytest.param("sample", id="sample"), pytest.param("published", id="published", marks=needs_corpora)]


@functools.cache
def slack_contract(which: str) -> Slack:
    path = SAMPLES / "slack.json" if which == "sample" else PUBLISHED / "slack_web_openapi_v2.json"
    return Slack(json.loads(path.read_text()), SLACK_LATER)


@functools.cache
def intercom_contract(which: str) -> OpenApi3:
    if which == "sample":
        return OpenApi3(json.loads((SAMPLES / "intercom.json").read_text()))
    return OpenApi3(YAML(typ="safe").load((PUBLISHED / "intercom-2.15.yaml").read_text()))


@pytest.fixture(params=BOTH)
def workspace(request: pytest.FixtureRequest, settings: Any) -> Iterator[SlackWorkspace]:
    """A Slack workspace; at its end nothing that came was against the description."""
    with vendors.slack(slack_contract(request.param)) as found:
        settings.VENDOR_OVERRIDE = found.address
        yield found
    assert not found.broken


@pytest.fixture(params=BOTH)
def inbox(request: pytest.FixtureRequest, settings: Any) -> Iterator[IntercomInbox]:
    """An Intercom workspace; at its end nothing that came was against the description."""
    with vendors.intercom(intercom_contract(request.param)) as found:
        settings.VENDOR_OVERRIDE = found.address
        yield found
    assert not found.broken
