"""Fills the sheet that an LMS has exported with the scores in a class's gradebook, for that LMS to import again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from autograder.delivery.collect import roster
from autograder.delivery.lms import Lms, Sheet, told_apart
from autograder.errors import OperatorError
from autograder.nbgrader.classroom import Classroom, gradebook


@dataclass
class Filled:
    """How many cells were written, and a line for each student who has handed in and has no grade in the sheet."""

    written: int = 0
    left: list[str] = field(default_factory=list)


def fill(lms: Lms, export: Sheet, classroom: Classroom, lesson: str, column: str = "", scale: bool = False) -> Filled:
    """Write the lesson's scores into `export`. Who has handed in nothing keeps what stands there: nothing is not 0.

    With `scale`, scores become shares of what the LMS takes; without, OperatorError if the two have other maxima.
    """
    at, said = lms.column(export, lesson, column)
    scores, most = _scores(classroom, lesson)
    takes = _number(said)
    if takes is None or takes <= 0:
        raise OperatorError(f"{export.path} does not say how many points the LMS takes for {lesson} ({said!r}).")
    if takes != most and not scale:
        raise OperatorError(f"{lesson} has {most:g} points, and the LMS takes {said}. Change it there, or say --scale.")
    people = lms.people(export)
    students, _ = told_apart(people, roster(classroom))
    filled, found = Filled(), set()
    for person in people:
        student = students.get(person.id)
        if student not in scores or student is None:
            continue
        found.add(student)
        row, score = export.rows[person.row], scores[student]
        row += [""] * (len(export.head) - len(row))
        if score is None:
            filled.left.append(f"{student}: awaits a person, or is not graded yet")
        elif row[at] in ("EX", "N/A"):  # Canvas: excused, not assigned
            filled.left.append(f"{student}: {row[at]} stays; the score would be {score:g}")
        else:
            text = f"{round(score * takes / most, 2):g}"
            row[at] = text.replace(".", ",") if re.fullmatch(r"\d+,\d+", said) else text
            filled.written += 1
    filled.left += [f"{student}: has no row in {export.path.name}" for student in sorted({*scores} - found)]
    return filled


def _scores(classroom: Classroom, lesson: str) -> tuple[dict[str, float | None], float]:
    """The score of each student who has handed in, less nbgrader's penalty for lateness, and the maximum; None is no score yet."""
    scores: dict[str, float | None] = {path.parent.name: None for path in classroom.submissions(lesson)}
    with gradebook(classroom) as book:
        most = float(book.find_assignment(lesson).max_score)
        for one in book.assignment_submissions(lesson):
            done = None if one.needs_manual_grade else max(0.0, one.score - (one.late_submission_penalty or 0.0))
            scores[str(one.student.id)] = done
    return scores, most


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
