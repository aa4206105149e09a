"""A submission as a grader may see it: restored to the shape of its release, with nothing left in it that could run."""

from __future__ import annotations

import copy
import hashlib

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from autograder import metadata
from autograder.judge.reader import HandedIn, new_cell, unused
from autograder.judge.restore import likeness, restored
from autograder.nbgrader import visible

SHARED = 2  # cells that two lessons may have in common, word for word


def repair(handed_in: HandedIn, release: NotebookNode) -> NotebookNode:
    """The submission with exactly the graded cells of `release`, once each; neither argument is changed.

    Under "bptt", its metadata has hashes of what was handed in (`submitted`) and of the result (`shape`) and, if it could not be
    read, the reason (`problem`).
    """
    problem = handed_in.problem or _other_lesson(handed_in.notebook, release)
    repaired = _empty(release, problem) if problem else restored(handed_in.notebook, release)
    originals = {cell["id"]: cell for cell in release.cells}
    budget = visible.Budget()
    repaired.cells = [_shown(cell, originals.get(cell["id"]), budget) for cell in repaired.cells]
    metadata.note(repaired, submitted=handed_in.digest, problem=problem)
    metadata.note(repaired, shape=hashlib.sha256(nbformat.writes(repaired).encode()).hexdigest())
    return repaired


def _other_lesson(notebook: NotebookNode, release: NotebookNode) -> str:
    """A sentence if this is the notebook of another lesson, else ""."""
    ours, theirs = metadata.lesson(release), metadata.lesson(notebook)
    if not theirs or theirs == ours or likeness(notebook, release) > SHARED:
        return ""
    return f"This is the notebook of another lesson ({visible.printable(theirs)}); {ours} was asked for."


def _empty(release: NotebookNode, problem: str) -> NotebookNode:
    """The release's cells with a role, below the reason why what was handed in is not among them."""
    cells = [copy.deepcopy(cell) for cell in release.cells if metadata.role(cell)]
    taken = {cell["id"] for cell in release.cells}
    said = new_cell("markdown", visible.fenced(problem), unused("problem", taken))
    return new_notebook(cells=[said, *cells], metadata=copy.deepcopy(release.metadata))


def _shown(cell: NotebookNode, original: NotebookNode | None, budget: visible.Budget) -> NotebookNode:
    """A cell with outputs and text that a grader's browser may show; a raw cell is shown as text."""
    if cell.cell_type == "code":
        made = new_cell("code", cell.source, cell["id"], cell.metadata)
        made["outputs"] = visible.outputs(cell.outputs, budget)
        return made
    if original is not None and cell.source == original.source:
        return cell  # as it was handed out, with its hints as drop-downs
    pictures = visible.attachments(cell.get("attachments"), budget)
    text = visible.fenced(cell.source) if cell.cell_type == "raw" else visible.markdown(cell.source, pictures)
    shown = new_cell("markdown", text, cell["id"], cell.metadata)
    if pictures:
        shown["attachments"] = pictures
    return shown
