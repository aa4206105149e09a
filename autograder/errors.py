"""Errors on the staff's side, one exception for each reader.

::

    Exception
    └── CourseError        one line for a person, printed without a stack trace
        ├── AuthorError    a lesson's source breaks its contract: names the file, the cell and the fix
        └── OperatorError  a command was asked for something it cannot do

What learners see is in `checking/spec.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def for_terminal(text: str) -> str:
    """Text for a terminal: what would control it, or turn the order of its letters, is shown as an escape sequence."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class CourseError(Exception):
    """Base of all errors that a command reports in plain words; `str(error)` is the whole message."""


class OperatorError(CourseError):
    """A command cannot do what it was asked: a folder that is a file, a tool that is missing."""


class AuthorError(CourseError):
    """A lesson's source breaks its contract.

    `problem` says what is wrong and `remedy` how to fix it. `cell` counts from 1 as the notebook does, `line` is the line
    of its header in the script and `first` the first line of its source; without them the whole file is at fault.
    """

    def __init__(
        self,
        file: Path | str,
        problem: str,
        remedy: str,
        *,
        cell: int | None = None,
        line: int | None = None,
        first: str = "",
    ) -> None:
        self.file = str(file)
        where = f"{self.file}:{line}" if line else self.file
        if cell:
            where += f", cell {cell}" + (f" (`{first}`)" if first else "")
        super().__init__(f"{where}: {problem}. {remedy}.")
