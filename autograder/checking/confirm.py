"""Whether a mistake that was named is the one that was made: it has to give the answer in every case, and on other sizes too.

All this is asked after a verdict is settled. It changes the message, never the points.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autograder.checking.compare import Axes, Difference, Names, differences, wrong_entries
from autograder.checking.recall import meanwhile
from autograder.checking.spec import Suspects


@dataclass(frozen=True)
class Guess:
    """Slips of one reference that together give an answer, or only the part of it that has this name."""

    reference: str
    slips: frozenset[str]
    part: str = ""


@dataclass
class Asking:
    """What the body of a check may name: nothing that was ruled out; what it named last; and guesses on trial."""

    ruled_out: set[Guess] = field(default_factory=set)
    named: list[Guess] = field(default_factory=list)
    trial: list[Guess] | None = None  # while they are tried, nothing that is compared raises
    silent: bool = False  # no mistake is named any more

    def may_name(self, guess: Guess) -> bool:
        """Whether this guess has not been ruled out, and is not unknown."""
        if (considered := _CONSIDERED.get()) is not None:
            considered |= guess.slips
        unknown = _UNKNOWN.get()
        # Not two at once either, or one for a part: these may be the unknown one in other words.
        if unknown is not None and (len(guess.slips) > 1 or guess.part or guess.slips & unknown):
            return False
        return not self.silent and guess not in self.ruled_out

    @property
    def may_name_several(self) -> bool:
        """Whether two mistakes at once, or one for a part of the answer, may be named at all."""
        return not self.silent and _UNKNOWN.get() is None


_NOW: ContextVar[Asking | None] = ContextVar("asking", default=None)
_UNKNOWN: ContextVar[frozenset[str] | None] = ContextVar("unknown", default=None)
_CONSIDERED: ContextVar[set[str] | None] = ContextVar("considered", default=None)


def now() -> Asking:
    """What is being asked; outside of a check, anything may be named."""
    return _NOW.get() or Asking()


def asking(this: Asking) -> AbstractContextManager[Asking]:
    """While a body runs, `expect` names and tries what `this` says."""
    return meanwhile(_NOW, this)


def unknown(slips: frozenset[str]) -> AbstractContextManager[object]:
    """Meanwhile no check names one of these, so that it can be seen what is said of a mistake that nobody has thought of."""
    return meanwhile(_UNKNOWN, slips)


def considering() -> AbstractContextManager[set[str]]:
    """Meanwhile the slips that might have been named are collected."""
    return meanwhile(_CONSIDERED, set())


def try_on(got: object, name: Names, axes: Axes, suspects: Suspects | None) -> None:
    """Rule out each guess on trial that does not give what came back in this case."""
    this = now()
    for guess in this.trial or () if suspects is not None else ():
        assert suspects is not None
        if guess.reference == suspects.name and guess not in this.ruled_out:
            value = suspects.value_or_none(guess.slips)
            if value is not None and _apart(got, value, name, axes, guess.part):
                this.ruled_out.add(guess)


# How far an answer may lie from what a mistake gives, relative to the largest entry. Once it was told to five digits; in a case where a
# mistake makes numbers explode, or slopes vanish, two ways of making it differ by more than their last digits.
NEAR = 1e-2


def _apart(got: object, value: object, name: Names, axes: Axes, part: str) -> bool:
    """Whether the answer, or this part of it, is another value: 0 for an empty sum, in place of a tensor, is none, nor is what overflows."""
    found = [one for one in differences(got, value, name, axes, NEAR) if one.sign != "type" and _where_finite(one)]
    return any(not part or one.name == part or _holds(one.name, part) for one in found)


def _where_finite(one: Difference) -> bool:
    """Whether two values differ where both are numbers: how far an overflow or a nan spreads depends on the order of operations."""
    got, want = (torch.as_tensor(value) if isinstance(value, float) else value for value in (one.got, one.want))
    if not isinstance(got, Tensor) or not isinstance(want, Tensor) or got.shape != want.shape:
        return True
    both = torch.isfinite(got) & torch.isfinite(want)
    return bool(wrong_entries(got[both], want[both], NEAR).any())


def _holds(name: str, part: str) -> bool:
    """Whether a difference under `name` concerns the part: structures differ before their parts do."""
    return part.startswith(f"{name}[")
