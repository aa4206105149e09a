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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from autograder import metadata
from autograder.errors import CourseError, OperatorError
from autograder.judge.batch import at_work
from autograder.judge.engine import files_beside, versions
from autograder.judge.entry import Entry, State
from autograder.judge.reader import digest, read
from autograder.judge.sandbox import choose
from autograder.judge.sandbox.machine import BPTT, PACKAGE
from autograder.judge.store import Store, code, sum_of
from autograder.nbgrader.classroom import Classroom
from autograder.nbgrader.handed_in import HandIn, hand_ins
from autograder.nbgrader.judging import Graded, from_plain
from autograder.nbgrader.repair import repair
from autograder.nbgrader.standing import (
    Hopeless,
    Penalties,
    Standing,
    await_gradebook,
    kept_engine,
    standing,
    standings,
)
from autograder.nbgrader.steps import JudgedExecute, forget


@dataclass(frozen=True)
class Settings:
    """How `course grade` is to judge."""

    device: str = "cpu"  # unless nbgrader_config.py names another
    again: bool = False  # ignore stored verdicts
    unsafe: bool = False  # no sandbox
    limits: Mapping[str, object] = field(default_factory=dict)  # in place of those in nbgrader_config.py, by name


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
    config = classroom.config()
    sandbox, key = choose(settings.unsafe), classroom.key()  # refuses here, once, and not for each submission
    # The judging here and the one that nbgrader starts afterwards need the same settings to find the same verdicts in the store.
    if settings.unsafe:
        config.JudgedExecute.unsafe_no_sandbox = True
    given = JudgedExecute(config=config)
    config.JudgedExecute.device = given.device or settings.device
    config.JudgedExecute.limits = {**given.limits, **settings.limits}
    step = JudgedExecute(config=config)
    rests_on = {
        "code": code(PACKAGE, BPTT),
        "versions": versions(),
        "sandbox": sandbox.level,
        "device": step.device,
        "limits": step.chosen_limits().plain(),
        "key": sha256(key).hexdigest(),
    }
    judge = _Judging(classroom, step, settings.again, rests_on)
    await_gradebook(classroom, say)
    entering = _Entering(classroom, config, say)
    for one in found:
        if one.problem:
            yield entering.failed(one, one.problem)
    waiting = {workers.submit(judge, one): one for one in found if not one.problem}
    names = {future: one.student for future, one in waiting.items()}
    try:
        with kept_engine():
            running(at_work(names))
            for future in as_completed(list(waiting)):
                names.pop(future)
                yield entering.enter(waiting.pop(future), future)
                running(at_work(names))
    finally:
        for future in waiting:
            future.cancel()


@dataclass(frozen=True)
class _Judging:
    """Judges one submission after the other, with the settings of a class."""

    classroom: Classroom
    step: JudgedExecute
    again: bool
    rests_on: Mapping[str, Any]  # beside what was handed in

    def __call__(self, one: HandIn) -> Graded:
        """The verdicts on one submission: looked up as a whole if its files, and all else that they rest on, are as they were."""
        store = Store(self.classroom.verdicts, refresh=self.again)
        beside, _ = files_beside(
            self.classroom.root / "submitted" / one.student / one.lesson, self.step.chosen_limits()
        )
        files = {name: sha256(file.read_bytes()).hexdigest() for name, file in beside}
        whose = [one.student, one.lesson, self.classroom.current(one.lesson)]
        key = sum_of(whose=whose, notebook=digest(one.path), files=files, **self.rests_on)
        if known := store.read(key):
            return from_plain(known)
        handed_in = read(one.path)
        notebook = repair(handed_in, self.classroom.release(one.lesson, metadata.version(handed_in.notebook)))
        graded = self.step.grade(self.classroom, notebook, one.lesson, one.student, self.again)
        if all(verdict.ending.kept for verdict in graded.verdicts.values()):
            store.write(key, graded.plain())
        return replace(graded, notebook=notebook)


