"""The map of the course: which promise is kept where, collected from what the lessons say in their headers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.contract import Cell, Lesson
from autograder.authoring.source import read
from autograder.errors import AuthorError
from autograder.house import SOLUTIONS
from autograder.house import lessons as scripts
from autograder.lessons import load

LIST = "promises.toml"


@dataclass(frozen=True)
class Promise:
    """One promise, and the cells of its lesson that keep it; `kept_in` is None while the lesson is not there."""

    id: str
    number: str  # of its lesson
    says: str
    kept_in: Lesson | None
    checks: tuple[Cell, ...] = ()
    experiments: tuple[Cell, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether an exercise with a check and an experiment keep it."""
        return bool(self.checks and self.experiments)


def promises(folder: Path = SOLUTIONS) -> list[Promise]:
    """All promises, in their order. AuthorError for a cell that keeps one that its lesson has not made."""
    path = folder / LIST
    made = tomllib.loads(path.read_text(encoding="utf-8"))["lessons"]
    lessons = {lesson.name[:2]: lesson for lesson in map(read, scripts(folder))}
    for lesson in lessons.values():
        for cell in lesson.cells:
            if strange := set(cell.keeps) - set(made.get(lesson.name[:2], {})):
                remedy = (
                    f"{folder.name}/{LIST} has: {', '.join(made.get(lesson.name[:2], {})) or 'none for this lesson'}"
                )
                raise lesson.error(cell, f"no promise of this lesson is called {', '.join(sorted(strange))}", remedy)

    def keeping(number: str, id: str, role: str) -> tuple[Cell, ...]:
        cells = lessons[number].cells if number in lessons else ()
        return tuple(cell for cell in cells if cell.role == role and id in cell.keeps)

    return [
        Promise(id, number, says, lessons.get(number), keeping(number, id, "check"), keeping(number, id, "experiment"))
        for number, ids in made.items()
        for id, says in ids.items()
    ]


def table(found: Iterable[Promise], notebooks: str) -> str:
    """The map as a table in Markdown; `notebooks` is the way to them."""
    lines = ["| promise | lesson | exercise | experiment |", "|---|---|---|---|"]
    for one in found:
        name = one.kept_in.name if one.kept_in else ""
        lesson = f"[{one.number}]({notebooks}{name}.ipynb)" if one.kept_in else f"{one.number}, to come"
        exercises = ", ".join(f"`{load(cell.id).of}`" for cell in one.checks)
        shown = "; ".join(dict.fromkeys(_title(one.kept_in, cell) for cell in one.experiments if one.kept_in))
        lines.append(f"| {one.says} | {lesson} | {exercises} | {shown} |")
    return "\n".join(lines)


def _title(lesson: Lesson, experiment: Cell) -> str:
    """The heading under which an experiment stands, or its id."""
    before = "\n".join(cell.source for cell in lesson.cells[: experiment.number - 1] if cell.kind == "markdown")
    headings = [line for line in before.split("\n") if line.startswith("#")]
    _, _, title = (headings or [""])[-1].partition("Experiment: ")
    return title or experiment.id.replace("-", " ")


BEGIN, END = "<!-- map: python -m docs.map -->", "<!-- end of the map -->"


def written_into(page: Path, drawn: str) -> str:
    """The text of a page with the map between its two marks; AuthorError without them. Lines of a script become comments."""
    text, prefix = page.read_text(encoding="utf-8"), "# " if page.suffix == ".py" else ""
    marks = f"{prefix}{BEGIN}\n", f"{prefix}{END}\n"
    if any(text.count(mark) != 1 for mark in marks):
        raise AuthorError(page, "it has no place for the map", f"Put `{BEGIN}` and `{END}` on lines of their own")
    before, _, rest = text.partition(marks[0])
    behind = rest.partition(marks[1])[2]
    blank = prefix.rstrip() + "\n"
    shown = "".join(f"{prefix}{line}\n" for line in drawn.split("\n"))
    return before + marks[0] + blank + shown + blank + marks[1] + behind
