"""Reads whatever was handed in as a notebook, and says what was wrong with it; never raises for its content."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from autograder import metadata

LARGEST = 32 << 20  # bytes of a notebook that we read
MOST = 3000  # cells; a lesson has about a hundred
DEEPEST = 100  # lists and dicts within each other; a lesson has six
PARTS = 500_000  # lists and dicts in all: each takes far more memory than its two brackets

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class HandedIn:
    """A file that was handed in: its cells, or one sentence on why it has none."""

    notebook: NotebookNode  # of format 4.5 and valid; without cells if it could not be read
    problem: str = ""  # empty if it could be read
    digest: str = ""  # sha256 of the file's bytes


def read(path: Path | str, at_most: int = LARGEST) -> HandedIn:
    """Read the file at `path` leniently: any notebook format, any nonsense, but no more than `at_most` bytes."""
    raw, problem = _bytes(Path(path), at_most)
    digest = hashlib.sha256(raw).hexdigest()
    if problem:
        return HandedIn(new_notebook(), problem, digest)
    try:
        return HandedIn(parse(raw), "", digest)
    except ValueError as error:
        return HandedIn(new_notebook(), str(error), digest)


def digest(path: Path) -> str:
    """A hash of the file's bytes or of why they cannot be read."""
    raw, problem = _bytes(path, LARGEST)
    return hashlib.sha256(problem.encode() + b"\0" + raw).hexdigest()


def _bytes(path: Path, at_most: int) -> tuple[bytes, str]:
    """The file's bytes, and one sentence if it cannot be read; a link or a device is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                return b"", "What was handed in is not a plain file."
            if about.st_size > at_most:
                return b"", f"The file is too large to be read ({about.st_size >> 20} MB; {at_most >> 20} MB are read)."
            return file.read(at_most + 1), ""
    except OSError as error:
        if error.errno == errno.EISDIR:
            return b"", "What was handed in is not a plain file."
        if error.errno == errno.ELOOP:
            return b"", "What was handed in is a link; hand in the file itself."
        return b"", f"The file cannot be read ({error.strerror})."


def printable(value: Any) -> str:
    """`value` as text that can be written as UTF-8: lists of lines joined, lone surrogates replaced."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    text = value if isinstance(value, str) else "" if value is None else repr(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def parse(raw: bytes) -> NotebookNode:
    """The notebook in `raw`, valid and of format 4.5; ValueError with one sentence if there is none."""
    if not raw.strip():
        raise ValueError("The file is empty.")
    try:
        wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # how some shells on Windows save text
        found = json.loads(raw.decode("utf-16" if wide else "utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("The file is not a notebook: it is not text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(
            f"The file is not a notebook, or it was cut off on its way: its JSON is broken{where}."
        ) from None
    if not isinstance(found, dict):
        raise ValueError("The file is not a notebook: its JSON holds no cells.")
    _bounded(found)
    if "cells" not in found:
        found = _older(found)
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise ValueError("The file is not a notebook: its JSON holds no cells.")
    if len(cells) > MOST:
        raise ValueError(
            f"The notebook has {len(cells)} cells; no more than {MOST} are read. Delete what you do not need."
        )
    ours = any(metadata.key(cell) for cell in cells if isinstance(cell, Mapping))
    if not ours and (language := _language(found)) != "python":
        raise ValueError(f"The notebook is written for another language ({language}); the course's run in Python.")
    notebook: NotebookNode = new_notebook()
    metadata.note(notebook, **metadata.claims(found))  # of the notebook's metadata we believe nothing else
    taken: set[str] = set()
    notebook.cells = [_cell(cell, taken) for cell in cells if isinstance(cell, Mapping)]
    return notebook


def _bounded(found: Any) -> None:
    """Raise ValueError if there are more lists and dicts, or more of them within each other, than we build anything from."""
    level, total = [found], 0
    for _ in range(DEEPEST):
        level = [
            part
            for one in level
            for part in (one.values() if isinstance(one, dict) else one)
            if isinstance(part, dict | list)
        ]
        total += len(level)
        if total > PARTS:
            raise ValueError(f"The file is too large to be read: its JSON has more than {PARTS} lists and objects.")
        if not level:
            return
    raise ValueError(f"The file is not a notebook: its JSON nests more than {DEEPEST} deep.")


def _older(found: dict[str, Any]) -> dict[str, Any]:
    """Formats 1 to 3 keep their cells in worksheets; nbformat knows how to bring them up to date."""
    try:
        newer: dict[str, Any] = nbformat.convert(nbformat.from_dict(found), 4)
        return newer
    except Exception:  # it raises whatever the file makes it raise
        raise ValueError("The file is not a notebook: its JSON holds no cells.") from None


def _language(found: Mapping[str, Any]) -> str:
    given = found.get("metadata")
    kernel = given.get("kernelspec") if isinstance(given, Mapping) else None
    named = kernel.get("language") if isinstance(kernel, Mapping) else None
    return named.lower()[:40] if isinstance(named, str) else "python"


def _cell(given: Mapping[str, Any], taken: set[str]) -> NotebookNode:
    kind, source = given.get("cell_type"), printable(given.get("source"))
    about = given.get("metadata")
    cell = new_cell(kind if kind in ("code", "raw") else "markdown", source, unused(printable(given.get("id")), taken))
    if kind == "code":
        outputs = given.get("outputs")
        cell["outputs"] = outputs if isinstance(outputs, list) else []  # shown only after visible.outputs
    elif kind != "raw" and isinstance(given.get("attachments"), Mapping):
        cell["attachments"] = given["attachments"]
    if isinstance(about, dict):
        cell["metadata"] = nbformat.from_dict(about)
    return cell


def new_cell(kind: str, source: str, identity: str, about: NotebookNode | None = None) -> NotebookNode:
    """A cell as nbformat makes it; nbformat would validate each, which takes longer than all else that is done with it."""
    cell = NotebookNode(cell_type=kind, id=identity, metadata=NotebookNode() if about is None else about, source=source)
    if kind == "code":
        cell["execution_count"], cell["outputs"] = None, []
    return cell


def unused(identity: str, taken: set[str]) -> str:
    """`identity` if it is a cell id and nobody has it, else one that nobody has; it is taken afterwards."""
    count, candidate = len(taken), identity  # not from 1: what is taken already need not be tried again
    while candidate in taken or not _ID.fullmatch(candidate):
        count, candidate = count + 1, f"own-{count + 1}"
    taken.add(candidate)
    return candidate
