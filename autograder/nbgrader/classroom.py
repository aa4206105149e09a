"""A class's folder: a stock nbgrader course folder with our settings.

It lives outside the repository. Making it again adds what is new. Nothing in it is ever deleted, and only a lesson's own source
and release are overwritten. Every version that was handed out is kept, so that a submission is graded against the one it was
made from.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config, PyFileConfigLoader

from autograder import metadata
from autograder.errors import CourseError, OperatorError
from autograder.house import ROOT
from autograder.judge.batch import read_key
from autograder.nbgrader.roster import roster_of

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory

CONFIG = "nbgrader_config.py"
FOLDERS = ("source", "release", "submitted", "autograded", "feedback")
KEY = "course.key"
OURS = ".bptt"  # holds the versions that were handed out, and the verdicts


@dataclass(frozen=True)
class Classroom:
    """A class folder, and where things are in it."""

    root: Path

    @property
    def verdicts(self) -> Path:
        """The folder of the store of verdicts."""
        return self.root / OURS / "verdicts"

    def key(self) -> bytes:
        """The course key, from which hidden numbers are drawn; OperatorError if it is missing or open to others."""
        path = self.root / KEY
        try:
            if hasattr(os, "geteuid") and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise OperatorError(f"Others can read {path}. Close it: chmod 600 {path}")
        except OSError:
            pass  # said below
        return read_key(
            path, f"Restore it from a copy; `course class {self.root}` makes a new one where there is none."
        )

    def lessons(self) -> list[str]:
        """The lessons of the class, such as "01_unrolled_graph", in order."""
        return sorted(path.name for path in (self.root / OURS / "versions").glob("*") if (path / "current").is_file())

    def lesson(self, name: str) -> str:
        """A lesson of the class by its name or number; OperatorError if there is none."""
        for lesson in self.lessons():
            if name in (lesson, lesson[:2]):
                return lesson
        raise OperatorError(f"The class has no lesson {name}. It has: {', '.join(self.lessons()) or 'none yet'}.")

    def release(self, lesson: str, version: str = "") -> NotebookNode:
        """The notebook of `lesson` as it was handed out in `version`, or as it is handed out now.

        An older version is used only if its graded cells are those in the gradebook; otherwise it is the current one.
        """
        now = _handed_out(self._version(lesson, self.current(lesson)))
        then = self._version(lesson, version)
        if not version.isalnum() or not then.is_file():
            return now
        older = _handed_out(then)
        return older if graded_cells(older) == graded_cells(now) else now

    def current(self, lesson: str) -> str:
        """The version of `lesson` that is handed out now; OperatorError if the class has no such lesson."""
        try:
            return (self.root / OURS / "versions" / lesson / "current").read_text().strip()
        except OSError:
            has = ", ".join(self.lessons()) or "none yet"
            raise OperatorError(f"The class in {self.root} has no lesson {lesson}. It has: {has}.") from None

    def submissions(self, lesson: str) -> list[Path]:
        """The folders submitted/STUDENT/LESSON, in the students' order."""
        return sorted(path for path in (self.root / "submitted").glob(f"*/{lesson}") if path.is_dir())

    def roster(self) -> list[str]:
        """The ids that `course class --students` was given. nbgrader makes a student of whoever hands in, so its gradebook cannot tell."""
        try:
            return list(json.loads((self.root / OURS / "roster.json").read_text()))
        except (OSError, ValueError):
            return []

    def config(self) -> Config:
        """The settings that nbgrader has when it is started in this folder."""
        self.find_plugins()
        config = Config({"CourseDirectory": {"root": str(self.root)}})
        config.merge(PyFileConfigLoader(CONFIG, path=str(self.root)).load_config())
        return config

    def find_plugins(self) -> None:
        """Let a module beside nbgrader_config.py be imported, as `nbgrader` does when it is started here."""
        if str(self.root) not in sys.path:
            sys.path.append(str(self.root))

    def course(self) -> CourseDirectory:
        """What nbgrader knows of the folder: where everything is, the gradebook too."""
        from nbgrader.coursedir import CourseDirectory

        return CourseDirectory(config=self.config())

    def _version(self, lesson: str, version: str) -> Path:
        return self.root / OURS / "versions" / lesson / f"{version}.ipynb"


@lru_cache(64)
def _handed_out(path: Path) -> NotebookNode:
    """A version that was handed out, which never changes; nor may whoever reads it change it."""
    return nbformat.read(path, as_version=4)


def is_class(folder: Path) -> bool:
    """Whether `folder` was made by `course class`; OperatorError for an nbgrader course folder that was not."""
    if (folder / CONFIG).is_file() and not (folder / OURS / "versions").is_dir():
        raise OperatorError(
            f"{folder} was not made by `course class`. Make a class with that command, and move submitted/ there."
        )
    return (folder / CONFIG).is_file()


def graded_cells(notebook: NotebookNode) -> dict[str, tuple[str, float]]:
    """The cells that nbgrader counts: kind and points by grade id."""
    marks = ((cell, cell.metadata.get("nbgrader", {})) for cell in notebook.cells)
    return {mark["grade_id"]: (cell.cell_type, float(mark["points"])) for cell, mark in marks if mark.get("grade")}


class UpdateRefused(CourseError):
    """A lesson cannot be updated in this class."""


