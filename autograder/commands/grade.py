"""`course grade`: judge notebooks, folders of notebooks or a class, and print a table of scores and reasons."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autograder import house
from autograder.checking import card
from autograder.errors import OperatorError, for_terminal
from autograder.house import NOTEBOOKS, ROOT
from autograder.judge.batch import OPEN_KEY, Job, Outcome, grade_all, read_key
from autograder.judge.releases import Releases
from autograder.judge.sandbox import choose
from autograder.judge.store import Store
from autograder.judge.submissions import collect
from autograder.nbgrader.classroom import is_class

EPILOG = """\
examples:
  course grade work/01_unrolled_graph.ipynb            one notebook
  course grade handed_in/                              all notebooks in a folder: alice.ipynb, or alice/01_….ipynb
  course grade handed_in/ --key course.key --json      with hidden draws from a key, as JSON with all details
  course grade ~/class                                 a class made by `course class`: into its gradebook
  course grade ~/class 01                              one lesson of it

Exit code: 0 everything was judged, 1 something could not be judged, 2 nothing was.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course grade`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a notebook, a folder of them, a class folder"
    )
    parser.add_argument("--json", action="store_true", help="print verdicts as JSON, with all that they rest on")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the course key, from which hidden numbers are drawn")
    parser.add_argument("--device", default=os.environ.get("BPTT_DEVICE", "cpu"), help="cpu (default), cuda or mps")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="submissions at a time")
    parser.add_argument("--releases", type=Path, action="append", default=[], metavar="DIR",
                        help="another folder of notebooks as they were handed out")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="judge again what has been judged before")
    parser.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="run the code with your own rights: for your own work only"
    )


def run(args: argparse.Namespace) -> int:
    """Judge everything and print it; 0 if all was judged, 1 if something was not. OperatorError if nothing can be."""
    classes = [path for path in args.paths if is_class(path)]
    if classes:
        return _grade_classes(classes, args)
    releases = Releases([NOTEBOOKS, *args.releases])
    submissions = collect(args.paths, releases.lessons(), own=args.key is None)
    _device(args.device)
    job = Job(
        sandbox=choose(args.unsafe_no_sandbox),
        releases=releases,
        key=read_key(args.key) if args.key else OPEN_KEY,
        device=args.device,
        store=Store(ROOT / "build" / "verdicts", refresh=args.again),
    )
    with ThreadPoolExecutor(max(1, args.jobs)) as pool, _progress(len(submissions), args.json) as done:
        outcomes = grade_all(submissions, job, pool, done)
    if args.json:
        print(json.dumps({"submissions": [_as_dict(outcome) for outcome in outcomes]}, indent=1))
    else:
        _show(outcomes, job, own=args.key is None)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    """An outcome for JSON: all verdicts with their provenance."""
    plain: dict[str, Any] = {"path": outcome.path, "learner": outcome.learner, "problem": outcome.problem}
    if judged := outcome.judged:
        plain |= {"lesson": judged.lesson, "version": judged.version, "score": judged.score, "of": outcome.total}
        plain["checks"] = {
            id: {**asdict(verdict), "points": verdict.points(judged.points[id]), "of": judged.points[id]}
            for id, verdict in judged.verdicts.items()
        }
        plain |= {"problems": list(judged.problems), "provenance": judged.provenance}
    return plain


def _show(outcomes: Sequence[Outcome], job: Job, own: bool) -> None:
    """Print the table: a row for each submission, and in it a line for each check that is not right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("learner", overflow="fold")
    table.add_column("lesson", overflow="fold")
    table.add_column("points", justify="right", overflow="fold")
    table.add_column("what is not right, and why", overflow="fold")
    for outcome in outcomes:
        judged = outcome.judged
        points = f"{judged.score:g}/{outcome.total:g}" if judged else "none"
        table.add_row(
            Text(for_terminal(outcome.learner)),
            Text(for_terminal(judged.lesson)) if judged else "?",
            points,
            Text(for_terminal("\n".join(_reasons(outcome)))),
        )
    console = Console()
    console.print(table)
    if job.sandbox.level == "none":
        console.print("No sandbox: this code ran with your own rights. Do not use these scores as grades.")
    if own:
        console.print("No --key: anyone can know the numbers that were drawn. Do not use these scores as grades.")


def _reasons(outcome: Outcome) -> list[str]:
    if outcome.problem:
        return [f"{outcome.path}: {outcome.problem}"]
    assert outcome.judged is not None
    prefix = house.prefix(house.stem(outcome.judged.lesson))
    verdicts = [replace(one, check=one.check.removeprefix(prefix)) for one in outcome.judged.verdicts.values()]
    wrong = [card.headline(one) for one in verdicts if one.status != "missing" and (not one.right or one.credit < 1)]
    if missing := [one.check for one in verdicts if one.status == "missing"]:
        wrong.append(f"not written yet: {', '.join(missing)}")
    notes = [f"{one.check}: {note}" for one in verdicts if one.right and not one.noted for note in one.notes]
    return [*(wrong or ["all right"]), *notes, *(f"({problem})" for problem in outcome.judged.problems)]


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    """A bar on stderr; yields what is to be called with each Outcome."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=total, unit="notebook", disable=hidden, leave=False) as bar:

        def done(outcome: Outcome) -> None:
            bar.set_postfix_str(for_terminal(outcome.learner))
            bar.update()

        yield done


def _device(name: str) -> None:
    import torch

    kind = name.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        raise OperatorError(f"This machine has no device {name!r}; use --device cpu.")


def _grade_classes(folders: list[Path], args: argparse.Namespace) -> int:
    """Class folders go through nbgrader's own pipeline into their gradebooks."""
    from autograder.nbgrader.grading import grade_class

    return max(grade_class(folder, args) for folder in folders)
