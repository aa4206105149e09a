"""The level for containers without namespaces, where root grades: another uid for each process, Landlock, system calls denied."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import ClassVar

from autograder.judge.folders import remove
from autograder.judge.sandbox.level import Inside, NoSandbox, Started
from autograder.judge.sandbox.machine import PACKAGE, SYSTEM, copied_course, environment, extra_paths, roots
from autograder.judge.sandbox.process import popen, python
from autograder.judge.sandbox.server import Server


class Container:
    """A server forks each process, which then steps down to a uid that nobody else has, and sees only files that it needs."""

    level: ClassVar[str] = "container"

    @property
    def lacks(self) -> tuple[str, ...]:
        """What bubblewrap stops and this level does not."""
        always = (
            "a disk of its own: what it writes is measured, not bounded",
            "a wall before sockets that lie in the file system with rights for everybody",
        )
        return always if _landlock() >= 6 else (*always, "a wall before abstract sockets (Landlock 6 is one)")

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        """A process that serves on these two descriptors."""
        if inside.device.startswith("cuda"):
            raise NoSandbox("a GPU needs the level bubblewrap: a process that uses CUDA cannot be forked")
        place = tempfile.mkdtemp(prefix="bptt-learner-")
        try:
            return _server().fork(inside, reads, writes, place, _readable())
        except BaseException:
            remove(place)
            raise

    @staticmethod
    @functools.cache
    def refusal() -> str:
        """Why this level cannot be had here; "" if it can."""
        if sys.platform != "linux" or os.geteuid() != 0:
            return "only root can give each process a uid of its own"
        if _landlock() < 1:
            return "this kernel has no Landlock"
        return ""


def _landlock() -> int:
    from autograder.beside import walls  # Linux only

    return walls.landlock()


@functools.cache
def _course() -> Path:
    place = Path(tempfile.mkdtemp(prefix="bptt-course-"))
    place.chmod(0o755)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return copied_course(place)


@functools.cache
def _server() -> Server:
    def start(control: socket.socket) -> subprocess.Popen[bytes]:
        fd = control.fileno()
        command = python((str(_course()), *extra_paths()), "forkserver", str(fd))
        variables = {**environment("/", "cpu"), "OMP_THREAD_LIMIT": "1", "MPLCONFIGDIR": tempfile.gettempdir()}
        return popen(command, (fd,), Path("/"), variables)

    return Server(start)


@functools.cache
def _readable() -> list[str]:
    """The interpreter and its packages, but for this course's; the system's libraries; copies of two folders of the course."""
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *extra_paths()}
    shown: list[str] = [*SYSTEM, "/etc/ld.so.cache", "/etc/localtime", str(_course())]
    for root in roots():
        for folder in (*packages,) if any(Path(one).is_relative_to(root) for one in packages) else (root,):
            shown += [str(entry) for entry in sorted(Path(folder).iterdir()) if entry != PACKAGE]
    shown += [sysconfig.get_path("stdlib"), str(Path(sys.executable).parent), sys.prefix + "/pyvenv.cfg"]
    return shown
