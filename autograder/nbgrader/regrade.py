"""Grades a whole class: judges what has changed, several at a time, then lets nbgrader write its gradebook.

Plain `nbgrader autograde` takes a submission up again only if its `timestamp.txt` is newer, or with --force. This
compares contents, and does the rest by nbgrader's own converter.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log
from traitlets.config import Config

from autograder import metadata
from autograder.checking import card
from autograder.checking.spec import Verdict
from autograder.errors import CourseError, OperatorError
from autograder.judge.reader import read
from autograder.nbgrader.classroom import Classroom, gradebook
from autograder.nbgrader.judging import Graded
from autograder.nbgrader.repair import repair
from autograder.nbgrader.steps import JudgedExecute, forget


@dataclass
class Row:
    """What became of one submission."""

    student: str
    lesson: str
    state: str = "graded"  # "graded", "as before", "unreadable" or "failed"
    points: float = 0.0
    most: float = 0.0
    waiting: int = 0  # cells that a person has to grade
    reasons: list[str] = field(default_factory=list)  # a line for each check that is not right, or for what failed
    graded: Graded | None = None

    @property
    def well(self) -> bool:
        """Whether the submission could be read and graded."""
        return self.state in ("graded", "as before")


@dataclass(frozen=True)
class Settings:
    """What `course grade` says about how to judge."""

    device: str = "cpu"  # unless nbgrader_config.py names another
    again: bool = False  # do not look verdicts up
    unsafe: bool = False  # no sandbox


def submissions(classroom: Classroom, lessons: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(student, lesson) of each submission for `lessons`, by name or number (all, if none is named)."""
    chosen = [_lesson(classroom, name) for name in lessons] or classroom.lessons()
    items = [(path.parent.name, lesson) for lesson in chosen for path in classroom.submissions(lesson)]
    if not lessons:  # a folder with a lesson's name mistyped would otherwise go unnoticed
        known = {*items}
        odd = ((path.parent.name, path.name) for path in sorted(classroom.root.glob("submitted/*/*")) if path.is_dir())
        items += [item for item in odd if item not in known]
    if not items:
        has = ", ".join(chosen) or "any lesson"
        raise OperatorError(f"Nothing was handed in for {has}: put it into {classroom.root}/submitted/STUDENT/LESSON/.")
    return items


def graded(
    classroom: Classroom, items: Sequence[tuple[str, str]], workers: Executor, settings: Settings = Settings()
) -> Iterator[Row]:
    """Grade these submissions; a row for each, as it is done.

    Only this process writes the gradebook. Raises OperatorError where nothing can be graded: no sandbox, no
    course key.
    """
    from autograder.judge.sandbox import choose

    config = classroom.config()
    choose(settings.unsafe)  # refuses here, once, rather than for each submission
    classroom.key()
    # What judges here and what nbgrader starts afterwards have the same settings, and so the same keys in the store.
    if settings.unsafe:
        config.JudgedExecute.unsafe_no_sandbox = True
    config.JudgedExecute.device = JudgedExecute(config=config).device or settings.device
    step = JudgedExecute(config=config)
    waiting = [(*item, workers.submit(_judge, classroom, step, *item, settings.again)) for item in items]
    for student, lesson, judged in waiting:
        yield _enter(classroom, config, student, lesson, judged)


def _lesson(classroom: Classroom, name: str) -> str:
    """A lesson of the class by its name or number."""
    for lesson in classroom.lessons():
        if name in (lesson, lesson[:2]):
            return lesson
    raise OperatorError(f"The class has no lesson {name}. It has: {', '.join(classroom.lessons()) or 'none yet'}.")


def _judge(classroom: Classroom, step: JudgedExecute, student: str, lesson: str, again: bool) -> tuple[Graded, str]:
    """The verdicts of one submission, and what is wrong with it as a file."""
    handed_in = read(_submitted(classroom, student, lesson))
    notebook = repair(handed_in, classroom.release(lesson, metadata.version(handed_in.notebook)))
    return step.grade(classroom, notebook, lesson, student, again), metadata.of(notebook).get("problem", "")


def _submitted(classroom: Classroom, student: str, lesson: str) -> Path:
    return classroom.root / "submitted" / student / lesson / f"{lesson}.ipynb"


