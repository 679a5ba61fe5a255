from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.test import TestCase
from django.utils import timezone

from conversations import audit
from conversations.errors import Conflict, Invalid
from conversations.models import AuditEvent
from conversations.tenancy import tenant_context
from drafts.answers import golden_files, goldens
from drafts.flow import drafting
from drafts.models import Golden
from ingestion import jobs
from ingestion.knowledge.embed import MiniLmEmbedder
from ingestion.knowledge.files import keep_upload
from ingestion.knowledge.search import find_passages
from ingestion.knowledge.vectors import VectorStore, get_vector_store
from ingestion.models import JobRun, Passage, SourceDocument
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.ingestion.conftest import chroma_url  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("attachments_dir")
QUESTION = "Can I use PTFE hose with E85?"
ANSWER = "PTFE hose is safe with E85. Rubber hose is not: ethanol hardens it within a season."


def propose(world: World, **changes: Any) -> Golden:
    values: dict[str, Any] = {"question": QUESTION, "answer": ANSWER, "actor": world.ada, **changes}
    with tenant_context(world.acme.pk):
        return goldens.propose(account_id=world.acme.pk, **values)


def accept(world: World, golden: Golden) -> Golden:
    with tenant_context(world.acme.pk):
        return goldens.accept(golden_id=golden.pk, actor=world.ada)


def in_use(world: World) -> list[str]:
    """The answers that a draft could cite now."""
    with tenant_context(world.acme.pk):
        passages = Passage.objects.filter(document__kind="golden", document__status="indexed")
        return sorted(passages.values_list("text", flat=True))


def test_a_proposed_answer_is_no_source_until_somebody_accepts_it(world: World) -> None:
    golden = propose(world)
    assert (golden.status, in_use(world)) == ("proposed", [])
    accepted = accept(world, golden)
    assert (accepted.status, accepted.decided_name, accepted.decided_by_id) == ("accepted", "Ada", world.ada.pk)
    assert in_use(world) == [ANSWER]
    with tenant_context(world.acme.pk):
        document = SourceDocument.objects.get(kind="golden")
        sentences = [audit.sentence(event) for event in AuditEvent.objects.filter(kind__startswith="golden")]
    assert (document.source_url, document.title) == (golden.address, QUESTION)
    assert sentences == ["Ada proposed an approved answer (person)", "Ada set an approved answer to accepted"]


def test_the_very_next_draft_cites_it(world: World) -> None:
    message = factories.message(world.mail, "Hello, can I use PTFE hose with E85?", subject="Hose")
    accept(world, propose(world))
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
    assert draft is not None
    assert "PTFE hose is safe with E85." in draft.suggested_text
    assert draft.top_sources[0]["cited"] and draft.top_sources[0]["url"].startswith("golden:")


def test_a_retired_answer_marks_the_waiting_drafts_that_cite_it(world: World) -> None:
    message = factories.message(world.mail, "Hello, can I use PTFE hose with E85?", subject="Hose")
    golden = accept(world, propose(world))
    draft = drafting.write_draft(account_id=world.acme.pk, conversation_id=message.conversation_id)
    assert draft is not None
    with tenant_context(world.acme.pk):
        goldens.retire(golden_id=golden.pk, actor=world.ada)
        draft.refresh_from_db()
    assert in_use(world) == []
    assert draft.sources_changed_at is not None


def test_it_is_found_by_another_wording_of_its_question(world: World, settings: Any, chroma_url: str) -> None:  # noqa: F811
    settings.CHROMA_URL = chroma_url
    store = get_vector_store(MiniLmEmbedder.name)
    assert isinstance(store, VectorStore)
    with TestCase.captureOnCommitCallbacks(execute=True):
        golden = accept(world, propose(world, answer="Yes, it is made for it."))
    found = find_passages(account_id=world.acme.pk, text="is teflon line okay for ethanol fuel")
    assert [each.passage.text for each in found] == ["Yes, it is made for it."]
    with TestCase.captureOnCommitCallbacks(execute=True), tenant_context(world.acme.pk):
        goldens.retire(golden_id=golden.pk, actor=world.ada)
    assert store.count(world.acme.pk) == 0
    store.drop(world.acme.pk)


def test_pressing_twice_is_once_and_what_is_decided_cannot_be_refused(world: World) -> None:
    golden = accept(world, propose(world))
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert goldens.accept(golden_id=golden.pk, actor=world.dan).decided_name == "Ada"
        with pytest.raises(Conflict, match="accepted already"):
            goldens.refuse(golden_id=golden.pk, actor=world.ada)
    with tenant_context(world.acme.pk):
        goldens.retire(golden_id=golden.pk, actor=world.ada)
        goldens.accept(golden_id=golden.pk, actor=world.ada)
    assert in_use(world) == [ANSWER]


