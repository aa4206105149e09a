"""What grading costs, on the same submissions in one run: stock nbgrader, ours, and the floor under any grader.

The floor is the same cells and checks in one warm process: nothing is isolated, and nothing is entered.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder import metadata
from autograder.authoring.imagined import Imagined
from autograder.authoring.release import as_bytes, notebooks
from autograder.beside.cells import execute
from autograder.errors import OperatorError
from autograder.judge.plan import Run, checks_of, plan
from autograder.judge.usage import usage
from autograder.nbgrader.classroom import Classroom, make
from autograder.nbgrader.regrade import regrade, submissions
from autograder.nbgrader.standing import standings
from autograder.notebook import judge_here

Marks = dict[tuple[str, str], dict[str, float | None]]  # automatic scores by (learner, lesson) and cell


@dataclass(frozen=True)
class Ours:
    """A class graded by `course grade`: seconds in all, those of judging alone where one job judged, and memory in bytes."""

    seconds: float
    judging: tuple[float, ...]
    memory: int
    marks: Marks


class _Inline(Executor):
    """Does each thing when it is handed in, and keeps how long it took."""

    def __init__(self) -> None:
        self.took: list[float] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """A Future that is done."""
        done: Future[Any] = Future()
        began = time.perf_counter()
        try:
            done.set_result(work(*args, **options))
        except Exception as error:
            done.set_exception(error)
        self.took.append(time.perf_counter() - began)
        return done


def prepared(root: Path, given: Sequence[Imagined]) -> Classroom:
    """A class in which these submissions have been handed in."""
    make(root, sorted({one.script for one in given}))
    for one in given:
        folder = root / "submitted" / one.learner / one.script.stem
        folder.mkdir(parents=True)
        nbformat.write(one.notebook, folder / f"{one.script.stem}.ipynb")
    return Classroom(root)


def ours(classroom: Classroom, jobs: int) -> Ours:
    """Grade a class. What starts once, such as the sandbox's server, ends with the thread that started it: for it to be running
    already, begin with one job, which is done in this thread."""
    workers = _Inline() if jobs == 1 else ThreadPoolExecutor(jobs)
    with _memory() as most, workers:
        began = time.perf_counter()
        entries = list(regrade(classroom, submissions(classroom), workers))
        seconds = time.perf_counter() - began
    if failed := [entry for entry in entries if not entry.well]:
        raise OperatorError(f"{failed[0].learner}, {failed[0].lesson}: {failed[0].problem}")
    marks = {key: one.marks for key, one in standings(classroom, classroom.lessons()).items()}
    return Ours(seconds, tuple(workers.took) if isinstance(workers, _Inline) else (), max(most), marks)


def again(classroom: Classroom) -> float:
    """Seconds for grading the class once more, with nothing changed."""
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as workers:
        states = {entry.state for entry in regrade(classroom, submissions(classroom), workers)}
    if states != {"as before"}:
        raise OperatorError(f"Nothing has changed, and yet there are submissions that are {', '.join(sorted(states))}.")
    return time.perf_counter() - began


@contextlib.contextmanager
def _memory() -> Iterator[list[int]]:
    """The memory of this process and its children, each with its part of what they share, twice a second."""
    seen, ended = [usage(os.getpid()).memory], threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            seen.append(usage(os.getpid()).memory)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        ended.set()
        looking.join()


def floor(one: Imagined) -> float:
    """Seconds for the steps of the judge's plan in this process: no sandbox, no start-up, no pipe."""
    release = notebooks(one.script)[1]
    steps, checks = plan(one.notebook, release), checks_of(release)
    names: dict[str, Any] = {"__name__": "__main__"}
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for step in steps:
            if isinstance(step, Run):
                with contextlib.suppress(Exception):  # a cell that is not written yet, or fails on purpose
                    execute(step.source, names, step.label)
        for id in checks:
            judge_here(id, names, [])
    return time.perf_counter() - began


