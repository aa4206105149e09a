"""Checks of lesson 03, gradient flow: products of Jacobians."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from autograder.beside.advice import DIVIDED, LOGARITHM
from autograder.checking.compare import first_difference
from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import LearnerFailed, check
from autograder.checking.student import Student
from autograder.lessons.gradient_flow.mistakes import bug, exponent, norms, sizes
from autograder.lessons.gradient_flow.mistakes import jacobians as mistakes
from autograder.lessons.gradient_flow.oracles import (
    Params,
    lent_jacobian,
    lent_product,
    middle,
    next_state,
    spiral,
    states_from_first,
    torch_exponent,
    torch_norms,
    torch_product,
    triangle,
)

# --------------------------------------------------------------------------------------- Jacobians
AS_FOUND = (
    "This is the program as it was found. The loss, weight_out and bias_out are right; the other gradients are wrong.",
    "For T = 1 all of them are right, for T = 2 they are not. Compare with autograd, for one step and for two.",
)
ENTRY = "Take a single entry: only h_{t-1}[j] moves by a little. By how much does h_t[i] move, through which weight and which slope?"
NO_STEP = "For k = t no step lies between the two states. What is the derivative of a state by itself?"
GROWTH = "Work out the first step by hand: J_1 times ones/√H, then its length. Which numbers does your loop have there?"
TOO_LARGE = (
    "It is more than W can do: no vector is stretched as much. By which lengths, of what goes in and of what comes out,"
    " does your number measure?"
)
DIRECTIONS = (
    "Is that how far W stretches one vector, or a few? Another vector may be stretched more."
    " Which function of torch.linalg looks at all directions at once?"
)
FIRST_STEP = (
    "Compare with autograd for T = 1 and for T = 2. If T = 1 is right, only the line that hands the gradient from step t"
    " to step t - 1 is left."
)
UNDERFLOW = (
    "Is the vector made to have length 1 again after each step? One that shrinks for 300 steps falls below the smallest number there"
    " is, and 0 has no logarithm."
)
NOT_ALL = (
    "Which matrices come out wrong? Try some whose eigenvalues you know: diagonal ones, rotations, multiples of them."
)


@check("gradient-flow-step-jacobian", of="step_jacobian", standin=lent_jacobian)
def step_jacobian(student: Student, draw: Draw) -> None:
    """`step_jacobian(h, params)` holds ∂h_t[i]/∂h_{t-1}[j] at [b, i, j], for every row b of the batch."""
    for B, H in draw.cases("B H", (2, 4), (1, 4), (3, 1), (3, 5)):
        params = draw.params(3, H)
        x, h0 = draw.normal(B, 1, 3), draw.normal(B, H, scale=0.6)
        h = next_state(h0, x[:, 0], params)
        got = student.step_jacobian(h, params)
        want = torch_product(x, h0, params, 0, 1)
        expect(
            got,
            want,
            "∂h_t/∂h_{t-1}",
            axes="B H H",
            slips=mistakes.step_jacobian.on(h, params),
            factors={"D": 3},
            clue=ENTRY,
        )
    half = draw.to(torch.float32)
    params, h = half.params(3, 4), half.uniform(2, 4, low=-0.9, high=0.9)
    expect(student.step_jacobian(h, params), lent_jacobian(h, params), "∂h_t/∂h_{t-1}", axes="B H H")


@check(
    "gradient-flow-product",
    of="jacobian_product",
    needs=("gradient-flow-step-jacobian",),
    standin=lent_product,
)
def jacobian_product(student: Student, draw: Draw) -> None:
    """`jacobian_product(states, params, k, t)` is ∂h_t/∂h_k for 0 ≤ k ≤ t ≤ T, with the newest step on the left."""
    for B, T, H, pairs in draw.cases(
        "B T H pairs",
        (2, 7, 4, ((2, 5), (0, 3), (3, 7), (0, 7), (4, 5), (0, 1), (2, 2), (0, 0), (7, 7))),
        (1, 3, 4, ((0, 3), (3, 3))),
        (3, 1, 2, ((0, 1), (0, 0))),
        (3, 13, 5, ((0, 13), (4, 11))),
    ):
        params = draw.params(3, H)
        x, h0 = draw.normal(B, T, 3, scale=0.6), draw.normal(B, H)
        states = torch.stack(states_from_first(x, h0, params)[1:], 1)
        for k, t in pairs:
            got = student.jacobian_product(states, params, k, t)
            want = torch_product(x, h0, params, k, t)
            slips = mistakes.jacobian_product.on(states, params, k, t)
            clue = NO_STEP
            if k < t and first_difference(got, want) is not None:
                clue = _about_one_step(student, states, x, h0, params)
            expect(got, want, f"∂h_{t}/∂h_{k}", axes="B H H", slips=slips, clue=clue)
    half = draw.to(torch.float32)
    params, x, h0 = half.params(3, 4), half.normal(2, 5, 3), half.normal(2, 4)
    states = torch.stack(states_from_first(x, h0, params)[1:], 1)
    for k, t in ((1, 4), (2, 2)):
        got, want = student.jacobian_product(states, params, k, t), torch_product(x, h0, params, k, t)
        expect(got, want, f"∂h_{t}/∂h_{k}", axes="B H H", rtol=1e-3)


def _about_one_step(student: Student, states: Tensor, x: Tensor, h0: Tensor, params: Params) -> str:
    """A clue for a wrong product that nothing explains: is a single step right?"""
    try:
        with student.aside():
            one = student.jacobian_product(states, params, 0, 1)
    except LearnerFailed:
        return ""
    if first_difference(one, torch_product(x, h0, params, 0, 1)) is None:
        return "A single step, k = 0 and t = 1, is right. So the factors are, and what joins them is not."
    return "Already a single step, k = 0 and t = 1, is wrong. Begin with it: it is the Jacobian of step 1, and nothing else."


@check(
    "gradient-flow-norms",
    of="gradient_norms",
    needs=("gradient-flow-step-jacobian", "gradient-flow-product"),
)
def gradient_norms(student: Student, draw: Draw) -> None:
    """`gradient_norms` gives the mean over the batch of ‖∂L/∂h_t‖₂ for t = 0…T, where the loss touches h_T alone."""
    for B, T, D, H in draw.cases("B T D H", (2, 4, 3, 5), (3, 1, 2, 4), (1, 4, 3, 2), (3, 13, 5, 7)):
        params = draw.params(D, H)
        x, h0, dh_T = draw.normal(B, T, D, scale=0.6), draw.normal(B, H), draw.normal(B, H)
        got = student.gradient_norms(x, h0, params, dh_T)
        want = torch_norms(x, h0, params, dh_T)
        slips = norms.gradient_norms.on(x, h0, params, dh_T)
        expect(got, want, "norms", axes="T0", slips=slips, factors={"B": B, "T": T})
    half = draw.to(torch.float32)
    params, x, h0, dh_T = half.params(3, 4), half.normal(2, 5, 3), half.normal(2, 4), half.normal(2, 4)
    expect(student.gradient_norms(x, h0, params, dh_T), torch_norms(x, h0, params, dh_T), "norms", axes="T0")


# ---------------------------------------------------------------------------------- sizes of a matrix
@check("gradient-flow-radius", of="spectral_radius", standin=lambda W: torch.linalg.eigvals(W).abs().max().item())
def spectral_radius(student: Student, draw: Draw) -> None:
    """`spectral_radius(W)` is the largest modulus of an eigenvalue of W, be it real, negative or complex."""
    for W, radius in (middle(draw), spiral(draw, 5, sign=-1.0), spiral(draw, 4)):
        got = student.spectral_radius(W)
        if repr(got) == "complex" or (isinstance(got, Tensor) and got.is_complex() and got.numel() == 1):
            deny(
                "complex",
                f"a complex number came back; expected {radius:.6g}",
                "That is an eigenvalue. The radius is its modulus: how far from 0 is it?",
            )
        clue = _about_a_plain_matrix(student, W) if first_difference(got, radius) else ""
        expect(got, radius, "the radius", slips=sizes.spectral_radius.on(W), clue=clue)
    for numbers, radius in TABLE:  # the table of the lesson
        W = draw.normal(2, 2).new_tensor(numbers)
        slips = sizes.spectral_radius.on(W)
        expect(student.spectral_radius(W), radius, f"the radius of W = {numbers}", slips=slips)
    W = draw.uniform(1, 1, low=-2.0, high=-0.5)
    expect(student.spectral_radius(W), -W.item(), "the radius of a 1 × 1 matrix")
    W, radius = spiral(draw.to(torch.float32), 4)
    expect(student.spectral_radius(W), radius, "the radius", rtol=1e-3)


TABLE = (([[0.5, 0], [0, -2]], 2.0), ([[0, -2], [2, 0]], 2.0), ([[0, 3], [0, 0]], 0.0))
PLAIN = (  # matrices with eigenvalues that can be worked out by hand
    ([[0.5, 0], [0, -2]], "0.5 and -2"),
    ([[0, -2], [2, 0]], "2i and -2i"),
    ([[3, -4], [4, 3]], "3 + 4i and 3 - 4i"),
    ([[0, -4], [1, 0]], "2i and -2i"),
    ([[1, 2], [0, 3]], "1 and 3"),
)


def _about_a_plain_matrix(student: Student, like: Tensor) -> str:
    """A clue for a wrong radius that nothing explains: a matrix that is worked out by hand, and wrong as well."""
    try:
        for numbers, eigenvalues in PLAIN:
            W = like.new_tensor(numbers)
            with student.aside():
                got = student.spectral_radius(W)
            if first_difference(got, torch.linalg.eigvals(W).abs().max().item()):
                shown = f"{got:.4g}" if isinstance(got, float) else describe(got)
                return f"Try W = {numbers}. Its eigenvalues are {eigenvalues}, and your function gives {shown}."
    except LearnerFailed:
        return ""
    return NOT_ALL


@check("gradient-flow-singular-value", of="largest_singular_value")
def largest_singular_value(student: Student, draw: Draw) -> None:
    """`largest_singular_value(W)` is the most that W stretches any vector."""
    for numbers, H in ((draw, 4), (draw, 3), (draw, 1), (draw.to(torch.float32), 4)):
        left, right = (torch.linalg.qr(numbers.normal(H, H)).Q for _ in range(2))
        values = numbers.uniform(H, low=0.3, high=1.5)
        values[H // 2] = numbers.uniform(low=1.6, high=2.5)
        W = left @ torch.diag(values) @ right
        rtol = 1e-3 if W.dtype == torch.float32 else None
        slips = sizes.largest_singular_value.on(W) if H > 1 else None
        got, want = student.largest_singular_value(W), values.max().item()
        clue = TOO_LARGE if isinstance(got, float | Tensor) and bool(torch.as_tensor(got > want).all()) else DIRECTIONS
        expect(got, want, "the value", slips=slips, rtol=rtol, clue=clue)


@check("gradient-flow-rescale", of="with_spectral_radius", needs=("gradient-flow-radius",))
def with_spectral_radius(student: Student, draw: Draw) -> None:
    """`with_spectral_radius(W, rho)` is the multiple of W whose radius is rho; a ValueError where there is none."""
    cases = ((middle(draw), 0.7), (spiral(draw, 4), 0.9), (spiral(draw, 5, sign=-1.0), 2.5), (spiral(draw, 3), 1))
    for (W, radius), rho in cases:
        got = student.with_spectral_radius(W, rho)
        expect(got, W * (rho / radius), "the new W", slips=sizes.with_spectral_radius.on(W, rho))
    W, radius = spiral(draw.to(torch.float32), 4)
    expect(student.with_spectral_radius(W, 0.9), W * (0.9 / radius), "the new W", rtol=1e-3)
    # Small, and not 0: beside the entries of the first matrix its radius is large, in the second it is a hundred-thousandth.
    W, radius = spiral(draw, 3)
    _rescales(student, 1e-8 * W, 1e-8 * radius, "entries of about 1e-8")
    least = draw.uniform(low=1.2, high=1.8).item() * 1e-5
    W = triangle(draw, (least, 0.3 * least, -0.5 * least))
    _rescales(student, W / W.abs().max(), least / W.abs().max().item(), "a largest entry of 1")
    _refuses_radius_zero(
        student, torch.triu(draw.normal(4, 4), diagonal=1), "a W of radius 0 (0 on and below the diagonal)"
    )
    _refuses_radius_zero(student, W.new_zeros(3, 3), "a W of zeros")
    _refuses_radius_zero(
        student,
        -torch.triu(draw.uniform(3, 3, low=0.5, high=2.0), diagonal=1),
        "a W of radius 0 without a positive entry",
    )
    # Both eigenvalues are 0; as they are computed they are not, so a comparison with 0 does not see it.
    _refuses_radius_zero(student, W.new_tensor([[2, -2], [2, -2]], dtype=torch.float64), "W = [[2, -2], [2, -2]]")


def _rescales(student: Student, W: Tensor, radius: float, entries: str) -> None:
    """A W of small radius is not taken for one of radius 0."""
    try:
        got = student.with_spectral_radius(W, 0.9)
    except LearnerFailed as failed:
        if failed.status == "error" and _a_value_error(failed.finding.summary):
            deny(
                "radius-small",
                f"for a W with {entries} and radius {radius:.1e}, {failed.finding.summary}; expected a multiple of W",
                "This radius is small and not 0: some multiple of W has radius 0.9. With what do you compare the radius before you stop?",
            )
        raise
    expect(got, W * (0.9 / radius), "the new W", slips=sizes.with_spectral_radius.on(W, 0.9))


def _a_value_error(said: str) -> bool:
    return " raised ValueError: " in said or " (a ValueError): " in said


def _refuses_radius_zero(student: Student, W: Tensor, name: str) -> None:
    """No multiple of W has radius 0.9, and the learner's function says so with a ValueError."""
    asks = "Every multiple of W has radius 0 too. Raise a ValueError that says so, before you divide."
    computed = torch.linalg.eigvals(W).abs().max().item()  # 0, or what rounding makes of it
    try:
        got = student.with_spectral_radius(W, 0.9)
    except LearnerFailed as failed:
        said = failed.finding.summary
        if _a_value_error(said) and said.endswith(": no message"):
            deny(
                "no-message",
                f"for {name}, a ValueError without a word; expected one with a sentence",
                "Whoever meets this error has not read your function. What do they have to know?",
            )
        if _a_value_error(said):
            return
        if failed.status == "error":
            deny("radius-zero", f"for {name}, {failed.finding.summary}; expected a ValueError", asks)
        raise
    broken = isinstance(got, Tensor) and not bool(torch.isfinite(got).all())
    if computed and isinstance(got, Tensor) and bool((got.abs() > 1e6 * W.abs().max()).any()):
        deny(
            "radius-nearly-zero",
            f"for {name}, of radius 0, entries as large as {got.abs().max():.1e} came back; expected a ValueError",
            f"The radius is 0, but rounding makes it {computed:.1e}, so a comparison with 0 does not see it."
            " Which radius is so small, beside the entries of W, that it counts as 0?",
        )
    came = "a matrix with nan or infinite entries" if broken else "an answer"
    deny("radius-zero", f"for {name} {came} came back; expected a ValueError", asks)


