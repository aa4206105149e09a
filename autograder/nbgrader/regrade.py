"""Grades a whole class: judges what has changed, several submissions at a time, then lets nbgrader write its gradebook.

Plain `nbgrader autograde` grades a submission again only if its `timestamp.txt` is newer, or with --force. This compares
contents, and leaves the rest to nbgrader's own converter.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from autograder import metadata
from autograder.errors import CourseError, OperatorError
from autograder.judge.entry import Entry, State
from autograder.judge.reader import read
from autograder.nbgrader.classroom import Classroom
from autograder.nbgrader.handed_in import HandIn, hand_ins
from autograder.nbgrader.judging import Graded
from autograder.nbgrader.repair import repair
from autograder.nbgrader.standing import Hopeless, Penalties, Standing, await_gradebook, standing, standings
from autograder.nbgrader.steps import JudgedExecute, forget


@dataclass(frozen=True)
class Settings:
    """How `course grade` is to judge."""

    device: str = "cpu"  # unless nbgrader_config.py names another
    again: bool = False  # ignore stored verdicts
    unsafe: bool = False  # no sandbox


def submissions(classroom: Classroom, lessons: Sequence[str] = ()) -> list[HandIn]:
    """What was handed in for `lessons`, by name or number; for all, and whatever else there is, if none is named."""
    chosen = [classroom.lesson(name) for name in lessons] or classroom.lessons()
    found = hand_ins(classroom, chosen, everything=not lessons)
    if not found:
        has = ", ".join(chosen) or "any lesson"
        raise OperatorError(
            f"Nothing was handed in for {has}. Put submissions into {classroom.root}/submitted/STUDENT/LESSON/."
        )
    return found


def regrade(
    classroom: Classroom,
    found: Sequence[HandIn],
    workers: Executor,
    settings: Settings = Settings(),
    say: Callable[[str], None] = lambda line: None,
    running: Callable[[Sequence[str]], None] = lambda students: None,
) -> Iterator[Entry]:
    """Grade these submissions; yields an Entry for each as soon as it is done. `running` hears whose are being judged.

    Only this process writes the gradebook. Raises OperatorError if nothing can be graded: no sandbox, no course key, a
    gradebook that stays locked, a full disk.
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
    await_gradebook(classroom, say)
    entering = _Entering(classroom, config, say)
    waiting = [
        (one, None if one.problem else workers.submit(_judge, classroom, step, one, settings.again)) for one in found
    ]
    try:
        for one, judged in waiting:
            running([other.student for other, future in waiting if future is not None and future.running()])
            yield entering.enter(one, judged)
    finally:
        for _, judged in waiting:
            if judged is not None:
                judged.cancel()


def _judge(classroom: Classroom, step: JudgedExecute, one: HandIn, again: bool) -> tuple[Graded, str]:
    """The verdicts of one submission, and what is wrong with it as a file."""
    handed_in = read(one.path)
    notebook = repair(handed_in, classroom.release(one.lesson, metadata.version(handed_in.notebook)))
    return step.grade(classroom, notebook, one.lesson, one.student, again), metadata.graded(notebook).problem


