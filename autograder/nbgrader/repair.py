"""Puts a submission back into the shape in which it was handed out: every graded cell of the release, once.

Cells are matched by id. What the learner wrote stays: answers, cells of their own, text, outputs and pictures.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import metadata
from autograder.judge.reader import HandedIn, unused
from autograder.nbgrader import visible

RESTORED = ("check", "given", "written")  # roles whose cells are put back if they are missing
LOCKED = ("check", "given")  # roles whose cells a learner does not write in
GONE = (
    "*The cell for this answer had been deleted from the notebook that was handed in. If there is an answer, it is "
    "in another cell.*"
)


def repair(handed_in: HandedIn, release: NotebookNode) -> NotebookNode:
    """The submission with exactly the graded cells of `release`, once each; neither argument is changed.

    Under "bptt", its metadata has hashes of what was handed in (`submitted`) and of the result (`shape`) and, if it could not be
    read, the reason (`problem`); the metadata of a cell that was put back says so (`remark`).
    """
    problem = handed_in.problem or _other_lesson(handed_in.notebook, release)
    given = [] if problem else handed_in.notebook.cells
    places = {cell["id"]: place for place, cell in enumerate(release.cells)}
    chosen = _chosen(given, release)
    budget = visible.Budget()
    taken = set(places)
    cells: list[NotebookNode] = []
    for index, cell in enumerate(given):
        if (at := chosen.get(index)) is None:
            cells.append(_own(cell, taken, budget))
            continue
        cells += _matched(cell, release.cells[at], taken, budget)
    _put_back(cells, release, problem)
    if problem:
        cells.insert(0, new_markdown_cell(visible.fenced(problem), id=unused("problem", taken)))
    about = copy.deepcopy(release.metadata)
    repaired = new_notebook(cells=cells, metadata=about)
    metadata.note(repaired, submitted=handed_in.digest, problem=problem)
    metadata.note(repaired, shape=hashlib.sha256(nbformat.writes(repaired).encode()).hexdigest())
    return repaired


def _other_lesson(notebook: NotebookNode, release: NotebookNode) -> str:
    """A sentence if this is the notebook of another lesson, else ""."""
    ours, theirs = metadata.lesson(release), metadata.lesson(notebook)
    if not theirs or theirs == ours or _chosen(notebook.cells, release, text=False):
        return ""
    return f"This is the notebook of another lesson ({visible.printable(theirs)}); {ours} was asked for."


def _names(cell: NotebookNode) -> list[tuple[str, ...]]:
    """What may identify a cell, most reliable first: role and id, nbgrader's id, the cell's id."""
    found: list[tuple[str, ...]] = []
    theirs = cell.metadata.get("nbgrader")
    if ours := metadata.key(cell):
        found.append(("role", *ours))
    if isinstance(theirs, Mapping) and isinstance(theirs.get("grade_id"), str):
        found.append(("grade", theirs["grade_id"]))
    return [*found, ("cell", cell.get("id", ""))]


def _chosen(given: list[NotebookNode], release: NotebookNode, text: bool = True) -> dict[int, int]:
    """For each given cell that stands for a cell of the release, the index of that one.

    If several claim to be the same cell, the one with an answer in it wins, then the one that kept its cell id, then the
    last. Without `text`, cells without a role do not count.
    """
    known = {
        name: at
        for at, cell in enumerate(release.cells)
        if text or metadata.role(cell) not in ("", "given")
        for name in _names(cell)
    }
    claims: dict[int, list[int]] = {}
    for index, cell in enumerate(given):
        at = next((known[name] for name in _names(cell) if name in known), None)
        if at is not None:
            claims.setdefault(at, []).append(index)

    def rank(at: int, index: int) -> tuple[Any, ...]:
        cell, original = given[index], release.cells[at]
        answered = metadata.role(original) not in LOCKED and cell.source.strip() not in ("", original.source.strip())
        return cell.cell_type == original.cell_type, answered, cell.get("id") == original["id"], index

    return {max(indices, key=lambda index: rank(at, index)): at for at, indices in claims.items()}


def _matched(cell: NotebookNode, original: NotebookNode, taken: set[str], budget: visible.Budget) -> list[NotebookNode]:
    """The learner's cell in the shape of the release's; what they wrote into a locked cell moves to a cell of its own."""
    made = copy.deepcopy(original)
    if metadata.role(original) in LOCKED:
        changed = cell.source.strip() not in ("", original.source.strip())
        if original.cell_type == "code" and metadata.role(original) != "check":
            made["outputs"] = visible.outputs(cell.get("outputs"), budget)
        if not changed:
            return [made]
        theirs = _own(cell, taken, budget)  # where it will run as it did: after a given cell, before a check
        return [theirs, made] if metadata.role(original) == "check" else [made, theirs]
    if cell.source == original.source and cell.cell_type == original.cell_type == "markdown":
        return [made]  # as it was handed out, with its hints as drop-downs
    made["source"] = cell.source
    if original.cell_type == "code":
        made["outputs"] = visible.outputs(cell.get("outputs"), budget)
        return [made]
    pictures = visible.attachments(cell.get("attachments"), budget)
    made["source"] = visible.markdown(cell.source, pictures)
    if pictures:
        made["attachments"] = pictures
    return [made]


def _own(cell: NotebookNode, taken: set[str], budget: visible.Budget) -> NotebookNode:
    """A cell of the learner's own, without any metadata; a raw cell is shown as text."""
    identity = unused(cell["id"], taken)
    if cell.cell_type == "code":
        return new_code_cell(cell.source, outputs=visible.outputs(cell.get("outputs"), budget), id=identity)
    if cell.cell_type == "raw":
        return new_markdown_cell(visible.fenced(cell.source), id=identity)
    pictures = visible.attachments(cell.get("attachments"), budget)
    made = new_markdown_cell(visible.markdown(cell.source, pictures), id=identity)
    if pictures:
        made["attachments"] = pictures
    return made


def _put_back(cells: list[NotebookNode], release: NotebookNode, problem: str) -> None:
    """Put each missing cell after the nearest cell that precedes it in the release.

    A deleted answer is not put back: its stub would hide an answer that is in another cell.
    """
    for at, original in enumerate(release.cells):
        role = metadata.role(original)
        restored = bool(role) if problem else role in RESTORED
        if not restored or any(cell["id"] == original["id"] for cell in cells):
            continue
        before = {cell["id"] for cell in release.cells[:at]}
        place = max((i + 1 for i, cell in enumerate(cells) if cell["id"] in before), default=0)
        made = copy.deepcopy(original)
        if not problem:
            metadata.note(made, remark="This cell had been deleted; it was put back.")
            if role == "written":
                made["source"] = GONE
        cells.insert(place, made)
