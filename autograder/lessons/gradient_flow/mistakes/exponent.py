"""Named mistakes of lesson 03, gradient flow: the Lyapunov exponent."""

from __future__ import annotations

import math
from collections.abc import Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.lessons.gradient_flow.mistakes.jacobians import (
    NO_SLOPE,
    SIGMOID_SLOPE,
    SLOPE_COLUMNS,
    SLOPE_NOT_SQUARED,
    SLOPE_TWICE_TANH,
    WEIGHTS_TRANSPOSED,
    factor,
    run,
)


@reference(
    Slip("log2", "logarithms to base 2 are averaged", "The exponent is meant to base e. What does ln 2 equal?"),
    Slip("log10", "logarithms to base 10 are averaged", "The exponent is meant to base e. What does ln 10 equal?"),
    Slip("summed", "the logarithms are added and not averaged", "Growth *per step*: how many steps were counted?"),
    Slip(
        "divided-by-T",
        "the sum is divided by T, although the first `warmup` steps are not in it",
        "How many logarithms did you add?",
    ),
    Slip("warmup-kept", "the steps of the warm-up are averaged too", "From which step on do the logarithms count?"),
    Slip(
        "warmup-one-more",
        "one step too many is left out at the beginning",
        "With warmup = 1, which step is the first that counts?",
    ),
    Slip(
        "warmup-one-less",
        "one step too few is left out at the beginning",
        "With warmup = 1, does step 1 count?",
    ),
    Slip(
        "warmup-alone",
        "the logarithms of the warm-up are averaged, and those of all later steps left out",
        "Which logarithms are to be left out: those of the warm-up, or those behind it?",
    ),
    Slip(
        "last-left-out",
        "the last `warmup` steps are left out and not the first",
        "At which end of the sequence is the warm-up?",
    ),
    Slip(
        "h0-counted",
        "h_0 is taken for the state of a step, so that there is one factor too many at the beginning",
        "h_0 comes out of no step. With which state is the factor of step 1 written?",
    ),
    Slip(
        "scaled-after-warmup",
        "the vector is scaled back only after the warm-up, so that the first logarithm that counts holds the growth of the warm-up too",
        "What length has the vector at the first step that counts? What happens to it at the steps before?",
    ),
    Slip(
        "restarted",
        "the tangent vector begins as ones/√H only after the warm-up",
        "What is the warm-up for, if not to let the vector turn into the direction that grows most?",
    ),
    Slip(
        "warmup-cut",
        "the first `warmup` inputs are dropped, so that the network itself starts later",
        "The warm-up belongs to the state too. From which step on does the network run?",
    ),
    Slip(
        "not-normalised",
        "the vector is never normalised, so that each logarithm is the growth since the beginning",
        "What is ln‖v_t‖ if v_{t-1} did not have length 1?",
    ),
    Slip(
        "start-not-normalised",
        "the vector starts as ones, whose length is √H",
        "What is the length of the vector before the first step?",
    ),
    Slip("first-unit", "the vector starts as (1, 0, …, 0)", "Which vector does the exercise start with?"),
    Slip(
        "mean-before-log",
        "the growth factors are averaged and the logarithm is taken of their mean",
        "Growth multiplies. Which mean belongs to products?",
    ),
    Slip("no-log", "the growth factors themselves are averaged", "Where is the logarithm?"),
    Slip(
        "after-normalising",
        "the norm is taken after the vector has been normalised, so that it is always 1",
        "What is ln 1? When do you have to measure the length?",
    ),
    Slip("one-norm", "the length is taken as the sum of absolute values", "What is ‖(3, 4)‖₂?"),
    Slip(
        "exponential",
        "the exponential of the mean logarithm is returned",
        "That is the growth per step. Is it asked for, or its logarithm?",
    ),
    Slip(
        "log-of-radii",
        "the logarithms of the spectral radii of the single Jacobians are averaged",
        "By how much does J_t stretch the vector that you carry? Is that the modulus of an eigenvalue?",
    ),
    Slip(
        "log-of-product",
        "the norm of the whole matrix ∂h_T/∂h_warmup is taken (its largest singular value), not of one vector",
        "Which vector is carried along, and from where?",
    ),
    Slip(
        "log-of-whole-product",
        "the norm of the whole matrix ∂h_T/∂h_0 is taken, the warm-up with it",
        "Which vector is carried along, and from which step on is its growth counted?",
    ),
    Slip(
        "log-of-radius",
        "the logarithm of the spectral radius of weight_hh is taken",
        "Where do the slopes, and with them the states, come in?",
    ),
    Slip(
        "largest-entry",
        "the largest absolute entry is taken for the length",
        "Which norm does the exercise ask for: the Euclidean, or another?",
    ),
    Slip(
        "start-divided-by-H",
        "the vector starts as ones/H, whose length is 1/√H",
        "What is the length of the vector before the first step?",
    ),
    Slip(
        "log-of-step-norms",
        "the norms of the single step Jacobians are averaged: an upper bound, as if every step met its worst vector",
        "Is the vector that step t stretches most the one that step t - 1 hands on?",
    ),
    Slip(
        "transposed",
        "the vector is multiplied from the other side: by the transpose of each Jacobian",
        "A change of h_{t-1} is a column, and J_t acts on it from the left. Which index does your product sum over?",
    ),
    Slip(
        "steps-reversed",
        "the steps are taken from the last to the first",
        "A change of h_0 meets step 1 first. In which direction does your loop run?",
    ),
    NO_SLOPE,
    SLOPE_NOT_SQUARED,
    SIGMOID_SLOPE,
    SLOPE_TWICE_TANH,
    SLOPE_COLUMNS,
    WEIGHTS_TRANSPOSED,
    Slip(
        "slope-of-old-state",
        "the slope of step t is taken at h_{t-1} instead of h_t",
        "The output of which tanh is the slope of step t written with?",
    ),
    Slip(
        "state-not-carried",
        "every step starts from h_0",
        "Which state does step t start from? Is `h` replaced in the loop?",
    ),
    Slip(
        "vector-not-carried",
        "each step stretches the first vector again",
        "Which vector does step t stretch? Is `v` replaced in the loop?",
    ),
    Slip("negative", "the sign is turned round", "Does a vector that grows have a positive or a negative exponent?"),
)
def lyapunov_exponent(slips: Set[str], x: Tensor, h0: Tensor, params: dict[str, Tensor], warmup: int) -> float:
    """The mean of ln growth per step of a tangent vector, the first `warmup` steps left out; x (T, D), h0 (H)."""
    if "warmup-cut" in slips:
        x, warmup = x[warmup:], 0
    T, H, W = len(x), len(h0), params["weight_hh"]
    states = [h[0] for h in run(x[None], h0[None], params)]  # h_0, …, h_T
    if "state-not-carried" in slips:
        inputs = x @ params["weight_ih"].T + params["bias"]
        states = [h0, *torch.tanh(inputs + W @ h0)]
    at = states[:-1] if "slope-of-old-state" in slips else states[1:]
    at = states if "h0-counted" in slips else at
    factors = [factor(slips, h[None], W)[0] for h in at]
    if "log-of-radius" in slips:
        return math.log(torch.linalg.eigvals(W).abs().max().item())
    if slips & {"log-of-product", "log-of-whole-product"}:
        skip = warmup if "log-of-product" in slips else 0
        product = torch.eye(H, dtype=W.dtype, device=W.device)
        for J in factors[skip:]:
            product = J @ product
        return torch.linalg.matrix_norm(product, 2).log().item() / (T - skip)
    if "steps-reversed" in slips:
        factors = factors[::-1]
    start = torch.zeros_like(h0) if "first-unit" in slips else torch.ones_like(h0)
    start[0] = 1
    start = start if "start-not-normalised" in slips else start / start.norm()
    start = start / H**0.5 if "start-divided-by-H" in slips else start
    order = torch.inf if "largest-entry" in slips else 1 if "one-norm" in slips else 2
    v, growth = start, []
    for t, J in enumerate(factors, 1):
        v = J.mT @ v if "transposed" in slips else J @ v
        size = torch.linalg.matrix_norm(J, 2) if "log-of-step-norms" in slips else v.norm(p=order)
        if "log-of-radii" in slips:
            size = torch.linalg.eigvals(J).abs().max()
        growth.append(1.0 if "after-normalising" in slips else size.item())
        left = "not-normalised" in slips or ("scaled-after-warmup" in slips and t <= warmup)
        v = v if left else v / v.norm(p=order)
        if "vector-not-carried" in slips or ("restarted" in slips and t == warmup):
            v = start
    skip = 0 if "warmup-kept" in slips else warmup + int("warmup-one-more" in slips) - int("warmup-one-less" in slips)
    counted = growth[max(skip, 0) :]
    if slips & {"warmup-alone", "last-left-out"}:
        counted = growth[:warmup] if "warmup-alone" in slips else growth[: T - warmup]
    if not counted:
        raise ValueError("without a warm-up there is nothing to average")
    base = 2.0 if "log2" in slips else 10.0 if "log10" in slips else math.e
    logs = counted if "no-log" in slips else [math.log(g) / math.log(base) for g in counted]
    total = sum(logs)
    if "mean-before-log" in slips:
        return math.log(sum(counted) / len(counted)) / math.log(base)
    mean = total if "summed" in slips else total / (T if "divided-by-T" in slips else len(logs))
    if "exponential" in slips:
        return math.exp(mean)
    return -mean if "negative" in slips else mean