def _enter(classroom: Classroom, config: Config, student: str, lesson: str, judged: Future[Any]) -> Row:
    """Bring one judged submission into the gradebook, by nbgrader's autograde, unless it is there already."""
    row, path = Row(student, lesson), _submitted(classroom, student, lesson)
    if lesson not in classroom.lessons():
        return _failed(classroom, row, f"no lesson of this class is called {lesson}. Rename the folder if it is one.")
    if not path.exists():
        others = ", ".join(sorted(other.name for other in path.parent.glob("*.ipynb"))) or "no notebook at all"
        return _failed(classroom, row, f"{path.name} was not handed in; there is {others}. Rename it if it is the one.")
    try:
        CourseDirectory().get_existing_timestamp(str(path.parent))
    except Exception:  # nbgrader stumbles over it
        return _failed(classroom, row, "its timestamp.txt holds no time. Mend it, or delete it.")
    try:
        row.graded, problem = judged.result()
    except CourseError as error:
        return _failed(classroom, row, str(error))
    except Exception as error:  # whatever it was, the other submissions are graded
        return _failed(classroom, row, f"{type(error).__name__}: {error}")
    if _stands(classroom, row):
        row.state = "as before"
    else:
        failure = _autograde(config, student, lesson)
        if failure:
            return _failed(classroom, row, failure)
    if problem:
        row.state, row.reasons = "unreadable", [problem]
    else:
        row.reasons = [*_reasons(lesson, row.graded.verdicts.values()), *(f"({said})" for said in row.graded.problems)]
    return _score(classroom, row)


def _reasons(lesson: str, verdicts: Collection[Verdict]) -> list[str]:
    """A line for each check that is not right, and one for all that are not written."""
    prefix = lesson[3:].replace("_", "-") + "-"
    missing = [verdict.check.removeprefix(prefix) for verdict in verdicts if verdict.status == "missing"]
    others = [verdict for verdict in verdicts if not verdict.right and verdict.status != "missing"]
    said = [f"not written: {', '.join(missing)}"] if missing else []
    return [*said, *(card.headline(verdict).removeprefix(prefix) for verdict in others)]


def _stands(classroom: Classroom, row: Row) -> bool:
    """Whether this very submission has been graded with these very verdicts."""
    autograded = classroom.root / "autograded" / row.student / row.lesson / f"{row.lesson}.ipynb"
    try:
        before = metadata.of(nbformat.read(autograded, as_version=4))
    except (OSError, ValueError):
        return False
    if row.graded is None or before.get("graded") != row.graded.fingerprint:
        return False
    handed_in_at = CourseDirectory().get_existing_timestamp(
        str(classroom.root / "submitted" / row.student / row.lesson)
    )
    with gradebook(classroom) as book:
        try:
            known = book.find_submission(row.lesson, row.student)
            marks = {mark.name: mark.auto_score for notebook in known.notebooks for mark in notebook.grades}
        except MissingEntry:
            return False
        if handed_in_at is not None and handed_in_at != known.timestamp:  # it may be late now
            return False
    for id, verdict in row.graded.verdicts.items():
        scored = marks.get(f"{id}-check")
        if (scored is None) != (verdict.ending.awaits):
            return False
    return True


def _autograde(config: Config, student: str, lesson: str) -> str:
    """nbgrader's autograde for one submission, as formgrader's button starts it; what went wrong, if anything."""
    course = CourseDirectory(config=config, assignment_id=lesson, student_id=student)
    converter = Autograde(coursedir=course, config=config, force=True)
    converter.log = logging.getLogger(f"autograder.nbgrader.{lesson}.{student}")
    converter.log.propagate = False
    done = capture_log(converter)
    if done["success"]:
        return ""
    raised = re.findall(r"^\s+([A-Za-z_][\w.]*: .+)$", done.get("log", ""), re.MULTILINE)  # how a traceback ends
    return raised[-1] if raised else "nbgrader autograde failed, and did not say why"


def _failed(classroom: Classroom, row: Row, why: str) -> Row:
    """A submission that could not be graded: no old score of it stays."""
    with gradebook(classroom) as book:
        url = book.url
    forget(url, row.lesson, row.student)
    row.state, row.reasons = "failed", [why]
    return row


def _score(classroom: Classroom, row: Row) -> Row:
    with gradebook(classroom) as book:
        known = book.find_submission(row.lesson, row.student)
        row.points, row.most = known.score, known.max_score
        row.waiting = sum(mark.needs_manual_grade for notebook in known.notebooks for mark in notebook.grades)
    return row
