"""Writing to people in a browser: copies, files, a conversation of our own, a thread that is passed on."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from conversations.channels.base import File, Party
from conversations.models import Attachment, Conversation, Delivery
from conversations.tenancy import tenant_context
from drafts.desk import snippets
from drafts.models import Draft
from tests import factories
from tests.browser.conftest import Complaints, OpenPage, armed, until
from tests.browser.looks import SCREENS, violations, wrong_on
from tests.conftest import World

LUIS = Party("luis.the.workshop@customer.test", "Luis")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible_and_fit(
    committed_world: World, open_page: OpenPage, complaints: Complaints, attachments_dir: Path, screen: tuple[int, int]
) -> None:
    world = committed_world
    photo = File("A very long name of a photo of the part.jpg", "image/jpeg", b"their photo")
    message = factories.message(world.mail, to=(Party("support@acme.test"),), cc=(LUIS,), files=(photo,))
    draft = factories.draft(message, recipients={"cc": [{"address": LUIS.address, "name": LUIS.name}]})
    factories.attached(draft, "sizes.pdf")
    places = [
        f"/drafts/{draft.pk}/",
        f"/drafts/{draft.pk}/?do=edit",
        "/conversations/new/",
        "/snippets/",
        f"/conversations/{message.conversation_id}/forward/",
    ]
    wrong = []
    for place in places:
        page = open_page(world.ada, place, width=screen[0])
        for summary in page.locator(":is(.to, .attach) > summary").all():
            summary.click()
        wrong += [f"{place} {words}" for words in wrong_on(page, screen)]
    assert (wrong, complaints) == ([], [])


def test_a_conversation_is_begun_with_a_copy_and_a_file_and_sent(
    committed_world: World, open_page: OpenPage, complaints: Complaints, attachments_dir: Path, tmp_path: Path
) -> None:
    world = committed_world
    page = open_page(world.dan, "/conversations/")
    page.get_by_role("link", name="New conversation").click()
    page.get_by_label("To", exact=True).fill("Ana <ana@supplier.test>")
    page.get_by_label("Subject").fill("Where are our hoses?")
    page.get_by_role("button", name="Write it").click()
    page.locator("#final").fill("Hello Ana,\n\nwhere are they?")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.locator(".to > summary").click()
    page.get_by_label("Copy", exact=True).fill("luis@supplier.test")
    page.get_by_role("button", name="Use these").click()
    expect(page.locator(".addr--new bdi")).to_have_text("luis@supplier.test")
    expect(page.locator("#final")).to_have_value("Hello Ana,\n\nwhere are they?")
    (tmp_path / "order.pdf").write_bytes(b"%PDF our order")
    page.locator(".attach > summary").click()
    page.get_by_label("Files of yours").set_input_files(tmp_path / "order.pdf")
    page.get_by_role("button", name="Attach these").click()
    expect(page.locator("#files .file bdi")).to_have_text("order.pdf")
    armed(page)
    page.keyboard.press("a")
    until(page, lambda: _sent(world), "a reply in the outbox")
    delivery = _sent(world)
    assert delivery is not None
    envelope = delivery.envelope
    assert [party["address"] for party in (*envelope["to"], *envelope["cc"])] == [
        "ana@supplier.test",
        "luis@supplier.test",
    ]
    assert [file["name"] for file in envelope["files"]] == ["order.pdf"]
    assert complaints == []


def test_an_address_that_was_typed_and_not_taken_over_is_not_left_out(
    committed_world: World, open_page: OpenPage
) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    page = open_page(world.ada, f"/drafts/{draft.pk}/")
    armed(page)
    page.locator(".to > summary").click()
    page.get_by_label("Copy", exact=True).fill("luis@customer.test")
    page.locator("[data-act=approve]").click()
    page.locator("[data-act=approve]").click()  # its one statement has no source here
    until(page, lambda: _sent(world), "a reply in the outbox")
    delivery = _sent(world)
    assert delivery is not None and [one["address"] for one in delivery.envelope["cc"]] == ["luis@customer.test"]


def test_enter_in_an_address_field_decides_nothing(committed_world: World, open_page: OpenPage) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    page = open_page(world.ada, f"/drafts/{draft.pk}/")
    armed(page)
    page.locator(".to > summary").click()
    page.get_by_label("Copy", exact=True).press_sequentially("luis@customer.test\n")
    page.wait_for_timeout(600)
    with tenant_context(world.acme.pk):
        assert Draft.objects.get(pk=draft.pk).status == "pending"


def test_a_thread_is_passed_on_with_its_file(
    committed_world: World, open_page: OpenPage, attachments_dir: Path
) -> None:
    world = committed_world
    message = factories.message(world.mail, files=(File("part.jpg", "image/jpeg", b"their photo"),))
    page = open_page(world.ada, f"/conversations/{message.conversation_id}/")
    page.get_by_role("link", name="Forward").click()
    page.get_by_label("To", exact=True).fill("ana@supplier.test")
    page.get_by_role("button", name="Write it").click()
    assert "Forwarded message" in page.locator("#final").input_value()
    expect(page.locator("#files .file bdi")).to_have_text("part.jpg")
    with tenant_context(world.acme.pk):
        assert Conversation.objects.filter(status="open").count() == 2
        assert Attachment.objects.filter(draft_id__isnull=False).count() == 1


def test_a_slash_puts_a_snippet_in_with_its_fields_and_the_keys_walk(
    committed_world: World, open_page: OpenPage, complaints: Complaints
) -> None:
    world = committed_world
    with tenant_context(world.acme.pk):
        for name, text in (("Address", "1 Mill Lane"), ("Thanks", "Thank you, {first name}. {me}")):
            snippets.save(account_id=world.acme.pk, actor=world.ada, name=name, text=text, is_shared=False)
    draft = factories.draft(factories.message(world.mail))
    page = open_page(world.ada, f"/drafts/{draft.pk}/")
    armed(page)
    page.keyboard.press("e")
    page.locator("#final").fill("Hi,\n")
    page.locator("#final").press("End")
    page.keyboard.type("/")
    expect(page.locator("#snips [role=option]")).to_have_count(2)
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#final")).to_have_value("Hi,\nThank you, Marcus. Ada")
    expect(page.locator("#snips")).to_have_count(0)
    page.keyboard.type(" /addr")
    expect(page.locator("#snips [role=option]")).to_have_count(1)
    page.locator("#snips [role=option]").click()
    expect(page.locator("#final")).to_have_value("Hi,\nThank you, Marcus. Ada 1 Mill Lane")
    page.keyboard.type(" /x")
    expect(page.locator("#snips")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#snips")).to_have_count(0)
    expect(page.locator("#final")).to_be_focused()
    page.keyboard.type("\nand/or a path like a/b")
    expect(page.locator("#snips")).to_have_count(0)
    assert complaints == []


def _sent(world: World) -> Delivery | None:
    with tenant_context(world.acme.pk):
        return Delivery.objects.first()


DROP = """([name, kind, text]) => { const data = new DataTransfer();
  data.items.add(new File([text], name, { type: kind }));
  for (const type of ['dragover', 'drop']) document.querySelector('.draft').dispatchEvent(
    new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data })); }"""
PASTE = """([name, kind, text]) => { const data = new DataTransfer();
  data.items.add(new File([text], name, { type: kind }));
  document.querySelector('#final').dispatchEvent(
    new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data })); }"""


def test_a_dropped_and_a_pasted_file_are_attached_and_the_text_stays(
    committed_world: World, open_page: OpenPage, complaints: Complaints, attachments_dir: Path
) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    page = open_page(world.ada, f"/drafts/{draft.pk}/?do=edit")
    page.locator("#final").fill("Hi Marcus,\n\nthe list is attached.")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.evaluate(DROP, ["list.txt", "text/plain", "hoses"])
    expect(page.locator("#files .file bdi")).to_have_text(["list.txt"])
    page.goto(page.url.partition("#")[0])
    page.keyboard.press("e")
    expect(page.locator("#final")).to_have_value("Hi Marcus,\n\nthe list is attached.")
    page.evaluate(PASTE, ["shot.png", "image/png", "\x89PNG"])
    expect(page.locator("#files .file bdi")).to_have_text(["list.txt", "shot.png"])
    assert complaints == []
