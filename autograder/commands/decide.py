"""`course decide CLASS`: lists what awaits a person, and takes decisions that survive regrading."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from autograder.commands import shown
from autograder.errors import OperatorError
from autograder.nbgrader.classroom import Classroom, is_class


def add_arguments(parser: ArgumentParser) -> None:
    """The options of `course decide`."""
    parser.epilog = (
        "Points that you give stay when a submission is graded again, and need no other look while the answer stays the same.\n\n"
        "examples:\n"
        "  course decide ~/bptt-class                                       what awaits you, why, and where it is\n"
        "  course decide ~/bptt-class 01                                    one lesson of it; with a student, only theirs\n"
        '  course decide ~/bptt-class 01 ada unrolled-graph-why 2 --because "Well said."\n'
        '  course decide ~/bptt-class 01 ada unrolled-graph-rnn-step --request "She says that it runs on 3.12."'
    )
    parser.add_argument("dir", type=Path, metavar="CLASS", help="a class made by `course class`")
    parser.add_argument("lesson", nargs="?", help="such as 01")
    parser.add_argument("student", nargs="?", help="an id")
    parser.add_argument("exercise", nargs="?", help="as it is listed")
    parser.add_argument("points", nargs="?", type=float, help="from 0 to what the exercise is worth")
    parser.add_argument("--because", default="", metavar="TEXT", help="a comment for the learner's feedback page")
    parser.add_argument("--request", default="", metavar="TEXT", help="put an exercise into the list, for this reason")


def run(args: Namespace) -> int:
    """List or decide; 0 when that was done."""
    from autograder.nbgrader import decisions
    from autograder.nbgrader.standing import hush

    hush()
    if not is_class(args.dir):
        raise OperatorError(f"{args.dir} is not a class. `course class` makes one.")
    classroom = Classroom(args.dir.resolve())
    lessons = [classroom.lesson(args.lesson)] if args.lesson else classroom.lessons()
    if args.exercise is None:
        waiting = [one for one in decisions.queue(classroom, lessons) if args.student in (None, one.student)]
        rows = [(one.lesson, one.exercise, one.student, f"{one.reason}\n{one.place}") for one in waiting]
        shown.rows(("lesson", "exercise", "student", "why, and where"), rows)
        print(f"{len(waiting)} await you." if waiting else "Nothing awaits you.")
    elif (args.points is None) == (not args.request):
        raise OperatorError("Say either the points or --request with the reason.")
    elif args.request:
        print(decisions.ask(classroom, args.student, lessons[0], args.exercise, args.request))
    else:
        print(decisions.decide(classroom, args.student, lessons[0], args.exercise, args.points, args.because))
    return 0
