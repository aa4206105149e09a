"""Judges a repaired submission of a class: a verdict for each of its checks, from the store if it has one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from nbformat import NotebookNode

from autograder import metadata
from autograder.checking.spec import Finding, Verdict
from autograder.errors import OperatorError
from autograder.judge import store as stored
from autograder.judge.limits import Limits
from autograder.judge.plan import checks_of
from autograder.nbgrader.classroom import Classroom


@dataclass(frozen=True)
class Graded:
    """What is known of one submission before a person has looked at it."""

    verdicts: dict[str, Verdict]  # by check id, in the notebook's order
    provenance: dict[str, Any]
    problems: tuple[str, ...]  # a line for each cell that raised or file that was left out
    fingerprint: str  # equal for equal notebooks with equal verdicts
    version: str
    points: Mapping[str, float]  # what each check is worth
    problem: str = ""  # why it could not be read
    notebook: NotebookNode | None = None  # that was judged, if it is at hand

    def plain(self) -> dict[str, Any]:
        """What is known, for JSON, as it is when all of it is looked up; without the notebook."""
        looked_up = {**self.provenance, "from the store": sorted(self.verdicts), "seconds": 0.0}
        return {**asdict(replace(self, notebook=None)), "provenance": looked_up}

    def holds_for(self, notebook: NotebookNode) -> bool:
        """Whether this is known to be of a notebook with these cells."""
        return self.notebook is not None and _cells(self.notebook) == _cells(notebook)


def _cells(notebook: NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def from_plain(plain: dict[str, Any]) -> Graded:
    """What `plain` was made of."""
    verdicts = {id: stored.from_plain(one) for id, one in plain["verdicts"].items()}
    return Graded(**{**plain, "verdicts": verdicts, "problems": tuple(plain["problems"])})


def grade(
    classroom: Classroom,
    notebook: NotebookNode,
    lesson: str,
    student: str,
    *,
    limits: Limits,
    device: str = "",
    again: bool = False,
    unsafe: bool = False,
) -> Graded:
    """Judge the repaired notebook that `student` handed in for `lesson`; with `again`, even if the store has the verdicts.

    Raises OperatorError if nothing can be judged: no sandbox, no course key.
    """
    points, version = checks_of(notebook), metadata.version(notebook)
    if problem := metadata.graded(notebook).problem:
        verdicts = _unread(points, problem)
        return Graded(verdicts, {}, (), _fingerprint(notebook, verdicts), version, points, problem)
    from autograder.judge.engine import judge
    from autograder.judge.sandbox import choose
    from autograder.judge.store import Store

    judged = judge(
        notebook,
        classroom.release(lesson, metadata.version(notebook)),
        key=classroom.key(),
        learner=student,
        limits=limits,
        device=device or os.environ.get("BPTT_DEVICE", "cpu"),
        files=classroom.root / "submitted" / student / lesson,
        store=Store(classroom.verdicts, refresh=again),
        sandbox=choose(unsafe),
    )
    if missing := [id for id in points if id not in judged.verdicts]:
        raise OperatorError(f"{student}, {lesson}: no verdict came back for {', '.join(missing)}.")
    verdicts = {id: judged.verdicts[id] for id in points}
    known = _fingerprint(notebook, verdicts)
    return Graded(verdicts, judged.provenance, tuple(judged.problems), known, version, points)


def _unread(checks: Iterable[str], problem: str) -> dict[str, Verdict]:
    return {id: Verdict(id, "unsendable", finding=Finding("unreadable", problem)) for id in checks}


def _fingerprint(notebook: NotebookNode, verdicts: Mapping[str, Verdict]) -> str:
    said = [metadata.graded(notebook).shape, {id: repr(verdict) for id, verdict in verdicts.items()}]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
