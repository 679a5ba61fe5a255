"""Earned lanes: they open on evidence alone, keep people in the loop, and shut themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from conversations import audit
from conversations.channels.base import Authentication, Automatic, Party
from conversations.channels.email.reading.parse import parse_mail
from conversations.errors import Conflict
from conversations.messages import outbox
from conversations.messages.envelope import reply_envelope
from conversations.messages.inbox import record_inbound
from conversations.models import Account, AuditEvent, Channel, Conversation, Delivery, Message, Notification
from conversations.models.base import new_id
from conversations.tenancy import tenant_context
from drafts.desk import batch, decisions, editing, lanes
from drafts.evidence.quality import quality_of
from drafts.evidence.rates import topic_rates
from drafts.models import Draft, DraftAction, Lane, PromptVersion
from ingestion.models import SourceDocument
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

READ = decisions.Attention(viewed_ms=60_000, pressed_twice=True)
REVIEWED = 20  # the fewest an account may ask for; 20 of 20 unchanged: at least 83.9 % with 95 % certainty


@pytest.fixture
def lane_world(world: World, acme: None) -> World:
    settings = {"lanes": True, "lane_reviewed": REVIEWED, "lane_bound": 0.8, "hold_seconds": 0}
    Account.objects.filter(pk=world.acme.pk).update(settings=settings)
    PromptVersion.objects.create(account=world.acme, key="reply", version=1, text="Be kind.", status="active")
    return world


def a_draft(world: World, **changes: object) -> Draft:
    mail = factories.message(world.mail, authentication=factories.PROVED)
    return factories.draft(mail, **{"intent": "compatibility", **changes})


def decide(world: World, *, unchanged: int, edited: int = 0) -> None:
    """First those that were edited, through the verb; the many that were sent unchanged are the rows that it leaves behind."""
    for _ in range(edited):
        draft = a_draft(world)
        text = draft.suggested_text + "\n\nSee you soon, really."
        decisions.approve(
            draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), final_text=text, attention=READ
        )
    if not unchanged:
        return
    like = a_draft(world, status="sent")
    values = {field.attname: getattr(like, field.attname) for field in Draft._meta.concrete_fields}
    drafts = [Draft(**{**values, "id": new_id()}) for _ in range(unchanged - 1)]
    Draft.objects.bulk_create(drafts)
    DraftAction.objects.bulk_create(
        DraftAction(
            account=world.acme,
            draft=draft,
            conversation_id=draft.conversation_id,
            user=world.ada,
            user_name="Ada",
            type="approve",
            version=0,
            viewed_ms=READ.viewed_ms,
            pressed_twice=True,
        )
        for draft in (like, *drafts)
    )


def opened(world: World, **changes: object) -> Lane:
    values = {
        "intent": "compatibility",
        "channel_id": world.mail.pk,
        "prompt_label": "reply-v1",
        "model_key": "offline",
    }
    lane = lanes.open_lane(account_id=world.acme.pk, actor=world.dan, **{**values, **changes})  # type: ignore[arg-type]
    Lane.objects.filter(pk=lane.pk).update(sampling_rate=0)
    return lane


def test_it_opens_on_evidence_and_approves_what_needs_nobody(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    assert (lane.state, lane.evidence["unchanged"], lane.opened_by_name) == ("open", REVIEWED, "Dan")
    draft = a_draft(lane_world)
    action = lanes.consider(draft_id=draft.pk)
    assert action is not None
    assert (action.type, action.user, action.lane_id) == ("approve", None, lane.pk)
    assert action.evidence == {"reviewed": 20, "unchanged": 20, "low": 0.8389, "needed": 20, "bound": 0.8}
    draft.refresh_from_db()
    delivery = Delivery.objects.get(draft_id=draft.pk)
    assert (draft.status, delivery.status, delivery.approved_by) == ("approved", "held", None)
    assert delivery.body_text == draft.suggested_text
    assert (delivery.hold_until - delivery.created_at).total_seconds() >= 59  # type: ignore[operator]
    event = AuditEvent.objects.get(kind="draft.approved", data__lane=str(lane.pk))
    assert event.actor_type == "model"
    assert "20 of the last 20" in event.data["evidence"]


def test_a_lane_leaves_a_draft_that_cites_an_answer_whose_time_is_over(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    document = SourceDocument.objects.create(
        account=lane_world.acme, source_url="golden:1", kind="golden", next_refresh_at=timezone.now()
    )
    draft = a_draft(lane_world, top_sources=[{"document": str(document.pk), "passage": "p", "cited": True}])
    assert lanes.consider(draft_id=draft.pk) is None
    SourceDocument.objects.update(next_refresh_at=timezone.now() + timedelta(hours=1))
    assert lanes.consider(draft_id=draft.pk) is not None


def test_a_person_can_take_an_automatic_approval_back(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    draft = a_draft(lane_world)
    lanes.consider(draft_id=draft.pk)
    decisions.undo(delivery_id=Delivery.objects.get(draft_id=draft.pk).pk, actor=lane_world.ada)
    draft.refresh_from_db()
    assert draft.status == "pending"
    assert lanes.consider(draft_id=draft.pk) is None, "what a person took back stays theirs"


@pytest.mark.parametrize(("unchanged", "edited"), [(19, 0), (17, 3)])
def test_it_stays_shut_without_enough_evidence(lane_world: World, unchanged: int, edited: int) -> None:
    decide(lane_world, unchanged=unchanged, edited=edited)
    with assert_nothing_written(), pytest.raises(Conflict, match="Not enough evidence"):
        opened(lane_world)


def test_it_stays_shut_where_the_account_does_not_allow_lanes(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    Account.objects.filter(pk=lane_world.acme.pk).update(settings={"lane_reviewed": REVIEWED})
    with assert_nothing_written(), pytest.raises(Conflict, match="does not allow"):
        opened(lane_world)


def test_only_an_admin_opens_and_shuts(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        lanes.open_lane(
            account_id=lane_world.acme.pk,
            actor=lane_world.ada,
            intent="compatibility",
            channel_id=lane_world.mail.pk,
            prompt_label="reply-v1",
            model_key="offline",
        )
    lane = opened(lane_world)
    with assert_nothing_written(), pytest.raises(PermissionDenied):
        lanes.shut_lane(lane_id=lane.pk, actor=lane_world.cy)
    assert lanes.shut_lane(lane_id=lane.pk, actor=lane_world.dan).state == "shut"
    assert lanes.consider(draft_id=a_draft(lane_world).pk) is None


def test_another_tenants_channel_is_not_there(lane_world: World) -> None:
    with assert_nothing_written(), pytest.raises(Channel.DoesNotExist):
        opened(lane_world, channel_id=lane_world.other_mail.pk)
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    with tenant_context(lane_world.globex.pk), pytest.raises(Lane.DoesNotExist):
        lanes.shut_lane(lane_id=lane.pk, actor=lane_world.eve)


@pytest.mark.parametrize(
    "changes",
    [
        {"needs_human": ["upset"]},
        {"is_canary": True},
        {"statements": []},
        {"intent": "returns"},
        {"prompt_label": "reply-v2"},
        {"model_key": "another"},
        {"error": "The model refused.", "suggested_text": ""},
        {"sources_changed_at": timezone.now()},
        {"text": f"{factories.SENTENCE} You get a refund of $20."},
        {"status": "rejected"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_draft_that_is_not_of_the_kind_waits_for_a_person(lane_world: World, changes: dict[str, object]) -> None:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    draft = a_draft(lane_world, **changes)
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_an_open_lane_sends_nothing_where_everybody_reads_it(
    lane_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane cannot be opened there; one that is open may outlive what its channel was."""
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    draft = a_draft(lane_world)
    public = replace(lane_world.mail.provided_by, public=True)
    monkeypatch.setattr(Channel, "provided_by", property(lambda channel: public))
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_a_draft_that_somebody_holds_or_wrote_over_or_that_was_overtaken_waits_for_them(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    held, edited, overtaken = a_draft(lane_world), a_draft(lane_world), a_draft(lane_world)
    editing.claim(draft_id=held.pk, actor=lane_world.cy)
    editing.save_revision(
        draft_id=edited.pk, actor=lane_world.cy, version=0, text=edited.suggested_text.replace("Hi", "Hello")
    )
    factories.reply_to(overtaken.base_message)
    with assert_nothing_written():
        for draft in (held, edited, overtaken):
            assert lanes.consider(draft_id=draft.pk) is None


def test_a_draft_that_was_decided_twice_counts_once_as_it_was_decided_last(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED - 1)
    draft = a_draft(lane_world)
    delivery = factories.approved(draft, lane_world.ada)
    decisions.undo(delivery_id=delivery.pk, actor=lane_world.ada)
    lane = Lane(account=lane_world.acme, intent="compatibility", channel=lane_world.mail, prompt_label="reply-v1")
    lane.model_key = "offline"
    account = Account.objects.get(pk=lane_world.acme.pk)
    assert lanes.evidence_of(lane, account).reviewed == REVIEWED - 1, "what was taken back is no evidence"
    decisions.reject(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), reasons=["tone"])
    evidence = lanes.evidence_of(lane, account)
    assert (evidence.reviewed, evidence.unchanged) == (REVIEWED, REVIEWED - 1)


