"""Judges an answer through both transports, the notebook's and the sandbox's, and records disagreements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.checking import card, run
from autograder.checking.draw import Draw, open_seed
from autograder.checking.spec import Check, LearnerFailed, Verdict
from autograder.judge.limits import Limits
from autograder.judge.sandbox import Inside, Sandbox
from autograder.judge.transport import Child, Patient

# Judges answers: (check, sources of the cells in order) -> Verdict. One for each transport.
Judge = Callable[[Check, list[str]], Verdict]


class Sandboxed:
    """One child for many answers that we trust: each gets fresh names, but not a fresh process."""

    def __init__(self, sandbox: Sandbox, limits: Limits | None = None, files: tuple[tuple[str, Path], ...] = ()):
        self.sandbox, self.inside = sandbox, Inside(limits or Limits(), files)
        self._child: Child | None = None

    def __enter__(self) -> Sandboxed:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()

    def __call__(self, check: Check, sources: list[str]) -> Verdict:
        """The verdict on these cells, with the numbers that a notebook draws."""
        if self._child is None or not self._child.alive:
            self._child = Child(self.sandbox, self.inside, run.lend)
        child = self._child

        def patient() -> Patient:
            child.allow(self.inside.limits.cell, "a cell")
            child.ask({"do": "reset"})
            for source in sources:
                child.ask({"do": "run", "source": source})
            return Patient(child, lambda check: check.deadline, elsewhere)

        @contextmanager
        def elsewhere(check: Check) -> Iterator[Patient]:
            again = patient()
            again.begin(check)
            yield again

        try:
            first = patient()
        except LearnerFailed as failed:
            return Verdict(check.id, failed.status, check.claim, check.of, failed.finding)
        return run.run_check(check, first, Draw(open_seed(check.id)), sources)


class Twice:
    """Returns the first judge's verdict; `take` returns where the second one disagreed."""

    def __init__(self, first: Judge, second: Sandboxed):
        self.first, self.second = first, second
        self.judged = 0
        self._faults: list[str] = []

    def __call__(self, check: Check, sources: list[str]) -> Verdict:
        verdict, other = self.first(check, sources), self.second(check, sources)
        self.judged += 1
        if verdict != other:
            said = card.text(verdict), card.text(other)
            self._faults.append(f"the notebook and the sandbox disagree:\n{said[0]}\n  in the sandbox:\n{said[1]}")
            if said[0] == said[1]:
                self._faults.append(f"{verdict!r}\n{other!r}")
        return verdict

    def take(self) -> list[str]:
        """The disagreements since the last call."""
        faults, self._faults = self._faults, []
        return faults
