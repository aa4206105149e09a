"""Judges a submission: the learner's cells in a sandbox, each check of the release outside it, a verdict for every one."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder import metadata
from autograder.checking.draw import Draw, hidden_seed
from autograder.checking.run import lendable, told
from autograder.checking.spec import ENDINGS, CheckError, Finding, Verdict
from autograder.errors import OperatorError
from autograder.judge import store as stored
from autograder.judge.folders import below
from autograder.judge.limits import Limits
from autograder.judge.plan import Ask, Run, canonical, checks_of, plan
from autograder.judge.sandbox import Inside, Sandbox, choose
from autograder.judge.session import Session
from autograder.judge.store import Store
from autograder.judge.why import explained
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
    version = metadata.version(release)
    steps = plan(notebook, release)
    received = {
        "notebook": _sum(json.dumps(canonical(steps)).encode()),
        "files": {name: _sum(file.read_bytes()) for name, file in brought},
    }
    rests_on = {
        **received,
        "release": version,
        "limits": limits.plain(),
        "sandbox": sandbox.level,
        "device": device,
        "versions": versions(),
    }
    draws = _Draws(key, learner, _sum(json.dumps(received).encode()), device)
    keys, verdicts = _known(points, draws, rests_on, store)
    known = sorted(verdicts)
    whole = stored.sum_of(**rests_on)
    if len(verdicts) < len(points):
        with Session(sandbox, Inside(limits, brought, device), say) as session:
            settle = partial(_settle, verdicts, steps, session, keys, store)
            _Asker(session, draws, dict(verdicts), settle).go(steps)
            problems += session.problems
        if store:
            store.write(whole, session.problems)
    elif store:
        problems += store.read(whole) or []
    provenance = {
        **rests_on,
        "sandbox lacks": sandbox.lacks,
        "learner": learner,
        "seeds": {id: verdict.seed for id, verdict in verdicts.items()},
        "from the store": known,
        "seconds": round(time.monotonic() - began, 3),
    }
    return Judged(
        metadata.lesson(release), version, {id: verdicts[id] for id in points}, points, provenance, tuple(problems)
    )


def _settle(
    verdicts: dict[str, Verdict],
    steps: list[Run | Ask],
    session: Session,
    keys: dict[str, str],
    store: Store | None,
    verdict: Verdict,
) -> None:
    """Let a verdict stand: with the reason for it, and kept under its key."""
    verdict = verdicts[verdict.check] = explained(verdict, load(verdict.check).of, steps, session.failed)
    if store:
        store.put(keys[verdict.check], verdict)


def _known(
    ids: Iterable[str], draws: _Draws, rests_on: dict[str, Any], store: Store | None
) -> tuple[dict[str, str], dict[str, Verdict]]:
    """The store's key for each check that is here, and the verdicts that need no judging: kept ones, and on checks that are not here."""
    keys: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}
    for id in ids:
        try:
            keys[id] = stored.key(load(id), draws=f"{draws.seed(id, 0):x}", **rests_on)
        except CheckError as error:
            finding = Finding("broken", f"{error}; the release is of another version")
            verdicts[id] = Verdict(id, "broken", finding=finding)
        else:
            if store and (kept := store.get(keys[id])):
                verdicts[id] = kept
    return keys, verdicts


class _Draws:
    """The hidden numbers of one submission: other ones each time that a check is asked."""

    def __init__(self, key: bytes, learner: str, content: str, device: str):
        self._key, self._learner, self._content, self._device = key, learner, content, device
        self._askings: Counter[str] = Counter()

    def seed(self, check: str, asking: int) -> int:
        """The seed of the n-th asking of a check."""
        return hidden_seed(self._key, self._learner, check, self._content, asking)

    def next(self, check: str) -> Draw:
        """The draw for the next asking of a check."""
        self._askings[check] += 1
        return Draw(self.seed(check, self._askings[check] - 1), device=self._device)

    def last(self, check: str) -> str:
        """The seed of the last asking, as a verdict carries it."""
        return f"{self.seed(check, self._askings[check] - 1):064x}"


