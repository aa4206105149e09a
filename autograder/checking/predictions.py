"""A prediction is one statement: any honest commitment is right, and the experiment that follows replies to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny
from autograder.checking.spec import Check, Finding, LearnerFailed, Noted, check
from autograder.checking.student import Student

NOTED = Noted("Your guess is noted. The experiment below shows how it turns out.")


def prediction(
    id: str, of: str, *, between: tuple[float, float] | None = None, whole: bool = False, options: Sequence[str] = ()
) -> Callable[[Callable[[], None]], Check]:
    """Register a function that has a docstring only, the claim, as the check `id` of the learner's variable `of`.

    What counts is a number `between` two others, perhaps a `whole` one, or one of `options`. What is true is not known
    here: the experiment measures it, and `bptt.experiment.reply` prints it beside the guess.
    """

    def register(claim: Callable[[], None]) -> Check:
        def body(student: Student, draw: Draw) -> Noted:
            if between:
                _number(student, of, *between, whole)
            else:
                _option(student, of, options)
            return NOTED

        body.__doc__, body.__module__ = claim.__doc__, claim.__module__
        return check(id, of, hygiene=False)(body)

    return register


def _number(student: Student, name: str, low: float, high: float, whole: bool) -> None:
    """See that the learner's variable `name` is a number between `low` and `high`.

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


def _option(student: Student, name: str, options: Sequence[str]) -> None:
    """See that the learner's variable `name` is one of `options`; capitals and blanks do not matter.

    Raises LearnerFailed while it is None, and Wrong for anything else.
    """
    guess = student.value(name)
    asked = "one of " + ", ".join(map(repr, options))
    if guess is None:
        summary = f"`{name}` is still None"
        raise LearnerFailed("missing", Finding("missing", summary, "", (f"Commit to {asked}.",)))
    said = " ".join(guess.lower().split()) if isinstance(guess, str) else None
    if said not in [option.lower() for option in options]:
        deny("no-option", f"`{name}` is {describe(guess)}; expected {asked}", "Copy one of the options, in quotes.")
