"""The learner's copies of the lessons: made once and never overwritten.

If a lesson has changed since, the learner's work can be carried over into a fresh copy; the old file is kept beside it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from autograder import house, metadata
from autograder.errors import OperatorError
from autograder.learner.carry import carry


def prepare(source: Path, folder: Path, agree: Callable[[str], bool], say: Callable[[str], None]) -> None:
    """Bring `folder` up to date with the lessons in `source`: copy what is missing, offer what has changed.

    `agree` is asked before a fresh copy with the learner's work replaces the old one; `say` gets one line for everything that was
    done or left undone. Raises OperatorError if `folder` cannot hold the copies or `source` has no lessons.
    """
    lessons = house.lessons(source, ".ipynb")
    if not lessons:
        raise OperatorError(f"No lessons in {source}. Run this in a clone of the course, after `make release`.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"The folder {folder} cannot be made ({error.strerror}). Choose another one with --dir."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OperatorError(f"The folder {folder} cannot be written to. Choose another one with --dir.")
    for lesson in lessons:
        mine = folder / lesson.name
        if not mine.exists():
            shutil.copyfile(lesson, mine)
            say(f"copied {lesson.name}")
        else:
            _refresh(lesson, mine, agree, say)


def _refresh(lesson: Path, mine: Path, agree: Callable[[str], bool], say: Callable[[str], None]) -> None:
    new = nbformat.read(lesson, as_version=4)
    try:
        old = nbformat.read(mine, as_version=4)
    except Exception as error:  # nbformat raises whatever the broken file makes it raise
        say(f"{mine.name}: your copy is not a valid notebook ({type(error).__name__}); it was left as it is")
        return
    version = metadata.version(new)
    if metadata.version(old) == version:
        return
    if not agree(f"{mine.name} has changed since you copied it. Take the new version and keep your answers?"):
        say(f"{mine.name}: there is a newer version; `course lab --update` takes it and keeps your answers")
        return
    carried = carry(old, new)
    kept = _free_name(mine.with_name(f"{mine.stem}.before-{version}.ipynb"))
    fresh = mine.with_name(f".{mine.name}.new")
    nbformat.write(carried.notebook, fresh)
    os.link(mine, kept) if hasattr(os, "link") else shutil.copyfile(mine, kept)
    os.replace(fresh, mine)
    more = f", {len(carried.added)} cells of your own added" if carried.added else ""
    say(f"{mine.name}: new version, {len(carried.kept)} of your cells kept{more}; the old file is {kept.name}")


def _free_name(path: Path) -> Path:
    count, candidate = 2, path
    while candidate.exists():
        candidate = path.with_name(f"{path.stem}-{count}.ipynb")
        count += 1
    return candidate
