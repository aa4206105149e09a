"""The cases of lesson 07 by which differences are told from derivatives: (got, want) in float64, on inputs of order 1."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autograder.checking.draw import Draw
from autograder.checking.student import Student
from autograder.lessons.vanishing_gradients.oracles import (
    Params,
    State,
    torch_lstm_gradients,
    torch_lstm_step_backward,
)

Case = tuple[Any, Any]


def backward(student: Student, draw: Draw) -> Case:
    """One step back, B = 3, D = 2, H = 4."""
    inputs = draw.normal(3, 4), draw.normal(3, 4), draw.normal(3, 2, scale=0.5), _state(draw), _params(draw)
    return student.lstm_step_backward(*inputs), torch_lstm_step_backward(*inputs)


def gradients(student: Student, draw: Draw) -> Case:
    """Five steps with a loss at the end."""
    inputs: tuple[Tensor, State, Params, Tensor] = (
        draw.normal(3, 5, 2, scale=0.5), _state(draw), _params(draw), draw.normal(3, 4)
    )  # fmt: skip
    return student.lstm_gradients(*inputs), torch_lstm_gradients(*inputs)


def _params(draw: Draw) -> Params:
    return {name.removesuffix("_l0"): value for name, value in draw.layer("lstm", 2, 4, 0.3).items()}


def _state(draw: Draw) -> State:
    return draw.uniform(3, 4, low=-0.9, high=0.9), draw.normal(3, 4, scale=0.5)
