"""solutions/ → notebooks/, by way of jupytext and nbgrader.

`released(path)` is the bytes of one notebook as it is handed out; `notebooks(path)` is the pair that an instructor's class
folder needs. Nothing varies between runs: ids and versions come from the content.
"""

from __future__ import annotations

import ast
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor, SaveCells

from autograder import house, metadata
from autograder.authoring import leaks
from autograder.authoring.contract import BEGIN_RELEASED, Cell, Lesson, as_written, regions, uncommented
from autograder.authoring.contract import END_RELEASED as END
from autograder.authoring.source import read
from autograder.errors import AuthorError, OperatorError
from autograder.house import ROOT, SOLUTIONS

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
# A role in nbgrader's terms: (grade, solution, locked).
NBGRADER = {
    "answer": (False, True, False),
    "check": (True, False, True),
    "written": (True, True, False),
    "given": (False, False, True),
}


class ReleasedAs(NbGraderPreprocessor):
    """Replaces the stub of ClearSolutions with the commented lines of a RELEASED AS block."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        """Uncomment the block and remove the stub before it."""
        if cell.cell_type != "code" or BEGIN_RELEASED not in cell.source:
            return cell, resources
        stub = len(ClearSolutions(parent=self).code_stub["python"].split("\n"))
        lines = cell.source.split("\n")
        for begin, end in reversed(regions(cell.source, BEGIN_RELEASED, END)):
            shown = [uncommented(line) for line in lines[begin + 1 : end]]
            lines[begin - stub : end + 1] = shown
        cell.source = "\n".join(lines)
        return cell, resources


def preprocessors() -> list[type]:
    """The steps of nbgrader's own `generate_assignment`, with ours after the one that removes answers."""
    steps = list(GenerateAssignment.class_traits()["preprocessors"].default())
    steps.insert(steps.index(ClearSolutions) + 1, ReleasedAs)
    return steps


def notebooks(path: Path | str, hints: bool = True) -> tuple[NotebookNode, NotebookNode]:
    """A lesson with its answers and as handed out, both with nbgrader's metadata, ids and version.

    nbgrader's `generate_assignment` with `preprocessors()` makes the second from the first.
    Raises AuthorError when the source breaks its contract or an answer leaks.
    """
    lesson = read(path)
    if not hints:
        kept = tuple(cell for cell in lesson.cells if cell.role != "hint")
        lesson = Lesson(lesson.path, lesson.name, lesson.stem, kept)
    solved = _notebook(lesson)
    handed_out, resources = nbformat.from_dict(solved), dict[str, Any]()
    for step in preprocessors():
        if step is not SaveCells:  # a gradebook belongs to a class, not to a release
            handed_out, resources = step()(handed_out, resources)
    _still_python(lesson, handed_out)
    leaks.refuse(lesson, [cell.source for cell in handed_out.cells])
    for cell, twin in zip(handed_out.cells, solved.cells, strict=True):
        if metadata.role(cell) in metadata.WRITTEN_IN:
            for copy in (cell, twin):
                metadata.note(copy, sum=metadata.content(cell))
    version = _sum(nbformat.writes(handed_out))
    for notebook in (solved, handed_out):
        metadata.note(notebook, lesson=lesson.name, version=version)
    return solved, handed_out


def released(path: Path | str, hints: bool = True) -> bytes:
    """One lesson as it is handed out: the bytes of its notebook."""
    return as_bytes(notebooks(path, hints)[1])


def solution(path: Path | str) -> bytes:
    """One lesson with its answers, for learners to read: without markers, grades and locks, and never to be graded."""
    made = notebooks(path)[0]
    for cell in made.cells:
        cell.source = as_written(cell.source).rstrip("\n")
        cell.metadata.pop("nbgrader", None)
    return as_bytes(made)


def as_bytes(notebook: NotebookNode) -> bytes:
    """A notebook in the form in which it is committed: valid, with sorted keys and a final newline."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook) + "\n").encode()


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _notebook(lesson: Lesson) -> NotebookNode:
    """The lesson with its answers, as nbgrader's source notebook."""
    taken: set[str] = set()
    cells = []
    for cell in lesson.cells:
        make = new_code_cell if cell.kind == "code" else new_markdown_cell
        node = make(cell.source, metadata=_about(cell))
        node["id"] = _unique(_cell_id(cell, node), taken)
        cells.append(node)
    return new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL), "language_info": dict(LANGUAGE)})


