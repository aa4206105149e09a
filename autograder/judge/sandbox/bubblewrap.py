"""The level of choice: namespaces of its own, nothing writable but its own memory, no network, no environment, no home."""

from __future__ import annotations

import functools
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

from autograder.beside import HOME
from autograder.judge.limits import Limits
from autograder.judge.sandbox.level import Inside, Started
from autograder.judge.sandbox.machine import (
    BESIDE,
    BPTT,
    SYSTEM,
    course_hidden_in,
    environment,
    extra_paths,
    font_lists,
    roots,
    within,
)
from autograder.judge.sandbox.process import Fresh, popen, python
from autograder.judge.sandbox.server import Server, copied

NOBODY = 65533  # whose rights a sandbox has that root starts; nobody else should have this uid
_PATHS = ("/course", *extra_paths())


class Bubblewrap:
    """bubblewrap builds a room that nobody changes; a server in it forks each process into namespaces of its own. For CUDA,
    which cannot be forked, each process gets a room and a Python of its own."""

    level: ClassVar[str] = "bubblewrap"
    lacks: tuple[str, ...] = ()

    def start(self, inside: Inside, reads: int, writes: int) -> Started:
        """A process that serves on these two descriptors."""
        if not inside.device.startswith("cuda"):
            return _server().fork(inside, reads, writes)
        place = Path(tempfile.mkdtemp(prefix="bptt-judge-"))
        try:
            copied(inside.files, place / "submission")
            options = {"limits": inside.limits.plain(), "files": "/submission", "alone": True, "mapped": False}
            child = python(_PATHS, "child", str(reads), str(writes), json.dumps(options))
            return Fresh(popen([*_room(inside, place / "submission"), *child], (reads, writes)), place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    @staticmethod
    @functools.cache
    def refusal() -> str:
        """Why bubblewrap cannot make its namespaces here, and what to do; "" if it can."""
        own = "Or, for your own work only, add --unsafe-no-sandbox."
        if sys.platform != "linux":
            return (
                f"Grading needs Linux for its sandbox (bubblewrap); run it there, or in a Linux virtual machine. {own}"
            )
        if shutil.which("bwrap") is None:
            return f"Grading needs bubblewrap for its sandbox: sudo apt install bubblewrap. {own}"
        alive = "import sys; sys.path.insert(0, '/course'); from autograder.beside import walls; walls.try_namespaces()"
        command = [*_room(Inside(Limits())), sys.executable, "-I", "-c", alive]
        try:
            tried = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap cannot be started: {error}. {own}"
        if tried.returncode == 0 and tried.stdout.strip() == "alive":
            return ""
        said = (tried.stderr.strip().splitlines() or ["no message"])[-1]
        remedy = "bubblewrap 0.8 or newer is needed" if "nknown option" in said else (
            "namespaces are denied here: on Ubuntu, sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; "
            "in Docker, start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined, "
            "or grade as root in it"
        )  # fmt: skip
        return f"bubblewrap cannot make a sandbox ({said}); {remedy}. {own}"


@functools.cache
def _server() -> Server:
    def start(control: socket.socket) -> subprocess.Popen[bytes]:
        fd = control.fileno()
        return popen([*_room(Inside(Limits())), *python(_PATHS, "forkserver", str(fd))], (fd,))

    return Server(start)


def _room(inside: Inside, brought: Path | None = None) -> list[str]:
    """bubblewrap and its options, up to the program that it starts; `brought` is the folder of what was handed in.

    Where processes are forked, the room is the server's: each of them covers what can be written with memory of its own.
    """
    forked = not inside.device.startswith("cuda")
    line = [shutil.which("bwrap") or "bwrap", "--unshare-user", "--unshare-all", "--uid", "1000", "--gid", "1000"]
    line += ["--hostname", "judge", "--die-with-parent", "--new-session", "--clearenv"]
    for name, value in environment(HOME, inside.device).items():
        line += ["--setenv", name, value]
    for folder in SYSTEM:
        if os.path.islink(folder):
            line += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            line += ["--ro-bind", folder, folder]
    for path in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        line += ["--ro-bind-try", path, path]
    size = ["--size", str(inside.limits.disk)]
    line += [*size, "--tmpfs", "/tmp"]  # before the folders that are shown: one of them may lie in it
    for root in roots():
        line += ["--ro-bind", root, root]
    line += _masks()
    line += ["--proc", "/proc", "--dev", "/dev"]
    line += ["--setenv", "OMP_THREAD_LIMIT", "1"] if forked else ["--remount-ro", "/proc", "--disable-userns"]
    if not forked:
        for device in sorted(glob.glob("/dev/nvidia*")):
            line += ["--dev-bind", device, device]
        line += ["--ro-bind-try", "/sys", "/sys"]
    line += [*size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev", *size, "--tmpfs", HOME]
    for file in font_lists():  # else matplotlib looks through all fonts, two seconds for each child
        line += ["--ro-bind", str(file), f"{HOME}/.matplotlib/{file.name}"]
    line += ["--ro-bind", str(BESIDE), "/course/autograder/beside"]
    line += ["--ro-bind", str(BESIDE / "dummy.py"), "/course/autograder/__init__.py"]
    line += ["--ro-bind", str(BPTT), "/course/bptt"]
    if brought is not None:
        line += ["--ro-bind", str(brought), "/submission"]
    line += ["--remount-ro", "/", "--chdir", HOME, "--"]
    return _descended(line) if os.geteuid() == 0 else line


def _descended(line: list[str]) -> list[str]:
    """The same command for root, who gives up all rights first; what is bound may lie where only root can look."""
    shown: list[str] = []
    for at, word in enumerate(line):
        if word == "--ro-bind" and not within(line[at + 1], SYSTEM):
            shown.append(line[at + 1])
            line = [*line[: at + 1], f"/mnt/{len(shown) - 1}", *line[at + 2 :]]
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("descend.py"))]
    return [*launcher, str(NOBODY), json.dumps(shown), *line]


def _masks() -> list[str]:
    """Hide the course where a folder that is shown contains it."""
    ours = course_hidden_in(("/usr", *roots()))
    if ours is None:
        return []
    line = ["--tmpfs", str(ours)]
    for root in roots():
        if root != str(ours) and within(root, (str(ours),)):
            line += ["--ro-bind", root, root]
    return [*line, "--remount-ro", str(ours)]
