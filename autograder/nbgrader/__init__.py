"""nbgrader stays the gradebook: the steps that a class folder's nbgrader_config.py names."""

from typing import Any

__all__ = ["JudgedExecute", "Reader", "Repair", "SaveJudged"]


def __getattr__(name: str) -> Any:
    """A step, imported when it is asked for: to know a class folder takes less than to load nbgrader."""
    if name not in __all__:
        raise AttributeError(name)
    from autograder.nbgrader import steps

    return getattr(steps, name)
