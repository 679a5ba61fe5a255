"""Files that people bring: kept by their digest, read by a job, each a document `file:<name>`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from conversations.errors import Invalid, Refusal
from conversations.messages import files, scanning
from conversations.metadata import Shape
from conversations.tenancy import tenant_context
from ingestion.jobs import JobKind, Work, checked
from ingestion.knowledge import completeness
from ingestion.knowledge.documents import Unreadable
from ingestion.knowledge.extract import KINDS, MAX_BYTES, read_file
from ingestion.knowledge.index import Origin, index_document
from ingestion.models import SourceDocument

MAX_FILES = 200
PROBLEMS = 50


class Upload(Shape):
    """A file in the store: what a job's params say of it."""

    name: str = Field(min_length=1, max_length=200)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Params(Shape):
    files: list[Upload] = Field(min_length=1, max_length=MAX_FILES)


class UploadGone(Refusal):
    """The bytes are not in the store any more."""


@dataclass
class Counts:
    """What became of the files, as people are told."""

    files: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    words: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse(self, name: str, why: str) -> None:
        self.refused += 1
        self.problem(name, why)

    def problem(self, name: str, why: str) -> None:
        if len(self.problems) < PROBLEMS:
            self.problems.append(f"{name[:200]}: {why}"[:500])


def keep_upload(*, account_id: uuid.UUID, name: str, content: bytes, endings: tuple[str, ...] = tuple(KINDS)) -> Upload:
    """Put an uploaded file into the account's store, outside of any transaction that waits; the answer goes into a job's
    params. Raises Invalid (422), OSError."""
    name = PurePosixPath(name.replace("\\", "/")).name.strip()[:200]
    if not name or PurePosixPath(name).suffix.lower() not in endings:
        raise Invalid(
            f"{name or 'A file without a name'} was not kept: only {', '.join(sorted(endings))} files are read."
        )
    if not content:
        raise Invalid(f"{name} was not kept: it is empty.")
    if len(content) > MAX_BYTES:
        raise Invalid(f"{name} was not kept: it is larger than {MAX_BYTES / 1e6:.0f} MB.")
    return Upload(name=name, sha256=files.put(account_id, content)[0])


def read_upload(*, account_id: uuid.UUID, upload: Upload) -> bytes:
    """The bytes of a kept file, which are what their digest says. Raises UploadGone."""
    with tenant_context(account_id):
        key = files.key_of(account_id, upload.sha256)
    try:
        return scanning.read_checked(account_id, key, upload.sha256)
    except scanning.Infected as error:
        raise UploadGone(f"{upload.name} was not read. {error}") from error
    except files.Damaged as error:
        raise UploadGone(f"The bytes of {upload.name} are not in the store any more. Upload it again.") from error


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """{"files": [{"name", "sha256"}]} as `keep_upload` gave them. Raises Invalid."""
    return checked(Params, params).model_dump()


def run(work: Work) -> dict[str, Any]:
    """Index the uploaded files of the params; the metrics are `Counts`. Raises Refusal if none could be read."""
    uploads = Params.model_validate(work.params).files

    def contents() -> Iterator[tuple[str, Callable[[], bytes]]]:
        for upload in uploads:
            yield upload.name, lambda upload=upload: read_upload(account_id=work.account_id, upload=upload)  # type: ignore[misc]

    counts = Counts(**work.resume.get("counts", {}))
    first = int(work.resume.get("next", 0))
    for number, (name, read) in enumerate(contents()):
        if number < first:
            continue
        work.step(done=number, total=len(uploads), resume={"next": number, "counts": asdict(counts)})
        ingest_file(account_id=work.account_id, name=name, read=read, counts=counts)
    work.step(done=len(uploads), resume={"next": len(uploads), "counts": asdict(counts)})
    if counts.refused == len(uploads):
        raise Refusal("None of the files could be read. " + " ".join(f"{problem}." for problem in counts.problems[:5]))
    completeness.check(counts)
    return asdict(counts)


KIND = JobKind(run=run, prepare=prepare, unit="files")


def ingest_file(*, account_id: uuid.UUID, name: str, read: Callable[[], bytes], counts: Counts) -> None:
    """One file into the account's documents, outside of any transaction. What cannot be read is counted and named, and
    leaves the document that had this name before as it was."""
    counts.files += 1
    source_url = f"file:{name}"
    try:
        found = read_file(name, read())
    except Unreadable as error:
        counts.refuse(name, str(error))
        return
    except (UploadGone, OSError) as error:
        counts.refuse(name, str(error))
        return
    completeness.count(counts, name, found)
    with tenant_context(account_id):
        before = SourceDocument.objects.filter(source_url=source_url).values_list("hash", "status").first()
        after = index_document(
            account_id=account_id,
            source_url=source_url,
            title=found.title,
            text=found.text,
            metadata=completeness.kept(found),
            origin=Origin(SourceDocument.Kind.FILE),
        )
    if before is None or before[1] != SourceDocument.Status.INDEXED:
        counts.new += 1
    elif before[0] != after.hash:
        counts.changed += 1
    else:
        counts.unchanged += 1
