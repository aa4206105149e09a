"""Runs beside the learner's code, in a notebook and in the sandbox alike: calls it with copies and packs what comes back."""

from __future__ import annotations

import inspect
import linecache
import re
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from autograder.beside import advice, hygiene, observers, probes
from autograder.beside.protocol import Call, Lend, Probe, Question, Reply, Value, answered, failed
from autograder.beside.wire import Ref, WireError, Yielded, flags, mapped, pack, plain, tensors

MAX_TEXT = 600  # characters of an exception's message that are passed on: its beginning and its end

_NOTHING = object()  # in place of a name that was not defined


@dataclass
class Beside:
    """The learner's names, and the objects kept beside them during a check.

    `lend` reaches the stand-ins.
    """

    names: dict[str, Any]
    lend: Lend | None = None
    objects: list[Any] = field(default_factory=list)
    observer: observers.Observer = field(default_factory=observers.of_this_process)

    def begin(self, check: object) -> None:
        """Another check begins: drop what was kept for the one before."""
        self.objects.clear()

    def ask(self, request: Question) -> Reply:
        """Answer one request with plain values; whatever the learner's code raises becomes a reply."""
        if request["do"] == "forget":
            self.objects.clear()
            return answered()
        watch = request.get("watch")
        if watch is None:
            return self._ask(request)
        reply: Reply
        reply, seen = self.observer.watch(lambda: self._ask(request, watch["graph"]), watch)
        reply["seen"] = seen
        return reply

    # -------------------------------------------------------------------------------------- requests

    def _ask(self, request: Call | Value | Probe, graph: bool = True) -> Reply:
        before = self._lend(request["lend"])
        graph_before = torch.is_grad_enabled()  # a cell may have turned it off for good
        torch.set_grad_enabled(graph)
        try:
            if request["do"] == "call":
                return self._call(request)
            if request["do"] == "value":
                return self._value(request)
            return self._probe(request)
        except WireError as error:
            return failed("unsendable", "unsendable", f"what {_shown(request)} returned cannot be judged: {error}")
        finally:
            torch.set_grad_enabled(graph_before)
            self._restore(before)

    def _call(self, request: Call) -> Reply:
        """Call a learner's name, or a kept object or a method of it, with copies of the arguments."""
        shown = _shown(request)
        try:
            function = self._find(request)
        except LookupError:
            return failed("missing", "missing", f"{shown} is not defined", clues=(
                f"The name {shown} does not exist. Has its cell been run, and is the name spelt as in the exercise?",))  # fmt: skip
        if function is None:
            return failed("missing", "missing", f"{shown} is still None", clues=("Replace None with your answer.",))
        args, kwargs = self._copies(request["args"]), self._copies(request["kwargs"])
        given = list(tensors((args, kwargs)))
        before = [(tensor.detach().clone(), tensor.requires_grad) for _, tensor in given]
        keys = [(path, value, set(value)) for path, value in _dicts((args, kwargs))]
        try:
            if request["pretend"]:
                value = _away(function, args, kwargs, given)
            else:
                with hygiene.full_precision(given[0][1].device if given else "cpu"):
                    value = function(*args, **kwargs)
            value = pack(value, self._keep, [tensor for _, tensor in given])
        except WireError:
            raise
        except hygiene.DeviceMixed as error:
            return failed("wrong", "device", f"on a GPU, {shown} would fail: {error}", self._line(error), (_DEVICE,))
        except Exception as error:  # whatever the learner's code raises is a result too
            return self._raised(shown, error)
        except SystemExit:
            return failed("error", "exit", f"{shown} called exit()", clues=("A function returns its value; it never needs to end Python.",))  # fmt: skip
        changed = []
        for (path, tensor), (old, asked) in zip(given, before, strict=True):
            if not _same(tensor.detach(), old):
                changed.append(f"{_where(function, path)} in place")
            elif tensor.requires_grad and not asked:
                changed.append(f"{_where(function, path)}, which requires a gradient now")
        for path, named, had in keys:
            changed += [f"{_where(function, path)}, which has a key {key!r} now" for key in named if key not in had]
        return answered(value, changed)

    def _value(self, request: Value) -> Reply:
        """The value of a learner's variable."""
        if request["name"] not in self.names:
            return failed("missing", "missing", f"{request['name']} is not defined", clues=("Has its cell been run?",))
        return answered(pack(self.names[request["name"]], self._keep))

    def _probe(self, request: Probe) -> Reply:
        """Run a probe with the learner's names at hand."""
        kwargs = self._copies(request["kwargs"])
        run = probes.find(request["name"])
        try:
            value = run(self.names, **kwargs)
            return answered(pack(value, self._keep))
        except WireError:
            raise
        except probes.Refused as refused:
            return failed("wrong", refused.sign, refused.summary, clues=refused.clues)
        except Exception as error:
            return self._raised(request["shown"] or request["name"], error)

    # -------------------------------------------------------------------------------------- inside

    def _find(self, request: Call) -> Any:
        target = request["target"]
        if isinstance(target, Ref):
            found = self.objects[target.id]
            method = request["method"]
            if method and not hasattr(found, method):
                raise LookupError(method)
            return getattr(found, method) if method else found
        return self.names[target]

    def _keep(self, value: Any) -> Ref:
        if isinstance(value, probes.Kept):
            value = value.value
        self.objects.append(value)
        kind = "optimizer" if isinstance(value, torch.optim.Optimizer) else getattr(type(value), "shown", "")
        return Ref(len(self.objects) - 1, str(kind or type(value).__name__), callable(value))

    def _copies(self, value: Any) -> Any:
        """Fresh arguments: the learner's code can spoil only these."""
        return mapped(value, self._copy)

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return plain(value).requires_grad_(flags(value).requires_grad or value.requires_grad)
        return self.objects[value.id] if isinstance(value, Ref) else value

    def _lend(self, wanted: dict[str, str]) -> dict[str, Any]:
        """Put stand-ins in place of the learner's functions; returns what was there (or _NOTHING)."""
        before = {name: self.names.get(name, _NOTHING) for name in wanted}
        for name, check in wanted.items():
            self.names[name] = self._standin(name, check, before[name])
        return before

    def _restore(self, before: dict[str, Any]) -> None:
        for name, value in before.items():
            if value is _NOTHING:
                self.names.pop(name, None)
            else:
                self.names[name] = value

    def _standin(self, name: str, check: str, own: Any) -> Callable[..., Any]:
        def standin(*args: Any, **kwargs: Any) -> Any:
            if kwargs:  # by the learner's own names for them
                args = inspect.signature(own).bind(*args, **kwargs).args if callable(own) else (*args, *kwargs.values())
            value = self._lent(check, args)
            return iter(value) if isinstance(value, Yielded) else value

        standin.__name__ = name
        return standin

    def _lent(self, check: str, args: tuple[Any, ...]) -> Any:
        """What the stand-in returns for these arguments, with a way back to those that require a gradient."""
        assert self.lend is not None
        lend, sent = self.lend, pack(args, self._keep)
        value = lend(check, sent)  # in a notebook with its graph; through a pipe with a flag that says so
        toward_them = [tensor for _, tensor in tensors(args) if tensor.requires_grad] if torch.is_grad_enabled() else []
        own = {id(tensor) for _, tensor in tensors(sent)}  # an argument that is returned as it is has no graph
        made = [one for _, one in tensors(value) if id(one) not in own and (one.grad_fn or flags(one).has_graph)]
        linked: list[Tensor] = []
        if toward_them and made:
            linked = list(_WayBack.apply(lambda toward: lend(check, sent, toward), made, *toward_them))

        def put(item: Any) -> Any:
            if not isinstance(item, Tensor):
                return item
            new = [step for tensor, step in zip(made, linked, strict=False) if tensor is item]
            return new[0] if new else plain(item)

        return mapped(value, put)

    def _raised(self, shown: str, error: Exception) -> Reply:
        where = self._line(error)
        if isinstance(error, NotImplementedError) and not str(error):  # torch's own carry a message
            stub = self._frames(error)[-1][0].co_name if self._frames(error) else shown
            others = self._calls(shown, stub)
            said = f"{shown} calls {stub}, which" if others else shown.partition("(")[0]
            return failed("missing", "calls-a-stub" if others else "missing", f"{said} is not written yet", "",
                           ("The stub is still there: replace `raise NotImplementedError()` with your answer.",))  # fmt: skip
        said = _brief(str(error)) or "no message"
        kind = type(error).__name__
        if type(error).__module__ == "__main__":  # the learner's own kind of a known error
            kind += f" (a {next(one.__name__ for one in type(error).__mro__ if one.__module__ == 'builtins')})"
        summary = f"{shown} raised {kind}: {said}"
        return failed("error", "raised", summary, where, advice.on(error))

    def _frames(self, error: Exception) -> list[tuple[types.CodeType, int]]:
        """The learner's own code that an error passed through, outermost first, with the lines."""
        walked = traceback.walk_tb(error.__traceback__)
        return [(frame.f_code, line) for frame, line in walked if frame.f_globals is self.names]

    def _calls(self, shown: str, stub: str) -> bool:
        """Whether `stub` is another of the learner's functions than the one that was called."""
        return stub != shown.partition("(")[0] and callable(self.names.get(stub))

    def _line(self, error: Exception) -> str:
        """Where in the learner's own code the error was raised, and which of their lines led there."""
        places = self._frames(error)
        if not places:
            return ""
        (outer, first), (inner, last) = places[0], places[-1]
        where = f"line {first} of the cell{_text(outer, first)}"
        if inner is not outer:
            where += f"; from there into {inner.co_name}, line {last} of its cell{_text(inner, last)}"
        return where


