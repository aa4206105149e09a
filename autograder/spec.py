"""What a check, a finding, a slip and a verdict are, and where checks are registered.

Errors, one for each reader::

    Exception
    ├── Wrong          the learner's answer is wrong; carries a Finding
    ├── LearnerFailed  the learner's code raised, vanished, hung or cannot be sent; carries a status and a Finding
    └── CheckError     the check itself is at fault: an unknown id, a broken body (for the author)
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

# Every way in which a check can end. "right" is the only one that earns points, scaled by `credit`.
STATUSES = (
    "right",  # every case as expected
    "wrong",  # an answer came back and it is not the right one
    "missing",  # the name is not defined, or still the stub
    "error",  # the learner's code raised
    "forbidden",  # the answer uses a means that the exercise rules out
    "look",  # a person should look: the code hides what it does
    "timeout",  # no answer within the check's deadline
    "crashed",  # the learner's process ended
    "unsendable",  # the answer is of a kind that cannot be judged
    "broken",  # our own check failed; never the learner's fault
)


@dataclass(frozen=True)
class Finding:
    """What is wrong: the sign it was recognised by, one line of facts, where, and clues that lead out."""

    sign: str  # id of the mistake, e.g. "shape" or "no-local-factor"; several joined by " + "
    summary: str  # one line: what came back and what was expected
    where: str = ""  # tensor, time step, entry
    clues: tuple[str, ...] = ()  # what it looks like, and the question that leads out of it


@dataclass(frozen=True)
class Verdict:
    """How one check ended for one submission."""

    check: str
    status: str
    claim: str = ""
    call: str = ""  # the call that went wrong, as the learner would write it
    finding: Finding | None = None
    notes: tuple[str, ...] = ()  # remarks that belong to a right answer too
    credit: float = 1.0  # share of the points, for a right answer in bands
    noted: bool = False  # a prediction: any commitment earns the point, whether it holds or not

    @property
    def right(self) -> bool:
        return self.status == "right"

    def points(self, maximum: float) -> float:
        """Points out of `maximum`: the credit if right, else 0."""
        return maximum * self.credit if self.right else 0.0


class Noted(str):
    """What a body returns for a prediction: the note, under a heading that does not call the guess right."""


class Wrong(Exception):
    """The learner's answer is wrong."""

    def __init__(self, finding: Finding):
        super().__init__(finding.summary)
        self.finding = finding


class LearnerFailed(Exception):
    """The learner's code did not give an answer: `status` is one of STATUSES."""

    def __init__(self, status: str, finding: Finding):
        super().__init__(finding.summary)
        self.status, self.finding = status, finding


class CheckError(Exception):
    """The check is at fault, not the learner; the message says what the author or caller can do."""


@dataclass(frozen=True)
class Slip:
    """A mistake that learners make: a switch in a Reference. `says` what it looks like; `asks` the way out."""

    id: str
    says: str
    asks: str


class Reference:
    """One computation with a switch for each slip: `compute(slips, *args)` tests `"id" in slips`.

    Without slips it gives the right value; with one it gives what that mistake would give.
    """

    def __init__(self, compute: Callable[..., Any], slips: Sequence[Slip]):
        self.compute, self.slips = compute, {slip.id: slip for slip in slips}
        self.name = compute.__name__
        if len(self.slips) != len(slips):
            raise CheckError(f"{self.name}: two slips have the same id")

    def __call__(self, *args: Any, slips: Iterable[str] = ()) -> Any:
        """The value that these slips give together."""
        chosen = frozenset(slips)
        if unknown := chosen - set(self.slips):
            raise CheckError(f"{self.name} has no slip named {', '.join(sorted(unknown))}")
        return self.compute(chosen, *args)

    def on(self, *args: Any, **options: Any) -> Suspects:
        """The reference on these inputs, ready to explain an answer."""
        return Suspects(self, args, **options)


@dataclass(frozen=True)
class Suspects:
    """A Reference bound to the inputs of one case; `pick` takes from its value what is compared."""

    reference: Reference
    args: tuple[Any, ...]
    pick: Callable[[Any], Any] = lambda value: value

    def value(self, slips: Iterable[str]) -> Any:
        return self.pick(self.reference(*self.args, slips=slips))


def reference(*slips: Slip) -> Callable[[Callable[..., Any]], Reference]:
    """Turn `compute(slips, *args)` into a Reference with these slips."""
    return lambda compute: Reference(compute, slips)


@dataclass(frozen=True)
class Check:
    """An exercise's check; made by `@check`, found by `load`."""

    id: str
    of: str  # the learner's name that it judges
    body: Callable[[Any, Any], Any]
    needs: tuple[str, ...] = ()  # ids of checks whose exercises this one builds on
    standin: Callable[..., Any] | None = None  # a right answer, lent to dependent checks while they are judged
    forbid: tuple[str, ...] = ()  # names of rules in rules.py
    deadline: float = 20.0  # seconds for the whole body in grading
    hygiene: bool = True  # whether a right answer is run once more on a pretended GPU
    lesson: str = field(default="")

    @property
    def claim(self) -> str:
        """What is claimed of a right answer: the body's docstring, on one line."""
        return " ".join((self.body.__doc__ or "").split())


CHECKS: dict[str, Check] = {}


def check(id: str, of: str, **options: Any) -> Callable[[Callable[..., Any]], Check]:
    """Register `body(student, draw)` as the check `id` of the learner's `of`.

    The id begins with the stem of the module that holds it: `shared-gradients-bptt` is in `checks/shared_gradients.py`.
    A body returns None, or a credit between 0 and 1, or a string: a note for the card (or a pair of both).
    """

    def register(body: Callable[..., Any]) -> Check:
        lesson = body.__module__.rpartition(".")[2]
        if not id.startswith(lesson.replace("_", "-") + "-"):
            raise CheckError(
                f"the check {id!r} stands in {lesson}.py, so its id must begin with {lesson.replace('_', '-')}-"
            )
        if id in CHECKS and CHECKS[id].body.__code__.co_filename != body.__code__.co_filename:
            raise CheckError(f"two checks are called {id!r}")
        if not body.__doc__:
            raise CheckError(f"the check {id!r} has no docstring: it is the claim that the check tests")
        made = Check(id, of, body, lesson=lesson, **options)
        CHECKS[id] = made
        return made

    return register


def lessons() -> list[str]:
    """The stems of all lessons that have checks, e.g. `unrolled_graph`."""
    import autograder.checks

    return sorted(module.name for module in pkgutil.iter_modules(autograder.checks.__path__))


def load(id: str) -> Check:
    """The check with this id; its module is imported on first use."""
    if id not in CHECKS:
        for lesson in sorted(lessons(), key=len, reverse=True):
            if id.startswith(lesson.replace("_", "-") + "-"):
                importlib.import_module(f"autograder.checks.{lesson}")
                break
    if id not in CHECKS:
        raise CheckError(unknown_id(id))
    return CHECKS[id]


def load_lesson(lesson: str) -> list[Check]:
    """All checks of a lesson, in the order in which its module states them."""
    importlib.import_module(f"autograder.checks.{lesson}")
    return [check for check in CHECKS.values() if check.lesson == lesson]


def unknown_id(id: str) -> str:
    """One line that says which id was probably meant."""
    import difflib

    known = [check.id for lesson in lessons() for check in load_lesson(lesson)]
    near = difflib.get_close_matches(id, known, n=1)
    return f"there is no check called {id!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def with_note(verdict: Verdict, note: str) -> Verdict:
    """The same verdict with one more remark."""
    return replace(verdict, notes=(*verdict.notes, note))
