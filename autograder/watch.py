"""Probes that watch gradients go back: what a model was given, an optimizer was told, what a result keeps and reaches.

What is watched may name a mistake or take points away; only parameters, gradients and drawn places earn any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.probes import Kept, NextToken, Refused, probe


class Model(NextToken):
    """A NextToken that notes its forward calls, and the backward passes that reach them, in `events`."""

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
    """Plain gradient descent that notes in the model's `events` what it is told to do."""

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
    """A Model with these weights, and plain gradient descent on it that is watched too."""
    model = Model(kind, weights)
    return {"model": Kept(model), "optimizer": Kept(Optimizer(model, lr))}


@probe
def events(names: dict[str, Any], of: Model) -> list[dict[str, Any]]:
    """What has happened to a Model so far, in order."""
    return list(of.events)


@probe
def with_a_past(names: dict[str, Any], call: str, state: Any) -> Any:
    """`call(state)`, where every tensor of the state was computed from others and has a graph behind it."""
    return _named(names, call)(_computed(state))


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
    return _named(names, call)(values, inputs)


@probe
def backward_of(names: dict[str, Any], call: str, model: Model, x: Tensor, y: Tensor, segments: int) -> dict[str, Any]:
    """`call(model, x, y, segments)` and its backward pass: the loss, the gradients, and the most bytes alive meanwhile."""
    from bptt.meters import peak_bytes

    function, kept = _named(names, call), {}

    def both() -> None:
        kept["loss"] = function(model, x, y, segments)
        if isinstance(kept["loss"], Tensor) and kept["loss"].dim() == 0 and kept["loss"].requires_grad:
            kept["loss"].backward()

    peak = peak_bytes(both)
    grads = {name: value.grad for name, value in model.named_parameters()}
    return {"loss": kept["loss"], "grads": grads, "peak": peak, "calls": len(model.events)}


@probe
def sent_back(
    names: dict[str, Any], call: str, given: Sequence[Any], toward: Sequence[Tensor], parts: Sequence[str]
) -> list[Tensor]:
    """The gradients of Σ toward · `call(*given)` by those tensors in `given` that require one, in their order.

    `toward` has a tensor for each tensor that comes back, `parts` its name; a tensor that is not reached gets zeros.
    Refused where a part has no graph behind it.
    """
    asking: list[Tensor] = []
    made = _named(names, call)(*_computed_from(asking, given))
    made = [made] if isinstance(made, Tensor) else list(made)
    for part, name in zip(made, parts, strict=True):
        if not part.requires_grad:
            raise Refused(
                "graph-lost",
                f"the values are right, but {name} has no graph behind it: no gradient can go back from it",
                "Which line takes the numbers out of the graph: `.detach()`, `.data`, `.item()`, `torch.tensor(...)`, `no_grad`?",
            )
    total = sum((part * weight).sum() for part, weight in zip(made, toward, strict=True))
    return list(torch.autograd.grad(total, asking, allow_unused=True, materialize_grads=True))


def _computed_from(leaves: list[Tensor], given: Any) -> Any:
    """`given` with every tensor that requires a gradient replaced by a copy that was computed from it; those go into `leaves`.

    A copy may be written into and put right again, as in a call without gradients; a leaf may not.
    """
    if isinstance(given, Tensor) and given.requires_grad:
        leaves.append(given)
        return given.clone()
    if isinstance(given, dict):
        return {key: _computed_from(leaves, item) for key, item in given.items()}
    return type(given)(_computed_from(leaves, item) for item in given) if isinstance(given, list | tuple) else given


def _named(names: dict[str, Any], call: str) -> Any:
    if call not in names:
        raise Refused(
            "missing", f"{call} is not defined", "Has its cell been run, and is the name spelt as in the exercise?"
        )
    return names[call]
