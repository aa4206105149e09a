"""No answer appears in another cell: syntax trees are compared, with names normalised.

A leak is an answer's statements, in order and under any names, in a block of another cell as it is handed out; for a
one-line answer, its expression too. Code fences in prose and hints count as code.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from autograder.authoring.contract import Cell, Lesson, regions
from autograder.errors import AuthorError

# What any program may contain gives nothing away: `return states`, `count = 0`, `a * b`.
_SMALLEST = 8  # syntax nodes in a list of statements
_SMALLEST_EXPRESSION = 7  # `1 - h**2` has seven
_FENCE = re.compile(r"^ *(`{3,}|~{3,})[^\n]*\n(.*?)^ *\1", re.MULTILINE | re.DOTALL)


def refuse(lesson: Lesson, released: list[str]) -> None:
    """Raise AuthorError if an answer of `lesson` appears in another cell; `released` are the sources as handed out."""
    blocks, expressions = [], []
    for cell, source in zip(lesson.cells, released, strict=True):
        for tree in _trees(cell.kind, source):
            blocks += [(cell, block) for block in _blocks(tree)]
            expressions += [(cell, node) for node in ast.walk(tree) if isinstance(node, ast.expr)]
    for cell in lesson.cells:
        if cell.role != "answer":
            continue
        # Its own cell may come close: a bug to find can be one wrong name in the right line.
        elsewhere = [(other, block) for other, block in blocks if other is not cell]
        for body in _bodies(lesson, cell):
            wanted, size = _shape(body), len(body)
            for other, block in elsewhere:
                windows = (block[i : i + size] for i in range(len(block) - size + 1))
                if any(_shape(window) == wanted for window in windows):
                    raise _leak(lesson, cell, other)
            only = body[0] if size == 1 else None
            value = getattr(only, "value", None) if isinstance(only, ast.Return | ast.Assign) else None
            if value is not None and _telling(value):
                for other, node in expressions:
                    if other is cell:
                        continue
                    if type(node) is type(value) and _shape([node]) == _shape([value]):
                        raise _leak(lesson, cell, other)


def _leak(lesson: Lesson, cell: Cell, other: Cell) -> AuthorError:
    return lesson.error(
        other,
        f"the answer {cell.id} (cell {cell.number}, line {cell.line}) appears here too",
        "Leave it out, or reach the same result in another way",
    )


def _bodies(lesson: Lesson, cell: Cell) -> Iterator[list[ast.stmt]]:
    """The statement lists that are the answer: each solution region, and each function defined in one."""
    lines = cell.source.split("\n")
    for begin, end in regions(cell.source):
        text = textwrap.dedent("\n".join(lines[begin + 1 : end]))
        try:
            tree = ast.parse(text)
        except SyntaxError:
            remedy = "Put the markers around whole statements"
            raise lesson.error(cell, "a solution is only part of a statement", remedy) from None
        found = [tree.body, *(n.body for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]
        for body in map(_undocumented, found):
            if body and sum(_size(node) for node in body) >= _SMALLEST:
                yield body


def _trees(kind: str, source: str) -> Iterator[ast.Module]:
    for text in [source] if kind == "code" else [found[2] for found in _FENCE.finditer(source)]:
        try:
            yield ast.parse(textwrap.dedent(text))
        except SyntaxError:
            continue  # a template with gaps, or not Python at all


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block:
                yield _undocumented(block)


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]


def _size(node: ast.AST) -> int:
    return sum(not isinstance(n, ast.expr_context) for n in ast.walk(node))


def _telling(value: ast.expr) -> bool:
    """Whether an expression shows more than which names are combined."""
    marks = (ast.Constant, ast.Attribute, ast.Call)
    return _size(value) >= _SMALLEST_EXPRESSION and any(isinstance(n, marks) for n in ast.walk(value))


def _shape(nodes: Sequence[ast.AST]) -> str:
    """The nodes' syntax, with names numbered in the order in which they first appear, and without type hints."""
    order: dict[str, str] = {}

    def name(text: str) -> str:
        return order.setdefault(text, f"n{len(order)}")

    def show(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ",".join(map(show, value)) + "]"
        if not isinstance(value, ast.AST):
            return repr(value)
        if isinstance(value, ast.Name):
            return name(value.id)
        if isinstance(value, ast.arg):
            return name(value.arg)
        if isinstance(value, ast.AnnAssign) and value.value is not None:
            return show(ast.Assign(targets=[value.target], value=value.value, type_comment=None))
        fields = []
        for field, part in ast.iter_fields(value):
            if field in ("ctx", "annotation", "returns", "type_comment", "kind", "type_params"):
                continue
            if field == "body" and isinstance(part, list):
                part = _undocumented(part)
            is_name = field == "name" and isinstance(value, ast.FunctionDef | ast.ClassDef)
            fields.append(name(part) if is_name else show(part))
        return f"{type(value).__name__}({','.join(fields)})"

    return show(list(nodes))
