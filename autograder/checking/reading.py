"""What the text of a wrong answer shows where its numbers look like nothing known: slips of the pen that run and mean something else."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence

from autograder.checking.means.syntax import parse
from autograder.checking.spec import Clue

_SHARED = ("device", "dtype")  # names of the notebook that every answer may use


def remarks(cells: Sequence[str], name: str) -> list[Clue]:
    """What is odd in the text of the answer `name`; a fact each, not the reason for sure. Empty where it cannot be read."""
    trees = []
    for cell in cells:
        try:
            trees.append((cell.split("\n"), parse(cell)))
        except (SyntaxError, ValueError, RecursionError):  # a magic, or not Python
            continue
    for lines, tree in reversed(trees):
        for node in reversed(tree.body):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                outside = {one for _, other in trees for one in _assigned(other)}
                return [*_commas(node, lines), *_returns(node), *_kept(node), *_of_the_notebook(node, outside)]
    return []


def _commas(node: ast.AST, lines: Sequence[str]) -> Iterator[Clue]:
    for one in ast.walk(node):
        value = one.value if isinstance(one, ast.Assign | ast.AugAssign | ast.Return) else None
        if isinstance(value, ast.Tuple) and len(value.elts) == 1:
            line = lines[value.lineno - 1].encode()
            if line[value.col_offset : value.col_offset + 1] != b"(":
                says = f"`{line.decode().strip()}` ends with a comma. That makes a tuple of one item. Is it meant?"
                yield Clue("trailing-comma", says)


def _returns(node: ast.AST) -> Iterator[Clue]:
    for one in ast.walk(node):
        if isinstance(one, ast.For | ast.While) and isinstance(one.body[-1], ast.Return):
            says = f"`return` is the last line inside the loop `{ast.unparse(one).splitlines()[0]}`. How many rounds does the loop make?"
            yield Clue("return-in-loop", says)


def _kept(node: ast.AST) -> Iterator[Clue]:
    for one in ast.walk(node):
        if isinstance(one, ast.Global):
            says = f"`global {', '.join(one.names)}` keeps a value from one call to the next. Which value does a call have to begin with?"
            yield Clue("kept-from-call-to-call", says)
        elif isinstance(one, ast.FunctionDef):
            for default in (*one.args.defaults, *one.args.kw_defaults):
                if isinstance(default, ast.List | ast.Dict | ast.Set):
                    says = f"The default `{ast.unparse(default)}` is made once, and shared by all calls. What is in it when the second call begins?"
                    yield Clue("kept-from-call-to-call", says)


def _of_the_notebook(node: ast.AST, outside: set[str]) -> Iterator[Clue]:
    """Names that a function reads, does not make, and another cell assigns; a class may well be built on those of its lesson."""
    if isinstance(node, ast.ClassDef):
        return
    own = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)}
    own |= {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}
    for one in ast.walk(node):
        if (
            isinstance(one, ast.Name)
            and one.id in outside - own
            and one.id not in _SHARED
            and not hasattr(builtins, one.id)
        ):
            says = f"It reads `{one.id}`, which is not one of its arguments: the value comes from another cell. Is it right for what the check hands in?"
            yield Clue("name-of-the-notebook", says)
            return


def _assigned(tree: ast.Module) -> Iterator[str]:
    """The names to which a cell assigns at its top: no functions, classes or modules."""
    for one in tree.body:
        for target in one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.For) else []:
            yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
