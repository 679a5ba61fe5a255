"""Files of approved answers (CSV or JSON lines): read strictly, imported whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from conversations import audit
from conversations.database import database_time
from conversations.errors import Invalid
from conversations.metadata import Shape
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.models import Golden
from ingestion.jobs import JobKind, Work, checked
from ingestion.knowledge.extract import decode
from ingestion.knowledge.files import Upload, read_upload
from ingestion.knowledge.index import vectors_together
from ingestion.models import JobRun

COLUMNS = ("question", "answer", "intent", "valid_from", "valid_until", "key")
ENDINGS = (".csv", ".jsonl", ".ndjson")
MAX_ROWS = 50_000
MAX_TOLD = 20  # mistakes named
BATCH = 50  # rows a transaction
Status = Golden.Status


class Params(Shape):
    file: Upload
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file, checked: a golden that is not stored."""

    line: int
    golden: Golden


@dataclass
class Counts:
    """What an import did, or with `dry_run` would do."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    left: int = 0  # refused or retired by a person, with the same words: not brought back
    dry_run: bool = False
    problems: list[str] = field(default_factory=list)


def read(name: str, content: bytes) -> list[Row]:
    """Every line of a file as a golden. Raises Invalid with the lines that are wrong; then nothing is used."""
    ending = PurePosixPath(name).suffix.lower()
    if ending not in ENDINGS:
        raise Invalid(f"{name} is no {', '.join(ENDINGS)} file. Nothing was imported.")
    wrong: list[str] = []
    rows: list[Row] = []
    keys: dict[str, int] = {}
    lines = _csv(content) if ending == ".csv" else _json_lines(content)
    for line, found in lines:
        try:
            row = Row(line, _golden(found))
            if (first := keys.setdefault(row.golden.external_key, line)) != line:
                raise Invalid(f"the same key as in line {first}")
            rows.append(row)
        except Invalid as error:
            wrong.append(f"line {line}: {str(error).removesuffix(' Nothing was changed.')}")
        if len(rows) + len(wrong) > MAX_ROWS:
            raise Invalid(f"{name} has more than {MAX_ROWS:,} lines. Cut it into several files; nothing was imported.")
    if wrong:
        more = f" And {len(wrong) - MAX_TOLD} more." if len(wrong) > MAX_TOLD else ""
        raise Invalid(f"Nothing of {name} was imported. {'; '.join(wrong[:MAX_TOLD])}.{more}")
    if not rows:
        raise Invalid(f"{name} holds no answers. Nothing was imported.")
    return rows


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """{"file": {"name", "sha256"}, "dry_run": false} as `keep_upload` gave the file. Raises Invalid."""
    return checked(Params, params).model_dump()


def run(work: Work) -> dict[str, Any]:
    """Import the uploaded file of the params; the metrics are `Counts`. Raises Invalid, UploadGone."""
    params = Params.model_validate(work.params)
    rows = read(params.file.name, read_upload(account_id=work.account_id, upload=params.file))
    counts = Counts(**{"dry_run": params.dry_run, **work.resume.get("counts", {})})
    first = int(work.resume.get("next", 0))
    actor = audit.Actor(audit.SYSTEM.type, work.started_by or audit.SYSTEM.name)
    for start in range(first, len(rows), BATCH):
        work.step(done=start, total=len(rows), resume={"next": start, "counts": asdict(counts)})
        apply(account_id=work.account_id, rows=rows[start : start + BATCH], actor=actor, counts=counts)
    work.step(done=len(rows), total=len(rows), resume={"next": len(rows), "counts": asdict(counts)})
    if not params.dry_run:
        with tenant_context(work.account_id):
            record_import(JobRun.objects.get(pk=work.job_id), params.file.name, counts, actor)
    return asdict(counts)


KIND = JobKind(run=run, prepare=prepare, unit="answers")


def apply(*, account_id: uuid.UUID, rows: list[Row], actor: audit.Actor, counts: Counts) -> None:
    """Bring these rows into the account, in one transaction. Repeating it changes nothing."""
    with tenant_context(account_id), vectors_together():
        known = {
            golden.external_key: golden
            for golden in Golden.objects.select_for_update(of=("self",)).filter(
                external_key__in=[row.golden.external_key for row in rows]
            )
        }
        for row in rows:
            counts.rows += 1
            _one(account_id, row.golden, known.get(row.golden.external_key), actor, counts)


def _one(account_id: uuid.UUID, golden: Golden, old: Golden | None, actor: audit.Actor, counts: Counts) -> None:
    if old is not None and goldens.same(old, golden):
        if old.status in (Status.REFUSED, Status.RETIRED):
            counts.left += 1
        else:
            counts.unchanged += 1
            if old.status == Status.PROPOSED and not counts.dry_run:
                goldens.settle(old, Status.ACCEPTED, actor, recorded=False)
        return
    counts.new += old is None
    counts.changed += old is not None
    if counts.dry_run:
        return
    if old is not None:
        old.external_key = ""  # the key is the new row's
        gone = {Status.ACCEPTED: Status.RETIRED, Status.PROPOSED: Status.REFUSED}.get(Status(old.status))
        if gone:
            goldens.settle(old, gone, actor, recorded=False)
        else:
            old.save(update_fields=["external_key", "updated_at"])
    golden.account_id, golden.origin = account_id, Golden.Origin.FILE
    goldens.store(golden)
    if golden.valid_until is None or golden.valid_until > database_time.now():
        goldens.settle(golden, Status.ACCEPTED, actor, recorded=False)


def record_import(job: JobRun, name: str, counts: Counts, actor: audit.Actor) -> None:
    """One event for the whole import. The caller is in the tenant."""
    audit.record(
        audit.Kind.GOLDENS_IMPORTED,
        actor=actor,
        about=job,
        data={"name": name[:200], "new": counts.new, "changed": counts.changed, "rows": counts.rows},
    )


def _golden(found: dict[str, Any]) -> Golden:
    """Raises Invalid, whose message has no line number yet."""
    if unknown := sorted(set(found) - set(COLUMNS)):
        raise Invalid(f"unknown column {', '.join(map(repr, unknown))[:100]}; known are {', '.join(COLUMNS)}")
    if wrong := sorted(name for name, value in found.items() if not isinstance(value, str | None)):
        raise Invalid(f"{wrong[0]} is no text")
    values = {name: (found.get(name) or "").strip() for name in COLUMNS}
    golden = Golden(
        question=values["question"],
        answer=values["answer"],
        intent=values["intent"],
        valid_from=_moment(values["valid_from"], "valid_from"),
        valid_until=_moment(values["valid_until"], "valid_until"),
        external_key=values["key"],
    )
    goldens.tidy(golden)
    if not golden.external_key:  # a file without keys: the question is one
        golden.external_key = "question:" + hashlib.sha256(golden.question.casefold().encode()).hexdigest()[:40]
    return golden


def _moment(value: str, name: str) -> datetime | None:
    """A date (its first moment, UTC) or a date and time (UTC if it names no zone)."""
    if not value:
        return None
    try:
        moment = parse_datetime(value)
        day = parse_date(value) if moment is None or len(value) <= 10 else None
    except ValueError:
        moment = day = None
    if day:
        moment = datetime(day.year, day.month, day.day)
    if moment is None:
        raise Invalid(f"{name} {value[:40]!r} is no date; write 2026-12-31 or 2026-12-31T18:00Z")
    return moment if moment.tzinfo else timezone.make_aware(moment, timezone.get_default_timezone())


def _csv(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, fields). The first line names the columns; comma or semicolon."""
    text = decode(content)
    if "\0" in text:
        raise Invalid("This is no CSV file (it has binary signs in it). Nothing was imported.")
    head = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",", strict=True
    )
    names: list[str] = []
    at = 0
    try:
        for fields in reader:
            at, line = reader.line_num, at + 1
            if not any(value.strip() for value in fields):
                continue
            if not names:
                names = [name.strip().lower() for name in fields]
                if not {"question", "answer"} <= set(names) or len(set(names)) < len(names):
                    raise Invalid(
                        "The first line has to name the columns question and answer once. Nothing was imported."
                    )
                continue
            if len(fields) != len(names):
                raise Invalid(
                    f"Line {line} has {len(fields)} fields and the first line {len(names)} (is a quote missing?). "
                    "Nothing was imported."
                )
            yield line, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise Invalid(f"This is no CSV file: line {reader.line_num}: {error}. Nothing was imported.") from error


def _json_lines(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(decode(content).split("\n"), 1):
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"Line {line} is no JSON ({error}). Nothing was imported.") from error
        if not isinstance(found, dict):
            raise Invalid(f"Line {line} is no JSON object. Nothing was imported.")
        yield line, found
