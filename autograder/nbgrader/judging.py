"""Judges a repaired submission of a class: a verdict for each of its checks, from the store if it has one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from autograder import metadata
from autograder.checking.spec import Finding, Verdict
from autograder.errors import OperatorError
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
    version: str = ""
    points: Mapping[str, float] = field(default_factory=dict)  # what each check is worth


def grade(
    classroom: Classroom,
    notebook: NotebookNode,
    lesson: str,
    student: str,
    *,
    limits: Mapping[str, Any],
    device: str = "",
    again: bool = False,
    unsafe: bool = False,
) -> Graded:
    """Judge the repaired notebook that `student` handed in for `lesson`; with `again`, even if the store has the verdicts.

    Raises OperatorError if nothing can be judged: no sandbox, no course key, an unknown limit.
    """
    points, version = checks_of(notebook), metadata.version(notebook)
    if problem := metadata.graded(notebook).problem:
        verdicts = _unread(points, problem)
        return Graded(verdicts, {}, (), _fingerprint(notebook, verdicts), version, points)
    from autograder.judge.engine import judge
    from autograder.judge.sandbox import choose
    from autograder.judge.store import Store

    judged = judge(
        notebook,
        classroom.release(lesson, metadata.version(notebook)),
        key=classroom.key(),
        learner=student,
        limits=_limits(limits),
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


def _limits(chosen: Mapping[str, Any]) -> Limits:
    try:
        return Limits(**chosen)
    except TypeError as error:
        raise OperatorError(f"JudgedExecute.limits in nbgrader_config.py: {error}") from None


def _fingerprint(notebook: NotebookNode, verdicts: Mapping[str, Verdict]) -> str:
    said = [metadata.graded(notebook).shape, {id: repr(verdict) for id, verdict in verdicts.items()}]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
