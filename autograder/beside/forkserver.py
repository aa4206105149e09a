"""A warm process that forks one learner's process after the other: everything slow is imported and used once, by nobody's code.

It has never held a key, a draw or a submission, and runs nothing of a learner's itself. One message on its socket asks for one
process: options as JSON, and the descriptors that the process is to have. The answer carries a pidfd of the process that keeps it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sys
import tarfile
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypedDict

from autograder.beside import HOME, PLACES, walls
from autograder.beside.cells import Shell
from autograder.beside.child import Service, aside
from autograder.beside.warm import warmed

UIDS = range(61000, 65000)  # without namespaces: one for each learner's process


class Process(TypedDict):
    """What the judge asks for."""

    limits: dict[str, float]
    place: str  # without namespaces: its folder on the disk, which it may write to; "" with them
    readable: list[str]  # without namespaces: what it may read


# The descriptors that come with it; the last, a tar of what was handed in, only if anything was.
READS, WRITES, OUTPUT, STATUS, FILES = range(5)


def main() -> None:
    """Serve until the judge is gone. argv: the descriptor of the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries what has ended
    shell = warmed()
    control.send(b"{}")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 2**16, 8)
        if not message:
            os._exit(0)
        wanted: Process = json.loads(message)
        try:
            pid = os.fork() if wanted["place"] else walls.clone_apart()
            if pid == 0:
                control.close()
                _keep(wanted, fds, shell)
            pidfd = os.pidfd_open(pid)
            socket.send_fds(control, [b"{}"], [pidfd])
            os.close(pidfd)
        except OSError as error:
            control.send(json.dumps({"problem": str(error)}).encode())
        for fd in fds:
            os.close(fd)


def _keep(wanted: Process, fds: list[int], shell: Shell) -> NoReturn:
    """In the process that keeps the learner's."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(fds[OUTPUT], 1)
        os.dup2(fds[OUTPUT], 2)
        walls.close_all_but(0, 1, 2, *fds)
        _keep_among_others(wanted, fds, shell) if wanted["place"] else _keep_apart(wanted, fds, shell)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(70)


def _keep_apart(wanted: Process, fds: list[int], shell: Shell) -> NoReturn:
    """Process 1 of the learner's namespaces: furnishes them, forks the learner's process, says how that ended. With it, all end."""
    walls.furnish(PLACES, int(wanted["limits"]["disk"]))
    pid = os.fork()
    if pid == 0:
        os.close(fds[STATUS])
        os.setsid()
        _unpack(fds, HOME)
        os.chdir(HOME)
        walls.powerless()
        _serve(wanted, fds, shell)
    walls.unreadable(True)
    _wait(pid, fds)


def _keep_among_others(wanted: Process, fds: list[int], shell: Shell) -> NoReturn:
    """Root's keeper of a process with a uid of its own: ends whatever has that uid when the process or the judge says so."""
    walls.end_with_parent()
    walls.adopt_orphans()
    uid, place = _free_uid(), wanted["place"]
    os.chown(place, uid, uid)

    def clear() -> None:
        if os.fork() == 0:
            walls.step_down(uid)
            os.kill(-1, signal.SIGKILL)  # it ends here itself, too
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()

    def told_to_end(*_: object) -> None:
        clear()
        os._exit(0)

    signal.signal(signal.SIGTERM, told_to_end)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(fds[STATUS])
        os.setsid()
        walls.end_with_parent()
        walls.step_down(uid)
        walls.end_with_parent()  # forgotten with the rights
        os.environ.update(HOME=place, TMPDIR=place, MPLCONFIGDIR=place, IPYTHONDIR=place)
        tempfile.tempdir = None
        _unpack(fds, place)
        os.chdir(place)
        devices = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/ptmx", "/dev/pts", "/dev/tty"]
        walls.allow_files(wanted["readable"], [place, *devices])
        _serve(wanted, fds, shell)
    _wait(pid, fds, clear)


def _wait(pid: int, fds: list[int], after: Callable[[], None] = lambda: None) -> NoReturn:
    """Bury what ends; when the learner's process does, tell the judge how, and end."""
    for fd in (fds[READS], fds[WRITES], fds[OUTPUT], 1, 2):
        os.close(fd)
    while True:
        ended, status = os.wait()
        if ended == pid:
            os.write(fds[STATUS], str(os.waitstatus_to_exitcode(status)).encode())
            after()
            os._exit(0)


def _serve(wanted: Process, fds: list[int], shell: Shell) -> NoReturn:
    walls.deny_calls(network=not wanted["place"])
    walls.limit(wanted["limits"], alone=True, mapped=True)
    walls.unreadable(False)
    _reseed()
    for fd in fds[OUTPUT:]:
        with contextlib.suppress(OSError):
            os.close(fd)
    sys.path.insert(0, "")  # as in Jupyter, but only now, so that no file of the learner's can replace a module of ours
    Service(aside(fds[READS]), aside(fds[WRITES]), shell).serve()


def _unpack(fds: list[int], home: str) -> None:
    if len(fds) > FILES:
        with os.fdopen(fds[FILES], "rb", closefd=False) as packed, tarfile.open(fileobj=packed) as files:
            files.extractall(home, filter="data")


def _free_uid() -> int:
    """A uid that no process has."""
    taken: set[int] = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            taken.add(entry.stat().st_uid)
    start = os.getpid() % len(UIDS)
    return next(uid for uid in itertools.chain(UIDS[start:], UIDS[:start]) if uid not in taken)


def _reseed() -> None:
    import numpy
    import torch

    random.seed()
    numpy.random.seed()
    torch.seed()
