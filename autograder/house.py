"""Where the repository's folders are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOLUTIONS = ROOT / "solutions"  # authored
NOTEBOOKS = ROOT / "notebooks"  # generated from it by `course release`
RESULTS = ROOT / "results"  # measured by `make experiments`
WORK = ROOT / "work"  # the learner's copies
