"""`course report CLASS`: a page on how a class does, from what has been graded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.commands import shown
from autograder.errors import OperatorError
from autograder.nbgrader.classroom import Classroom, is_class


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course report`."""
    parser.epilog = (
        "It judges nothing: grade first. The page has names and points in it, so keep it to yourself.\n\n"
        "examples:\n"
        "  course report ~/bptt-class                   report.html in the class folder\n"
        "  course report ~/bptt-class 01 --to 01.html   one lesson, elsewhere\n"
        "  course report ~/bptt-class --json            the numbers"
    )
    parser.add_argument("dir", type=Path, metavar="CLASS", help="a class made by `course class`")
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="such as 01; all if none is named")
    parser.add_argument("--to", type=Path, metavar="FILE", help="where to write the page (CLASS/report.html)")
    parser.add_argument(
        "--json", action="store_true", help="print what has been graded as JSON, in the shape of `course grade`"
    )


def run(args: Namespace) -> int:
    """Write the page, or print JSON; 0."""
    from autograder.nbgrader.attendance import attendance
    from autograder.nbgrader.graded import entries
    from autograder.nbgrader.handed_in import hand_ins
    from autograder.nbgrader.report import page
    from autograder.nbgrader.standing import hush

    hush()
    if not is_class(args.dir):
        raise OperatorError(f"{args.dir} is not a class. `course class` makes one.")
    classroom = Classroom(args.dir.resolve())
    lessons = [classroom.lesson(name) for name in args.lessons] or classroom.lessons()
    handed_in = hand_ins(classroom, lessons, everything=not args.lessons)
    found = entries(classroom, lessons, handed_in)
    present = attendance(classroom, [(one.student, one.lesson) for one in handed_in])
    if args.json:
        print(shown.as_json(found, {"attendance": present.plain()}))
        return 0
    target = args.to or classroom.root / "report.html"
    releases = {name: classroom.release(name) for name in lessons}
    target.write_text(page(f"How {classroom.root.name} does", found, releases, present), encoding="utf-8")
    target.chmod(0o600)
    print(f"{target}: {len(found)} submissions, {len(lessons)} lessons.")
    return 0
