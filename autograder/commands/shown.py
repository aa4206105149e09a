"""How `course grade` shows what it does and what came of it: a bar, a table, a summary."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autograder.errors import for_terminal
from autograder.judge.entry import Entry
from autograder.judge.summary import summary

PIPED = 200  # columns where nobody's terminal says how many there are


@dataclass(frozen=True)
class Progress:
    """What grading reports to: `done` for each submission, `running` with whose are judged now, `say` for a line."""

    done: Callable[[object], None]
    running: Callable[[Sequence[str]], None]
    say: Callable[[str], None]


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Progress]:
    """A bar on stderr with the rate, the time left and whose work is judged now; nothing where stderr is no terminal."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=total, unit="submission", disable=hidden, leave=False, dynamic_ncols=True) as bar:

        def running(names: Sequence[str]) -> None:
            bar.set_postfix_str(for_terminal(", ".join(names[:4])))

        def say(line: str) -> None:
            tqdm.write(for_terminal(line), file=sys.stderr)

        yield Progress(lambda one: bar.update() and None, running, say)


def as_json(entries: Sequence[Entry], more: dict[str, Any] | None = None) -> str:
    """All entries and their summary."""
    plain = {"submissions": [one.plain() for one in entries], "summary": summary(entries).plain(), **(more or {})}
    return json.dumps(plain, indent=1)


def table(entries: Sequence[Entry], after: Sequence[str], paths: bool = False) -> None:
    """Print a row for each submission, in it a line for each check that is not right; then the summary, and what comes `after`.

    With `paths`, where what could not be judged is.
    """
    made = []
    for one in entries:
        points = "none" if one.score is None else f"{one.score:g}/{one.of:g}"
        if one.awaits and one.score is not None:
            points += f" + {len(one.awaits)} by hand"
        said = [*one.reasons, *([f"({one.path})"] if paths and one.problem else ())]
        made.append((one.learner, one.lesson or "?", points, "\n".join(said)))
    rows(("learner", "lesson", "points", "what is not right, and why"), made)
    for line in ["", *(summary(entries).lines() if len(entries) > 1 else ()), *after]:
        print(for_terminal(line))


def rows(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print a table whose last column is folded to the terminal's width, and no other: an id is never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, title in enumerate(titles[:-1]):
        longest = max((len(for_terminal(row[place])) for row in cells), default=0)
        made.add_column(title, no_wrap=True, min_width=longest)
    made.add_column(titles[-1], overflow="fold")
    for row in cells:
        made.add_row(*(Text(for_terminal(cell)) for cell in row))
    (Console() if sys.stdout.isatty() else Console(width=PIPED)).print(made)
