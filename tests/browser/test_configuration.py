"""The configuration in a browser: in four looks with drift, in step and before there is a file; a difference decided by keyboard."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from conversations.models import Account, Tag
from conversations.people import account_settings
from conversations.tenancy import tenant_context
from drafts.assistant.from_a_page import propose_on_the_desk
from drafts.configuration import documents
from tests.browser.conftest import OpenPage
from tests.browser.looks import SCREENS, wrong_on
from tests.conftest import World

PICTURES = os.environ.get("COUNTERSIGN_CONFIGURATION_PICTURES", "")
PAGE = "/settings/configuration/"
FILE = """# Acme, reviewed every quarter
version: 1
account: {slug: acme, timezone: America/New_York}
settings:
  hold_seconds: 20      # was too short in May
  agent_approval: sourced
  assistant: {tokens_a_day: 150000}
retention:
  archive_bodies_after_days: 180
policy:
  - {role: agent, verb: close, kind: proposed, allowed: true}
channels: []
lanes: []
tags: [fuel, fitting]
"""


def store(world: World, text: str = FILE) -> None:
    with tenant_context(world.acme.pk, person=world.dan.pk):
        documents.add_document(account_id=world.acme.pk, actor=world.dan, text=text, origin=documents.Origin.UPLOADED)


def drift(world: World) -> None:
    store(world)
    with tenant_context(world.acme.pk, person=world.dan.pk):
        account_settings.set_timezone(account_id=world.acme.pk, actor=world.dan, name="America/New_York")
        for name in ("fitting", "goop"):
            Tag.objects.create(account=world.acme, name=name)
        for path in ("settings.hold_seconds", "retention.archive_bodies_after_days"):
            propose_on_the_desk(
                account_id=world.acme.pk, actor=world.dan, tool="apply_difference",
                arguments={"path": path, "document": 1}, words="Make the desk follow the file",
            )  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("state", ["none", "drift", "same"])
def test_it_has_nothing_wrong_in_any_look(
    committed_world: World, open_page: OpenPage, screen: tuple[int, int], state: str
) -> None:
    world = committed_world
    if state == "drift":
        drift(world)
    elif state == "same":
        with tenant_context(world.acme.pk):
            documents.keep_desk(account_id=world.acme.pk, actor=world.dan)
    page = open_page(world.dan, PAGE, width=screen[0])
    expect(page.get_by_role("heading", name="Configuration", exact=True)).to_be_visible()
    assert wrong_on(page, screen) == [], state
    if PICTURES:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=str(Path(PICTURES) / f"{state}-{screen[0]}-{scheme}.png"), full_page=True)


def test_a_difference_is_decided_by_keyboard_and_then_gone(committed_world: World, open_page: OpenPage) -> None:
    world = committed_world
    store(world)
    page = open_page(world.dan, PAGE)
    way = page.get_by_role("button", name=re.compile(r"Make the desk follow the file ?: hold_seconds"))
    way.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-armed='1']")).to_be_visible()
    page.get_by_role("button", name="Confirm").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".act .tag--ok")).to_contain_text("Done")
    page.get_by_role("link", name="Compare again").click()
    expect(page.locator(".act")).to_have_count(0)
    expect(way).to_have_count(0)
    with tenant_context(world.acme.pk):
        assert Account.objects.get(pk=world.acme.pk).options.hold_seconds == 20
