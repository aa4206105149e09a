"""What lies in a class's submitted/: which notebook of a student counts for a lesson, and a line for all else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from autograder import metadata
from autograder.judge.reader import read
from autograder.judge.restore import likeness
from autograder.judge.submissions import files_in, is_notebook, lesson_in, one_of, way_out
from autograder.nbgrader.classroom import Classroom


@dataclass(frozen=True)
class HandIn:
    """What a student handed in for a lesson: the notebook that counts, or a line that says why none does."""

    student: str
    lesson: str  # "" if it is in no lesson's folder
    path: Path
    problem: str = ""
    remark: str = ""


def hand_ins(classroom: Classroom, lessons: list[str], everything: bool) -> list[HandIn]:
    """A HandIn for each student and lesson; with `everything`, also for what lies outside the folders of `lessons`."""
    submitted = classroom.root / "submitted"
    found = [
        hand_in(folder, classroom.release(lesson)) for lesson in lessons for folder in classroom.submissions(lesson)
    ]
    return [*found, *(_misplaced(classroom, submitted) if everything else ())]


def find(classroom: Classroom, student: str, lesson: str) -> HandIn:
    """What a student handed in for a lesson of the class."""
    return hand_in(classroom.root / "submitted" / student / lesson, classroom.release(lesson))


def hand_in(folder: Path, release: NotebookNode) -> HandIn:
    """What counts in submitted/STUDENT/LESSON: LESSON.ipynb, else the only notebook that is one of the lesson's by its cells."""
    student, lesson = folder.parent.name, metadata.lesson(release)
    files = [path for path in files_in(folder) if path.name not in ("timestamp.txt", "submission_secret.txt")]
    notebooks = [path for path in files if is_notebook(path)]
    exact = folder / f"{lesson}.ipynb"
    if exact in notebooks or exact.is_symlink():
        others = ", ".join(str(path.relative_to(folder)) for path in notebooks if path != exact)
        return HandIn(student, lesson, exact, remark=f"also there, and not graded: {others}" if others else "")
    fitting = [path for path in notebooks if _fits(path, release)]
    if meant := one_of(fitting, exact.name) if fitting else None:
        return HandIn(student, lesson, meant, remark=f"handed in as {meant.relative_to(folder)}")
    return HandIn(student, lesson, exact, _why_none(folder, files, notebooks, fitting))


def _fits(path: Path, release: NotebookNode) -> bool:
    handed_in = read(path)
    return bool(likeness(handed_in.notebook, release)) or bool(
        handed_in.problem and lesson_in(path.stem, [metadata.lesson(release)])
    )


def _why_none(folder: Path, files: list[Path], notebooks: list[Path], fitting: list[Path]) -> str:
    """Why no notebook of a folder counts, and the way out."""
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        return f"{len(fitting)} different notebooks could be it: {names}. Keep the one that counts."
    if notebooks:
        return f"no notebook of this lesson is here, only {', '.join(path.name for path in notebooks)}."
    said = [problem for path in files if (problem := way_out(path, alone=True))]
    return " ".join(said) or (
        f"no notebook is here, only {', '.join(path.name for path in files[:5])}." if files else "the folder is empty."
    )


def _misplaced(classroom: Classroom, submitted: Path) -> Iterator[HandIn]:
    """What lies in submitted/ but in no folder STUDENT/LESSON of a lesson of the class."""
    lessons = classroom.lessons()
    for student in sorted(submitted.glob("*")):
        if student.name.startswith((".", "__MACOSX")):
            continue
        if not student.is_dir():
            yield HandIn(student.stem, "", student, _move(student, student.stem, lessons, classroom))
            continue
        inside = [path for path in sorted(student.glob("*")) if not path.name.startswith((".", "__MACOSX"))]
        if not inside:
            yield HandIn(student.name, "", student, "the folder is empty.")
        for path in inside:
            if path.is_dir() and path.name in lessons:
                continue
            yield HandIn(
                student.name, path.name if path.is_dir() else "", path, _move(path, student.name, lessons, classroom)
            )


def _move(path: Path, student: str, lessons: list[str], classroom: Classroom) -> str:
    """That a file or folder is not where it is graded, and the command that moves it there."""
    shown = path.relative_to(classroom.root)
    notebooks = (
        [one for one in files_in(path) if is_notebook(one)] if path.is_dir() else [path] if is_notebook(path) else []
    )
    if not notebooks:
        return way_out(path, alone=True) or f"{shown} holds no notebook, and is in no lesson's folder."
    lesson = lesson_in(path.stem if path.is_file() else path.name, lessons) or _lesson_of(
        notebooks[0], classroom, lessons
    )
    if not lesson:
        return f"this class has no lesson {path.name}. If it is one of its lessons ({', '.join(lessons)}), rename the folder."
    target = (
        Path("submitted") / (student if not path.is_file() or path.parent.name != "submitted" else "STUDENT") / lesson
    )
    there = target if path.is_dir() else target / f"{lesson}.ipynb"
    make = "" if path.is_dir() else f"mkdir -p {shlex.quote(str(target))} && "
    return f"{shown} is in no lesson's folder, so it is not graded. Move it: {make}mv {shlex.quote(str(shown))} {shlex.quote(str(there))}"


def _lesson_of(path: Path, classroom: Classroom, lessons: list[str]) -> str:
    """The lesson that a notebook says it is, or is by its cells; "" for none of the class's."""
    notebook = read(path).notebook
    if (claimed := metadata.lesson(notebook)) in lessons:
        return claimed
    alike = {lesson: likeness(notebook, classroom.release(lesson)) for lesson in lessons}
    best = max(lessons, key=lambda lesson: alike[lesson], default="")
    return best if best and alike[best] else ""
