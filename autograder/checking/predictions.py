"""Predictions: any honest commitment is right; what is no commitment is sent back with the reason."""

from __future__ import annotations

import math

from torch import Tensor

from autograder.checking.describe import describe
from autograder.checking.expect import deny
from autograder.checking.spec import Finding, LearnerFailed, Noted
from autograder.checking.student import Student


def committed(student: Student, name: str, low: float, high: float, whole: bool = False) -> float:
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
        deny(
            "no-number",
            f"`{name}` is {describe(guess)}; expected {asked}",
            "A prediction is one number, without quotes.",
        )
    if not math.isfinite(guess) or not low <= guess <= high:
        deny(
            "out-of-range",
            f"`{name}` is {guess:g}; expected {asked}",
            "Read again what is asked for, and commit to a number that it can be.",
        )
    if whole and guess != int(guess):
        deny(
            "not-whole",
            f"`{name}` is {guess:g}; expected {asked}",
            "Something is counted here. Write a whole number, without a fraction.",
        )
    return guess


def chosen(student: Student, name: str, options: tuple[str, ...]) -> str:
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


def told(right: bool, why: str) -> Noted:
    """The note on the card: whether the prediction holds, and why."""
    return Noted(f"{'It holds' if right else 'It turns out otherwise'}: {why}")
