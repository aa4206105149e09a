"""Named mistakes of lesson 00."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference


@reference(
    Slip(
        "sigmoid-slope",
        "the slope of the sigmoid, σ (1 − σ), is used",
        "tanh is another function, with another range: what does its own identity cosh² − sinh² = 1 give?",
    ),
    Slip(
        "tanh-again",
        "tanh is applied to h once more, as if h were the pre-activation a",
        "h is already the output of the tanh: which formula needs no a?",
    ),
    Slip("not-squared", "h is not squared", "What becomes of sinh²(a) when you divide it by cosh²(a)?"),
    Slip("plus", "the square is added and not subtracted", "Is the slope at h = 0.9 larger or smaller than at h = 0?"),
    Slip("square-only", "only the square comes back", "At h = 0 the slope is 1: what does your formula give there?"),
    Slip("root", "the square root is taken", "sqrt(1 − h²) is 1/cosh(a): how often does the slope contain 1/cosh(a)?"),
    Slip(
        "square-outside",
        "the difference is squared, and not h",
        "At h = −1 the slope is 0: what does yours give there?",
    ),
    Slip(
        "derivative-of-square",
        "−2h comes back, the derivative of the formula",
        "The formula is already the slope. Was it differentiated once more?",
    ),
)
def tanh_grad(slips: Set[str], h: Tensor) -> Tensor:
    """The slope of tanh in terms of its output."""
    h = torch.tanh(h) if "tanh-again" in slips else h
    if "sigmoid-slope" in slips:
        return h * (1 - h)
    if "derivative-of-square" in slips:
        return -2 * h
    square = h if "not-squared" in slips else h * h
    if "square-only" in slips:
        return square
    if "square-outside" in slips:
        return (1 - h) * (1 - h)
    slope = 1 + square if "plus" in slips else 1 - square
    return slope.clamp(min=0).sqrt() if "root" in slips else slope


@reference(
    Slip(
        "slope-of-a",
        "`tanh_grad` is given the pre-activation a",
        "Which of a and h does `tanh_grad` ask for?",
    ),
    Slip("no-local-factor", "the slope of the tanh is left out", "What lies between a and h, and what is its slope?"),
    Slip("slope-twice", "the slope of the tanh is used twice", "How many tanh does a gradient pass on its way to w?"),
    Slip(
        "slope-not-squared",
        "the slope of the tanh is taken to be 1 − h",
        "Which function of h did you write in the exercise before?",
    ),
    Slip(
        "slope-of-tanh-h",
        "h is put through a tanh once more before its slope is taken",
        "h is already the output of the tanh. What does `tanh_grad` ask for?",
    ),
    Slip("slope-of-y", "the slope is taken at the target y", "At which point is the slope of the tanh needed?"),
    Slip(
        "sum-over-batch",
        "nothing is divided by the size of the batch",
        "The loss is a mean. What is the derivative of a mean by one of its terms?",
    ),
    Slip(
        "mean-twice",
        "it is divided by the size of the batch twice",
        "One line already divides by the batch's length. Which?",
    ),
    Slip("no-two", "the 2 from the square is missing", "What is the derivative of (h − y)² by h?"),
    Slip("no-input", "the last step does not multiply by x", "a = w x: what is the derivative of a by w?"),
    Slip("by-x", "the last step multiplies by w in place of x", "Is this the derivative by w, or the one by x?"),
)
def loss_and_slope(slips: Set[str], w: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of tanh(w x) and its derivative by w."""
    a = w * x
    h = torch.tanh(a)
    at = (
        a
        if "slope-of-a" in slips
        else y
        if "slope-of-y" in slips
        else torch.tanh(h)
        if "slope-of-tanh-h" in slips
        else h
    )
    slope = 1 - at if "slope-not-squared" in slips else 1 - at * at
    slope = torch.ones_like(a) if "no-local-factor" in slips else slope
    slope = slope * slope if "slope-twice" in slips else slope
    dh = (1 if "no-two" in slips else 2) * (h - y)
    da = dh * slope
    end = torch.ones_like(x) if "no-input" in slips else w.expand_as(x) if "by-x" in slips else x
    power = 0 if "sum-over-batch" in slips else 2 if "mean-twice" in slips else 1
    return ((h - y) ** 2).mean(), (da * end).sum() / len(x) ** power
