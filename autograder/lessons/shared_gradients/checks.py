"""Checks of lesson 02, gradients of shared weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autograder.beside.probes.shared_gradients import curve
from autograder.checking.anew import each_call_anew
from autograder.checking.compare import Difference, first_difference
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import check
from autograder.checking.student import Student
from autograder.lessons.shared_gradients import evidence as clues
from autograder.lessons.shared_gradients import exact
from autograder.lessons.shared_gradients.mistakes import every_step, jacobian, step, sweep, untied
from autograder.lessons.shared_gradients.oracles import (
    Params,
    every_by_autograd,
    immediate_by_func,
    last_by_autograd,
    leaky_by_autograd,
    states_after_first,
    step_by_autograd,
    total_by_func,
    untied_by_autograd,
)

AXES = {"x": "B T D", "h0": "B H"}
ROUNDS = ((3, 5, 2, 4), (1, 3, 2, 4), (2, 1, 3, 4), (3, 13, 4, 7))  # B, T, D, H


def _loud(T: int) -> float:
    """By how much the inputs are larger: in the long case some states are saturated, and slopes differ by orders of magnitude."""
    return 2.0 if T > 8 else 1.0


@prediction("shared-gradients-predict-total", "guess_total", between=(-1000, 1000))
def predict_total() -> None:
    """`guess_total` is a number: dh_2/dw for h_1 = w h_0, h_2 = w h_1, at w = 3 and h_0 = 1."""


@check("shared-gradients-untied", of="untied_gradients")
def untied_gradients(student: Student, draw: Draw) -> None:
    """`untied_gradients` gives each step's copy of the parameters its own gradient; their sum is the shared gradient."""
    for B, T, D, H in draw.cases("B T D H", *ROUNDS):
        params = draw.params(D, H)
        x, h0, dh_T = draw.normal(B, T, D, scale=_loud(T)), draw.normal(B, H, scale=0.5), draw.normal(B, H)
        _expect_untied(_untied(student, x, h0, params, dh_T), x, h0, params, dh_T)
    half = draw.to(torch.float32)
    params, x, h0, dh_T = half.params(2, 4), half.normal(3, 4, 2), half.normal(3, 4), half.normal(3, 4)
    _expect_untied(_untied(student, x, h0, params, dh_T), x, h0, params, dh_T)


def _untied(student: Student, *inputs: Any) -> Any:
    with on_error(*clues.UNTIED):
        return student.untied_gradients(*inputs)


