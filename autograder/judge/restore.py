"""A submission in the shape of its release: every cell that is the course's, once, and known for what it is.

Editors, services and habits lose metadata and ids, turn code into text, and leave copies. So a cell is recognised by role and
id, else by nbgrader's id, else by its own, else by what it says. What the learner wrote stays: answers, cells of their own, text
and outputs. Whoever grades, by whichever road, judges what `restored` makes.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from autograder import metadata
from autograder.judge.reader import new_cell, unused

RESTORED = ("check", "given", "written")  # roles whose cells are put back if they are missing
LOCKED = ("check", "given")  # roles whose cells a learner does not write in
GONE = (
    "*The cell for this answer had been deleted from the notebook that was handed in. If there is an answer, it is "
    "in another cell.*"
)
_FENCE = re.compile(r"^\s*(?:```|~~~)\w*[ \t]*$", re.MULTILINE)  # around code that was pasted into text


def restored(notebook: NotebookNode, release: NotebookNode) -> NotebookNode:
    """The submission with exactly the course's cells of `release`, once each; neither argument is changed.

    The metadata of a cell that was put back, or had another type, says so (`remark`).
    """
    chosen = matches(notebook.cells, release)
    stubs = {cell.source.strip() for cell in release.cells if metadata.role(cell) == "answer"}
    answered = {release.cells[at].source.strip() for at in chosen.values()}
    taken = {cell["id"] for cell in release.cells}
    cells: list[NotebookNode] = []
    for index, cell in enumerate(notebook.cells):
        if (at := chosen.get(index)) is not None:
            cells += _matched(cell, release.cells[at], taken)
        elif cell.source.strip() not in stubs & answered:  # a blank copy would hide the answer above it
            cells.append(_own(cell, taken))
    put_back(cells, release)
    made: NotebookNode = new_notebook(metadata=copy.deepcopy(release.metadata))
    made.cells = cells  # given to new_notebook, they would be validated, and outputs may be anything
    return made


def likeness(notebook: NotebookNode, release: NotebookNode) -> int:
    """How many answers, checks, questions and other cells of one lesson only were found again in a notebook."""
    found = (release.cells[at] for at in matches(notebook.cells, release).values())
    return sum(metadata.role(cell) in ("answer", "check", "written", "experiment", "hint") for cell in found)


def matches(given: list[NotebookNode], release: NotebookNode) -> dict[int, int]:
    """For each given cell that is one of the release's, the index of that one.

    If several claim to be the same cell, the one with an answer in it wins, then the one of the same type, then the one that
    kept its cell id, then the last.
    """
    known: dict[tuple[str, ...], int] = {}
    for place, cell in enumerate(release.cells):
        known |= dict.fromkeys(_names(cell), place)
    claims: dict[int, list[int]] = {}
    for index, cell in enumerate(given):
        at = next((known[name] for name in _names(cell) if name in known), None)
        if at is not None:
            claims.setdefault(at, []).append(index)
    _claims_by_content(given, release, claims)

    def rank(at: int, index: int) -> tuple[Any, ...]:
        cell, original = given[index], release.cells[at]
        answered = metadata.role(original) not in LOCKED and cell.source.strip() not in ("", original.source.strip())
        return answered, cell.cell_type == original.cell_type, cell.get("id") == original["id"], index

    return {max(indices, key=lambda index: rank(at, index)): at for at, indices in claims.items()}


def put_back(cells: list[NotebookNode], release: NotebookNode) -> None:
    """Put each missing cell after the nearest cell that precedes it in the release.

    A deleted answer is not put back: its stub would hide an answer that is in another cell.
    """
    here = {cell["id"] for cell in cells}
    for at, original in enumerate(release.cells):
        role = metadata.role(original)
        if role not in RESTORED or original["id"] in here:
            continue
        before = {cell["id"] for cell in release.cells[:at]}
        place = max((i + 1 for i, cell in enumerate(cells) if cell["id"] in before), default=0)
        made = copy.deepcopy(original)
        metadata.note(made, remark="This cell had been deleted; it was put back.")
        if role == "written":
            made["source"] = GONE
        cells.insert(place, made)


def _names(cell: NotebookNode) -> Iterator[tuple[str, ...]]:
    """What may identify a cell, most reliable first: role and id, nbgrader's id, the cell's id."""
    theirs = cell.metadata.get("nbgrader")
    if ours := metadata.key(cell):
        yield "role", *ours
    if isinstance(theirs, Mapping) and isinstance(theirs.get("grade_id"), str):
        yield "grade", theirs["grade_id"]
    yield "cell", cell.get("id", "")


def _claims_by_content(given: list[NotebookNode], release: NotebookNode, claims: dict[int, list[int]]) -> None:
    """Add the cells that lost every name: those that still say what was handed out, and answers by what they define."""
    says = {cell.source.strip(): at for at, cell in enumerate(release.cells) if metadata.role(cell) != "written"}
    says.pop("", None)
    defines = {
        name: at
        for at, cell in enumerate(release.cells)
        if metadata.role(cell) == "answer"
        for name in defined(cell.source)
    }
    claimed = {index for indices in claims.values() for index in indices}
    for index, cell in enumerate(given):
        if index in claimed:
            continue
        at = says.get(cell.source.strip())
        if at is None and cell.cell_type != "code":  # code that is lost in text; elsewhere it runs where it is
            at = next((defines[name] for name in defined(code_in(cell.source)) if name in defines), None)
        if at is not None and (at not in claims or metadata.role(release.cells[at]) == "answer"):
            claims.setdefault(at, []).append(index)


def code_in(text: str) -> str:
    """Text without the fences of a block of code."""
    return _FENCE.sub("", text)


def defined(source: str) -> list[str]:
    """The names that Python source defines at its top level; none if it cannot be read."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return names + [target.id for target in targets if isinstance(target, ast.Name)]


def _matched(cell: NotebookNode, original: NotebookNode, taken: set[str]) -> list[NotebookNode]:
    """The learner's cell in the shape of the release's; what they wrote into a locked cell moves to a cell of its own."""
    made, role = copy.deepcopy(original), metadata.role(original)
    if original.cell_type == "code" and role != "check":
        made["outputs"] = cell.get("outputs", [])
    if role in LOCKED:
        if cell.source.strip() in ("", original.source.strip()):
            return [made]
        theirs = _own(cell, taken)  # where it will run as it did: after a given cell, before a check
        return [theirs, made] if role == "check" else [made, theirs]
    retyped = cell.cell_type != original.cell_type
    made["source"] = code_in(cell.source) if retyped and original.cell_type == "code" else cell.source
    if retyped and role:
        metadata.note(made, remark=f"This cell had been turned into {cell.cell_type}; it was read as {made.cell_type}.")
    if cell.get("attachments") and made.cell_type == "markdown":
        made["attachments"] = cell["attachments"]
    return [made]


def _own(cell: NotebookNode, taken: set[str]) -> NotebookNode:
    """A cell of the learner's own, without any metadata."""
    made = new_cell(cell.cell_type, cell.source, unused(cell["id"], taken))
    if cell.cell_type == "code":
        made["outputs"] = cell.get("outputs", [])
    elif cell.get("attachments"):
        made["attachments"] = cell["attachments"]
    return made
