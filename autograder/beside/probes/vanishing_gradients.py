"""Recurrent layers of lesson 07: with gradients that an earlier step has left, and set up by a learner's function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from autograder.beside.probes import named, probe
from autograder.beside.probes.models import named_parameters, recurrent


@probe
def layer(names: dict[str, Any], kind: str, weights: dict[str, Tensor], stale: Mapping[str, Tensor]) -> nn.Module:
    """A recurrent layer of `kind` "rnn", "lstm" or "gru", batch first; `stale` are the gradients of its parameters."""
    made = recurrent(kind, weights)
    for name, parameter in named_parameters(made):
        parameter.grad = stale[name].detach().clone()
    return made


@probe
def frozen(names: dict[str, Any], of: nn.Module) -> list[str]:
    """The parameters that do not require a gradient."""
    return [name for name, parameter in named_parameters(of) if not parameter.requires_grad]


@probe
def set_up(names: dict[str, Any], of: str, kind: str, weights: dict[str, Tensor], value: float) -> dict[str, Any]:
    """What `of(layer, value)` has made of a layer's "weights"; "parameters": name, whether it is the same object, and is trained."""
    made = recurrent(kind, weights)
    before = dict(named_parameters(made))
    named(names, of)(made, value)
    seen = [
        (name, parameter is before.get(name), parameter.requires_grad) for name, parameter in named_parameters(made)
    ]
    return {"parameters": seen, "weights": {name: p.detach().clone() for name, p in named_parameters(made)}}
