"""One submission's child through crashes: it is started again, and runs its cells again but for the one that ended it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autograder.checking.draw import Draw
from autograder.checking.run import Standins, judge_alone, judge_with, lend
from autograder.checking.spec import Check, Status, Verdict
from autograder.judge.plan import Run
from autograder.judge.sandbox import Inside, Sandbox
from autograder.judge.transport import Child, Ended, Patient

LONGEST = 2**20  # characters of a cell
PATIENCE = 5.0  # seconds that a check has however many others have run out of time


class Session:
    """The cells that have run so far, in a child that may have to be replaced."""

    def __init__(
        self,
        sandbox: Sandbox,
        inside: Inside,
        say: Callable[[str], None] = lambda line: None,
        like: Session | None = None,
    ):
        self.sandbox, self.inside, self.limits, self.say = sandbox, inside, inside.limits, say
        self.problems: list[str] = like.problems if like else []  # what the same cells do is said once
        # How cells ended that did not end well, by label: "raised ZeroDivisionError: …".
        self.failed: dict[str, tuple[Status, str]] = like.failed if like else {}
        self._cells: list[Run] = list(like._cells) if like else []  # that have run so far, in order
        # Cells that ended a child: they are not run again.
        self._poisoned: set[int] = set(like._poisoned) if like else set()
        self._tried_again: set[int] = set()
        self._endless: list[str] = like._endless if like else []  # checks that ran out of time
        self._child: Child | None = None
        self._until: float = like._until if like else time.monotonic() + self.limits.submission

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._child is not None:
            self._child.close()

    def run(self, cell: Run) -> None:
        """Run one more cell; one that ends the process, or never ends, is noted and costs nothing but itself."""
        self._cells.append(cell)
        if self._child is not None and self._child.alive:
            self._run(len(self._cells) - 1)
        # else: it is run when a child is needed next

    def ask(self, check: Check, draw: Callable[[], Draw], lent: Standins | None = None) -> Verdict:
        """The verdict on a check in a child in which all cells have run; with `lent`, on right stand-ins for these names.

        A child may speak out of turn because of what was asked before, and be killed by whoever rules this machine: then another one is
        asked, with another draw.
        """
        verdict = self._ask(check, draw(), lent)
        if verdict.status == "timeout":
            self._endless.append(check.id)
        if verdict.status == "crashed" and self._child is not None and self._child.doubtful:
            verdict = self._ask(check, draw(), lent)
        return verdict

    def apart(self) -> Session:
        """Another session with the same cells, in a child of its own: nothing that happened here is known there."""
        return Session(self.sandbox, self.inside, self.say, self)

    # -------------------------------------------------------------------------------------- inside

    def _ask(self, check: Check, draw: Draw, lent: Standins | None) -> Verdict:
        try:
            patient = Patient(self._ready(), self._seconds, self._elsewhere)
        except Ended as ended:
            return Verdict(check.id, ended.status, check.claim, check.of, ended.finding)
        sources = [cell.source for cell in self._cells]
        if lent is not None:
            return judge_with(lent, check, patient, draw, sources)
        return judge_alone(check, patient, draw, sources)

    @contextmanager
    def _elsewhere(self, check: Check) -> Iterator[Patient]:
        """A second child, for the rest of a check that goes on where nothing is known of its beginning."""
        with self.apart() as other:
            patient = Patient(other._ready(), other._seconds, other._elsewhere)
            patient.begin(check)
            yield patient

    def _ready(self) -> Child:
        """A living child in which every cell that can be run has been run."""
        while self._child is None or not self._child.alive:
            if self._left() <= 0:
                raise Ended("timeout", f"the submission has had its {self.limits.submission:g} s")
            self._child = Child(self.sandbox, self.inside, lend)
            for number in range(len(self._cells)):
                if number not in self._poisoned and self._child.alive:
                    self._run(number)
        return self._child

    def _run(self, number: int) -> None:
        assert self._child is not None
        cell = self._cells[number]
        if len(cell.source) > LONGEST:
            self._poisoned.add(number)
            self._note(f"{cell.label} was not run: it has more than {LONGEST // 2**20} million characters")
            return
        self._child.allow(min(self.limits.cell, self._left()), cell.label)
        try:
            reply = self._child.ask({"do": "run", "source": cell.source})
        except Ended as ended:
            if self._child.doubtful and number not in self._tried_again:
                self._tried_again.add(number)  # in the next child, where nothing has been asked before
                return
            self._poisoned.add(number)
            self._fail(cell, ended.status, f"was not finished: {ended.finding.summary}")
            return
        raised = reply["value"] if reply["ok"] else reply["summary"]  # not ok: Python could not even read the cell
        if isinstance(raised, str) and raised and "NotImplementedError" not in raised:
            self._fail(cell, "error", f"raised {raised[:200]}")

    def _fail(self, cell: Run, status: Status, how: str) -> None:
        self.failed[cell.label] = (status, how)
        self._note(f"{cell.label} {how}")

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
            self.say(problem)

    def _seconds(self, check: Check) -> float:
        """What a check may take: less and less where endless loops are many, so that all of them cost little more than one."""
        deadline = min(check.deadline, self.limits.check)
        patience = max(PATIENCE, deadline / 2 ** len(self._endless))
        return float(min(deadline, patience, self._left()))

    def _left(self) -> float:
        return self._until - time.monotonic()
