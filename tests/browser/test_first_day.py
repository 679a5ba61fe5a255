"""A team's first day, in a browser and without a shell: from nothing to a conversation that was answered, closed and opened again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from conversations.models import Channel, Conversation, Delivery, User
from conversations.tenancy import account_directory, tenant_context
from drafts.models import Draft
from ingestion.receive import receive_mail
from tests.browser.conftest import Complaints, OpenPage, armed, until
from tests.browser.test_setup import _loopback as _loopback
from tests.browser.test_setup import set_up
from tests.conftest import World
from tests.conversations.conftest import serve as serve

MINUTES = 12
MAIL = """From: Marcus Delgado <marcus@customer.test>
To: help@initech.test
Cc: Luis <luis@customer.test>
Subject: {subject}
Message-ID: <{id}@customer.test>
{more}
{text}
"""
PAGE = """<!doctype html><html lang="en"><title>Returns</title><main><h1>Returns</h1>
<p>You can return an unused hose within 30 days of delivery. The return label is free within the country.</p>
<p>Hoses that were cut to length cannot be returned.</p></main></html>"""


def arrives(account: uuid.UUID, channel: Channel, subject: str, text: str, more: str = "") -> None:
    """A mail by the pipe that the set-up page names; `receive_mail` is what that command calls."""
    raw = MAIL.format(subject=subject, id=uuid.uuid4().hex, more=more, text=text).replace("\n", "\r\n").encode()
    receive_mail(account_id=account, channel_id=channel.pk, raw=raw, recipient="help@initech.test")


def test_a_new_team_answers_its_first_mail(
    committed_world: World,
    open_page: OpenPage,
    worker_turn: Callable[[], None],
    serve: Any,
    attachments_dir: Path,
    tmp_path: Path,
    complaints: Complaints,
) -> None:
    began = time.monotonic()
    port, keeper = serve()
    set_up(open_page, worker_turn, port, keeper)
    account = next(one["id"] for one in account_directory() if one["slug"] == "initech")
    with tenant_context(account):
        channel = Channel.objects.get()
    pete = User.objects.with_address("pete@initech.test").get()
    page = open_page(pete, "/sources/")

    # What it answers from.
    (tmp_path / "returns.html").write_text(PAGE)
    page.get_by_label("Documents, or approved answers").set_input_files(tmp_path / "returns.html")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("1 file queued to be read.")).to_be_visible()
    worker_turn()
    page.goto("/sources/")
    expect(page.locator("#documents")).to_contain_text("Returns")

    # The first mail, and its draft.
    arrives(account, channel, "Can I send it back?", "Hi, can I return an unused hose? It came last week.")
    worker_turn()
    page.goto("/queue/")
    page.locator("#rows .row").first.click()
    expect(page.locator("#rv-title")).to_have_text("Can I send it back?")
    expect(page.locator("#review")).to_contain_text("within 30 days")
    expect(page.locator(".to .addr")).to_have_count(2)  # the copy of the mail stays a copy

    # Edited, with a file, to the customer and the copy.
    armed(page)
    page.keyboard.press("e")
    text = page.locator("#final").input_value()
    page.locator("#final").fill(text.replace("Best regards", "The label is attached.\n\nBest regards"))
    expect(page.locator("#saved")).to_contain_text("Saved")
    (tmp_path / "label.pdf").write_bytes(b"%PDF a label")
    page.locator(".attach > summary").click()
    page.get_by_label("Files of yours").set_input_files(tmp_path / "label.pdf")
    page.get_by_role("button", name="Attach these").click()
    expect(page.locator("#files .file bdi")).to_have_text("label.pdf")
    armed(page)
    _approve(page)
    with tenant_context(account):
        until(page, lambda: Delivery.objects.exists(), "the reply is in the outbox")
        conversation = Conversation.objects.get()
    page.wait_for_timeout(10_500)  # in which it could be taken back
    worker_turn()
    sent = keeper.envelopes[-1]
    assert sorted(sent.rcpt_tos) == ["luis@customer.test", "marcus@customer.test"]
    assert b"label.pdf" in sent.content

    # A note, an owner, and it is closed.
    page.goto(f"/conversations/{conversation.pk}/")
    expect(page.locator(".rv-meta .state")).to_have_text("Waiting")
    page.locator("summary", has_text="Internal note").click()
    page.get_by_label("Internal note", exact=True).fill("A friend of the house.")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".note")).to_contain_text("A friend of the house.")
    page.locator("summary", has_text="No owner").click()
    page.get_by_label("Pete (me)").check()
    page.get_by_role("button", name="Set the owner").click()
    expect(page.locator("summary", has_text="Pete")).to_be_visible()
    page.locator("summary", has_text="Close").click()
    page.locator(".menu__form").get_by_role("button", name="Close").click()
    expect(page.locator(".rv-meta .state")).to_have_text("Closed")

    # The customer answers, and it is open again, with another draft.
    sent_id = message_from_bytes(sent.content)["Message-ID"].strip()
    arrives(account, channel, "Re: Can I send it back?", "And one that I cut?", f"In-Reply-To: {sent_id}\n")
    worker_turn()
    page.reload()
    expect(page.locator(".rv-meta .state")).to_have_text("To answer")
    with tenant_context(account):
        assert Conversation.objects.get().owner == pete
        assert list(Draft.objects.order_by("id").values_list("status", flat=True)) == ["sent", "pending"]
    assert complaints == []
    assert time.monotonic() - began < MINUTES * 60


def _approve(page: Page) -> None:
    """Once, or twice where the page asks for a second press."""
    button = page.locator("[data-act=approve]")
    button.click()
    if "again" in (button.text_content() or ""):
        button.click()
