"""The contract of a lesson's cells: roles, markers, ids and pairs; an AuthorError for each breach."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from autograder import house
from autograder.errors import AuthorError
from autograder.house import ROOT

# Each role, the keys that go with it, and the kind of cell it belongs on (None: either).
ROLES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "answer": ((), "code"),
    "check": (("points", "keeps"), "code"),
    "written": (("points",), "markdown"),
    "experiment": (("keeps",), "code"),
    "home": ((), "code"),
    "given": ((), None),
    "hint": ((), "markdown"),
    "fails": ((), "code"),
}
GRADED = ("answer", "check", "written")  # their ids begin with the lesson's stem
# The roles with which a cell may not share its id. An answer and its check share one, and so do a hint and its exercise.
RIVALS: dict[str, tuple[str, ...]] = {
    "answer": ("answer", "written"),
    "check": ("check", "written"),
    "written": GRADED,
    "hint": (),
}

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_RELEASED, END_RELEASED = "### RELEASED AS", "### END RELEASED"
MARKERS = (BEGIN, END, BEGIN_RELEASED, END_RELEASED)


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson: its kind ("code" or "markdown"), source, role and place in the script."""

    kind: str
    source: str
    number: int  # from 1, as in the notebook
    line: int  # of the header, in the script
    role: str | None = None
    id: str = ""
    points: int | None = None
    keeps: tuple[str, ...] = ()  # ids of promises (promises.py)

    @property
    def first(self) -> str:
        """The first line of the source, by which to recognise the cell."""
        line = next((part for part in self.source.split("\n") if part.strip()), "")
        return line if len(line) <= 60 else line[:57] + "..."


@dataclass(frozen=True)
class Lesson:
    """One authored lesson: `name` is "01_unrolled_graph", `stem` is "unrolled_graph"."""

    path: Path
    name: str
    stem: str
    cells: tuple[Cell, ...]

    def error(self, cell: Cell | None, problem: str, remedy: str) -> AuthorError:
        """An error about this lesson, or about one of its cells."""
        file = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        if cell is None:
            return AuthorError(file, problem, remedy)
        return AuthorError(file, problem, remedy, cell=cell.number, line=cell.line, first=cell.first)


def hold(lesson: Lesson) -> None:
    """Raise AuthorError for the first rule that the lesson breaks."""
    seen: dict[tuple[str, str], Cell] = {}
    for cell in lesson.cells:
        _markers(lesson, cell)
        if cell.kind == "code":
            _python(lesson, cell)
        if cell.role:
            _identity(lesson, cell, cell.role, seen)
        if cell.role == "check":
            _one_call(lesson, cell)
    _pairs(lesson)


def regions(source: str, begin: str = BEGIN, end: str = END) -> list[tuple[int, int]]:
    """Pairs of line indices (from 0) of `begin` and `end` markers.

    Raises ValueError with the reason if they do not balance.
    """
    pairs, open_at = [], None
    for index, line in enumerate(source.split("\n")):
        if line.strip() == begin:
            if open_at is not None:
                raise ValueError(f"`{begin}` twice without `{end}` in between")
            open_at = index
        elif line.strip() == end:
            if open_at is None:
                raise ValueError(f"`{end}` without `{begin}` before it")
            pairs.append((open_at, index))
            open_at = None
    if open_at is not None:
        raise ValueError(f"`{begin}` without `{end}`")
    return pairs


def as_written(source: str) -> str:
    """An answer's cell as a learner would write it: the solution without markers, and without what is released instead."""
    return _without(source, BEGIN_RELEASED, END_RELEASED, markers=(BEGIN, END))


def as_released(source: str) -> str:
    """An answer's cell as it is handed out if it has RELEASED AS blocks: those, without the solution."""
    lines = _without(source, BEGIN, END, markers=()).split("\n")
    inside = [
        line for begin, end in regions("\n".join(lines), BEGIN_RELEASED, END_RELEASED) for line in range(begin + 1, end)
    ]
    shown = [uncommented(line) if number in inside else line for number, line in enumerate(lines)]
    return "\n".join(line for line in shown if line.strip() not in MARKERS)


def uncommented(line: str) -> str:
    """A line of a RELEASED AS block as it is handed out."""
    return re.sub(r"^(\s*)# ?", r"\1", line).rstrip()