@pytest.mark.parametrize("who", ["bo", "cy", "eve"])
def test_only_a_reviewer_or_admin_of_the_account_decides(world: World, who: str) -> None:
    golden, person = propose(world), getattr(world, who)
    with tenant_context(world.acme.pk), assert_nothing_written():
        for verb in (goldens.accept, goldens.refuse, goldens.retire):
            with pytest.raises(PermissionDenied):
                verb(golden_id=golden.pk, actor=person)
        with pytest.raises(PermissionDenied):
            goldens.edit(golden_id=golden.pk, actor=person, question="Q", answer="A")
        with pytest.raises(PermissionDenied):
            goldens.propose(account_id=world.acme.pk, actor=person, question="Q", answer="A")


def test_another_tenants_golden_does_not_exist(world: World) -> None:
    golden = propose(world)
    with tenant_context(world.globex.pk), assert_nothing_written(), pytest.raises(Golden.DoesNotExist):
        goldens.accept(golden_id=golden.pk, actor=world.eve)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"question": " \n"}, "question is empty"),
        ({"answer": ""}, "answer is empty"),
        ({"question": "x" * 2001}, "2,000 characters"),
        ({"answer": "x" * 20_001}, "20,000 characters"),
        ({"intent": "x" * 101}, "100 characters"),
        ({"valid_from": datetime(2026, 5, 2, tzinfo=timezone.get_default_timezone()), "valid_until": datetime(2026, 5, 1, tzinfo=timezone.get_default_timezone())}, "before it is valid from"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(world: World, wrong: dict[str, Any], why: str) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match=why):
        propose(world, **wrong)


def test_an_edit_is_a_new_golden_in_the_place_of_the_old_one(world: World) -> None:
    old = accept(world, propose(world, external_key="k1"))
    with tenant_context(world.acme.pk):
        new = goldens.edit(golden_id=old.pk, actor=world.dan, question=QUESTION, answer="It is. Rubber is not.")
        old.refresh_from_db()
    assert (old.status, old.answer, old.external_key, new.status) == ("retired", ANSWER, "k1", "accepted")
    assert in_use(world) == ["It is. Rubber is not."]
    with tenant_context(world.acme.pk), assert_nothing_written():
        assert goldens.edit(golden_id=new.pk, actor=world.dan, question=QUESTION, answer="It is. Rubber is not.") == new
        with pytest.raises(Conflict):
            goldens.edit(golden_id=old.pk, actor=world.dan, question=QUESTION, answer="Other.")


def test_an_edited_proposal_still_waits(world: World) -> None:
    old = propose(world)
    with tenant_context(world.acme.pk):
        new = goldens.edit(golden_id=old.pk, actor=world.ada, question=QUESTION, answer="Better.")
        old.refresh_from_db()
    assert (old.status, new.status, in_use(world)) == ("refused", "proposed", [])


def test_its_time_begins_and_ends_by_the_clock(world: World) -> None:
    now = timezone.now()
    golden = accept(world, propose(world, valid_from=now + timedelta(hours=1), valid_until=now + timedelta(hours=2)))
    assert (in_use(world), goldens.sweep(account_id=world.acme.pk)) == ([], 0)
    with tenant_context(world.acme.pk):
        Golden.objects.filter(pk=golden.pk).update(valid_from=now - timedelta(hours=1))
    assert (goldens.sweep(account_id=world.acme.pk), goldens.sweep(account_id=world.acme.pk)) == (1, 0)
    assert in_use(world) == [ANSWER]
    with tenant_context(world.acme.pk):
        Golden.objects.filter(pk=golden.pk).update(valid_until=now - timedelta(minutes=1))
    assert (goldens.sweep(account_id=world.acme.pk), goldens.sweep(account_id=world.acme.pk)) == (1, 0)
    assert in_use(world) == []
    with tenant_context(world.acme.pk):
        goldens.retire(golden_id=golden.pk, actor=world.ada)
        with assert_nothing_written(), pytest.raises(Invalid, match="time of this answer is over"):
            goldens.accept(golden_id=golden.pk, actor=world.ada)


def test_two_who_decide_at_once_leave_one_decision(
    committed_world: World, in_threads: Callable[[list[Callable[[], Any]]], list[Any]]
) -> None:
    golden = propose(committed_world)

    def decide(verb: Callable[..., Golden]) -> Golden:
        with tenant_context(committed_world.acme.pk):
            return verb(golden_id=golden.pk, actor=committed_world.ada)

    results = in_threads([lambda: decide(goldens.refuse), lambda: decide(goldens.accept)] * 3)
    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, Conflict)]
    with tenant_context(committed_world.acme.pk):
        # Refused may become accepted afterwards; accepted is never refused. Either way the document agrees.
        assert Golden.objects.get().status == "accepted"
    assert in_use(committed_world) == [ANSWER]


