"""Practice: a person's own talk with a customer whom the assistant plays. Nothing of it is a draft, nothing leaves."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from conversations.chats import sessions, turns
from conversations.errors import Conflict, Invalid
from conversations.models import AssistantSession, AuditEvent, Conversation, Delivery, Message, User
from conversations.tenancy import tenant_context
from drafts import retention
from drafts.desk import decisions, life
from drafts.models import Draft, DraftAction, LearningSample, PracticeTurn, Scenario, ScoreCard
from drafts.practice import drafting, progress, scenarios, scoring, talks
from drafts.writing.port import DrafterUnavailable, DraftRequest, DraftResult
from ingestion.knowledge.index import index_document
from tests import factories
from tests.conftest import World
from tests.factories import ROSA, Practice

RETURNS = "Unused fittings in their bag can be returned within 30 days. Cut hose cannot be returned."
ASKS = "Hi Rosa,\n\nI am sorry. Which order number is it?\n\nBest regards,\nAcme"
HELPS = "Hi Rosa,\n\nUnused fittings in their bag can be returned within 30 days.\n\nBest regards,\nAcme"


@pytest.fixture
def world(committed_world: World) -> World:
    return committed_world


def as_(person: User, world: World) -> Any:
    return tenant_context(world.acme.pk, person=person.pk)


def rosa(world: World, **changes: Any) -> Scenario:
    return factories.scenario(world.acme, world.dan, **changes)


def indexed(world: World) -> None:
    index_document(account_id=world.acme.pk, source_url="https://acme.test/returns", title="Returns", text=RETURNS)


class Down:
    """A drafter that never answers."""

    def __init__(self, *, retryable: bool) -> None:
        self.retryable = retryable

    def write(self, request: DraftRequest, *, on_text: Any = None) -> DraftResult:
        raise DrafterUnavailable("The model is asleep.", retryable=self.retryable)


def test_a_practice_is_begun_drafted_answered_and_scored(world: World) -> None:
    indexed(world)
    talk = Practice(rosa(world), world.cy)
    assert talk.is_new
    drafted = talk.draft()
    assert (drafted.number, drafted.status, drafted.planted) == (1, "waiting", "")
    assert "within 30 days" in drafted.suggested_text, "it is the drafter's own, from the account's sources"
    assert drafted.sources[0]["cited"]
    turn = talk.answer(ASKS)
    assert turn.decision in ("edited", "replaced")
    assert talk.said() == [ROSA["opening"], "It is HRA-21950."]
    talk.answer(HELPS, viewed_ms=4_000)
    assert talk.said()[-1] == "Thank you, that is what I needed."
    card = talk.card()
    assert (card.total, card.points_met, card.points_decided, card.outcome, card.answers) == (
        100,
        100,
        100,
        "resolved",
        2,
    )
    with as_(world.cy, world):
        talk.session.refresh_from_db()
        assert (talk.session.status, talk.session.reason) == ("completed", "resolved")
        kept = AuditEvent.objects.filter(kind="practice.scored").get()
        assert kept.data == {"answers": 2}, "the trail is the account's, the points are the trainee's"
        chat = Conversation.objects.get(pk=talk.session.conversation_id)
        assert (chat.summary, chat.key_topics) == ("Rosa Delmonte: content after 2 answers.", ["within 30 days"])
        assert (chat.user_message_count, chat.ai_message_count, chat.title) == (2, 3, ROSA["title"])
        directions = Message.objects.filter(conversation=chat).order_by("seq").values_list("role", "direction")
        assert set(directions) == {("assistant", "inbound"), ("user", "outbound")}


def test_the_same_scenario_is_open_once_and_may_be_practised_again(world: World) -> None:
    scenario = rosa(world)
    first, again = Practice(scenario, world.cy), Practice(scenario, world.cy)
    assert (again.session.pk, again.is_new) == (first.session.pk, False)
    other = Practice(scenario, world.ada)
    assert other.session.pk != first.session.pk, "everybody has their own"
    first.end()
    assert Practice(scenario, world.cy).is_new


def test_only_a_ready_scenario_of_the_account_is_practised(world: World) -> None:
    draft = rosa(world, ready=False)
    ready = rosa(world)
    with pytest.raises(Scenario.DoesNotExist):
        Practice(draft, world.cy)
    with as_(world.cy, world), pytest.raises(Scenario.DoesNotExist):
        talks.start_practice(actor=world.cy, account_id=world.acme.pk, scenario_id=uuid.uuid4())
    with as_(world.bo, world), pytest.raises(PermissionDenied):
        talks.start_practice(actor=world.bo, account_id=world.acme.pk, scenario_id=ready.pk)
    for person in (world.cy, world.bo):
        with as_(person, world):
            assert not AssistantSession.objects.exists()


def test_a_message_is_answered_once(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    turn = talk.draft()
    with as_(world.cy, world):
        talks.answer(turn_id=turn.pk, actor=world.cy, text=ASKS, request_id="press-1")
        same = talks.answer(turn_id=turn.pk, actor=world.cy, text="Something else", request_id="press-1")
        assert same.final_text == ASKS
        with pytest.raises(Conflict, match="answered this message"):
            talks.answer(turn_id=turn.pk, actor=world.cy, text=HELPS, request_id="press-2")
        assert Message.objects.filter(conversation=talk.session.conversation_id).count() == 3


def test_of_many_presses_at_once_one_answers(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    turn = talk.draft()

    def press(n: int) -> bool:
        try:
            with as_(world.cy, world):
                talks.answer(turn_id=turn.pk, actor=world.cy, text=f"Hi Rosa, which order number is it? {n}")
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(press, range(6))) == 1
    with as_(world.cy, world):
        assert Message.objects.filter(conversation=talk.session.conversation_id).count() == 3
        assert PracticeTurn.objects.filter(session=talk.session).count() == 2


def test_nothing_is_answered_before_the_draft_is_there_or_after_the_end(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    with as_(world.cy, world), pytest.raises(Conflict, match="still being written"):
        talks.answer(turn_id=talk.turn.pk, actor=world.cy, text=ASKS)
    turn = talk.draft()
    with as_(world.cy, world), pytest.raises(Invalid):
        talks.answer(turn_id=turn.pk, actor=world.cy, text="  \n ")
    talk.end()
    with as_(world.cy, world), pytest.raises(Conflict, match="has ended"):
        talks.answer(turn_id=turn.pk, actor=world.cy, text=ASKS)
    with as_(world.cy, world):
        assert not ScoreCard.objects.exists(), "without an answer there is no score"


def test_a_practice_is_its_trainees_alone(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    turn = talk.draft()
    talk.answer(ASKS)
    talk.end()
    for person in (world.ada, world.dan, world.bo):
        with as_(person, world):
            assert not PracticeTurn.objects.exists()
            assert not ScoreCard.objects.exists()
            assert not AssistantSession.objects.exists()
            with pytest.raises(PracticeTurn.DoesNotExist):
                talks.answer(turn_id=turn.pk, actor=person, text=ASKS)
            with pytest.raises(AssistantSession.DoesNotExist):
                talks.end_practice(session_id=talk.session.pk, actor=person)
    with tenant_context(world.acme.pk):
        assert not PracticeTurn.objects.exists()
        assert not ScoreCard.objects.exists()


def test_what_was_practised_is_not_changed_afterwards(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    drafted = talk.draft()
    for column, value in (("suggested_text", "Other words"), ("planted", "An error"), ("patience", 6), ("number", 9)):
        with as_(world.cy, world), pytest.raises(DatabaseError), transaction.atomic():
            PracticeTurn.objects.filter(pk=drafted.pk).update(**{column: value})
    turn = talk.answer(ASKS)
    for column, value in (("final_text", HELPS), ("decision", "approved"), ("viewed_ms", 1)):
        with as_(world.cy, world), pytest.raises(DatabaseError), transaction.atomic():
            PracticeTurn.objects.filter(pk=turn.pk).update(**{column: value})
    talk.end()
    with as_(world.cy, world), pytest.raises(DatabaseError), transaction.atomic():
        ScoreCard.objects.update(total=100)


def test_a_turn_and_a_score_are_of_a_practice_and_its_persons(world: World) -> None:
    chat = factories.chat(world.acme, world.cy, "Hello there")
    with as_(world.cy, world):
        message = Message.objects.get(conversation=chat.conversation_id)
        with pytest.raises(IntegrityError), transaction.atomic():
            PracticeTurn.objects.create(account=world.acme, session=chat, number=1, persona_message=message, patience=1)
        scenario = rosa(world)
        with pytest.raises(IntegrityError), transaction.atomic():
            ScoreCard.objects.create(
                account=world.acme, session=chat, scenario=scenario, rubric_version=1, points_met=0, points_decided=0,
                answers=1, outcome="ended", scored_by="nobody",
            )  # fmt: skip


# --- acceptance 19 -----------------------------------------------------------------------------------------------------


def test_no_draft_delivery_or_sample_of_a_practice_exists_whoever_writes_it(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    turn, case = talk.draft(), factories.draft(factories.message(world.mail))
    chat = {"account_id": world.acme.pk, "conversation_id": talk.session.conversation_id}
    with as_(world.cy, world):
        message = turn.persona_message_id
        refused = (
            lambda: Draft.objects.create(**chat, base_message_id=message, trigger_message_id=message, model_key="m",
                                         suggested_text="Hello", due_at=turn.created_at),
            lambda: Delivery.objects.create(**chat, message_id=message, channel=world.mail, envelope={}),
            lambda: LearningSample.objects.create(**chat, draft=case, action_id=uuid.uuid4(), operations={}, similarity=1,
                                                  model_key="m"),
        )  # fmt: skip
    for write in refused:
        with pytest.raises(IntegrityError), as_(world.cy, world), transaction.atomic():
            write()


def test_a_practice_moves_no_figure_queue_or_outbox(world: World) -> None:
    factories.draft(factories.message(world.mail))

    def seen() -> list[Any]:
        with tenant_context(world.acme.pk):
            models: list[Any] = [Draft, DraftAction, Delivery, LearningSample]
            rows = [list(model.objects.order_by("pk").values()) for model in models]
            return [*rows, list(Conversation.objects.of_customers().values()), Draft.objects.in_queue().count()]

    before = seen()
    talk = Practice(rosa(world), world.cy)
    talk.answer(ASKS)
    talk.answer(HELPS)
    assert talk.card().total is not None
    assert seen() == before


def test_in_a_practice_nothing_is_asked_of_the_assistant(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    with as_(world.cy, world), pytest.raises(Invalid, match="on its own page"):
        turns.post(session_id=talk.session.pk, actor=world.cy, text="Close it", request_id="")


# --- acceptance 20 -----------------------------------------------------------------------------------------------------


def test_a_score_computed_again_is_equal_and_each_criterion_met_has_its_place(world: World) -> None:
    talk = Practice(rosa(world, rubric=[*ROSA["rubric"], {"kind": "sourced", "weight": 5}, {"kind": "within", "text": "3", "weight": 5},
                                        {"kind": "never_says", "text": "warranty", "weight": 5}]), world.cy)  # fmt: skip
    talk.answer(ASKS)
    talk.answer(HELPS)
    card = talk.card()
    with as_(world.cy, world):
        kept = list(PracticeTurn.objects.of(talk.session.pk))
        again = scoring.score(talk.scenario, kept, "resolved")
        assert [one.model_dump(mode="json") for one in again.grades] == card.criteria
        assert (again.total, again.met, again.decided) == (card.total, card.points_met, card.points_decided)
    texts = {turn.number: turn.final_text for turn in kept}
    for one in card.criteria:
        if one["outcome"] == "met":
            assert one["evidence"], one["kind"]
        for span in one["evidence"]:
            assert 0 <= span["start"] < span["end"] <= len(texts[span["turn"]])
    assert not any(word in str(card.criteria) for word in ("order number", "30 days")), "places, never words"


# --- drafting ----------------------------------------------------------------------------------------------------------


def test_the_draft_is_written_once_however_often_the_job_runs(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    turn = talk.draft()
    ids = {"account_id": world.acme.pk, "person_id": world.cy.pk, "turn_id": turn.pk}
    assert drafting.write(**ids) == "nothing to write"
    assert talk.turn.drafted_at == turn.drafted_at


def test_without_a_drafter_the_trainee_writes_and_is_told_why(world: World) -> None:
    talk = Practice(rosa(world), world.cy, drafter=Down(retryable=True))
    ids = {"account_id": world.acme.pk, "person_id": world.cy.pk, "turn_id": talk.turn.pk}
    with pytest.raises(DrafterUnavailable):
        drafting.write(**ids, drafter=talk.drafter, last_try=False)
    assert talk.turn.status == "writing", "another try may help"
    turn = talk.draft()
    assert (turn.status, turn.suggested_text, turn.error) == ("waiting", "", "The model is asleep.")
    assert talk.answer(HELPS).decision == "replaced"


def test_an_error_is_planted_once_in_a_talk_that_asks_to_catch_one(world: World) -> None:
    indexed(world)
    catches = [*ROSA["rubric"], {"kind": "catches", "weight": 10}]
    scenario = rosa(world, goal="never said", patience=6, opening="Can I return unused fittings?", rubric=catches,
                    facts=[{"key": "order", "sentence": "Can I return cut hose?"}])  # fmt: skip
    found = []
    for person in (world.cy, world.ada, world.dan):
        talk = Practice(scenario, person)
        drafted = [talk.draft(), *(talk.draft() for _ in "12" if talk.answer("Which order is it?"))]
        planted = [turn for turn in drafted if turn.planted]
        assert len(planted) <= 1
        for turn in planted:
            assert turn.planted in turn.suggested_text
            found.append(turn.number)
        with talk.as_person():
            turns_ = list(PracticeTurn.objects.of(talk.session.pk).answered())
            graded = scoring.score(scenario, turns_, "ended").grades[-1]
        caught = any(turn.planted for turn in turns_)
        assert graded.outcome == ("met" if caught else "undecided")
        assert all(span.of == "draft" for span in graded.evidence)
    assert found, "in three talks at least one error came"


def test_an_error_that_stays_is_not_caught(world: World) -> None:
    indexed(world)
    scenario = rosa(
        world,
        goal="never said",
        opening="Can I return unused fittings?",
        rubric=[{"kind": "catches", "weight": 10}, {"kind": "sourced", "weight": 10}],
    )
    for _ in range(8):
        talk = Practice(scenario, world.cy)
        turn = talk.draft()
        if turn.planted:
            break
        talk.end()
    assert turn.planted, "in eight talks one has it in its first draft"
    talk.answer(turn.suggested_text)
    card = talk.end()
    assert card is not None
    assert [one["outcome"] for one in card.criteria] == ["not_met", "not_met"], "no source says it, whatever it claims"


def test_a_turn_whose_job_is_lost_is_woken_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Practice(rosa(world), world.cy)
    assert drafting.sweep(account_id=world.acme.pk) == 0, "it is not late yet"
    monkeypatch.setattr(drafting, "UNHEARD_SECONDS", -1)
    assert drafting.sweep(account_id=world.acme.pk) == 1
    talk.draft()
    assert drafting.sweep(account_id=world.acme.pk) == 0


# --- scenarios ---------------------------------------------------------------------------------------------------------


def test_a_ready_scenario_is_frozen_and_a_change_is_its_next_version(world: World) -> None:
    ready = rosa(world)
    with as_(world.dan, world):
        for column, value in (("opening", "Other words"), ("goal", "x"), ("rubric", []), ("version", 4)):
            with pytest.raises(DatabaseError), transaction.atomic():
                Scenario.objects.filter(pk=ready.pk).update(**{column: value})
        script = scenarios.Script(**{**ROSA, "title": "Rosa, again"})
        new = scenarios.write_scenario(actor=world.dan, account_id=world.acme.pk, script=script, scenario_id=ready.pk)
        assert (new.pk != ready.pk, new.version, new.status, new.replaces_id) == (True, 2, "draft", ready.pk)
        with pytest.raises(Conflict, match="being written already"):
            scenarios.write_scenario(actor=world.dan, account_id=world.acme.pk, script=script, scenario_id=ready.pk)
        scenarios.set_ready(scenario_id=new.pk, actor=world.dan, account_id=world.acme.pk)
        ready.refresh_from_db()
        assert ready.status == "retired"
        with pytest.raises(Conflict):
            scenarios.set_ready(scenario_id=new.pk, actor=world.dan, account_id=world.acme.pk)
        scenarios.retire(scenario_id=new.pk, actor=world.dan, account_id=world.acme.pk)
        with pytest.raises(Conflict):
            scenarios.retire(scenario_id=new.pk, actor=world.dan, account_id=world.acme.pk)
        said = [event.data["what"] for event in AuditEvent.objects.filter(kind="scenario.changed").order_by("id")]
    assert said == ["wrote", "set ready", "wrote", "retired", "set ready", "retired"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"title": ""}, "Title"),
        ({"goal": " , "}, "wants nothing"),
        ({"patience": 9}, "Patience"),
        ({"rubric": []}, "Rubric"),
        ({"rubric": [{"kind": "says", "text": " ", "weight": 10}]}, "needs words"),
        ({"rubric": [{"kind": "within", "text": "many", "weight": 10}]}, "number from 1 to 8"),
        ({"rubric": [{"kind": "like_sent", "weight": 10}]}, "Rubric"),
        ({"facts": [{"key": "", "sentence": "Yes."}]}, "words that ask for it"),
        ({"facts": [{"key": "order", "sentence": ""}]}, "what the persona says"),
        ({"opening": "a\x00b"}, "cannot be stored"),
        ({"language": "fr"}, "Language"),
    ],
)
def test_a_scenario_that_cannot_be_played_is_refused_in_words(world: World, change: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid, match=why), as_(world.dan, world):
        scenarios.write_scenario(
            actor=world.dan, account_id=world.acme.pk, script=scenarios.Script(**{**ROSA, **change})
        )
    with as_(world.dan, world):
        assert not Scenario.objects.exists()


def test_only_who_manages_the_account_writes_scenarios(world: World) -> None:
    kept = rosa(world, ready=False)
    ids = {"scenario_id": kept.pk, "account_id": world.acme.pk}
    for person in (world.cy, world.ada, world.bo):
        with as_(person, world):
            with pytest.raises(PermissionDenied):
                scenarios.write_scenario(actor=person, account_id=world.acme.pk, script=scenarios.Script(**ROSA))
            with pytest.raises(PermissionDenied):
                scenarios.set_ready(actor=person, **ids)
            with pytest.raises(PermissionDenied):
                scenarios.retire(actor=person, **ids)
    with tenant_context(world.globex.pk):
        assert not Scenario.objects.exists()


# --- progress ----------------------------------------------------------------------------------------------------------


def test_progress_is_ones_own_and_the_teams_total_has_three_people_in_it(world: World) -> None:
    scenario = rosa(world)
    for n, person in enumerate((world.cy, world.ada, world.dan)):
        with as_(world.dan, world):
            assert progress.of_team() == [], "under three a total would be somebody's own"
            assert progress.runs() == ({scenario.pk: n} if n else {})
        talk = Practice(scenario, person)
        talk.answer(HELPS if n else ASKS)
        talk.end()
    with as_(world.dan, world):
        team = {line.name: (line.share, line.people) for line in progress.of_team()}
    assert team["Greets"] == (100, 3)
    assert team["Asks for what is missing"] == (33, 3)
    with as_(world.cy, world):
        own = progress.own_cards(world.cy)
        assert len(own) == 1
        assert {line.name: line.now for line in progress.by_criterion(own)}["Asks for what is missing"] == 100


# --- erasure -----------------------------------------------------------------------------------------------------------


def test_erasing_what_a_scenario_was_mined_from_erases_it_and_what_was_practised_with_it(world: World) -> None:
    source = factories.message(world.mail)
    scenario = rosa(world, ready=False)
    with as_(world.dan, world):
        Scenario.objects.filter(pk=scenario.pk).update(mined_from=source.conversation_id, status="ready")
    other = Practice(rosa(world), world.ada)
    talk = Practice(scenario, world.cy)
    talk.answer(ASKS)
    talk.end()
    retention.erase_customer(account_id=world.acme.pk, email=source.details.sender, dry_run=False)
    with as_(world.cy, world):
        scenario.refresh_from_db()
        assert (scenario.title, scenario.opening, scenario.facts, scenario.status) == ("", "", [], "retired")
        assert set(PracticeTurn.objects.values_list("suggested_text", "final_text", "operations")) == {("", "", None)}
        assert not Message.objects.filter(conversation=talk.session.conversation_id).exclude(body_text="").exists()
    assert other.said() == [ROSA["opening"]], "nothing else goes"


def test_a_deleted_practice_is_emptied_with_all_its_texts(world: World) -> None:
    talk = Practice(rosa(world), world.cy)
    talk.answer(ASKS)
    with as_(world.cy, world):
        sessions.delete_session(session_id=talk.session.pk, actor=world.cy)
    retention.erase_person(account_id=world.acme.pk, email=world.cy.email, dry_run=False)
    with as_(world.cy, world):
        kept = list(PracticeTurn.objects.values_list("suggested_text", "final_text", "operations", "sources"))
    assert len(kept) == 2
    assert all(row == ("", "", None, []) for row in kept)


# --- mining ------------------------------------------------------------------------------------------------------------


def closed_case(world: World, text: str, reply: str, **more: Any) -> uuid.UUID:
    message = factories.message(world.mail, text, **more)
    delivery = factories.approved(
        factories.draft(message, reply), world.dan, attention=decisions.Attention(pressed_twice=True)
    )
    with tenant_context(world.acme.pk):
        mine, now = Delivery.objects.filter(pk=delivery.pk), delivery.created_at
        mine.update(status="queued")
        mine.update(status="sending", lease_until=now)
        mine.update(status="sent", lease_until=None, sent_at=now)
        life.close(conversation_id=message.conversation_id, actor=world.dan, reason="not_needed")
    return message.conversation_id


def test_scenarios_are_mined_from_closed_and_sent_conversations_without_personal_data(world: World) -> None:
    text = (
        "Hello, I am Marcus Delgado, call me on +1 503 555 0134. How long can I return the unused fittings of my order?"
    )
    mined = closed_case(world, text, "Hi Marcus,\n\nUnused fittings can be returned within 30 days.\n\nBest regards")
    factories.draft(factories.message(world.mail, "How long can I return the unused fittings? It is open still."))
    out = StringIO()
    call_command("mine_scenarios", "--dry-run", stdout=out)
    with tenant_context(world.acme.pk):
        assert not Scenario.objects.exists()
    call_command("mine_scenarios", stdout=out)
    call_command("mine_scenarios", stdout=out)
    with tenant_context(world.acme.pk):
        scenario = Scenario.objects.get()
        events = AuditEvent.objects.filter(kind="scenario.changed")
        assert [event.data["what"] for event in events] == ["mined"]
    assert (scenario.status, scenario.mined_from_id, scenario.language) == ("draft", mined, "en")
    assert scenario.redacted >= 2
    for word in ("Marcus", "Delgado", "555", "0134"):
        assert word not in f"{scenario.title}{scenario.opening}{scenario.facts}{scenario.goal}{scenario.subject}"
    assert "How long can I return the unused fittings" in scenario.opening
    assert scenario.goal == "30 days"
    alike = scenario.rubric[-1]
    assert (alike["kind"], alike["weight"]) == ("like_sent", 15)
    assert alike["text"].split(", ")[:3] == ["30 days", "fittings", "returned"]
    with pytest.raises(Scenario.DoesNotExist):
        Practice(scenario, world.cy)
    with as_(world.dan, world):
        scenarios.set_ready(scenario_id=scenario.pk, actor=world.dan, account_id=world.acme.pk)
    assert Practice(scenario, world.cy).is_new


def test_what_a_persona_could_not_play_is_not_mined(world: World) -> None:
    closed_case(world, "Merci, est-ce que le tuyau en PTFE convient pour cette voiture ancienne ?", "Oui, 30 jours.")
    closed_case(world, "Thanks!", "It fits within 30 days.")
    out = StringIO()
    call_command("mine_scenarios", "--account", "acme", stdout=out)
    assert "acme: 0 scenarios" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("mine_scenarios", "--account", "nobody")
