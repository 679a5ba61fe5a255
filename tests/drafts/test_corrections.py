from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.desk import decisions
from drafts.diffing import apply_ops
from drafts.learning import corrections, samples
from drafts.models import Golden, LearningSample
from ingestion import jobs
from ingestion.models import JobRun, Passage
from ingestion.tasks import nightly
from tests import factories
from tests.conftest import World

WRONG = "Hi {name},\n\nPTFE hose is safe with E85.\n\nBest regards"
RIGHT = (
    "Hi {name},\n\nPTFE hose is safe with E85, but only the conductive kind may be used for fuel.\n\nBest regards\nAda"
)
ANSWER = "PTFE hose is safe with E85, but only the conductive kind may be used for fuel."


def correct(
    world: World,
    question: str = "Can I use PTFE hose with E85?",
    final: str = RIGHT,
    *,
    name: str = "Marcus",
    intent: str = "compatibility",
    reasons: tuple[str, ...] = ("missing_detail",),
    channel: Any = None,
    user: Any = None,
) -> LearningSample:
    """A customer asks, a draft is edited and approved."""
    channel = channel or world.mail
    message = factories.message(channel, question)
    draft = factories.draft(message, WRONG.format(name=name), intent=intent)
    factories.approved(
        draft,
        user or world.ada,
        final_text=final.format(name=name),
        reasons=reasons,
        attention=decisions.Attention(pressed_twice=True),
    )
    with tenant_context(channel.account_id):
        return LearningSample.objects.get(draft=draft)


def sync(world: World) -> JobRun:
    with tenant_context(world.acme.pk):
        job = jobs.queue_job(account_id=world.acme.pk, type="corrections_sync", params={}, actor=world.dan)
    jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    assert job.status == "succeeded", job.error
    return job


def proposed(world: World) -> list[Golden]:
    with tenant_context(world.acme.pk):
        return list(Golden.objects.order_by("created_at"))


def test_two_like_corrections_become_one_proposal(world: World) -> None:
    first = correct(world, "Can I use PTFE hose with E85?", name="Marcus")
    second = correct(world, "Hello there. Is your PTFE hose OK for E85 fuel? Thanks!", name="Nina")
    job = sync(world)
    (golden,) = proposed(world)
    assert (golden.status, golden.origin, golden.intent) == ("proposed", "corrections", "compatibility")
    # The words of the newest, without its greeting, its sign-off and the names in them.
    assert (golden.question, golden.answer) == ("Is your PTFE hose OK for E85 fuel?", ANSWER)
    assert golden.samples == [str(first.pk), str(second.pk)]
    assert (job.metrics["samples"], job.metrics["groups"], job.metrics["proposed"]) == (2, 1, 1)
    with tenant_context(world.acme.pk):
        assert not Passage.objects.exists()  # it is no source before somebody accepts it
        goldens.accept(golden_id=golden.pk, actor=world.ada)
        assert Passage.objects.get().text == ANSWER


@pytest.mark.parametrize(
    "other",
    [
        {"question": "Where is my parcel? The tracking has not moved.", "intent": "order_status"},
        {"reasons": ("tone",)},
        {"final": "Hi {name},\n\nWe close at five on Fridays and all of Sunday.\n\nBest regards"},
        {"final": "Hi {name},\n\nI have passed your message to a colleague, who will get back to you.\n\nBest regards"},
    ],
)
def test_corrections_that_are_not_alike_are_no_pattern(world: World, other: dict[str, Any]) -> None:
    correct(world)
    correct(world, **other)
    assert sync(world).metrics["groups"] == 0
    assert proposed(world) == []


def test_one_correction_is_no_pattern(world: World) -> None:
    correct(world)
    sync(world)
    assert proposed(world) == []


def test_running_again_repeats_nothing_and_a_refused_one_does_not_come_back(world: World) -> None:
    correct(world)
    correct(world)
    sync(world)
    job = sync(world)
    assert (job.metrics["proposed"], job.metrics["known"], len(proposed(world))) == (0, 1, 1)
    with tenant_context(world.acme.pk):
        goldens.refuse(golden_id=proposed(world)[0].pk, actor=world.ada)
    # The pattern grows: it is still the one that was refused.
    correct(world)
    assert sync(world).metrics["known"] == 1
    assert [golden.status for golden in proposed(world)] == ["refused"]


