"""Finds what was handed in, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import OperatorError
from autograder.judge.folders import below

_SKIP = (".ipynb_checkpoints",)


class Unreadable(Exception):
    """A file that cannot be judged; the message is a sentence."""


@dataclass(frozen=True)
class Submission:
    """A file to be judged, whose it is, and the folder of what was handed in with it, if that is theirs alone."""

    path: Path
    learner: str
    files: Path | None


def collect(paths: Iterable[Path], lessons: Iterable[str], own: bool = False) -> list[Submission]:
    """The submissions in these notebooks and folders; OperatorError for a path that is not there or holds none.

    `alice.ipynb` is alice's; `alice/01_unrolled_graph.ipynb` is too, with what else is in her folder. What lies beside a
    notebook in a folder that was named, or beside a notebook that was, may be anybody's, a key or a list of grades: the
    learner's code sees it only where all of it is one's `own` work.
    """
    names: set[str] = set(lessons)
    found: list[Submission] = []
    for path in paths:
        if path.is_symlink() or path.is_file():
            found.append(_submission(path, names, path.absolute().parent if not own else None))
        elif path.is_dir():
            inside = [_submission(file, names, path.absolute() if not own else None) for file in _notebooks(path)]
            if not inside:
                raise OperatorError(f"There is no notebook (*.ipynb) in {path}.")
            found += inside
        else:
            raise OperatorError(f"There is no file or folder {path}.")
    return found


def _notebooks(folder: Path) -> Iterator[Path]:
    for path in sorted(Path(entry) for entry, _ in below(folder) if entry.name.endswith(".ipynb")):
        if not any(part in _SKIP for part in path.parts) and not any(
            parent.suffix == ".ipynb" and parent != folder for parent in path.parents if parent.is_relative_to(folder)
        ):
            yield path


def _submission(path: Path, lessons: set[str], shared: Path | None) -> Submission:
    """The submission in a notebook; the files in the folder `shared` are not the learner's alone."""
    folder = path.absolute().parent
    learner = folder.name if path.stem in lessons else path.stem
    theirs = path.stem in lessons or len(list(folder.glob("*.ipynb"))) == 1
    return Submission(path, learner, folder if theirs and folder != shared else None)
