"""Named mistakes of lesson 03, gradient flow: the sizes of a matrix, the exponent, and the bug to find."""

from __future__ import annotations

import math
from collections.abc import Set

import torch
from torch import Tensor

from autograder.mistakes.gradient_flow import (
    NO_SLOPE,
    SIGMOID_SLOPE,
    SLOPE_COLUMNS,
    SLOPE_NOT_SQUARED,
    SLOPE_TWICE_TANH,
    factor,
    run,
)
from autograder.spec import Slip, reference

# --------------------------------------------------------------------------------------- sizes of W
_SIZES = {
    "singular-value": Slip(
        "singular-value",
        "the largest singular value is taken, how far W can stretch a vector in one step",
        "Which number describes W, W², W³, … in the long run?",
    ),
    "radius": Slip(
        "radius",
        "the spectral radius is taken",
        "The radius is about the long run. How far can W stretch a vector in a single step?",
    ),
    "real-part": Slip(
        "real-part",
        "the largest real part of the eigenvalues is taken",
        "An eigenvalue may be negative or complex, and W turns what it acts on. How large is such a number?",
    ),
    "abs-real-part": Slip(
        "abs-real-part",
        "the largest absolute real part of the eigenvalues is taken",
        "A complex eigenvalue has an imaginary part too. How far from 0 is it?",
    ),
    "symmetric": Slip(
        "symmetric",
        "W is treated as symmetric: `eigvalsh` and `eigh` read one triangle only",
        "Is W equal to its transpose?",
    ),
    "frobenius": Slip(
        "frobenius",
        "the Frobenius norm is taken, the root of the sum of all squares",
        "What is the Frobenius norm of the identity, and what does the identity do to a vector?",
    ),
    "smallest": Slip("smallest", "the smallest value is taken", "In which order do the values come back?"),
    "squared": Slip("squared", "the square of the value is returned", "Is a square root missing?"),
    "largest-entry": Slip(
        "largest-entry", "the largest absolute entry of W is taken", "Is that a property of W as a map?"
    ),
    "row-sum": Slip(
        "row-sum",
        "a norm of sums of absolute values is taken (over rows or columns)",
        "Which `ord` of a matrix norm belongs to the Euclidean length of vectors?",
    ),
    "mean-size": Slip("mean-size", "the mean over all values is taken", "Is the mean asked for, or the largest?"),
    "nuclear": Slip("nuclear", "all singular values are added", "Is the sum asked for, or the largest?"),
}


def _size_of(kind: str, W: Tensor, values: Tensor) -> float:
    """A size of W under the name of the slip that takes it; `values` are those whose largest is right."""
    sizes = {
        "singular-value": lambda: torch.linalg.matrix_norm(W, 2),
        "radius": lambda: torch.linalg.eigvals(W).abs().max(),
        "real-part": lambda: torch.linalg.eigvals(W).real.max(),
        "abs-real-part": lambda: torch.linalg.eigvals(W).real.abs().max(),
        "symmetric": lambda: torch.linalg.eigvalsh(W).abs().max(),
        "frobenius": lambda: W.norm(),
        "smallest": lambda: values.min(),
        "squared": lambda: values.max() ** 2,
        "largest-entry": lambda: W.abs().max(),
        "row-sum": lambda: torch.linalg.matrix_norm(W, 1),
        "mean-size": lambda: values.mean(),
        "nuclear": lambda: values.sum(),
    }
    return sizes[kind]().item()


_OF_RADIUS = ("singular-value", "real-part", "abs-real-part", "symmetric", "frobenius", "smallest", "squared",
              "largest-entry", "row-sum", "mean-size")  # fmt: skip
_OF_SINGULAR = ("radius", "real-part", "symmetric", "frobenius", "smallest", "squared", "largest-entry", "row-sum",
                "nuclear", "mean-size")  # fmt: skip


@reference(*(_SIZES[kind] for kind in _OF_RADIUS))
def spectral_radius(slips: Set[str], W: Tensor) -> float:
    """The largest modulus of an eigenvalue of W (H, H)."""
    values = torch.linalg.eigvals(W).abs()
    return _size_of(min(slips), W, values) if slips else values.max().item()


