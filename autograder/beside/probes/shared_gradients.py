"""For lesson 02: functions to be differentiated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes import probe


def curve(kind: str, **given: Tensor) -> Callable[[Tensor], Tensor]:
    """A scalar function of a tensor of any shape, from a fixed menu; `given` are numbers that the check drew.

    "linear" (b), "quadratic" (A, b): ½θᵀAθ + bᵀθ; "sine" (b): Σ b sin θ; "cubic" (b): Σ b θ³. θ is flattened first.
    """
    shapes: dict[str, Callable[[Tensor], Tensor]] = {
        "linear": lambda flat: given["b"] @ flat,
        "quadratic": lambda flat: 0.5 * flat @ given["A"] @ flat + given["b"] @ flat,
        "sine": lambda flat: given["b"] @ torch.sin(flat),
        "cubic": lambda flat: given["b"] @ flat**3,
    }
    formula = shapes[kind]
    return lambda theta: formula(theta.reshape(-1))


class Counted:
    """A function that counts how often it was called."""

    shown = "f"

    def __init__(self, function: Callable[[Tensor], Tensor], shape: Sequence[int] | None = None):
        self.function, self.calls, self.shape = function, 0, None if shape is None else tuple(shape)

    def __call__(self, theta: Tensor) -> Tensor:
        if self.shape is not None and tuple(theta.shape) != self.shape:
            raise ValueError(
                f"f was called with a tensor of shape {tuple(theta.shape)}; it takes one of shape {self.shape}"
            )
        self.calls += 1
        return self.function(theta)


@probe
def function(names: dict[str, Any], kind: str, shape: Sequence[int] | None = None, **given: Tensor) -> Counted:
    """A `curve` of a tensor of this shape (any, if None), to pass to a learner's function that takes a function."""
    return Counted(curve(kind, **given), shape)


@probe
def calls(names: dict[str, Any], of: Counted) -> int:
    """How often a function from the menu was called."""
    return of.calls