class _Entering:
    """Enters judged submissions into the gradebook, one after the other, unless they are there already."""

    def __init__(self, classroom: Classroom, config: Config, say: Callable[[str], None]):
        self.classroom, self.config, self.say = classroom, config, say
        self.known = standings(classroom, classroom.lessons())
        self.penalties = Penalties(classroom, config)

    def enter(self, one: HandIn, judged: Future[Graded]) -> Entry:
        """What became of one submission; whatever is wrong with it, the others are graded."""
        try:
            return self._entered(one, judged)
        except Hopeless:
            raise
        except CourseError as error:
            return self.failed(one, str(error))
        except Exception as error:
            _end_if_hopeless(error)
            return self.failed(one, f"{type(error).__name__}: {error}")

    def _entered(self, one: HandIn, judged: Future[Graded]) -> Entry:
        folder = self.classroom.root / "submitted" / one.student / one.lesson
        try:
            handed_in_at = CourseDirectory().get_existing_timestamp(str(folder))
        except Exception:  # nbgrader stumbles over it
            raise OperatorError("its timestamp.txt holds no valid time. Fix it or delete it.") from None
        graded = judged.result()
        now = self.known.get((one.student, one.lesson))
        on_time = now is not None and handed_in_at in (None, now.timestamp)
        state: State = "graded"
        if now is None or not on_time or not self._stands(one, graded, now):
            if failure := self._autograde(one, graded):
                raise OperatorError(failure)
            now = standing(self.classroom, one.student, one.lesson)
        elif self.penalties.stand(one.student, now):
            state = "as before"
        if not self.penalties.stand(one.student, now):
            self.penalties.assign(one.student, one.lesson)
            now = standing(self.classroom, one.student, one.lesson)
        remarks = [*graded.problems, one.remark]
        if now.penalty:
            remarks.append(f"{timedelta(seconds=round(now.late))} late: {now.penalty:g} points off")
        return Entry(
            str(one.path),
            one.student,
            "unreadable" if graded.problem else state,
            one.lesson,
            graded.version,
            graded.problem,
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

    def _autograde(self, one: HandIn, graded: Graded) -> str:
        """nbgrader's autograde of one submission; what went wrong, if anything. Once more if the gradebook was locked."""
        failure = autograde(self.config, one.student, one.lesson, graded)
        if "database is locked" in failure:
            await_gradebook(self.classroom, self.say)
            failure = autograde(self.config, one.student, one.lesson, graded)
        if "disk is full" in failure or os.strerror(errno.ENOSPC) in failure:
            raise Hopeless(FULL)
        return failure

    def failed(self, one: HandIn, why: str) -> Entry:
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


class OneNotebook(Autograde):
    """nbgrader's autograde of one lesson's notebook, which need not exist under that name: Reader knows where it is."""

    known: Graded | None = None  # what the steps need not find out again

    def init_notebooks(self) -> None:
        """The one notebook, in place of those that match a pattern."""
        folder = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        self.assignments = {folder: [str(Path(folder) / f"{self.coursedir.assignment_id}.ipynb")]}
        self.notebooks: list[str] = []


def autograde(config: Config, student: str, lesson: str, known: Graded | None = None) -> str:
    """nbgrader's autograde for one submission, as formgrader's button starts it; what went wrong, if anything."""
    course = CourseDirectory(config=config, assignment_id=lesson, student_id=student)
    converter = OneNotebook(coursedir=course, config=config, force=True)
    converter.known = known
    converter.log = logging.getLogger(f"autograder.nbgrader.{lesson}.{student}")
    converter.log.propagate = False
    done = capture_log(converter)
    if done["success"]:
        return ""
    raised = re.findall(r"^\s+([A-Za-z_][\w.]*: .+)$", done.get("log", ""), re.MULTILINE)  # how a traceback ends
    return raised[-1] if raised else "nbgrader autograde failed without saying why"
