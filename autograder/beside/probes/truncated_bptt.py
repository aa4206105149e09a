"""Observers for lesson 05: what a model is given, what an optimizer is told, what a result keeps and reaches."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes import Kept, named, probe
from autograder.beside.probes.models import NextToken
from autograder.beside.wire import mapped, tensors


class Model(NextToken):
    """A NextToken that records its forward calls, and the backward passes that reach them, in `events`."""

    def __init__(self, kind: str, weights: dict[str, Tensor]):
        super().__init__(kind, weights)
        self.events: list[dict[str, Any]] = []

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        parts = [part.requires_grad for part in _parts(state)]
        self.events.append(
            {"what": "forward", "x": x.detach().clone(), "state": parts, "recorded": torch.is_grad_enabled()}
        )
        return super().forward(x, state)

    def _note(self, call: int, grad: Tensor) -> None:
        self.events.append({"what": "backward", "call": call})
        super()._note(call, grad)


class Optimizer(torch.optim.SGD):
    """Gradient descent that records in the model's `events` what it is told to do."""

    def __init__(self, model: Model, lr: float, momentum: float):
        super().__init__(model.parameters(), lr=lr, momentum=momentum)
        self._events = model.events

    def zero_grad(self, set_to_none: bool = True) -> None:
        self._events.append({"what": "zero_grad"})
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        some = any(p.grad is not None and bool(p.grad.any()) for group in self.param_groups for p in group["params"])
        self._events.append({"what": "step", "gradient": some})
        return super().step(closure)


def _parts(state: Any) -> list[Tensor]:
    if isinstance(state, Tensor):
        return [state]
    return [part for one in state for part in _parts(one)] if isinstance(state, list | tuple) else []


@probe
def watched(
    names: dict[str, Any], kind: str, weights: dict[str, Tensor], lr: float, momentum: float = 0.0
) -> dict[str, Kept]:
    """A Model with these weights, and an Optimizer for it."""
    model = Model(kind, weights)
    return {"model": Kept(model), "optimizer": Kept(Optimizer(model, lr, momentum))}


@probe
def events(names: dict[str, Any], of: Model) -> list[dict[str, Any]]:
    """What has happened to a Model so far, in order."""
    return list(of.events)


@probe
def with_a_past(names: dict[str, Any], call: str, state: Any, own: Any) -> dict[str, Any]:
    """What `call(state)` returns where every tensor of the state has a graph behind it, and what gradient is left.

    That is the gradient of Σ own · source + Σ result by each `source` from which a tensor of the state was computed: `own` itself
    where nothing goes back through the result. `own` and `left` have the structure of the state. `whole`: it has all its parts
    and their graphs afterwards.
    """
    sources = mapped(state, lambda part: part.detach().clone().requires_grad_() if isinstance(part, Tensor) else part)
    given = mapped(sources, lambda part: part * 1 if isinstance(part, Tensor) else part)
    parts = [part for _, part in tensors(given)]
    value = named(names, call)(given)
    same = len(parts) == len(left := [part for _, part in tensors(given)]) and all(map(operator.is_, parts, left))
    whole = same and all(part.requires_grad for part in parts)
    total = torch.zeros(())
    with torch._C.DisableTorchFunction():  # a subclass may say anything of itself
        for (_, part), (_, one) in zip(tensors(sources), tensors(own), strict=True):
            total = total + (part * one).sum()
        for _, part in tensors(value):
            total = total + Tensor.sum(Tensor.as_subclass(part, Tensor))
    if total.requires_grad:
        total.backward()
    left_over = mapped(sources, lambda part: part.grad if isinstance(part, Tensor) else part)
    return {"value": value, "left": left_over, "whole": whole}


@probe
def losses_on(
    names: dict[str, Any], x: Tensor, weight: Tensor, cuts: Sequence[int], losses: Sequence[Any]
) -> dict[str, Any]:
    """Losses on the states of a small recurrence over x (B, T, D) that is cut after the steps `cuts`, and its inputs.

    Each of `losses` is (steps, rows, factors, signs): Σ over steps and rows (or a list of them for each step) of the step's factor ·
    signs · state; or
    "constant"; or "elsewhere", a loss whose graph leads to another leaf; or "zero", one whose gradient is 0 everywhere.
    """
    inputs = x.detach().clone().requires_grad_()
    h, states = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        h = torch.tanh(inputs[:, t] + h @ weight)
        states.append(h)
        h = h.detach() if t + 1 in cuts else h
    values = []
    for one in losses:
        if one == "constant":
            values.append(x.detach().sum())
        elif one == "zero":
            values.append((inputs * 0).sum())
        elif one == "elsewhere":
            values.append((x.detach().clone().requires_grad_() * 2).sum())
        else:
            steps, rows, factors, signs = one
            each = rows if rows and isinstance(rows[0], list) else [rows] * len(steps)
            seen = [(states[t - 1][some] * signs).sum() for t, some in zip(steps, each, strict=True)]
            parts = [factor * one for factor, one in zip(factors, seen, strict=True)]
            values.append(torch.stack(parts).sum())
    return {"losses": [Kept(value) for value in values], "inputs": Kept(inputs)}


@probe
def backward_of(
    names: dict[str, Any],
    call: str,
    model: Model,
    x: Tensor,
    y: Tensor,
    segments: int,
    moved: dict[str, Tensor] | None = None,
) -> dict[str, Any]:
    """`call(model, x, y, segments)` and its backward pass: the loss, the gradients, and the peak of bytes alive.

    With `moved` these weights take the model's place between the two passes: what is computed again comes out otherwise.
    """
    from bptt.meters import peak_bytes

    function, kept = named(names, call), {}

    def both() -> None:
        kept["loss"] = function(model, x, y, segments)
        for name, value in (moved or {}).items():
            model.get_parameter(name).data.copy_(value)
        if isinstance(kept["loss"], Tensor) and kept["loss"].dim() == 0 and kept["loss"].requires_grad:
            kept["loss"].backward()

    peak = peak_bytes(both)
    grads = {name: value.grad for name, value in model.named_parameters()}
    return {"loss": kept["loss"], "grads": grads, "peak": peak, "calls": len(model.events)}
