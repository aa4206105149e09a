"""Observers for lesson 05: what a model is given, what an optimizer is told, what a result keeps and reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes import Kept, named, probe
from autograder.beside.probes.models import NextToken


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
    """Plain gradient descent that records in the model's `events` what it is told to do."""

    def __init__(self, model: Model, lr: float):
        super().__init__(model.parameters(), lr=lr)
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
def watched(names: dict[str, Any], kind: str, weights: dict[str, Tensor], lr: float) -> dict[str, Kept]:
    """A Model with these weights, and an Optimizer for it."""
    model = Model(kind, weights)
    return {"model": Kept(model), "optimizer": Kept(Optimizer(model, lr))}


@probe
def events(names: dict[str, Any], of: Model) -> list[dict[str, Any]]:
    """What has happened to a Model so far, in order."""
    return list(of.events)


@probe
def with_a_past(names: dict[str, Any], call: str, state: Any) -> Any:
    """`call(state)`, where every tensor of the state was computed from others and has a graph behind it."""
    return named(names, call)(_computed(state))


def _computed(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().clone().requires_grad_() * 1
    return type(state)(_computed(part) for part in state) if isinstance(state, list | tuple) else state


@probe
def reached(
    names: dict[str, Any], call: str, x: Tensor, weight: Tensor, cuts: Sequence[int], losses: Sequence[Any]
) -> Any:
    """`call(losses, x)` for losses on the states of a small recurrence over x (B, T, D) that is cut after the steps `cuts`.

    Each of `losses` is (steps, rows, factors, signs): Σ over steps and rows of the step's factor · signs · state; or
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
            parts = [factor * (states[t - 1][rows] * signs).sum() for t, factor in zip(steps, factors, strict=True)]
            values.append(torch.stack(parts).sum())
    return named(names, call)(values, inputs)


@probe
def backward_of(names: dict[str, Any], call: str, model: Model, x: Tensor, y: Tensor, segments: int) -> dict[str, Any]:
    """`call(model, x, y, segments)` and its backward pass: the loss, the gradients, and the peak of bytes alive."""
    from bptt.meters import peak_bytes

    function, kept = named(names, call), {}

    def both() -> None:
        kept["loss"] = function(model, x, y, segments)
        if isinstance(kept["loss"], Tensor) and kept["loss"].dim() == 0 and kept["loss"].requires_grad:
            kept["loss"].backward()

    peak = peak_bytes(both)
    grads = {name: value.grad for name, value in model.named_parameters()}
    return {"loss": kept["loss"], "grads": grads, "peak": peak, "calls": len(model.events)}
