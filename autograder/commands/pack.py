"""`course pack`: one lesson, packed for a place that grades by itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.delivery import pack
from autograder.delivery.gradescope import SHOW


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course pack`."""
    parser.epilog = (
        "examples:\n"
        "  course pack gradescope 01 --key course.key                    01_unrolled_graph-gradescope.zip\n"
        "  course pack gradescope 01 --key course.key --show visible     learners see their cards at once"
    )
    places = parser.add_subparsers(metavar="PLACE", dest="place", required=True)
    one = places.add_parser("gradescope", help="the zip that Gradescope takes as an autograder")
    one.add_argument("lesson", metavar="LESSON", help="by number or name, such as 01")
    one.add_argument("--key", type=Path, required=True, metavar="FILE", help="the course key, for the hidden numbers")
    one.add_argument("--show", choices=SHOW, default=SHOW[0], help="when learners see their cards (%(default)s)")
    one.add_argument("--releases", type=Path, action="append", default=[], metavar="DIR",
                     help="a folder of notebooks as they were handed out earlier")  # fmt: skip
    one.add_argument("-o", "--out", type=Path, metavar="FILE", help="the zip to write")


def run(args: Namespace) -> int:
    """Pack the lesson and say what to do with it."""
    lesson = pack.released(args.lesson).stem
    to = args.out or Path(f"{lesson}-gradescope.zip")
    pack.gradescope(lesson, args.key, to, args.show, args.releases)
    print(f"{to}: upload it under Configure Autograder. It holds your course key: keep it secret.")
    return 0
