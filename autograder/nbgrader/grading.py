"""`course grade CLASSDIR [LESSON ...]`: grades a class and prints a table of scores and reasons."""

from __future__ import annotations

import json
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SAWarning

from autograder.errors import OperatorError, for_terminal
from autograder.nbgrader.classroom import Classroom, is_class
from autograder.nbgrader.regrade import Result, Settings, regrade, submissions


def grade_class(folder: Path, args: Namespace) -> int:
    """Grade the class in `folder`; 0 if every submission was graded, 1 if one could not be read or graded.

    The other paths on the command line are lessons, by name or number.
    """
    if args.key is not None:
        raise OperatorError(f"A class has its own key, in {folder}. Leave --key out.")
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own queries make SQLAlchemy warn
    classroom = Classroom(folder.resolve())
    items = submissions(classroom, [str(path) for path in args.paths if not is_class(path)])
    settings = Settings(args.device, args.again, args.unsafe_no_sandbox)
    with ThreadPoolExecutor(max(1, args.jobs)) as workers:
        results = list(_with_progress(regrade(classroom, items, workers, settings), len(items), args.json))
    if args.json:
        print(json.dumps({"submissions": [_as_dict(one) for one in results]}, indent=1))
    else:
        _show(results, classroom)
    return int(not all(one.well for one in results))


def _with_progress(results: Iterator[Result], total: int, quiet: bool) -> Iterable[Result]:
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    return tqdm(results, total=total, unit="submission", disable=hidden, leave=False)


def _as_dict(result: Result) -> dict[str, Any]:
    """A result for JSON: what the table shows, and the verdicts with all that they rest on."""
    known = result.graded
    return {
        "student": result.student,
        "lesson": result.lesson,
        "state": result.state,
        "score": result.points,
        "of": result.most,
        "awaiting a person": result.waiting,
        "reasons": result.reasons,
        "checks": {id: asdict(verdict) for id, verdict in known.verdicts.items()} if known else {},
        "provenance": known.provenance if known else {},
    }


def _show(results: Sequence[Result], classroom: Classroom) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("student")
    table.add_column("lesson")
    table.add_column("points", justify="right")
    table.add_column("")
    table.add_column("what is not right, and why", overflow="fold")
    for one in results:
        points = f"{one.points:g}/{one.most:g}" if one.state != "failed" else "none"
        wait = f"+ {one.waiting} by hand" if one.waiting and one.state != "failed" else ""
        said = "\n".join(one.reasons) or "all right"
        table.add_row(
            Text(for_terminal(one.student)), Text(for_terminal(one.lesson)), points, wait, Text(for_terminal(said))
        )
    console = Console()
    console.print(table)
    new, same = (sum(one.state == state for one in results) for state in ("graded", "as before"))
    odd = [one.student for one in results if not one.well]
    console.print(f"{len(results)} submissions: {new} graded, {same} as before.")
    if odd:
        console.print(
            f"{len(odd)} could not be read or graded: {for_terminal(', '.join(odd))}.", soft_wrap=True, markup=False
        )
    if any(one.waiting for one in results if one.well):
        console.print(f"Grade the rest by hand in formgrader: cd {classroom.root} && jupyter lab", soft_wrap=True)
