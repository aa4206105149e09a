"""`check()` and `progress()` in a notebook: the verdict as a card, and a one-line error when it is not right."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograder.beside.afresh import Remembered
from autograder.beside.beside import Beside
from autograder.beside.observers import of_this_process
from autograder.checking import card, run
from autograder.checking.draw import Draw, open_seed
from autograder.checking.spec import CheckError, Verdict
from autograder.lessons import load


class CheckFailed(AssertionError):
    """A check did not pass. A notebook shows this as one line; the card above it says the rest."""

    def _render_traceback_(self) -> list[str]:
        return [f"CheckFailed: {self}"]


class UnknownCheck(ValueError):
    """There is no check with this id; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return [f"UnknownCheck: {self}"]


class Here(Beside):
    """The learner's code in this process: a transport that is a function call."""

    def begin(self, check: object) -> None:
        """As before, and remember the learner's variables."""
        super().begin(check)
        self._before = Remembered(self.names)

    @contextmanager
    def apart(self) -> Iterator[Here]:
        """There is no other process: the variables are as they were when the check began, and nothing is kept."""
        self._before.put_back()
        self.objects.clear()
        yield self


VERDICTS: dict[str, Verdict] = {}  # the last verdict of each check in this session


def check(id: str, seed: int | None = None) -> None:
    """Check the exercise `id` in this notebook: show a card, and raise CheckFailed unless it is right.

    With `seed` the check draws other numbers. `BPTT_DEVICE` (cpu, cuda, mps) chooses the device, by default the CPU.
    """
    names = sys._getframe(1).f_globals
    try:
        verdict = judge_here(id, names, _cells(names), seed)
    except CheckError as error:
        raise UnknownCheck(str(error)) from None
    VERDICTS[id] = verdict
    _show(verdict)
    if not verdict.right:
        raise CheckFailed(card.headline(verdict)) from None


def judge_here(id: str, names: dict[str, Any], cells: list[str], seed: int | None = None) -> Verdict:
    """The verdict of check `id` on the names of this process; the transport is a function call."""
    found = load(id)
    draw = Draw(open_seed(id) if seed is None else seed, device=os.environ.get("BPTT_DEVICE", "cpu"))
    return run.run_check(found, Here(names, lend=of_this_process().aside(run.lend)), draw, cells)


def progress() -> None:
    """Show how every check of this session ended."""
    lines = [card.headline(verdict) for verdict in VERDICTS.values()] or [
        "Nothing has been checked in this session yet."
    ]
    noted = sum(verdict.noted for verdict in VERDICTS.values())
    right = sum(verdict.right for verdict in VERDICTS.values()) - noted
    also = f", and {noted} prediction{'' if noted == 1 else 's'} noted" if noted else ""
    print("\n".join([*lines, f"Right so far: {right} of {len(VERDICTS) - noted} checked{also}."]))


def _cells(names: dict[str, Any]) -> list[str]:
    """The sources of all cells that have run, in order; empty outside IPython."""
    return [source for source in names.get("In", ()) if source]


def _show(verdict: Verdict) -> None:
    if "IPython" in sys.modules:
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is not None:
            display({"text/html": card.html(verdict), "text/plain": card.text(verdict)}, raw=True)
            return
    print(card.text(verdict))
