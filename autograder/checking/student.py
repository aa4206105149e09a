"""The learner as a check sees them, whatever the transport: names to call, values to read, probes to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Protocol

from autograder.beside.protocol import Call, Probe, Question, Reply, Seen, Value, Watch, seen_in
from autograder.beside.wire import Ref
from autograder.checking.describe import describe
from autograder.checking.spec import Check, Finding, LearnerFailed


class Transport(Protocol):
    """The way to the learner's code: a function call in a notebook, a pipe in grading."""

    def begin(self, check: Check, /) -> None:
        """The body of `check` is about to run: drop whatever an earlier one kept."""

    def ask(self, request: Question, /) -> Reply:
        """The reply to a question; LearnerFailed if the learner's process is gone."""

    def apart(self) -> AbstractContextManager[Transport]:
        """The same cells where nothing has been asked; what is kept here is gone from then on."""


class Handle:
    """An object that stays beside the learner's code: call it, call its methods, or pass it as an argument."""

    def __init__(self, student: Student, ref: Ref):
        self._student, self._ref = student, ref

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._student._call(self._ref, None, args, kwargs)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("__"):
            raise AttributeError(method)
        return lambda *args, **kwargs: self._student._call(self._ref, method, args, kwargs)

    def __repr__(self) -> str:
        return self._ref.type


class Student:
    """The learner's side of one run of a check's body. `student.rnn_step(x_t, h_prev, params)` calls the learner's function.

    Raises LearnerFailed when no answer comes. `changed` collects the arguments that calls have modified; `last` is the latest call, as
    the learner would write it. With `watch`, `seen` collects what ran during each call: None where nothing came. `lent` maps names that stand-ins replace to the checks that provide them. With `pretend`, tensors among
    the arguments pose as GPU tensors (beside/hygiene.py).
    """

    def __init__(
        self,
        transport: Transport,
        of: str = "",
        *,
        lent: Mapping[str, str] = {},
        pretend: bool = False,
        watch: Watch | None = None,
    ):
        self._transport, self._lent, self.pretend, self._watch = transport, dict(lent), pretend, watch
        self.last = of
        self.changed: list[str] = []
        self.seen: list[Seen | None] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(name, None, args, kwargs)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Calls in here look into a wrong answer: a message goes on showing the call before them."""
        before = self.last
        try:
            yield
        finally:
            self.last = before

    @contextmanager
    def apart(self) -> Iterator[Student]:
        """The same learner in a process in which nothing has been asked; ask this one no more.

        A notebook has no other process: there, the learner's variables are put back as they were (beside/afresh.py).
        """
        with self._transport.apart() as transport:
            other = Student(transport, self.last, lent=self._lent, pretend=self.pretend)
            try:
                yield other
            finally:
                self.last = other.last
                self.changed += other.changed

    def show(self, call: str) -> None:
        """From now on a message shows this as the last call."""
        self.last = call

    def value(self, name: str) -> Any:
        """The value of the learner's variable `name`."""
        self.last = name
        return self._ask({"do": "value", "name": name, "lend": self._lent})

    def probe(self, name: str, **kwargs: Any) -> Any:
        """Run a probe (beside/probes/) beside the learner's code; messages call it `shown`."""
        shown = kwargs.pop("shown", None)
        if shown:
            self.last = shown
        return self._ask({"do": "probe", "name": name, "kwargs": _refs(kwargs), "shown": shown, "lend": self._lent})

    def make(self, name: str, *args: Any, shown: str = "", **kwargs: Any) -> Handle:
        """Call the learner's class or factory `name`; LearnerFailed if no object comes back. Messages call the object `shown`."""
        made = self._call(name, None, args, kwargs)
        if not isinstance(made, Handle):
            summary = f"{self.last} returned {describe(made)}; expected an object"
            raise LearnerFailed("wrong", Finding("type", summary))
        return Handle(self, replace(made._ref, type=shown)) if shown else made

    def _call(self, target: str | Ref, method: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = target if isinstance(target, str) else target.type + (f".{method}" if method else "")
        parts = [describe(arg) for arg in args] + [f"{key}={describe(arg)}" for key, arg in kwargs.items()]
        self.last = f"{name}({', '.join(parts)})"
        return self._ask(
            {
                "do": "call",
                "target": target,
                "method": method,
                "args": list(_refs(args)),
                "kwargs": _refs(kwargs),
                "pretend": self.pretend,
                "lend": self._lent,
            }
        )

    def _ask(self, question: Call | Value | Probe) -> Any:
        if self._watch is not None:
            question["watch"] = self._watch
        reply = self._transport.ask(question)
        if self._watch is not None:
            self.seen.append(seen_in(reply))
        if not reply["ok"]:
            finding = Finding(reply["sign"], reply["summary"], reply["where"], tuple(reply["clues"]))
            raise LearnerFailed(reply["status"], finding)
        self.changed += [name for name in reply["changed"] if name not in self.changed]
        return self._handles(reply["value"])

    def _handles(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return Handle(self, value)
        if isinstance(value, dict):
            return {key: self._handles(item) for key, item in value.items()}
        if isinstance(value, tuple):
            return tuple(self._handles(item) for item in value)
        if type(value) is list:
            return [self._handles(item) for item in value]
        return value


def _refs(value: Any) -> Any:
    if isinstance(value, Handle):
        return value._ref
    if isinstance(value, dict):
        return {key: _refs(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_refs(item) for item in value)
    return value
