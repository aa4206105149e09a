"""Finds what was handed in, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import OperatorError

_SKIP = (".ipynb_checkpoints",)


class Unreadable(Exception):
    """A file that cannot be judged; the message is a sentence."""


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
