"""`course bench`: what judging one submission costs, next to stock nbgrader and the same cells in a warm process."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.beside.cells import execute
from autograder.errors import OperatorError
from autograder.judge.engine import judge, versions
from autograder.judge.plan import Run, checks_of, plan
from autograder.judge.sandbox import choose
from autograder.notebook import judge_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course bench`."""
    parser.epilog = (
        "The three take turns, so that a busy machine slows them all. Stock nbgrader runs every cell, including\n"
        "experiments; the judge and the warm process skip experiments that nobody has touched.\n\n"
        "examples:\n"
        "  course bench                        lesson 00, three times each way\n"
        "  course bench --lesson 01 --rounds 5\n"
        "  course bench --solutions            how long each solution takes, and its slowest cell"
    )
    parser.add_argument("--solutions", action="store_true", help="time every solution from top to bottom instead")
    parser.add_argument("--lesson", default="00", help="the lesson whose solution is judged (00)")
    parser.add_argument("--rounds", type=int, default=3, help="how many times each is timed (3)")


def run(args: argparse.Namespace) -> int:
    """Time the three ways in turn, and print medians and ratios."""
    from tqdm import tqdm

    from autograder.authoring.release import as_bytes, notebooks, scripts_of

    if args.solutions:
        return _solutions()
    script = scripts_of([args.lesson])[0]
    solved, handed_out = notebooks(script)
    sandbox = choose()

    def judged() -> None:
        result = judge(solved, handed_out, key=b"bench", learner="bench", sandbox=sandbox)
        if result.score != sum(result.points.values()):
            raise OperatorError(f"{script.name}: the solution got {result.score:g} points in the sandbox.")

    with tempfile.TemporaryDirectory(prefix="bptt-bench-") as folder, contextlib.chdir(folder):
        ways: dict[str, Callable[[], Any]] = {
            f"judged ({sandbox.level})": judged,
            "stock nbgrader": _stock(Path(folder), script.stem, as_bytes(solved)),
            "same cells and checks, warm process": lambda: _warm(solved, handed_out),
        }
        _warm(solved, handed_out)
        times: dict[str, list[float]] = {name: [] for name in ways}
        with tqdm(total=args.rounds * len(ways), leave=False, disable=not sys.stderr.isatty()) as bar:
            for _ in range(args.rounds):
                for name, way in ways.items():
                    bar.set_postfix_str(name)
                    began = time.perf_counter()
                    way()
                    times[name].append(time.perf_counter() - began)
                    bar.update()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(
        f"One submission of {script.stem}, median of {args.rounds}, {os.cpu_count()} cores, torch {versions()['torch']}"
    )
    first = next(iter(medians.values()))
    for name, median in medians.items():
        low, high = min(times[name]), max(times[name])
        print(
            f"  {name:<38}{median:8.2f} s  ({low:.2f} to {high:.2f})   judging takes {first / median:.2f} times as long"
        )
    return 0


def _warm(notebook: NotebookNode, release: NotebookNode) -> None:
    """The steps of the judge's plan in this process: no sandbox, no start-up, no pipe."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for step in plan(notebook, release):
            if isinstance(step, Run):
                with contextlib.suppress(Exception):  # a cell that fails on purpose
                    execute(step.source, names, step.label)
        for id in checks_of(release):
            if not judge_here(id, names, []).right:
                raise OperatorError(f"{id}: the solution is not right here.")


def _stock(root: Path, name: str, solved: bytes) -> Callable[[], None]:
    """nbgrader's own autograde of one submission, without any configuration of ours."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    for folder in ("source", "submitted/one"):
        (root / folder / name).mkdir(parents=True)
        (root / folder / name / f"{name}.ipynb").write_bytes(solved)
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    nbgrader = NbGraderAPI(config=config)

    def succeed(way: Callable[..., dict[str, Any]], *args: Any, **options: Any) -> None:
        with _silence():
            result = way(*args, **options)
        if not result["success"]:
            raise OperatorError(f"nbgrader failed on {name}: {result['log'][-300:]}")

    succeed(nbgrader.generate_assignment, name)
    return lambda: succeed(nbgrader.autograde, name, "one", force=True)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Discard what nbgrader's kernels and its database write to stderr: it tells nobody anything."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 2)  # the descriptor itself, because kernels are other processes
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _solutions() -> int:
    """Print how long each solution takes, and its slowest cell; the limits are 60 s and 20 s on two cores."""
    from autograder.authoring.rehearse import rehearse
    from autograder.authoring.release import scripts_of

    print(f"{'lesson':<24}{'seconds':>9}{'slowest cell':>14}")
    for script in scripts_of([]):
        run = rehearse(script)
        print(f"{run.lesson:<24}{run.seconds:>9.1f}{run.slowest:>14.1f}   {run.slowest_cell[:60]}", flush=True)
    return 0
