"""Copies of checkpoints outside the database: whoever rewrites the trail cannot rewrite those, or needs another key to.

A worker adds each new checkpoint after its commit (`conversations.tasks.checkpoint_audit`), never a request. Where to is
`AUDIT_ANCHORS`: a folder (`file:/var/lib/countersign/anchors`) or a second database (`postgresql://…`), any number of them.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString, Protocol

import psycopg
from django.conf import settings

from conversations.models import AuditCheckpoint, AuditEvent
from conversations.tenancy import tenant_context
from conversations.trail.chain import Break
from conversations.trail.checkpoints import is_signed


class Differs(Exception):
    """A copy outside holds another checkpoint than the database. Nothing was added to it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One checkpoint as it stands outside: enough to check its signature without the database."""

    at: datetime
    account: uuid.UUID
    number: int
    head: str
    count: int
    previous: str
    signature: str

    @classmethod
    def of(cls, point: AuditCheckpoint) -> Line:
        at = point.created_at.astimezone(UTC)
        previous = point.previous or "-"
        return cls(at, point.account_id, point.number, point.hash, point.seq, previous, point.signature)

    @classmethod
    def read(cls, text: str) -> Line:
        """Raises ValueError for what is no line of ours."""
        at, account, number, head, count, previous, signature = text.split()
        return cls(
            datetime.fromisoformat(at), uuid.UUID(account), int(number), head, int(count), previous, signature
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.account} {self.number} {self.head} {self.count} {self.previous} {self.signature}"

    def as_point(self) -> AuditCheckpoint:
        return AuditCheckpoint(
            account_id=self.account,
            created_at=self.at,
            number=self.number,
            seq=self.count,
            hash=self.head,
            previous="" if self.previous == "-" else self.previous,
            signature=self.signature,
        )


class Copy(Protocol):
    """A place outside that keeps lines, to read."""

    name: str

    def lines_of(self, account_id: uuid.UUID) -> Sequence[Line]: ...


class Anchor(Copy, Protocol):
    """A place outside that new lines are added to."""

    def newest(self, account_id: uuid.UUID) -> Line | None: ...

    def add(self, lines: Iterable[Line]) -> None: ...


class Folder:
    """One file an account, a line a checkpoint, only ever added to. `chattr +a`, or a share that only takes additions,
    keeps it from whoever has the machine."""

    TAIL = 4096

    def __init__(self, path: str) -> None:
        self.name = f"file:{path}"
        self.path = Path(path)

    def _file(self, account_id: uuid.UUID) -> Path:
        return self.path / f"{account_id}.anchors"

    def lines_of(self, account_id: uuid.UUID) -> list[Line]:
        with contextlib.suppress(FileNotFoundError):
            text = self._file(account_id).read_text(errors="replace")
            return list(read_lines(text[: text.rfind("\n") + 1]))
        return []

    def newest(self, account_id: uuid.UUID) -> Line | None:
        with contextlib.suppress(FileNotFoundError), self._file(account_id).open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - self.TAIL))
            whole = stream.read().decode(errors="replace").split("\n")[:-1]  # what a full disk tore has no line end
            return Line.read(whole[-1]) if whole else None
        return None

    def add(self, lines: Iterable[Line]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        for line in lines:
            path = self._file(line.account)
            is_torn = path.exists() and path.read_bytes()[-1:] not in {b"", b"\n"}
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            with os.fdopen(handle, "ab") as stream:
                stream.write((b"\n" if is_torn else b"") + f"{line}\n".encode())
                stream.flush()
                os.fsync(handle)


class File:
    """A file of lines, of any number of accounts: somebody's own copy, to compare with."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._lines = list(read_lines(Path(path).read_text()))

    def lines_of(self, account_id: uuid.UUID) -> list[Line]:
        return [line for line in self._lines if line.account == account_id]

    def accounts(self) -> set[uuid.UUID]:
        return {line.account for line in self._lines}


