"""Judges one hand-in, which lies in a folder, against the one lesson that a place was set up for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from autograder import metadata
from autograder.errors import OperatorError
from autograder.judge.batch import OPEN_KEY, Job, grade_one
from autograder.judge.entry import Entry
from autograder.judge.limits import MB, Limits
from autograder.judge.reader import read
from autograder.judge.releases import Releases
from autograder.judge.sandbox import choose
from autograder.judge.submissions import Submission, notebooks_in, one_of

# These places end a run after ten or fifteen minutes, some with 0 points; the judge ends first, and keeps what was right until then.
WITHIN = Limits(submission=480, cpu=480, memory=1536 * MB)


def judged(folder: Path, lesson: str, releases: Releases, learner: str, key: bytes = OPEN_KEY) -> Entry:
    """What became of the hand-in in `folder`, 0 points with the reason if there is none; OperatorError if the fault is ours."""
    job = Job(choose(), releases, key, WITHIN)
    with tempfile.TemporaryDirectory() as place:
        entry = grade_one(handed_in(folder, lesson, learner, Path(place)), job).entry()
    if entry.state == "failed":
        raise OperatorError(entry.problem)
    return entry


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
