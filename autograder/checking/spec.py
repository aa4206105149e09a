"""Check, Finding, Slip and Verdict, what each status means, and the registry of checks.

Errors, one for each reader::

    Exception
    ├── Wrong          the learner's answer is wrong; carries a Finding
    ├── LearnerFailed  the learner's code gave no answer; carries a status and a Finding
    └── CheckError     the check itself is at fault: an unknown id, a broken body (for the author)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from autograder.checking.draw import Draw
    from autograder.checking.student import Student

from autograder import house
from autograder.checking.picture import Picture
from autograder.checking.recall import recalled

Status = Literal[
    "right", "look", "wrong", "forbidden", "error", "unsendable", "timeout", "crashed", "missing", "broken"
]


@dataclass(frozen=True)
class Ending:
    """What a status means."""

    head: str  # what the card calls it
    earns: bool = False  # points, scaled by the verdict's credit
    awaits: bool = False  # a person: there is no score until someone has looked
    ends: bool = False  # the learner's process is gone
    read: bool = False  # from the text of the answer: no stand-in changes it
    kept: bool = True  # by the store; if not, the next run may end differently
    called: bool = False  # the card shows the call that went wrong
    stub: bool = False  # what is handed out may end so
    odd: bool = False  # neither the learner's success nor their mistake


# In order: of two verdicts on one check, the one whose status comes first says more.
ENDINGS: dict[Status, Ending] = {
    "right": Ending("right", earns=True),
    "look": Ending("a person should look at this", awaits=True, read=True, odd=True),  # the code hides what it does
    "wrong": Ending("not yet", called=True, stub=True),  # an answer came back, but not the right one
    "forbidden": Ending("uses something this exercise rules out"),
    "error": Ending("your code raised an error", called=True, stub=True),
    "unsendable": Ending("the answer cannot be judged"),  # a value that cannot cross the wire
    "timeout": Ending("no answer in time", ends=True, called=True),
    "crashed": Ending("the process ended", ends=True, called=True),
    "missing": Ending("not written yet", stub=True),  # the name is undefined, or the stub is still there
    "broken": Ending("the check itself failed", awaits=True, kept=False, odd=True),  # never the learner's fault
}


@dataclass(frozen=True)
class Finding:
    """What is wrong: the sign it was recognised by, one line of facts, where, and clues that lead to the fix."""

    sign: str  # id of the mistake, e.g. "shape" or "no-local-factor"; several joined by " + "
    summary: str  # one line: what came back and what was expected
    where: str = ""  # tensor, time step, entry
    clues: tuple[str, ...] = ()  # what it looks like, and a question that leads to the fix
    picture: Picture | None = None  # the shape of the error


@dataclass(frozen=True)
class Clue:
    """A sign by its id, what it says, and the question that leads out."""

    sign: str
    says: str


@dataclass(frozen=True)
class Verdict:
    """How one check ended for one submission."""

    check: str
    status: Status
    claim: str = ""
    call: str = ""  # the call that went wrong, as the learner would write it
    finding: Finding | None = None
    notes: tuple[str, ...] = ()  # remarks, on a right answer too
    credit: float = 1.0  # share of the points, where right answers are graded in bands
    seed: str = ""  # of the hidden draw, in hexadecimal
    noted: bool = False  # a prediction: any commitment earns the point, whether it holds or not

    @property
    def right(self) -> bool:
        return self.status == "right"

    @property
    def ending(self) -> Ending:
        """What the status means."""
        return ENDINGS[self.status]

    def points(self, maximum: float) -> float:
        """Points out of `maximum`: the credit if the status earns any, else 0."""
        return maximum * self.credit if self.ending.earns else 0.0


class Noted(str):
    """What a body returns for a prediction: the note, under a heading that does not call the guess right."""


class Wrong(Exception):
    """The learner's answer is wrong."""

    def __init__(self, finding: Finding):
        super().__init__(finding.summary)
        self.finding = finding


class LearnerFailed(Exception):
    """The learner's code gave no answer: `status` says how it ended."""

    def __init__(self, status: Status, finding: Finding):
        super().__init__(finding.summary)
        self.status, self.finding = status, finding


class CheckError(Exception):
    """The check is at fault, not the learner; the message says what the author or caller can do."""


@dataclass(frozen=True)
class Slip:
    """A mistake that learners make, and a switch in a Reference: `says` describes it, `asks` leads to the fix."""

    id: str
    says: str
    asks: str
    once: bool = False  # not fixed by the arguments (a state is kept between calls): asking again cannot confirm it


