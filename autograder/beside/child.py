"""Runs in the sandbox: executes the learner's cells in an IPython shell, and answers what the judge asks.

It knows neither checks nor expected values: this folder is all of our code in the sandbox.
"""

from __future__ import annotations

import builtins
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from autograder.beside import frames, walls
from autograder.beside.beside import Beside
from autograder.beside.cells import Shell
from autograder.beside.observers import observer
from autograder.beside.protocol import Reply, Request, answered, failed
from autograder.beside.wire import WireError

HIGH = 200  # the protocol's descriptors go up there, out of the way of those that a program opens and closes


def main() -> None:
    """Serve in a process of its own until the judge closes the pipe. argv: descriptors to read and write, options as JSON."""
    reads, writes = (aside(int(fd)) for fd in sys.argv[1:3])
    options = json.loads(sys.argv[3])
    walls.limit(options["limits"], alone=options["alone"], mapped=options["mapped"])
    shutil.copytree(options["files"], Path.cwd(), copy_function=shutil.copyfile, dirs_exist_ok=True)
    shell = Shell()
    sys.path.insert(0, "")  # as in Jupyter, but only now, so that no file of the learner's can replace a module of ours
    Service(reads, writes, shell).serve()


class Service:
    """The child's end of the pipe."""

    def __init__(self, reads: int, writes: int, shell: Shell):
        self.reads, self.writes, self.shell = reads, writes, shell
        self.beside = Beside(shell.names, self.lend, observer=observer())
        self.ask = self.beside.ask  # bound before a cell could replace it, as is `answer` in serve
        self.id = 0

    def serve(self) -> NoReturn:
        """Say hello, then answer one request after another."""
        answer = self.answer
        self.send(answered({"python": sys.version.split()[0], "torch": torch.__version__}))
        while True:
            try:
                frame = frames.read(self.reads)
            except EOFError:
                os._exit(0)
            self.id = frame["id"]
            self.send(answer(frame["request"]))

    def answer(self, request: Request) -> Reply:
        """The reply to one request; whatever the learner's code raises becomes one."""
        try:
            if request["do"] == "run":
                return answered(self.shell.run(request["source"]))
            if request["do"] == "reset":
                self.beside.begin(None)
                self.shell.reset()
                return answered()
            return self.ask(request)
        except BaseException as error:  # KeyboardInterrupt and the like, raised by the learner's code
            return failed("error", "raised", f"{type(error).__name__}: {str(error)[:200]}")

    def send(self, reply: Reply) -> None:
        """Write a reply; one that cannot be written as bytes is replaced by the reason."""
        try:
            message = frames.pack({"id": self.id, "reply": reply})
        except WireError as error:
            reply = failed("unsendable", "unsendable", f"what came back cannot be judged: {error}")
            message = frames.pack({"id": self.id, "reply": reply})
        frames.write(self.writes, message)

    def lend(self, check: str, args: tuple[Any, ...], toward: Sequence[Tensor] | None = None) -> Any:
        """Ask the judge what a check's stand-in returns, or which gradients go back through it."""
        frames.write(self.writes, frames.pack({"id": self.id, "ask": check, "args": args, "toward": toward}))
        answer = frames.read(self.reads)
        if answer["id"] != self.id:
            os._exit(70)
        if "error" in answer:
            kind = getattr(builtins, answer["error"], RuntimeError)
            raise kind(answer["said"])
        return answer["value"]


def aside(fd: int) -> int:
    """The same end of a pipe under a high number, which no process started from here inherits."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(fd)
    return high
