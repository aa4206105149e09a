"""`course class DIR`: make an instructor's class folder, or add to it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.authoring.release import scripts_of
from autograder.nbgrader.classroom import make


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course class`."""
    parser.epilog = (
        "Run it again to add lessons and new versions; nothing is deleted.\n\n"
        "examples:\n"
        "  course class ~/bptt-class                            all lessons\n"
        "  course class ~/bptt-class --lessons 00 01            these only\n"
        "  course class ~/bptt-class --students roster.csv      columns: id,first,last,email\n\n"
        "then, in that folder: nbgrader or formgrader as usual, or `course grade ~/bptt-class`"
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="outside the repository; new, empty, or already a class")
    parser.add_argument("--lessons", nargs="+", default=[], metavar="LESSON", help="such as 01; all if none is named")
    parser.add_argument("--students", type=Path, metavar="CSV", help="enter these students into the gradebook")
    parser.add_argument("--no-hints", action="store_true", help="leave the hint drop-downs out")


def run(args: Namespace) -> int:
    """Make or extend the class; 1 if a lesson could not be added."""
    try:
        for line in make(args.dir, scripts_of(args.lessons), hints=not args.no_hints, roster=args.students):
            print(line)
    except ExceptionGroup as group:
        print(group.message)
        for error in group.exceptions:
            print(error)
        return 1
    print(
        f"Next: hand out {args.dir / 'release'}, put what is handed in into {args.dir / 'submitted'}/STUDENT/LESSON/,"
    )
    print(f"and run `course grade {args.dir}`.")
    return 0
