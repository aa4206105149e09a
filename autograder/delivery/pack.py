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
