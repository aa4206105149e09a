"""`course release`: build notebooks/ from solutions/."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from autograder.authoring.release import build, out_of_date, released, scripts_of, solution, write
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, SOLUTIONS


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course release`."""
    parser.epilog = (
        "examples:\n"
        "  course release                     build every lesson into notebooks/\n"
        "  course release 01                  build one lesson\n"
        "  course release --check             say whether notebooks/ is up to date; write nothing\n"
        "  course release --no-hints --to D   lessons without their hint drop-downs, into the folder D\n"
        "  course release 01 --solutions --to D   lesson 01 with its answers, to hand out after the due date"
    )
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="such as 01; all if none is named")
    parser.add_argument("--no-hints", action="store_true", help="leave the hint drop-downs out")
    parser.add_argument("--solutions", action="store_true", help="with the answers: for after the due date; needs --to")
    parser.add_argument("--check", action="store_true", help="compare with what is there and write nothing")
    parser.add_argument("--to", type=Path, default=NOTEBOOKS, metavar="DIR", help="another folder to write to")


def run(args: Namespace) -> int:
    """Build, then compare or replace; 0 if all is well, 1 if a lesson is refused or out of date."""
    if args.solutions and args.to.resolve() in (NOTEBOOKS, SOLUTIONS):
        raise OperatorError(
            "--solutions needs --to FOLDER: answers do not belong where learners copy their lessons from."
        )
    make = solution if args.solutions else partial(released, hints=not args.no_hints)
    try:
        built = build(scripts_of(args.lessons), make)
    except ExceptionGroup as group:
        for error in group.exceptions:
            print(error)
        print("Nothing was written; the previous release is unchanged.")
        return 1
    whole = not args.lessons and args.to == NOTEBOOKS
    changed = out_of_date(built, args.to, whole)
    if args.check:
        for line in changed:
            print(line)
        print("Run `make release`, and commit notebooks/." if changed else f"{len(built)} lessons, all up to date.")
        return int(bool(changed))
    write(built, args.to)
    for name in [line.split()[0] for line in changed if line.endswith("has no source")]:
        (args.to / name).unlink()
    print(f"{len(built)} lessons in {args.to}, {len(changed)} of them changed.")
    return 0
