"""Carries a learner's work from an older copy of a lesson into a newer release, by cell id.

Answers, written answers, experiments and the learner's own cells are carried over if the learner changed them; everything
else comes from the newer release.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

import nbformat

from autograder import metadata

_HANDED_OUT = re.compile(r"(text|code)-([0-9a-f]{12})(-\d+)?")  # the id of a cell without a role: its content


@dataclass
class Carried:
    """The newer notebook with the learner's work in it, and the ids of what was carried over."""

    notebook: nbformat.NotebookNode
    kept: list[str] = field(default_factory=list)  # written into the cell with the same id
    added: list[str] = field(default_factory=list)  # as cells that the newer release does not have


def carry(old: nbformat.NotebookNode, new: nbformat.NotebookNode) -> Carried:
    """A copy of `new` with the learner's work from `old`; neither argument is changed.

    A cell that `new` has no place for goes after the cell that it followed in `old`.
    """
    result = Carried(copy.deepcopy(new))
    cells = result.notebook.cells
    place = -1  # of the last cell that both have, in the newer notebook
    for cell in old.cells:
        role, name = metadata.role(cell), _name(cell)
        at = next((i for i, other in enumerate(cells) if _name(other) == name), None)
        if at is not None:
            place = at
            if role in ("", *metadata.WRITTEN_IN) and _touched(cell) and cells[at].source != cell.source:
                cells[at].source = cell.source
                if "attachments" in cell:
                    cells[at]["attachments"] = cell.attachments
                result.kept.append(name)
        elif role in ("", *metadata.WRITTEN_IN) and _touched(cell) and cell.source.strip():
            place += 1
            cells.insert(place, _free(cell))
            result.added.append(name)
    return result


def _name(cell: nbformat.NotebookNode) -> str:
    """What identifies a cell. Its metadata survives cutting and pasting; its id may not."""
    key = metadata.key(cell)
    return f"{key.role} {key.id}" if key else cell.get("id", "")


def _touched(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell differs from what was handed out, as the learner's own cells do."""
    if metadata.role(cell):
        return not metadata.untouched(cell)
    match = _HANDED_OUT.fullmatch(cell.get("id", ""))
    return match is None or match[2] != metadata.content(cell)


def _free(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cell as one of the learner's own: without a role, a lock or outputs."""
    free = copy.deepcopy(cell)
    free.metadata = nbformat.NotebookNode()
    if free.cell_type == "code":
        free.outputs, free.execution_count = [], None
    return free
