"""Case 68 of `../shared/cases`: mails as they come in, and what people who look for them type."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from conversations import search
from conversations.models import Conversation, Message
from conversations.tenancy import tenant_context
from ingestion.receive import receive_mail
from tests import factories
from tests.conftest import World
from tests.conversations.test_search import UTC

CASES = Path(settings.BASE_DIR).parent / "shared" / "cases"
CASE = CASES / "case-68-search.json"
pytestmark = pytest.mark.skipif(not CASE.exists(), reason="the shared cases are not beside this checkout")

#: Of the mails that the case names and nobody wrote down.
WRITTEN = {
    "case-41": "Le régulateur de pression fuit.",
    "case-42": unicodedata.normalize("NFD", "Débit trop faible, réponse attendue."),
}


def mail(name: str) -> bytes:
    if file := next(CASES.glob(f"{name}-*.eml"), None):
        return file.read_bytes()
    head = "From: kim@example.com\nTo: support@hotrodan.example\nSubject: Question\nContent-Type: text/plain; charset=utf-8\n"
    return f"{head}Content-Transfer-Encoding: 8bit\nMessage-ID: <{name}@example.com>\n\n{WRITTEN[name]}\n".encode()


def test_each_search_finds_the_conversation_of_its_mail(world: World, attachments_dir: Any) -> None:
    case = json.loads(CASE.read_text())
    desk = factories.channel(world.acme, external_id="support@hotrodan.example", name="Hot rod mail")
    kept: dict[str, Message] = {}
    for name in case["needs"]:
        event = receive_mail(account_id=desk.account_id, channel_id=desk.pk, raw=mail(name), recipient=desk.external_id)
        assert event.message is not None
        kept[name] = event.message
    with tenant_context(world.acme.pk):
        for text, name in case["searches"]:
            found = search.find(Conversation.objects.of_customers().newest_first(), search.parse(text, UTC))
            assert [one.pk for one in found] == [kept[name].conversation_id], text
