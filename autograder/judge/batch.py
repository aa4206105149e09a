"""Judges many submissions, on any Executor: one Outcome for each, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder import metadata
from autograder.checking.spec import Finding, Verdict
from autograder.errors import OperatorError
from autograder.judge.engine import Judged, judge
from autograder.judge.entry import Entry, State
from autograder.judge.limits import Limits
from autograder.judge.plan import checks_of
from autograder.judge.reader import read
from autograder.judge.releases import Releases
from autograder.judge.restore import restored
from autograder.judge.sandbox import Sandbox
from autograder.judge.store import Store
from autograder.judge.submissions import Submission, Unreadable

OPEN_KEY = b"own work"  # without --key: draws that anybody can foresee


def read_key(file: Path, remedy: str = "Make one: openssl rand -hex 32 > course.key") -> bytes:
    """The course key in a file, from which hidden numbers are drawn; OperatorError, with the remedy, if there is none in it."""
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise OperatorError(f"The course key {file} cannot be read ({error.strerror}). {remedy}") from None
    if len(key) < 32:
        raise OperatorError(f"{file} holds {len(key)} bytes; a course key has at least 32. {remedy}")
    return key


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: it was judged, or there is one line that says why not."""

    path: str
    learner: str
    judged: Judged | None
    problem: str = ""

    def entry(self) -> Entry:
        """The same in the shape that every road has."""
        state: State = "graded" if not self.problem else "unreadable" if self.judged else "failed"
        if (judged := self.judged) is None:
            return Entry(self.path, self.learner, state, problem=self.problem)
        return Entry(
            self.path,
            self.learner,
            state,
            judged.lesson,
            judged.version,
            self.problem,
            judged.score,
            sum(judged.points.values()),
            tuple(id for id, verdict in judged.verdicts.items() if verdict.ending.awaits),
            judged.verdicts,
            judged.points,
            () if self.problem else judged.problems,
            judged.provenance,
        )


@dataclass(frozen=True)
class Job:
    """How submissions are to be judged."""

    sandbox: Sandbox
    releases: Releases
    key: bytes = OPEN_KEY
    limits: Limits = Limits()
    device: str = "cpu"
    store: Store | None = None


def grade_one(submission: Submission, job: Job) -> Outcome:
    """Judge one submission; whatever is wrong with it becomes an Outcome, never an exception."""
    path, learner = str(submission.path), submission.learner
    try:
        handed_in = read(submission.path, job.limits.notebook)
        if problem := submission.problem or handed_in.problem:
            raise Unreadable(problem)
        found = job.releases.of(handed_in.notebook)
        judged = judge(
            restored(handed_in.notebook, found.notebook),
            found.notebook,
            key=job.key,
            learner=learner,
            limits=job.limits,
            sandbox=job.sandbox,
            device=job.device,
            files=submission.files,
            store=job.store,
        )
        if found.remark:
            judged = replace(judged, problems=(found.remark, *judged.problems))
        return Outcome(path, learner, judged)
    except Unreadable as error:
        return Outcome(path, learner, _unjudged(submission, job, str(error)), str(error))
    except OperatorError as error:
        return Outcome(path, learner, None, f"could not be judged: {error}")
    except Exception as error:  # our own fault must not end the grading of the others
        return Outcome(path, learner, None, f"could not be judged: {type(error).__name__}: {str(error)[:200]}")


def grade_all(
    submissions: Sequence[Submission],
    job: Job,
    pool: Executor,
    done: Callable[[Outcome], None] = lambda one: None,
    running: Callable[[Sequence[str]], None] = lambda learners: None,
) -> list[Outcome]:
    """Judge them on any Executor; `done` hears of each as it ends, the list is in the order of `submissions`.

    `running` hears whose submissions are being judged, whenever that changes.
    """
    futures = {pool.submit(grade_one, submission, job): submission.learner for submission in submissions}
    running(at_work(futures))
    for future in as_completed(futures):
        done(future.result())
        running(at_work(futures))
    return [future.result() for future in futures]


def at_work(futures: Mapping[Future[Any], str]) -> list[str]:
    """Whose are running now."""
    return [name for future, name in futures.items() if future.running()]


def _unjudged(submission: Submission, job: Job, reason: str) -> Judged | None:
    """No points, with the reason, for every check of the lesson that the file's name says."""
    release = job.releases.named(submission.path.stem)
    if release is None:
        return None
    points = checks_of(release)
    finding = Finding("unreadable", reason)
    verdicts = {id: Verdict(id, "unsendable", finding=finding) for id in points}
    lesson, version = metadata.lesson(release), metadata.version(release)
    return Judged(lesson, version, verdicts, points, {"sandbox": job.sandbox.level}, (reason,))
