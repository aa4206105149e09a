"""`course grade`: judge notebooks, folders of notebooks or a class, and print a table of scores and reasons."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autograder.checking import card
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, ROOT
from autograder.judge.batch import OPEN_KEY, Job, Outcome, grade_all
from autograder.judge.releases import Releases
from autograder.judge.sandbox import choose
from autograder.judge.store import Store
from autograder.judge.submissions import collect

EPILOG = """\
examples:
  course grade work/01_unrolled_graph.ipynb            one notebook
  course grade handed_in/                              every notebook in a folder: alice.ipynb, or alice/01_….ipynb
  course grade handed_in/ --key course.key --json      with hidden draws of a key, as JSON with all that it rests on
  course grade ~/class                                 a class made by `course class`, into its gradebook
  course grade ~/class 01                              one lesson of it

Exit code: 0 everything was judged, 1 something could not be judged, 2 nothing was.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course grade`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a notebook, a folder of them, a class folder"
    )
    parser.add_argument("--json", action="store_true", help="print verdicts with all that they rest on")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the course key, from which hidden numbers are drawn")
    parser.add_argument("--device", default=os.environ.get("BPTT_DEVICE", "cpu"), help="cpu (default), cuda or mps")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="submissions at a time")
    parser.add_argument("--releases", type=Path, action="append", default=[], metavar="DIR",
                        help="another folder with notebooks as they were handed out")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="judge anew what has been judged before")
    parser.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="run the code with your own rights: own work only"
    )


def run(args: argparse.Namespace) -> int:
    """Judge everything and print it. 0 all judged, 1 something was not, 2 nothing could be (raised as OperatorError)."""
    classes = [path for path in args.paths if _is_class(path)]
    if classes:
        return _grade_classes(classes, args)
    releases = Releases([NOTEBOOKS, *args.releases])
    submissions = collect(args.paths, releases.lessons())
    _device(args.device)
    job = Job(
        sandbox=choose(args.unsafe_no_sandbox),
        releases=releases,
        key=read_key(args.key) if args.key else OPEN_KEY,
        device=args.device,
        store=None if args.again else Store(ROOT / "build" / "verdicts"),
    )
    with ThreadPoolExecutor(max(1, args.jobs)) as pool, _progress(len(submissions), args.json) as done:
        outcomes = grade_all(submissions, job, pool, done)
    print(as_json(outcomes)) if args.json else show(outcomes, job, own=args.key is None)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def read_key(file: Path) -> bytes:
    """The course key in a file; OperatorError if it is missing or too short to be one."""
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise OperatorError(f"The key {file} cannot be read: {error.strerror}.") from None
    if len(key) < 16:
        raise OperatorError(
            f"{file} holds {len(key)} bytes; a course key has at least 16 (openssl rand -hex 32 > {file})."
        )
    return key


def as_json(outcomes: Iterable[Outcome]) -> str:
    """All verdicts with their provenance."""
    return json.dumps({"submissions": [_plain(outcome) for outcome in outcomes]}, indent=1)


def _plain(outcome: Outcome) -> dict[str, Any]:
    plain: dict[str, Any] = {"path": outcome.path, "learner": outcome.learner, "problem": outcome.problem}
    if judged := outcome.judged:
        plain |= {"lesson": judged.lesson, "version": judged.version, "score": judged.score, "of": outcome.total}
        plain["checks"] = {
            id: {**asdict(verdict), "points": verdict.points(judged.points[id]), "of": judged.points[id]}
            for id, verdict in judged.verdicts.items()
        }
        plain |= {"problems": list(judged.problems), "provenance": judged.provenance}
    return plain


def show(outcomes: Sequence[Outcome], job: Job, own: bool) -> None:
    """The table: one row for each submission, and a line for each check that is not right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, side in (
        ("learner", "left"),
        ("lesson", "left"),
        ("points", "right"),
        ("what is not right, and why", "left"),
    ):
        table.add_column(title, justify=side, overflow="fold")  # type: ignore[arg-type]
    for outcome in outcomes:
        judged = outcome.judged
        points = f"{judged.score:g}/{outcome.total:g}" if judged else "none"
        table.add_row(
            Text(outcome.learner), judged.lesson if judged else "?", points, Text("\n".join(_reasons(outcome)))
        )
    console = Console()
    console.print(table)
    if job.sandbox.level == "none":
        console.print("No sandbox: this code ran with your rights. These are no grades for a class.")
    if own:
        console.print("No --key: the numbers drawn are known to everybody. These are no grades for a class.")


def _reasons(outcome: Outcome) -> list[str]:
    if outcome.problem:
        return [f"{outcome.path}: {outcome.problem}"]
    assert outcome.judged is not None
    prefix = outcome.judged.lesson.partition("_")[2].replace("_", "-") + "-"
    verdicts = [replace(one, check=one.check.removeprefix(prefix)) for one in outcome.judged.verdicts.values()]
    wrong = [card.headline(one) for one in verdicts if one.status != "missing" and (not one.right or one.credit < 1)]
    if missing := [one.check for one in verdicts if one.status == "missing"]:
        wrong.append(f"not written yet: {', '.join(missing)}")
    return [*(wrong or ["all right"]), *(f"({problem})" for problem in outcome.judged.problems)]


def _progress(total: int, quiet: bool) -> Any:
    """A bar on stderr; the context gives what is called with each Outcome."""
    from contextlib import contextmanager

    from tqdm import tqdm

    @contextmanager
    def bar() -> Any:
        hidden = quiet or not sys.stderr.isatty()
        with tqdm(total=total, unit="notebook", disable=hidden, leave=False) as shown:

            def done(outcome: Outcome) -> None:
                shown.set_postfix_str(outcome.learner)
                shown.update()

            yield done

    return bar()


def _device(name: str) -> None:
    import torch

    kind = name.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        raise OperatorError(f"There is no device {name!r} here; use --device cpu.")


def _is_class(path: Path) -> bool:
    return (path / "nbgrader_config.py").is_file()


def _grade_classes(folders: list[Path], args: argparse.Namespace) -> int:
    """Class folders go through nbgrader's own pipeline into their gradebooks."""
    from autograder.nbgrader.grading import grade_class

    return max(grade_class(folder, args) for folder in folders)
