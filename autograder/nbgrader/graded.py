"""What a class's grading has left behind, read again without judging: an Entry for each autograded submission."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict

from autograder import metadata
from autograder.checking.spec import Verdict
from autograder.judge.entry import Entry
from autograder.judge.plan import checks_of
from autograder.judge.store import from_plain
from autograder.nbgrader.classroom import Classroom
from autograder.nbgrader.handed_in import HandIn
from autograder.nbgrader.standing import Standing, standings


def entries(classroom: Classroom, lessons: Iterable[str], found: Iterable[HandIn]) -> list[Entry]:
    """What is in the gradebook for these lessons, and what was handed in and is not, in order of lesson and student."""
    known = standings(classroom, lessons)
    made = [_entry(classroom, *key, known[key]) for key in known]
    for one in found:
        if one.problem or (one.student, one.lesson) not in known:
            problem = one.problem or "It has not been graded yet: `course grade`."
            made.append(Entry(str(one.path), one.student, "failed", one.lesson, problem=problem))
    return sorted(made, key=lambda entry: (entry.lesson, entry.learner))


def autograded(classroom: Classroom, student: str, lesson: str) -> NotebookNode | None:
    """A submission as it was graded last; None if it was not."""
    try:
        return from_dict(json.loads(autograded_path(classroom, student, lesson).read_bytes()))
    except (OSError, ValueError):
        return None


def autograded_path(classroom: Classroom, student: str, lesson: str) -> Path:
    """Where nbgrader puts a graded notebook."""
    return classroom.root / "autograded" / student / lesson / f"{lesson}.ipynb"


def _entry(classroom: Classroom, student: str, lesson: str, now: Standing) -> Entry:
    path = str(classroom.root / "submitted" / student / lesson / f"{lesson}.ipynb")
    notebook = autograded(classroom, student, lesson)
    if notebook is None:
        return Entry(path, student, "failed", lesson, problem="It has not been graded.")
    noted = metadata.of(notebook)
    problem = metadata.graded(notebook).problem
    return Entry(
        path,
        student,
        "unreadable" if problem else "as before",
        lesson,
        metadata.version(notebook),
        problem,
        now.points,
        now.most,
        tuple(id.removesuffix("-check") for id in now.waiting),
        _verdicts(notebook),
        checks_of(notebook),
        tuple(noted.get("problems", ())),
        noted.get("provenance", {}),
    )


def _verdicts(notebook: NotebookNode) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    for cell in notebook.cells:
        plain: Any = metadata.of(cell).get("verdict")
        if plain and (key := metadata.key(cell)):
            found[key.id] = from_plain(plain)
    return found