class Database:
    """Another PostgreSQL, with another superuser: the role in this address may read and add, nothing else (deploy/anchors.sql)."""

    READ = "SELECT at, account, number, head, count, previous, signature FROM countersign_anchor WHERE account = %s "
    ADD = (
        "INSERT INTO countersign_anchor (at, account, number, head, count, previous, signature)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    )

    def __init__(self, url: str) -> None:
        self.name = f"postgresql://{url.rpartition('@')[2]}"  # without its password
        self.url = url

    def lines_of(self, account_id: uuid.UUID) -> list[Line]:
        return self._read(self.READ + "ORDER BY number", account_id)

    def newest(self, account_id: uuid.UUID) -> Line | None:
        return next(iter(self._read(self.READ + "ORDER BY number DESC LIMIT 1", account_id)), None)

    def add(self, lines: Iterable[Line]) -> None:
        with psycopg.connect(self.url, connect_timeout=10) as server, server.cursor() as cursor:
            cursor.executemany(self.ADD, [astuple(line) for line in lines])

    def _read(self, sql: LiteralString, account_id: uuid.UUID) -> list[Line]:
        with psycopg.connect(self.url, connect_timeout=10) as server:
            return [Line(row[0].astimezone(UTC), *row[1:]) for row in server.execute(sql, [account_id])]


def read_lines(text: str) -> Iterator[Line]:
    """What a full disk tore is passed over if it was written whole right after. Raises ValueError for any other line."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        is_torn = number < len(lines) and line != lines[number] and lines[number].startswith(line)
        if line.strip() and not is_torn:
            try:
                yield Line.read(line)
            except ValueError as error:
                raise ValueError(f"Line {number} is no anchor: {line[:80]!r}") from error


def open_anchor(address: str) -> Anchor:
    """Raises ValueError for an address that names no kind of anchor."""
    if address.startswith("file:/"):
        return Folder(address.removeprefix("file:"))
    if address.startswith(("postgresql://", "postgres://")):
        return Database(address)
    raise ValueError(f"{address.partition(':')[0]!r} is no kind of anchor. Write file:/a/folder or postgresql://…")


def configured() -> list[Anchor]:
    return [open_anchor(address) for address in settings.AUDIT_ANCHORS]


def anchor(account_id: uuid.UUID, *, to: Anchor) -> int:
    """Add the checkpoints that a copy outside does not have yet; returns how many. Outside of any transaction.

    Raises Differs where the copy's newest is not ours, and whatever says that the place is away: then the next turn adds.
    """
    newest = to.newest(account_id)
    with tenant_context(account_id):
        points = AuditCheckpoint.objects.filter(account_id=account_id).order_by("number")
        if newest and not any(Line.of(point) == newest for point in points.filter(number=newest.number)):
            raise Differs(f"{to.name}: checkpoint {newest.number} of account {account_id} is another one there")
        missing = [Line.of(point) for point in points.filter(number__gt=newest.number if newest else 0)]
    if missing:
        to.add(missing)
    return len(missing)


def compare(account_id: uuid.UUID, copy: Copy) -> tuple[Break | None, str]:
    """Whether the database still holds what stands outside; and what that was, in words. The caller is in the tenant."""
    lines = copy.lines_of(account_id)
    inside = {point.number: Line.of(point) for point in AuditCheckpoint.objects.filter(account_id=account_id)}
    sealed = dict(
        AuditEvent.objects.filter(account_id=account_id, seq__in=[line.count for line in lines]).values_list(
            "seq", "hash"
        )
    )
    for line in lines:
        if not is_signed(line.as_point()):
            return Break(line.count, f"line {line.number} of {copy.name} does not bear our signature"), ""
        if sealed.get(line.count) != line.head:
            return Break(line.count, f"the chain was rewritten or cut: {copy.name} holds another head of {line.at}"), ""
        if inside.get(line.number) != line:
            return Break(line.count, f"checkpoint {line.number} is missing or another one; {copy.name} holds it"), ""
    ends = f", the newest of {lines[-1].at:%Y-%m-%d %H:%M:%S} UTC" if lines else ""
    return None, f"{len(lines)} checkpoints in {copy.name}{ends}"
