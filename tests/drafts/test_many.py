"""One act on many conversations of a list: each by its own verb, in its own transaction; what is left says why."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.test import Client

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent, Conversation, ConversationTag, Message, Tag, User
from conversations.tenancy import tenant_context
from drafts.desk import editing, life, many, merging
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

Browser = Callable[[User], Client]


@pytest.fixture
def three(committed_world: World) -> list[Message]:
    return [factories.message(committed_world.mail, f"Question {n}") for n in range(3)]


def take(*messages: Message) -> list[str]:
    return [f"{message.conversation_id}:{message.pk}" for message in messages]


def found(message: Message) -> Conversation:
    with tenant_context(message.account_id):
        return Conversation.objects.select_related("owner").get(pk=message.conversation_id)


def said(answer: Any) -> list[str]:
    return [one.get_text(" ", strip=True) for one in BeautifulSoup(answer.content, "lxml").select(".notes .banner")]


def press(browser: Client, act: str, **data: Any) -> list[str]:
    answer = browser.post(f"/conversations/many/{act}/", data)
    assert answer.status_code == 303, answer.content
    return said(browser.get(answer["Location"]))


def test_what_is_ticked_is_closed_with_its_reason_and_the_rest_is_not(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    words = press(
        signed_in(world.ada),
        "close",
        take=take(*three[:2]),
        reason="not_needed",
        filter="list=owed",
    )
    assert words == ["2 closed."]
    assert [found(message).status for message in three] == ["closed", "closed", "open"]
    assert found(three[0]).outcome == "not_needed"
    with tenant_context(world.acme.pk):
        events = AuditEvent.objects.filter(kind="conversation.closed")
        assert sorted(events.values_list("conversation_id", flat=True)) == sorted(m.conversation_id for m in three[:2])


def test_the_list_that_follows_is_the_one_that_was_looked_at(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    answer = signed_in(world.ada).post(
        "/conversations/many/close/", {"filter": "list=owed&q=hose", "take": take(three[0])}
    )
    assert answer["Location"] == "/conversations/?list=owed&q=hose"


def test_each_that_is_left_says_why(committed_world: World, three: list[Message], signed_in: Browser) -> None:
    """One whose customer wrote meanwhile, one that somebody holds a lease on, one of another account; the rest is closed."""
    world = committed_world
    foreign = factories.message(world.other_mail)
    draft = factories.draft(three[1])
    with tenant_context(world.acme.pk):
        editing.claim(draft_id=draft.pk, actor=world.dan)
    ticked = take(*three, foreign)
    newer = factories.reply_to(three[0])
    words = press(signed_in(world.ada), "close", take=ticked, reason="not_needed", filter="")
    assert words[0] == "1 closed."
    assert "The customer wrote while you were reading." in words[1]
    assert "is working on this conversation" in words[2]
    assert words[3] == "One was left as it is. There is no such conversation in this account."
    assert [found(message).status for message in (newer, three[1], three[2])] == ["open", "open", "closed"]


def test_closing_what_is_owed_without_a_reason_leaves_it(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    words = press(signed_in(world.ada), "close", take=take(*three), filter="")
    assert len(words) == 3
    assert "Say why: no reply and no draft yet." in words[0]
    assert {found(message).status for message in three} == {"open"}


def test_many_refusals_are_named_up_to_five(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    messages = [factories.message(world.mail, f"Question {n}") for n in range(8)]
    words = press(signed_in(world.ada), "close", take=take(*messages), filter="")
    assert len(words) == 6
    assert words[-1] == "3 more were left as they are."


def test_assigning_snoozing_and_tagging_do_what_their_verbs_do(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    browser = signed_in(world.ada)
    with tenant_context(world.acme.pk):
        vip = Tag.objects.create(account=world.acme, name="vip", colour="red")
    until = (database_time.now() + timedelta(hours=4)).isoformat()
    assert press(browser, "assign", take=take(*three), to=str(world.dan.pk)) == ["3 assigned."]
    assert press(browser, "snooze", take=take(*three[:2]), until=until) == ["2 snoozed."]
    assert press(browser, "tag", take=take(three[2]), tag=str(vip.pk)) == ["1 tagged."]
    assert {found(message).owner for message in three} == {world.dan}
    assert [found(message).snoozed_until is not None for message in three] == [True, True, False]
    with tenant_context(world.acme.pk):
        assert ConversationTag.objects.get().conversation_id == three[2].conversation_id
    assert press(browser, "assign", take=take(three[0]), to="") == ["1 given back."]
    assert found(three[0]).owner is None


@pytest.mark.parametrize(
    ("act", "data", "words"),
    [
        ("close", {}, "Tick at least one conversation."),
        ("close", {"take": ["x"]}, "This page is damaged."),
        ("close", {"take": [f"{uuid.uuid4()}:x"]}, "This page is damaged."),
        (
            "close",
            {"take": [str(uuid.uuid4()) for _ in range(101)]},
            "At most 100 conversations at once; these are 101.",
        ),
        ("assign", {"take": [str(uuid.uuid4())], "to": "x"}, "Reload the page and try again"),
        ("snooze", {"take": [str(uuid.uuid4())], "until": "soon"}, "Pick a time."),
        ("tag", {"take": [str(uuid.uuid4())]}, "Choose a tag."),
    ],
)
def test_a_form_that_cannot_be_read_changes_nothing(
    committed_world: World,
    three: list[Message],
    signed_in: Browser,
    act: str,
    data: dict[str, Any],
    words: str,
) -> None:
    world = committed_world
    browser = signed_in(world.ada)
    with assert_nothing_written_in(world.acme):
        first, *rest = press(browser, act, **data)
    assert first.startswith(words)
    assert not rest


def test_who_may_not_is_refused_and_sees_no_boxes(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    browser = signed_in(world.bo)
    for act in ("close", "assign", "snooze", "tag"):
        with assert_nothing_written_in(world.acme):
            assert browser.post(f"/conversations/many/{act}/", {"take": take(*three)}).status_code == 403
    page = BeautifulSoup(browser.get("/conversations/").content, "lxml")
    assert page.select("tbody tr")
    assert not page.select("[name=take], #many")


def test_the_list_offers_a_box_for_each_row_and_only_what_can_be_done(
    committed_world: World, three: list[Message], signed_in: Browser
) -> None:
    world = committed_world
    page = BeautifulSoup(signed_in(world.ada).get("/conversations/?list=owed").content, "lxml")
    assert sorted(str(box["value"]) for box in page.select("[name=take]")) == sorted(take(*three))
    acts = [str(button["formaction"]) for button in page.select("#many button")]
    assert acts == [f"/conversations/many/{act}/" for act in ("close", "assign", "snooze")]  # the account has no tags
    assert page.select_one("#many [name=filter]")["value"] == "list=owed"  # type: ignore[index]


def test_the_verb_refuses_none_and_too_many(world: World) -> None:
    for chosen in ([], [(uuid.uuid4(), None)] * 101):
        with pytest.raises(Invalid):
            many.each(account_id=world.acme.pk, actor=world.ada, chosen=chosen, act=lambda pk, seen: None)


def test_one_that_the_database_broke_off_is_left_and_the_others_go_on(
    committed_world: World, three: list[Message]
) -> None:
    world = committed_world

    def act(pk: uuid.UUID, seen: uuid.UUID | None) -> None:
        if pk == three[1].conversation_id:
            raise OperationalError("deadlock detected")
        life.close(conversation_id=pk, actor=world.ada, reason="not_needed")

    ids = [(message.conversation_id, message.pk) for message in three]
    left = many.each(account_id=world.acme.pk, actor=world.ada, chosen=ids, act=act)
    assert left == [many.Left(three[1].conversation_id, "It was busy just then. Try it again.")]
    assert [found(message).status for message in three] == ["closed", "open", "closed"]


def test_fifty_close_assign_merge_and_write_at_once_and_no_message_is_lost(
    committed_world: World, in_threads: Callable[..., list[Any]]
) -> None:
    """Four people and three customers, at the same three conversations. Each act has one outcome, and the trail has each."""
    world = committed_world
    senders = [Party(f"{name}@customer.test", name) for name in ("one", "two", "three")]
    three = [factories.message(world.mail, f"By {one.name}", sender=one) for one in senders]
    ids = [message.conversation_id for message in three]

    def inside(act: Callable[[], Any]) -> Any:
        with tenant_context(world.acme.pk):
            return act()

    calls: list[Callable[[], Any]] = []
    for n in range(50):
        pk, other, who = ids[n % 3], ids[(n + 1) % 3], (world.ada, world.dan)[n % 2]
        kind = n % 5
        if kind == 0:
            calls.append(lambda n=n: factories.reply_to(three[n % 3], f"Again {n}", sender=senders[n % 3]))
        elif kind == 1:
            calls.append(
                lambda pk=pk, who=who: inside(lambda: life.close(conversation_id=pk, actor=who, reason="not_needed"))
            )
        elif kind == 2:
            calls.append(lambda pk=pk, who=who: inside(lambda: life.assign(conversation_id=pk, actor=who, to=who.pk)))
        elif kind == 3:
            calls.append(
                lambda pk=pk, to=other, who=who: inside(lambda: merging.merge(conversation_id=pk, into=to, actor=who))
            )
        else:
            calls.append(lambda pk=pk, who=who: inside(lambda: merging.unmerge(conversation_id=pk, actor=who)))
    results = in_threads(calls)
    odd = [one for one in results if isinstance(one, Exception) and not isinstance(one, Conflict)]
    assert not odd
    with tenant_context(world.acme.pk):
        assert Message.objects.count() == 3 + 10
        rows = Conversation.objects.all()
        merged = AuditEvent.objects.filter(kind="conversation.merged").count() // 2
        apart = AuditEvent.objects.filter(kind="conversation.unmerged").count() // 2
        assert rows.filter(merged_into__isnull=False).count() == merged - apart
        done = [r for r, n in zip(results, range(50), strict=True) if n % 5 == 3 and not isinstance(r, Exception)]
        assert len(done) == merged
        written = Message.objects.filter(body_text__startswith="Again").values_list("conversation_id", flat=True)
        for row in rows.filter(pk__in=set(written)):
            assert row.status in {"open", "closed"}


def test_as_many_as_a_page_shows_and_not_one_more() -> None:
    many.check_size(many.MAX_CONVERSATIONS)
    for count in (0, many.MAX_CONVERSATIONS + 1):
        with pytest.raises(Invalid):
            many.check_size(count)


def test_each_act_has_a_transaction_of_its_own_and_the_person_in_it(
    committed_world: World, three: list[Message]
) -> None:
    world = committed_world
    seen: list[tuple[str, int]] = []

    def act(conversation_id: uuid.UUID, last_inbound: uuid.UUID | None) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('app.user_id'), txid_current()")
            seen.append(cursor.fetchone())
        if len(seen) == 2:
            raise PermissionDenied("Your role may not do this.")

    chosen = [(message.conversation_id, message.pk) for message in three]
    left = many.each(account_id=world.acme.pk, actor=world.ada, chosen=chosen, act=act)
    assert left == [many.Left(three[1].conversation_id, "Your role may not do this.")]
    assert {person for person, _ in seen} == {str(world.ada.pk)}
    assert len({transaction for _, transaction in seen}) == 3
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        many.each(account_id=world.acme.pk, actor=world.ada, chosen=chosen, act=act)