def test_an_erasure_takes_undecided_proposals_with_it(world: World) -> None:
    theirs, other = uuid.uuid4(), uuid.uuid4()
    propose(world, samples=[theirs, other])
    accept(world, propose(world, samples=[theirs]))
    propose(world, samples=[other])
    with tenant_context(world.acme.pk):
        assert goldens.forget(account_id=world.acme.pk, samples=[theirs]) == 1
        assert goldens.forget(account_id=world.acme.pk, samples=[]) == 0
        assert Golden.objects.count() == 2


# --- files ---------------------------------------------------------------------------------------------------------
CSV = """question,answer,intent,valid_from,valid_until,key
Can I use PTFE with E85?,"Yes, it is made for it.",compatibility,2026-01-01,,hose-1
What is the torque?,18 ft-lb.,torque,,,torque-1
"""


def upload(world: World, name: str, content: str | bytes, **params: Any) -> JobRun:
    raw = content if isinstance(content, bytes) else content.encode()
    with tenant_context(world.acme.pk):
        file = keep_upload(account_id=world.acme.pk, name=name, content=raw, endings=golden_files.ENDINGS)
        job = jobs.queue_job(account_id=world.acme.pk, type="ingest_goldens", params={"file": file.model_dump(), **params}, actor=world.dan)  # fmt: skip
    jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    return job


def counts(job: JobRun) -> tuple[int, int, int, int]:
    return tuple(job.metrics[name] for name in ("new", "changed", "unchanged", "left"))  # type: ignore[return-value]


def test_a_csv_becomes_answers_in_use(world: World) -> None:
    job = upload(world, "goldens.csv", CSV)
    assert (job.status, counts(job), job.done) == ("succeeded", (2, 0, 0, 0), 2)
    assert in_use(world) == ["18 ft-lb.", "Yes, it is made for it."]
    with tenant_context(world.acme.pk):
        golden = Golden.objects.get(external_key="hose-1")
        event = AuditEvent.objects.get(kind="goldens.imported")
    assert (golden.origin, golden.intent, golden.decided_name) == ("file", "compatibility", "Dan")
    assert golden.valid_from is not None and golden.valid_from.isoformat() == "2026-01-01T00:00:00+00:00"
    assert audit.sentence(event) == "Dan imported approved answers from goldens.csv: 2 new, 0 changed"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.replace(",", ";").replace("Yes; it", "Yes, it")),
        ("a.csv", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("a.jsonl", '{"question": "Can I use PTFE with E85?", "answer": "Yes, it is made for it.", "key": "hose-1"}\n\n{"question": "What is the torque?", "answer": "18 ft-lb.", "valid_until": null}\n'),
    ],
)  # fmt: skip
def test_files_as_people_save_them_are_read(world: World, name: str, content: str) -> None:
    assert counts(upload(world, name, content)) == (2, 0, 0, 0)
    assert in_use(world) == ["18 ft-lb.", "Yes, it is made for it."]


def test_the_same_file_again_changes_nothing(world: World) -> None:
    upload(world, "goldens.csv", CSV)
    with tenant_context(world.acme.pk):
        before = list(Passage.objects.order_by("pk").values_list("pk", "text"))
    assert counts(upload(world, "renamed.csv", CSV)) == (0, 0, 2, 0)
    with tenant_context(world.acme.pk):
        assert list(Passage.objects.order_by("pk").values_list("pk", "text")) == before
        assert Golden.objects.count() == 2


def test_a_changed_row_replaces_the_old_answer(world: World) -> None:
    upload(world, "goldens.csv", CSV)
    assert counts(upload(world, "goldens.csv", CSV.replace("18 ft-lb", "20 ft-lb"))) == (0, 1, 1, 0)
    assert in_use(world) == ["20 ft-lb.", "Yes, it is made for it."]
    with tenant_context(world.acme.pk):
        old = Golden.objects.get(answer="18 ft-lb.")
        assert (old.status, Golden.objects.get(external_key="torque-1").answer) == ("retired", "20 ft-lb.")


