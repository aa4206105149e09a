"""Packs one lesson for a place that grades by itself: the course as a wheel with pinned versions, and what that place wants beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder import house
from autograder.errors import OperatorError
from autograder.house import NOTEBOOKS, ROOT
from autograder.judge.batch import read_key

TEMPLATES = Path(__file__).with_name("templates")
# All that a wheel is made of. No solutions/, and none of tests/: what is not copied cannot be packed.
PARTS = ("autograder", "bptt", "notebooks", "results", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def released(name: str) -> Path:
    """The notebook in notebooks/ of the lesson with this name or number; OperatorError if there is none."""
    every = house.lessons(NOTEBOOKS, ".ipynb")
    found = [path for path in every if name in (path.stem, path.stem[:2])]
    if not found:
        raise OperatorError(f"There is no lesson {name} in notebooks/. There are: {', '.join(p.stem for p in every)}.")
    return found[0]


@contextmanager
def wheel() -> Iterator[Path]:
    """The course as a wheel, made from a copy of its parts alone, so that no earlier build leaves anything in it."""
    if not (ROOT / "pyproject.toml").is_file():
        raise OperatorError("`course pack` needs the course's repository; here, the course is installed without it.")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "course")
        copy.mkdir()
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copyfile(ROOT / part, copy / part)
        line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, str(copy)]
        done = subprocess.run(line, capture_output=True, text=True)
        made = list(Path(place).glob("*.whl"))
        if done.returncode or not made:
            raise OperatorError(
                f"The course's wheel cannot be built: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
            )
        yield made[0]


def gradescope(lesson: str, key: Path, to: Path, show: str, older: Iterable[Path] = ()) -> None:
    """Write the zip that Gradescope takes as an autograder; `older` are folders with other versions that were handed out.

    The zip holds the course key. Only who may know it can read the file.
    """
    notebook = released(lesson)
    notebooks = [*(folder / notebook.name for folder in older), notebook]
    if missing := [str(path) for path in notebooks if not path.is_file()]:
        raise OperatorError(f"There is no {missing[0]}.")
    read_key(key)  # says what is wrong with it, before anything is built
    with wheel() as course, _private(to) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for template in sorted((TEMPLATES / "gradescope").iterdir()):
            _add(made, template.name, template.read_text().replace("@SHOW@", show).encode(), 0o755)
        _add(made, "course.key", key.read_bytes(), 0o600)
        for path in (course, ROOT / "constraints.txt"):
            _add(made, path.name, path.read_bytes(), 0o644)
        for number, path in enumerate(notebooks):
            _add(made, f"releases/{number}_{path.name}", path.read_bytes(), 0o644)


def repository(lesson: str, to: Path) -> None:
    """Write a template repository for GitHub into the new folder `to`: the notebook, a workflow, and what that needs in .github/bptt/."""
    notebook = released(lesson)
    with _new(to) as folder, wheel() as course:
        _filled(TEMPLATES / "github", folder, notebook.stem)
        shutil.copyfile(notebook, folder / notebook.name)
        _beside(course, folder / ".github" / "bptt")


def classroom50(lesson: str, to: Path) -> None:
    """Write an autograder for Classroom 50 into the new folder `to`, for CLASSROOM/autograders/ASSIGNMENT/ of its config repository."""
    notebook = released(lesson)
    with _new(to) as folder, wheel() as course:
        _filled(TEMPLATES / "classroom50", folder, notebook.stem)
        _beside(course, folder)


@contextmanager
def _new(to: Path) -> Iterator[Path]:
    """A folder that takes the place of `to`, which is new or empty, once it is complete."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise OperatorError(f"{to} is not empty. Name a new folder.")
    try:
        aside = Path(tempfile.mkdtemp(dir=to.absolute().parent, prefix=".packing-"))
    except OSError as error:
        raise OperatorError(f"{to} cannot be made ({error.strerror}).") from None
    try:
        yield aside
        aside.chmod(0o755)
        os.replace(aside, to)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _filled(templates: Path, folder: Path, lesson: str) -> None:
    for path in templates.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            made = folder / path.relative_to(templates)
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text(path.read_text().replace("@LESSON@", lesson))


def _beside(course: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in (course, ROOT / "constraints.txt"):
        shutil.copyfile(path, folder / path.name)


@contextmanager
def _private(to: Path) -> Iterator[str]:
    """A file that nobody else can read, in place of `to` once it is complete."""
    try:
        handle, aside = tempfile.mkstemp(dir=to.parent, prefix=".packing-")  # made with mode 0600
    except OSError as error:
        raise OperatorError(f"{to} cannot be written ({error.strerror}).") from None
    os.close(handle)
    try:
        yield aside
        os.replace(aside, to)
    finally:
        Path(aside).unlink(missing_ok=True)


def _add(made: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name)  # of 1980: the same content makes the same zip
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    made.writestr(entry, data)
