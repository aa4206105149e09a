"""Checks for the course on backpropagation through time: `check` an exercise, see your `progress`."""

from autograder.notebook import CheckFailed, check, progress

__all__ = ["CheckFailed", "check", "progress"]