class Reference:
    """One computation with a switch for each slip: `compute(slips, *args)` tests `"id" in slips`.

    Without slips it returns the right value; with one, what that mistake would return.
    """

    def __init__(self, compute: Callable[..., Any], slips: Sequence[Slip]):
        self.compute, self.slips = compute, {slip.id: slip for slip in slips}
        self.name = compute.__name__
        if len(self.slips) != len(slips):
            raise CheckError(f"{self.name}: two slips have the same id")

    def __call__(self, *args: Any, slips: Iterable[str] = ()) -> Any:
        """The value that these slips produce together."""
        chosen = frozenset(slips)
        if unknown := chosen - set(self.slips):
            raise CheckError(f"{self.name} has no slip named {', '.join(sorted(unknown))}")
        return recalled(self.compute, chosen, args)

    def on(self, *args: Any, **options: Any) -> Suspects:
        """The reference on these inputs, ready to explain an answer."""
        return Suspects(self, args, **options)


@dataclass(frozen=True)
class Suspects:
    """A Reference bound to the inputs of one case; `pick` selects the part of its value that is compared."""

    reference: Reference
    args: tuple[Any, ...]
    mode: str = ""  # in which the learner's function was called: what is mistaken in one may be right in another
    pick: Callable[[Any], Any] = lambda value: value

    @property
    def name(self) -> str:
        return f"{self.reference.name} {self.mode}".rstrip()

    def value(self, slips: Iterable[str]) -> Any:
        """What these slips give together; computed once for the same inputs while it is `remembered`."""
        return self.pick(self.reference(*self.args, slips=slips))

    def value_or_none(self, slips: Iterable[str]) -> Any:
        """The same, or None: some mistakes, or pairs of them, cannot be computed on this case."""
        try:
            return self.value(slips)
        except (RuntimeError, IndexError, ValueError):
            return None


def reference(*slips: Slip) -> Callable[[Callable[..., Any]], Reference]:
    """Turn `compute(slips, *args)` into a Reference with these slips."""
    return lambda compute: Reference(compute, slips)


Outcome = float | str | tuple[float, str] | None  # a credit between 0 and 1, a note for the card, or both
Body = Callable[["Student", "Draw"], Outcome]


@dataclass(frozen=True)
class Check:
    """An exercise's check; made by `@check`, found by `load`."""

    id: str
    of: str  # the learner's function or variable that it judges
    body: Body
    needs: tuple[str, ...] = ()  # ids of checks whose exercises this one builds on
    standin: Callable[..., Any] | None = None  # a right answer, lent to dependent checks while they are judged
    forbid: tuple[str, ...] = ()  # names of rules in rules.py
    exact: Callable[[Student, Draw], tuple[Any, Any]] | None = None  # (student, draw) -> one float64 case: (got, want)
    deadline: float = 20.0  # seconds for the whole body in grading
    hygiene: bool = True  # whether a right answer is run once more on a pretend GPU
    lesson: str = ""

    @property
    def claim(self) -> str:
        """What is true of a right answer: the body's docstring, on one line."""
        return " ".join((self.body.__doc__ or "").split())


CHECKS: dict[str, Check] = {}


def check(
    id: str,
    of: str,
    *,
    needs: tuple[str, ...] = (),
    standin: Callable[..., Any] | None = None,
    forbid: tuple[str, ...] = (),
    exact: Callable[[Student, Draw], tuple[Any, Any]] | None = None,
    deadline: float = 20.0,
    hygiene: bool = True,
) -> Callable[[Body], Check]:
    """Register `body(student, draw)` as the check `id` of the learner's `of`.

    The id begins with the name of the lesson's folder: `shared-gradients-bptt` is in `lessons/shared_gradients/checks.py`.
    A body returns None, or a credit between 0 and 1, or a string: a note for the card (or a pair of both).
    """

    def register(body: Body) -> Check:
        lesson = body.__module__.split(".")[-2]
        if not id.startswith(prefix := house.prefix(lesson)):
            raise CheckError(f"the check {id!r} is in lessons/{lesson}/, so its id must begin with {prefix}")
        if id in CHECKS and CHECKS[id].body.__code__.co_filename != body.__code__.co_filename:
            raise CheckError(f"two checks are called {id!r}")
        if {"autograd", "differences"} & set(forbid) and exact is None:
            raise CheckError(
                f"the check {id!r} rules out other derivatives, so it needs `exact`: a case to tell them by"
            )
        if not body.__doc__:
            raise CheckError(f"the check {id!r} has no docstring: it is the claim that the check tests")
        made = CHECKS[id] = Check(id, of, body, needs, standin, forbid, exact, deadline, hygiene, lesson)
        return made

    return register


def registered(id: str) -> Check:
    """A check whose lesson has been loaded, such as one that another check needs; CheckError if there is none."""
    if id not in CHECKS:
        raise CheckError(f"the check {id!r} is needed before its lesson was loaded, or its id is misspelt")
    return CHECKS[id]