def test_a_share_of_the_drafts_still_goes_to_people(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    Lane.objects.filter(pk=lane.pk).update(sampling_rate=1)
    assert lanes.consider(draft_id=a_draft(lane_world).pk) is None


def test_one_edit_too_many_suspends_it_before_the_next_approval(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    decide(lane_world, unchanged=0, edited=2)
    draft = a_draft(lane_world)
    assert lanes.consider(draft_id=draft.pk) is None
    lane.refresh_from_db()
    assert (lane.state, lane.evidence["unchanged"]) == ("suspended", REVIEWED - 2)
    assert "18 of the last 20" in lane.reason
    assert Notification.objects.get(type="lane_shut").payload["lane"] == str(lane.pk)
    assert Draft.objects.get(pk=draft.pk).status == "pending"


def test_a_new_prompt_version_suspends_it(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    assert lanes.watch(account_id=lane_world.acme.pk) == 0
    PromptVersion.objects.filter(version=1).update(status="retired")
    PromptVersion.objects.create(account=lane_world.acme, key="reply", version=2, text="Be brief.", status="active")
    assert lanes.watch(account_id=lane_world.acme.pk) == 1
    lane.refresh_from_db()
    assert (lane.state, lane.reason) == ("suspended", "drafts are not written with reply-v1 any more")


def test_automatic_approvals_are_no_evidence(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    lane = opened(lane_world)
    for _ in range(3):
        assert lanes.consider(draft_id=a_draft(lane_world).pk)
    assert DraftAction.objects.filter(lane=lane, type="approve").count() == 3
    options(lane_world, lane_reviewed=2 * REVIEWED)  # a window with room for more than people decided
    account = Account.objects.get(pk=lane_world.acme.pk)
    assert lanes.evidence_of(lane, account).reviewed == REVIEWED
    assert sum(rate.base for rate in topic_rates(account.pk, fresh=True).values()) == REVIEWED
    until = timezone.now() + timedelta(hours=1)
    assert quality_of(account.pk, until=until, days=1).total.decided == REVIEWED
    assert [evidence.reviewed for _, evidence in lanes.candidates(account)] == [REVIEWED]


@pytest.mark.parametrize(
    "changes",
    [
        {"intent": "returns"},
        {"prompt_label": "reply-v2"},
        {"model_key": "another"},
        {"is_canary": True, "canary_defect": "No source says: Our office is shut."},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_decisions_on_drafts_of_another_kind_are_no_evidence(lane_world: World, changes: dict[str, object]) -> None:
    decide(lane_world, unchanged=2)
    other = a_draft(lane_world, **changes)
    decisions.reject(draft_id=other.pk, actor=lane_world.ada, seen=factories.seen(other), reasons=["tone"])
    assert evidence_now(lane_world) == (2, 2)
    same = a_draft(lane_world)
    decisions.reject(draft_id=same.pk, actor=lane_world.ada, seen=factories.seen(same), reasons=["tone"])
    assert evidence_now(lane_world) == (3, 2)


def test_decisions_on_another_channel_are_no_evidence(lane_world: World) -> None:
    decide(lane_world, unchanged=2)
    chat = Channel.objects.create(account=lane_world.acme, type="chat", name="Chat", external_id="chat-1")
    draft = factories.draft(factories.message(chat), intent="compatibility")
    decisions.reject(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), reasons=["tone"])
    assert evidence_now(lane_world) == (2, 2)
    assert evidence_now(lane_world, channel=chat) == (1, 0)


@pytest.mark.parametrize(
    ("words", "viewed_ms", "counts"),
    [(10, None, False), (10, 4_999, False), (10, 5_000, True), (80, 9_999, False), (80, 10_000, True)],
)
def test_an_approval_is_evidence_only_if_it_can_have_been_read(
    lane_world: World, words: int, viewed_ms: int | None, counts: bool
) -> None:
    """At least five seconds, and no more than eight words in one. A batch and a page without the script give no time."""
    draft = a_draft(lane_world, suggested_text=" ".join(["word"] * words))
    attention = decisions.Attention(viewed_ms=viewed_ms, pressed_twice=True)
    decisions.approve(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), attention=attention)
    assert evidence_now(lane_world) == ((1, 1) if counts else (0, 0))
    account = Account.objects.get(pk=lane_world.acme.pk)
    assert sum(rate.base for rate in topic_rates(account.pk, fresh=True).values()) == 1, "a figure all the same"


def test_a_no_counts_however_quick_it_was(lane_world: World) -> None:
    decide(lane_world, unchanged=2)
    draft = a_draft(lane_world)
    decisions.reject(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), reasons=["tone"])
    assert evidence_now(lane_world) == (3, 2)


def test_approvals_in_a_batch_are_no_evidence(lane_world: World) -> None:
    decide(lane_world, unchanged=2)
    draft = a_draft(lane_world)
    chosen = [(draft.pk, factories.seen(draft), "batch-1")]
    (result,) = batch.approve_each(account_id=lane_world.acme.pk, actor=lane_world.ada, chosen=chosen)
    assert result.action
    assert evidence_now(lane_world) == (2, 2)


@pytest.mark.parametrize(
    ("missed", "caught", "counts"), [(1, 0, False), (1, 3, False), (1, 4, True), (2, 8, True), (3, 8, False)]
)
def test_approvals_of_people_who_miss_check_drafts_are_no_evidence(
    lane_world: World, missed: int, caught: int, counts: bool
) -> None:
    """More than a fifth of their newest ten. Others' approvals stay evidence."""
    decide(lane_world, unchanged=2)
    for number in range(caught + missed):
        check = a_draft(lane_world, is_canary=True, canary_defect=f"No source says: {factories.SENTENCE}")
        if number < caught:
            decisions.reject(draft_id=check.pk, actor=lane_world.ada, seen=factories.seen(check), reasons=["tone"])
        else:
            decisions.approve(draft_id=check.pk, actor=lane_world.ada, seen=factories.seen(check), attention=READ)
    assert evidence_now(lane_world) == ((2, 2) if counts else (0, 0))
    draft = a_draft(lane_world)
    decisions.approve(draft_id=draft.pk, actor=lane_world.dan, seen=factories.seen(draft), attention=READ)
    assert evidence_now(lane_world)[0] == (3 if counts else 1)


def test_an_automatic_approval_that_was_taken_back_counts_against_its_lane(lane_world: World) -> None:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    draft = a_draft(lane_world)
    assert lanes.consider(draft_id=draft.pk)
    decisions.undo(delivery_id=Delivery.objects.get(draft_id=draft.pk).pk, actor=lane_world.ada)
    assert evidence_now(lane_world) == (REVIEWED, REVIEWED - 1)
    decisions.approve(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), attention=READ)
    assert evidence_now(lane_world) == (REVIEWED, REVIEWED - 1), "whatever became of it after that"
    mine = a_draft(lane_world)
    decisions.approve(draft_id=mine.pk, actor=lane_world.ada, seen=factories.seen(mine), attention=READ)
    decisions.undo(delivery_id=Delivery.objects.get(draft_id=mine.pk).pk, actor=lane_world.ada)
    assert evidence_now(lane_world) == (REVIEWED, REVIEWED - 1), "a person's own undo says nothing of the lane"


@pytest.mark.parametrize("topic", ["", "other"])
def test_drafts_without_a_topic_of_their_own_have_no_lane(lane_world: World, topic: str) -> None:
    for _ in range(REVIEWED):
        draft = a_draft(lane_world, intent=topic)
        decisions.approve(draft_id=draft.pk, actor=lane_world.ada, seen=factories.seen(draft), attention=READ)
    assert lanes.candidates(Account.objects.get(pk=lane_world.acme.pk)) == []
    with assert_nothing_written(), pytest.raises(Conflict, match="always decided by people"):
        opened(lane_world, intent=topic)
    lane = Lane(
        account=lane_world.acme, channel=lane_world.mail, prompt_label="reply-v1", model_key="offline", intent=topic
    )
    lane.state, lane.evidence = "open", {"low": 0.9}
    with pytest.raises(IntegrityError, match="lane_has_a_topic"), transaction.atomic():
        lane.save()


def evidence_now(world: World, channel: Channel | None = None) -> tuple[int, int]:
    """(how many decisions count for a lane like `opened`'s, how many of them sent the draft unchanged)."""
    lane = Lane(account=world.acme, intent="compatibility", channel=channel or world.mail, prompt_label="reply-v1")
    lane.model_key = "offline"
    found = lanes.evidence_of(lane, Account.objects.get(pk=world.acme.pk))
    return found.reviewed, found.unchanged


def test_the_database_refuses_an_open_lane_without_evidence(lane_world: World) -> None:
    lane = Lane(account=lane_world.acme, intent="x", channel=lane_world.mail, prompt_label="reply-v1", model_key="m")
    lane.state = "open"
    with pytest.raises(IntegrityError, match="lane_opens_on_evidence"), transaction.atomic():
        lane.save()


@pytest.mark.parametrize("length", [30, 100])
def test_a_long_topic_has_a_lane_like_any_other(lane_world: World, length: int) -> None:
    """The id of who acts had no room for its name, and no draft of it was ever approved."""
    decide(lane_world, unchanged=REVIEWED)
    long = "c" * length
    Draft.objects.update(intent=long)
    lane = opened(lane_world, intent=long)
    action = lanes.consider(draft_id=a_draft(lane_world, intent=long).pk)
    assert action is not None
    name = f"lane {lanes.name_of(lane)}"[:120]
    event = AuditEvent.objects.get(kind="draft.approved", data__lane=str(lane.pk))
    assert (action.user_name, event.actor_name, event.actor_id) == (name, name, name[:64])


# --- to whom, how often ----------------------------------------------------------------------------------------------
CUSTOMER = Party("marcus@customer.test", "Marcus Delgado")
ELSEWHERE = Party("thief@evil.test", "Marcus Delgado")


@pytest.fixture
def open_lane(lane_world: World) -> World:
    decide(lane_world, unchanged=REVIEWED)
    opened(lane_world)
    return lane_world


def of_mail(world: World, first: Message | None = None, **changes: object) -> Draft:
    values = {"authentication": factories.PROVED, **changes}
    mail = factories.reply_to(first, **values) if first else factories.message(world.mail, **values)
    return factories.draft(mail, intent="compatibility")


@pytest.mark.parametrize(
    "mail",
    [
        {"authentication": None},
        {"authentication": factories.FORGED},
        {"authentication": Authentication("none", "mx.desk.test")},
        {"reply_to": ELSEWHERE},
        {"answer_to": (CUSTOMER, ELSEWHERE)},
        {"reply_to": ELSEWHERE, "authentication": factories.FORGED},
        {"headers": {"x-auto-response-suppress": "All"}},
        {"sender": Party("support@globex.test", "Another desk")},
        {"sender": Party("")},
    ],
    ids=["no word", "failed", "undecided", "elsewhere", "two", "forged", "suppressed", "a desk", "nobody"],
)
def test_it_sends_to_the_customers_proved_address_alone(open_lane: World, mail: dict[str, object]) -> None:
    draft = of_mail(open_lane, **mail)
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_what_the_outbox_would_refuse_waits_for_a_person(open_lane: World, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = of_mail(open_lane)
    monkeypatch.setattr(outbox.outgoing, "problems", lambda *args, **facts: ["It cannot be sent."])
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None
    monkeypatch.undo()
    assert lanes.consider(draft_id=draft.pk) is not None


def test_another_participant_is_a_persons_to_answer(open_lane: World) -> None:
    first = factories.message(open_lane.mail, reply_to=Party("ann@customer.test"))
    draft = of_mail(open_lane, first, sender=Party("ann@customer.test"))
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None


def test_a_server_that_refuses_what_it_cannot_authenticate_is_believed(open_lane: World) -> None:
    Channel.objects.filter(pk=open_lane.mail.pk).update(metadata={**open_lane.mail.metadata, "server_checks": True})
    assert lanes.consider(draft_id=of_mail(open_lane, authentication=None).pk) is not None
    assert lanes.consider(draft_id=of_mail(open_lane, authentication=factories.FORGED).pk) is None


@pytest.mark.parametrize(
    "fields",
    [
        "From: marcus@customer.test\nFrom: thief@evil.test\n",
        "From: marcus@customer.test, thief@evil.test\n",
        "From: Support\nReply-To: marcus@customer.test\n",
        "From: <marcus@customer.test> thief@evil.test\n",
    ],
)
def test_no_lane_answers_who_is_not_the_one_address_in_from(open_lane: World, fields: str) -> None:
    """What a server refuses is about the address that it reads, and such a mail has another for us."""
    Channel.objects.filter(pk=open_lane.mail.pk).update(metadata={**open_lane.mail.metadata, "server_checks": True})
    raw = f"{fields}To: support@acme.test\nSubject: E85\nMessage-ID: <1@evil.test>\n\nDoes it fit?"
    mail, _ = record_inbound(channel=open_lane.mail, inbound=parse_mail(raw.encode()))
    assert mail.conversation.customer_email == "marcus@customer.test"
    draft = factories.draft(mail, intent="compatibility")
    with assert_nothing_written():
        assert lanes.consider(draft_id=draft.pk) is None
    proved = raw.replace(fields, "From: marcus@customer.test\n").replace("<1@", "<2@")
    mail, _ = record_inbound(channel=open_lane.mail, inbound=parse_mail(proved.encode()))
    assert lanes.consider(draft_id=factories.draft(mail, intent="compatibility").pk) is not None


def options(world: World, **changes: object) -> None:
    account = Account.objects.get(pk=world.acme.pk)
    Account.objects.filter(pk=account.pk).update(settings={**account.settings, **changes})


def considered(world: World, count: int, sender: str = "marcus@customer.test") -> int:
    return sum(lanes.consider(draft_id=of_mail(world, sender=Party(sender)).pk) is not None for number in range(count))


def test_one_address_gets_so_many_within_an_hour(open_lane: World) -> None:
    options(open_lane, lane_per_sender_hour=2)
    assert considered(open_lane, 4) == 2
    assert considered(open_lane, 1, "other@customer.test") == 1
    Delivery.objects.update(created_at=Now() - timedelta(minutes=61))
    assert considered(open_lane, 1) == 1


def test_an_account_sends_so_many_within_an_hour(open_lane: World) -> None:
    options(open_lane, lane_per_hour=3)
    assert sum(considered(open_lane, 1, f"c{number}@customer.test") for number in range(6)) == 3


def test_no_limit_is_no_sending(open_lane: World) -> None:
    """Fail closed: nought is none, not all."""
    options(open_lane, lane_per_sender_hour=0)
    assert considered(open_lane, 1) == 0
    options(open_lane, lane_per_sender_hour=3, lane_per_hour=0)
    assert considered(open_lane, 1) == 0


def test_a_loop_ends_after_three_replies_within_an_hour(open_lane: World) -> None:
    """Two desks that answer each other, the other one without a mark on its mail."""
    options(open_lane, lane_per_sender_hour=100)
    first = factories.message(open_lane.mail, authentication=factories.PROVED)
    answered = 0
    for _ in range(8):
        draft = of_mail(open_lane, first)
        if lanes.consider(draft_id=draft.pk) is None:
            continue
        answered += 1
        delivery = Delivery.objects.get(draft_id=draft.pk)
        for status in ("queued", "sending", "sent"):
            Delivery.objects.filter(pk=delivery.pk).update(
                status=status, lease_until=timezone.now(), sent_at=timezone.now()
            )
    assert answered == 3


def test_the_database_itself_ends_a_loop(open_lane: World) -> None:
    message = factories.message(open_lane.mail)
    conversation = Conversation.objects.select_related("channel").get(pk=message.conversation_id)
    envelope = reply_envelope(conversation, open_lane.mail, message)

    def queue() -> Delivery:
        return outbox.queue_outbound(
            conversation=conversation, envelope=envelope, body_text="x", actor=audit.SYSTEM, hold_seconds=0
        )

    for _ in range(3):
        assert queue().is_automatic
    with pytest.raises(IntegrityError, match="no person approved"), transaction.atomic():
        queue()
    person = outbox.queue_outbound(
        conversation=conversation, envelope=envelope, body_text="x", actor=open_lane.ada, hold_seconds=0
    )
    assert not person.is_automatic


def test_a_mail_of_a_program_gets_no_draft(lane_world: World) -> None:
    for automatic in Automatic:
        message = factories.message(lane_world.mail, automatic=automatic)
        assert message.is_automatic
    assert not ProcrastinateJob.objects.filter(task_name="drafts.write").exists()
