"""A formatted reply: its text is the record, its HTML is made of it and safe, and the mail carries both."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.test import Client

from conversations.channels.email.building import build_mail
from conversations.messages import outgoing
from conversations.messages.formatted import to_html, with_signature
from conversations.models import AuditEvent, Channel, Delivery, Message, User
from drafts.desk import decisions, editing, formatting
from drafts.desk.decisions import Changed
from drafts.models import Draft
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def draft(world: World, acme: Any) -> Draft:
    return factories.draft(factories.message(world.mail))


def choose(draft: Draft, actor: User, formatted: bool = True) -> Draft:
    return formatting.choose(draft_id=draft.pk, actor=actor, seen=factories.seen(draft), formatted=formatted)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Hi **you**", "<p>Hi <strong>you</strong></p>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("[us](https://acme.test/a)", '<p><a href="https://acme.test/a" target="_blank" rel="noopener nofollow noreferrer">us</a></p>\n'),
        ("# No heading", "<p># No heading</p>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("![x](https://spy.test/p.gif)", None),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("5 * 3 * 2 and snake_case_name", "<p>5 * 3 * 2 and snake_case_name</p>\n"),
    ],
)  # fmt: skip
def test_markdown_can_do_a_little_and_no_harm(text: str, html: str | None) -> None:
    found = to_html(text)
    assert "<img" not in found and "<script" not in found
    if html is not None:
        assert found == html


def test_a_text_without_end_is_sent_as_it_is() -> None:
    assert to_html("*" * 50_001) == ""
    assert with_signature("", "Acme") == ""
    assert with_signature("<p>Hi</p>", "A & B\nC") == "<p>Hi</p><p>-- <br>A &amp; B<br>C</p>"


def test_the_mail_carries_both_and_the_text_is_the_record(world: World, draft: Draft) -> None:
    channel = Channel.objects.get(pk=world.mail.pk)
    Channel.objects.filter(pk=channel.pk).update(metadata={**channel.metadata, "signature": "Acme"})
    choose(draft, world.cy)
    assert AuditEvent.objects.get(kind="draft.formatted").data == {"as": "formatted"}
    text = f"Hi **Marcus**,\n\n{factories.SENTENCE}"
    delivery = factories.approved(draft, world.ada, final_text=text)
    found = Delivery.objects.get(pk=delivery.pk)
    assert (found.body_text, found.message.body_text) == (text, text)
    assert "<strong>Marcus</strong>" in found.message.body_html
    action = draft.actions.get(type="edit")
    assert (action.final_text, action.final_html) == (text, found.body_html)
    mail = email.message_from_bytes(build_mail(outgoing.outbound_of(found)), policy=email.policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    assert plain.replace("\r\n", "\n").strip() == f"{text}\n\n-- \nAcme"
    assert "<strong>Marcus</strong>" in html and "<p>-- <br>Acme</p>" in html


def test_a_plain_one_has_no_html(world: World, draft: Draft) -> None:
    delivery = factories.approved(draft, world.ada)
    assert Message.objects.get(pk=delivery.message_id).body_html == ""
    assert outgoing.outbound_of(Delivery.objects.get(pk=delivery.pk)).body_html == ""


def test_who_saw_it_plain_approves_nothing_formatted(world: World, draft: Draft) -> None:
    seen = factories.seen(draft)
    choose(draft, world.cy)
    with assert_nothing_written(), pytest.raises(Changed):
        decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen)
    choose(draft, world.cy, formatted=False)
    assert decisions.approve(draft_id=draft.pk, actor=world.ada, seen=seen)


def test_auditors_format_nothing(world: World, draft: Draft) -> None:
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        choose(draft, world.bo)


def test_the_page_shows_it_as_it_would_be_sent(world: World, draft: Draft, signed_in: Callable[[User], Client]) -> None:
    editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text="Hi **Marcus** <b>x</b>")
    client, url = signed_in(world.ada), f"/drafts/{draft.pk}/"
    page = BeautifulSoup(client.get(url).content, "html.parser")
    button = page.select_one("[data-act=format]")
    hidden = {one["name"]: one["value"] for one in page.select("#decide > input[type=hidden]")}
    assert client.post(button["formaction"], {**hidden, "formatted": button["value"]}).status_code == 303
    shown = BeautifulSoup(client.get(url).content, "html.parser")
    assert str(shown.select_one(".prose--rich").p) == "<p>Hi <strong>Marcus</strong> &lt;b&gt;x&lt;/b&gt;</p>"
    assert shown.select_one("[data-act=format]")["aria-pressed"] == "true"
