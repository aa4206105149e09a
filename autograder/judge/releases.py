"""Finds the release that a submission was made from, among folders of notebooks as they were handed out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import metadata
from autograder.house import NOTEBOOKS
from autograder.judge.plan import checks_of
from autograder.judge.restore import likeness
from autograder.judge.submissions import Unreadable


@dataclass(frozen=True)
class Found:
    """A release, and a remark if it is not the very one that was handed out."""

    notebook: NotebookNode
    remark: str = ""


class Releases:
    """All releases in some folders; a class keeps those that it has handed out in its own."""

    def __init__(self, folders: Iterable[Path] = (NOTEBOOKS,)):
        self.notebooks: list[NotebookNode] = []
        for folder in folders:
            for path in sorted(folder.glob("*.ipynb")):
                self.notebooks.append(nbformat.read(path, as_version=4))

    def lessons(self) -> list[str]:
        """The names of all lessons, e.g. 01_unrolled_graph."""
        return sorted({metadata.lesson(notebook) for notebook in self.notebooks})

    def of(self, submission: NotebookNode) -> Found:
        """The release of a submission, by what it says it is, else by what is in it.

        Raises Unreadable for another course's notebook, an unknown lesson or version.
        """
        lesson, version = metadata.lesson(submission), metadata.version(submission)
        same = [notebook for notebook in self.notebooks if metadata.lesson(notebook) == lesson]
        for notebook in same:
            if metadata.version(notebook) == version:
                return Found(notebook)
        if not lesson or not same:
            return self._by_content(submission, lesson)
        newest = same[-1]
        mine = {key.id for cell in submission.cells if (key := metadata.key(cell)) and key.role == "check"}
        if mine <= set(checks_of(newest)) and likeness(submission, newest):
            remark = (
                f"its version {version or '(none)'} is not known; judged against version {metadata.version(newest)}"
            )
            return Found(newest, remark)
        raise Unreadable(
            f"This is version {version or '(none)'} of {lesson}, which is not known, and its checks are not those of the "
            f"version here; put the notebook that was handed out into a folder and name it with --releases."
        )

    def _by_content(self, submission: NotebookNode, lesson: str) -> Found:
        """The newest of the releases that most of a notebook's cells come from."""
        alike = {number: likeness(submission, notebook) for number, notebook in enumerate(self.notebooks)}
        best = max(alike, key=lambda number: (alike[number], number), default=None)
        if best is not None and alike[best]:
            found = self.notebooks[best]
            said = f"says that it is {lesson!r}" if lesson else "does not say which lesson it is"
            return Found(found, f"it {said}; by its cells it is {metadata.lesson(found)}")
        known = ", ".join(self.lessons()) or "none"
        if lesson:
            raise Unreadable(f"This is of the lesson {lesson!r}, which is not among the releases ({known}).")
        raise Unreadable(
            f"This is not a notebook of this course: no cell of it comes from one of its lessons ({known})."
        )

    def named(self, lesson: str) -> NotebookNode | None:
        """The newest release of the lesson of this name, or None."""
        return next((one for one in reversed(self.notebooks) if metadata.lesson(one) == lesson), None)