def _cell_id(cell: Cell, node: NotebookNode) -> str:
    """The id of a cell: from its role or, without one, from its content."""
    if cell.role is None:
        return f"{'text' if cell.kind == 'markdown' else 'code'}-{metadata.content(node)}"
    return _grade_id(cell) if cell.role in NBGRADER else f"{cell.role}-{cell.id}"


def _grade_id(cell: Cell) -> str:
    """nbgrader wants each id only once in a notebook, but an answer and its check share ours."""
    return {"check": f"{cell.id}-check", "given": f"given-{cell.id}"}.get(cell.role or "", cell.id)


def _unique(identity: str, taken: set[str]) -> str:
    identity = identity[:60]  # nbformat allows 64 characters
    count = 1
    while (candidate := identity if count == 1 else f"{identity}-{count}") in taken:
        count += 1
    taken.add(candidate)
    return candidate


def _about(cell: Cell) -> dict[str, Any]:
    if cell.role is None:
        return {}
    about: dict[str, Any] = {"bptt": {"role": cell.role, "id": cell.id}}
    if cell.role == "fails":
        about["tags"] = ["raises-exception"]
    if cell.role in NBGRADER:
        grade, solution, locked = NBGRADER[cell.role]
        about["nbgrader"] = {
            "schema_version": 3,
            "grade_id": _grade_id(cell),
            "grade": grade,
            "solution": solution,
            "locked": locked,
            "task": False,
        }
        if cell.points is not None:
            about["nbgrader"]["points"] = cell.points
    return about


def _still_python(lesson: Lesson, notebook: NotebookNode) -> None:
    for cell, node in zip(lesson.cells, notebook.cells, strict=True):
        if cell.role == "answer":
            try:
                ast.parse(node.source)
            except SyntaxError as error:
                raise lesson.error(
                    cell,
                    f"not valid Python without the answer: {error.msg}, line {error.lineno}",
                    "Put the markers around whole statements, and valid lines under RELEASED AS",
                ) from None


def build(paths: Iterable[Path], make: Callable[[Path], bytes] = released) -> dict[str, bytes]:
    """File names and bytes of what `make` makes of `paths`; raises an ExceptionGroup of all AuthorErrors."""
    built, errors = {}, []
    for path in paths:
        try:
            built[f"{path.stem}.ipynb"] = make(path)
        except AuthorError as error:
            errors.append(error)
    if errors:
        raise ExceptionGroup("lessons that cannot be released", errors)
    return built


def write(built: dict[str, bytes], folder: Path) -> None:
    """Put the files into `folder`; all are written aside before the first one replaces an old one."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".release-", dir=folder) as aside:
        for name, data in built.items():
            (Path(aside) / name).write_bytes(data)
        for name in built:
            os.replace(Path(aside) / name, folder / name)


def out_of_date(built: dict[str, bytes], folder: Path, whole: bool = True) -> list[str]:
    """One line for each file that `folder` lacks, has in another version or (if `whole`) should not have."""
    found = []
    for name, data in built.items():
        file = folder / name
        if not file.exists():
            found.append(f"{name} is missing")
        elif file.read_bytes() != data:
            found.append(f"{name} differs from what its source makes")
    extra = [file.name for file in sorted(folder.glob("*.ipynb")) if file.name not in built] if whole else []
    return found + [f"{name} has no source" for name in extra]


def scripts_of(lessons: list[str]) -> list[Path]:
    """The scripts of these lessons ("01", "01_unrolled_graph" or a path); all if none is named."""
    every = house.lessons(SOLUTIONS)
    if not lessons:
        return every
    chosen = []
    for lesson in lessons:
        found = [path for path in every if Path(lesson).stem in (path.stem, path.stem[:2])]
        if not found:
            names = ", ".join(path.stem for path in every) or "none"
            raise OperatorError(f"There is no lesson {lesson} in {SOLUTIONS.relative_to(ROOT)}/, only: {names}.")
        chosen += found
    return chosen