def test_what_a_person_retired_is_not_brought_back_by_the_same_words(world: World) -> None:
    upload(world, "goldens.csv", CSV)
    with tenant_context(world.acme.pk):
        goldens.retire(golden_id=Golden.objects.get(external_key="torque-1").pk, actor=world.ada)
    assert counts(upload(world, "again.csv", CSV)) == (0, 0, 1, 1)
    assert in_use(world) == ["Yes, it is made for it."]
    assert counts(upload(world, "new.csv", CSV.replace("18 ft-lb", "20 ft-lb"))) == (0, 1, 1, 0)
    assert in_use(world) == ["20 ft-lb.", "Yes, it is made for it."]


def test_a_dry_run_counts_and_writes_nothing(world: World) -> None:
    job = upload(world, "goldens.csv", CSV, dry_run=True)
    assert (counts(job), job.metrics["dry_run"]) == ((2, 0, 0, 0), True)
    with tenant_context(world.acme.pk):
        assert not Golden.objects.exists() and not SourceDocument.objects.exists()
        assert not AuditEvent.objects.filter(kind="goldens.imported").exists()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", CSV + "No answer here,,x,,,k\n", "line 4: The answer is empty."),
        ("a.csv", CSV + "Q,A,,,,hose-1\n", "line 4: the same key as in line 2"),
        ("a.csv", CSV + "Q,A,,someday,,k\n", "line 4: valid_from 'someday' is no date"),
        ("a.csv", CSV + "Q,A,,2026-13-45,,k\n", "line 4: valid_from '2026-13-45' is no date"),
        ("a.csv", CSV + "Q,A,,2026-02-02,2026-01-01,k\n", "line 4: It would be valid until before"),
        ("a.csv", CSV + "Q,A\n", "Line 4 has 2 fields and the first line 6"),
        ("a.csv", CSV + 'Q,"A,,,,k\n', "no CSV file"),
        ("a.csv", "q,a\n1,2\n", "columns question and answer"),
        ("a.csv", "question,answer,colour\nQ,A,red\n", "line 2: unknown column 'colour'"),
        ("a.csv", "question,answer\n", "holds no answers"),
        ("a.csv", b"\0\1\2", "binary"),
        ("a.jsonl", '{"question": "Q", "answer": "A"}\nnot json\n', "Line 2 is no JSON"),
        ("a.jsonl", '{"question": "Q", "answer": "A"}\n["Q"]\n', "Line 2 is no JSON object"),
        ("a.jsonl", '{"question": "Q", "answer": 5}\n', "line 1: answer is no text"),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole_with_its_line(
    world: World, name: str, content: str | bytes, why: str
) -> None:
    job = upload(world, name, content)
    assert job.status == "failed" and why in job.error and "imported" in job.error
    with tenant_context(world.acme.pk):
        assert not Golden.objects.exists() and not SourceDocument.objects.exists()


def test_an_import_that_is_cut_off_goes_on_and_counts_each_row_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden_files, "BATCH", 2)
    lines = "".join(json.dumps({"question": f"Question {n}?", "answer": f"Answer {n}."}) + "\n" for n in range(7))
    real, calls = golden_files.apply, []

    def die_in_the_third(**values: Any) -> None:
        calls.append(len(values["rows"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(**values)

    monkeypatch.setattr(golden_files, "apply", die_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        upload(world, "many.jsonl", lines)
    with tenant_context(world.acme.pk):
        job = JobRun.objects.get()
        JobRun.objects.update(heartbeat_at=timezone.now() - 2 * jobs.SILENCE)
    jobs.sweep(account_id=world.acme.pk)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk) == "succeeded"
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
        assert Golden.objects.count() == 7
    assert (calls, counts(job), job.metrics["rows"]) == ([2, 2, 2, 2, 1], (7, 0, 0, 0), 7)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "goldens.csv"
    path.write_text(CSV)
    yield path


def test_the_command_imports_and_first_shows_what_it_would_do(
    world: World, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("ingest_goldens", str(file), "--account", "acme", "--dry-run")
    assert capsys.readouterr().out.startswith("would import 2 answers: 2 new")
    assert in_use(world) == []
    call_command("ingest_goldens", str(file), "--account", "acme")
    assert capsys.readouterr().out == "imported 2 answers: 2 new, 0 changed, 0 unchanged, 0 left as people decided\n"
    with tenant_context(world.acme.pk):
        assert (JobRun.objects.get().status, JobRun.objects.get().done) == ("succeeded", 2)
    file.write_text(CSV + "Q,,,,,\n")
    with pytest.raises(CommandError, match="line 4: The answer is empty"):
        call_command("ingest_goldens", str(file), "--account", "acme")
    for path, account in (("/nowhere.csv", "acme"), (str(file), "nobody")):
        with pytest.raises(CommandError, match="Nothing was"):
            call_command("ingest_goldens", path, "--account", account)
