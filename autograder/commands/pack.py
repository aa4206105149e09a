"""`course pack`: one lesson, packed for a place that grades by itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.delivery import pack
from autograder.delivery.gradescope import SHOW

PLACES = {
    "gradescope": "the zip that Gradescope takes as an autograder",
    "github": "a template repository, in which pushes are judged for feedback",
    "classroom50": "an autograder for Classroom 50, which followed GitHub Classroom",
}


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course pack`."""
    parser.epilog = (
        "examples:\n"
        "  course pack gradescope 01 --key course.key                    01_unrolled_graph-gradescope.zip\n"
        "  course pack gradescope 01 --key course.key --show visible     learners see their cards at once\n"
        "  course pack github 01                                         01_unrolled_graph-github/\n"
        "  course pack classroom50 01                                    01_unrolled_graph-classroom50/"
    )
    places = parser.add_subparsers(metavar="PLACE", dest="place", required=True)
    for place, what in PLACES.items():
        one = places.add_parser(place, help=what, description=f"{what[0].upper()}{what[1:]}.")
        one.add_argument("lesson", metavar="LESSON", help="by number or name, such as 01")
        one.add_argument("-o", "--out", type=Path, metavar="PATH", help="what to write")
        if place == "gradescope":
            one.add_argument(
                "--key", type=Path, required=True, metavar="FILE", help="the course key, for hidden numbers"
            )
            one.add_argument(
                "--show", choices=SHOW, default=SHOW[0], help="when learners see their cards (%(default)s)"
            )
            one.add_argument("--releases", type=Path, action="append", default=[], metavar="DIR",
                             help="a folder of notebooks as they were handed out earlier")  # fmt: skip


def run(args: Namespace) -> int:
    """Pack the lesson and say what to do with it."""
    lesson = pack.released(args.lesson).stem
    to = args.out or Path(f"{lesson}-{args.place}" + (".zip" if args.place == "gradescope" else ""))
    if args.place == "gradescope":
        pack.gradescope(lesson, args.key, to, args.show, args.releases)
        print(f"{to}: upload it under Configure Autograder. It holds your course key: keep it secret.")
    elif args.place == "github":
        pack.repository(lesson, to)
        print(f"{to}: push it to GitHub as a template repository. What is judged there is feedback, no grade.")
    else:
        pack.classroom50(lesson, to)
        print(f"{to}: copy what is in it into CLASSROOM/autograders/ASSIGNMENT/ of your classroom50 repository.")
    return 0
