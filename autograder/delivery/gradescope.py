"""Judges what was handed in on Gradescope, in the folders it gives an autograder: `python -I -m autograder.delivery.gradescope /autograder SHOW`.

The folders, submission_metadata.json and results.json are described on https://gradescope-autograders.readthedocs.io, under
*Autograder Specifications* and *Submission Metadata*. If the fault is ours, no results.json is written, so that nobody gets a
score that they did not earn: Gradescope then says that the autograder failed to execute, and shows our reason to staff.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from autograder import house, metadata
from autograder.checking import card
from autograder.checking.spec import Verdict
from autograder.errors import OperatorError
from autograder.judge.batch import Job, Outcome, grade_one, read_key
from autograder.judge.engine import Judged
from autograder.judge.limits import MB, Limits
from autograder.judge.reader import read
from autograder.judge.releases import Releases
from autograder.judge.sandbox import choose
from autograder.judge.submissions import Submission, notebooks_in, one_of

SHOW = ("after_due_date", "after_published", "visible", "hidden")  # Gradescope's words for when learners see a card
# Gradescope ends a run after ten minutes and gives it 0; the judge ends first, and keeps what was right until then.
WITHIN = Limits(submission=480, cpu=480, memory=1536 * MB)


@dataclass(frozen=True)
class About:
    """What submission_metadata.json says, as far as it says anything."""

    learner: str  # Gradescope's ids of those who handed in
    late: timedelta = timedelta()
    due: bool = False  # whether there is a due date
    before: int = 0  # earlier hand-ins


def about(file: Path) -> About:
    """Who handed in, and when; whatever is missing or malformed there counts as not said."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = None
    said = said if isinstance(said, dict) else {}
    users, assignment, before = (said.get(key) for key in ("users", "assignment", "previous_submissions"))
    ids = sorted(str(user.get("id")) for user in users if isinstance(user, dict)) if isinstance(users, list) else []
    due = _time(assignment.get("due_date")) if isinstance(assignment, dict) else None
    created = _time(said.get("created_at"))
    late = max(created - due, timedelta()) if created and due else timedelta()
    return About("+".join(ids) or "unknown", late, due is not None, len(before) if isinstance(before, list) else 0)


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone()
    except ValueError:
        return None


def handed_in(folder: Path, lesson: str, learner: str, place: Path) -> Submission:
    """The notebook that is meant, copied to `place` under the lesson's name; with a `problem` if there is none that can be read."""
    found = notebooks_in(folder)
    meant = one_of(found, f"{lesson}.ipynb") if found else None
    if not found:
        problem = f"There is no notebook in what you handed in. Hand in the file {lesson}.ipynb."
    elif meant is None:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        problem = (
            f"You handed in {len(found)} notebooks ({names}). Hand in only the one that counts, as {lesson}.ipynb."
        )
    else:
        file = read(meant)
        claimed = metadata.lesson(file.notebook)
        problem = file.problem
        if claimed not in ("", lesson):
            problem = f"You handed in the lesson {claimed}. Hand in {lesson}.ipynb here."
    notebook = place / f"{lesson}.ipynb"
    if meant is None or problem:
        return Submission(notebook, learner, problem=problem)
    shutil.copyfile(meant, notebook)
    return Submission(notebook, learner, meant.parent)


def report(outcome: Outcome, said: About, show: str, written: int) -> dict[str, Any]:
    """results.json for what was judged; OperatorError if it could not be, which is our fault."""
    if outcome.judged is None:
        raise OperatorError(outcome.problem)
    if show == "after_due_date" and not said.due:
        show = "after_published"  # else the cards would never be shown
    judged = outcome.judged
    return {
        "score": judged.score,
        "output": "\n".join(_overall(outcome, judged, said, show, written)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(number, judged, one, show) for number, one in enumerate(judged.verdicts.values(), 1)],
        "extra_data": {"lesson": judged.lesson, "version": judged.version, "sandbox": judged.provenance["sandbox"]},
    }


def _overall(outcome: Outcome, judged: Judged, said: About, show: str, written: int) -> list[str]:
    """What learners read at once: nothing that depends on the hidden draw."""
    if outcome.problem:
        return [outcome.problem, "Nothing could be judged. Hand in again."]
    when = {"after_due_date": "after the due date", "after_published": "when grades are published"}
    lines = [
        f"Your notebook was judged as {judged.lesson}, version {judged.version}. This is hand-in {said.before + 1}."
    ]
    if show in when:
        lines.append(f"You see what is right, and why, {when[show]}. Until then, the checks in the notebook tell you.")
    if written:
        lines.append(f"Written answers: {written}. A person grades them.")
    if said.late:
        lines.append(f"You handed in {_span(said.late)} after the due date. That changes no points here.")
    return [*lines, *(f"Note: {problem}" for problem in judged.problems)]


def _span(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def _test(number: int, judged: Judged, verdict: Verdict, show: str) -> dict[str, Any]:
    """A check as a test case; one that awaits a person has no score yet."""
    most = judged.points[verdict.check]
    made: dict[str, Any] = {
        "name": verdict.check.removeprefix(house.prefix(house.stem(judged.lesson))),
        "number": str(number),
        "output": card.text(verdict),
        "visibility": show,
        "extra_data": {"check": verdict.check, "status": verdict.status, "seed": verdict.seed},
    }
    if verdict.ending.awaits:
        return {**made, "output": f"{made['output']}\n    {most:g} points await a person."}
    return {**made, "score": verdict.points(most), "max_score": most, "status": "passed" if verdict.right else "failed"}


def grade(root: Path, show: str) -> dict[str, Any]:
    """Judge what is in the folders of Gradescope below `root`; OperatorError if that cannot be done."""
    source, said = root / "source", about(root / "submission_metadata.json")
    releases = Releases([source / "releases"])
    (lesson,) = releases.lessons()
    job = Job(choose(), releases, read_key(source / "course.key"), WITHIN)
    release = releases.named(lesson)
    assert release is not None
    written = sum(metadata.role(cell) == "written" for cell in release.cells)
    with tempfile.TemporaryDirectory() as place:
        submission = handed_in(root / "submission", lesson, said.learner, Path(place))
        return report(grade_one(submission, job), said, show, written)


def main(argv: Sequence[str] | None = None) -> int:
    """Write results/results.json below the folder named first; 1 if there can be none."""
    root, show = (sys.argv[1:] if argv is None else argv)[:2]
    results = Path(root, "results", "results.json")
    results.unlink(missing_ok=True)
    try:
        made = grade(Path(root), show)
    except OperatorError as error:
        print(f"This submission was not graded: {error}")
        return 1
    results.write_text(json.dumps(made, indent=1), encoding="utf-8")
    print(f"{made['score']:g} points, sandbox {made['extra_data']['sandbox']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
