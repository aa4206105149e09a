"""Where the repository's folders are, and how a lesson's one name gives all the others.

`01_unrolled_graph` is a lesson's name, `unrolled_graph` its stem, and `unrolled-graph-` the prefix of its exercises' ids.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CARRIED = Path(__file__).with_name("notebooks")  # in a wheel, which has no repository around it
SOLUTIONS = ROOT / "solutions"  # authored
NOTEBOOKS = CARRIED if CARRIED.is_dir() else ROOT / "notebooks"  # generated from it by `course release`
RESULTS = ROOT / "results"  # measured by `make experiments`
WORK = (Path.cwd() if CARRIED.is_dir() else ROOT) / "work"  # the learner's copies


def lessons(folder: Path, suffix: str = ".py") -> list[Path]:
    """The lessons' files in a folder, in order."""
    return sorted(folder.glob(f"[0-9][0-9]_*{suffix}"))


def stem(lesson: str) -> str:
    """`unrolled_graph` for the lesson `01_unrolled_graph`."""
    return lesson[3:]


def prefix(stem: str) -> str:
    """`unrolled-graph-` for the stem `unrolled_graph`: how the ids of its exercises begin."""
    return stem.replace("_", "-") + "-"


def script(stem: str) -> Path:
    """The script in solutions/ of the lesson with this stem; ValueError if there is not exactly one."""
    (found,) = [path for path in lessons(SOLUTIONS) if path.stem[3:] == stem]
    return found
