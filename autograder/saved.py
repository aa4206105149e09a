"""`course progress`: what the saved copies of the lessons say about their checks; nothing is judged."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.errors import OperatorError
from autograder.house import WORK

_CARD = re.compile(r'data-check="([\w-]+)" data-status="(\w+)"')  # what card.html writes


@dataclass(frozen=True)
class Progress:
    """A lesson's copy: the checks that were right, that were not, and that have no output, in their order."""

    lesson: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    unasked: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course progress`."""
    parser.epilog = (
        "It reads what you have saved, and runs nothing: save a notebook first, and run a check again after a change.\n\n"
        "examples:\n"
        "  course progress                    your copies in work/\n"
        "  course progress ~/bptt             copies elsewhere"
    )
    parser.add_argument("dir", nargs="?", type=Path, default=WORK, metavar="DIR", help="where your copies are (work/)")


def run(args: argparse.Namespace) -> int:
    """Print a line for each lesson, and what comes next."""
    copies = sorted(args.dir.expanduser().glob("[0-9][0-9]_*.ipynb"))
    if not copies:
        raise OperatorError(f"No lessons in {args.dir}. `course lab` copies them; or say where yours are.")
    found = [one for path in copies if (one := of(path))]
    for one in found:
        total = len(one.right) + len(one.wrong) + len(one.unasked)
        more = [f"not yet: {', '.join(one.wrong)}"] if one.wrong else []
        more += [f"{len(one.unasked)} not run"] if one.unasked and (one.right or one.wrong) else []
        print(f"{one.lesson:<24} {len(one.right):>3} of {total:>2} right   {'; '.join(more)}".rstrip())
    left = next((f"{id} in {one.lesson}.ipynb" for one in found for id in one.wrong + one.unasked), "")
    print(f"Next: {left}" if left else "All checks are right.")
    return 0


def of(path: Path) -> Progress | None:
    """What is saved in one copy; None for a lesson's old copy and for what is no lesson's notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)
        lesson = notebook.metadata["bptt"]["lesson"]
    except Exception:  # nbformat raises whatever the broken file makes it raise
        print(f"{path.name} cannot be read as a lesson; it is left out.")
        return None
    if path.stem != lesson:
        return None  # `course lab` keeps the copy before an update under another name
    roles = [cell.metadata.get("bptt", {}) for cell in notebook.cells]
    states = {role["id"]: _status(cell, role["id"]) for role, cell in zip(roles, notebook.cells, strict=True)
              if role.get("role") == "check"}  # fmt: skip
    by = {kind: tuple(id for id, state in states.items() if state == kind) for kind in ("right", "wrong", "")}
    return Progress(lesson, by["right"], by["wrong"], by[""])


def _status(cell: nbformat.NotebookNode, id: str) -> str:
    """`right` or `wrong` as the card in the cell's output says; empty if there is none."""
    shown = "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", []))
    states = [state for name, state in _CARD.findall(shown) if name == id]
    return "" if not states else "right" if states[-1] == "right" else "wrong"
