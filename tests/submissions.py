"""Builds what learners hand in: a released lesson with answers, mistakes and mishaps, cell by cell.

The release code builds `HandOut(path)`; `blank()` and `right()` are fresh notebooks, and the functions below change one.
Cells are named by role and id, as in the lesson's source.
"""

from __future__ import annotations

import copy
import functools
import shutil
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder import house, metadata
from autograder.authoring.contract import as_written
from autograder.authoring.release import notebooks
from autograder.authoring.verify import Material, material
from autograder.house import ROOT


class HandOut:
    """One lesson, as its author and as its learners have it."""

    def __init__(self, script: Path):
        self.name = script.stem
        self.solved, self.handed_out = notebooks(script)

    def blank(self) -> NotebookNode:
        """The notebook as it was handed out."""
        return copy.deepcopy(self.handed_out)

    def right(self) -> NotebookNode:
        """The notebook with every answer right, as a learner would have it: without the author's markers."""
        notebook = self.blank()
        for cell, solved in zip(notebook.cells, self.solved.cells, strict=True):
            if metadata.role(cell) in ("answer", "written"):
                cell.source = as_written(solved.source).rstrip("\n")
        return notebook

    def points(self, *roles: str) -> float:
        """The points of the graded cells of these roles (of all, if none is named)."""
        mine = (cell.metadata for cell in self.handed_out.cells if cell.metadata.get("nbgrader", {}).get("grade"))
        return sum(data["nbgrader"]["points"] for data in mine if not roles or data["bptt"]["role"] in roles)


@functools.cache
def lesson(script: Path) -> HandOut:
    """A lesson, built once per test run."""
    return HandOut(script)


@functools.cache
def material_of(stem: str) -> Material:
    """A lesson's solution, stubs, and wrong and right answers."""
    script = house.script(stem)
    return material(script, ROOT / "tests" / "answers" / stem)


def place(notebook: NotebookNode, role: str, id: str) -> int:
    """The index of the first cell with this role and id."""
    for index, cell in enumerate(notebook.cells):
        if metadata.key(cell) == (role, id):
            return index
    raise KeyError(f"no cell {role}={id}")


def cell(notebook: NotebookNode, role: str, id: str) -> NotebookNode:
    """The first cell with this role and id."""
    return notebook.cells[place(notebook, role, id)]


def write(notebook: NotebookNode, role: str, id: str, source: str) -> NotebookNode:
    """The notebook with a new source in that cell."""
    cell(notebook, role, id).source = source
    return notebook


def change(notebook: NotebookNode, role: str, id: str, old: str, new: str) -> NotebookNode:
    """The notebook with `old` replaced by `new` in that cell; it must be there."""
    found = cell(notebook, role, id)
    assert old in found.source, f"{old!r} is not in {role} {id}"
    found.source = found.source.replace(old, new)
    return notebook


def add(notebook: NotebookNode, at: int, source: str, kind: str = "code") -> NotebookNode:
    """The notebook with a new cell of the learner's at index `at`."""
    notebook.cells.insert(at, (new_code_cell if kind == "code" else new_markdown_cell)(source))
    return notebook


def delete(notebook: NotebookNode, role: str, id: str) -> NotebookNode:
    """The notebook without that cell."""
    del notebook.cells[place(notebook, role, id)]
    return notebook


def copy_of(notebook: NotebookNode, role: str, id: str) -> NotebookNode:
    """The notebook with a copy of that cell pasted after it, as Jupyter does: with its metadata and another id."""
    at = place(notebook, role, id)
    pasted = copy.deepcopy(notebook.cells[at])
    pasted["id"] = f"pasted-{at}"
    notebook.cells.insert(at + 1, pasted)
    return notebook


def hand_in(
    root: Path,
    student: str,
    name: str,
    what: NotebookNode | bytes,
    timestamp: str = "",
    files: Iterable[tuple[str, Path]] = (),
) -> Path:
    """Put a notebook (or any bytes), and files beside it, where nbgrader collects it; returns the path of the notebook."""
    folder = root / "submitted" / student / name
    folder.mkdir(parents=True, exist_ok=True)
    for beside, file in files:
        shutil.copyfile(file, folder / beside)
    path = folder / f"{name}.ipynb"
    path.write_bytes(what if isinstance(what, bytes) else (nbformat.writes(what) + "\n").encode())
    if timestamp:
        (folder / "timestamp.txt").write_text(timestamp)
    return path
