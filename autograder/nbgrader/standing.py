"""What the gradebook has of each submission, read at once; and how to wait for a gradebook that another program holds."""

from __future__ import annotations

import logging
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from nbformat.v4 import new_notebook
from nbgrader import api
from nbgrader.api import Assignment, Grade, Gradebook, SubmittedAssignment, SubmittedNotebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import ColumnElement
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import contains_eager, selectinload
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
    """The Standing of every submission for these lessons, by (student, lesson), in a few queries."""
    with gradebook(classroom) as book:
        found = _submissions(book, Assignment.name.in_(list(lessons)))
        return {(one.student_id, one.assignment.name): _standing(one) for one in found}


def standing(classroom: Classroom, student: str, lesson: str) -> Standing:
    """The Standing of one submission that is in the gradebook."""
    with gradebook(classroom) as book:
        (one,) = _submissions(book, Assignment.name == lesson, SubmittedAssignment.student_id == student)
        return _standing(one)


def _submissions(book: Gradebook, *which: ColumnElement[bool]) -> list[SubmittedAssignment]:
    marks = selectinload(SubmittedAssignment.notebooks).selectinload(SubmittedNotebook.grades).joinedload(Grade.cell)
    found = book.db.query(SubmittedAssignment).join(SubmittedAssignment.assignment).filter(*which)
    return list(found.options(contains_eager(SubmittedAssignment.assignment), marks))


def _standing(submission: SubmittedAssignment) -> Standing:
    marks = [mark for notebook in submission.notebooks for mark in notebook.grades]
    penalties = [one.late_submission_penalty for one in submission.notebooks if one.late_submission_penalty is not None]
    penalty, earned = sum(penalties) if penalties else None, sum(mark.score for mark in marks)
    due, at = submission.assignment.duedate, submission.timestamp
    if due is not None and submission.extension is not None:
        due += submission.extension
    return Standing(
        {mark.name: mark.auto_score for mark in marks},
        tuple(mark.name for mark in marks if mark.needs_manual_grade),
        max(0.0, earned - (penalty or 0.0)),
        sum(mark.cell.max_score for mark in marks),
        earned,
        penalty,
        max(0.0, (at - due).total_seconds()) if at is not None and due is not None else 0.0,
        at,
    )


@contextmanager
def kept_engine() -> Iterator[None]:
    """Keep one engine for each database: nbgrader makes a new one for each step, which must compile every query anew."""
    made = api.create_engine
    api.create_engine = cache(made)
    try:
        yield
    finally:
        api.create_engine = made


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
