"""Grades a whole class: judges what has changed, several submissions at a time, then lets nbgrader write its gradebook.

Plain `nbgrader autograde` grades a submission again only if its `timestamp.txt` is newer, or with --force. This compares
contents, and leaves the rest to nbgrader's own converter.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log
from traitlets.config import Config

from autograder import house, metadata
from autograder.checking import card
from autograder.checking.spec import Verdict
from autograder.errors import CourseError, OperatorError
from autograder.judge.reader import read
from autograder.nbgrader.classroom import Classroom, gradebook
from autograder.nbgrader.judging import Graded
from autograder.nbgrader.repair import repair
from autograder.nbgrader.steps import JudgedExecute, forget

State = Literal[
    "graded",  # judged, or looked up, and entered into the gradebook in this run
    "as before",  # the gradebook has this very submission with these very verdicts
    "unreadable",  # no notebook of the lesson: 0 points, entered with the reason
    "failed",  # not graded, and without a score: the reason says what to do
]


@dataclass
class Result:
    """What became of one submission."""

    student: str
    lesson: str
    state: State = "graded"
    points: float = 0.0
    most: float = 0.0
    waiting: int = 0  # cells that a person has to grade
    reasons: list[str] = field(default_factory=list)  # a line for each check that is not right, or for the failure
    graded: Graded | None = None

    @property
    def well(self) -> bool:
        """Whether the submission could be read and graded."""
        return self.state in ("graded", "as before")


@dataclass(frozen=True)
class Settings:
    """How `course grade` is to judge."""

    device: str = "cpu"  # unless nbgrader_config.py names another
    again: bool = False  # ignore stored verdicts
    unsafe: bool = False  # no sandbox


def submissions(classroom: Classroom, lessons: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(student, lesson) of each submission for `lessons`, by name or number; for all if none is named."""
    chosen = [_lesson(classroom, name) for name in lessons] or classroom.lessons()
    items = [(path.parent.name, lesson) for lesson in chosen for path in classroom.submissions(lesson)]
    if not lessons:  # otherwise a folder with a misspelt lesson would go unnoticed
        known = {*items}
        odd = ((path.parent.name, path.name) for path in sorted(classroom.root.glob("submitted/*/*")) if path.is_dir())
        items += [item for item in odd if item not in known]
    if not items:
        has = ", ".join(chosen) or "any lesson"
        raise OperatorError(
            f"Nothing was handed in for {has}. Put submissions into {classroom.root}/submitted/STUDENT/LESSON/."
        )
    return items


def regrade(
    classroom: Classroom, items: Sequence[tuple[str, str]], workers: Executor, settings: Settings = Settings()
) -> Iterator[Result]:
    """Grade these submissions; yields a Result for each as soon as it is done.

    Only this process writes the gradebook. Raises OperatorError if nothing can be graded: no sandbox, no course key.
    """
    from autograder.judge.sandbox import choose

    config = classroom.config()
    choose(settings.unsafe)  # refuses here, once, and not for each submission
    classroom.key()
    # The judging here and the one that nbgrader starts afterwards need the same settings to find the same verdicts in the store.
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
    return step.grade(classroom, notebook, lesson, student, again), metadata.graded(notebook).problem


def _submitted(classroom: Classroom, student: str, lesson: str) -> Path:
    return classroom.root / "submitted" / student / lesson / f"{lesson}.ipynb"


def _enter(
    classroom: Classroom, config: Config, student: str, lesson: str, judged: Future[tuple[Graded, str]]
) -> Result:
    """Enter one judged submission into the gradebook, with nbgrader's autograde, unless it is there already."""
    result, path = Result(student, lesson), _submitted(classroom, student, lesson)
    if lesson not in classroom.lessons():
        return _failed(
            classroom, result, f"this class has no lesson {lesson}. If it is one of its lessons, rename the folder."
        )
    if not path.exists():
        others = ", ".join(sorted(other.name for other in path.parent.glob("*.ipynb"))) or "no notebook"
        return _failed(
            classroom, result, f"{path.name} was not handed in; the folder has {others}. If that is it, rename it."
        )
    try:
        CourseDirectory().get_existing_timestamp(str(path.parent))
    except Exception:  # nbgrader stumbles over it
        return _failed(classroom, result, "its timestamp.txt holds no valid time. Fix it or delete it.")
    try:
        result.graded, problem = judged.result()
    except CourseError as error:
        return _failed(classroom, result, str(error))
    except Exception as error:  # whatever happens, the other submissions are graded
        return _failed(classroom, result, f"{type(error).__name__}: {error}")
    if _stands(classroom, result):
        result.state = "as before"
    else:
        failure = _autograde(config, student, lesson)
        if failure:
            return _failed(classroom, result, failure)
    if problem:
        result.state, result.reasons = "unreadable", [problem]
    else:
        known = result.graded
        result.reasons = [*_reasons(lesson, known.verdicts.values()), *(f"({said})" for said in known.problems)]
    return _score(classroom, result)


def _reasons(lesson: str, verdicts: Collection[Verdict]) -> list[str]:
    """A line for each check that is not right or has a part of its points, and a single one for all that are not written."""
    prefix = house.prefix(house.stem(lesson))
    missing = [verdict.check.removeprefix(prefix) for verdict in verdicts if verdict.status == "missing"]
    others = [one for one in verdicts if (not one.right or one.credit < 1) and one.status != "missing"]
    said = [f"not written: {', '.join(missing)}"] if missing else []
    return [*said, *(card.headline(verdict).removeprefix(prefix) for verdict in others)]


def _stands(classroom: Classroom, result: Result) -> bool:
    """Whether this very submission has been graded with these very verdicts."""
    autograded = classroom.root / "autograded" / result.student / result.lesson / f"{result.lesson}.ipynb"
    try:
        before = metadata.graded(nbformat.read(autograded, as_version=4))
    except (OSError, ValueError):
        return False
    if result.graded is None or before.graded != result.graded.fingerprint:
        return False
    handed_in_at = CourseDirectory().get_existing_timestamp(
        str(classroom.root / "submitted" / result.student / result.lesson)
    )
    with gradebook(classroom) as book:
        try:
            known = book.find_submission(result.lesson, result.student)
            marks = {mark.name: mark.auto_score for notebook in known.notebooks for mark in notebook.grades}
        except MissingEntry:
            return False
        if handed_in_at is not None and handed_in_at != known.timestamp:  # it may be late now
            return False
    for id, verdict in result.graded.verdicts.items():
        scored = marks.get(f"{id}-check")
        if (scored is None) != verdict.ending.awaits:
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
    return raised[-1] if raised else "nbgrader autograde failed without saying why"


def _failed(classroom: Classroom, result: Result, why: str) -> Result:
    """A submission that could not be graded; its old score is deleted."""
    forget(classroom.course().db_url, result.lesson, result.student)
    result.state, result.reasons = "failed", [why]
    return result


def _score(classroom: Classroom, result: Result) -> Result:
    with gradebook(classroom) as book:
        known = book.find_submission(result.lesson, result.student)
        result.points, result.most = known.score, known.max_score
        result.waiting = sum(mark.needs_manual_grade for notebook in known.notebooks for mark in notebook.grades)
    return result
