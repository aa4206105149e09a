"""A learner's process that Python starts anew, where none can be forked: on a GPU, and without a sandbox."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.judge.folders import remove
from autograder.judge.usage import Usage, usage


@dataclass(frozen=True)
class Fresh:
    """A process, and the folder that goes when it has ended, if it has one of its own."""

    process: subprocess.Popen[bytes]
    place: Path | None = None

    @property
    def pid(self) -> int:
        """The process's pid."""
        return self.process.pid

    @property
    def output(self) -> int:
        """The descriptor from which what it prints is read."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def wait(self, seconds: float) -> int | None:
        """How it ended, or None."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def use(self, enough: int) -> Usage:
        """Processes, but for bubblewrap's; memory."""
        used = usage(self.process.pid, enough)
        return Usage(max(1, used.processes - 3), used.memory, used.open)

    def end(self) -> None:
        """End the process, and all that it started; what it left is taken away."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # bubblewrap's namespace ends with it
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self.place is not None:
            remove(self.place)


def python(paths: Sequence[str], module: str, *arguments: str) -> list[str]:
    """A command: `main()` of one of our modules in the sandbox, found in `paths`."""
    start = f"import sys; sys.path[:0] = {list(paths)!r}; from autograder.beside.{module} import main; main()"
    return [sys.executable, "-I", "-c", start, *arguments]


def popen(
    command: list[str], fds: Sequence[int], cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """The command in a session of its own, with these descriptors; its output can be read."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=fds,
        start_new_session=True,
        cwd=cwd,
        env=env,
    )
