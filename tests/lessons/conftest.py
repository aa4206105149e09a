"""What the tests of a lesson's claims share; the lesson is the one that their module is named after."""

from __future__ import annotations

import pytest

from autograder.house import SOLUTIONS
from experiments.notebook import solved


@pytest.fixture(scope="module")
def stem(request) -> str:
    """The lesson's name without its number."""
    return request.module.__name__.rpartition(".")[2].removeprefix("test_")


@pytest.fixture(scope="module")
def lesson(stem):
    """The functions of its solution."""
    return solved(stem)


@pytest.fixture(scope="module")
def prose(stem) -> str:
    """Its text and code, on one line."""
    (script,) = SOLUTIONS.glob(f"*_{stem}.py")
    return " ".join(script.read_text(encoding="utf-8").replace("\n# ", " ").split())
