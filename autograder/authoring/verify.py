"""The proof of a check: the solution passes, the stub fails, wrong answers are caught and named, right ones are accepted.

And of a mistake that the check does not know, it asserts none: each wrong answer is judged once more without its name.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, chdir, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from autograder import metadata
from autograder.authoring import answers, release, source
from autograder.authoring.answers import Sample
from autograder.authoring.twice import Judge, Twice
from autograder.beside.cells import execute
from autograder.checking import card
from autograder.checking.confirm import considering, unknown
from autograder.checking.recall import proven
from autograder.checking.spec import Check, Verdict, registered
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

    def __add__(self, other: Proof) -> Proof:
        """What was found on two shares of the answers, the first one first."""
        return Proof(
            self.lesson,
            self.solution,
            self.stub_fails,
            {key: count + other.mistakes[key] for key, count in self.mistakes.items()},
            {key: count + other.variants[key] for key, count in self.variants.items()},
            self.faults + other.faults,
        )


@dataclass(frozen=True)
class Share:
    """Which of a check's answers are tried together; the first share has the solution and the stub besides."""

    begin: int = 0
    end: int | None = None
    last: bool = True


def shares(given: Material, check: Check, size: int) -> list[Share]:
    """The answers to a check in shares of at most `size`."""
    count = sum(sample.of == check.id for sample in (*given.wrong, *given.right))
    begins = range(0, max(count, 1), size)
    return [Share(begin, begin + size, begin == begins[-1]) for begin in begins]


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
    files: tuple[tuple[str, Path], ...] = ()  # what is handed in beside the notebook: name there, file here


def material(script: Path, tests: Path) -> Material:
    """The solution of a lesson, its stubs, the answers in the folder `tests` (answers.py), and the files in its `beside/`."""
    lesson, handed_out = source.read(script), release.notebooks(script)[1]
    solution = _program(lesson.name, ((cell.kind, cell.role or "", cell.id, cell.source) for cell in lesson.cells))
    keys = ((cell, metadata.key(cell) or ("", "")) for cell in handed_out.cells)
    stub = _program(lesson.name, ((cell.cell_type, *key, cell.source) for cell, key in keys))
    own = {cell.id: cell.source for cell in lesson.cells if cell.role == "answer"}
    files = tuple((file.name, file) for file in sorted((tests / "beside").glob("*")))
    given = Material(solution, stub, tuple(answers.wrong(tests, own)), tuple(answers.right(tests)), files)
    for sample in (*given.wrong, *given.right):
        if sample.of not in own:
            near = difflib.get_close_matches(sample.of, own, n=1)
            remedy = f"Did you mean {near[0]}" if near else f"There are: {', '.join(own)}"
            raise AuthorError(tests, f"an answer {sample.label} is for {sample.of}, which is no exercise here", remedy)
    return given


def _program(name: str, cells: Iterable[tuple[str, str, str, str]]) -> Program:
    left_out = ("experiment", "home", "check", "fails")
    return Program(name, tuple(cell[1:] for cell in cells if cell[0] == "code" and cell[1] not in left_out))


