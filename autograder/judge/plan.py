"""What of a submission is run and asked, in which order: the release's cells found again in the learner's notebook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder import metadata
from autograder.metadata import Key


@dataclass(frozen=True)
class Run:
    """Run this source in the child; `label` names the cell for a person."""

    source: str
    label: str


@dataclass(frozen=True)
class Ask:
    """Ask this check now."""

    check: str


def plan(notebook: NotebookNode, release: NotebookNode) -> list[Run | Ask]:
    """The steps of judging `notebook`, in document order.

    Every code cell of the learner's runs, but those that only run at home, and untouched experiments and checks. A locked cell that was changed runs as it was
    handed out, and then as it is; one that was deleted is put back. Each check of the release is asked at its cell, else
    behind its answer, else at the end.
    """
    code = [(metadata.key(cell), cell.source) for cell in release.cells if cell.cell_type == "code"]
    handed_out = {key: source for key, source in code if key is not None}
    steps: list[Run | Ask] = []
    asked: set[str] = set()
    waiting = _deleted(notebook, release)
    for step in waiting.pop(None, []):
        steps.append(step)
    for number, cell in enumerate(notebook.cells, 1):
        key = metadata.key(cell)
        if cell.cell_type == "code":
            more = _steps(cell, key, handed_out, f"cell {number}")
            asked |= {step.check for step in more if isinstance(step, Ask)}
            steps += more
        steps += waiting.pop(key, [])
    wanted = checks_of(release)
    for check in wanted:
        if check not in asked:
            steps.insert(_behind_answer(check, notebook, steps), Ask(check))
    return [step for step in steps if isinstance(step, Run) or step.check in wanted]


def checks_of(release: NotebookNode) -> dict[str, float]:
    """The checks of a release in order, with their points."""
    return {
        key[1]: float(cell.metadata.get("nbgrader", {}).get("points", 0))
        for cell in release.cells
        if (key := metadata.key(cell)) and key[0] == "check"
    }


def canonical(steps: Sequence[Run | Ask]) -> list[str]:
    """What a verdict depends on, of the learner's notebook: the steps, without outputs, ids and prose."""
    return [f"run {step.source}" if isinstance(step, Run) else f"ask {step.check}" for step in steps]


def _steps(cell: NotebookNode, key: Key | None, handed_out: dict[Key, str], label: str) -> list[Run | Ask]:
    source, (role, id) = cell.source, key or ("", "")
    untouched = key is not None and handed_out.get(key, "").strip() == source.strip()
    steps: list[Run | Ask] = []
    if role == "given" and not untouched and key in handed_out:
        steps.append(Run(handed_out[key], f"{label} as handed out"))
    skipped = role == "home" or (untouched and role in ("experiment", "check", "fails"))
    if source.strip() and not skipped and not _only_checks(source):
        steps.append(Run(source, label))
    if role == "check":
        steps.append(Ask(id))
    elif role != "fails":
        steps += [Ask(name) for name in _CALL.findall(source)]  # a check cell that was typed in again
    return steps


_CALL = re.compile(r"""^check\(\s*["']([A-Za-z0-9_-]+)["']\s*\)\s*(?:#.*)?$""", re.MULTILINE)


def _only_checks(source: str) -> bool:
    return not _CALL.sub("", source).strip()


def _deleted(notebook: NotebookNode, release: NotebookNode) -> dict[Key | None, list[Run | Ask]]:
    """The locked cells that the notebook lacks, by the cell behind which they belong (None: at the very start)."""
    present = {metadata.key(cell) for cell in notebook.cells}
    behind: dict[Key | None, list[Run | Ask]] = {}
    last: Key | None = None
    for cell in release.cells:
        key = metadata.key(cell)
        if key in present and key is not None:
            last = key
        elif key and key[0] == "given" and cell.cell_type == "code":
            behind.setdefault(last, []).append(Run(cell.source, f"{key[1]} as handed out"))
    return behind


def _behind_answer(check: str, notebook: NotebookNode, steps: Sequence[Run | Ask]) -> int:
    """Where to ask a check that has no cell: right behind its answer's last cell, or at the end."""
    labels = {f"cell {n}" for n, cell in enumerate(notebook.cells, 1) if metadata.key(cell) == ("answer", check)}
    places = [i + 1 for i, step in enumerate(steps) if isinstance(step, Run) and step.label in labels]
    return places[-1] if places else len(steps)