class _WayBack(torch.autograd.Function):
    """The step that a stand-in leaves in the graph: its gradients come from where its values came from."""

    @staticmethod
    def forward(ctx: Any, ask: Callable[[list[Tensor]], list[Any]], made: list[Tensor], *given: Tensor) -> Any:
        ctx.ask = ask
        return tuple(plain(tensor) for tensor in made)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *toward: Tensor) -> Any:
        return None, None, *ctx.ask([plain(one) for one in toward])


def _brief(message: str) -> str:
    """A message without a terminal's colours; a long one loses its middle, since the reason may stand at its end."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", message).strip()
    return said if len(said) <= MAX_TEXT else f"{said[: MAX_TEXT // 2]} […] {said[-MAX_TEXT // 2 :]}"


def _text(code: types.CodeType, line: int) -> str:
    text = linecache.getline(code.co_filename, line).strip()
    return f": {text}" if text else ""


_DEVICE = "Which line creates a tensor without saying where? `device=x.device`, `zeros_like(x)` and `x.new_zeros(...)` all do."


def _away(function: Callable[..., Any], args: Any, kwargs: Any, given: list[tuple[Any, Tensor]]) -> Any:
    """The function's value while its arguments pose as GPU tensors; raises DeviceMixed where that would fail."""
    for _, tensor in given:
        hygiene.tag(tensor, "away")
    with hygiene.Pretend():
        value = function(*args, **kwargs)
        value = list(value) if isinstance(value, Iterator) else value
    if hygiene.stranded(value):
        raise hygiene.DeviceMixed("the answer is created on the CPU, not on the inputs' device")
    return value


def _shown(request: Question) -> str:
    if request["do"] == "forget":
        return ""
    if request["do"] != "call":
        return request["name"]
    target, method = request["target"], request["method"]
    if isinstance(target, Ref):
        return f"{target.type}.{method}" if method else target.type
    return target


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def _dicts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[Any, Any]]]:
    """All dicts among the arguments, each with the keys that lead to it."""
    if isinstance(value, dict):
        yield path, value
    for key, item in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    ):
        yield from _dicts(item, (*path, key))


def _where(function: Any, path: tuple[Any, ...]) -> str:
    """The name of an argument: `params["bias"]` for path (0, 2, "bias") of f(x, h, params)."""
    try:
        owner = function.forward if isinstance(function, nn.Module) else function
        names = list(inspect.signature(owner).parameters)
    except (TypeError, ValueError):
        names = []
    kind, first, *rest = path
    name = names[first] if kind == 0 and first < len(names) else f"argument {first + 1}" if kind == 0 else str(first)
    return name + "".join(f"[{step!r}]" if isinstance(step, str) else f"[{step}]" for step in rest)
