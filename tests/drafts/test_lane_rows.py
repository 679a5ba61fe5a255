"""What lanes leave behind, row by row, and where exactly their bounds lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conversations.channels.base import Party
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.models import Account, AuditEvent, Channel, Delivery, Message, Notification
from conversations.models.base import new_id
from drafts.desk import decisions, editing, lanes
from drafts.evidence.sampling import bucket
from drafts.models import Draft, DraftAction, Hold, Lane, PromptVersion
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.drafts import test_lanes
from tests.drafts.test_lanes import REVIEWED, a_draft, decide, opened, options

lane_world = test_lanes.lane_world
open_lane = test_lanes.open_lane

NAME = "compatibility on Acme mail, reply-v1"
WORDS = (
    "20 of the last 20 were sent unchanged, at least 83.9% with 95 % certainty; 80.0% over 20 decisions are asked for"
)


def account(world: World) -> Account:
    return Account.objects.get(pk=world.acme.pk)


def the_lane() -> Lane:
    found: Lane = Lane.objects.get()
    return found


# --- the figures -----------------------------------------------------------------------------------------------------
def test_the_newest_decisions_are_the_window() -> None:
    found = lanes.judge([True] * 20 + [False] * 5, needed=20, bound=0.8)
    assert found == lanes.Evidence(20, 20, 0.8389, 20, 0.8)
    assert found.is_enough
    assert lanes.judge([False] + [True] * 24, needed=20, bound=0.8).unchanged == 19


def test_nothing_decided_is_no_evidence() -> None:
    assert lanes.judge([], needed=20, bound=0.8) == lanes.Evidence(0, 0, 0.0, 20, 0.8)


def test_evidence_is_enough_at_its_bounds_and_not_under_them() -> None:
    just = lanes.Evidence(reviewed=20, unchanged=20, low=0.8, needed=20, bound=0.8)
    assert just.is_enough
    assert not replace(just, low=0.7999).is_enough
    assert not replace(just, reviewed=19).is_enough


def test_a_draft_with_many_acts_is_one_decision_of_twice_the_window(lane_world: World) -> None:
    """So many acts are looked at and no more, however often one draft was decided."""
    decide(lane_world, unchanged=REVIEWED)
    often = a_draft(lane_world, status="rejected")
    no = {
        "account": lane_world.acme,
        "conversation_id": often.conversation_id,
        "user": lane_world.ada,
        "user_name": "Ada",
    }
    DraftAction.objects.bulk_create(
        DraftAction(draft=often, type="reject", version=0, **no) for _ in range(2 * REVIEWED)
    )  # fmt: skip
    assert test_lanes.evidence_now(lane_world) == (1, 0)


# --- what may be asked for -------------------------------------------------------------------------------------------
def test_kinds_that_were_decided_often_enough_are_offered_the_most_frequent_first(lane_world: World) -> None:
    chat = Channel.objects.create(account=lane_world.acme, type="chat", name="Chat", external_id="chat-1")
    options(lane_world, lane_reviewed=REVIEWED)
    decide(lane_world, unchanged=REVIEWED)
    like = Draft.objects.filter(status="sent").first()
    on_chat = factories.draft(factories.message(chat), intent="compatibility", status="sent")
    values = {field.attname: getattr(like, field.attname) for field in Draft._meta.concrete_fields}
    kinds: list[tuple[int, dict[str, Any]]] = [
        (REVIEWED + 2, {"intent": "returns"}),
        (REVIEWED, {"conversation_id": on_chat.conversation_id}),
        (REVIEWED + 3, {"prompt_label": "reply-v2"}),
        (REVIEWED + 4, {"model_key": "another"}),
        (REVIEWED - 1, {"intent": "too few"}),
        (REVIEWED + 9, {"intent": "other"}),
        (REVIEWED + 9, {"intent": "check", "is_canary": True, "canary_defect": "x", "status": "rejected"}),
        (REVIEWED + 9, {"intent": "overtaken", "status": "stale"}),
    ]
    for number, changes in kinds:
        Draft.objects.bulk_create(Draft(**{**values, **changes, "id": new_id()}) for _ in range(number))
    found = lanes.candidates(account(lane_world))
    assert [(lane.intent, lane.channel_id, lane.prompt_label, lane.model_key) for lane, _ in found] == [
        ("compatibility", lane_world.mail.pk, "reply-v1", "another"),
        ("compatibility", lane_world.mail.pk, "reply-v2", "offline"),
        ("returns", lane_world.mail.pk, "reply-v1", "offline"),
        ("compatibility", chat.pk, "reply-v1", "offline"),
        ("compatibility", lane_world.mail.pk, "reply-v1", "offline"),
    ]
    assert [evidence.reviewed for _, evidence in found] == [0, 0, 0, 0, REVIEWED]
    assert all(lane._state.adding and lane.account_id == lane_world.acme.pk for lane, _ in found)


def test_lanes_that_are_there_are_offered_once_and_always(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    rare = Lane.objects.create(
        account=lane_world.acme, channel=lane_world.mail, intent="rare", prompt_label="reply-v1", model_key="offline"
    )
    found = lanes.candidates(account(lane_world))
    assert [(lane.pk, evidence.reviewed) for lane, evidence in found] == [(lane.pk, REVIEWED), (rare.pk, 0)]


def test_at_most_thirty_kinds_are_offered(lane_world: World) -> None:
    like = a_draft(lane_world, status="sent")
    values = {field.attname: getattr(like, field.attname) for field in Draft._meta.concrete_fields}
    for kind in range(31):
        Draft.objects.bulk_create(
            Draft(**{**values, "intent": f"kind {kind}", "id": new_id()}) for _ in range(REVIEWED)
        )
    assert len(lanes.candidates(account(lane_world))) == 30


# --- opening and shutting ----------------------------------------------------------------------------------------------
def test_a_lane_that_opens_says_by_whom_and_on_what(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    before = database_time.now()
    lane = opened(lane_world)
    stored = the_lane()
    assert (stored.pk, stored.account_id, stored.channel_id) == (lane.pk, lane_world.acme.pk, lane_world.mail.pk)
    assert (stored.intent, stored.prompt_label, stored.model_key) == ("compatibility", "reply-v1", "offline")
    assert (stored.state, stored.reason, stored.opened_by_name) == ("open", WORDS, "Dan")
    assert stored.evidence == {"reviewed": 20, "unchanged": 20, "low": 0.8389, "needed": 20, "bound": 0.8}
    assert stored.opened_at is not None and stored.opened_at >= before
    event = AuditEvent.objects.get(kind="lane.opened")
    assert (event.actor_name, event.object_type, event.object_id) == ("Dan", "lane", str(lane.pk))
    assert event.data == {"lane": NAME, "unchanged": 20, "reviewed": 20}
    with assert_nothing_written():
        again = lanes.open_lane(
            account_id=lane_world.acme.pk, actor=lane_world.dan, intent="compatibility",
            channel_id=lane_world.mail.pk, prompt_label="reply-v1", model_key="offline",
        )  # fmt: skip
    assert again == lane


def test_who_opens_shuts_or_watches_a_lane_has_its_lock_first(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    for act in (
        lambda: opened(lane_world),
        lambda: lanes.watch(account_id=lane_world.acme.pk),
        lambda: lanes.consider(draft_id=a_draft(lane_world).pk),
        lambda: lanes.shut_lane(lane_id=the_lane().pk, actor=lane_world.dan),
    ):
        with counted() as queries:
            act()
        assert [q for q in queries if 'FOR UPDATE OF "drafts_lane"' in q["sql"]]


def test_where_evidence_is_missing_the_figures_say_how_much(lane_world: World) -> None:
    decide(lane_world, unchanged=2)
    with assert_nothing_written(), pytest.raises(Conflict) as refused:
        opened(lane_world)
    assert refused.value.facts["evidence"] == {"reviewed": 2, "unchanged": 2, "low": 0.3424, "needed": 20, "bound": 0.8}


def test_a_prompt_that_is_not_used_any_more_opens_nothing(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    PromptVersion.objects.update(status="retired")
    with assert_nothing_written(), pytest.raises(Conflict, match="not written with reply-v1 any more"):
        opened(lane_world)


def test_without_a_prompt_of_its_own_the_built_in_one_is_the_accounts(lane_world: World) -> None:
    PromptVersion.objects.update(status="retired")
    decide(lane_world, unchanged=REVIEWED)
    Draft.objects.update(prompt_label="reply-v0")
    assert opened(lane_world, prompt_label="reply-v0").state == "open"


def test_an_older_version_of_the_prompt_does_not_count(lane_world: World) -> None:
    PromptVersion.objects.all().delete()
    for version, status in ((1, "retired"), (2, "active"), (3, "retired")):
        PromptVersion.objects.create(account=lane_world.acme, key="reply", version=version, text="x", status=status)
    decide(lane_world, unchanged=REVIEWED)
    with pytest.raises(Conflict, match="not written with reply-v1"):
        opened(lane_world)
    Draft.objects.update(prompt_label="reply-v2")
    assert opened(lane_world, prompt_label="reply-v2").state == "open"


def test_a_suspended_lane_opens_again_on_new_evidence(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    options(lane_world, lanes=False)
    assert lanes.watch(account_id=lane_world.acme.pk) == 1
    options(lane_world, lanes=True)
    assert opened(lane_world).pk == lane.pk
    assert (the_lane().state, the_lane().reason) == ("open", WORDS)
    assert AuditEvent.objects.filter(kind="lane.opened").count() == 2


def test_a_lane_that_is_shut_says_by_whom_and_why(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    assert lanes.consider(draft_id=a_draft(lane_world).pk)
    Lane.objects.update(updated_at=timezone.now() - timedelta(days=1))
    before = the_lane().updated_at
    assert lanes.shut_lane(lane_id=lane.pk, actor=lane_world.dan).state == "shut"
    assert (the_lane().state, the_lane().reason) == ("shut", "by hand")
    assert the_lane().updated_at > before
    event = AuditEvent.objects.get(kind="lane.shut")
    assert (event.actor_name, event.object_id, event.data) == ("Dan", str(lane.pk), {"lane": NAME, "reason": "by hand"})
    assert Delivery.objects.get(is_automatic=True).status == "held", "what waits stays, and is taken back one by one"
    with assert_nothing_written():
        assert lanes.shut_lane(lane_id=lane.pk, actor=lane_world.dan, reason="again").state == "shut"


def test_each_lane_opens_and_shuts_by_itself(lane_world: World) -> None:
    other = Lane.objects.create(
        account=lane_world.acme, channel=lane_world.mail, intent="rare", prompt_label="reply-v1", model_key="offline"
    )
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    Lane.objects.filter(pk=other.pk).update(state="open", evidence={"low": 1})
    assert lanes.shut_lane(lane_id=lane.pk, actor=lane_world.dan).pk == lane.pk
    assert dict(Lane.objects.values_list("intent", "state")) == {"compatibility": "shut", "rare": "open"}


def test_a_long_reason_is_cut_and_not_refused(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lanes.shut_lane(lane_id=opened(lane_world).pk, actor=lane_world.dan, reason="x" * 400)
    assert the_lane().reason == "x" * 300


# --- keeping watch -----------------------------------------------------------------------------------------------------
def test_a_lane_whose_account_allows_none_any_more_is_suspended_and_people_are_told(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    decide(lane_world, unchanged=0, edited=1)
    options(lane_world, lanes=False, lane_bound=0.5)
    with counted() as queries:
        assert lanes.consider(draft_id=a_draft(lane_world).pk) is None
    assert the_lane().state == "open", "who has no lanes is asked first, and nothing is locked"
    assert not [q for q in queries if "FOR UPDATE" in q["sql"] and "drafts_lane" in q["sql"]]
    reason = "the account does not allow automatic approval any more"
    assert lanes.watch(account_id=lane_world.acme.pk) == 1
    assert (the_lane().state, the_lane().reason) == ("suspended", reason)
    assert the_lane().evidence["unchanged"] == REVIEWED - 1, "the figures of now"
    event = AuditEvent.objects.get(kind="lane.shut")
    assert (event.actor_type, event.object_id, event.data) == ("system", str(lane.pk), {"lane": NAME, "reason": reason})
    told = Notification.objects.get(type="lane_shut")
    assert (told.account_id, told.payload) == (
        lane_world.acme.pk,
        {"lane": str(lane.pk), "name": NAME, "reason": reason},
    )
    with assert_nothing_written():
        assert lanes.watch(account_id=lane_world.acme.pk) == 0


def test_each_open_lane_is_watched_by_its_own_evidence(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    good = opened(lane_world)
    others = [
        Lane.objects.create(
            account=lane_world.acme, channel=lane_world.mail, intent=intent, prompt_label="reply-v1",
            model_key="offline", state=state, evidence={"low": 1},
        )
        for intent, state in (("one", "open"), ("two", "open"), ("three", "shut"))
    ]  # fmt: skip
    assert lanes.watch(account_id=lane_world.acme.pk) == 2
    states = dict(Lane.objects.values_list("pk", "state"))
    assert states[good.pk] == "open"
    assert [states[lane.pk] for lane in others] == ["suspended", "suspended", "shut"]


def test_a_lane_that_was_shut_while_others_were_looked_at_is_left_shut(lane_world: World, monkeypatch: Any) -> None:
    for intent in ("one", "two"):
        Lane.objects.create(
            account=lane_world.acme, channel=lane_world.mail, intent=intent, prompt_label="reply-v1",
            model_key="offline", state="open", evidence={"low": 1},
        )  # fmt: skip
    really = lanes._still_open

    def meanwhile(lane: Lane, account: Account) -> Any:
        Lane.objects.exclude(pk=lane.pk).update(state="shut")
        return really(lane, account)

    monkeypatch.setattr(lanes, "_still_open", meanwhile)
    assert lanes.watch(account_id=lane_world.acme.pk) == 1
    assert sorted(Lane.objects.values_list("state", flat=True)) == ["shut", "suspended"]


# --- approving -----------------------------------------------------------------------------------------------------------
def test_an_automatic_approval_is_written_down_like_a_persons(open_lane: World) -> None:
    draft = a_draft(open_lane)
    seen = factories.seen(draft)
    action = lanes.consider(draft_id=draft.pk)
    assert action is not None
    stored = DraftAction.objects.get(pk=action.pk)
    name = f"lane {NAME}"
    assert (stored.user_name, stored.version, stored.seen) == (name, 0, seen.as_json())
    assert stored.final_text == draft.suggested_text
    assert stored.message_id == Delivery.objects.get(draft_id=draft.pk).message_id
    event = AuditEvent.objects.get(kind="draft.approved", data__lane=str(the_lane().pk))
    assert (event.actor_name, event.data["evidence"]) == (name, WORDS)


@pytest.mark.parametrize(("hold", "seconds"), [(0, 60), (60, 60)])
def test_a_person_has_a_minute_to_take_it_back(open_lane: World, hold: int, seconds: int) -> None:
    options(open_lane, hold_seconds=hold)
    before = database_time.now()
    assert lanes.consider(draft_id=a_draft(open_lane).pk)
    delivery = Delivery.objects.get(is_automatic=True)
    assert delivery.hold_until is not None
    assert seconds <= (delivery.hold_until - before).total_seconds() < seconds + 0.9


def test_only_the_lane_of_the_drafts_own_kind_is_asked(lane_world: World) -> None:
    """Others were open before it, with evidence of their own."""
    chat = Channel.objects.create(account=lane_world.acme, type="chat", name="Chat", external_id="chat-1")
    decide(lane_world, unchanged=REVIEWED)
    of = {"intent": "compatibility", "channel": lane_world.mail, "prompt_label": "reply-v1", "model_key": "offline"}
    for changes in ({"intent": "returns"}, {"channel": chat}, {"prompt_label": "reply-v2"}, {"model_key": "another"}):
        Lane.objects.create(
            account=lane_world.acme, state="open", evidence={"low": 1}, sampling_rate=0, **{**of, **changes}
        )
    mine = opened(lane_world)
    for _ in range(2):
        action = lanes.consider(draft_id=a_draft(lane_world).pk)
        assert action is not None
        assert action.lane_id == mine.pk
    assert Lane.objects.filter(state="open").count() == 5


def test_the_share_that_people_still_see_ends_below_its_bound(open_lane: World) -> None:
    draft = a_draft(open_lane)
    Lane.objects.update(sampling_rate=bucket(draft.pk, "sample") + 1e-9)
    assert lanes.consider(draft_id=draft.pk) is None
    Lane.objects.update(sampling_rate=bucket(draft.pk, "sample"))
    assert lanes.consider(draft_id=draft.pk) is not None


def test_a_conversation_in_somebodys_hands_stays_there_when_the_customer_writes_again(open_lane: World) -> None:
    first = factories.message(open_lane.mail, authentication=factories.PROVED)
    editing.claim(draft_id=factories.draft(first, intent="compatibility").pk, actor=open_lane.cy)
    draft = test_lanes.of_mail(open_lane, first)
    assert not draft.actions.exists()
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None
    Hold.objects.all().delete()
    assert lanes.consider(draft_id=draft.pk) is not None


def test_a_draft_of_an_older_message_than_the_newest_is_a_persons(open_lane: World) -> None:
    first = factories.message(open_lane.mail, authentication=factories.PROVED)
    newer = factories.reply_to(first, authentication=factories.PROVED)
    late = factories.draft(first, intent="compatibility")
    assert lanes.consider(draft_id=late.pk) is None
    Draft.objects.filter(pk=late.pk).update(status="superseded")
    assert lanes.consider(draft_id=factories.draft(newer, intent="compatibility").pk) is not None


def test_what_a_person_took_back_stays_theirs_though_its_lane_stays_open(open_lane: World) -> None:
    options(open_lane, lane_bound=0.5)
    draft = a_draft(open_lane)
    assert lanes.consider(draft_id=draft.pk)
    decisions.undo(delivery_id=Delivery.objects.get(is_automatic=True).pk, actor=open_lane.ada)
    assert Draft.objects.get(pk=draft.pk).status == "pending"
    assert lanes.consider(draft_id=draft.pk) is None
    assert the_lane().state == "open"


def test_one_statement_without_a_source_is_a_persons_to_read(open_lane: World) -> None:
    draft = a_draft(open_lane)
    [sourced] = draft.statements
    bare = {**sourced, "sources": []}
    for statements, leaves in (([sourced, bare], False), ([sourced], True)):
        like = a_draft(open_lane, statements=statements)
        assert like.unsourced_count == len(statements) - 1
        assert (lanes.consider(draft_id=like.pk) is not None) is leaves


def test_who_names_a_thread_that_is_not_theirs_is_answered_by_a_person(open_lane: World) -> None:
    theirs = factories.message(open_lane.mail, sender=Party("ingrid@customer.test"))
    draft = test_lanes.of_mail(open_lane, None, references=(theirs.external_id,))
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_mail_that_says_it_is_from_ourselves_is_answered_by_a_person(open_lane: World) -> None:
    """Not from the address that brings mail in, but from the one that replies come from."""
    Channel.objects.update(metadata={**open_lane.mail.metadata, "address": "replies@acme.test"})
    draft = test_lanes.of_mail(open_lane, sender=Party("Replies@acme.test"))
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_mail_that_turned_out_to_be_automatic_is_left_to_a_person(open_lane: World) -> None:
    draft = a_draft(open_lane)
    Message.objects.filter(pk=draft.base_message_id).update(is_automatic=True)
    assert lanes.consider(draft_id=draft.pk) is None
    Message.objects.filter(pk=draft.base_message_id).update(is_automatic=False)
    assert lanes.consider(draft_id=draft.pk) is not None


def test_replies_that_were_taken_back_do_not_count_against_the_limits(open_lane: World) -> None:
    options(open_lane, lane_per_sender_hour=1, lane_reviewed=REVIEWED, lane_bound=0.5)
    assert lanes.consider(draft_id=a_draft(open_lane).pk)
    assert lanes.consider(draft_id=a_draft(open_lane).pk) is None
    decisions.undo(delivery_id=Delivery.objects.get(is_automatic=True, status="held").pk, actor=open_lane.ada)
    assert lanes.consider(draft_id=a_draft(open_lane).pk)


def test_peoples_replies_do_not_count_against_the_limits(open_lane: World) -> None:
    options(open_lane, lane_per_hour=1, lane_per_sender_hour=1)
    factories.approved(a_draft(open_lane), open_lane.ada)
    assert lanes.consider(draft_id=a_draft(open_lane).pk)


def test_the_limit_of_one_address_is_not_that_of_another_nor_of_the_thread(open_lane: World) -> None:
    """Three threads of three customers: none of them is at its end."""
    for number in range(5):
        assert test_lanes.considered(open_lane, 1, f"c{number}@customer.test") == 1


def test_one_lane_of_an_account_at_a_time_counts_and_then_leaves(open_lane: World) -> None:
    with counted() as queries:
        lanes.consider(draft_id=a_draft(open_lane).pk)
    told = [q["sql"] for q in queries]
    [lock] = [at for at, sql in enumerate(told) if "pg_advisory_xact_lock" in sql and ", 4)" in sql]
    [first, *_] = [at for at, sql in enumerate(told) if "COUNT(*)" in sql and "conversations_delivery" in sql]
    assert lock < first
