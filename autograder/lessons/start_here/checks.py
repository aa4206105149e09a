"""Checks of lesson 00."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checking.compare import first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect
from autograder.checking.predictions import prediction
from autograder.checking.spec import check
from autograder.checking.student import Student
from autograder.lessons.start_here import mistakes


@prediction("start-here-predict-digits", "guess_k", between=(1, 40), whole=True)
def predict_digits() -> None:
    """`guess_k` is a whole number: where 1 + 10^(-k) is first 1 in float32."""


@prediction("start-here-predict-slope", "guess_slope", between=(0, 1))
def predict_slope() -> None:
    """`guess_slope` is a number: the factor on a gradient that passes a tanh whose output is 0.99."""


def slope_by_autograd(a: Tensor) -> tuple[Tensor, Tensor]:
    """tanh(a), and autograd's derivative of it at each entry."""
    a = a.clone().requires_grad_()
    h = torch.tanh(a)
    return h.detach(), torch.autograd.grad(h.sum(), a)[0]


def _standin(h: Tensor) -> Tensor:
    return (1 - h) * (1 + h)


@check("start-here-tanh-grad", of="tanh_grad", standin=_standin)
def tanh_grad(student: Student, draw: Draw) -> None:
    """`tanh_grad(h)` is the derivative of tanh, written in its output h, at every entry."""
    for (shape,) in draw.cases("shape", ((5,),), ((2, 3),), ((2, 1, 4),), ((),)):
        h, slope = slope_by_autograd(draw.normal(*shape, scale=3.0 if len(shape) == 3 else 1.0))
        got = student.tanh_grad(h)
        expect(got, slope, "the slope", slips=mistakes.tanh_grad.on(h))
    h, slope = slope_by_autograd(draw.uniform(5, low=4.0, high=6.0))
    expect(student.tanh_grad(h), slope, "the slope where tanh is flat", slips=mistakes.tanh_grad.on(h), clue=FLAT)
    h, slope = slope_by_autograd(draw.to(torch.float32).normal(4))
    expect(student.tanh_grad(h), slope, "the slope", slips=mistakes.tanh_grad.on(h))


FLAT = (
    "Elsewhere it is right. Here tanh is nearly flat, and its slope is small and not 0. What does your function do to small numbers: "
    "does it cut them off, or round them?"
)


@check("start-here-bug", of="loss_and_slope", needs=("start-here-tanh-grad",))
def loss_and_slope(student: Student, draw: Draw) -> None:
    """`loss_and_slope` returns the loss of h = tanh(w x) and its derivative by w."""
    for (B,) in draw.cases("B", (5,), (1,), (3,)):
        w, x, y = draw.uniform(low=0.8, high=1.6), draw.normal(B), draw.uniform(B, low=-0.9, high=0.9)
        leaf = w.clone().requires_grad_()
        loss = torch.nn.functional.mse_loss(torch.tanh(leaf * x), y)
        want = (loss.detach(), torch.autograd.grad(loss, leaf)[0])
        got = student.loss_and_slope(w, x, y)
        slips = mistakes.loss_and_slope.on(w, x, y)
        difference = first_difference(got, want, ("the loss", "dL/dw"))
        if difference and first_difference(got, slips.value(("slope-of-a",))) is None:
            deny("as-found", difference.summary, *AS_FOUND)
        if difference and isinstance(difference.got, int | float) and isinstance(difference.want, Tensor):
            deny("number-for-tensor", difference.summary, NO_NUMBER)
        expect(got, want, ("the loss", "dL/dw"), slips=slips, factors={"B": B})


AS_FOUND = (
    "This is the program as it was found, or one that gives the same numbers. The loss is right, and dL/dw is not: the forward half "
    "is fine.",
    "Take one example with numbers that you can follow on paper, print each number of the backward half, and find the first "
    "that is not what you worked out.",
)
NO_NUMBER = (
    "Two tensors of shape () are asked for, and a plain number came back. Which call took it out of its tensor: `.item()`, "
    "`float(...)`?"
)
