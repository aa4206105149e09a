"""The proof of a check: the solution passes, the stub fails, wrong answers are caught and named, right ones are accepted."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from autograder import metadata
from autograder.authoring import answers, release, source
from autograder.authoring.answers import Sample
from autograder.authoring.twice import Judge, Twice
from autograder.beside.cells import execute
from autograder.checking import card
from autograder.checking.spec import Check, Verdict
from autograder.errors import AuthorError
from autograder.notebook import judge_here

Report = Callable[[Check, str, str, Verdict], None]  # hears of each wrong and right answer: check, kind, label, verdict


@dataclass
class Proof:
    """What was found about one check."""

    lesson: str
    solution: bool = False
    stub_fails: bool = False
    mistakes: dict[str, int] = field(default_factory=lambda: {"total": 0, "caught": 0, "named": 0})
    variants: dict[str, int] = field(default_factory=lambda: {"total": 0, "accepted": 0})
    faults: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Program:
    """A lesson's code cells as (role, id, source), without experiments and checks."""

    name: str
    cells: tuple[tuple[str, str, str], ...]

    def sources(self, check: str = "", answer: str | None = None) -> list[str]:
        """The cells in order, with `answer` in place of the answer of `check`."""
        return [
            answer if answer is not None and role == "answer" and id == check else text for role, id, text in self.cells
        ]


@dataclass(frozen=True)
class Material:
    """Everything that the checks of a lesson are tried on."""

    solution: Program
    stub: Program
    wrong: tuple[Sample, ...]
    right: tuple[Sample, ...]


def material(script: Path, tests: Path) -> Material:
    """The solution of a lesson, its stubs, and the answers in the folder `tests` (answers.py)."""
    lesson, handed_out = source.read(script), release.notebooks(script)[1]
    solution = _program(lesson.name, ((cell.kind, cell.role or "", cell.id, cell.source) for cell in lesson.cells))
    keys = ((cell, metadata.key(cell) or ("", "")) for cell in handed_out.cells)
    stub = _program(lesson.name, ((cell.cell_type, *key, cell.source) for cell, key in keys))
    own = {cell.id: cell.source for cell in lesson.cells if cell.role == "answer"}
    given = Material(solution, stub, tuple(answers.wrong(tests, own)), tuple(answers.right(tests)))
    for sample in (*given.wrong, *given.right):
        if sample.of not in own:
            near = difflib.get_close_matches(sample.of, own, n=1)
            remedy = f"Did you mean {near[0]}" if near else f"There are: {', '.join(own)}"
            raise AuthorError(tests, f"an answer {sample.label} is for {sample.of}, which is no exercise here", remedy)
    return given


def _program(name: str, cells: Iterable[tuple[str, str, str, str]]) -> Program:
    left_out = ("experiment", "check", "fails")
    return Program(name, tuple(cell[1:] for cell in cells if cell[0] == "code" and cell[1] not in left_out))


def in_notebook(check: Check, sources: list[str]) -> Verdict:
    """Judge as a notebook does: with the names of this process, through a function call."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # what an answer prints is not our output
        for number, text in enumerate(sources, 1):
            with suppress(Exception):  # as in Jupyter, the next cell still runs
                execute(text, names, f"cell {number}")
        return judge_here(check.id, names, sources)


def prove(check: Check, given: Material, judge: Judge, report: Report) -> Proof:
    """Try one check on all answers there are for it."""
    proof, solution = Proof(given.solution.name[:2]), given.solution
    if check.id not in {id for role, id, _ in solution.cells if role == "answer"}:
        proof.faults.append(f"no answer cell in the lesson has the id {check.id}")
    verdict = judge(check, solution.sources())
    proof.solution = verdict.right
    if not verdict.right:
        proof.faults.append("the solution does not pass:\n" + card.text(verdict))
    verdict = judge(check, given.stub.sources())
    proof.stub_fails = not verdict.right
    if verdict.status not in ("missing", "wrong", "error"):
        proof.faults.append(f"the stub ends as {verdict.status!r}")
    for sample, verdict in _judged(given.wrong, check, solution, judge):
        report(check, "mistake", sample.label, verdict)
        sign = verdict.finding.sign if verdict.finding else verdict.status
        proof.mistakes["total"] += 1
        proof.mistakes["caught"] += not verdict.right
        proof.mistakes["named"] += sign == sample.label
        if sign != sample.label:
            proof.faults.append(f"the wrong answer {sample.label!r} gets {sign!r}:\n" + card.text(verdict))
    for sample, verdict in _judged(given.right, check, solution, judge):
        report(check, "variant", sample.label, verdict)
        proof.variants["total"] += 1
        proof.variants["accepted"] += verdict.right
        if not verdict.right:
            proof.faults.append(f"the right variant {sample.label!r} is refused:\n" + card.text(verdict))
    if isinstance(judge, Twice):
        proof.faults += judge.take()
    return proof


def _judged(
    samples: Sequence[Sample], check: Check, solution: Program, judge: Judge
) -> Iterator[tuple[Sample, Verdict]]:
    for sample in samples:
        if sample.of == check.id:
            yield sample, judge(check, solution.sources(check.id, sample.source))


def as_generated(script: Path, notebooks: Path) -> bool:
    """Whether the committed notebook of a lesson is, byte for byte, what its source makes."""
    committed = notebooks / f"{script.stem}.ipynb"
    return committed.exists() and committed.read_bytes() == release.released(script)
