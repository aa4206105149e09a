"""The cases of lesson 02 by which differences are told from derivatives: (got, want) in float64, on inputs of order 1."""

from __future__ import annotations

from typing import Any

from autograder.checking.draw import Draw
from autograder.checking.student import Student
from autograder.lessons.shared_gradients.oracles import (
    every_by_autograd,
    immediate_by_func,
    last_by_autograd,
    leaky_by_autograd,
    states_after_first,
    step_by_autograd,
    total_by_func,
)

Case = tuple[Any, Any]


def step(student: Student, draw: Draw) -> Case:
    """One step back, B = 3, D = 2, H = 4."""
    params, x_t, h_prev = draw.params(2, 4, scale=0.3), draw.normal(3, 2, scale=0.5), draw.normal(3, 4, scale=0.5)
    inputs = draw.normal(3, 4), x_t, h_prev, states_after_first(x_t[:, None], h_prev, params)[0], params
    return student.rnn_step_backward(*inputs), step_by_autograd(*inputs)


def last(student: Student, draw: Draw) -> Case:
    """Five steps with a loss at the end."""
    x, h0, params = draw.normal(3, 5, 2, scale=0.5), draw.normal(3, 4, scale=0.5), draw.params(2, 4, scale=0.3)
    dh_T = draw.normal(3, 4)
    return student.bptt_last(x, h0, params, dh_T), last_by_autograd(x, h0, params, dh_T)


def every(student: Student, draw: Draw) -> Case:
    """Five steps with a loss at each; the gradients alone."""
    x, h0, params = draw.normal(3, 5, 2, scale=0.5), draw.normal(3, 4, scale=0.5), draw.params(2, 4, 7, scale=0.3)
    targets = draw.integers(0, 7, 3, 5)
    return student.bptt_every_step(x, h0, params, targets)[1], every_by_autograd(x, h0, params, targets)[1]


def immediate(student: Student, draw: Draw) -> Case:
    """One step's Jacobian by weight_hh, H = 4."""
    h_t, h_prev = draw.uniform(4, low=-0.9, high=0.9), draw.uniform(4, low=-0.9, high=0.9)
    return student.immediate_jacobian(h_t, h_prev), immediate_by_func(h_t, h_prev, draw.normal(4, 4, scale=0.3))


def total(student: Student, draw: Draw) -> Case:
    """Five steps' Jacobians by weight_hh."""
    x, h0, params = draw.normal(5, 2, scale=0.5), draw.normal(4, scale=0.5), draw.params(2, 4, scale=0.3)
    return student.total_jacobian(x, h0, params), total_by_func(x, h0, params)


def leaky(student: Student, draw: Draw) -> Case:
    """Five steps of leaky units; the gradients alone."""
    params = {name: draw.normal(4, scale=0.3) for name in ("v", "b", "w", "u")}
    x, y, alpha = draw.normal(3, 5, scale=0.5), draw.normal(3, 5), draw.uniform(low=0.2, high=0.6).item()
    return student.leaky_gradients(x, y, params, alpha)[1], leaky_by_autograd(x, y, params, alpha)[1]