@reference(*(_SIZES[kind] for kind in _OF_SINGULAR))
def largest_singular_value(slips: Set[str], W: Tensor) -> float:
    """The largest singular value of W (H, H)."""
    values = torch.linalg.svdvals(W)
    return _size_of(min(slips), W, values) if slips else values.max().item()


@reference(
    Slip(
        "by-singular-value",
        "W is divided by its largest singular value",
        "Which size of W is to be rho in the end, and which one did you divide by?",
    ),
    Slip(
        "by-frobenius",
        "W is divided by its Frobenius norm",
        "Which size of W is to be rho in the end, and which one did you divide by?",
    ),
    Slip(
        "by-real-part",
        "W is divided by the largest real part of its eigenvalues",
        "What is the size of a complex or negative eigenvalue?",
    ),
    Slip("not-divided", "W is multiplied by rho and not divided by the radius that it has", "Which radius has rho W?"),
    Slip("without-rho", "W is divided by its radius and not multiplied by rho", "Which radius has your result?"),
    Slip("upside-down", "W is multiplied by its radius and divided by rho", "What must happen to W if rho is larger than its radius?"),
    Slip("diagonal-added", "the difference of the radii is added on the diagonal", "How does a multiple of W change its eigenvalues?"),
    Slip("root", "the square root of the factor is used", "If W is multiplied by c, by what are its eigenvalues multiplied?"),
    Slip("unchanged", "W comes back as it was", "Is the new matrix returned, or the old one?"),
)  # fmt: skip
def with_spectral_radius(slips: Set[str], W: Tensor, rho: float) -> Tensor:
    """W times a number, so that its spectral radius is rho; (H, H) → (H, H)."""
    eigenvalues = torch.linalg.eigvals(W)
    radius = eigenvalues.abs().max()
    if "by-singular-value" in slips:
        radius = torch.linalg.matrix_norm(W, 2)
    elif "by-frobenius" in slips:
        radius = W.norm()
    elif "by-real-part" in slips:
        radius = eigenvalues.real.max()
    if "diagonal-added" in slips:
        return W + (rho - radius) * torch.eye(W.shape[0], dtype=W.dtype, device=W.device)
    if "unchanged" in slips:
        return W
    above, below = (1.0 if "without-rho" in slips else rho), (1.0 if "not-divided" in slips else radius)
    factor = below / above if "upside-down" in slips else above / below
    return W * (factor**0.5 if "root" in slips else factor)


# ------------------------------------------------------------------------------------------ exponent
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
    order = torch.inf if "largest-entry" in slips else 2
    v, growth = start, []
    for t, J in enumerate(factors, 1):
        v = J.mT @ v if "transposed" in slips else J @ v
        size = torch.linalg.matrix_norm(J, 2) if "log-of-step-norms" in slips else v.norm(p=order)
        growth.append(1.0 if "after-normalising" in slips else size.item())
        v = v if "not-normalised" in slips else v / v.norm(p=order)
        if "vector-not-carried" in slips or ("restarted" in slips and t == warmup):
            v = start
    skip = 0 if "warmup-kept" in slips else warmup + int("warmup-one-more" in slips) - int("warmup-one-less" in slips)
    counted = growth[max(skip, 0) :]
    base = 2.0 if "log2" in slips else 10.0 if "log10" in slips else math.e
    logs = counted if "no-log" in slips else [math.log(g) / math.log(base) for g in counted]
    total = sum(logs)
    if "mean-before-log" in slips:
        return math.log(sum(counted) / len(counted)) / math.log(base)
    mean = total if "summed" in slips else total / (T if "divided-by-T" in slips else len(logs))
    return -mean if "negative" in slips else mean


