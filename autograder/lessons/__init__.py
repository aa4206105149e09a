"""The lessons' checks, a folder for each lesson, found by its name: there is no list to keep."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from autograder import house
from autograder.checking.spec import CHECKS, Check, CheckError


def stems() -> list[str]:
    """The stems of all lessons that have checks, e.g. `unrolled_graph`."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(id: str) -> Check:
    """The check with this id; its lesson is imported on first use. CheckError, with the nearest id, if there is none."""
    if id not in CHECKS:
        for stem in sorted(stems(), key=len, reverse=True):
            if id.startswith(house.prefix(stem)):
                load_lesson(stem)
                break
    if id not in CHECKS:
        raise CheckError(_unknown(id))
    return CHECKS[id]


def load_lesson(stem: str) -> list[Check]:
    """All checks of a lesson, in the order in which its module states them."""
    importlib.import_module(f"{__name__}.{stem}.checks")
    return [check for check in CHECKS.values() if check.lesson == stem]


def _unknown(id: str) -> str:
    known = [check.id for stem in stems() for check in load_lesson(stem)]
    near = difflib.get_close_matches(id, known, n=1)
    return f"there is no check called {id!r}." + (f" Did you mean {near[0]!r}?" if near else "")
