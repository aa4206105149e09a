"""A lesson's source: the percent script, read into cells with roles, or refused with a remedy.

`read(path)` parses each header by its grammar and lets `contract.py` check the cells; `release.py` builds notebooks from the
result.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext

from autograder import house
from autograder.authoring.contract import ROLES, Cell, Lesson, hold

_FILE = re.compile(r"(\d\d)_([a-z][a-z0-9_]*)\.py")
_HEADER_LIKE = re.compile(r"\s*#\s*%%")
_HEADER = re.compile(r"# %%( \[markdown\])?((?: [a-z]+=(?:\"[^\"]*\"|-?[0-9.]+|True|False))*)\s*")
_KEY = re.compile(r"([a-z]+)=(?:\"[^\"]*\"|[^\" ]+)")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def read(path: Path | str) -> Lesson:
    """Read one percent script and hold it to its contract.

    Raises AuthorError, with the file, the cell and a remedy, for the first rule that is broken.
    Source: the percent format, https://jupytext.readthedocs.io/en/latest/formats-scripts.html
    """
    path = Path(path).resolve()
    lesson = Lesson(path, path.stem, house.stem(path.stem), ())
    if not _FILE.fullmatch(path.name):
        raise lesson.error(None, "the file is not named like a lesson", "Call it NN_name.py: 01_unrolled_graph.py")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise lesson.error(None, f"cannot be read ({error})", "Save it as text in UTF-8") from None
    lesson = Lesson(path, lesson.name, lesson.stem, _cells(lesson, text))
    hold(lesson)
    return lesson


def _cells(lesson: Lesson, text: str) -> tuple[Cell, ...]:
    """Split the script with jupytext, and read each header by a grammar stricter than jupytext's.

    Jupytext takes what it cannot parse for a title, or keeps it under `incorrectly_encoded_metadata`; either way a role would
    silently be lost.
    """
    headers = [(n, line) for n, line in enumerate(text.splitlines(), 1) if _HEADER_LIKE.match(line)]
    for place, (number, line) in enumerate(headers, 1):
        if not _HEADER.fullmatch(line):
            raise lesson.error(
                Cell("code", line, place, number),
                "the cell header does not parse",
                'Write # %%, then [markdown] if it is text, then the role with its id in quotes: answer="…"',
            )
    notebook = jupytext.reads(text, fmt="py:percent")
    if len(notebook.cells) != len(headers):
        raise lesson.error(
            None,
            f"it has {len(headers)} cell headers but makes {len(notebook.cells)} cells",
            "Begin the script with a header, # %% or # %% [markdown], with nothing above it",
        )
    return tuple(
        _cell(lesson, Cell(node.cell_type, node.source, place, number), header, node.metadata)
        for place, ((number, header), node) in enumerate(zip(headers, notebook.cells, strict=True), 1)
    )


def _cell(lesson: Lesson, cell: Cell, header: str, values: Mapping[str, Any]) -> Cell:
    """`cell` with its role, from the header as written and the values that jupytext read from it."""
    keys = _KEY.findall(header)
    known = sorted({*ROLES, *(key for more, _ in ROLES.values() for key in more)})
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"Did you mean {near[0]}" if near else f"A header takes {', '.join(known)}"
            raise lesson.error(cell, f"unknown key {key}", remedy)
        if keys.count(key) > 1:
            raise lesson.error(cell, f"the header has the key {key} twice", "Keep one of them")
    roles = [key for key in keys if key in ROLES]
    if len(roles) > 1:
        raise lesson.error(cell, f"two roles on one cell: {' and '.join(roles)}", "Split the cell, or keep one")
    if not roles:
        if keys:
            raise lesson.error(cell, f"{keys[0]} without a role", "Add check= or written=, or remove it")
        return cell
    role, (more, kind) = roles[0], ROLES[roles[0]]
    if kind and kind != cell.kind:
        remedy = "Write # %% [markdown]" if kind == "markdown" else "Remove [markdown]"
        raise lesson.error(cell, f"{role} is on a {cell.kind} cell", remedy)
    for key in keys:
        if key != role and key not in more:
            raise lesson.error(cell, f"{key} does not go with {role}", f"Remove {key}")
    identity, points = values[role], values.get("points")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise lesson.error(cell, f"{role}={identity!r} is not an id", "Write it in quotes: words-with-hyphens")
    if "points" in more and (type(points) is not int or points < 0):
        given = "missing" if points is None else str(points)
        raise lesson.error(cell, f"the points of {identity} are {given}", "Give a whole number, as in points=3")
    keeps = tuple(str(values.get("keeps", "")).split())
    return Cell(cell.kind, cell.source, cell.number, cell.line, role, identity, points, keeps)
