"""Finds and reads what was handed in; a file that is no notebook becomes one clear line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.errors import OperatorError

_SKIP = (".ipynb_checkpoints",)


class Unreadable(Exception):
    """A file that cannot be judged; the message completes "<file> …"."""


@dataclass(frozen=True)
class Submission:
    """A file to be judged, whose it is, and the folder of what was handed in with it, if that is theirs alone."""

    path: Path
    learner: str
    files: Path | None


def collect(paths: Iterable[Path], lessons: Iterable[str]) -> list[Submission]:
    """The submissions in these notebooks and folders; OperatorError for a path that is not there or holds none.

    `alice.ipynb` is alice's; `alice/01_unrolled_graph.ipynb` is too, with what else is in her folder.
    """
    names, found = set(lessons), []
    for path in paths:
        if path.is_symlink() or path.is_file():
            found.append(_submission(path, names))
        elif path.is_dir():
            inside = [_submission(file, names) for file in _notebooks(path)]
            if not inside:
                raise OperatorError(f"There is no notebook (*.ipynb) in {path}.")
            found += inside
        else:
            raise OperatorError(f"There is no file or folder {path}.")
    return found


def read(path: Path, at_most: int) -> NotebookNode:
    """The notebook in a file, brought to the current format; raises Unreadable."""
    if path.is_symlink():
        raise Unreadable("is a link; hand in the file itself")
    if path.is_dir():
        raise Unreadable("is a folder, although its name ends in .ipynb")
    try:
        size = path.stat().st_size
        if size > at_most:
            raise Unreadable(f"has {size / 2**20:.0f} MB; at most {at_most / 2**20:.0f} MB are read")
        text = path.read_bytes().decode()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable("is not a notebook: it is not text in UTF-8") from None
    if not text.strip():
        raise Unreadable("is empty")
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not a notebook: broken JSON ({str(error)[:80]})") from None
    if not isinstance(plain, dict) or not isinstance(plain.get("nbformat"), int):
        raise Unreadable("is not a notebook: it is JSON of another kind")
    try:
        notebook = nbformat.reads(text, as_version=4)
        _vet(notebook)
    except Unreadable:
        raise
    except Exception as error:  # nbformat raises many kinds for many defects
        raise Unreadable(f"is not a notebook: {type(error).__name__}: {str(error)[:80]}") from None
    return notebook


def _vet(notebook: NotebookNode) -> None:
    """Everything that the judge looks at is of its type."""
    if not isinstance(notebook.get("cells"), list) or not isinstance(notebook.get("metadata"), dict):
        raise Unreadable("is not a notebook: it has no cells")
    for number, cell in enumerate(notebook.cells, 1):
        if (
            not isinstance(cell, dict)
            or not isinstance(cell.get("source"), str)
            or not isinstance(cell.get("cell_type"), str)
        ):
            raise Unreadable(f"is not a notebook: its cell {number} has no text")
        if not isinstance(cell.setdefault("metadata", NotebookNode()), dict):
            raise Unreadable(f"is not a notebook: its cell {number} has odd metadata")
    kernel = notebook.metadata.get("kernelspec")
    language = str(kernel.get("language", "python")) if isinstance(kernel, dict) else "python"
    if language.lower() != "python":
        raise Unreadable(f"wants a kernel for {language[:40]} ({str(kernel.get('name'))[:40]}), which is not installed; the course's notebooks run in Python")  # fmt: skip


def _notebooks(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.ipynb")):
        if not any(part in _SKIP for part in path.parts) and not any(
            parent.suffix == ".ipynb" and parent != folder for parent in path.parents if parent.is_relative_to(folder)
        ):
            yield path


def _submission(path: Path, lessons: set[str]) -> Submission:
    folder = path.absolute().parent
    if path.stem in lessons:
        return Submission(path, folder.name, folder)
    alone = len(list(folder.glob("*.ipynb"))) == 1
    return Submission(path, path.stem, folder if alone else None)