def test_an_edited_proposal_counts_as_decided(world: World) -> None:
    correct(world)
    correct(world)
    sync(world)
    with tenant_context(world.acme.pk):
        goldens.edit(
            golden_id=proposed(world)[0].pk, actor=world.ada, question="PTFE and E85?", answer="Conductive only."
        )
    assert sync(world).metrics["proposed"] == 0


def test_words_with_personal_data_are_not_proposed(world: World) -> None:
    private = RIGHT.replace("for fuel", "for fuel; call Jo at +1 555 010 2030")
    correct(world, final=private)
    correct(world, final=private)
    job = sync(world)
    assert (job.metrics["personal"], proposed(world)) == (1, [])
    correct(world)
    assert sync(world).metrics["proposed"] == 1
    assert proposed(world)[0].answer == ANSWER


def test_another_tenants_corrections_are_nothing_to_us(world: World) -> None:
    correct(world)
    correct(world, channel=world.other_mail, user=world.eve)
    assert sync(world).metrics["samples"] == 1
    assert proposed(world) == []


def test_erased_corrections_teach_nothing(world: World) -> None:
    correct(world)
    sample = correct(world)
    with tenant_context(world.acme.pk):
        LearningSample.objects.filter(pk=sample.pk).update(erased_at=timezone.now(), question="", original="", final="")
    assert sync(world).metrics["samples"] == 1


def test_each_night_what_is_new_is_written_as_json_lines_that_replay(
    world: World, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "GRACE", corrections.timedelta(0))
    settings.CORRECTIONS_DIR = str(tmp_path / "corrections")
    first = correct(world)
    job = sync(world)
    (file,) = (tmp_path / "corrections").iterdir()
    assert (file.name, job.metrics["exported"]) == (job.metrics["file"], 1)
    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["account"], line["id"], line["reasons"]) == ("acme", str(first.pk), ["missing_detail"])
    assert apply_ops(line["original"], line["operations"]) == line["final"]
    assert sync(world).metrics["exported"] == 0
    second = correct(world)
    assert sync(world).metrics["exported"] == 1
    newest = max((tmp_path / "corrections").iterdir())
    assert json.loads(newest.read_text())["id"] == str(second.pk)
    assert len(list((tmp_path / "corrections").iterdir())) == 2


def test_nothing_is_written_to_disk_unless_a_folder_is_set(world: World) -> None:
    correct(world)
    assert (sync(world).metrics["exported"], sync(world).metrics["file"]) == (0, "")


def test_the_clock_asks_every_account_once(world: World) -> None:
    nightly(timestamp=0)
    nightly(timestamp=0)
    for account in (world.acme, world.globex):
        with tenant_context(account.pk):
            assert JobRun.objects.get().type == "corrections_sync"


def test_the_command_does_it_at_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    correct(world)
    correct(world)
    call_command("corrections_sync", "--account", "acme")
    assert capsys.readouterr().out == "acme: 2 corrections, 1 patterns, 1 proposed, 0 proposed before, 0 written\n"
    assert len(proposed(world)) == 1
    with pytest.raises(CommandError, match="no account 'nobody'"):
        call_command("corrections_sync", "--account", "nobody")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Hi Bo,\n\nIt ships today.\n\nBest regards\nAda", "It ships today."),
        (
            "Hi Bo,\n\nIt ships today.\n\n- box one\n- box two\n\nKind regards,\nAda",
            "It ships today.\n\n- box one\n- box two",
        ),
        ("Hi Bo,\n\nThanks for your message.\n\nBest regards", ""),
        ("", ""),
    ],
)
def test_an_answer_is_what_a_reply_says_between_greeting_and_sign_off(text: str, answer: str) -> None:
    assert corrections.answer_of(text) == answer


def test_personal_data_is_recognised() -> None:
    assert samples.holds_personal_data("write to jo@example.test")
    assert not samples.holds_personal_data("Use -6 AN with 3/8 hose, part 230-0612.")


def test_the_group_keeps_to_its_first_correction() -> None:
    def one(angle: float) -> corrections.Correction:
        import math

        vector = [math.cos(angle), math.sin(angle)]
        kind = frozenset({"tone"})
        return corrections.Correction(uuid.uuid4(), "", kind, "q", "a", False, asked=vector, said=vector)

    near, further, far = one(0.0), one(0.5), one(1.0)
    # Each is near its neighbour; the last is not near the first, so it is not of its group.
    assert [len(group) for group in corrections.grouped([near, further, far])] == [2, 1]
