"""`course grade CLASSDIR [LESSON ...]`: grades a class into its gradebook, and says who is missing and what is left to do."""

from __future__ import annotations

from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from autograder.commands import shown
from autograder.errors import OperatorError
from autograder.judge.entry import Entry, exit_code
from autograder.nbgrader.attendance import Attendance, attendance
from autograder.nbgrader.classroom import Classroom, is_class
from autograder.nbgrader.regrade import Settings, regrade, submissions
from autograder.nbgrader.standing import hush


def grade_class(folder: Path, args: Namespace) -> int:
    """Grade the class in `folder`; 0 if every submission was graded, 1 if one could not be read or graded.

    The other paths on the command line are lessons, by name or number.
    """
    if args.key is not None:
        raise OperatorError(f"A class has its own key, in {folder}. Leave --key out.")
    hush()
    classroom = Classroom(folder.resolve())
    found = submissions(classroom, [str(path) for path in args.paths if not is_class(path)])
    settings = Settings(args.device, args.again, args.unsafe_no_sandbox, dict(args.limit))
    entries: list[Entry] = []
    with ThreadPoolExecutor(max(1, args.jobs)) as workers, shown.progress(len(found), args.json) as progress:
        for entry in regrade(classroom, found, workers, settings, progress.say, progress.running):
            entries.append(entry)
            progress.done(entry)
    entries.sort(key=lambda one: (not one.lesson, one.lesson, one.learner))
    present = attendance(classroom, [(one.student, one.lesson) for one in found])
    if args.json:
        print(shown.as_json(entries, {"attendance": present.plain()}))
    else:
        shown.table(entries, _left_to_do(classroom, entries, present))
    return exit_code(entries)


def _left_to_do(classroom: Classroom, entries: list[Entry], present: Attendance) -> list[str]:
    said = present.lines()
    if waiting := sum(len(entry.awaits) for entry in entries if entry.well):
        said.append(
            f"{waiting} answers await you: `course decide {classroom.root}` lists them; "
            f"or in formgrader: cd {classroom.root} && jupyter lab"
        )
    return said