def without_experiments(one: Imagined) -> NotebookNode:
    """The submission without the cells that our judge does not run, so that stock nbgrader runs the same."""
    made = copy.deepcopy(one.notebook)
    made.cells = [cell for cell in made.cells if metadata.role(cell) not in ("experiment", "home", "fails")]
    return made


class Stock:
    """nbgrader's own autograde, without any configuration of ours."""

    def __init__(self, root: Path, scripts: Sequence[Path]):
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config

        self.root = root
        config = Config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
        self._nbgrader = NbGraderAPI(config=config)
        for script in scripts:
            self._put(root / "source" / script.stem, script.stem, notebooks(script)[0])
            if problem := self._problem(self._nbgrader.generate_assignment, script.stem):
                raise OperatorError(f"nbgrader cannot hand out {script.stem}: {problem}")

    def grade(self, one: Imagined, notebook: NotebookNode) -> tuple[float, dict[str, float | None], str]:
        """Seconds for grading one submission, the automatic scores of its cells, and why it has none, if nbgrader failed."""
        from nbgrader.api import Gradebook

        lesson = one.script.stem
        self._put(self.root / "submitted" / one.learner / lesson, lesson, notebook)
        began = time.perf_counter()
        problem = self._problem(self._nbgrader.autograde, lesson, one.learner, force=True)
        seconds = time.perf_counter() - began
        if problem:
            return seconds, {}, f"{one.learner}, {lesson}: stock nbgrader failed: {problem}"
        with Gradebook(self._nbgrader.coursedir.db_url) as book:
            graded = book.find_submission_notebook(lesson, lesson, one.learner)
            return seconds, {mark.name: mark.auto_score for mark in graded.grades}, ""

    def _put(self, folder: Path, name: str, notebook: NotebookNode) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / f"{name}.ipynb").write_bytes(as_bytes(notebook))

    def _problem(self, way: Callable[..., dict[str, Any]], *args: Any, **options: Any) -> str:
        with _silence():
            result = way(*args, **options)
        return "" if result["success"] else str(result["log"]).strip()[-300:]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard what nbgrader's kernels and its database write to stderr: it tells nobody anything."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 2)  # the descriptor itself, because kernels are other processes
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@dataclass(frozen=True)
class Measured:
    """One class, graded each way; all lists are in the order of its submissions."""

    lesson: str
    given: Sequence[Imagined]
    stock: Sequence[float]
    stock_same_cells: Sequence[float]
    floor: Sequence[float]
    ours: dict[int, Ours]  # by jobs
    again: float

    def rows(self) -> list[dict[str, Any]]:
        """A row for each number of jobs; seconds for each submission."""
        count, one = len(self.given), self.ours[1]
        solved = [at for at, this in enumerate(self.given) if this.kind == "solved"]  # nothing is lent: no second round
        over = fmean(one.judging[at] - self.floor[at] for at in solved)
        stock, same = fmean(self.stock), fmean(self.stock_same_cells)
        return [
            {
                "lesson": self.lesson,
                "submissions": count,
                "jobs": jobs,
                "stock_s": stock,
                "stock_same_cells_s": same,
                "ours_s": graded.seconds / count,
                "floor_s": fmean(self.floor),
                "times_stock": stock / (graded.seconds / count),
                "times_same_cells": same / (graded.seconds / count),
                "judging_s": fmean(one.judging),
                "judging_over_floor_s": over,
                "bookkeeping_s": (one.seconds - sum(one.judging)) / count,
                "warm_store_s": self.again / count,
                "peak_pss_mb": graded.memory / 2**20,
            }
            for jobs, graded in sorted(self.ours.items())
        ]


def differences(ours: Marks, stock: Marks) -> list[str]:
    """A line for each check that stock nbgrader and ours give different scores."""
    return [
        f"{learner}, {lesson}: {cell} has {marks[cell]} from stock nbgrader, {ours[learner, lesson][cell]} from ours"
        for (learner, lesson), marks in stock.items()
        for cell in marks
        if cell.endswith("-check") and marks[cell] != ours[learner, lesson].get(cell)
    ]