class _Asker:
    """Asks in an order in which nothing can be asked after it could have been learned.

    Round one: each check at its cell, and once more behind the last cell if it is not right by then, with nothing lent. Round
    two: what is not right and builds on other exercises that are not, with right stand-ins for these, each check in a process of
    its own, of which nothing else is asked.
    """

    def __init__(self, session: Session, draws: _Draws, settled: dict[str, Verdict], settle: Callable[[Verdict], None]):
        self.session, self.draws, self.settle = session, draws, settle
        self.verdicts = settled  # grows with what is asked

    def go(self, steps: list[Run | Ask]) -> None:
        """Run and ask in order, then ask again what may come out otherwise; `settle` hears each verdict that stands."""
        asked_at: dict[str, int] = {}
        for position, step in enumerate(steps):
            if isinstance(step, Run):
                self.session.run(step)
            elif step.check not in self.verdicts:
                self.verdicts[step.check] = self._ask(self.session, step.check)
                asked_at[step.check] = position
        for id, position in asked_at.items():
            if self._may_change(id, steps[position:]):
                self.verdicts[id] = _better(self.verdicts[id], self._ask(self.session, id))
        alone = dict(self.verdicts)
        for id in asked_at:
            if lent := self._to_lend(id, alone):
                with self.session.apart() as apart:
                    self.verdicts[id] = told(alone[id], self._ask(apart, id, lent))
            self.settle(self.verdicts[id])

    def _may_change(self, id: str, later: list[Run | Ask]) -> bool:
        verdict = self.verdicts[id]
        sources = [step.source for step in later if isinstance(step, Run)]
        if verdict.right or verdict.status == "forbidden" or not sources:  # forbidden means settle a check
            return False
        if verdict.ending.ends:  # it costs time: only if the answer is defined again later
            return any(re.search(rf"\b{re.escape(load(id).of)}\b", source) for source in sources)
        return True

    def _to_lend(self, id: str, alone: dict[str, Verdict]) -> dict[str, str]:
        """The exercises that a check which is not right builds on, and which are not right themselves."""
        verdict = alone[id]
        stub = verdict.finding is not None and verdict.finding.sign == "missing"  # the exercise's own: nothing helps
        if verdict.right or verdict.ending.read or stub:
            return {}
        every = verdict.status == "forbidden"  # perhaps by what it calls, in which case the answer itself is right
        return {one.of: one.id for one in lendable(load(id)) if one.id in alone and (every or not alone[one.id].right)}

    def _ask(self, session: Session, id: str, lent: dict[str, str] | None = None) -> Verdict:
        session.say(id)
        verdict = session.ask(load(id), lambda: self.draws.next(id), lent)
        return replace(verdict, seed=self.draws.last(id))


def _better(one: Verdict, other: Verdict) -> Verdict:
    def worth(verdict: Verdict) -> tuple[float, int]:
        return verdict.points(1.0), -_TELLING.index(verdict.status)

    return other if worth(other) > worth(one) else one


def files_beside(folder: Path | None, limits: Limits) -> tuple[tuple[tuple[str, Path], ...], list[str]]:
    """The plain files below a folder but notebooks, links, hidden ones and nbgrader's, as (name, file); and what was left out, a line each."""
    if folder is None or not folder.is_dir():
        return (), []
    found: list[tuple[str, Path]] = []
    problems: list[str] = []
    total = 0
    for file, shut in sorted((Path(entry), shut) for entry, shut in below(folder)):
        name = file.relative_to(folder)
        if shut:
            problems.append(f"{str(name)[:60]}… was left out: it lies too deep")
        hidden = any(part.startswith((".", "__pycache__")) for part in name.parts)
        linked = any((folder / part).is_symlink() for part in (name, *name.parents))
        if hidden or linked or not file.is_file() or file.suffix == ".ipynb" or file.name in _NBGRADERS:
            continue
        try:
            str(name).encode()
        except UnicodeEncodeError:
            problems.append(
                f"{str(name).encode(errors='replace').decode()} was left out: its name is not text in UTF-8"
            )
            continue
        total += file.stat().st_size
        if total > limits.files or len(found) + len(problems) == limits.number:
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
