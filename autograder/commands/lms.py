"""`course lms`: hand-ins from Canvas or Moodle into a class, and its grades back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.delivery import collect, grades
from autograder.delivery.lms import KINDS, sheet
from autograder.errors import OperatorError, for_terminal
from autograder.nbgrader.classroom import Classroom, is_class


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course lms`."""
    parser.epilog = (
        "examples:\n"
        "  course lms canvas collect ~/bptt-class 01 submissions.zip --export gradebook.csv\n"
        "  course lms canvas grades ~/bptt-class 01 --export gradebook.csv -o upload.csv\n"
        "  course lms moodle collect ~/bptt-class 01 download.zip --export worksheet.csv\n"
        "  course lms moodle grades ~/bptt-class 01 --export worksheet.csv -o upload.csv\n\n"
        "Exit code: 0 everybody's work was taken in or has a grade, 1 the list shows whose was not, 2 nothing was done."
    )
    parser.add_argument("lms", choices=KINDS, metavar="LMS", help="canvas or moodle")
    steps = parser.add_subparsers(metavar="STEP", dest="step", required=True)
    taking = steps.add_parser("collect", help="take in what was downloaded in bulk")
    giving = steps.add_parser("grades", help="fill an exported sheet with the class's grades")
    for step in (taking, giving):
        step.add_argument("dir", type=Path, metavar="CLASS", help="a class made by `course class`, with its students")
        step.add_argument("lesson", metavar="LESSON", help="by number or name, such as 01")
        step.add_argument("--export", type=Path, required=True, metavar="CSV",
                          help="Canvas: the gradebook's export; Moodle: the assignment's grading worksheet")  # fmt: skip
    taking.add_argument(
        "downloads", nargs="+", type=Path, metavar="DOWNLOAD", help="the zip, or a folder with what is in it"
    )
    giving.add_argument("--column", default="", metavar="TITLE", help="where the grades stand, if it cannot be told")
    giving.add_argument("--scale", action="store_true", help="the LMS has another maximum: write shares of it")
    giving.add_argument("-o", "--out", type=Path, required=True, metavar="CSV", help="the sheet to write")


def run(args: Namespace) -> int:
    """Take hand-ins in, or write a sheet; 1 if something is left for a person."""
    if not is_class(args.dir):
        raise OperatorError(f"{args.dir} is no class. Make one: course class {args.dir} --students roster.csv")
    classroom, lms, export = Classroom(args.dir.resolve()), KINDS[args.lms], sheet(args.export)
    lesson = next((one for one in classroom.lessons() if args.lesson in (one, one[:2])), args.lesson)
    classroom.current(lesson)  # says which lessons there are, if not this one
    if args.step == "grades":
        filled = grades.fill(lms, export, classroom, lesson, args.column, args.scale)
        args.out.write_bytes(export.written())
        print(f"{args.out}: {filled.written} grades for {lesson}. Look through what the LMS shows before you confirm.")
        return _left("Without a grade in it", filled.left)
    taken = collect.take_in(lms, args.downloads, export, classroom, lesson)
    print(
        f"{lesson}: {len(taken.new)} taken in, {len(taken.same)} as before; people told apart by {taken.by or 'nothing'}."
    )
    if taken.late:
        print(f"Late: {for_terminal(', '.join(taken.late))}.")
    return _left("Not taken in", taken.left)


def _left(what: str, lines: list[str]) -> int:
    if lines:
        print(f"{what}:")
    for line in lines:
        print(f"  {for_terminal(line)}")
    return int(bool(lines))
