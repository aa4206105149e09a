"""The command `course`: a table of subcommands, each a module of commands/ that is imported only when needed.

To add one, add a line to COMMANDS. Its module has `add_arguments(parser)`, which may set `parser.epilog` to
examples, and `run(args) -> int`, the exit code: 0 success, 1 something wrong in what was examined, 2 misuse.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from autograder.errors import CourseError, for_terminal

COMMANDS = {
    "lab": ("lab", "open the course in JupyterLab, on your own copies in work/"),
    "progress": ("progress", "which checks are right in your saved copies"),
    "release": ("release", "build notebooks/ from solutions/"),
    "class": ("class_", "make an instructor's class folder, or add to it"),
    "grade": ("grade", "judge notebooks in a sandbox: scores, and reasons"),
    "decide": ("decide", "what awaits a person in a class, and your decisions on it"),
    "report": ("report", "a page on how a class does: scores, hard exercises, mistakes"),
    "pack": ("pack", "pack a lesson for Gradescope or GitHub"),
    "lms": ("lms", "hand-ins from Canvas or Moodle into a class, and its grades back"),
    "bench": ("bench", "time one judged submission against stock nbgrader"),
    "verify": ("verify", "try every check on right and wrong answers"),
}

# Packages that a learner's installation lacks; a command that needs one says so.
STAFF = ("nbgrader", "jupytext", "nbclient", "rich", "tqdm")

_EXAMPLES = """\
learn:
  course lab                         your copies, opened at 00_start_here.ipynb
  course lab --dir ~/bptt            keep the copies elsewhere
  course progress                    which checks are right in your saved copies

teach:
  course class ~/bptt-class          an nbgrader course folder with the lessons in it
  course grade ~/bptt-class          judge what was handed in: scores, and reasons

where your university already is:
  course pack gradescope 01 --key course.key
  course pack github 01
  course lms canvas collect ~/bptt-class 01 submissions.zip --export gradebook.csv
  course lms canvas grades ~/bptt-class 01 --export gradebook.csv -o upload.csv

write:
  course release                     make notebooks/ from solutions/
  course verify                      is every mistake caught and named?

Each command explains itself: course lab --help
"""


# nbformat's validator compiles forty grammars of internet addresses for it, two seconds for each command; without it, they are not checked.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"autograder.commands.{name}")


def parser_for(command: str | None) -> argparse.ArgumentParser:
    """The parser with the names of all commands, and the options of `command` only."""
    look = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="course",
        description="Backpropagation through time: notebooks, checks and grading.",
        epilog=_EXAMPLES,
        formatter_class=look,
    )
    table = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, (module, summary) in COMMANDS.items():
        sub = table.add_parser(name, help=summary, description=summary + ".", formatter_class=look)
        if name == command:
            _module(module).add_arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake becomes one line on stderr and exit code 2."""
    argv = list(sys.argv[1:] if argv is None else argv)
    # nbgrader looks for `alembic` on the PATH, where it is missing unless .venv is activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = argv[0] if argv and argv[0] in COMMANDS else None
    try:
        args = parser_for(command).parse_args(argv)
        return _module(COMMANDS[args.command][0]).run(args)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in STAFF:
            raise
        line = f'"{sys.executable}" -m pip install -c constraints.txt -e ".[staff]"'
        print(
            f"course: {command} needs {error.name}, which comes with the staff installation. Run in the course's folder: {line}",
            file=sys.stderr,
        )
        return 2
    except CourseError as error:
        print(f"course: {for_terminal(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
