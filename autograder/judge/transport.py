"""The judge's end of the pipe to a child: asks with a deadline, believes nothing about the form of what comes back."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any, cast, get_args

from torch import Tensor

from autograder.beside import frames
from autograder.beside.protocol import (
    Frame,
    Lend,
    Loan,
    Question,
    Reply,
    ReplyStatus,
    Request,
    answered,
    failed,
    seen_in,
)
from autograder.beside.wire import Ref, WireError, pack
from autograder.checking.spec import Check, Finding, LearnerFailed, Status
from autograder.judge.sandbox import Inside, Sandbox

TICK = 0.25  # seconds between looks at what a busy child uses
TEXT = 2000  # characters of any text in a reply
LENT_ITEMS = 8000  # numbers that may be passed to a stand-in in one call
LENT_AXIS = 100  # of a tensor among them: a Jacobian by a matrix grows with the cube of it
LENT_CALLS = 5000  # in answering one request


class Ended(LearnerFailed):
    """The child is gone; whoever asks next needs another one."""

    def __init__(self, status: Status, summary: str, clue: str = ""):
        super().__init__(status, Finding(status, summary, clues=(clue,) if clue else ()))


class Child:
    """One sandboxed process with a learner's cells; a Patient asks it for a check."""

    def __init__(self, sandbox: Sandbox, inside: Inside, lend: Lend):
        self.limits, self._lend = inside.limits, lend
        self.printed = 0
        self.deadline = float("inf")  # time.monotonic() at which the current cell or check has had its time
        self.what = "the child"  # who is running, for the reason
        self.alive = True
        self.doubtful = False  # it spoke out of turn, or was killed: what it was last asked may be innocent of that
        self._id = 0
        theirs_in, self._writes = os.pipe()
        self._reads, theirs_out = os.pipe()
        try:
            self._started = sandbox.start(inside, theirs_in, theirs_out)
        except BaseException:
            for fd in (self._writes, self._reads):
                os.close(fd)
            raise
        finally:
            for fd in (theirs_in, theirs_out):
                os.close(fd)
        self._output = self._started.output
        self._looked = 0.0  # time.monotonic() when it was last looked at what the process uses
        self._select = selectors.DefaultSelector()
        for fd in (self._reads, self._output):
            os.set_blocking(fd, False)
            self._select.register(fd, selectors.EVENT_READ)
        os.set_blocking(self._writes, False)
        self._buffer = bytearray()
        self.said = bytearray()  # the beginning of what it printed
        self.allow(self.limits.start, "the start")
        _checked(self._await_reply(()), Ended)  # its hello

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that everything of the submission ends with."""
        return self._started.pid

    def allow(self, seconds: float, what: str) -> None:
        """From now on, `what` has so many seconds."""
        self.deadline, self.what, self._seconds = time.monotonic() + seconds, what, seconds

    def ask(self, request: Request) -> Reply:
        """Send a request and wait for its reply; raises Ended when none of the right form comes in time."""
        if not self.alive:
            raise Ended("crashed", "the process had ended before")
        if self._buffer or self._speaks():
            raise self._out_of_turn("the process spoke without being asked")
        self._id = 1 + secrets.randbelow(2**52)  # nobody can answer a question that has not been asked
        self._send({"id": self._id, "request": request})
        lent = request["lend"].values() if request["do"] in ("call", "value", "probe") else ()
        return _checked(self._await_reply(lent), self._end)

    def close(self) -> None:
        """End the process, and all that it started."""
        if self.alive:
            self.alive = False
            self._select.close()
            self._started.end()
            for fd in (self._reads, self._writes):
                os.close(fd)

    # -------------------------------------------------------------------------------------- inside

    def _await_reply(self, lent: Collection[str]) -> Any:
        for _ in range(LENT_CALLS):
            frame = self._receive()
            if frame["id"] != self._id:
                raise self._out_of_turn("the process answered what it was not asked")
            if "reply" in frame:
                return frame["reply"]
            if frame.get("ask") not in lent:
                raise self._end("crashed", "the process asked for what is not lent")
            self._send(self._lent(frame))
        raise self._end("crashed", f"a lent function was called more than {LENT_CALLS} times")

    def _lent(self, frame: dict[str, Any]) -> Loan:
        args, toward = frame.get("args"), frame.get("toward")
        if not isinstance(args, tuple) or _weight((args, toward)) > LENT_ITEMS:
            said = "these arguments are too large for a function that is lent"
            return {"id": self._id, "error": "ValueError", "said": said}
        try:
            return {"id": self._id, "value": pack(self._lend(str(frame["ask"]), args, toward), _never)}
        except Exception as error:  # a wrong call of a right function: the learner's code hears of it as of any other
            return {"id": self._id, "error": type(error).__name__, "said": str(error)[:TEXT]}

    def _receive(self) -> dict[str, Any]:
        try:
            size = frames.length(self._take(frames.HEAD.size))
            return frames.unpack(self._take(size))
        except WireError as error:
            raise self._end("crashed", f"what the process sent is no reply ({error})") from None

    def _take(self, count: int) -> bytes:
        """The next bytes from the child; meanwhile its output is drained and its use of the machine watched."""
        while len(self._buffer) < count:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise self._end("timeout", f"no answer within {self._seconds:g} s",
                                "Is there a loop that never ends, or far more work than the exercise needs?")  # fmt: skip
            ready = self._select.select(min(left, TICK))
            if time.monotonic() > self._looked + TICK:  # whatever flows meanwhile
                self._look()
            for key, _ in ready:
                self._drain() if key.fd == self._output else self._fill()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _fill(self) -> None:
        part = os.read(self._reads, 2**20)
        if not part:
            raise self._end_of_process()
        self._buffer += part

    def _drain(self) -> None:
        part = os.read(self._output, 2**16)
        if not part:
            self._select.unregister(self._output)
            return
        self.said += part[: max(0, 4096 - len(self.said))]
        self.printed += len(part)
        if self.printed > self.limits.output:
            raise self._end("crashed", f"more than {_size(self.limits.output)} were printed",
                            "Is there a print in a loop that runs very often?")  # fmt: skip

    def _look(self) -> None:
        self._looked = time.monotonic()
        use = self._started.use(self.limits.memory)
        if use.processes > self.limits.processes:
            raise self._end("crashed", f"more than {self.limits.processes} processes were started")
        if use.open > self.limits.open:
            raise self._end("crashed", f"more than {self.limits.open} files, pipes and sockets were open")
        if use.memory > self.limits.memory:
            raise self._end("crashed", f"more than {_size(self.limits.memory)} of memory were used")

    def _speaks(self) -> bool:
        for key, _ in self._select.select(0):
            if key.fd == self._output:
                self._drain()
            elif self._id:
                self._fill()
        return bool(self._buffer)

    def _send(self, frame: Frame) -> None:
        view = memoryview(frames.pack(frame))
        with selectors.DefaultSelector() as select:
            select.register(self._writes, selectors.EVENT_WRITE)
            while view:
                left = self.deadline - time.monotonic()
                if left <= 0:
                    raise self._end("timeout", f"no answer within {self._seconds:g} s")
                if select.select(min(left, TICK)):
                    try:
                        view = view[os.write(self._writes, view) :]
                    except BlockingIOError:
                        pass
                    except BrokenPipeError:
                        raise self._end_of_process() from None

    def _end_of_process(self) -> Ended:
        code = self._started.wait(2)
        if code is None:
            return self._end("crashed", "the process closed its pipe")
        if self._id == 0:  # our own side failed, not the learner's
            self._speaks()
            last = self.said.decode(errors="replace").strip().splitlines()[-1:]
            return self._end("broken", f"the sandbox did not start: {' '.join(last) or f'exit code {code}'}")
        number = -code if code < 0 else code - 128 if code > 128 else 0
        if number == signal.SIGXCPU:
            return self._end("crashed", f"more than {self.limits.cpu} s of processor time were used")
        if number:
            self.doubtful = number == signal.SIGKILL  # by its own hand, or by somebody on this machine
            name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
            return self._end("crashed", f"the Python process was ended by {name}", _HINTS.get(number, ""))
        return self._end("crashed", f"the Python process ended (exit code {code})",
                         "Does something call os._exit, exit or quit?")  # fmt: skip

    def _out_of_turn(self, summary: str) -> Ended:
        self.doubtful = True
        return self._end("crashed", summary)

    def _end(self, status: Status, summary: str, clue: str = "") -> Ended:
        self.close()
        return Ended(status, summary if status == "timeout" else f"{summary} while {self.what} was running", clue)


_HINTS: dict[int, str] = {
    signal.SIGSEGV: "It read or wrote memory that is not its own; ctypes or a faulty extension does that.",
    signal.SIGKILL: "It was probably using too much memory.",
}


def _never(value: Any) -> Ref:
    raise WireError(f"a stand-in gave a {type(value).__name__}")


def _weight(value: Any) -> int:
    """How much work a value may make: entries, an empty axis counted as one; a whole number, also in a tensor, by its size."""
    if isinstance(value, Tensor):
        if max(value.shape, default=0) > LENT_AXIS:
            return LENT_ITEMS + 1
        if value.numel() == 1 and not value.is_floating_point() and not value.is_complex():
            return 1 + abs(int(value))
        total = 1
        for size in value.shape:
            total *= max(size, 1)
        return total
    if isinstance(value, dict):
        return 1 + sum(_weight(item) for item in value.values())
    if isinstance(value, list | tuple | set):
        return 1 + sum(_weight(item) for item in value)
    return abs(value) if isinstance(value, int) else 1


def _checked(reply: Any, end: Callable[[Status, str], Ended]) -> Reply:
    """The reply with exactly the fields that a Student reads, of the right types and bounded; else the child is ended."""
    checked = _checked_answer(reply, end)
    if seen := seen_in(reply):
        checked["seen"] = seen
    return checked


def _checked_answer(reply: Any, end: Callable[[Status, str], Ended]) -> Reply:
    if isinstance(reply, dict):
        if reply.get("ok") is True and "value" in reply and _texts(reply.get("changed")):
            return answered(reply["value"], [name[:200] for name in reply["changed"][:20]])
        texts = [reply.get(key) for key in ("status", "sign", "summary", "where")]
        if reply.get("ok") is False and _texts(texts) and _texts(reply.get("clues")):
            status, sign, summary, where = (str(text)[:TEXT] for text in texts)
            if status in get_args(ReplyStatus):
                clues = tuple(clue[:TEXT] for clue in reply["clues"][:8])
                return failed(cast(ReplyStatus, status), sign, summary, where, clues)
    raise end("crashed", "what the process sent is no reply")


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _size(count: int) -> str:
    return f"{count / 2**20:g} MB"


Elsewhere = Callable[[Check], AbstractContextManager["Patient"]]  # another child for a check, which has begun there


class Patient:
    """Asks a child for one check: each run of a body begins without what was kept before, and has its own time."""

    def __init__(self, child: Child, seconds: Callable[[Check], float], elsewhere: Elsewhere):
        self._child, self._seconds, self._elsewhere = child, seconds, elsewhere

    def begin(self, check: Check) -> None:
        """Give the body of `check` its time."""
        self._check = check
        self._child.allow(self._seconds(check), f"the check {check.id}")
        self._child.ask({"do": "forget"})

    def ask(self, request: Question) -> Reply:
        """The child's reply."""
        return self._child.ask(request)

    def apart(self) -> AbstractContextManager[Patient]:
        """Another child, with the same cells, that has been asked nothing."""
        return self._elsewhere(self._check)
