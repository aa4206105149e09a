"""`course verify`: every solution passes, every stub fails, every wrong answer is caught and named, every right variant accepted."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext

from autograder import card
from autograder.cells import execute
from autograder.judge.sandbox import NoSandbox, choose
from autograder.judge.twice import Sandboxed, Twice
from autograder.notebook import judge_here
from autograder.spec import Check, Verdict, load_lesson

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

# Judges answers: (check, sources of the cells in order) -> Verdict. One for each transport.
Judge = Callable[[Check, list[str]], Verdict]


@dataclass
class Row:
    """What `course verify` found out about one check."""

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
class Lesson:
    """A lesson's code cells as (role, id, source), experiments and checks left out."""

    number: str
    stem: str
    cells: tuple[tuple[str, str, str], ...]

    def sources(self, check: str = "", answer: str | None = None) -> list[str]:
        """The cells in order; the answer of `check` replaced by `answer`."""
        return [
            answer if answer is not None and role == "answer" and id == check else source
            for role, id, source in self.cells
        ]


@dataclass(frozen=True)
class Sample:
    """A wrong answer (`gets` names the sign) or a right variant, as a learner writes it."""

    of: str
    label: str
    source: str


def lesson(path: Path) -> Lesson:
    """Read a solution or, equally, a released notebook."""
    cells = []
    for cell in jupytext.read(path).cells:
        role, id = _role(cell.metadata)
        if cell.cell_type == "code" and role not in ("experiment", "check", "fails"):
            cells.append((role, id, cell.source))
    number, _, stem = path.stem.partition("_")
    return Lesson(number, stem, tuple(cells))


def _role(metadata: dict[str, Any]) -> tuple[str, str]:
    if "bptt" in metadata:
        return metadata["bptt"].get("role", ""), metadata["bptt"].get("id", "")
    for role in ("answer", "check", "experiment", "given", "fails"):
        if role in metadata:
            return role, metadata[role]
    return "", ""


def samples(path: Path, key: str) -> list[Sample]:
    """The cells of a percent script with the headers `of="check" gets="sign"` or `of="check" variant="name"`."""
    if not path.exists():
        return []
    return [
        Sample(cell.metadata["of"], cell.metadata[key], cell.source)
        for cell in jupytext.read(path).cells
        if cell.cell_type == "code" and key in cell.metadata
    ]


def in_notebook(check: Check, sources: list[str]) -> Verdict:
    """Judge as a notebook does: the names of this process, the transport a function call."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # what an answer prints is not our output
        return _judged(check, names, sources)


def _judged(check: Check, names: dict[str, Any], sources: list[str]) -> Verdict:
    for number, source in enumerate(sources, 1):
        with suppress(Exception):  # in Jupyter, too, the next cell goes on
            execute(source, names, f"cell {number}")
    return judge_here(check.id, names, sources)


def verify(
    stem: str, solution: Lesson, stub: Lesson, judge: Judge, tests: Path, report: Callable[..., None]
) -> Iterator[tuple[str, Row]]:
    """A Row for each check of a lesson; `report(check, kind, label, verdict)` hears of each judged answer."""
    wrong, right = (
        samples(tests / "mistakes" / f"{stem}.py", "gets"),
        samples(tests / "variants" / f"{stem}.py", "variant"),
    )
    checks = load_lesson(stem)
    answered = {id for role, id, _ in solution.cells if role == "answer"}
    for sample in [*wrong, *right]:
        if sample.of not in {check.id for check in checks}:
            raise SystemExit(f"tests for {stem}: there is no check {sample.of!r}")
    for check in checks:
        row = Row(solution.number)
        if check.id not in answered:
            row.faults.append(f"no answer cell in the lesson has the id {check.id}")
        verdict = judge(check, solution.sources())
        row.solution = verdict.right
        if not verdict.right:
            row.faults.append("the solution does not pass:\n" + card.text(verdict))
        verdict = judge(check, stub.sources())
        row.stub_fails = not verdict.right
        if verdict.status not in ("missing", "wrong", "error"):
            row.faults.append(f"the stub ends as {verdict.status!r}")
        for sample in (one for one in wrong if one.of == check.id):
            verdict = judge(check, solution.sources(check.id, sample.source))
            report(check, "mistake", sample.label, verdict)
            sign = verdict.finding.sign if verdict.finding else verdict.status
            row.mistakes["total"] += 1
            row.mistakes["caught"] += not verdict.right
            row.mistakes["named"] += sign == sample.label
            if sign != sample.label:
                row.faults.append(f"the wrong answer {sample.label!r} gets {sign!r}:\n" + card.text(verdict))
        for sample in (one for one in right if one.of == check.id):
            verdict = judge(check, solution.sources(check.id, sample.source))
            report(check, "variant", sample.label, verdict)
            row.variants["total"] += 1
            row.variants["accepted"] += verdict.right
            if not verdict.right:
                row.faults.append(f"the right variant {sample.label!r} is refused:\n" + card.text(verdict))
        if isinstance(judge, Twice):
            row.faults += judge.take()
        yield check.id, row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course verify`."""
    parser.epilog = (
        "examples:\n"
        "  course verify                         every check: solution, stub, wrong and right answers\n"
        "  course verify 01 --show               one lesson, with the message that each wrong answer gets\n"
        "  course verify --json > matrix.json    for machines\n\n"
        "Wrong answers stand in tests/mistakes/ and declare the name that they must get; right ones in tests/variants/.\n"
        "What is in notebooks/ must be, byte for byte, what `course release` makes."
    )
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="a lesson's number or name; all if none is given")
    parser.add_argument("--json", action="store_true", help="print the matrix as JSON")
    parser.add_argument("--notebook-only", action="store_true", help="do not judge each answer in the sandbox as well")
    parser.add_argument("--show", action="store_true", help="print each wrong answer's message")