def make(root: Path, scripts: Iterable[Path], *, hints: bool = True, roster: Path | None = None) -> list[str]:
    """Make the class in `root`, or add to it what is new; one line for everything that was done.

    Raises OperatorError if there can be no class in `root`; and, once all other lessons are in place, an ExceptionGroup of
    UpdateRefused and AuthorErrors.
    """
    root = root.expanduser().resolve()
    _fit(root)
    students = roster_of(roster) if roster else []
    for name in (*FOLDERS, f"{OURS}/versions"):
        (root / name).mkdir(parents=True, exist_ok=True)
    os.chmod(root / OURS, 0o700)
    said = [_config(root), _key(root)]
    classroom, refused = Classroom(root), []
    for script in scripts:
        try:
            said.append(_lesson(classroom, script, hints))
        except CourseError as error:
            refused.append(error)
    if students:
        said.append(_enrol(classroom, students))
    if refused:
        raise ExceptionGroup("\n".join(said), refused)
    return said


def _fit(root: Path) -> None:
    if root == ROOT or root.is_relative_to(ROOT):
        raise OperatorError(
            f"{root} is inside the repository. A class holds answers and grades, so keep it elsewhere, as in "
            "`course class ~/bptt-class`."
        )
    if root.exists() and not root.is_dir():
        raise OperatorError(f"{root} is a file. Name a new or empty folder.")
    if root.is_dir() and not is_class(root) and any(root.iterdir()):
        raise OperatorError(f"{root} is not empty and is not a class of this course. Name a new or empty folder.")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)  # grades are nobody else's business
    except OSError as error:
        raise OperatorError(f"{root} cannot be created ({error.strerror}). Name another folder.") from None


def _config(root: Path) -> str:
    path, wanted = root / CONFIG, Path(__file__).with_name("class_config.py").read_text()
    if not path.exists():
        path.write_text(wanted)
        return f"{CONFIG}: created"
    same = path.read_text() == wanted
    return f"{CONFIG}: " + ("unchanged" if same else "yours, left as it is")


def _key(root: Path) -> str:
    try:
        descriptor = os.open(root / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return f"{KEY}: unchanged"
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    return f"{KEY}: created; keep a copy in a safe place, because hidden numbers are drawn from it"


def _lesson(classroom: Classroom, script: Path, hints: bool) -> str:
    """Add one lesson to the class or update it: source, release, the copy of the version and the gradebook."""
    from autograder.authoring.release import as_bytes, notebooks

    lesson = script.stem
    solved, handed_out = notebooks(script, hints)
    version, root = metadata.version(handed_out), classroom.root
    before = classroom.current(lesson) if lesson in classroom.lessons() else ""
    if before and before != version and graded_cells(classroom.release(lesson)) != graded_cells(handed_out):
        if _has_submissions(classroom, lesson):
            raise UpdateRefused(
                f"{lesson}: stays at version {before}. Version {version} has other graded cells or points, and there "
                "are submissions already. Make another class for it."
            )
    versions = root / OURS / "versions" / lesson
    write_bytes(versions / f"{version}.ipynb", as_bytes(handed_out))
    _register(classroom, lesson, handed_out)
    if before != version:
        write_bytes(root / "source" / lesson / f"{lesson}.ipynb", as_bytes(solved))
        write_bytes(root / "release" / lesson / f"{lesson}.ipynb", as_bytes(handed_out))
    write_bytes(versions / "current", f"{version}\n".encode())
    if not before:
        points = sum(points for _, points in graded_cells(handed_out).values())
        return f"{lesson}: added, version {version}, {points:g} points"
    return f"{lesson}: " + ("unchanged" if before == version else f"version {before} -> {version}; both are graded")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        file.write(data)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


@contextmanager
def gradebook(classroom: Classroom) -> Iterator[Gradebook]:
    """The class's gradebook; created if it does not exist."""
    from nbgrader.api import Gradebook

    course = classroom.course()
    with Gradebook(course.db_url, course.course_id) as opened:
        yield opened


def _has_submissions(classroom: Classroom, lesson: str) -> bool:
    from nbgrader.api import MissingEntry

    if classroom.submissions(lesson):
        return True
    with gradebook(classroom) as book:
        try:
            return bool(book.assignment_submissions(lesson))
        except MissingEntry:
            return False


def _register(classroom: Classroom, lesson: str, handed_out: NotebookNode) -> None:
    """Enter the lesson's cells and points into the gradebook, with nbgrader's own step."""
    from nbgrader.preprocessors import SaveCells

    with gradebook(classroom) as book:
        book.update_or_create_assignment(lesson)
    about = {"notebook": lesson, "assignment": lesson, "db_url": classroom.course().db_url}
    SaveCells().preprocess(nbformat.from_dict(handed_out), {"nbgrader": about})


def _enrol(classroom: Classroom, students: Sequence[dict[str, str]]) -> str:
    ids = sorted({*classroom.roster(), *(student["id"] for student in students)})
    write_bytes(classroom.root / OURS / "roster.json", json.dumps(ids).encode())
    with gradebook(classroom) as book:
        for student in students:
            names = {
                "first_name": student.get("first"),
                "last_name": student.get("last"),
                "email": student.get("email"),
            }
            book.update_or_create_student(student["id"], **{key: name for key, name in names.items() if name})
    return f"gradebook.db: {len(students)} students from the roster"
