"""Judges a submission: the learner's cells in a sandbox, each check of the release outside it, a verdict for every one."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import metadata
from autograder.checking.draw import Draw, derived_seed
from autograder.checking.spec import ENDINGS, Check, CheckError, Finding, Verdict
from autograder.errors import OperatorError
from autograder.judge import store as stored
from autograder.judge.limits import Limits
from autograder.judge.plan import Ask, Run, canonical, checks_of, plan
from autograder.judge.sandbox import Inside, Sandbox, choose
from autograder.judge.session import Session
from autograder.judge.store import Store
from autograder.lessons import load

_NBGRADERS = ("timestamp.txt", "submission_secret.txt")  # its exchange adds them to what was handed in
_TELLING = list(ENDINGS)


@dataclass(frozen=True)
class Judged:
    """How a submission fared: a verdict and the maximum of points for every check of the release, in its order."""

    lesson: str
    version: str
    verdicts: dict[str, Verdict]
    points: dict[str, float]
    provenance: dict[str, Any] = field(default_factory=dict)  # versions, seeds, limits, sandbox, device, duration
    problems: tuple[str, ...] = ()  # one line each: a cell that raised, a file that was left out

    @property
    def score(self) -> float:
        """The points earned."""
        return sum(verdict.points(self.points[id]) for id, verdict in self.verdicts.items())


def judge(
    notebook: NotebookNode,
    release: NotebookNode,
    *,
    key: bytes,
    learner: str,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
    device: str = "cpu",
    files: Path | None = None,
    store: Store | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Judged:
    """Judge a notebook against the release that was handed out.

    `key` and `learner` make the hidden draws; `files` is the folder of what was handed in beside the notebook; `say` hears
    of each step in a line. Raises NoSandbox where none can be made, OperatorError where the release has no checks.
    """
    began = time.monotonic()
    limits, sandbox = limits or Limits(), sandbox or choose()
    points = checks_of(release)
    if not points:
        raise OperatorError(f"the release of {metadata.lesson(release) or 'this lesson'} has no checks to judge")
    brought, problems = files_beside(files, limits)
    seeds = {id: derived_seed(key, learner, id) for id in points}
    version = metadata.version(release)
    rests_on = {
        "notebook": _sum(json.dumps(canonical(notebook, release)).encode()),
        "files": {name: _sum(file.read_bytes()) for name, file in brought},
        "release": version,
        "limits": limits.plain(),
        "sandbox": sandbox.level,
        "device": device,
        "versions": versions(),
    }
    verdicts: dict[str, Verdict] = {}
    keys: dict[str, str] = {}
    for id in points:
        try:
            keys[id] = stored.key(load(id), seed=seeds[id], **rests_on)
        except CheckError as error:
            verdicts[id] = Verdict(
                id, "broken", finding=Finding("broken", f"{error}; the release is of another version")
            )
        else:
            if store and (kept := store.get(keys[id])):
                verdicts[id] = kept
    known = sorted(verdicts)
    if len(verdicts) < len(points):
        inside = Inside(limits, brought, device)
        with Session(sandbox, inside, say) as session:
            asker = _Asker(session, seeds, device, verdicts, frozenset(verdicts))
            asker.go(plan(notebook, release), lambda id, verdict: store.put(keys[id], verdict) if store else None)
            problems += session.problems
    provenance = {
        **rests_on,
        "learner": learner,
        "seeds": seeds,
        "from the store": known,
        "seconds": round(time.monotonic() - began, 3),
    }
    return Judged(
        metadata.lesson(release), version, {id: verdicts[id] for id in points}, points, provenance, tuple(problems)
    )


class _Asker:
    """Goes through the steps of a plan and keeps the better verdict of each check."""

    def __init__(
        self,
        session: Session,
        seeds: dict[str, int],
        device: str,
        verdicts: dict[str, Verdict],
        settled: frozenset[str],
    ):
        self.session, self.seeds, self.device, self.verdicts, self.settled = session, seeds, device, verdicts, settled

    def go(self, steps: list[Run | Ask], keep: Callable[[str, Verdict], None]) -> None:
        """Run and ask in order; what is not fully right is asked once more behind the last cell."""
        asked_at: dict[str, int] = {}
        for position, step in enumerate(steps):
            if isinstance(step, Run):
                self.session.run(step)
            elif step.check not in self.settled:
                self._ask(step.check)
                asked_at[step.check] = position
        for id, position in asked_at.items():
            if self._may_change(id, steps[position:]):
                self._ask(id)
        for id in asked_at:
            keep(id, self.verdicts[id])

    def _may_change(self, id: str, later: list[Run | Ask]) -> bool:
        verdict = self.verdicts[id]
        sources = [step.source for step in later if isinstance(step, Run)]
        if verdict.right and verdict.credit == 1 or not sources:
            return False
        if verdict.ending.ends:  # it costs time: only if the answer is made anew later
            return any(re.search(rf"\b{re.escape(load(id).of)}\b", source) for source in sources)
        return True

    def _ask(self, id: str) -> None:
        check, before = load(id), self.verdicts.get(id)
        if before and before.right and before.credit == 1:
            return
        self.session.say(id)
        draw = Draw(self.seeds[id], device=self.device)

        verdict = self.session.ask(check, draw)
        if verdict.ending.ends and (lent := self._to_lend(check)):
            again = self.session.ask(check, draw, lent)
            verdict = verdict if again.ending.ends else again
        self.verdicts[id] = verdict if before is None else _better(before, verdict)

    def _to_lend(self, check: Check) -> dict[str, str]:
        """The needed exercises that are known to be wrong: what ended the process may be theirs."""
        needed = [load(id) for id in check.needs if id in self.verdicts and not self.verdicts[id].right]
        return {one.of: one.id for one in needed if one.standin is not None}


def _better(one: Verdict, other: Verdict) -> Verdict:
    def worth(verdict: Verdict) -> tuple[float, int]:
        return verdict.points(1.0), -_TELLING.index(verdict.status)

    return other if worth(other) > worth(one) else one


def files_beside(folder: Path | None, limits: Limits) -> tuple[tuple[tuple[str, Path], ...], list[str]]:
    """The plain files below a folder but notebooks, links, hidden ones and nbgrader's, as (name, file); and what was left out, a line each."""
    if folder is None or not folder.is_dir():
        return (), []
    found, problems, total = [], [], 0
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in name.parts)
        linked = any((folder / part).is_symlink() for part in (name, *name.parents))
        if hidden or linked or not file.is_file() or file.suffix == ".ipynb" or file.name in _NBGRADERS:
            continue
        total += file.stat().st_size
        if total > limits.files or len(found) == 500:
            problems.append(f"{name} and what follows was left out: more files beside the notebook than are judged")
            break
        found.append((name.as_posix(), file))
    return tuple(found), problems


@cache
def versions() -> dict[str, str]:
    """What a verdict's numbers may depend on."""

    def version(package: str) -> str:
        try:
            return installed(package)
        except PackageNotFoundError:
            return "source"

    names = ("bptt-course", "torch", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
