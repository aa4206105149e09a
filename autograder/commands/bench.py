"""`course bench`: what grading costs beside stock nbgrader and the same cells in a warm process, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.house import ROOT

if TYPE_CHECKING:
    from autograder.authoring.imagined import Imagined
    from autograder.nbgrader.bench import Marks, Measured, Ours

OTTER = (
    "not measured: `otter run` grades by test files of Otter's own format in an archive that `otter generate` makes, "
    "and these notebooks have none; a check here is a call that draws its numbers and raises."
)
COLUMNS = (
    "lesson", "submissions", "jobs", "stock_s", "stock_same_cells_s", "ours_s", "floor_s", "times_stock", "times_same_cells",
    "judging_over_floor_s", "bookkeeping_s", "warm_store_s", "peak_pss_mb",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course bench`."""
    parser.epilog = (
        "Grades the same submissions with stock nbgrader (with and without the experiments, which we do not run), with ours for\n"
        "one job and two, and in one warm process, where nothing is isolated. A lesson's own row is of solved submissions; in the\n"
        "mixed class, lessons take turns, and a third each is solved, half solved, and with named mistakes. On a quiet machine\n"
        "with two cores this takes some 15 minutes, nearly all of it stock nbgrader's.\n\n"
        "examples:\n"
        "  course bench                                writes build/bench.json\n"
        "  course bench --lessons 00 --each 1 --mixed 3 --sizes 3     one minute or two\n"
        "  course bench --sizes 10 100 1000            is the time linear, and the memory flat?\n"
        "  course bench --solutions                    how long each solution takes, and its slowest cell"
    )
    parser.add_argument("--lessons", nargs="+", default=["00", "01", "02", "05"], metavar="LESSON", help="00 01 02 05")
    parser.add_argument("--each", type=int, default=4, metavar="N", help="solved submissions of each lesson (4)")
    parser.add_argument("--mixed", type=int, default=12, metavar="N", help="submissions in the mixed class (12)")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="*",
        default=[10, 30, 100],
        metavar="N",
        help="mixed classes graded by ours (10 30 100)",
    )
    parser.add_argument(
        "--to", type=Path, default=ROOT / "build" / "bench.json", metavar="FILE", help="build/bench.json"
    )
    parser.add_argument("--solutions", action="store_true", help="time every solution from top to bottom instead")


def run(args: argparse.Namespace) -> int:
    """Measure, print a table and write JSON."""
    from tqdm import tqdm

    from autograder.authoring.imagined import class_of
    from autograder.authoring.release import scripts_of
    from autograder.judge.engine import versions
    from autograder.nbgrader.bench import ours, prepared
    from autograder.nbgrader.standing import hush

    if args.solutions:
        return _solutions()
    hush()
    scripts = scripts_of(args.lessons)
    classes = {script.stem: class_of([script], args.each, ["solved"]) for script in scripts}
    classes["mixed"] = class_of(scripts, args.mixed)
    for given in classes.values():
        given.sort(key=lambda one: (one.script.stem, one.learner))  # as a class is graded
    total = sum(6 * len(given) for given in classes.values()) + sum(args.sizes)
    with (
        tempfile.TemporaryDirectory(prefix="bptt-bench-") as folder,
        tqdm(total=total, unit="grading", leave=False, disable=not sys.stderr.isatty()) as bar,
    ):

        def done(what: str, count: int = 1) -> None:
            bar.set_postfix_str(what)
            bar.update(count)

        began = time.perf_counter()
        ours(prepared(Path(folder) / "warm", class_of(scripts, len(scripts), ["solved"])), jobs=1)
        result: dict[str, Any] = {
            "machine": {"cores": os.cpu_count(), "kernel": platform.release(), **versions()},
            "warm_up_s": time.perf_counter() - began,
            "otter": OTTER,
            "mixed": "lessons take turns; a third each solved, half solved (the first half of the answers), and with named "
            "mistakes (in every third answer)",
            "rows": [],
            "scores_that_differ": [],
            "seconds": {},
            "memory_mb": {},
        }
        # Memory is looked at before learners' code has run in this process.
        mine = {name: _ours(Path(folder) / name, name, given, done) for name, given in classes.items()}
        for size in args.sizes:
            graded = ours(prepared(Path(folder) / f"size-{size}", class_of(scripts, size)), jobs=2)
            result["seconds"][size], result["memory_mb"][size] = graded.seconds, graded.memory / 2**20
            done(f"a class of {size}", size)
        for name, given in classes.items():
            measured, differ = _measure(Path(folder) / name, name, given, mine[name], done)
            result["rows"] += measured.rows()
            result["scores_that_differ"] += differ
    args.to.parent.mkdir(parents=True, exist_ok=True)
    args.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _show(result, args.to)
    return 0


def _ours(
    folder: Path, name: str, given: Sequence[Imagined], done: Callable[..., None]
) -> tuple[dict[int, Ours], float]:
    """A class graded by ours, by jobs; and the seconds for once more, when nothing has changed."""
    from autograder.nbgrader.bench import again, ours, prepared

    graded = {}
    for jobs in (1, 2):
        classroom = prepared(folder / f"jobs-{jobs}", given)
        graded[jobs] = ours(classroom, jobs)
        done(f"{name}: ours, jobs: {jobs}", len(given))
    same = again(classroom)
    done(f"{name}: ours, nothing changed", len(given))
    return graded, same


def _measure(
    folder: Path, name: str, given: Sequence[Imagined], mine: tuple[dict[int, Ours], float], done: Callable[..., None]
) -> tuple[Measured, list[str]]:
    """The same class in a warm process and by stock nbgrader; and a line for each score that differs."""
    from autograder.nbgrader.bench import Measured, Stock, differences, floor, without_experiments

    for script in {one.script for one in given}:
        floor(next(one for one in given if one.script == script))  # first uses of libraries
    lowest = []
    for one in given:
        lowest.append(floor(one))
        done(f"{name}: warm process")
    stock = Stock(folder / "stock", sorted({one.script for one in given}))
    every: list[float] = []
    some: list[float] = []
    marks: Marks = {}
    problems: list[str] = []
    for one in given:
        for notebook, taken in ((one.notebook, every), (without_experiments(one), some)):
            seconds, scores, problem = stock.grade(one, notebook)
            taken.append(seconds)
            problems += [problem] if problem else []
            marks.setdefault((one.learner, one.script.stem), scores)
            done(f"{name}: stock nbgrader")
    return Measured(name, given, every, some, lowest, *mine), [*problems, *differences(mine[0][2].marks, marks)]


def _show(result: dict[str, Any], to: Path) -> None:
    from autograder.commands import shown

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    shown.rows(COLUMNS, [[cell(row[column]) for column in COLUMNS] for row in result["rows"]])
    for size, seconds in result["seconds"].items():
        print(f"A mixed class of {size}: {seconds:.1f} s, {result['memory_mb'][size]:.0f} MB")
    print(f"Mixed: {result['mixed']}.\notter: {result['otter']}")
    for line in result["scores_that_differ"] or ["Stock nbgrader and ours give every check the same score."]:
        print(line)
    print(to)


def _solutions() -> int:
    """Print how long each solution takes, and its slowest cell; the limits are 60 s and 20 s on two cores."""
    from autograder.authoring.rehearse import rehearse
    from autograder.authoring.release import scripts_of

    print(f"{'lesson':<24}{'seconds':>9}{'slowest cell':>14}")
    for script in scripts_of([]):
        run = rehearse(script)
        print(f"{run.lesson:<24}{run.seconds:>9.1f}{run.slowest:>14.1f}   {run.slowest_cell[:60]}", flush=True)
    return 0