class _Entering:
    """Enters judged submissions into the gradebook, one after the other, unless they are there already."""

    def __init__(self, classroom: Classroom, config: Config, say: Callable[[str], None]):
        self.classroom, self.config, self.say = classroom, config, say
        self.known = standings(classroom, classroom.lessons())
        self.penalties = Penalties(classroom, config)

    def enter(self, one: HandIn, judged: Future[tuple[Graded, str]] | None) -> Entry:
        """What became of one submission; whatever is wrong with it, the others are graded."""
        if judged is None:
            return self._failed(one, one.problem)
        try:
            return self._entered(one, judged)
        except Hopeless:
            raise
        except CourseError as error:
            return self._failed(one, str(error))
        except Exception as error:
            _end_if_hopeless(error)
            return self._failed(one, f"{type(error).__name__}: {error}")

    def _entered(self, one: HandIn, judged: Future[tuple[Graded, str]]) -> Entry:
        folder = self.classroom.root / "submitted" / one.student / one.lesson
        try:
            handed_in_at = CourseDirectory().get_existing_timestamp(str(folder))
        except Exception:  # nbgrader stumbles over it
            raise OperatorError("its timestamp.txt holds no valid time. Fix it or delete it.") from None
        graded, problem = judged.result()
        now = self.known.get((one.student, one.lesson))
        on_time = now is not None and handed_in_at in (None, now.timestamp)
        state: State = "graded"
        if now is None or not on_time or not self._stands(one, graded, now):
            if failure := self._autograde(one):
                raise OperatorError(failure)
            now = standing(self.classroom, one.student, one.lesson)
        elif self.penalties.stand(one.student, now):
            state = "as before"
        if not self.penalties.stand(one.student, now):
            self.penalties.assign(one.student, one.lesson)
            now = standing(self.classroom, one.student, one.lesson)
        remarks = [*graded.problems, one.remark] if not problem else [one.remark]
        if now.penalty:
            remarks.append(f"{timedelta(seconds=round(now.late))} late: {now.penalty:g} points off")
        return Entry(
            str(one.path),
            one.student,
            "unreadable" if problem else state,
            one.lesson,
            graded.version,
            problem,
            now.points,
            now.most,
            tuple(id.removesuffix("-check") for id in now.waiting),
            graded.verdicts,
            graded.points,
            tuple(filter(None, remarks)),
            graded.provenance,
        )

    def _stands(self, one: HandIn, graded: Graded, now: Standing) -> bool:
        """Whether this very submission has been graded with these very verdicts."""
        autograded = self.classroom.root / "autograded" / one.student / one.lesson / f"{one.lesson}.ipynb"
        try:
            before = metadata.graded(json.loads(autograded.read_bytes()))
        except (OSError, ValueError):
            return False
        if before.graded != graded.fingerprint:
            return False
        verdicts = graded.verdicts.items()
        return all((now.marks.get(f"{id}-check") is None) == verdict.ending.awaits for id, verdict in verdicts)

    def _autograde(self, one: HandIn) -> str:
        """nbgrader's autograde of one submission; what went wrong, if anything. Once more if the gradebook was locked."""
        failure = autograde(self.config, one.student, one.lesson)
        if "database is locked" in failure:
            await_gradebook(self.classroom, self.say)
            failure = autograde(self.config, one.student, one.lesson)
        if "disk is full" in failure or os.strerror(errno.ENOSPC) in failure:
            raise Hopeless(FULL)
        return failure

    def _failed(self, one: HandIn, why: str) -> Entry:
        """A submission that could not be graded; its old score is deleted."""
        if one.lesson in self.classroom.lessons():
            url = self.classroom.course().db_url
            try:
                forget(url, one.lesson, one.student)
            except OperationalError as error:
                _end_if_hopeless(error)
                await_gradebook(self.classroom, self.say)
                forget(url, one.lesson, one.student)
        return Entry(str(one.path), one.student, "failed", one.lesson, problem=why)


FULL = "The disk is full. Make room, and run this again: what was judged is kept, and grading goes on where it stopped."


def _end_if_hopeless(error: Exception) -> None:
    """Raise Hopeless if an error says that the disk is full: then no other submission can be entered, either."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or (isinstance(error, OperationalError) and "disk is full" in str(error)):
        raise Hopeless(FULL) from None


class _OneNotebook(Autograde):
    """nbgrader's autograde of one lesson's notebook, which need not exist under that name: Reader knows where it is."""

    def init_notebooks(self) -> None:
        """The one notebook, in place of those that match a pattern."""
        folder = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        self.assignments = {folder: [str(Path(folder) / f"{self.coursedir.assignment_id}.ipynb")]}
        self.notebooks: list[str] = []


def autograde(config: Config, student: str, lesson: str) -> str:
    """nbgrader's autograde for one submission, as formgrader's button starts it; what went wrong, if anything."""
    course = CourseDirectory(config=config, assignment_id=lesson, student_id=student)
    converter = _OneNotebook(coursedir=course, config=config, force=True)
    converter.log = logging.getLogger(f"autograder.nbgrader.{lesson}.{student}")
    converter.log.propagate = False
    done = capture_log(converter)
    if done["success"]:
        return ""
    raised = re.findall(r"^\s+([A-Za-z_][\w.]*: .+)$", done.get("log", ""), re.MULTILINE)  # how a traceback ends
    return raised[-1] if raised else "nbgrader autograde failed without saying why"
