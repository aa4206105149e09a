"""Takes in what an LMS has downloaded in bulk: laid out as nbgrader wants it, by the class's own ids, with a list of what could not be."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from autograder.delivery.lms import Lms, Owner, Person, Sheet, same_name, told_apart
from autograder.delivery.unpack import Piece, Refused, downloaded, packed_by_learner
from autograder.errors import OperatorError
from autograder.judge.folders import remove
from autograder.judge.submissions import files_in, is_notebook, lesson_in, one_of, way_out
from autograder.nbgrader.classroom import Classroom, gradebook

_NBGRADERS = ("timestamp.txt", "submission_secret.txt")  # nbgrader believes them, so they must not come from a learner


@dataclass
class Taken:
    """What became of a download."""

    by: str  # the column of the export that tells people apart
    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # a line for each thing that was not taken in


def roster(classroom: Classroom) -> list[tuple[str, str]]:
    """(id, email) of each student in the gradebook; OperatorError if there is none."""
    with gradebook(classroom) as book:
        found = [(str(student.id), str(student.email or "")) for student in book.students]
    if not found:
        raise OperatorError(
            f"The class has no students. Enter them: course class {classroom.root} --students roster.csv"
        )
    return found


def take_in(lms: Lms, downloads: Iterable[Path], export: Sheet, classroom: Classroom, lesson: str) -> Taken:
    """Put the hand-ins of a lesson into submitted/STUDENT/LESSON/; what was there for the lesson is replaced if it differs."""
    people = {person.id: person for person in lms.people(export)}
    students, by = told_apart([*people.values()], roster(classroom))
    taken = Taken(by)
    with tempfile.TemporaryDirectory() as place:
        late: dict[str, bool] = {}
        for piece in (piece for path in downloads for piece in downloaded(path)):
            owner = lms.whose(piece.place)
            if problem := piece.problem or _unknown(owner, people, students, export):
                taken.left.append(f"{piece.place}: {problem}")
            elif owner and owner.file.parts:
                late[owner.id] = late.get(owner.id, False) or owner.late
                if problem := _keep(piece, owner, Path(place, owner.id)):
                    taken.left.append(f"{piece.place}: {problem}")
            else:
                taken.left.append(f"{piece.place}: was typed into the LMS, and is no file")
        for id in late:
            _lay_out(Path(place, id), students[id], classroom.root / "submitted" / students[id] / lesson, taken)
        taken.late = sorted(students[id] for id, is_late in late.items() if is_late)
    return taken


def _unknown(owner: Owner | None, people: dict[str, Person], students: dict[str, str], export: Sheet) -> str:
    """Why a file cannot be given to anybody of the class; "" if it can."""
    if owner is None:
        return "its name does not say whose it is"
    person = people.get(owner.id)
    if person is None:
        return f"{owner.id} is not in {export.path.name}; export that again"
    if not same_name(owner.name, person.name):
        return (
            f"{owner.id} is {person.name!r} in {export.path.name}; is it of another assignment or course, or a group's?"
        )
    if owner.id not in students:
        return f"{person.name} ({owner.id}) is not in the class's roster"
    return ""


def _keep(piece: Piece, owner: Owner, folder: Path) -> str:
    """Write a file of a learner's below `folder`, opened if it is a zip; why not, or ""."""
    try:
        if owner.file.suffix.lower() != ".zip":
            _write(folder / owner.file, piece.data)
            return ""
        with tempfile.TemporaryFile() as file:
            file.write(piece.data)
            for inner in packed_by_learner(file):
                _write(folder / owner.file.stem / inner.place, inner.data)
    except Refused as error:
        return str(error)
    except OSError as error:  # a name too long, or a file where a folder should be
        return f"cannot be kept under its name ({error.strerror})"
    return ""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _lay_out(found: Path, student: str, to: Path, taken: Taken) -> None:
    """Move the files in `found` to the folder `to`, with the notebook that is meant under the lesson's name."""
    lesson, files = to.name, list(files_in(found)) if found.is_dir() else []
    notebooks = [path for path in files if is_notebook(path)]
    named = [path for path in notebooks if lesson_in(path.stem, [lesson])]
    meant = one_of(named or notebooks, f"{lesson}.ipynb") if notebooks else None
    for path in files:
        if not is_notebook(path) and (said := way_out(path, alone=meant is None)):
            taken.left.append(f"{student}: {said}")
    if meant is None:
        names = ", ".join(str(path.relative_to(found)) for path in notebooks)
        taken.left.append(f"{student}: " + (f"which of these notebooks is meant? {names}" if names else "no notebook"))
        return
    kept = {f"{lesson}.ipynb": meant}
    for path in files:
        if not is_notebook(path) and path.name not in _NBGRADERS:
            kept[str(path.relative_to(meant.parent if path.is_relative_to(meant.parent) else found))] = path
    content = {name: path.read_bytes() for name, path in kept.items()}
    if _sums(content) == _sums(
        {str(path.relative_to(to)): path.read_bytes() for path in files_in(to)} if to.is_dir() else {}
    ):
        taken.same.append(student)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=to.parent, prefix=".taking-"))
    for name, data in content.items():
        _write(aside / name, data)
    aside.chmod(0o755)
    remove(to)
    os.replace(aside, to)
    taken.new.append(student)


def _sums(content: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name not in _NBGRADERS}
