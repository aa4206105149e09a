"""Finds what was handed in, and whose it is: by place and name, as learners, browsers and services leave them.

Nothing that a person handed in is passed over: what cannot be judged is a Submission with a `problem`, which says the way out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import OperatorError
from autograder.judge.folders import below
from autograder.judge.reader import read

_NOISE = (".ipynb_checkpoints", "__MACOSX", "__pycache__")  # folders that programs make by themselves
_ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".xz", ".bz2")
_EXPORTS = (".html", ".htm", ".py", ".pdf", ".docx", ".md")
_TEXTS = (".json", ".txt", "")  # what browsers and mail programs make of .ipynb

_COPY = re.compile(r"(?:\s*\(\d+\)|-Copy\d*|[ -]copy(?: \d+)?|-\d+|\.ipynb)+$", re.IGNORECASE)
_CANVAS = re.compile(r"(?P<name>[^_]+)(?:_LATE)?_\d+_\d+", re.IGNORECASE)
_MOODLE = re.compile(r"(?P<name>.+?)_\d+_assignsubmission_\w+")


class Unreadable(Exception):
    """A file that cannot be judged; the message is a sentence."""


@dataclass(frozen=True)
class Submission:
    """A file to be judged, whose it is, and the folder of what was handed in with it, if that is theirs alone."""

    path: Path
    learner: str
    files: Path | None = None
    problem: str = ""  # why it cannot be judged, and the way out


def collect(paths: Iterable[Path], lessons: Iterable[str], own: bool = False) -> list[Submission]:
    """The submissions in these notebooks and folders; OperatorError for a path that is not there or holds none.

    `alice.ipynb` is alice's; `alice/01_unrolled_graph.ipynb` is too, with what else is in her folder. What lies beside a
    notebook in a folder that was named, or beside a notebook that was, may be anybody's, a key or a list of grades: the
    learner's code sees it only where all of it is one's `own` work.
    """
    names = sorted(lessons)
    found: list[Submission] = []
    for path in paths:
        if path.is_symlink() or path.is_file():
            shared = path.absolute().parent if not own else None
            found.append(_submission(path, path.absolute().parent, names, shared))
        elif path.is_dir():
            inside = _in_folder(path.absolute(), path, names, own)
            if not inside:
                raise OperatorError(
                    f"Nothing was handed in that can be judged in {path}: it has no notebook (*.ipynb)."
                )
            found += inside
        else:
            raise OperatorError(f"There is no file or folder {path}.")
    return found


def lesson_in(name: str, lessons: Iterable[str]) -> str:
    """The lesson that a file or folder is named after, whatever a browser or a service has added to it; else ""."""
    plain = _plain(name)
    return next((lesson for lesson in lessons if plain == _plain(lesson) or plain.endswith("_" + _plain(lesson))), "")


def one_of(paths: Sequence[Path], name: str) -> Path | None:
    """The one that is meant among several notebooks of a learner's for one lesson: by name, or because all are the same."""
    if exact := [path for path in paths if path.name == name]:
        return exact[0]
    return paths[0] if len({read(path).digest for path in paths}) == 1 else None


def notebooks_in(folder: Path) -> list[Path]:
    """The notebooks below a folder, also those that were saved under another ending; no copies that programs make."""
    return [path for path in files_in(folder) if is_notebook(path)]


def files_in(folder: Path) -> Iterator[Path]:
    """The files below a folder that a person put there."""
    for path in sorted(Path(entry) for entry, _ in below(folder)):
        parts = path.relative_to(folder).parts
        if path.is_dir() and path.suffix != ".ipynb" or any(part in _NOISE for part in parts):
            continue
        if not path.name.startswith(("._", ".~", ".DS_Store")) and not any(
            part.endswith(".ipynb") for part in parts[:-1]
        ):
            yield path


def is_notebook(path: Path) -> bool:
    """Whether a file is a notebook: by its name or, where that says nothing, by its content."""
    if path.suffix.lower() == ".ipynb":
        return True
    if path.suffix.lower() not in _TEXTS or path.name.startswith("."):
        return False
    return not (handed_in := read(path)).problem and bool(handed_in.notebook.cells)


