"""A small lesson with one exercise of each kind that the course has, to prove that a check can carry it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from autograder.checking.spec import CHECKS

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "90_kinds.py"


@contextmanager
def registered() -> Iterator[ModuleType]:
    """The lesson's checks, found as if they stood among the course's."""
    name = "autograder.lessons.kinds.checks"
    spec = importlib.util.spec_from_file_location(name, FOLDER / "kinds.py")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        yield module
    finally:
        del sys.modules[name]
        for id in [id for id in CHECKS if id.startswith("kinds-")]:
            del CHECKS[id]
