"""A prediction is one statement: any honest commitment is right, and the card says how it turned out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny
from autograder.checking.spec import Check, Finding, LearnerFailed, Noted, check
from autograder.checking.student import Student

Turnout = Callable[
    [Any], tuple[Any, str] | None
]  # the guess -> what is true, and why; or nothing before the experiment
LATER = "Your guess is noted. The experiment below shows how it turns out."


def prediction(
    id: str,
    of: str,
    *,
    between: tuple[float, float] | None = None,
    whole: bool = False,
    options: Sequence[str] = (),
    within: float = 0.0,
    times: float = 1.0,
    close: float = 0.0,
) -> Callable[[Turnout], Check]:
    """Register `outcome(guess)`, which gives what is true and why, as the check `id` of the learner's variable `of`.

    If it gives None, the card tells nothing, so that the experiment can. Its docstring is the claim. The guess is a number `between` two others, perhaps a `whole` one, or one of `options`. It holds if it
    is what is true; a number also if it lies `within` that distance of it, or is off by less than a factor of `times`. One that does
    not hold is close if it is at most `close` away.
    """

    def register(outcome: Turnout) -> Check:
        def body(student: Student, draw: Draw) -> Noted:
            guess: Any = _committed(student, of, *between, whole) if between else _chosen(student, of, options)
            told = outcome(guess)
            if told is None:
                return Noted(LATER)
            true, why = told
            holds = guess == true or between and (abs(guess - true) <= within or true / times < guess < true * times)
            almost = between and abs(guess - true) <= close
            return Noted(f"{'It holds' if holds else 'Close' if almost else 'It turns out otherwise'}: {why}")

        body.__doc__, body.__module__ = outcome.__doc__, outcome.__module__
        return check(id, of, hygiene=False)(body)

    return register


def _committed(student: Student, name: str, low: float, high: float, whole: bool) -> float:
    """The number between `low` and `high` that the learner has written into the variable `name`.

    Raises LearnerFailed while it is None, and Wrong for anything that is no such number.
    """
    guess = student.value(name)
    asked = f"a {'whole ' if whole else ''}number between {low:g} and {high:g}"
    if guess is None:
        summary = f"`{name}` is still None"
        raise LearnerFailed("missing", Finding("missing", summary, "", (f"Write down what you expect: {asked}.",)))
    if isinstance(guess, Tensor) and guess.numel() == 1:
        guess = guess.item()
    if isinstance(guess, bool) or not isinstance(guess, int | float):
        clue = "A prediction is one number, without quotes."
        deny("no-number", f"`{name}` is {describe(guess)}; expected {asked}", clue)
    if not math.isfinite(guess) or not low <= guess <= high:
        clue = "Read again what is asked for, and commit to a number that it can be."
        deny("out-of-range", f"`{name}` is {guess:g}; expected {asked}", clue)
    if whole and guess != int(guess):
        clue = "Something is counted here. Write a whole number, without a fraction."
        deny("not-whole", f"`{name}` is {guess:g}; expected {asked}", clue)
    return guess


def _chosen(student: Student, name: str, options: Sequence[str]) -> str:
    """The one of `options` that the learner has written into the variable `name`; capitals and blanks do not matter.

    Raises LearnerFailed while it is None, and Wrong for anything else.
    """
    guess = student.value(name)
    asked = "one of " + ", ".join(map(repr, options))
    if guess is None:
        summary = f"`{name}` is still None"
        raise LearnerFailed("missing", Finding("missing", summary, "", (f"Commit to {asked}.",)))
    said = " ".join(guess.lower().split()) if isinstance(guess, str) else None
    found = [option for option in options if option.lower() == said]
    if not found:
        deny("no-option", f"`{name}` is {describe(guess)}; expected {asked}", "Copy one of the options, in quotes.")
    return found[0]
