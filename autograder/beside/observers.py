"""What runs during a call of the learner's code: backward passes, graphs, operators that are turned away, processes.

All that is used here is bound before a cell of the learner's runs, and kept in closures: cells that replace functions of torch or of
this module change nothing. After each call a canary, a backward pass and an operator of our own, has to be seen.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from autograder.beside.protocol import Seen, Watch

_OUTSIDE = frozenset("subprocess.Popen os.system os.fork os.forkpty os.posix_spawn os.exec os.spawn".split())
# Operators with kernels of their own are caught where a device is chosen, which inference mode does not skip; the others, where
# they fall into parts.
_KERNELS = ("view_as_real", "mkldnn_rnn_layer", "mkldnn_rnn_layer_backward", "_native_multi_head_attention", "_transformer_encoder_layer_fwd",
            *(f"_scaled_dot_product_{how}" for how in ("flash_attention", "flash_attention_for_cpu", "efficient_attention", "cudnn_attention")))  # fmt: skip
_CAUGHT_AT = {"_make_dual": "Autograd", **dict.fromkeys(_KERNELS, "BackendSelect")}
_TORCH, _PROBES = str(Path(torch.__file__).parent), str(Path(__file__).parent / "probes")


class Observer(NamedTuple):
    """`watch(call, what)` is the value of `call()` and what ran meanwhile, but for what `aside(function)` ran."""

    watch: Callable[[Callable[[], Any], Watch], tuple[Any, Seen]]
    aside: Callable[[Callable[..., Any]], Callable[..., Any]]


class _Now:
    """A call that is being watched, and what was seen of it so far."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.lent_runs, self.lent_nodes = names, 0, 0
        self.away: list[str] = []
        self.outside: list[str] = []


@functools.cache
def of_this_process() -> Observer:
    """The one observer of a notebook."""
    return observer()


def observer() -> Observer:
    """A new observer, for as long as the process lives: its audit hook stays."""
    tick, nodes = _ticking(), torch.autograd._get_sequence_nr
    now: list[_Now] = []  # the call that is being watched, if any
    hold, lifted, caught = _turning_away(now)
    outside, begun = _OUTSIDE, _Now

    def audit(event: str, args: Any) -> None:
        if now and event in outside:
            now[0].outside.append(event)

    sys.addaudithook(audit)

    def watch(call: Callable[[], Any], what: Watch) -> tuple[Any, Seen]:
        seen, before = begun(what["turn_away"]), now[:]
        now[:] = [seen]
        hold()
        first, node = tick(), nodes()
        try:
            value = call()
            made, last = nodes() - node, tick()
            away = sorted(set(seen.away))
            canary = caught() and 0 <= first < last < tick()
        finally:
            now[:] = before
            hold()
        runs = last - first - 1 - seen.lent_runs
        return value, {"canary": canary, "runs": runs, "nodes": made - seen.lent_nodes,
                       "away": away, "outside": sorted(set(seen.outside))}  # fmt: skip

    def aside(function: Callable[..., Any]) -> Callable[..., Any]:
        def unwatched(*args: Any, **kwargs: Any) -> Any:
            if not now:
                return function(*args, **kwargs)
            first, node = tick(), nodes()
            try:
                return lifted(function, *args, **kwargs)
            finally:
                now[0].lent_nodes += nodes() - node
                now[0].lent_runs += tick() - first + 1  # the two ticks themselves are runs, too

        return unwatched

    return Observer(watch, aside)


def _ticking() -> Callable[[], int]:
    """A function that returns the number of the process's next backward pass, and uses it up; -1 if it cannot."""
    one, zeros, hook, number = torch.ones(()), torch.zeros, torch.Tensor.register_hook, torch._C._current_graph_task_id
    engine = torch.autograd.Variable._execution_engine
    backward, recorded = type(engine).run_backward, torch.enable_grad
    plainly, normal = torch._C.DisableTorchFunction, torch.inference_mode

    def tick() -> int:
        seen: list[int] = []
        try:
            with plainly(), normal(False), recorded():
                leaf = zeros((), requires_grad=True, device="cpu", dtype=one.dtype)
                hook(leaf, lambda grad: seen.append(number()))
                backward(engine, (leaf,), (one,), False, False, (), True, True)
            return seen[0]
        except Exception:
            return -1

    return tick


def _turning_away(now: list[_Now]) -> tuple[Callable[[], None], Callable[..., Any], Callable[[], bool]]:
    """(hold, lifted, caught) for the operators of the call in `now`.

    `hold()` has them turned away, or lets them pass where no call is watched; `lifted(function, ...)` runs a function while they pass;
    `caught()` says whether one that we call ourselves is turned away. The process's own dispatcher does it: in all threads, in
    TorchScript, whatever modes are on. Those that a model of ours calls pass.
    """
    library, frame, aten, caught_at = torch._C._dispatch_library, sys._getframe, torch.ops.aten, _CAUGHT_AT
    of_torch, of_ours, one = _TORCH, _PROBES, torch.ones(())
    partial, suppress = functools.partial, contextlib.suppress
    canaries = {"_make_dual": (aten._make_dual.default, (one, one, 0)),
                "lstm_cell": (aten.lstm_cell.default, (one, [one, one], one, one))}  # fmt: skip
    held: list[Any] = []  # the libraries of the kernels that are in force

    def hold() -> None:
        held.clear()
        if now and now[0].names:
            held.append(library("IMPL", "aten", ""))
            for name in now[0].names:
                held[0].impl(name, caught_at.get(name, "CompositeImplicitAutograd"), partial(kernel, name))

    def lifted(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        held.clear()
        try:
            return function(*args, **kwargs)
        finally:
            hold()

    def kernel(name: str, *args: Any, **kwargs: Any) -> Any:
        caller = frame(1)
        while caller.f_back is not None and caller.f_code.co_filename.startswith(of_torch):
            caller = caller.f_back
        if caller.f_code.co_filename.startswith(of_ours):
            packet, _, overload = name.partition(".")
            return lifted(getattr(getattr(aten, packet), overload or "default"), *args, **kwargs)
        now[0].away.append(name)
        raise RuntimeError(f"{name} is ruled out in this exercise")

    def caught() -> bool:
        asked = [canaries[name] for name in now[0].names if name in canaries]
        before = len(now[0].away)
        for operator, args in asked:
            with suppress(Exception):
                operator(*args)
        return len(now[0].away) == before + len(asked)

    with warnings.catch_warnings():  # once for each process it warns that an operator is overridden
        warnings.simplefilter("ignore")
        now.append(_Now(tuple(canaries)))
        hold()
        now.clear()
        hold()
    return hold, lifted, caught
