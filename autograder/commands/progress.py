"""`course progress`: which checks are right in the learner's saved copies."""

from __future__ import annotations

import argparse
from pathlib import Path

from autograder import house
from autograder.errors import OperatorError
from autograder.house import WORK
from autograder.learner.saved import progress_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `course progress`."""
    parser.epilog = (
        "It reads what you have saved and runs nothing: run the checks again after a change, and save the notebook.\n\n"
        "examples:\n"
        "  course progress                    your copies in work/\n"
        "  course progress ~/bptt             copies elsewhere"
    )
    parser.add_argument("dir", nargs="?", type=Path, default=WORK, metavar="DIR", help="where your copies are (work/)")


def run(args: argparse.Namespace) -> int:
    """Print a line for each lesson, and what comes next."""
    copies = house.lessons(args.dir.expanduser(), ".ipynb")
    if not copies:
        raise OperatorError(
            f"There are no lessons in {args.dir}. `course lab` makes your copies; if they are elsewhere, name the folder."
        )
    found = [one for path in copies if (one := progress_in(path))]
    for one in found:
        total = len(one.right) + len(one.wrong) + len(one.unasked)
        more = [f"not yet: {', '.join(one.wrong)}"] if one.wrong else []
        more += [f"{len(one.unasked)} not run"] if one.unasked and (one.right or one.wrong) else []
        print(f"{one.lesson:<24} {len(one.right):>3} of {total:>2} right   {'; '.join(more)}".rstrip())
    left = next((f"{id} in {one.lesson}.ipynb" for one in found for id in one.wrong + one.unasked), "")
    print(f"Next: {left}" if left else "All checks are right.")
    return 0
