"""What lesson 06 builds beside the learner's code: parameters with gradients, and a model with traps in its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.probes import Kept, probe
from autograder.beside.probes.models import NextToken

TRAPPED = ("readout.bias", "embedding.weight", "rnn.weight_hh_l0")  # where the first, second, … trap strikes
_OWN = "clip_grad_norm"


class _Trap(torch.autograd.Function):
    """Adds 0 to the value, and `strikes` to one entry of the parameter's gradient."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, strikes: float) -> Tensor:
        ctx.shape, ctx.strikes = parameter.shape, strikes
        return parameter.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *toward: Tensor) -> tuple[Tensor, None]:
        grad = toward[0].new_zeros(ctx.shape)
        grad.view(-1)[-1] = ctx.strikes
        return grad, None


class Trapped(NextToken):
    """A NextToken whose gradient is not finite for a batch that holds one of its last tokens; its loss is finite.

    `traps` (n,): the last n tokens put these values into a gradient, each into that of another parameter (TRAPPED).
    """

    def __init__(self, weights: Mapping[str, Tensor], traps: Tensor):
        super().__init__("rnn", weights)
        self._traps = traps.tolist()

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits, state = super().forward(x, state)
        own, first = dict(self.named_parameters()), self.embedding.weight.shape[0] - len(self._traps)
        for number, strikes in enumerate(self._traps):
            if bool((x == first + number).any()):
                logits = logits + _Trap.apply(own[TRAPPED[number]], strikes)
        return logits, state


@probe
def trapped(names: dict[str, Any], weights: dict[str, Tensor], stale: Mapping[str, Tensor], traps: Tensor) -> Trapped:
    """A Trapped model; `stale` are gradients that something else has left on its parameters."""
    made = Trapped(weights, traps)
    for name, parameter in made.named_parameters():
        parameter.grad = stale[name].clone() if name in stale else None
    return made


@probe
def leaves(
    names: dict[str, Any], values: Sequence[Tensor], grads: Sequence[Tensor | None], form: str
) -> dict[str, Kept]:
    """Parameters with these gradients: `all` as a list, and `given` in a form: "list", "generator", or "twice", the first one again."""
    made = [nn.Parameter(value.clone()) for value in values]
    for parameter, grad in zip(made, grads, strict=True):
        parameter.grad = None if grad is None else grad.clone()
    forms = {"list": made, "generator": (one for one in made), "twice": [*made, *made[:1]]}
    return {"all": Kept(made), "given": Kept(forms[form])}


@probe
def lend_clipping(names: dict[str, Any]) -> Kept:
    """Put PyTorch's clipping in place of the learner's own, which comes back: None where there is none."""
    own = names.get(_OWN)
    if own is not None:
        names[_OWN] = nn.utils.clip_grad_norm_
    return Kept([own])


@probe
def give_back_clipping(names: dict[str, Any], own: list[Any]) -> None:
    """Undo `lend_clipping`."""
    if own[0] is not None:
        names[_OWN] = own[0]
