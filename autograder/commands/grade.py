"""`course grade`: judge notebooks, folders of notebooks or a class, and print a table of scores and reasons."""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.commands import shown
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, ROOT
from autograder.judge.batch import OPEN_KEY, Job, grade_all, read_key
from autograder.judge.entry import exit_code
from autograder.judge.limits import Limits
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
    parser.add_argument("--limit", type=_limit, action="append", default=[], metavar="NAME=NUMBER",
                        help="such as submission=300; names and defaults are in autograder/judge/limits.py")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="judge again what has been judged before")
    parser.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="run the code with your own rights: for your own work only"
    )


def run(args: argparse.Namespace) -> int:
    """Judge everything and print it; 0 if all was judged, 1 if something was not. OperatorError if nothing can be."""
    classes = [path for path in args.paths if is_class(path)]
    if classes:
        from autograder.commands.grade_class import grade_class

        return max(grade_class(folder, args) for folder in classes)
    releases = Releases([NOTEBOOKS, *args.releases])
    submissions = collect(args.paths, releases.lessons(), own=args.key is None)
    _device(args.device)
    job = Job(
        sandbox=choose(args.unsafe_no_sandbox),
        releases=releases,
        key=read_key(args.key) if args.key else OPEN_KEY,
        limits=Limits.chosen(dict(args.limit)),
        device=args.device,
        store=Store(ROOT / "build" / "verdicts", refresh=args.again),
    )
    with ThreadPoolExecutor(max(1, args.jobs)) as pool, shown.progress(len(submissions), args.json) as progress:
        outcomes = grade_all(submissions, job, pool, progress.done, progress.running)
    entries = [outcome.entry() for outcome in outcomes]
    if args.json:
        print(shown.as_json(entries))
    else:
        shown.table(entries, _warnings(job, own=args.key is None), paths=True)
    return exit_code(entries)


def _limit(text: str) -> tuple[str, str]:
    name, _, number = text.partition("=")
    return name, number


def _warnings(job: Job, own: bool) -> list[str]:
    said = []
    if job.sandbox.level == "none":
        said.append("No sandbox: this code ran with your own rights. Do not use these scores as grades.")
    if own:
        said.append("No --key: anyone can know the numbers that were drawn. Do not use these scores as grades.")
    return said


def _device(name: str) -> None:
    import torch

    kind = name.partition(":")[0]
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        raise OperatorError(f"This machine has no device {name!r}; use --device cpu.")
