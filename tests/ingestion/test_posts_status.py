"""What a vendor says of a whole thread: closed there it is closed here, but nobody who is owed something is let go by a machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conversations.channels.base import Author, EventKind
from conversations.channels.intercom.events import parse
from conversations.channels.intercom.settings import IntercomSettings
from conversations.database import database_time
from conversations.models import AuditEvent, Conversation
from conversations.tenancy import tenant_context
from drafts.desk import editing, life, merging
from drafts.models import Draft
from ingestion.models import InboundEvent
from tests import factories
from tests.ingestion.toy_vendor import Vendor

pytestmark = pytest.mark.usefixtures("toys")


def status(vendor: Vendor, kind: str, by: str = "customer", **changes: Any) -> str:
    """Post that the thread is closed or open; what came of it."""
    return vendor.says(None, type=kind, id="t-7", by=by, **changes).detail


def now(vendor: Vendor) -> Conversation:
    with tenant_context(vendor.account.pk):
        return Conversation.objects.select_related("last_inbound_message").get()


def drafted(vendor: Vendor) -> Draft:
    vendor.says("Do you ship today?")
    return factories.draft(now(vendor).last_inbound_message, "We do.", statements=[])


def test_who_is_owed_nothing_is_closed_with_the_thread(vendor: Vendor) -> None:
    draft = drafted(vendor)
    with tenant_context(vendor.account.pk):
        life.close(conversation_id=draft.conversation_id, actor=vendor.world.ada, reason="not_needed")
        life.reopen(conversation_id=draft.conversation_id, actor=vendor.world.ada)
        life.answered_elsewhere(conversation_id=draft.conversation_id, actor=vendor.world.ada)
    assert (now(vendor).status, now(vendor).owed) == ("pending", "")

    assert status(vendor, "closed") == "closed"

    found = now(vendor)
    assert (found.status, found.outcome, found.owed, found.completed_at is not None) == (
        "closed",
        "closed_there",
        "",
        True,
    )
    with tenant_context(vendor.account.pk):
        told = AuditEvent.objects.filter(kind="conversation.closed").order_by("-id")[0]
    assert (told.actor_type, told.data["reason"]) == ("system", "closed at the vendor")
    assert status(vendor, "closed") == "closed before"


@pytest.mark.parametrize("by", ["team", "us"])
def test_a_person_of_ours_who_closes_it_there_ends_what_is_owed_and_the_draft(vendor: Vendor, by: str) -> None:
    draft = drafted(vendor)
    assert status(vendor, "closed", by) == "closed"
    with tenant_context(vendor.account.pk):
        assert Draft.objects.get(pk=draft.pk).status == "expired"
    assert (now(vendor).status, now(vendor).outcome) == ("closed", "closed_there")


def test_a_machine_that_closes_it_there_lets_nobody_go(vendor: Vendor) -> None:
    draft = drafted(vendor)
    before = now(vendor)
    assert status(vendor, "closed") == "something is owed here, and no person of ours closed it there"
    found = now(vendor)
    assert (found.status, found.owed, found.due_at) == (before.status, before.owed, before.due_at)
    with tenant_context(vendor.account.pk):
        assert Draft.objects.get(pk=draft.pk).status == "pending"


def test_what_somebody_writes_here_is_not_taken_away(vendor: Vendor) -> None:
    draft = drafted(vendor)
    with tenant_context(vendor.account.pk):
        editing.claim(draft_id=draft.pk, actor=vendor.world.ada)
    assert status(vendor, "closed", "team") == "somebody is working on it here"
    assert now(vendor).status == "open"


def test_a_reply_that_somebody_began_is_not_ended_by_a_machine(vendor: Vendor) -> None:
    draft = drafted(vendor)
    with tenant_context(vendor.account.pk):
        Conversation.objects.update(owed="writing")
    assert status(vendor, "closed") == "something is owed here, and no person of ours closed it there"
    with tenant_context(vendor.account.pk):
        assert Draft.objects.get(pk=draft.pk).status == "pending"


def test_while_a_reply_leaves_it_is_the_reply_that_answers(vendor: Vendor) -> None:
    """Many close a ticket with their answer. If ours does not arrive, the customer is owed one as before."""
    draft = drafted(vendor)
    factories.approved(draft, vendor.world.ada)
    assert now(vendor).owed == "leaving"
    before = now(vendor).answered_seq
    assert status(vendor, "closed") == "closed"
    found = now(vendor)
    assert (found.status, found.outcome, found.answered_seq) == ("closed", "", before)


def test_a_part_of_a_matter_that_is_closed_there_does_not_close_the_matter(vendor: Vendor) -> None:
    draft = drafted(vendor)
    other = factories.message(vendor.channel, "And for six?", external_id="m-9", thread_id="t-9")
    with tenant_context(vendor.account.pk):
        merging.merge(conversation_id=draft.conversation_id, into=other.conversation_id, actor=vendor.world.ada)
    assert status(vendor, "closed", "team") == "it is merged with another here"
    with tenant_context(vendor.account.pk):
        assert Conversation.objects.get(pk=other.conversation_id).status == "open"


def test_a_closing_that_comes_late_does_not_close_what_was_written_since(vendor: Vendor) -> None:
    drafted(vendor)
    earlier = (database_time.now() - timedelta(minutes=5)).isoformat()
    assert status(vendor, "closed", "team", at=earlier) == "the customer wrote since"
    assert now(vendor).status == "open"


def test_opened_there_it_is_ours_again(vendor: Vendor) -> None:
    drafted(vendor)
    assert status(vendor, "opened", "team") == "it is open here"
    status(vendor, "closed", "team")
    assert status(vendor, "opened", "team") == "reopened"
    found = now(vendor)
    assert (found.status, found.owed, found.outcome, found.completed_at) == ("open", "reopened", "", None)
    assert found.due_at is not None


def test_a_thread_that_is_not_known_and_one_of_another_channel_change_nothing(vendor: Vendor) -> None:
    draft = drafted(vendor)
    assert vendor.says(None, type="closed", id="t-8", by="team").detail == "nothing that is kept here"
    with tenant_context(vendor.account.pk):
        Conversation.objects.filter(pk=draft.conversation_id).update(channel=vendor.world.mail)
    assert status(vendor, "closed", "team") == "nothing that is kept here"
    with tenant_context(vendor.account.pk):
        assert set(InboundEvent.objects.values_list("status", flat=True)) == {"processed", "ignored"}


def intercom(topic: str, *parts: dict[str, Any]) -> dict[str, Any]:
    item = {
        "type": "conversation", "id": "55", "updated_at": 1764000000,
        "source": {"author": {"type": "user", "id": "u1"}, "body": "<p>Hello</p>"},
        "conversation_parts": {"conversation_parts": list(parts)},
    }  # fmt: skip
    return {"topic": topic, "data": {"item": item}}


@pytest.mark.parametrize(
    ("author", "by"),
    [
        ({"type": "admin", "id": "9"}, Author.TEAM),
        ({"type": "admin", "id": "4711"}, Author.US),
        ({"type": "bot", "id": "1"}, Author.CUSTOMER),
        ({"type": "admin", "id": "9", "from_ai_agent": True}, Author.CUSTOMER),
    ],
)
def test_intercom_says_who_closed_it(author: dict[str, Any], by: Author) -> None:
    closing = {"id": "7", "part_type": "close", "body": None, "author": author, "created_at": 1764000100}
    settings = IntercomSettings(admin_id="4711")
    [event] = parse(json.dumps(intercom("conversation.admin.closed", closing)).encode(), settings)
    assert (event.kind, event.provider_id, event.author) == (EventKind.CLOSED, "55", by)
    assert event.at == datetime.fromtimestamp(1764000100, UTC)
    said = {**closing, "body": "<p>Bye</p>"}
    kinds = [one.kind for one in parse(json.dumps(intercom("conversation.admin.closed", said)).encode(), settings)]
    assert kinds == ([EventKind.CLOSED] if by == Author.CUSTOMER else [EventKind.MESSAGE, EventKind.CLOSED])
    [opened] = parse(json.dumps(intercom("conversation.admin.opened")).encode(), settings)
    assert (opened.kind, opened.at) == (EventKind.OPENED, datetime.fromtimestamp(1764000000, UTC))
