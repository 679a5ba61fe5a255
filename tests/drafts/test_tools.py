"""The registry of tools, walked: each says what it needs, what it rests on and what it does, and what changes its ground ends it.

A tool that is new fails here until somebody writes its line.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from pydantic import ValidationError

from conversations.chats import sessions
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.models import (
    Account,
    ActionReceipt,
    AssistantSession,
    AuditEvent,
    Conversation,
    Customer,
    Note,
    Notification,
    PolicyRule,
    ProposedAction,
    Role,
    Tag,
    User,
)
from conversations.people import account_settings
from conversations.people.roles import DEFAULTS
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.assistant.again import again, change, revert, way_back
from drafts.assistant.deciding import confirm
from drafts.assistant.tools import TOOLS, Context, Wrong, tools_for
from drafts.configuration import documents
from drafts.desk import editing, life, merging, naming, tags
from drafts.learning import prompts
from drafts.models import Draft, DraftAction, Golden, Lane, PromptVersion
from ingestion import sites
from ingestion.models import Site
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

WRITES = sorted(TOOLS)


@dataclass
class Ground:
    """A case with all that the tools look at, and who acts in it."""

    world: World
    case: Conversation
    draft: Draft
    other: Conversation
    golden: Golden | None = None
    name: str = "ada"

    @property
    def actor(self) -> User:
        found: User = getattr(self.world, self.name)
        return found

    @contextmanager
    def here(self, person: User | None = None) -> Iterator[None]:
        with tenant_context(self.world.acme.pk, person=(person or self.actor).pk):
            yield

    def again(self) -> None:
        self.case = Conversation.objects.get(pk=self.case.pk)


@pytest.fixture
def ground(world: World) -> Ground:
    message = factories.message(world.mail, "Does it fit?")
    draft = factories.draft(message)
    other = factories.message(world.mail, "Something else").conversation
    with tenant_context(world.acme.pk):
        for name in ("Refund", "Urgent", "escalated"):
            Tag.objects.create(account=world.acme, name=name)
    return Ground(world, message.conversation, draft, other)


def later(days: float) -> str:
    return (database_time.now() + timedelta(days=days)).isoformat()


@dataclass
class Line:
    """How a tool is asked, what is seen afterwards, and for each of its facts something that changes it."""

    arguments: Callable[[Ground], dict[str, Any]]
    done: Callable[[Ground], bool]
    grounds: dict[str, Callable[[Ground], Any]]
    before: Callable[[Ground], Any] = lambda ground: None
    wrong: tuple[dict[str, Any], ...] = ()
    taken_back: Callable[[Ground], bool] | None = None


def tag(name: str) -> Callable[[Ground], Any]:
    def give(ground: Ground) -> None:
        found = Tag.objects.get(name=name)
        tags.retag(conversation_id=ground.case.pk, actor=ground.actor, add=[found.pk], remove=[])

    return give


def tagged(ground: Ground) -> list[str]:
    return sorted(Tag.objects.filter(links__conversation=ground.case).values_list("name", flat=True))


def write_again(ground: Ground) -> None:
    factories.reply_to(ground.case.last_inbound_message)  # type: ignore[arg-type]


def close(ground: Ground) -> None:
    life.close(conversation_id=ground.case.pk, actor=ground.actor, reason="other")


def promise(ground: Ground) -> None:
    life.owe(
        conversation_id=ground.case.pk, actor=ground.actor, due_at=database_time.now() + timedelta(days=40), note="Call"
    )


def edit(ground: Ground) -> None:
    editing.save_revision(
        draft_id=ground.draft.pk, actor=ground.actor, text="Other words.", version=ground.draft.version
    )


def asleep(days: float) -> Callable[[Ground], Any]:
    return lambda ground: life.snooze(
        conversation_id=ground.case.pk, actor=ground.actor, until=database_time.now() + timedelta(days=days)
    )


def owned_by(name: str) -> Callable[[Ground], Any]:
    return lambda ground: life.assign(
        conversation_id=ground.case.pk, actor=ground.actor, to=getattr(ground.world, name).pk
    )


def rename_person(ground: Ground) -> None:
    """Another person is called what the card says, and the one who was is not."""
    User.objects.filter(pk=ground.world.cy.pk).update(display_name="Somebody else")
    User.objects.filter(pk=ground.world.dan.pk).update(display_name="Cy")


def merge(ground: Ground) -> None:
    merging.merge(conversation_id=ground.case.pk, into=ground.other.pk, actor=ground.actor)


def third(ground: Ground) -> Conversation:
    return factories.message(ground.world.mail, "A third").conversation


def merge_other_away(ground: Ground) -> None:
    merging.merge(conversation_id=ground.other.pk, into=third(ground).pk, actor=ground.actor)


def keep_answer(ground: Ground, question: str = "Does PTFE fit?") -> None:
    golden = goldens.propose(
        account_id=ground.world.acme.pk, actor=ground.actor, question=question, answer="Yes, it fits."
    )
    ground.golden = goldens.accept(golden_id=golden.pk, actor=ground.actor)


def account(ground: Ground) -> Account:
    return Account.objects.get(pk=ground.world.acme.pk)


def setting(name: str, value: Any) -> Callable[[Ground], Any]:
    return lambda ground: account_settings.set_setting(
        account_id=ground.world.acme.pk, actor=ground.world.dan, name=name, value=value
    )


def retention(**days: int) -> Callable[[Ground], Any]:
    return lambda ground: account_settings.set_retention(
        account_id=ground.world.acme.pk, actor=ground.world.dan, **days
    )


def rule(**of: Any) -> Callable[[Ground], Any]:
    return lambda ground: PolicyRule.objects.create(account=ground.world.acme, **of)


def open_lane(ground: Ground) -> None:
    lane = Lane.objects.create(
        account=ground.world.acme, intent="shipping", channel=ground.world.mail, prompt_label="p", model_key="m",
        evidence={"reviewed": 50},
    )  # fmt: skip
    Lane.objects.filter(pk=lane.pk).update(state="open")


def site(ground: Ground) -> None:
    sites.add_site(account_id=ground.world.acme.pk, url="https://shop.test/", actor=ground.world.dan)


def read_site(max_pages: int, every_hours: int) -> Callable[[Ground], Any]:
    return lambda ground: sites.change_site(
        site_id=Site.objects.get().pk, actor=ground.world.dan, name="", max_pages=max_pages, every_hours=every_hours,
        is_active=True,
    )  # fmt: skip


FILE = "version: 1\naccount: {{slug: acme}}\nsettings: {}  # kept\n"


def add_file(settings: str) -> Callable[[Ground], Any]:
    return lambda ground: documents.add_document(
        account_id=ground.world.acme.pk,
        actor=ground.world.dan,
        text=FILE.format(settings),
        origin=documents.Origin.UPLOADED,
    )


def keep_file(ground: Ground) -> None:
    add_file("{hold_seconds: 20}")(ground)


def status(ground: Ground) -> str:
    return Conversation.objects.get(pk=ground.case.pk).status


LINES: dict[str, Line] = {
    "set_tags": Line(
        arguments=lambda g: {"add": ["Refund"]},
        done=lambda g: tagged(g) == ["Refund"],
        taken_back=lambda g: tagged(g) == [],
        grounds={"tags": tag("Urgent")},
        wrong=(
            {"add": ["nothing like it"]}, {"remove": ["Refund"]}, {"add": ["Refund"], "remove": ["Refund"]}, {}, {"add": []},
            {"add": [""]}, {"add": ["x" * 41]}, {"add": "Refund"}, {"add": [7]}, {"add": ["Refund"] * 21}, {"tags": ["Refund"]},
            {"add": None},
        ),
    ),
    "close": Line(
        arguments=lambda g: {"reason": "not_needed"},
        done=lambda g: status(g) == "closed",
        taken_back=lambda g: status(g) == "open",
        grounds={"status": close, "last_inbound": write_again, "owed": promise, "draft": edit},
        wrong=(
            {}, {"reason": ""}, {"reason": "because"}, {"reason": "merged"}, {"reason": "spam"}, {"reason": None}, {"reason": 1},
            {"reason": ["other"]}, {"why": "other"}, {"reason": "quiet"}, {"reason": "OTHER"}, {"conversation": "x"},
        ),
    ),
    "reopen": Line(
        before=close,
        arguments=lambda g: {},
        done=lambda g: status(g) == "open",
        grounds={"status": lambda g: life.reopen(conversation_id=g.case.pk, actor=g.actor)},
        wrong=({"reason": "x"}, {"status": "open"}, {"conversation": "x"}),
    ),
    "snooze": Line(
        arguments=lambda g: {"until": later(3)},
        done=lambda g: Conversation.objects.get(pk=g.case.pk).snoozed_until is not None,
        grounds={
            "status": close, "owed": promise, "last_inbound": write_again, "snoozed_until": asleep(2),
        },
        wrong=(
            {}, {"until": ""}, {"until": "tomorrow"}, {"until": "2026-12-01T09:00:00"}, {"until": "2020-01-01T09:00:00Z"},
            {"until": "2099-01-01T09:00:00Z"}, {"until": "1999-01-01T09:00:00+01:00"}, {"until": None}, {"until": []}, {"until": "9"}, {"until": "2099-01-01T09:00:00Z", "for": 1},
            {"when": "2099-01-01T09:00:00Z"},
        ),
    ),
    "assign": Line(
        arguments=lambda g: {"to": "Cy"},
        done=lambda g: Conversation.objects.get(pk=g.case.pk).owner == g.world.cy,
        taken_back=lambda g: Conversation.objects.get(pk=g.case.pk).owner is None,
        grounds={
            "owner": owned_by("dan"),
            "holder": lambda g: editing.claim(draft_id=g.draft.pk, actor=g.world.dan),
            "to": rename_person,
        },
        wrong=(
            {}, {"to": ""}, {"to": "Nobody Known"}, {"to": "eve@globex.test"}, {"to": "Eve"}, {"to": None}, {"to": 3},
            {"to": "x" * 121}, {"to": ["Cy"]}, {"person": "Cy"}, {"to": "Cy", "note": "x"}, {"to": "@"},
        ),
    ),
    "merge": Line(
        arguments=lambda g: {"into": g.other.number},
        done=lambda g: Conversation.objects.get(pk=g.case.pk).merged_into_id == g.other.pk,
        taken_back=lambda g: Conversation.objects.get(pk=g.case.pk).merged_into_id is None,
        grounds={
            "status": close,
            "last_inbound": write_again,
            "merged": lambda g: merging.merge(conversation_id=g.case.pk, into=third(g).pk, actor=g.actor),
            "other": lambda g: life.close(conversation_id=g.other.pk, actor=g.actor, reason="other"),
            "other_merged": merge_other_away,
        },
        wrong=(
            {}, {"into": 0}, {"into": -1}, {"into": 999_999}, {"into": "two"}, {"into": None}, {"into": 3_000_000_000},
            {"into": [2]}, {"into": 1.5}, {"number": 2}, {"into": "#2"}, {"into": True, "x": 1},
        ),
    ),
    "unmerge": Line(
        before=merge,
        arguments=lambda g: {},
        done=lambda g: Conversation.objects.get(pk=g.case.pk).merged_into_id is None,
        grounds={"merged": lambda g: merging.unmerge(conversation_id=g.case.pk, actor=g.actor)},
        wrong=({"from": 1}, {"into": 1}, {"x": ""}),
    ),
    "rename_customer": Line(
        arguments=lambda g: {"name": "Marcus Delgado Ruiz"},
        done=lambda g: Conversation.objects.get(pk=g.case.pk).customer_name == "Marcus Delgado Ruiz",
        taken_back=lambda g: Conversation.objects.get(pk=g.case.pk).customer_name == g.case.customer_name,
        grounds={
            "here": lambda g: naming.rename(conversation_id=g.case.pk, actor=g.actor, name="Someone"),
            "known_as": lambda g: Customer.objects.filter(addresses=g.case.customer_address_id).update(name="Known"),
        },
        wrong=(
            {}, {"name": ""}, {"name": "   "}, {"name": "x" * 201}, {"name": None}, {"name": 5}, {"name": ["A"]},
            {"customer": "A"}, {"name": "A", "email": "b@c.test"}, {"Name": "A"}, {"name": {}}, {"name": True},
        ),
    ),
    "redraft": Line(
        arguments=lambda g: {"instruction": "shorter"},
        done=lambda g: DraftAction.objects.filter(type="regenerate", notes="shorter").count() == 1,
        grounds={"draft": edit, "last_inbound": write_again},
        wrong=(
            {"instruction": "x" * 1001}, {"instruction": None}, {"instruction": 1}, {"instruction": ["a"]}, {"text": "a"},
            {"instruction": "a", "draft": "b"}, {"instruction": {}}, {"Instruction": "a"}, {"instruction": True}, {"how": ""},
            {"draft_id": "1"}, {"conversation": "1"},
        ),
    ),
    "create_golden": Line(
        arguments=lambda g: {"question": "Does PTFE fit?", "answer": "Yes, it fits."},
        done=lambda g: Golden.objects.filter(status="accepted").count() == 1,
        taken_back=lambda g: Golden.objects.get().status == "retired",
        grounds={"in_use": keep_answer},
        wrong=(
            {}, {"question": "Does it?"}, {"answer": "Yes."}, {"question": "", "answer": "Yes."}, {"question": "Why", "answer": ""},
            {"question": "x" * 2001, "answer": "Yes."}, {"question": "Why", "answer": "x" * 20_001}, {"question": 1, "answer": 2},
            {"question": None, "answer": None}, {"question": "Why", "answer": "Yes.", "status": "accepted"}, {"q": "a", "a": "b"},
            {"question": ["Why"], "answer": "Yes."},
        ),
    ),
    "retire_golden": Line(
        before=keep_answer,
        arguments=lambda g: {"golden": str(g.golden.pk)},  # type: ignore[union-attr]
        done=lambda g: Golden.objects.get().status == "retired",
        grounds={"status": lambda g: goldens.retire(golden_id=g.golden.pk, actor=g.actor)},  # type: ignore[union-attr]
        wrong=({}, {"golden": ""}, {"golden": "x"}, {"golden": str(uuid.uuid4())}, {"golden": None}, {"golden": 1}),
    ),
    "escalate": Line(
        arguments=lambda g: {"to": "Dan", "note": "Please look at the refund."},
        done=lambda g: (
            Note.objects.filter(text="@Dan Please look at the refund.").count() == 1
            and tagged(g) == ["escalated"]
            and Notification.objects.filter(user=g.world.dan, type="mentioned").count() == 1
        ),
        grounds={
            "status": close,
            "last_inbound": write_again,
            "to": lambda g: (
                User.objects.filter(pk=g.world.dan.pk).update(display_name="Somebody else"),
                User.objects.filter(pk=g.world.cy.pk).update(display_name="Dan"),
            ),
            "tagged": tag("escalated"),
        },
        wrong=(
            {}, {"note": ""}, {"note": "x" * 2001}, {"to": "Nobody", "note": "x"}, {"to": "Eve", "note": "x"}, {"to": "Ada", "note": "x"},
            {"note": None}, {"note": 1}, {"to": None, "note": "x"}, {"to": "Dan"}, {"note": "x", "tag": "y"}, {"to": ["Dan"], "note": "x"},
        ),
    ),
    "set_setting": Line(
        arguments=lambda g: {"name": "hold_seconds", "value": 20},
        done=lambda g: account(g).options.hold_seconds == 20,
        taken_back=lambda g: account(g).options.hold_seconds == 10,
        grounds={"value": setting("hold_seconds", 30)},
        wrong=(
            {}, {"name": "hold_seconds"}, {"value": 3}, {"name": "no_such", "value": 1}, {"name": "hold_seconds", "value": 61},
            {"name": "hold_seconds", "value": -1}, {"name": "hold_seconds", "value": "soon"}, {"name": "hold_seconds", "value": 10},
            {"name": "second_factor", "value": True}, {"name": "hold_seconds", "value": None}, {"name": "x" * 61, "value": 1},
            {"name": "business_hours", "value": "whenever"}, {"name": "hold_seconds", "value": [20]}, {"name": "agent_approval", "value": "most"},
        ),
    ),
    "set_retention": Line(
        arguments=lambda g: {"keep": "archive_bodies_after_days", "days": 180},
        done=lambda g: account(g).archive_bodies_after_days == 180,
        taken_back=lambda g: account(g).archive_bodies_after_days == 0,
        grounds={
            "archive_bodies_after_days": retention(archive_bodies_after_days=90),
            "purge_after_days": retention(purge_after_days=900),
            "legal_hold": lambda g: Account.objects.filter(pk=g.world.acme.pk).update(legal_hold=True),
        },
        wrong=(
            {}, {"keep": "archive_bodies_after_days"}, {"days": 3}, {"keep": "legal_hold", "days": 1}, {"keep": "all", "days": 1},
            {"keep": "purge_after_days", "days": -1}, {"keep": "purge_after_days", "days": 36_501}, {"keep": "purge_after_days", "days": "x"},
            {"keep": "purge_after_days", "days": 0}, {"keep": "purge_after_days", "days": 1.5}, {"keep": "purge_after_days", "days": None},
            {"keep": "purge_after_days", "days": 5, "hold": False},
        ),
    ),
    "set_policy": Line(
        arguments=lambda g: {"role": "agent", "verb": "close", "kind": "proposed", "allowed": True, "four_eyes": True},
        done=lambda g: PolicyRule.objects.filter(role="agent", verb="close", kind="proposed", four_eyes=True).count() == 1,
        taken_back=lambda g: not PolicyRule.objects.get(role="agent", verb="close", kind="proposed").four_eyes,
        grounds={"rule": rule(role="agent", verb="close", kind="any", allowed=False)},
        wrong=(
            {}, {"role": "agent", "verb": "close"}, {"role": "boss", "verb": "close", "allowed": True},
            {"role": "agent", "verb": "fly", "allowed": True}, {"role": "agent", "verb": "manage", "allowed": True},
            {"role": "agent", "verb": "close", "allowed": "perhaps"}, {"role": "agent", "verb": "close", "allowed": None},
            {"role": "agent", "verb": "close", "allowed": True, "kind": "never"}, {"verb": "close", "allowed": True},
            {"role": "agent", "verb": 7, "allowed": True}, {"role": "agent", "verb": "x" * 41, "allowed": True},
            {"role": "agent", "verb": "close", "allowed": True, "person": "Ada"},
        ),
    ),
    "shut_lane": Line(
        before=open_lane,
        arguments=lambda g: {"topic": "Shipping"},
        done=lambda g: Lane.objects.get().state == "shut",
        grounds={"lane": lambda g: Lane.objects.update(state="suspended")},
        wrong=(
            {}, {"topic": ""}, {"topic": "refunds"}, {"topic": "shipping", "channel": "No such"}, {"topic": None}, {"topic": 1},
            {"topic": "x" * 101}, {"topic": ["shipping"]}, {"lane": "shipping"}, {"topic": "shipping", "state": "open"},
            {"topic": "shipping", "channel": None}, {"topic": {}},
        ),
    ),
    "set_site": Line(
        before=site,
        arguments=lambda g: {"url": "https://shop.test/", "max_pages": 50, "every_hours": 12},
        done=lambda g: (Site.objects.get().max_pages, Site.objects.get().every_hours) == (50, 12),
        taken_back=lambda g: (Site.objects.get().max_pages, Site.objects.get().every_hours) == (500, 24),
        grounds={"pages": read_site(70, 24), "every": read_site(500, 48)},
        wrong=(
            {}, {"url": "https://shop.test/"}, {"url": "https://other.test/", "max_pages": 5, "every_hours": 1},
            {"url": "https://shop.test/", "max_pages": 0, "every_hours": 1}, {"url": "https://shop.test/", "max_pages": 5, "every_hours": -1},
            {"url": "https://shop.test/", "max_pages": 100_001, "every_hours": 1}, {"url": "x", "max_pages": 5, "every_hours": 1},
            {"url": "https://shop.test/", "max_pages": 500, "every_hours": 24}, {"url": None, "max_pages": 5, "every_hours": 1},
            {"url": "https://shop.test/", "max_pages": "many", "every_hours": 1}, {"url": 1, "max_pages": 1, "every_hours": 1},
            {"url": "https://shop.test/", "max_pages": 5, "every_hours": 1, "trusted": True},
        ),
    ),
    "add_prompt_version": Line(
        arguments=lambda g: {"text": "Be kind and short.", "note": "shorter"},
        done=lambda g: PromptVersion.objects.filter(text="Be kind and short.", status="draft").count() == 1,
        grounds={"version": lambda g: prompts.add(account_id=g.world.acme.pk, actor=g.world.dan, text="Other.")},
        wrong=(
            {}, {"text": ""}, {"text": "   "}, {"text": "x" * 20_001}, {"text": None}, {"text": 1}, {"text": ["a"]}, {"note": "a"},
            {"text": "a", "note": "x" * 301}, {"text": "a", "status": "active"}, {"text": {}}, {"prompt": "a"},
        ),
    ),
    "apply_difference": Line(
        before=keep_file,
        arguments=lambda g: {"path": "settings.hold_seconds", "document": 1},
        done=lambda g: account(g).options.hold_seconds == 20,
        grounds={"desk": setting("hold_seconds", 30), "document": add_file("{hold_seconds: 25}")},
        wrong=(
            {}, {"path": "settings.hold_seconds"}, {"document": 1}, {"path": "settings.hold_seconds", "document": 2},
            {"path": "settings.due_minutes", "document": 1}, {"path": "nowhere", "document": 1}, {"path": "", "document": 1},
            {"path": None, "document": 1}, {"path": "settings.hold_seconds", "document": 0}, {"path": "x" * 1401, "document": 1},
            {"path": "tags[x", "document": 1}, {"path": "settings.hold_seconds", "document": 1, "value": 3},
        ),
    ),
    "adopt_difference": Line(
        before=keep_file,
        arguments=lambda g: {"path": "settings.hold_seconds", "document": 1},
        done=lambda g: documents.current(g.world.acme.pk).text == FILE.format("{hold_seconds: 10}"),  # type: ignore[union-attr]
        grounds={"desk": setting("hold_seconds", 30), "document": add_file("{hold_seconds: 25}")},
        wrong=(
            {}, {"path": "settings.hold_seconds"}, {"document": 1}, {"path": "settings.hold_seconds", "document": 2},
            {"path": "settings.due_minutes", "document": 1}, {"path": "nowhere", "document": 1}, {"path": 5, "document": 1},
            {"path": ["settings.hold_seconds"], "document": 1}, {"path": "settings.hold_seconds", "document": "x"},
            {"path": "settings", "document": 1}, {"path": "settings.hold_seconds", "document": None},
            {"path": "settings.hold_seconds", "document": 1, "text": "x"},
        ),
    ),
}  # fmt: skip


def begun(ground: Ground, name: str, person: User | None = None) -> AssistantSession:
    """A chat in which this tool can be proposed: about the case, or about the whole desk, which an admin changes."""
    if Context.CASE in TOOLS[name].contexts:
        return factories.chat(ground.world.acme, person or ground.actor, "Do it", context="case", case=ground.case.pk)
    ground.name = "dan"
    return factories.chat(ground.world.acme, person or ground.actor, "Do it", context="infrastructure")


def proposed(ground: Ground, name: str, person: User | None = None) -> ProposedAction:
    line, session = LINES[name], begun(ground, name, person)
    with ground.here():
        line.before(ground)
        ground.again()
    with ground.here(person):
        return factories.proposed_in(session, person or ground.actor, name, line.arguments(ground))


def test_every_tool_has_a_line_here_and_says_all_that_it_must() -> None:
    assert sorted(name for name in LINES) == WRITES
    for name, tool in TOOLS.items():
        assert name == tool.name and tool.about.endswith(".") and tool.contexts and tool.version >= 1
        assert tool.verb in DEFAULTS
        shape = tool.args.model_json_schema()
        assert shape["additionalProperties"] is False
        for field_name, schema in shape.get("properties", {}).items():
            assert bounded(schema), f"{name}.{field_name} has no bound"
    assert {"set_tags", "close"} <= {tool.name for tool in tools_for("case")}
    assert {"set_setting", "set_policy"} <= {tool.name for tool in tools_for("infrastructure")}
    assert not {tool.name for tool in tools_for("case")} & {"set_setting", "set_policy", "set_retention"}
    assert tools_for("practice") == []


def bounded(schema: dict[str, Any]) -> bool:
    """Whether a value of this schema has a length that somebody chose."""
    if "anyOf" in schema:
        return all(bounded(one) for one in schema["anyOf"])
    match schema.get("type"):
        case "string":
            return bool(schema.keys() & {"maxLength", "format", "enum", "const", "pattern"})
        case "array":
            return "maxItems" in schema and bounded(schema["items"])
        case "integer" | "number":
            return "maximum" in schema
        case _:
            return True


@pytest.mark.parametrize("name", WRITES)
def test_it_does_what_its_card_says_with_one_receipt(ground: Ground, name: str) -> None:
    line, action = LINES[name], proposed(ground, name)
    with ground.here():
        assert not line.done(ground) and action.effect["sentence"] and action.precondition
        done = confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action, pressed_twice=True))
        assert (done.status, done.said[:200]) == ("executed", done.said), done.said
        assert line.done(ground)
        assert ActionReceipt.objects.get().action_id == action.pk
        assert AuditEvent.objects.filter(kind="action.executed").count() == 1


@pytest.mark.parametrize("name", WRITES)
def test_what_it_did_is_taken_back_by_another_action_once(ground: Ground, name: str) -> None:
    line, action = LINES[name], proposed(ground, name)
    with ground.here():
        confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action, pressed_twice=True))
        action.refresh_from_db()
        if line.taken_back is None:
            assert way_back(action, ground.actor) == (None, "This cannot be taken back.")
            return
        back = revert(action_id=action.pk, actor=ground.actor)
        assert revert(action_id=action.pk, actor=ground.actor) == back
        assert (back.reverts_id, back.status) == (action.pk, "proposed")
        done = confirm(action_id=back.pk, actor=ground.actor, pressed=factories.pressed(back, pressed_twice=True))
        assert done.status == "executed", done.said
        assert line.taken_back(ground)
        assert AuditEvent.objects.get(kind="action.reverted").object_id == str(action.pk)
        assert way_back(action, ground.actor) == (None, "It was taken back.")


def test_a_way_back_proposed_again_is_the_one_that_waits(ground: Ground) -> None:
    action = proposed(ground, "set_tags")
    with ground.here():
        confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action))
        tag = Tag.objects.get(name="Refund")
        lost = revert(action_id=action.pk, actor=ground.actor)
        tags.retag(conversation_id=ground.case.pk, actor=ground.actor, add=[], remove=[tag.pk])
        assert confirm(action_id=lost.pk, actor=ground.actor, pressed=factories.pressed(lost)).status == "expired"
        tags.retag(conversation_id=ground.case.pk, actor=ground.actor, add=[tag.pk], remove=[])
        back = revert(action_id=action.pk, actor=ground.actor)
        assert again(action_id=lost.pk, actor=ground.actor) == back
        assert confirm(action_id=back.pk, actor=ground.actor, pressed=factories.pressed(back)).status == "executed"
        tags.retag(conversation_id=ground.case.pk, actor=ground.actor, add=[tag.pk], remove=[])
        with assert_nothing_written(), pytest.raises(Conflict, match="It was taken back"):
            again(action_id=lost.pk, actor=ground.actor)


@pytest.mark.parametrize(("name", "fact"), [(name, fact) for name in WRITES for fact in LINES[name].grounds])
def test_a_fact_that_changed_after_the_card_ends_it_and_changes_nothing(ground: Ground, name: str, fact: str) -> None:
    line, action = LINES[name], proposed(ground, name)
    assert fact in {one["name"] for one in action.precondition}
    with ground.here():
        line.grounds[fact](ground)
        events = AuditEvent.objects.count()
        ended = confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action, pressed_twice=True))
        assert (ended.status, ended.reason) == ("expired", "target_changed")
        assert not ActionReceipt.objects.exists()
        assert AuditEvent.objects.count() == events + 1


@pytest.mark.parametrize("name", WRITES)
def test_each_of_its_facts_has_a_change_here(ground: Ground, name: str) -> None:
    action = proposed(ground, name)
    assert {one["name"] for one in action.precondition} == LINES[name].grounds.keys()


@pytest.mark.parametrize("name", WRITES)
def test_arguments_that_are_not_possible_leave_no_row(ground: Ground, name: str) -> None:
    line = LINES[name]
    with ground.here():
        line.before(ground)
        ground.again()
    for arguments in line.wrong:
        session = begun(ground, name)
        with ground.here(), assert_nothing_written():
            with pytest.raises(Wrong) as refused:
                factories.proposed_in(session, ground.actor, name, arguments)
            assert str(refused.value)


@pytest.mark.parametrize("role", [Role.AGENT, Role.REVIEWER, Role.ADMIN, Role.AUDITOR])
@pytest.mark.parametrize("name", WRITES)
def test_who_may_propose_and_confirm_it_is_the_policys_answer(ground: Ground, name: str, role: Role) -> None:
    line, tool, world = LINES[name], TOOLS[name], ground.world
    person = {"agent": world.cy, "reviewer": world.ada, "admin": world.dan, "auditor": world.bo}[role]
    if role == Role.AUDITOR:  # has no assistant at all
        with pytest.raises(PermissionDenied):
            begun(ground, name, person)
        return
    session = begun(ground, name, person)
    with ground.here():
        line.before(ground)
        ground.again()
        arguments = line.arguments(ground)
    if arguments.get("to"):
        arguments["to"] = "Eva"
        factories.person("eva", world.acme, "reviewer")
    if role not in DEFAULTS[tool.proposed_by or tool.verb]:
        with ground.here(person), assert_nothing_written(), pytest.raises(PermissionDenied):
            factories.proposed_in(session, person, name, arguments)
        return
    with ground.here(person):
        action = factories.proposed_in(session, person, name, arguments)
        pressed = factories.pressed(action, pressed_twice=True)
        first = tool.proposed_by or tool.verb
        rule = PolicyRule.objects.create(account=world.acme, role=role, verb=first, kind="proposed", allowed=False)
        if tool.verb == first or role not in DEFAULTS[tool.verb]:
            with assert_nothing_written(), pytest.raises(PermissionDenied):
                confirm(action_id=action.pk, actor=person, pressed=pressed)
        rule.delete()
        alone = role in DEFAULTS[tool.verb]
        assert confirm(action_id=action.pk, actor=person, pressed=pressed).status == (
            "executed" if alone else "confirmed"
        )
    if not alone:  # who proposes and may not do it is the first of two
        with ground.here(world.cy), assert_nothing_written(), pytest.raises(PermissionDenied):
            confirm(action_id=action.pk, actor=world.cy, pressed=pressed)
        with ground.here(world.dan):
            assert confirm(action_id=action.pk, actor=world.dan, pressed=pressed).status == "executed"


# --- changed, again ---------------------------------------------------------------------------------------------------
def test_a_persons_own_version_takes_the_place_of_the_old_one(ground: Ground) -> None:
    action = factories.proposed(ground.case, ground.actor, "set_tags", {"add": ["Refund"]}, tainted=True)
    with ground.here():
        with assert_nothing_written(), pytest.raises(Wrong):
            change(action_id=action.pk, actor=ground.actor, arguments={"add": ["unknown"]})
        mine = change(action_id=action.pk, actor=ground.actor, arguments={"add": ["Urgent"]})
        action.refresh_from_db()
        assert (action.status, action.reason) == ("rejected", "changed")
        assert (mine.replaces_id, mine.status, mine.tainted) == (action.pk, "proposed", True)
        assert mine.arguments == {"add": ["Urgent"], "remove": []}
        assert mine.message_id == action.message_id


def test_a_chat_that_ends_at_the_moment_of_the_press_is_said(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    action = factories.proposed(ground.case, ground.actor, "set_tags", {"add": ["Refund"]})
    with ground.here():
        seen = sessions.session_of(action.session_id, ground.actor)
        sessions.close_session(session_id=seen.pk, actor=ground.actor)
        monkeypatch.setattr(sessions, "session_of", lambda *_: seen)
        with assert_nothing_written(), pytest.raises(Conflict, match="chat has ended"):
            again(action_id=action.pk, actor=ground.actor)


def test_what_expired_is_proposed_again_on_the_facts_of_now_once(ground: Ground) -> None:
    action = factories.proposed(ground.case, ground.actor, "set_tags", {"add": ["Refund"]})
    with ground.here():
        tag("Urgent")(ground)
        confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action))
        new = again(action_id=action.pk, actor=ground.actor)
        assert again(action_id=action.pk, actor=ground.actor) == new
        assert (new.replaces_id, [fact["shown"] for fact in new.precondition]) == (action.pk, ["Urgent"])
        assert confirm(action_id=new.pk, actor=ground.actor, pressed=factories.pressed(new)).status == "executed"
        assert tagged(ground) == ["Refund", "Urgent"]


def test_what_was_changed_since_is_not_taken_back(ground: Ground) -> None:
    action = factories.proposed(ground.case, ground.actor, "set_tags", {"add": ["Refund"]})
    with ground.here():
        confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action))
        tag("Urgent")(ground)
        with assert_nothing_written(), pytest.raises(Exception, match="changed since"):
            revert(action_id=action.pk, actor=ground.actor)


def test_nobody_changes_repeats_or_takes_back_anothers(ground: Ground) -> None:
    action = factories.proposed(ground.case, ground.actor, "set_tags", {"add": ["Refund"]})
    with ground.here():
        confirm(action_id=action.pk, actor=ground.actor, pressed=factories.pressed(action))
    other = ground.world.dan
    with ground.here(other), assert_nothing_written():
        for verb in (
            lambda: change(action_id=action.pk, actor=other, arguments={"add": ["Urgent"]}),
            lambda: again(action_id=action.pk, actor=other),
            lambda: revert(action_id=action.pk, actor=other),
        ):
            with pytest.raises(ProposedAction.DoesNotExist):
                verb()


def test_a_shape_takes_no_name_that_it_does_not_know() -> None:
    for tool in TOOLS.values():
        with pytest.raises(ValidationError):
            tool.args.model_validate({"another name": 1})
