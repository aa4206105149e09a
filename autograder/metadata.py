"""The one reader of `metadata.bptt`: what a cell is in its lesson, and what a notebook says of itself and of its grading.

Reading never fails, whatever a notebook holds there: a malformed value counts as missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from nbformat import NotebookNode

WRITTEN_IN = ("answer", "written", "experiment", "home")  # roles of cells that a learner edits; each has a checksum


class Key(NamedTuple):
    """What a cell is in its lesson. Two cells with the same key are copies of each other."""

    role: str
    id: str


def of(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the metadata of a notebook or cell has under "bptt"; empty if there is nothing."""
    about = holder.get("metadata")
    ours = about.get("bptt") if isinstance(about, Mapping) else None
    return ours if isinstance(ours, Mapping) else {}


def key(cell: Mapping[str, Any]) -> Key | None:
    """Role and id of a cell; None for a cell without them."""
    ours = of(cell)
    role, id = ours.get("role"), ours.get("id")
    return Key(role, id) if isinstance(role, str) and isinstance(id, str) else None


def role(cell: Mapping[str, Any]) -> str:
    """The role of a cell, or ""."""
    known = key(cell)
    return known.role if known else ""


def lesson(notebook: Mapping[str, Any]) -> str:
    """The lesson that a notebook claims to be, e.g. `01_unrolled_graph`, or ""."""
    return _text(of(notebook).get("lesson"))


def version(notebook: Mapping[str, Any]) -> str:
    """The version of the lesson that was handed out, or ""."""
    return _text(of(notebook).get("version"))


class Graded(NamedTuple):
    """What grading has noted in a notebook of a class, each "" if it has not."""

    shape: str  # hash of the repaired notebook
    problem: str  # why it could not be read
    graded: str  # fingerprint of shape and verdicts


def graded(notebook: Mapping[str, Any]) -> Graded:
    """What grading has noted in a notebook."""
    return Graded(*(_text(of(notebook).get(key)) for key in Graded._fields))


def said(cell: Mapping[str, Any], what: str) -> str:
    """What grading has noted in a cell as its `status` or `remark`, or ""."""
    return _text(of(cell).get(what))


def note(holder: NotebookNode, **values: Any) -> None:
    """Write these values into the metadata of a notebook or cell, beside what is there."""
    holder["metadata"].setdefault("bptt", NotebookNode()).update(values)


def claims(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Lesson and version, as far as a notebook states them, in a few characters each."""
    return {key: said[:80] for key in ("lesson", "version") if (said := _text(of(notebook).get(key)))}


def content(cell: Mapping[str, Any]) -> str:
    """A checksum that tells an edited cell from an untouched one: 12 hexadecimal digits from its kind and source."""
    return hashlib.sha256(f"{cell['cell_type']}\n{cell['source']}".encode()).hexdigest()[:12]


def untouched(cell: Mapping[str, Any]) -> bool:
    """Whether a cell with a role is as it was handed out, according to the checksum it carries."""
    return of(cell).get("sum") == content(cell)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
