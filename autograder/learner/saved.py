"""What the saved copies of the lessons show of their checks; nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder import metadata

_CARD = re.compile(r'data-check="([\w-]+)" data-status="(\w+)"')  # as card.html writes it


@dataclass(frozen=True)
class Progress:
    """A lesson's copy: the checks that were right, those that were not, and those without output, in order."""

    lesson: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    unasked: tuple[str, ...]


def progress_in(path: Path) -> Progress | None:
    """What is saved in one copy; None for an older copy of a lesson and for any other file."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception:  # nbformat raises whatever the broken file makes it raise
        print(f"{path.name} cannot be read as a lesson; it was skipped.")
        return None
    lesson = metadata.lesson(notebook)
    if not lesson:
        print(f"{path.name} does not say which lesson it is; it was skipped.")
        return None
    if path.stem != lesson:
        return None  # the copy from before an update, which `course lab` keeps
    keys = [(cell, metadata.key(cell)) for cell in notebook.cells]
    states = {key.id: _status(cell, key.id) for cell, key in keys if key and key.role == "check"}
    by = {kind: tuple(id for id, state in states.items() if state == kind) for kind in ("right", "wrong", "")}
    return Progress(lesson, by["right"], by["wrong"], by[""])


def _status(cell: nbformat.NotebookNode, id: str) -> str:
    """`right` or `wrong`, as the card in the cell's output says; "" without a card."""
    shown = "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", []))
    states = [state for name, state in _CARD.findall(shown) if name == id]
    return "" if not states else "right" if states[-1] == "right" else "wrong"
