"""A QuerySet compiled once: later uses send the same SQL with their own values.

Of a page whose statements are large, the ORM spends more CPU on building them anew than the database on answering (the
figures are in docs/performance.md). The QuerySet stays the only source of the SQL; what changes from use to use is marked
while it is compiled and replaced in the parameters after that.
"""

from __future__ import annotations

import copy
import secrets
import uuid
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import SimpleNamespace
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

Place = tuple[str, int | None]  # the value's name, and its position when the value is a list


@dataclass(frozen=True, slots=True)
class _Plan:
    queryset: QuerySet[Any, Any]
    compiler: SQLCompiler
    sql: str
    params: tuple[Any, ...]
    places: dict[int, Place]

    def rows(self, given: dict[str, Any]) -> list[Any]:
        params = list(self.params)
        for at, (name, index) in self.places.items():
            value = given[name] if index is None else given[name][index]
            # The backend wraps integers by their column's size; the new value takes the same wrapper.
            params[at] = type(params[at])(value) if isinstance(params[at], int) else value
        compiler = copy.copy(self.compiler)
        compiler.connection = connections[DEFAULT_DB_ALIAS]
        compiler.as_sql = lambda *args, **kwargs: (self.sql, tuple(params))  # type: ignore[method-assign]
        query = _Instead(self.queryset.query, get_compiler=lambda *args, **kwargs: compiler)
        rows: Any = self.queryset._iterable_class
        return list(rows(_Instead(self.queryset, query=query)))


class _Instead:
    """`original`, with some attributes replaced."""

    def __init__(self, original: QuerySet[Any, Any] | Query, **replaced: Any) -> None:
        self.__dict__.update(replaced)
        self.__dict__["_original"] = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class Compiled:
    """`Compiled(build)(*variant, **given)` gives the rows of `build(marks, *variant)`, built once for each variant.

    `marks.<name>` stands for `given[name]`: a UUID, a datetime, a string, an integer, or a list of these (one plan for
    each length); None is passed on as None. Everything that changes the SQL itself, such as a limit or an order, belongs
    into `variant`. Rows are what the QuerySet would give; `prefetch_related` is not carried over, and a
    `select_for_update` needs the transaction that the caller opened.
    """

    MAX_PLANS = 200

    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._build = build
        self._plans: dict[Hashable, _Plan] = {}
        self._lock = Lock()

    def __call__(self, *variant: Hashable, **given: Any) -> list[Any]:
        key = (variant, tuple((name, _shape(value)) for name, value in given.items()))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._compile(variant, given)
            with self._lock:
                if len(self._plans) >= self.MAX_PLANS:
                    self._plans.clear()
                self._plans[key] = plan
        return plan.rows(given)

    def _compile(self, variant: Sequence[Hashable], given: dict[str, Any]) -> _Plan:
        marks = {name: _mark(value) for name, value in given.items()}
        queryset = self._build(SimpleNamespace(**marks), *variant)
        compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        places: dict[int, Place] = {}
        wanted: list[tuple[str, int | None, Any]] = [
            (name, None, mark) for name, mark in marks.items() if not isinstance(mark, list | type(None))
        ]
        wanted += [(name, at, each) for name, mark in marks.items() if isinstance(mark, list) for at, each in enumerate(mark)]  # fmt: skip
        for name, index, mark in wanted:
            found = [at for at, param in enumerate(params) if isinstance(param, type(mark)) and param == mark]
            hidden = [p for at, p in enumerate(params) if at not in found and str(mark) in str(p)]
            if hidden or not found:
                # Without this, a value that the ORM rewrites would be frozen into the plan.
                raise RuntimeError(f"{name} does not reach the statement as it was given; it cannot be compiled once.")
            places |= dict.fromkeys(found, (name, index))
        return _Plan(queryset, compiler, sql, tuple(params), places)


def _shape(value: Any) -> Hashable:
    # As words: True, which None would be, is the same key as 1.
    return f"list of {len(value)}" if isinstance(value, list) else "none" if value is None else "one"


def _mark(value: Any) -> Any:
    """A value of the same type that occurs nowhere else."""
    if value is None:
        return None
    if isinstance(value, list):
        return [_mark(each) for each in value]
    if isinstance(value, uuid.UUID):
        return uuid.uuid4()
    if isinstance(value, datetime):
        return datetime(9000, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(10**9))
    if isinstance(value, str):
        return secrets.token_hex(16)
    if isinstance(value, int) and not isinstance(value, bool):
        return 2**24 + secrets.randbelow(2**30)
    raise TypeError(f"{type(value).__name__} cannot be a value of a compiled statement.")