def in_notebook(check: Check, sources: list[str], files: Iterable[tuple[str, Path]] = ()) -> Verdict:
    """Judge as a notebook does: with the names of this process, through a function call, in a folder with copies of `files`."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        for name, file in files:  # what an answer prints is not our output
            copyfile(file, name)
        for number, text in enumerate(sources, 1):
            with suppress(Exception):  # as in Jupyter, the next cell still runs
                execute(text, names, f"cell {number}")
        return judge_here(check.id, names, sources)


def misnamed(check: Check, sources: list[str], sign: str, judge: Judge = in_notebook) -> Verdict | None:
    """The verdict on a wrong answer whose `sign` the check does not know, if it asserts another mistake; else None."""
    made = frozenset(_ids(sign))
    with considering() as considered, unknown(made):
        verdict = judge(check, sources)
    named = considered & set(_ids(verdict.finding.sign if verdict.finding else "")) - made
    return verdict if made <= considered and named else None


def _ids(sign: str) -> list[str]:
    return sign.replace(" + ", " | ").split(" | ")


def prove(
    check: Check, given: Material, judge: Judge, report: Report, share: Share = Share(), alone: Judge = in_notebook
) -> Proof:
    """Try one check on the answers there are for it, or on a share of them; `alone` judges those whose name is not known."""
    proof = Proof(given.solution.name[:2])
    if not share.begin:
        _begin(proof, check, given, judge)
    answers = [(sample, kind) for kind in ("mistake", "variant") for sample in _of(check, given, kind)]
    for sample, kind in answers[share.begin : share.end]:
        sources = given.solution.sources(check.id, sample.source)
        with _proven(check, sample.source), considering() as considered:
            verdict = judge(check, sources)
        report(check, kind, sample.label, verdict)
        (_mistake if kind == "mistake" else _variant)(proof, sample, verdict)
        sign = verdict.finding.sign if verdict.finding else ""
        if kind == "mistake" and considered.issuperset(_ids(sign)):
            with _proven(check, sample.source):
                other = misnamed(check, sources, sign, alone)
            if other is not None:
                fault = f"the wrong answer {sample.label!r} is taken for another mistake where its own is not known:\n"
                proof.faults.append(fault + card.text(other))
    if isinstance(judge, Twice):
        proof.faults += judge.take()
    return proof


def _proven(check: Check, answer: str) -> AbstractContextManager[object]:
    """Meanwhile the other exercises are taken for right, as their own proofs show, unless this answer could change that."""
    try:
        cell = ast.parse(answer).body
    except SyntaxError:
        return nullcontext()
    own = {line.name for line in cell if isinstance(line, ast.FunctionDef)}
    if len(own) < len(cell) or own & {registered(id).of for id in check.needs}:
        return nullcontext()
    return proven(frozenset(check.needs))


def _of(check: Check, given: Material, kind: str) -> list[Sample]:
    return [sample for sample in (given.wrong if kind == "mistake" else given.right) if sample.of == check.id]


def _begin(proof: Proof, check: Check, given: Material, judge: Judge) -> None:
    """The solution passes, and the stub does not."""
    solution = given.solution
    if check.id not in {id for role, id, _ in solution.cells if role == "answer"}:
        proof.faults.append(f"no answer cell in the lesson has the id {check.id}")
    verdict = judge(check, solution.sources())
    proof.solution = verdict.right
    if not verdict.right:
        proof.faults.append("the solution does not pass:\n" + card.text(verdict))
    verdict = judge(check, given.stub.sources())
    proof.stub_fails = not verdict.right
    if not verdict.ending.stub:
        proof.faults.append(f"the stub ends as {verdict.status!r}")


def _mistake(proof: Proof, sample: Sample, verdict: Verdict) -> None:
    sign = verdict.finding.sign if verdict.finding else verdict.status
    proof.mistakes["total"] += 1
    proof.mistakes["caught"] += not verdict.right
    proof.mistakes["named"] += sign == sample.label
    if sign != sample.label:
        proof.faults.append(f"the wrong answer {sample.label!r} gets {sign!r}:\n" + card.text(verdict))


def _variant(proof: Proof, sample: Sample, verdict: Verdict) -> None:
    proof.variants["total"] += 1
    proof.variants["accepted"] += verdict.right
    if not verdict.right:
        proof.faults.append(f"the right variant {sample.label!r} is refused:\n" + card.text(verdict))


def as_generated(script: Path, notebooks: Path) -> bool:
    """Whether the committed notebook of a lesson is, byte for byte, what its source makes."""
    committed = notebooks / f"{script.stem}.ipynb"
    return committed.exists() and committed.read_bytes() == release.released(script)