def _expect_untied(got: Any, x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> None:
    want = untied_by_autograd(x, h0, params, dh_T)
    first = first_difference(got, want, "gradients")
    if first is not None and first.sign == "none" and first.name != "gradients":
        deny(
            "none",
            first.summary,
            "Autograd found no way from h_T to this copy: the copy was never used, or the graph is cut between the steps.",
            "Which tensors does each step read? And does the state that it hands on know where it came from?",
        )
    clue = ""
    if first is not None and first.sign == "value":
        shared = last_by_autograd(x, h0, params, dh_T)
        sums = {name: torch.stack([one[name] for one in got]).sum(0) for name in params}
        split = first_difference(sums, {name: shared[name] for name in params}) is None
        clue = (
            "The sum over the steps is right, the shares of the single steps are not. Whose share does each entry hold?"
            if split
            else "The entries do not add up to the shared gradient either. Which step's way to h_T is not as it should be?"
        )
    slips = untied.untied_gradients.on(x, h0, params, dh_T)
    expect(got, want, "gradients", slips=slips, factors={"B": len(x), "T": x.shape[1]}, clue=clue)


@check(
    "shared-gradients-step-backward",
    of="rnn_step_backward",
    standin=step_by_autograd,
    forbid=("autograd", "differences"),
    exact=exact.step,
)
def rnn_step_backward(student: Student, draw: Draw) -> None:
    """`rnn_step_backward` takes dL/dh_t back through one step, to x_t, h_{t-1} and the parameters, afresh at every call."""
    for B, D, H in draw.cases("B D H", (3, 2, 4), (1, 2, 4), (2, 3, 1), (3, 5, 7), (2, 4, 4), (3, 3, 2), (4, 3, 4)):
        params = draw.params(D, H)  # at the end two sizes are equal, which must change nothing
        one, other = _step_inputs(draw, B, D, H, params), _step_inputs(draw, B, D, H, params)
        got = student.rnn_step_backward(*one, params)
        want = step_by_autograd(*one, params)
        first = first_difference(got, want)
        if first is None or first.sign == "value":
            sizes = f"B = {B}, D = {D}, H = {H}"
            each_call_anew(student, "rnn_step_backward", one, other, params, want[2], sizes)
        slips = step.rnn_step_backward.on(*one, params)
        clue = clues.of_one_step(got[2], want[2]) if isinstance(got, tuple | list) and len(got) == 3 else ""
        expect(got, want, ("dx", "dh_prev", "dparams"), ("B D", "B H", ""), slips, {"B": B}, clue=clue)
    half = draw.to(torch.float32)
    params = half.params(2, 4)
    one = _step_inputs(half, 3, 2, 4, params)
    expect(student.rnn_step_backward(*one, params), step_by_autograd(*one, params), ("dx", "dh_prev", "dparams"))


Step = tuple[Tensor, Tensor, Tensor, Tensor]  # dh, x_t, h_prev, h


def _step_inputs(draw: Draw, B: int, D: int, H: int, params: Params) -> Step:
    """dh, x_t, h_prev and the h that follows from them."""
    x_t, h_prev = draw.normal(B, D), draw.uniform(B, H, low=-0.9, high=0.9)
    return draw.normal(B, H), x_t, h_prev, states_after_first(x_t[:, None], h_prev, params)[0]


@check(
    "shared-gradients-bptt-last",
    of="bptt_last",
    needs=("shared-gradients-step-backward",),
    forbid=("autograd", "differences"),
    exact=exact.last,
)
def bptt_last(student: Student, draw: Draw) -> None:
    """`bptt_last` gives the gradients of parameters, x and h0 for a loss that looks at the last state."""
    for B, T, D, H in draw.cases("B T D H", *ROUNDS):
        params = draw.params(D, H)
        x, h0, dh_T = draw.normal(B, T, D, scale=_loud(T)), draw.normal(B, H, scale=0.5), draw.normal(B, H)
        _expect_last(student.bptt_last(x, h0, params, dh_T), x, h0, params, dh_T)
    x = draw.normal(4, 3, 2).transpose(0, 1)  # (3, 4, 2), in memory with time first
    params, h0, dh_T = draw.params(2, 5), draw.normal(3, 5), draw.normal(3, 5)
    _expect_last(student.bptt_last(x, h0, params, dh_T), x, h0, params, dh_T)
    half = draw.to(torch.float32)
    params, x, h0, dh_T = half.params(2, 4), half.normal(3, 5, 2), half.normal(3, 4), half.normal(3, 4)
    _expect_last(student.bptt_last(x, h0, params, dh_T), x, h0, params, dh_T)


def _expect_last(got: Any, x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> None:
    want = last_by_autograd(x, h0, params, dh_T)
    untied = untied_by_autograd(x, h0, params, dh_T)
    expect(
        got,
        want,
        "grads",
        AXES,
        sweep.bptt_last.on(x, h0, params, dh_T),
        {"B": len(x), "T": x.shape[1]},
        {name: (torch.stack([entry[name] for entry in untied]), "T") for name in params},
        clue=clues.of_the_sweep(got, want),
    )


@check(
    "shared-gradients-bptt",
    of="bptt_every_step",
    needs=("shared-gradients-step-backward",),
    forbid=("autograd", "differences"),
    exact=exact.every,
)
def bptt_every_step(student: Student, draw: Draw) -> None:
    """`bptt_every_step` gives the loss (cross-entropy, summed over time, averaged over the batch) and all its gradients."""
    cases = draw.cases("B T D H V", (3, 5, 2, 4, 7), (1, 3, 2, 4, 5), (2, 1, 3, 4, 5), (3, 13, 4, 7, 11))
    for B, T, D, H, V in cases:
        params = draw.params(D, H, V)
        x, h0 = draw.normal(B, T, D, scale=_loud(T)), draw.normal(B, H, scale=0.5)
        targets = draw.integers(0, V, B, T)
        _expect_every(student.bptt_every_step(x, h0, params, targets), x, h0, params, targets)
    x, targets = draw.normal(4, 3, 2).transpose(0, 1), draw.integers(0, 6, 4, 3).T
    params, h0 = draw.params(2, 5, 6), draw.normal(3, 5)
    _expect_every(student.bptt_every_step(x, h0, params, targets), x, h0, params, targets)
    half = draw.to(torch.float32)
    params, x, h0, targets = half.params(2, 4, 7), half.normal(3, 5, 2), half.normal(3, 4), half.integers(0, 7, 3, 5)
    _expect_every(student.bptt_every_step(x, h0, params, targets), x, h0, params, targets)


def _expect_every(got: Any, x: Tensor, h0: Tensor, params: Params, targets: Tensor) -> None:
    if isinstance(got, tuple | list) and len(got) == 2 and isinstance(got[0], float):
        got = (x.new_tensor(got[0]), got[1])  # a plain number is a loss too
    want = every_by_autograd(x, h0, params, targets)
    expect(
        got,
        want,
        ("loss", "grads"),
        ("", AXES),
        every_step.bptt_every_step.on(x, h0, params, targets),
        {"B": len(x), "T": x.shape[1]},
        clue=clues.of_every_step(got, want),
    )


@prediction("shared-gradients-predict-eps", "guess_k", between=(0, 20), whole=True)
def predict_eps() -> None:
    """`guess_k` is a whole number: central differences in float64 are most accurate at about ε = 10^(-k)."""


@check("shared-gradients-finite-difference", of="finite_difference")
def finite_difference(student: Student, draw: Draw) -> None:
    """`finite_difference` is the central difference of a scalar function, one entry of theta at a time, in theta's shape."""
    A, b = draw.normal(6, 6), draw.normal(6)
    transposed = draw.normal(2, 3).T  # (3, 2), in memory the other way round
    cases: list[tuple[str, dict[str, Tensor], Tensor, float]] = [
        ("quadratic", {"A": A, "b": b}, draw.normal(2, 3), 0.1),
        ("cubic", {"b": b}, draw.normal(2, 3), 0.1),
        ("sine", {"b": b}, draw.normal(6), 0.3),
        ("quadratic", {"A": A, "b": b}, transposed, 0.2),
        ("cubic", {"b": draw.normal(1)}, draw.normal(), 0.1),
        ("sine", {"b": b.float()}, draw.to(torch.float32).normal(3, 2), 0.05),
    ]
    for kind, given, theta, eps in cases:
        f = student.probe("function", kind=kind, shape=theta.shape, **given)
        with on_error(*clues.DIFFERENCES):
            got = student.finite_difference(f, theta, eps)
        want = _central(kind, given, theta, eps)
        if theta is transposed and isinstance(got, Tensor) and got.shape == theta.shape and not bool(got.any()):
            _written_into_a_copy(first_difference(got, want, "the gradient"))
        slips = untied.finite_difference.on(curve(kind, **given), theta, eps)
        clue = f"What is asked for is (f(θ + ε eᵢ) − f(θ − ε eᵢ)) / 2ε for each entry i, exactly this, for an ε as large as {eps} too."
        expect(got, want, "the gradient", slips=slips, factors={"ε": eps}, clue=clue)


def _written_into_a_copy(first: Difference | None) -> None:
    """Zeros for a transposed theta alone: a step was filled through a `reshape` that had to copy."""
    if first is not None:
        deny(
            "reshape-copies",
            first.summary,
            "For a theta that lies in memory as its axes say it was right; this one is transposed, and f saw no move of it.",
            "`reshape` shares the memory where it can, and copies where it cannot. If you write through it, where do the numbers "
            "go here? Which comes first: filling a flat step, or giving it the shape of theta?",
        )


def _central(kind: str, given: dict[str, Tensor], theta: Tensor, eps: float) -> Tensor:
    """What central differences give exactly, worked out on paper for each function of the menu."""
    flat, b = theta.reshape(-1), given["b"]
    e = torch.tensor(eps, dtype=torch.float64).item()
    if kind == "quadratic":
        slopes = (given["A"] + given["A"].T) @ flat / 2 + b  # exact: a parabola has no third derivative
    elif kind == "cubic":
        slopes = b * (3 * flat**2 + e**2)
    else:
        slopes = b * torch.cos(flat) * (torch.sin(torch.tensor(e, dtype=torch.float64)).item() / e)
    return slopes.to(theta.dtype).reshape(theta.shape)


@check(
    "shared-gradients-immediate",
    of="immediate_jacobian",
    standin=lambda h_t, h_prev: immediate_by_func(h_t, h_prev, h_t.new_zeros(len(h_t), len(h_t))),
    forbid=("autograd", "differences"),
    exact=exact.immediate,
)
def immediate_jacobian(student: Student, draw: Draw) -> None:
    """`immediate_jacobian` is ∂⁺h_t[i]/∂weight_hh[j, k]: how one step moves h_t, with h_{t-1} held fixed."""
    half = draw.to(torch.float32)
    for number, (H,) in enumerate(draw.cases("H", (4,), (1,), (3,), (5,), (4,))):
        stream = half if number == 4 else draw
        h_t, h_prev = stream.uniform(H, low=-0.9, high=0.9), stream.uniform(H, low=-0.9, high=0.9)
        if number == 3:
            h_t = torch.tanh(4 * torch.atanh(h_t))  # some units are saturated
        got = student.immediate_jacobian(h_t, h_prev)
        want = immediate_by_func(h_t, h_prev, stream.normal(H, H))
        expect(
            got,
            want,
            "the Jacobian",
            "H H H",
            jacobian.immediate_jacobian.on(h_t, h_prev),
            clue=clues.of_the_blocks(got, H),
        )


@prediction("shared-gradients-predict-memory", "guess_T", between=(1, 10**9), whole=True)
def predict_memory() -> None:
    """`guess_T` is a whole number: the T beyond which S_t takes less memory than h_1…h_T, for H = 64."""


@check(
    "shared-gradients-total",
    of="total_jacobian",
    needs=("shared-gradients-immediate",),
    forbid=("autograd", "differences"),
    exact=exact.total,
)
def total_jacobian(student: Student, draw: Draw) -> None:
    """`total_jacobian` is dh_t/dweight_hh for t = 1…T: how h_t moves when weight_hh moves in all steps so far."""
    half = draw.to(torch.float32)
    cases = draw.cases("T D H", (5, 2, 4), (1, 2, 3), (3, 2, 1), (13, 3, 5), (5, 2, 3))
    for number, (T, D, H) in enumerate(cases):
        stream = half if number == 4 else draw
        params = stream.params(D, H)
        x, h0 = stream.normal(T, D), stream.normal(H, scale=0.5)
        with on_error(*clues.TOTAL):
            got = student.total_jacobian(x, h0, params)
        want = total_by_func(x, h0, params)
        slips = jacobian.total_jacobian.on(x, h0, params)
        expect(got, want, "the Jacobian", "T H H H", slips, clue=clues.of_the_first_state(got, want))


@check("shared-gradients-bug", of="leaky_gradients", forbid=("autograd", "differences"), exact=exact.leaky)
def leaky_gradients(student: Student, draw: Draw) -> None:
    """`leaky_gradients` returns the loss of a network of leaky units and its gradients by u, w, b and v."""
    for B, T, H in draw.cases("B T H", (3, 5, 4), (1, 2, 3), (2, 1, 3), (3, 13, 5)):
        names = ("v", "b", "w", "u")
        params = {name: draw.normal(H, scale=0.7) for name in names}
        x, y, alpha = draw.normal(B, T), draw.normal(B, T), draw.uniform(low=0.2, high=0.6).item()
        got, want = student.leaky_gradients(x, y, params, alpha), leaky_by_autograd(x, y, params, alpha)
        slips = untied.leaky_gradients.on(x, y, params, alpha)
        _as_found(first_difference(got, want, ("loss", "grads")), got, slips.value(("as-found",)))
        clue = (
            "Take a small example and hold each gradient against finite_difference, for T = 1, 2 and 3. "
            "At which T does it begin to be wrong, and what happens at that T for the first time?"
        )
        expect(got, want, ("loss", "grads"), slips=slips, factors={"B": B, "T": T}, clue=clue)


def _as_found(first: Difference | None, got: Any, released: tuple[Tensor, Params]) -> None:
    """The program as it was handed out: say what is right and how to look, and nothing of what is wrong in it."""
    if first is not None and first_difference(got, released) is None:
        deny(
            "as-found",
            first.summary,
            "This is the program as it was found. The loss and the gradient of v are right, those of u, w and b are not.",
            "Hold each gradient against finite_difference, for T = 1 and for T = 2. Which are right, and for which T?",
        )