def _without(source: str, begin: str, end: str, markers: tuple[str, ...]) -> str:
    lines = source.split("\n")
    gone = {number for first, last in regions(source, begin, end) for number in range(first, last + 1)}
    return "\n".join(line for number, line in enumerate(lines) if number not in gone and line.strip() not in markers)


def _markers(lesson: Lesson, cell: Cell) -> None:
    """Markers balance, are spelt exactly, occur only in answers, and every answer has them."""
    lines = cell.source.split("\n")
    for line in lines:
        if any(mark[4:] in line for mark in MARKERS) and line.strip() not in MARKERS:
            raise lesson.error(
                cell, f"`{line.strip()}` is almost a marker", f"Write exactly one of {', '.join(MARKERS)}"
            )
    try:
        solutions = regions(cell.source)
        released = regions(cell.source, BEGIN_RELEASED, END_RELEASED)
    except ValueError as error:
        raise lesson.error(cell, str(error), "Give each begin its own end, and nest nothing") from None
    if cell.role not in ("answer", "written"):
        if solutions or released:
            raise lesson.error(cell, "solution markers outside an answer", "Give the cell answer= or written=")
        return
    if not solutions:
        raise lesson.error(
            cell,
            f"{cell.role} {cell.id} has no solution markers",
            f"Put the solution between `{BEGIN}` and `{END}`, inside the function",
        )
    ends = {end for _, end in solutions}
    for begin, end in released:
        if cell.kind != "code" or begin - 1 not in ends:
            raise lesson.error(
                cell,
                f"`{BEGIN_RELEASED}` does not follow a solution",
                f"In a code cell, put it on the line after `{END}`",
            )
        for line in lines[begin + 1 : end]:
            if line.strip() and not line.strip().startswith("#"):
                raise lesson.error(
                    cell, f"`{line.strip()}` under `{BEGIN_RELEASED}` is not a comment", "Put # before it"
                )


def _python(lesson: Lesson, cell: Cell) -> None:
    try:
        ast.parse(cell.source)
    except SyntaxError as error:
        raise lesson.error(
            cell,
            f"not valid Python: {error.msg}, line {error.lineno} of the cell",
            "Fix it; magics such as %time are not allowed in a lesson",
        ) from None


def _identity(lesson: Lesson, cell: Cell, role: str, seen: dict[tuple[str, str], Cell]) -> None:
    """Ids say which lesson they belong to, and no two cells have the same."""
    prefix = house.prefix(lesson.stem)
    if role in GRADED and not cell.id.startswith(prefix):
        raise lesson.error(cell, f"id {cell.id} does not begin with {prefix}", f"Call it {prefix}{cell.id}")
    if role in GRADED and cell.id.endswith("-check"):
        raise lesson.error(cell, f"id {cell.id} ends in -check", "That ending is reserved for the released check cell")
    for rival in RIVALS.get(role, (role,)):
        if other := seen.get((rival, cell.id)):
            place = f"cell {other.number} (line {other.line})"
            raise lesson.error(cell, f"id {cell.id} is taken by {place}", "Give one of them another id")
    seen[role, cell.id] = cell


def _one_call(lesson: Lesson, cell: Cell) -> None:
    wanted = ast.parse(f'check("{cell.id}")')
    if ast.dump(ast.parse(cell.source)) != ast.dump(wanted):
        raise lesson.error(
            cell,
            "a check cell holds one call and nothing else",
            f'Leave only check("{cell.id}"); imports belong in a given cell',
        )


def _pairs(lesson: Lesson) -> None:
    """Every check has its answer before it and every answer its check; hints are for exercises that exist."""
    at = {role: {c.id: c for c in lesson.cells if c.role == role} for role in ROLES}
    for identity, cell in at["check"].items():
        answer = at["answer"].get(identity)
        if answer is None:
            raise lesson.error(cell, f"check {identity} has no answer", "Add the answer's cell before it")
        if answer.number > cell.number:
            raise lesson.error(cell, f"check {identity} comes before its answer", "Move it after the answer")
    for identity, cell in at["answer"].items():
        if identity not in at["check"]:
            raise lesson.error(cell, f"answer {identity} has no check", "Add the check's cell after it")
    exercises = [*at["answer"], *at["written"]]
    for identity, cell in at["hint"].items():
        if identity not in exercises:
            near = difflib.get_close_matches(identity, exercises, n=1)
            remedy = f"Did you mean {near[0]}" if near else "Use the id of an answer or a written question"
            raise lesson.error(cell, f"hint for {identity}, which is not an exercise here", remedy)
