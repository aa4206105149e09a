"""`course grade CLASSDIR [LESSON ...]`: grades a class, and prints a table of scores and reasons."""

from __future__ import annotations

import json
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SAWarning

from autograder.errors import OperatorError
from autograder.nbgrader.classroom import Classroom, is_class
from autograder.nbgrader.regrade import Row, Settings, graded, submissions


def grade_class(folder: Path, args: Namespace) -> int:
    """Grade the class in `folder`; 0 if every submission was, 1 if one could not be read or graded.

    The other paths of the command are lessons, by name or number.
    """
    if not is_class(folder):
        raise OperatorError(
            f"{folder} was not made by `course class`. Make a class with it, and move submitted/ there."
        )
    if args.key is not None:
        raise OperatorError(f"A class has its own key, in {folder}. Leave --key out.")
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own queries make SQLAlchemy grumble
    classroom = Classroom(folder.resolve())
    items = submissions(classroom, [str(path) for path in args.paths if not is_class(path)])
    settings = Settings(args.device, args.again, args.unsafe_no_sandbox)
    with ThreadPoolExecutor(max(1, args.jobs)) as workers:
        rows = list(_with_progress(graded(classroom, items, workers, settings), len(items), args.json))
    print(json.dumps({"submissions": [plain(row) for row in rows]}, indent=1)) if args.json else _show(rows, classroom)
    return int(not all(row.well for row in rows))


def _with_progress(rows: Any, total: int, quiet: bool) -> Any:
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    return tqdm(rows, total=total, unit="submission", disable=hidden, leave=False)


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON: what the table shows, and the verdicts with all that they rest on."""
    known = row.graded
    return {
        "student": row.student,
        "lesson": row.lesson,
        "state": row.state,
        "score": row.points,
        "of": row.most,
        "awaiting a person": row.waiting,
        "reasons": row.reasons,
        "checks": {id: asdict(verdict) for id, verdict in known.verdicts.items()} if known else {},
        "provenance": known.provenance if known else {},
    }


def _show(rows: Sequence[Row], classroom: Classroom) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, side in (("student", "left"), ("lesson", "left"), ("points", "right"), ("", "left")):
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    table.add_column("what is not right, and why", overflow="fold")
    for row in rows:
        points = f"{row.points:g}/{row.most:g}" if row.state != "failed" else "none"
        wait = f"+ {row.waiting} by hand" if row.waiting and row.state != "failed" else ""
        said = "\n".join(row.reasons) or "all right"
        table.add_row(Text(row.student), Text(row.lesson), points, wait, Text(said))
    console = Console()
    console.print(table)
    new, odd = sum(row.state == "graded" for row in rows), [row for row in rows if not row.well]
    console.print(f"{len(rows)} submissions: {new} graded, {sum(row.state == 'as before' for row in rows)} as before.")
    if odd:
        console.print(
            f"{len(odd)} could not be read or graded: {', '.join(row.student for row in odd)}.", soft_wrap=True
        )
    if any(row.waiting for row in rows if row.well):
        console.print(f"Grade the rest by hand in formgrader: cd {classroom.root} && jupyter lab", soft_wrap=True)
