"""What goes wrong on the staff's side, one exception for each reader.

::

    Exception
    └── CourseError        one line for a person; the command line prints it without a stack trace
        ├── AuthorError    a lesson's source breaks its contract: names file, cell and the way out
        └── OperatorError  whoever runs a command asked for what cannot be done

What learners meet is in `spec.py`.
"""

from __future__ import annotations

from pathlib import Path


class CourseError(Exception):
    """Base of what a command reports in plain words; `str(error)` is all there is to show."""


class OperatorError(CourseError):
    """A command cannot do what it was asked: a folder that is a file, a tool that is missing."""


class AuthorError(CourseError):
    """A lesson's source breaks its contract.

    `problem` says what is wrong and `remedy` how to mend it; `cell` counts from 1 as the notebook does,
    `line` is the line of its header in the script and `first` the first line of its source. The last three
    may be missing, where the file as a whole is at fault.
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
        self.file, self.cell, self.line, self.problem, self.remedy = str(file), cell, line, problem, remedy
        where = f"{self.file}:{line}" if line else self.file
        if cell:
            where += f", cell {cell}" + (f" (`{first}`)" if first else "")
        super().__init__(f"{where}: {problem}. {remedy}.")