def way_out(path: Path, alone: bool) -> str:
    """What to do about a file that is no notebook; "" if it may belong to one, which it does not if it is `alone`."""
    if path.name.lower().endswith(_ARCHIVES):
        return f"{path.name} is an archive, which is not opened. Unpack it here, and grade again."
    if alone and path.suffix.lower() in _EXPORTS:
        return (
            f"{path.name} was made from a notebook, or is something else. Ask for the notebook itself, a file *.ipynb."
        )
    return ""


def _in_folder(folder: Path, shown: Path, lessons: list[str], own: bool) -> list[Submission]:
    """All that was handed in below a folder, in order; a folder with nothing in it is a learner's, too."""
    every = list(files_in(folder))
    notebooks = [path for path in every if is_notebook(path)]
    shared = None if own else folder
    made = [_submission(path, folder, lessons, shared) for path in notebooks]
    made = [*_without_copies(made, lessons)]
    with_notebook = {_unit(path, folder, lessons) for path in notebooks}
    mine = bool(notebooks) and all(path.parent == folder and lesson_in(path.stem, lessons) for path in notebooks)
    for path in every:
        alone = not mine and (path.parent == folder or _unit(path, folder, lessons) not in with_notebook)
        if not is_notebook(path) and (problem := way_out(path, alone)):
            made.append(Submission(path, _learner(path, folder, lessons), problem=problem))
    told = {_unit(one.path, folder, lessons) for one in made}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path not in told and path.name not in _NOISE and not lesson_in(path.name, lessons):
            if not path.name.startswith(".") and (not own or not any(files_in(path))):
                problem = "There is no notebook in this folder. Ask for the file *.ipynb."
                made.append(Submission(path, _plain_learner(path.name), problem=problem))
    order = sorted(made, key=lambda one: one.path)
    return [Submission(shown / one.path.relative_to(folder), one.learner, one.files, one.problem) for one in order]


def _without_copies(found: list[Submission], lessons: list[str]) -> Iterator[Submission]:
    """The same submissions; of several in a folder for one lesson only the one that is meant is judged."""
    groups: dict[tuple[str, Path, str], list[Submission]] = {}
    for one in found:
        groups.setdefault(
            (one.learner, one.path.parent, lesson_in(one.path.stem, lessons) or one.path.name), []
        ).append(one)
    for (_, _, lesson), group in groups.items():
        meant = one_of([one.path for one in group], f"{lesson}.ipynb") if len(group) > 1 else group[0].path
        for one in group:
            if one.path == meant:
                yield one
            else:
                what = f"{meant.name} beside it is graded" if meant else "keep the one that counts, and grade again"
                yield Submission(one.path, one.learner, problem=f"One of {len(group)} notebooks of {lesson}: {what}.")


def _submission(path: Path, root: Path, lessons: list[str], shared: Path | None) -> Submission:
    """The submission in a notebook; the files in the folder `shared` are not the learner's alone."""
    folder = path.absolute().parent
    theirs = bool(lesson_in(path.stem, lessons)) or len(list(folder.glob("*.ipynb"))) == 1
    return Submission(path, _learner(path.absolute(), root, lessons), folder if theirs and folder != shared else None)


def _unit(path: Path, root: Path, lessons: list[str]) -> Path:
    """The learner's folder that a path is in, else the path itself: the first below `root` that is not a lesson's."""
    place = root
    for part in path.relative_to(root).parts:
        place = place / part
        if not lesson_in(part, lessons) or place == path:
            return place
    return place


def _learner(path: Path, root: Path, lessons: list[str]) -> str:
    """Whose a file is: the first folder on its way that is not a lesson's, else what its name says beside the lesson."""
    if (unit := _unit(path, root, lessons)) != path:
        return _plain_learner(unit.name)
    lesson = lesson_in(path.stem, lessons)
    bare = _COPY.sub("", path.stem) if lesson else path.stem
    head = bare[: len(bare) - len(lesson)].rstrip("_- ") if lesson else bare
    return _plain_learner(head or root.name)


def _plain_learner(name: str) -> str:
    """A learner's name without what Canvas and Moodle add to it."""
    found = _CANVAS.fullmatch(name) or _MOODLE.fullmatch(name)
    return found["name"] if found else name


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", _COPY.sub("", name).lower()).strip("_")
