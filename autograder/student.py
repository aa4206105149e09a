"""The learner as a check sees them, whatever the transport: names to call, values to read, probes to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from autograder.spec import Finding, LearnerFailed
from autograder.wire import Ref

Transport = Callable[[dict[str, Any]], dict[str, Any]]


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
    """The learner's side of a check. `student.rnn_step(x_t, h_prev, params)` asks the learner's function.

    Raises LearnerFailed when no answer comes. `changed` collects the arguments that calls have changed; `last` is the last call, as the
    learner would write it.
    """

    def __init__(self, transport: Transport, on_begin: Callable[[Any], None] | None = None):
        self._transport = transport
        self.on_begin = on_begin  # hears of each check before its body runs
        self.last = ""
        self.changed: list[str] = []
        self.lent: dict[str, str] = {}  # name -> id of the check whose stand-in is lent for it
        self.pretend = False  # whether arguments pretend to be on a GPU (hygiene.py)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(name, None, args, kwargs)

    def value(self, name: str) -> Any:
        """The value of the learner's variable `name`."""
        self.last = name
        return self._ask({"do": "value", "name": name})

    def probe(self, name: str, **kwargs: Any) -> Any:
        """Run a probe of probes.py beside the learner's code."""
        shown = kwargs.pop("shown", None)
        if shown:
            self.last = shown
        return self._ask({"do": "probe", "name": name, "kwargs": _refs(kwargs), "shown": shown})

    def make(self, name: str, *args: Any, shown: str = "", **kwargs: Any) -> Handle:
        """Call the learner's class or factory `name`; LearnerFailed if no object comes back. Messages call the object `shown`."""
        made = self._call(name, None, args, kwargs)
        if not isinstance(made, Handle):
            summary = f"{self.last} gave {describe(made)}; expected an object"
            raise LearnerFailed("wrong", Finding("type", summary))
        return Handle(self, replace(made._ref, type=shown)) if shown else made

    def forget(self) -> None:
        """Let go of all objects that are kept beside the learner's code."""
        self._ask({"do": "forget"})

    def _call(self, target: str | Ref, method: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = target if isinstance(target, str) else target.type + (f".{method}" if method else "")
        parts = [describe(arg) for arg in args] + [f"{key}={describe(arg)}" for key, arg in kwargs.items()]
        self.last = f"{name}({', '.join(parts)})"
        request = {
            "do": "call",
            "target": target,
            "method": method,
            "args": list(_refs(args)),
            "kwargs": _refs(kwargs),
        }
        if self.pretend:
            request["pretend"] = True
        return self._ask(request)

    def _ask(self, request: dict[str, Any]) -> Any:
        if self.lent:
            request["lend"] = dict(self.lent)
        reply = self._transport(request)
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


def describe(value: Any) -> str:
    """A value in a few characters: tensors by shape, small things as they are."""
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}" for key in list(value)[:6]) + "}" if value else "{}"
    if isinstance(value, Handle):
        return repr(value)
    if isinstance(value, tuple) and len(value) <= 4:
        return "(" + ", ".join(describe(item) for item in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list | tuple):
        inner = ", ".join(describe(item) for item in value[:4])
        return f"[{inner}{', …' if len(value) > 4 else ''}]"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _tensor(value: Tensor) -> str:
    """A small vector by its numbers, so that an entry can be worked out by hand; anything larger by its shape."""
    if value.dim() == 0:
        return f"tensor({value.item():.6g})" if value.is_floating_point() else f"tensor({value.item()})"
    if value.dim() == 1 and value.numel() <= 6 and not value.is_complex():
        shown = [f"{one:.6g}" if isinstance(one, float) else str(one) for one in value.tolist()]
        return f"tensor([{', '.join(shown)}])"
    return f"tensor of shape {tuple(value.shape)}"
