"""A sign that turns the order of what follows, planted in everything that others name: on no page does it reach our words."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from django.test import Client

from conversations import audit
from conversations.channels.base import File, Party
from conversations.models import AuditEvent, Channel, Notification, User
from conversations.tenancy import tenant_context
from conversations.views.notices import fill
from conversations.web.bidi import isolated
from drafts.desk import decisions, editing
from ingestion.models import Site
from tests import factories
from tests.conftest import World
from tests.factories import seen
from tests.test_isolation_walk import ALL, filled

RLO = "\u202e"
#: What ends the turning by itself, and boxes whose text is somebody's own and must come back as it was.
ENDS_IT = {"bdi", "textarea", "option", "pre"}
#: Attributes that nobody reads: addresses, and values that are sent back.
UNREAD = {"value", "href", "src", "action", "formaction", "id", "for", "data-text", "hx-get", "hx-post"}


def turned(what: str) -> str:
    return f"{RLO}{what}"


@pytest.fixture
def pages(world: World, attachments_dir: Any) -> list[tuple[User, str]]:
    User.objects.filter(pk=world.cy.pk).update(display_name=turned("Cy"))
    world.cy.refresh_from_db()
    with tenant_context(world.acme.pk):
        Channel.objects.filter(pk=world.mail.pk).update(name=turned("mail"))
        world.mail.refresh_from_db()
        Site.objects.create(account=world.acme, url="https://docs.acme.test/", name=turned("site"))

    def message(name: str) -> Any:
        sender = Party(f"{name}@customer.test", turned(name))
        file = File(f"{turned(name)}.txt", "text/plain", b"x")
        return factories.message(world.mail, "PTFE?", sender=sender, subject=turned(f"about {name}"), files=(file,))

    source = {"passage": "01890000-0000-7000-8000-000000000001", "title": turned("source"), "url": "", "quote": factories.SENTENCE}  # fmt: skip
    waiting = [factories.draft(message(name), top_sources=[source]) for name in ("anna", "ben")]
    decided, rejected = (factories.draft(message(name), top_sources=[source]) for name in ("carl", "dora"))
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=waiting[1].pk, actor=world.cy)
        decisions.approve(draft_id=decided.pk, actor=world.ada, seen=seen(decided))
        decisions.reject(draft_id=rejected.pk, actor=world.ada, seen=seen(rejected), reasons=["tone"], notes="x")
        for kind in Notification.Type:
            facts = {
                "customer": turned("anna"),
                "by": turned("Cy"),
                "note": "n",
                "person": turned("Cy"),
                "error": turned("e"),
            }
            Notification.objects.create(account=world.acme, user=world.ada, type=kind, payload=facts)
    found = []
    for user in (world.ada, world.dan):
        for path, converters in ALL:
            if path.startswith(("admin/", "internal/", "live/")):
                continue
            for draft in (waiting[0], waiting[1], decided, rejected):
                for pk in (draft.pk, draft.conversation_id) if converters else (draft.pk,):
                    url = filled(path, converters, pk)
                    if url is not None and (user, url) not in found:
                        found.append((user, url))
    for do in ("edit", "reject", "redraft", "snooze", "handover"):
        found.append((world.ada, f"/drafts/{waiting[0].pk}/?do={do}"))
    found += [(world.ada, "/conversations/?q=about"), (world.ada, "/queue/?show=all"), (world.ada, f"/conversations/{waiting[0].conversation_id}/timeline/?event=1")]  # fmt: skip
    return found


def loose(html: str) -> list[str]:
    """Where the sign could turn words of ours: in a text without an isolating parent, in a title, in an attribute."""
    soup = BeautifulSoup(html, "html.parser")
    found = []
    for text in soup.find_all(string=lambda text: text is not None and RLO in text):
        assert isinstance(text, NavigableString)
        parents = [parent.name for parent in text.parents]
        if not ENDS_IT & set(parents) and not (parents[0] == "script" and text.parent["type"] == "application/json"):  # type: ignore[index]
            found.append(f"<{parents[0]}> {str(text).strip()[:80]!r} in {str(text.parent)[:120]}")
    for tag in soup.find_all(True):
        assert isinstance(tag, Tag)
        for name, value in tag.attrs.items():
            if RLO in str(value) and name not in UNREAD:
                found.append(f"<{tag.name} {name}={value!r}>")
    return found


def test_no_page_lets_a_name_turn_our_words(pages: list[tuple[User, str]], signed_in: Any) -> None:
    wrong: dict[str, str] = {}
    planted = 0
    browsers: dict[Any, Client] = {}
    for user, url in pages:
        browser = browsers.setdefault(user.pk, signed_in(user))
        for headers in ({}, {"HX-Request": "true"}):
            answer = browser.get(url, headers=headers)
            if answer.streaming or not answer["Content-Type"].startswith("text/html") or "/html/" in url:
                continue
            html = answer.content.decode()
            if RLO not in html:
                continue
            planted += html.count(RLO)
            for words in loose(html):
                wrong.setdefault(words, url)
    assert planted > 100  # the sign is on the pages at all: it is isolated, not lost
    assert wrong == {}, "\n".join(f"{url}: {words}" for words, url in wrong.items())


def test_sentences_and_notices_have_no_turning_sign_and_keep_the_name(world: World) -> None:
    event = AuditEvent(kind="draft.handed_over", actor_name=turned("Ada"), data={"to": turned("Cy")})
    assert audit.sentence(event) == "Ada handed the conversation over to Cy"
    assert fill("{by}: {note}", {"by": turned("Cy"), "note": "please"}) == "Cy: please"


def test_text_from_the_right_is_set_apart_and_other_text_is_untouched() -> None:
    assert isolated("דנה") == "\u2068דנה\u2069"
    assert isolated("\u2067דנה") == "\u2068דנה\u2069"
    assert isolated("Zoë O'Hara-Smith 😀") == "Zoë O'Hara-Smith 😀"
