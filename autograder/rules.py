"""Forbidden means, read from the syntax tree of the learner's cells; one implementation for notebook and grading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.spec import Finding


@dataclass(frozen=True)
class Inspection:
    """What was found: `status` is "forbidden" or "look"."""

    status: str
    finding: Finding


def inspect(cells: Sequence[str], name: str, forbid: Sequence[str]) -> Inspection | None:
    """The first forbidden means in reach of the learner's `name`, or None."""
    return None
