"""What the gradebook has of each submission, read at once; and how to wait for a gradebook that another program holds."""

from __future__ import annotations

import logging
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nbformat.v4 import new_notebook
from nbgrader.api import MissingEntry, SubmittedAssignment
from nbgrader.converters import Autograde
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.errors import OperatorError
from autograder.nbgrader.classroom import Classroom, gradebook

PATIENCE = 60.0  # seconds that a locked gradebook is waited for


def hush() -> None:
    """Leave out what nbgrader's database says by itself, on warnings and on every failure: we say what happened, in a line."""
    warnings.filterwarnings("ignore", category=SAWarning)
    logging.getLogger("tornado.application").addHandler(logging.NullHandler())


class Hopeless(OperatorError):
    """Nothing more can be entered: the gradebook stays locked, or the disk is full."""


@dataclass(frozen=True)
class Standing:
    """One submission in the gradebook: points, what awaits a person, and how late it was."""

    marks: dict[str, float | None]  # the automatic score of each graded cell
    waiting: tuple[str, ...]  # graded cells that a person has to look at
    points: float  # after the penalty
    most: float
    earned: float  # before it
    penalty: float | None
    late: float  # seconds
    timestamp: datetime | None


def standings(classroom: Classroom, lessons: Iterable[str]) -> dict[tuple[str, str], Standing]:
    """The Standing of every submission for these lessons, by (student, lesson)."""
    found: dict[tuple[str, str], Standing] = {}
    with gradebook(classroom) as book:
        for lesson in lessons:
            try:
                submissions = book.assignment_submissions(lesson)
            except MissingEntry:
                continue
            found |= {(one.student_id, lesson): _standing(one) for one in submissions}
    return found


def standing(classroom: Classroom, student: str, lesson: str) -> Standing:
    """The Standing of one submission that is in the gradebook."""
    with gradebook(classroom) as book:
        return _standing(book.find_submission(lesson, student))


def _standing(submission: SubmittedAssignment) -> Standing:
    marks = [mark for notebook in submission.notebooks for mark in notebook.grades]
    penalties = [one.late_submission_penalty for one in submission.notebooks if one.late_submission_penalty is not None]
    penalty = sum(penalties) if penalties else None
    return Standing(
        {mark.name: mark.auto_score for mark in marks},
        tuple(mark.name for mark in marks if mark.needs_manual_grade),
        max(0.0, submission.score - (penalty or 0.0)),
        submission.max_score,
        submission.score,
        penalty,
        submission.total_seconds_late,
        submission.timestamp,
    )


class Penalties:
    """nbgrader's own step for late penalties: due dates, extensions and the plugin change after a submission was graded."""

    def __init__(self, classroom: Classroom, config: Config):
        self._url, self._step = classroom.course().db_url, AssignLatePenalties(config=config)
        self._used = any(
            "AssignLatePenalties" in str(step) for step in Autograde(config=config).autograde_preprocessors
        )
        if self._used:
            self._step.init_plugin()

    def stand(self, student: str, known: Standing) -> bool:
        """Whether a submission has the penalty that it has to have now."""
        if not self._used:
            return True
        due = None
        if known.late > 0:
            due = self._step.plugin_inst.late_submission_penalty(student, known.earned, known.late)
        return (known.penalty or 0.0) == min(max(due or 0.0, 0.0), known.earned)

    def assign(self, student: str, lesson: str) -> None:
        """Give a submission its penalty anew."""
        about = {"notebook": lesson, "assignment": lesson, "student": student, "db_url": self._url}
        self._step.preprocess(new_notebook(), {"nbgrader": about})


def await_gradebook(classroom: Classroom, say: Callable[[str], None]) -> None:
    """Return when the gradebook can be written; Hopeless if another program holds it for longer than PATIENCE."""
    url = classroom.course().db_url.partition("?")[0]
    file = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not file.exists():
        return
    until, told = time.monotonic() + PATIENCE, False
    while (problem := _locked(file)) is not None:
        if time.monotonic() > until:
            raise Hopeless(
                f"{file} cannot be written ({problem}): another program has held it for {PATIENCE:g} s. Close formgrader, "
                "database browsers and backups that use it, and run this again: what was judged is kept."
            )
        if not told:
            say(f"{file.name} is in use by another program ({problem}); waiting up to {PATIENCE:g} s for it.")
            told = True
        time.sleep(0.5)


def _locked(file: Path) -> str | None:
    """Why nothing can be written to the database now; None if it can."""
    connection = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.close()
    return None
