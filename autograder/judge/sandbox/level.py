"""What every level has: what a process is given, and what can be done with one that was started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from autograder.errors import OperatorError
from autograder.judge.limits import Limits
from autograder.judge.usage import Usage


class NoSandbox(OperatorError):
    """No sandbox can be made here; the message says what to do."""


@dataclass(frozen=True)
class Inside:
    """What one process is given."""

    limits: Limits
    files: tuple[tuple[str, Path], ...] = ()  # handed in beside the notebook: name there, file here
    device: str = "cpu"


class Started(Protocol):
    """A learner's process and all that it starts."""

    @property
    def pid(self) -> int:
        """The process that everything of it ends with; 0 once it has ended."""

    @property
    def output(self) -> int:
        """The descriptor from which what it prints is read."""

    def wait(self, seconds: float) -> int | None:
        """How its first process ended: an exit code, or minus the signal; None if it runs on."""

    def use(self, enough: int) -> Usage:
        """How many processes it is now and what they hold, files in memory included; counted less exactly below `enough` bytes."""

    def end(self) -> None:
        """End all of it, at once; what it left is taken away."""


class Sandbox(Protocol):
    """A way to start a learner's process; `level` is recorded in every result, with what it lacks."""

    level: ClassVar[str]

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the strongest level stops and this one does not, in a few words each."""

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        """A process that serves on these two descriptors."""