# ------------------------------------------------------------------------------------- the bug to find
@reference(
    Slip(
        "slope-behind-weights",
        "the gradient that goes back to the old state passes the weights first and the slope afterwards",
        "Going back through h_t = tanh(W h_{t-1} + …), which do you meet first: the tanh or the weights?",
    ),
    Slip("no-slope", "the gradient that goes back to the old state skips the tanh", "What lies between h_{t-1} and h_t?"),
    Slip(
        "slope-twice",
        "the gradient that goes back to the old state meets the slope twice",
        "Through how many tanhs does one step lead?",
    ),
    Slip(
        "slope-twice-old",
        "the gradient at h_{t-1} is already multiplied by the slope at h_{t-1}, which the next round of the loop multiplies in again",
        "Which line takes the slope of step t - 1 into account, and in which round of the loop?",
    ),
    Slip(
        "slope-moved",
        "what goes back to h_{t-1} takes the slope at h_{t-1} in the place of that at h_t, behind the weights",
        "The slope of step t lies between its weights and h_t. At which state is it written, and before or behind the weights?",
    ),
    Slip(
        "slope-exchanged",
        "what goes back to h_{t-1} takes the slope at h_{t-1} in the place of that at h_t",
        "The output of which tanh is the slope of step t written with?",
    ),
    Slip(
        "other-side",
        "the gradient that goes back is multiplied from the other side: J_t times a column, in the place of a row times J_t",
        "A gradient is a row. Which does it meet first on its way back: the slopes or the weights, and which way round are these?",
    ),
    Slip(
        "weights-transposed",
        "the gradient that goes back is multiplied by weight_hhᵀ",
        "The forward pass multiplied rows by weight_hhᵀ. What does the way back multiply by?",
    ),
    Slip(
        "slope-of-old-state",
        "the slope is taken at h_{t-1}",
        "The output of which tanh is the slope of step t written with?",
    ),
    Slip("not-carried", "nothing is handed back from a step to the one before it", "What does step t - 1 start from?"),
    Slip(
        "weight-hh-with-new-state",
        "dL/dweight_hh is built with h_t instead of h_{t-1}",
        "Which state did weight_hh multiply at step t?",
    ),
    Slip("gradients-without-slope", "the weights' gradients are built from dh instead of da", "Where do the weights stand: before the tanh, or behind it?"),
    Slip("last-step-only", "the weights' gradients hold one step alone", "The weights are used at every step. What happens to the earlier contributions?"),
)  # fmt: skip
def loss_and_gradients(
    slips: Set[str], x: Tensor, target: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of the last state's read-out, and its gradients; x (B, T, D), target (B,)."""
    W, (B, T, _) = params["weight_hh"], x.shape
    states = run(x, torch.zeros(B, W.shape[0], dtype=x.dtype, device=x.device), params)
    error = (states[-1] @ params["weight_out"].T + params["bias_out"])[:, 0] - target
    dout = (2 * error / B)[:, None]
    grads = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
    grads["weight_out"], grads["bias_out"] = dout.T @ states[-1], dout.sum(0)
    dh = dout @ params["weight_out"]
    for t in range(T, 0, -1):
        slope = 1 - states[t - 1 if "slope-of-old-state" in slips else t] ** 2
        da = dh * slope
        used = dh if "gradients-without-slope" in slips else da
        old = states[t if "weight-hh-with-new-state" in slips else t - 1]
        parts = {"weight_ih": used.T @ x[:, t - 1], "weight_hh": used.T @ old, "bias": used.sum(0)}
        for name, part in parts.items():
            grads[name] = part if "last-step-only" in slips else grads[name] + part
        M = W.mT if "weights-transposed" in slips else W
        before = 1 - states[t - 1] ** 2
        if "slope-behind-weights" in slips:
            dh = (dh @ M) * slope
        elif "other-side" in slips:
            dh = (dh @ W.mT) * slope
        elif "slope-moved" in slips:
            dh = (dh @ M) * before
        elif "slope-exchanged" in slips:
            dh = (dh * before) @ M
        elif "slope-twice-old" in slips:
            dh = (da @ M) * before
        elif "no-slope" in slips:
            dh = dh @ M
        else:
            dh = da @ M * (slope if "slope-twice" in slips else 1)
        dh = torch.zeros_like(dh) if "not-carried" in slips else dh
    return (error**2).mean(), grads
