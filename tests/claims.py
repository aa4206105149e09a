"""What a lesson claims is held against the runs that are stored for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bptt.experiment import stored


def runs_of(lesson: str) -> Callable[[str], list[dict[str, Any]]]:
    """A function that returns the stored runs of one experiment of a lesson; a claim needs at least three seeds."""

    def runs(name: str) -> list[dict[str, Any]]:
        found = stored(lesson, name)
        assert len(found) >= 3
        return found

    return runs