# ---------------------------------------------------------------------------------------- exponent
@check("gradient-flow-exponent", of="lyapunov_exponent", needs=("gradient-flow-step-jacobian",))
def lyapunov_exponent(student: Student, draw: Draw) -> None:
    """`lyapunov_exponent` is the mean of ln growth per step of a tangent vector, the warm-up left out."""
    for T, H, warmup in draw.cases("T H warmup", (7, 4, 3), (6, 3, 0), (5, 1, 2), (1, 4, 0), (13, 5, 4)):
        params = draw.params(2, H, scale=0.9 if H == 3 else 0.7)
        x, h0 = draw.normal(T, 2, scale=0.6), draw.normal(H)
        with on_error(LOGARITHM.but(UNDERFLOW)):
            got = student.lyapunov_exponent(x, h0, params, warmup)
        slips = exponent.lyapunov_exponent.on(x, h0, params, warmup)
        want, factors = torch_exponent(x, h0, params, warmup), {"T - warmup": T - warmup}
        expect(got, want, "the exponent", slips=slips, factors=factors, clue=GROWTH)
    half = draw.to(torch.float32)
    params, x, h0 = half.params(2, 4), half.normal(7, 2), half.normal(4)
    expect(student.lyapunov_exponent(x, h0, params, 2), torch_exponent(x, h0, params, 2), "the exponent", rtol=1e-3)
    # So long, and shrinking so fast, that a vector which is not normalised on the way underflows.
    params, x, h0 = draw.params(2, 4), draw.normal(300, 2), draw.normal(4)
    params["weight_hh"] = params["weight_hh"] * 0.01
    with on_error(LOGARITHM.but(UNDERFLOW, "underflow"), DIVIDED.but(UNDERFLOW, "underflow")):
        got, want = student.lyapunov_exponent(x, h0, params, 20), torch_exponent(x, h0, params, 20)
    if isinstance(got, float | Tensor) and not math.isfinite(float(got)):
        deny(
            "underflow",
            f"for 300 steps of a network that forgets fast, the exponent is {float(got)}; expected {want:.6g}",
            UNDERFLOW,
        )
    expect(got, want, "the exponent of 300 steps")


