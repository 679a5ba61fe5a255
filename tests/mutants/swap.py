"""Put a mutant into a running process: the code of its functions is exchanged, whoever imported them.

A module that is loaded anew would leave the old functions with everybody who imported them by name. `__code__` is shared
by all of them, decorated ones and methods too.
"""

from __future__ import annotations

import ast
import gc
import importlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType

from tests.mutants.operators import Mutant


class DoesNotFit(Exception):
    """The process cannot be given this mutant (a closure with other variables)."""


def functions_of(paths: Collection[str]) -> list[FunctionType]:
    """The living functions of these modules. Asked once, before the forks: looking at every object copies its page."""
    ends = tuple(paths)
    return [
        found
        for found in gc.get_objects()
        if isinstance(found, FunctionType) and found.__code__.co_filename.endswith(ends)
    ]


def put_in(mutant: Mutant, root: Path, live: Iterable[FunctionType]) -> None:
    path = root / mutant.path
    original = compile(path.read_text(), mutant.path, "exec", dont_inherit=True)
    changed = dict(_differences(original, mutant.code))
    if changed:
        for (name, line), code in changed.items():
            ours = [
                found
                for found in live
                if found.__code__.co_qualname == name
                and found.__code__.co_firstlineno == line
                and found.__code__.co_filename.endswith(mutant.path)
            ]
            if not ours:
                raise DoesNotFit(f"no live function {name} at line {line}")
            for function in ours:
                if code.co_freevars != function.__code__.co_freevars:
                    raise DoesNotFit(f"{name} closes over other variables")
                function.__code__ = code
    else:
        _head(mutant)


def _differences(old: CodeType, new: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    """The outermost functions whose code differs. Classes and the module itself run once and are looked through."""
    ours = [constant for constant in old.co_consts if isinstance(constant, CodeType)]
    theirs = [constant for constant in new.co_consts if isinstance(constant, CodeType)]
    for mine, other in zip(ours, theirs, strict=False):
        if mine == other:
            continue
        if mine.co_flags & 0x02 or mine.co_name == "<lambda>":  # CO_NEWLOCALS: a function, not a class body
            yield (mine.co_qualname, mine.co_firstlineno), other
        else:
            yield from _differences(mine, other)


def _head(mutant: Mutant) -> None:
    """A fault in a table or a constant: it and the constants after it are made again."""
    module = importlib.import_module(mutant.path.removesuffix(".py").replace("/", "."))
    names = vars(module)
    tree = ast.parse(mutant.tree)
    original = ast.parse(ast.unparse(ast.parse((Path(module.__file__ or "")).read_text())))
    same = True
    for before, after in zip(original.body, tree.body, strict=False):
        same = same and ast.dump(before) == ast.dump(after)
        if same:
            continue
        if not isinstance(after, ast.Assign | ast.AnnAssign):
            if ast.dump(before) != ast.dump(after):
                raise DoesNotFit("a class's own attributes are made once")
            continue
        kept = dict(names)
        exec(compile(ast.Module([after], []), mutant.path, "exec"), names)
        for name, value in kept.items():
            if isinstance(value, dict) and names.get(name) is not value and isinstance(names.get(name), dict):
                new = names[name]
                value.clear()
                value.update(new)
                names[name] = value
    if same:
        raise DoesNotFit("nothing differs")
