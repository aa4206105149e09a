"""What became of one submission, in one shape for every road: a line of the table, an entry of the JSON, a row of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from autograder import house
from autograder.checking import card
from autograder.checking.spec import Verdict

State = Literal[
    "graded",  # judged, or looked up, in this run; in a class, entered into the gradebook
    "as before",  # of a class: the gradebook has this very submission with these very verdicts
    "unreadable",  # no notebook of the lesson: 0 points, with the reason
    "failed",  # not graded, and without a score: the reason says what to do
]


@dataclass(frozen=True)
class Entry:
    """One submission: whose, how it ended, and what the checks said."""

    path: str
    learner: str
    state: State
    lesson: str = ""
    version: str = ""
    problem: str = ""  # one line that says why it was not read or graded
    score: float | None = None  # None if there is none: it was not graded
    of: float | None = None
    awaits: tuple[str, ...] = ()  # ids of checks and questions that a person has to decide
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    points: Mapping[str, float] = field(default_factory=dict)  # what each check is worth
    remarks: tuple[str, ...] = ()  # a line each: a cell that raised, a file that was left out, a penalty
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether the submission could be read and graded."""
        return self.state in ("graded", "as before")

    @property
    def seconds(self) -> float:
        """How long it was judged; 0 if all verdicts were known."""
        known = len(self.provenance.get("from the store", ())) == len(self.verdicts)
        return 0.0 if known else float(self.provenance.get("seconds", 0.0))

    @property
    def reasons(self) -> list[str]:
        """A line for the failure or for each check that is not right, and a single one for all that are not written."""
        if self.problem:
            return [self.problem, *(f"({said})" for said in self.remarks)]
        prefix = house.prefix(house.stem(self.lesson))
        verdicts = [replace(one, check=id.removeprefix(prefix)) for id, one in self.verdicts.items()]
        said = [card.headline(one) for one in verdicts if one.status != "missing" and (not one.right or one.credit < 1)]
        if missing := [one.check for one in verdicts if one.status == "missing"]:
            said.append(f"not written yet: {', '.join(missing)}")
        told = "\n".join(said)
        notes = [f"{one.check}: {note}" for one in verdicts if one.right and not one.noted for note in one.notes]
        return [*(said or ["all right"]), *notes, *(f"({remark})" for remark in self.remarks if remark not in told)]

    def plain(self) -> dict[str, Any]:
        """For JSON: the same keys whatever became of the submission."""
        return {
            "path": self.path,
            "learner": self.learner,
            "lesson": self.lesson,
            "version": self.version,
            "state": self.state,
            "problem": self.problem,
            "score": self.score,
            "of": self.of,
            "awaits": list(self.awaits),
            "checks": {
                id: {**asdict(verdict), "points": verdict.points(self.points[id]), "of": self.points[id]}
                for id, verdict in self.verdicts.items()
            },
            "problems": list(self.remarks),
            "provenance": dict(self.provenance),
        }


def exit_code(entries: Iterable[Entry]) -> int:
    """0 if every submission could be read and graded, else 1."""
    return int(not all(entry.well for entry in entries))
