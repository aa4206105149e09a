"""The judge's end of the warm process that forks learners' processes (`beside/forkserver.py`): one for each process that judges."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from autograder.beside import HOME
from autograder.judge.folders import below, remove
from autograder.judge.sandbox.level import Inside, NoSandbox
from autograder.judge.usage import Usage, usage

_START = 120.0  # seconds until everything is imported


@dataclass(frozen=True)
class Forked:
    """A learner's process, by the pidfd of the one that keeps it: with the keeper, all end."""

    keeper: int
    output: int
    status: int
    place: str  # its folder on the disk; "" where namespaces give it a file system in memory

    @property
    def pid(self) -> int:
        """The keeper's pid here; 0 once it has ended."""
        with open(f"/proc/self/fdinfo/{self.keeper}") as info:
            return max(0, *(int(line.split()[1]) for line in info if line.startswith("Pid:")))

    def wait(self, seconds: float) -> int | None:
        """How the learner's process ended; None if it runs on."""
        if not select.select([self.status], [], [], seconds)[0]:
            return None
        return int(os.read(self.status, 16) or -signal.SIGKILL)

    def use(self, enough: int) -> Usage:
        """Processes but for the keeper, and memory; what its files take in memory or on the disk counts as such."""
        if not (pid := self.pid):
            return Usage()
        used = usage(pid, enough)
        files = _on_disk(self.place) if self.place else _in_memory(pid)
        return Usage(used.processes - 1, used.memory + files, used.open)

    def end(self) -> None:
        """End all of it; in namespaces the kernel takes away what it left."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.keeper, signal.SIGTERM if self.place else signal.SIGKILL)
        if self.place:
            select.select([self.keeper], [], [], 10)
            remove(self.place)
        for fd in (self.keeper, self.output, self.status):
            os.close(fd)


def _in_memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        held = os.statvfs(f"/proc/{pid}/root{HOME}")
        return (held.f_blocks - held.f_bfree) * held.f_frsize
    return 0


def _on_disk(folder: str, most: int = 20_000) -> int:
    """Bytes in a folder; more entries than `most`, or folders too deep to be looked into, count as no end of them."""
    total = 0
    for seen, (entry, shut) in enumerate(below(folder)):
        if shut or seen > most:
            return sys.maxsize
        with contextlib.suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


class Server:
    """Starts the warm process when it is first asked, and another if that is gone."""

    def __init__(self, start: Callable[[socket.socket], subprocess.Popen[bytes]]):
        self._start = start
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    def fork(self, inside: Inside, reads: int, writes: int, place: str = "", readable: Sequence[str] = ()) -> Forked:
        """A learner's process that serves on these descriptors; without namespaces it has a `place` and reads what is `readable`.

        NoSandbox if none can be had.
        """
        wanted = {"limits": inside.limits.plain(), "place": place, "readable": readable}
        output, theirs = os.pipe()
        status, told = os.pipe()
        with packed(inside.files) as files:
            fds = [reads, writes, theirs, told, *([files.fileno()] if files else [])]
            try:
                with self._lock:
                    keeper = self._asked(json.dumps(wanted).encode(), fds)
            except BaseException:
                os.close(output)
                os.close(status)
                raise
            finally:
                os.close(theirs)
                os.close(told)
        return Forked(keeper, output, status, place)

    def close(self) -> None:
        """End the warm process."""
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._owner == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process = self._control = None

    def _asked(self, message: bytes, fds: list[int]) -> int:
        for last in (False, True):
            control = self._warm()
            try:
                socket.send_fds(control, [message], fds)
                answer, got, _, _ = socket.recv_fds(control, 2**16, 1)
            except OSError:
                answer, got = b"", []
            if got:
                return got[0]
            if answer:
                raise NoSandbox(f"no process can be started in the sandbox: {json.loads(answer)['problem']}")
            said = self._said()
            self.close()
            if last:
                raise NoSandbox(f"the sandbox's server ended: {said}")
        raise AssertionError

    def _warm(self) -> socket.socket:
        if self._owner != os.getpid():  # a fork of who judged before: that one's server is not ours to ask
            self._process = self._control = None
        if self._control is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = self._start(theirs)
            self._control, self._owner = ours, os.getpid()
            ours.settimeout(_START)
            atexit.register(self.close)
            try:
                hello = ours.recv(16)
            except OSError:
                hello = b""
            if not hello:
                said = self._said()
                self.close()
                raise NoSandbox(f"the sandbox does not start: {said}")
        return self._control

    def _said(self) -> str:
        """The last line that the warm process printed."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        stdout = self._process.stdout
        lines = stdout.read().decode(errors="replace").strip().splitlines() if stdout else []
        return lines[-1] if lines else "it printed nothing"


@contextlib.contextmanager
def packed(files: Sequence[tuple[str, Path]]) -> Iterator[IO[bytes] | None]:
    """A tar of what was handed in, open for reading; None of nothing. A link is not followed. OSError if a file cannot be read."""
    if not files:
        yield None
        return
    with tempfile.TemporaryFile() as target:
        with tarfile.open(fileobj=target, mode="w") as tar:
            for name, file in files:
                with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
                    info = tarfile.TarInfo(name)
                    info.size = os.fstat(source.fileno()).st_size
                    tar.addfile(info, source)
        target.seek(0)
        yield target


def copied(files: Sequence[tuple[str, Path]], folder: Path) -> None:
    """Copies of what was handed in in `folder`, for anybody to read."""
    folder.mkdir(exist_ok=True)
    with packed(files) as packed_files:
        if packed_files:
            with tarfile.open(fileobj=packed_files) as tar:
                tar.extractall(folder, filter="data")
    for path in (folder, *(Path(entry) for entry, _ in below(folder))):  # whatever the umask of whoever grades
        path.chmod(0o755 if path.is_dir() else 0o644)
