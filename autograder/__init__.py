"""Checks for the course on backpropagation through time: `check` an exercise, see your `progress`."""

from typing import Any

__all__ = ["CheckFailed", "check", "progress"]


def __getattr__(name: str) -> Any:
    """Import the checks, and torch with them, only when one is used, so that `course --help` starts at once."""
    if name in __all__:
        from autograder import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
