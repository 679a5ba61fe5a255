"""Small faults put into a module's source, one at a time: each is a mutant that some test should notice.

No fault is put into annotations, decorators, f-strings or the words of a refusal: they say something, they decide nothing.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_SWAPPED = {"any": "all", "all": "any", "min": "max", "max": "min"}
#: Calls on a value that narrow, order, lock or tidy it: `value.filter(...)` becomes `value`.
_DROPPED = {
    "filter", "exclude", "order_by", "select_for_update", "distinct", "seeing", "within", "pending", "open",
    "strip", "rstrip", "lstrip", "lower", "casefold", "removeprefix", "removesuffix",
}  # fmt: skip
#: Words and marks for people, without weight for what happens.
_QUIET = {"update_fields", "verbose_name", "help_text", "of"}


@dataclass(frozen=True)
class Mutant:
    """One fault. `code` is the whole module compiled with it; `lines` are those of the statement that holds it."""

    path: str
    where: str  # the qualified name of the function that holds it, "" at the head of the module
    lines: tuple[int, int]
    was: str
    now: str
    code: CodeType
    tree: str  # the module with the fault, as source: for what stands outside of functions

    @property
    def key(self) -> str:
        return f"{self.path} {self.where}: {self.was} => {self.now}"


@dataclass
class _Place:
    """A node, where it hangs, and around it the statement and the function."""

    node: Any
    parent: Any
    field: str
    index: int | None
    statement: ast.stmt
    where: str

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """All mutants of the module, in the order of its lines."""
    tree = ast.parse(source)
    original = compile(tree, path, "exec", dont_inherit=True)
    seen: set[tuple[int, str]] = set()
    for place in list(_places(tree)):
        for new in list(_faults(place)):
            was = ast.unparse(place.statement)
            place.put(new)
            try:
                ast.fix_missing_locations(tree)
                now = ast.unparse(new if place.node is place.statement else place.statement)
                code = compile(tree, path, "exec", dont_inherit=True)
                text = ast.unparse(tree)
            except (ValueError, SyntaxError):
                continue
            finally:
                place.put(place.node)
            before, after = _changed(was, now)
            known = (place.statement.lineno, after)
            if code == original or known in seen:
                continue
            seen.add(known)
            yield Mutant(path, place.where, _lines(place.statement), before, after, code, text)


def _changed(was: str, now: str) -> tuple[str, str]:
    """Only the lines that differ, on one line each."""
    lines = list(difflib.ndiff(was.splitlines(), now.splitlines()))
    return tuple(" ".join(line[2:].strip() for line in lines if line.startswith(sign)) for sign in "-+")  # type: ignore[return-value]


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """First and last line of a statement; of one with a body, those of its head."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno
    return statement.lineno, max(statement.lineno, end or statement.lineno)


def _places(tree: ast.Module) -> Iterator[_Place]:
    def walk(node: ast.AST, statement: ast.stmt | None, where: str) -> Iterator[_Place]:
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list", "defaults", "kw_defaults", "bases"}:
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                    continue
                near = child if isinstance(child, ast.stmt) else statement
                if near is None or (isinstance(node, ast.AnnAssign) and node.value is None):
                    continue
                if isinstance(child, ast.Assign) and (_name(child.targets[0]) == "__all__" or _is_alias(child)):
                    continue
                inside = where
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    inside = f"{where}.{child.name}".lstrip(".")
                yield _Place(child, node, field, index, near, where)
                if isinstance(child, ast.Raise):  # what a refusal says is not judged, only that it is raised
                    continue
                if isinstance(child, ast.Call) and _name(child.func) in {"warning", "info", "debug", "error"}:
                    continue
                yield from walk(child, near, inside)

    return walk(tree, None, "")


def _is_alias(node: ast.Assign) -> bool:
    """`Key = tuple[Role, Verb]`: a type's other name, which nothing looks at while it runs."""
    target, value = node.targets[0], node.value
    return (
        isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper()
        and isinstance(value, ast.Subscript) and _name(value.value) in {"Callable", "Mapping", "Sequence", "dict", "list", "tuple"}
    )  # fmt: skip


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _faults(place: _Place) -> Iterator[Any]:
    """What may stand in the node's place."""
    node = place.node
    match node:
        case ast.Compare(left=left, ops=[op], comparators=others) if type(op) in _COMPARED:
            yield ast.Compare(left, [_COMPARED[type(op)]()], others)
        case ast.Compare(left=left, ops=ops, comparators=others):
            for index, op in enumerate(ops):
                if type(op) in _COMPARED:
                    yield ast.Compare(left, [*ops[:index], _COMPARED[type(op)](), *ops[index + 1 :]], others)
        case ast.BoolOp(op=op, values=values):
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _CALCULATED:
            yield ast.BinOp(left, _CALCULATED[type(op)](), right)
        case ast.If(body=body, orelse=otherwise):
            for always in (True, False):
                yield _same_place(ast.If(ast.Constant(always), body, otherwise), node)
        case ast.IfExp(body=body, orelse=otherwise):
            yield body
            yield otherwise
        case ast.comprehension(target=target, iter=source, ifs=tests, is_async=is_async) if tests:
            for index in range(len(tests)):
                yield ast.comprehension(target, source, [*tests[:index], *tests[index + 1 :]], is_async)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign():
            yield _same_place(ast.Pass(), node)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript() | ast.Tuple()]):
            yield _same_place(ast.Pass(), node)
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant | ast.JoinedStr):
            yield _same_place(ast.Return(ast.Constant(None)), node)
        case ast.Subscript(value=value, slice=ast.Slice(), ctx=ast.Load()):
            yield value
        case ast.Set(elts=parts) | ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts, ctx=ast.Load()):
            if len(parts) > 1:
                for index in range(len(parts)):
                    rest = [*parts[:index], *parts[index + 1 :]]
                    yield ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())
        case ast.Dict(keys=keys, values=values):
            for index in range(len(keys)):
                yield ast.Dict([*keys[:index], *keys[index + 1 :]], [*values[:index], *values[index + 1 :]])
        case ast.Call():
            yield from _call_faults(node)
        case _:
            return


def _call_faults(node: ast.Call) -> Iterator[Any]:
    if isinstance(node.func, ast.Name) and node.func.id in _SWAPPED:
        yield ast.Call(ast.Name(_SWAPPED[node.func.id], ast.Load()), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute) and node.func.attr in _DROPPED:
        yield node.func.value
    for index, keyword in enumerate(node.keywords):
        if keyword.arg not in _QUIET:
            yield ast.Call(node.func, node.args, [*node.keywords[:index], *node.keywords[index + 1 :]])


def _same_place(new: Any, old: ast.AST) -> Any:
    return ast.copy_location(new, old)
