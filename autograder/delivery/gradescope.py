"""Judges what was handed in on Gradescope, in the folders it gives an autograder: `python -I -m autograder.delivery.gradescope /autograder SHOW`.

The folders, submission_metadata.json and results.json are described on https://gradescope-autograders.readthedocs.io, under
*Autograder Specifications* and *Submission Metadata*. If the fault is ours, no results.json is written, so that nobody gets a
score that they did not earn: Gradescope then says that the autograder failed to execute, and shows our reason to staff.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from autograder import house, metadata
from autograder.checking import card
from autograder.checking.spec import Verdict
from autograder.delivery.single import judged
from autograder.errors import OperatorError
from autograder.judge.batch import read_key
from autograder.judge.entry import Entry
from autograder.judge.releases import Releases

SHOW = ("after_due_date", "after_published", "visible", "hidden")  # Gradescope's words for when learners see a card


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


def report(entry: Entry, said: About, show: str, written: int) -> dict[str, Any]:
    """results.json for what was judged; `written` is the number of answers that a person grades."""
    if show == "after_due_date" and not said.due:
        show = "after_published"  # else the cards would never be shown
    return {
        "score": entry.score,
        "output": "\n".join(_overall(entry, said, show, written)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(number, entry, one, show) for number, one in enumerate(entry.verdicts.values(), 1)],
        "extra_data": {"lesson": entry.lesson, "version": entry.version, "sandbox": entry.provenance["sandbox"]},
    }


def _overall(entry: Entry, said: About, show: str, written: int) -> list[str]:
    """What learners read at once: nothing that depends on the hidden draw."""
    if entry.problem:
        return [entry.problem, "Nothing could be judged. Hand in again."]
    when = {"after_due_date": "after the due date", "after_published": "when grades are published"}
    lines = [f"Your notebook was judged as {entry.lesson}, version {entry.version}. This is hand-in {said.before + 1}."]
    if show in when:
        lines.append(f"You see what is right, and why, {when[show]}. Until then, the checks in the notebook tell you.")
    if written:
        lines.append(f"Written answers: {written}. A person grades them.")
    if said.late:
        lines.append(f"You handed in {_span(said.late)} after the due date. That changes no points here.")
    return [*lines, *(f"Note: {remark}" for remark in entry.remarks)]


def _span(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"


def _test(number: int, entry: Entry, verdict: Verdict, show: str) -> dict[str, Any]:
    """A check as a test case; one that awaits a person has no score yet."""
    most = entry.points[verdict.check]
    made: dict[str, Any] = {
        "name": verdict.check.removeprefix(house.prefix(house.stem(entry.lesson))),
        "number": str(number),
        "output": card.text(verdict),
        "visibility": show,
        "extra_data": {"check": verdict.check, "status": verdict.status, "seed": verdict.seed},
    }
    if verdict.check in entry.awaits:
        return {**made, "output": f"{made['output']}\n    {most:g} points await a person."}
    return {**made, "score": verdict.points(most), "max_score": most, "status": "passed" if verdict.right else "failed"}


def grade(root: Path, show: str) -> dict[str, Any]:
    """Judge what is in the folders of Gradescope below `root`; OperatorError if that cannot be done."""
    source, said = root / "source", about(root / "submission_metadata.json")
    releases, key = Releases([source / "releases"]), read_key(source / "course.key")
    (lesson,) = releases.lessons()
    entry = judged(root / "submission", lesson, releases, said.learner, key)
    release = releases.named(lesson)
    written = sum(metadata.role(cell) == "written" for cell in release.cells) if release else 0
    return report(entry, said, show, written)


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