def run(args: argparse.Namespace) -> int:
    rows: dict[str, Row] = {}
    show = None if args.json or not args.show else True

    def report(check: Check, kind: str, label: str, verdict: Verdict) -> None:
        if show and kind == "mistake":
            print(f"\n{check.id}  <- {label}\n{card.text(verdict)}")

    paths = sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py"))
    chosen = [
        path
        for path in paths
        if not args.lessons or any(path.stem.startswith(one) or path.stem[3:] == one for one in args.lessons)
    ]
    if not chosen:
        print(
            f"course verify: no lesson matches {' '.join(args.lessons)}; there are {', '.join(p.stem for p in paths)}",
            file=sys.stderr,
        )
        return 2
    stale = [path.stem for path in chosen if not as_generated(path)]
    with _judges(args) as judge:
        rows |= _rows(chosen, judge, report, args.json)
    if args.json:
        print(json.dumps({"checks": {id: _entry(row) for id, row in rows.items()}, "stale": stale}))
    green = sum(row.green for row in rows.values())
    if not args.json:
        if isinstance(judge, Twice):
            print(f"{judge.judged} answers were judged in a notebook and in the sandbox ({judge.level}).")
        print(f"{green} of {len(rows)} checks are green.")
    for stem in stale:
        print(f"notebooks/{stem}.ipynb is not what solutions/{stem}.py gives: make release", file=sys.stderr)
    return 0 if green == len(rows) and not stale else 1


def as_generated(path: Path) -> bool:
    """Whether the committed notebook of a lesson is, byte for byte, what its source gives."""
    from autograder.release import released

    committed = NOTEBOOKS / f"{path.stem}.ipynb"
    return committed.exists() and committed.read_bytes() == released(path)


@contextmanager
def _judges(args: argparse.Namespace) -> Iterator[Judge]:
    """The notebook's judge, and beside it the sandbox's where there is a sandbox."""
    if args.notebook_only:
        yield in_notebook
        return
    try:
        sandbox = choose()
    except NoSandbox as error:
        print(f"course verify: judged in the notebook only. {error}", file=sys.stderr)
        yield in_notebook
        return
    with Sandboxed(sandbox) as second:
        yield Twice(in_notebook, second)


def _rows(paths: list[Path], judge: Judge, report: Callable[..., None], quiet: bool) -> dict[str, Row]:
    from autograder.release import released

    rows: dict[str, Row] = {}
    with TemporaryDirectory() as folder:
        for path in paths:
            source, stub = lesson(path), Path(folder) / f"{path.stem}.ipynb"
            stub.write_bytes(released(path))
            for id, row in verify(source.stem, source, lesson(stub), judge, ROOT / "tests", report):
                rows[id] = row
                if not quiet:
                    _print_row(id, row)
    return rows


def _entry(row: Row) -> dict[str, Any]:
    return {
        "lesson": row.lesson,
        "solution": row.solution,
        "stub_fails": row.stub_fails,
        "mistakes": row.mistakes,
        "variants": row.variants,
    }


def _print_row(id: str, row: Row) -> None:
    m, v = row.mistakes, row.variants
    solution, stub = ("passes" if row.solution else "FAILS"), ("fails" if row.stub_fails else "PASSES")
    print(
        f"{'ok ' if row.green else 'NO '} {id:<44} solution {solution}, stub {stub}, "
        f"wrong answers {m['caught']}/{m['total']} caught {m['named']}/{m['total']} named, variants {v['accepted']}/{v['total']}",
        flush=True,
    )
    for fault in row.faults:
        print("      " + fault.replace("\n", "\n      "))
