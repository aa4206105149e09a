"""What awaits a person, and what a person decides: written once into nbgrader's gradebook, where regrading leaves it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from nbgrader.api import Grade, Gradebook, MissingEntry

from autograder import metadata
from autograder.checking import card
from autograder.errors import OperatorError
from autograder.judge.store import from_plain
from autograder.nbgrader.classroom import OURS, Classroom, gradebook, write_bytes
from autograder.nbgrader.graded import autograded, autograded_path
from autograder.nbgrader.standing import standings


@dataclass(frozen=True)
class Waiting:
    """A check or question of one submission that a person has to decide: why, and where to look."""

    student: str
    lesson: str
    exercise: str
    reason: str
    place: str  # a notebook below the class's folder, and the number of the cell


def queue(classroom: Classroom, lessons: Iterable[str]) -> list[Waiting]:
    """Everything that awaits a person, lesson by lesson and exercise by exercise: the same question stays together."""
    asked = _requests(classroom)
    found: list[Waiting] = []
    for (student, lesson), now in standings(classroom, lessons).items():
        said = _reasons(classroom, student, lesson) if now.waiting else {}
        path = autograded_path(classroom, student, lesson).relative_to(classroom.root)
        for mark in now.waiting:
            exercise = mark.removesuffix("-check")
            reason, place = said.get(mark, ("It was not graded: `course grade`.", ""))
            reason = asked.get(_key(student, lesson, exercise), reason)
            found.append(Waiting(student, lesson, exercise, reason, f"{path}{place}"))
    return sorted(found, key=lambda one: (one.lesson, one.exercise, one.student))


def decide(classroom: Classroom, student: str, lesson: str, exercise: str, points: float, because: str = "") -> str:
    """Give a check or question its points, with a comment for the learner; returns what was done, in a line."""
    with gradebook(classroom) as book:
        mark = _mark(book, student, lesson, exercise)
        most, before = mark.max_score, mark.score
        if not 0 <= points <= most:
            raise OperatorError(f"{exercise} has from 0 to {most:g} points, so it cannot have {points:g}.")
        mark.manual_score, mark.needs_manual_grade = points, False
        if because:
            book.find_comment(exercise, lesson, lesson, student).manual_comment = because
        book.db.commit()
    asked = _requests(classroom)
    if asked.pop(_key(student, lesson, exercise), None) is not None:
        _keep(classroom, asked)
    return f"{student}, {exercise}: {points:g} of {most:g} points, where there were {before:g}."


def ask(classroom: Classroom, student: str, lesson: str, exercise: str, reason: str) -> str:
    """Put an exercise into the queue because somebody asks for another look; its points stay until that is decided."""
    with gradebook(classroom) as book:
        _mark(book, student, lesson, exercise).needs_manual_grade = True
        book.db.commit()
    _keep(classroom, {**_requests(classroom), _key(student, lesson, exercise): f"asked for: {reason}"})
    return f"{student}, {exercise}: in the queue."


def _mark(book: Gradebook, student: str, lesson: str, exercise: str) -> Grade:
    for name in (f"{exercise}-check", exercise):
        try:
            return book.find_grade(name, lesson, lesson, student)
        except MissingEntry:
            continue
    raise OperatorError(
        f"The gradebook has no {exercise} of {student} in {lesson}. Is it spelt as `course decide` lists it?"
    )


def _reasons(classroom: Classroom, student: str, lesson: str) -> dict[str, tuple[str, str]]:
    """Why each graded cell of a submission may await a person, and where it is, by nbgrader's id."""
    notebook = autograded(classroom, student, lesson)
    said: dict[str, tuple[str, str]] = {}
    for number, cell in enumerate(notebook.cells if notebook else (), 1):
        why, plain = "", metadata.of(cell).get("verdict")
        if metadata.role(cell) == "written":
            why = "a written answer"
        elif plain:
            verdict = from_plain(plain)
            why = "you graded it, and the answer has changed since"
            if verdict.ending.awaits:
                why = card.headline(verdict).removeprefix(f"{verdict.check}: ")
        said[cell.metadata.get("nbgrader", {}).get("grade_id", "")] = why, f", cell {number}"
    return said


def _key(student: str, lesson: str, exercise: str) -> str:
    return f"{student}/{lesson}/{exercise}"


def _requests(classroom: Classroom) -> dict[str, str]:
    try:
        return dict(json.loads((classroom.root / OURS / "requests.json").read_text()))
    except (OSError, ValueError):
        return {}


def _keep(classroom: Classroom, asked: dict[str, str]) -> None:
    write_bytes(classroom.root / OURS / "requests.json", json.dumps(asked).encode())