# ------------------------------------------------------------------------------------ the bug to find
def _by_autograd(x: Tensor, target: Tensor, params: Params) -> tuple[Tensor, Params]:
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
    h_T = states_from_first(x, x.new_zeros(len(x), len(params["bias"])), leaves)[-1]
    out = torch.nn.functional.linear(h_T, leaves["weight_out"], leaves["bias_out"])
    loss = torch.nn.functional.mse_loss(out[:, 0], target)
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return loss.detach(), dict(zip(leaves, grads, strict=True))


def _exact_gradients(student: Student, draw: Draw) -> tuple[Any, Any]:
    inputs = draw.normal(3, 5, 2, scale=0.5), draw.normal(3), draw.params(2, 4, V=1, scale=0.3)
    return student.loss_and_gradients(*inputs), _by_autograd(*inputs)


@check(
    "gradient-flow-bug",
    of="loss_and_gradients",
    needs=("gradient-flow-step-jacobian",),
    forbid=("autograd",),
    exact=_exact_gradients,
)
def loss_and_gradients(student: Student, draw: Draw) -> None:
    """`loss_and_gradients` returns the loss and its gradient by each parameter."""
    for B, T, D, H in draw.cases("B T D H", (3, 5, 2, 4), (1, 1, 2, 4), (2, 2, 1, 3), (3, 13, 5, 7)):
        params = draw.params(D, H, V=1)
        x, target = draw.normal(B, T, D, scale=0.6), draw.normal(B)
        got = student.loss_and_gradients(x, target, params)
        want = _by_autograd(x, target, params)
        parts = ("the loss", "gradients")
        found = bug.loss_and_gradients(x, target, params, slips=(bug.UNREPAIRED,))
        wrong = first_difference(got, want, parts)
        if T > 1 and wrong and first_difference(got, found) is None:
            deny(bug.UNREPAIRED, wrong.summary, *AS_FOUND, where=wrong.where)
        slips = bug.loss_and_gradients.on(x, target, params)
        expect(got, want, parts, slips=slips, factors={"B": B, "T": T}, clue=FIRST_STEP)


# ---------------------------------------------------------------------------------------- predictions
@prediction("gradient-flow-predict-growth", "guess_growth", between=(0, 1e6))
def predict_growth() -> None:
    """`guess_growth` is a number: the norm of Wⁿ at n = 10 for a triangular W of radius 0.9."""


@prediction("gradient-flow-predict-louder", "guess_louder", options=("larger", "smaller", "the same"))
def predict_louder() -> None:
    """`guess_louder` is one of "larger", "smaller" and "the same"."""


@prediction("gradient-flow-predict-radius-zero", "guess_radius_zero", options=("always shrinks", "can grow"))
def predict_radius_zero() -> None:
    """`guess_radius_zero` is one of "always shrinks" and "can grow"."""
