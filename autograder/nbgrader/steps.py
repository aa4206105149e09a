"""The steps that `nbgrader autograde` runs in a class folder: Reader, Repair, JudgedExecute, SaveJudged.

nbgrader reads the score of a check from its cell: an `execute_result` whose text is a number from 0 to the maximum.
"""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any, cast

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Grade, Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution
from traitlets import Bool, Dict, Unicode
from traitlets.config import LoggingConfigurable

from autograder import metadata
from autograder.checking import card
from autograder.checking.spec import ENDINGS, Status, Verdict
from autograder.judge.folders import below
from autograder.judge.limits import Limits
from autograder.judge.reader import read
from autograder.nbgrader.classroom import OURS, Classroom, write_bytes
from autograder.nbgrader.handed_in import hand_in
from autograder.nbgrader.judging import Graded, grade
from autograder.nbgrader.repair import repair


def classroom_of(step: LoggingConfigurable) -> Classroom:
    """The class in which a step of nbgrader runs: the course directory of the converter that runs it."""
    owner: Any = step
    while not hasattr(owner, "coursedir"):
        owner = owner.parent
    return Classroom(Path(owner.coursedir.root).resolve())


class Reader(NotebookExporter):
    """Reads a submission, whatever it is and is called, and hands what is wrong with it to Repair in `resources`.

    The old scores of a submission are deleted before it is graded, so that none of them survives a failure.
    """

    parent: Any  # nbgrader's converter

    optimistic_validation = Bool(True, help="Validate a notebook after the last step, and not after each.").tag(
        config=True
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._asked = self.parent.pre_convert_hook
        self._ignore = list(self.parent.coursedir.ignore)
        self._named: dict[str, Path] = {}  # the notebook that counts, by the path at which nbgrader expects it
        self.parent.pre_convert_hook = self._before
        classroom_of(self).find_plugins()

    def _before(self, assignment: str, student: str, notebooks: list[str]) -> None:
        about = self.parent.init_single_notebook_resources(notebooks[0])["nbgrader"]
        forget(about["db_url"], about["assignment"], about["student"])
        folder = Path(notebooks[0]).parent
        self._leave_links(folder)
        counts = hand_in(folder, classroom_of(self).release(about["assignment"]))
        expected = str(folder / f"{about['assignment']}.ipynb")
        if not counts.problem and expected not in notebooks:
            notebooks.append(expected)  # nbgrader's own list; it leaves out what the gradebook does not know
        self._named[expected] = counts.path
        if self._asked:
            self._asked(assignment=assignment, student=student, notebooks=notebooks)

    def _leave_links(self, folder: Path) -> None:
        """Keep nbgrader from following a submission's links when it copies: one may lead to the course key."""
        links = {glob.escape(entry.name) for entry, _ in below(folder) if entry.is_symlink()}
        self.parent.coursedir.ignore = [*self._ignore, *sorted(links)]

    def from_filename(self, filename: str, resources: Any = None, **more: Any) -> Any:
        """As in nbconvert, except that no file makes it fail."""
        known: Graded | None = getattr(self.parent, "known", None)
        if not self.parent._sanitizing:
            resources["known"] = known
            return super().from_filename(filename, resources=resources, **more)
        resources["metadata"] = {"name": Path(filename).stem, "path": os.path.dirname(filename)}
        if known and known.notebook:
            return self.from_notebook_node(known.notebook, resources=resources, **more)
        handed_in = read(self._named.get(filename, filename))
        if handed_in.problem:
            self.log.warning("%s: %s", filename, handed_in.problem)
        resources["handed_in"] = handed_in
        return self.from_notebook_node(NotebookNode(handed_in.notebook), resources=resources, **more)


def forget(db_url: str, assignment: str, student: str) -> None:
    """Delete the automatic scores of a submission, and mark it as not graded."""
    with Gradebook(db_url) as gradebook:
        try:
            notebooks = gradebook.find_submission(assignment, student).notebooks
        except MissingEntry:
            return
        for notebook in notebooks:
            for mark in notebook.grades:
                mark.auto_score = None
                mark.needs_manual_grade = mark.needs_manual_grade or mark.manual_score is None
        gradebook.db.commit()


class Repair(NbGraderPreprocessor):
    """Puts the submission back into the shape of the version that was handed out."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """The repaired notebook, in place of the one that was read."""
        handed_in = resources.pop("handed_in", None)
        if handed_in is None:  # `course grade` has repaired it
            return nb, resources
        release = classroom_of(self).release(resources["nbgrader"]["assignment"], metadata.version(handed_in.notebook))
        return repair(handed_in, release), resources


class JudgedExecute(NbGraderPreprocessor):
    """Writes verdicts where nbgrader looks for scores; judges unless the store already has them."""

    limits = Dict({}, help="What a submission may use, by the names in autograder/judge/limits.py.").tag(config=True)
    device = Unicode("", help="cpu, cuda or mps; if empty, BPTT_DEVICE or the CPU.").tag(config=True)
    unsafe_no_sandbox = Bool(False, help="Run learners' code with your own rights: for your own work only.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """The notebook with a card and the points in each check's cell."""
        about, classroom = resources["nbgrader"], classroom_of(self)
        graded: Graded | None = resources.pop("known", None)
        if graded is None or not graded.holds_for(nb):
            graded = self.grade(classroom, nb, about["assignment"], about["student"])
        for cell in nb.cells:
            if (key := metadata.key(cell)) and key.role == "check":
                write_verdict(cell, graded.verdicts[key.id])
        metadata.note(nb, graded=graded.fingerprint, provenance=graded.provenance, problems=list(graded.problems))
        return nb, resources

    def grade(self, classroom: Classroom, nb: NotebookNode, lesson: str, student: str, again: bool = False) -> Graded:
        """The verdicts of a repaired notebook, under the settings of this step."""
        settings: dict[str, Any] = {"device": self.device, "unsafe": self.unsafe_no_sandbox}
        return grade(classroom, nb, lesson, student, again=again, limits=self.chosen_limits(), **settings)

    def chosen_limits(self) -> Limits:
        """The limits of this step; OperatorError for one that there is not."""
        return Limits.chosen(self.limits)


def write_verdict(cell: NotebookNode, verdict: Verdict) -> None:
    """Write a verdict into its check's cell: the card, and the points where nbgrader reads them."""
    most = float(cell.metadata["nbgrader"]["points"])
    points = verdict.points(most)
    if not (math.isfinite(points) and 0 <= points <= most):
        raise ValueError(f"{verdict.check}: {points} of {most} points is impossible")
    metadata.note(cell, status=verdict.status, verdict=asdict(verdict))
    said = f"{points:g} of {most:g} points"
    if verdict.ending.awaits:
        said = f"no points yet: a person will decide, from 0 to {most:g}"
    if remark := metadata.said(cell, "remark"):
        said += f". {remark}"
    face = {"text/html": card.html(verdict), "text/plain": card.text(verdict)}
    score = {"text/html": f"<p>{escape(said)}</p>", "text/plain": repr(points)}
    cell["outputs"] = [new_output("display_data", data=face), new_output("execute_result", data=score)]


class SaveJudged(NbGraderPreprocessor):
    """nbgrader's SaveAutoGrades in one transaction, and with two rules more.

    A check that only a person can decide awaits manual grading, without a score. And what a person has decided stays decided
    while the answer that it was decided on stays the same.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """The notebook as it is; its scores are in the gradebook."""
        about = resources["nbgrader"]
        decided = Decided(classroom_of(self), about["student"], about["assignment"])
        with Gradebook(about["db_url"]) as gradebook:
            for cell in nb.cells:
                where = (grade_id(cell), about["notebook"], about["assignment"], about["student"])
                if is_grade(cell):
                    self._score(cell, gradebook.find_grade(*where), decided.on(nb, cell))
                if is_solution(cell):
                    untouched = cell.metadata["nbgrader"].get("checksum") == compute_checksum(cell)
                    gradebook.find_comment(*where).auto_comment = "No response." if untouched else None
            gradebook.db.commit()
        decided.keep()
        return nb, resources

    def _score(self, cell: NotebookNode, mark: Grade, same: bool) -> None:
        ending = ENDINGS.get(cast(Status, metadata.said(cell, "status")))
        awaits = cell.cell_type == "code" and (ending is None or ending.awaits)
        mark.auto_score = None if awaits else determine_grade(cell, self.log)[0]
        if mark.manual_score is None:
            mark.needs_manual_grade = mark.auto_score is None
        elif not same:
            mark.needs_manual_grade = True  # nbgrader's own rule


def grade_id(cell: NotebookNode) -> str:
    """nbgrader's id of a cell, or ""."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


class Decided:
    """What each graded cell of a submission was graded on, as a hash kept beside the class's versions."""

    def __init__(self, classroom: Classroom, student: str, lesson: str):
        self._file = classroom.root / OURS / "graded-on" / lesson / f"{student}.json"
        try:
            self._before: dict[str, str] = dict(json.loads(self._file.read_text()))
        except (OSError, ValueError, TypeError):
            self._before = {}
        self._now: dict[str, str] = {}

    def on(self, notebook: NotebookNode, cell: NotebookNode) -> bool:
        """Whether a graded cell is graded on the same as last time: the written answer or, for a check, the learner's code."""
        key = metadata.key(cell)
        code = [one.source for one in notebook.cells if one.cell_type == "code" and metadata.key(one) is None]
        if key and key.role == "check":
            code += [one.source for one in notebook.cells if metadata.key(one) == ("answer", key.id)]
        said = code if cell.cell_type == "code" else [cell.source]
        id = grade_id(cell)
        self._now[id] = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        return self._before.get(id) == self._now[id]

    def keep(self) -> None:
        """Remember what was graded on, for the next time."""
        write_bytes(self._file, json.dumps(self._now).encode())
