"""Checks of lesson 01, the unrolled graph."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from autograder.beside.advice import FACTORS, SHAPES, UNUSED, Raised
from autograder.beside.wire import flags
from autograder.checking.compare import first_difference
from autograder.checking.describe import describe
from autograder.checking.draw import Draw
from autograder.checking.expect import deny, expect, explain, on_error
from autograder.checking.predictions import prediction
from autograder.checking.spec import Suspects, check
from autograder.checking.student import Student
from autograder.lessons.unrolled_graph.mistakes import computed as mistakes
from autograder.lessons.unrolled_graph.mistakes import counts as miscounts
from autograder.lessons.unrolled_graph.mistakes.padded import unroll_padded as padded_mistakes
from autograder.lessons.unrolled_graph.oracles import (
    arrows,
    asking,
    entries,
    gradients,
    one_by_one,
    standin_unroll,
    step_by_cell,
    torch_unroll,
)

PARTS = ("h_0", "params['weight_ih']", "params['weight_hh']", "params['bias']")
BACK = tuple(f"the gradient of {part}" for part in PARTS)


def sent_back(student: Student, call: str, given: dict[str, Any], toward: list[Tensor], parts: list[str]) -> Any:
    """The gradients that come back through the learner's function, in the order of h_0 and the parameters in `given`."""
    shown = f"the way back through {call}({', '.join(given)})"
    return student.probe("sent_back", call=call, given=list(given.values()), toward=toward, parts=parts, shown=shown)


@check("unrolled-graph-rnn-step", of="rnn_step", standin=step_by_cell)
def rnn_step(student: Student, draw: Draw) -> None:
    """`rnn_step` computes h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b) for every row of the batch."""
    for B, D, H in draw.cases("B D H", (2, 3, 4), (1, 3, 4), (3, 1, 2), (3, 5, 7)):
        params = draw.params(D, H)
        x_t, h_prev = draw.normal(B, D), draw.normal(B, H)
        got = student.rnn_step(x_t, h_prev, params)
        want = step_by_cell(x_t, h_prev, params)
        expect(got, want, "h_t", axes="B H", slips=mistakes.rnn_step.on(x_t, h_prev, params))
    half = draw.to(torch.float32)
    params, x_t, h_prev = half.params(3, 4), half.normal(2, 3), half.normal(2, 4)
    expect(student.rnn_step(x_t, h_prev, params), step_by_cell(x_t, h_prev, params), "h_t", axes="B H")
    if student.changed:  # whoever writes into an argument has to fix that first
        return
    x_t, toward = draw.normal(2, 3), [draw.normal(2, 4)]
    h_prev, params = asking(draw.normal(2, 4), draw.params(3, 4))
    got = sent_back(student, "rnn_step", {"x_t": x_t, "h_prev": h_prev, "params": params}, toward, ["h_t"])
    back = gradients((step_by_cell(x_t, h_prev, params),), toward, h_prev, params)
    expect(got, back, ("the gradient of h_prev", *BACK[1:]))


def _rounding(draw: Draw) -> float | None:
    """How far a right answer in float32 may lie off: on a GPU `nn.RNN` is a right answer too, and rounds to TF32."""
    return 5e-3 if draw.device.type == "cuda" else None


@check("unrolled-graph-unroll", of="unroll", needs=("unrolled-graph-rnn-step",), standin=standin_unroll)
def unroll(student: Student, draw: Draw) -> None:
    """`unroll` gives h_1 … h_T, each from the state before it, and gradients find the whole way back to h_0 and the parameters."""
    for B, T, D, H in draw.cases("B T D H", (2, 5, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (3, 4, 1, 2), (3, 13, 5, 7)):
        params = draw.params(D, H)
        x, h0 = draw.normal(B, T, D), draw.normal(B, H)
        with on_error(*_questions(B, T, D, H), also=True):
            got = student.unroll(x, h0, params)
        want = standin_unroll(x, h0, params)
        expect(got, want, "states", axes="B T H", slips=mistakes.unroll.on(x, h0, params))
    half = draw.to(torch.float32)
    params, x, h0 = half.params(3, 4), half.normal(2, 5, 3), half.normal(2, 4)
    got, want = student.unroll(x, h0, params), standin_unroll(x, h0, params)
    expect(got, want, "states", axes="B T H", rtol=_rounding(draw))
    if student.changed:  # whoever writes into an argument has to fix that first
        return
    x, toward = draw.normal(2, 4, 3), [draw.normal(2, 4, 5)]
    h0, params = asking(draw.normal(2, 5), draw.params(3, 5))
    got = sent_back(student, "unroll", {"x": x, "h0": h0, "params": params}, toward, ["states"])
    back = gradients((torch_unroll(x, h0, params),), toward, h0, params)
    expect(got, back, BACK, slips=way_back(x, h0, params, toward, [4, 4]))


def _questions(B: int, T: int, D: int, H: int) -> tuple[Raised, ...]:
    """What to ask about shapes that do not fit in the loop."""
    order, axis = "In which order does `rnn_step` take its arguments?", "Which axis of x is time?"
    return (
        FACTORS.but(
            f"A tensor of H columns is used where x_t, of D columns, belongs. {order}", where=f"({B}x{H} and {D}x{H})"
        ),
        FACTORS.but(
            f"A tensor of T columns is used where x_t, of D columns, belongs. {axis}", where=f"({B}x{T} and {D}x{H})"
        ),
        SHAPES.but(f"{axis} `x[t]` and `for x_t in x` go through axis 0."),
        FACTORS.but(f"{order} {axis}"),
    )


def way_back(x: Tensor, h0: Tensor, params: dict[str, Tensor], toward: list[Tensor], lengths: list[int]) -> Suspects:
    """The named mistakes of a way back, for inputs that require gradients."""
    plain = {name: tensor.detach() for name, tensor in params.items()}
    return mistakes.sent_back.on(x, h0.detach(), plain, toward, lengths, pick=tuple)


@prediction("unrolled-graph-predict-leaves", "guess_leaves", between=(0, 1000), whole=True)
def predict_leaves() -> None:
    """`guess_leaves` is a whole number: the leaves for W_hh in the graph of 6 steps."""


@prediction("unrolled-graph-predict-depth", "guess_depth_factor", between=(0, 1e6))
def predict_depth() -> None:
    """`guess_depth_factor` is a number: how much deeper 40 steps of 16 units are than 10 steps of 4."""


@check("unrolled-graph-unrolled-edges", of="unrolled_edges")
def unrolled_edges(student: Student, draw: Draw) -> None:
    """`unrolled_edges(T)` lists every arrow of the unrolled graph once, and no other."""
    for (T,) in draw.cases("T", (3,), (1,), (2,), (draw.integer(12, 16),)):
        got, want = student.unrolled_edges(T), arrows(T)
        if not isinstance(got, list | tuple | set | frozenset):
            expect(got, sorted(want), "the answer")
        pairs = [tuple(item) if isinstance(item, list) else item for item in got]
        for item in pairs:
            if not (isinstance(item, tuple) and len(item) == 2 and all(isinstance(name, str) for name in item)):
                summary = f"{describe(item)} is among the arrows; expected pairs of names such as ('x1', 'h1')"
                deny("no-pair", summary, "What does one arrow consist of, and how are the nodes called?")
        difference = first_difference(pairs, want, "the list of arrows")
        if difference:
            unknown = (difference.sign, _lacking_and_more(set(pairs), want))
            sign, clues = explain(set(pairs), want, miscounts.unrolled_edges.on(T), difference) or unknown
            deny(sign, difference.summary, *clues, where=f"T = {T}")
        if len(pairs) > len(want):
            twice = next(pair for pair in pairs if pairs.count(pair) > 1)
            deny(
                "listed-twice",
                f"{twice} is listed {pairs.count(twice)} times; expected once",
                "Which two lines add the same arrow?",
                where=f"T = {T}",
            )


def _lacking_and_more(have: set[tuple[str, str]], want: set[tuple[str, str]]) -> tuple[str, ...]:
    """Where no mistake is known by name: an arrow that is there and does not belong, or that there is none."""
    lacking, more = sorted(want - have), sorted(have - want)
    if not more:
        return (
            f"All arrows that are there are right: {len(have)} of {len(want)}. Which kind, or which step, is missing?",
        )
    if not lacking:
        return ("No arrow is missing. Is what is at the beginning of this arrow used to compute what is at its end?",)
    return (
        f"And it has {more[0]!r}, which does not belong ({len(more)} such in all). Is it the one that is missing, "
        "with other names? Compare spelling and numbers with the tiny example.",
    )


@prediction("unrolled-graph-predict-paths", "guess_path_factor", between=(0, 1e30))
def predict_paths() -> None:
    """`guess_path_factor` is a number: how many times more paths 100 steps have than 50."""


@check("unrolled-graph-count-paths", of="count_paths")
def count_paths(student: Student, draw: Draw) -> None:
    """`count_paths(t)` is the number of paths from theta to L_t."""
    clue = "For t = 1, 2 and 3 the paths can be counted with a finger on the first picture. What does your function give there?"
    numbers = (draw.integer(8, 12),), (draw.integer(20, 40),)
    for (t,) in draw.cases("T", (6,), (1,), (2,), *numbers):  # 5 and 7 will not do: 3·5 and 4·7 are t(t + 1)/2
        got, slips = student.count_paths(t), miscounts.count_paths.on(t)
        expect(got, len(entries(t)), f"count_paths({t})", slips=slips, clue=clue)


@check("unrolled-graph-parameter-count", of="parameter_count")
def parameter_count(student: Student, draw: Draw) -> None:
    """`parameter_count(D, H, V)` counts every entry of the five parameters."""
    drawn = [tuple(draw.integer(low + 3 * i, low + 3 * i + 3) for i in (1, 2, 0)) for low in (10, 30)]
    for D, H, V in draw.cases("D H V", (6, 11, 3), *drawn):  # with 6, 11 and 3 no mistake gives the number of another
        cell, readout = nn.RNNCell(D, H), nn.Linear(H, V)
        tensors = [cell.weight_ih, cell.weight_hh, cell.bias_ih, *readout.parameters()]
        want = sum(tensor.numel() for tensor in tensors)
        got = student.parameter_count(D, H, V)
        expect(got, want, f"parameter_count({D}, {H}, {V})", slips=miscounts.parameter_count.on(D, H, V))


PADDINGS = {"nan": (math.nan,), "infinite": (math.inf, -math.inf)}


def _filled(x: Tensor, lengths: Tensor, numbers: tuple[float, ...]) -> Tensor:
    """x with these numbers in turn for its padding."""
    some = torch.tensor(numbers, dtype=x.dtype, device=x.device)
    places = torch.arange(x.numel(), device=x.device).reshape(x.shape)
    past = torch.arange(x.shape[1], device=x.device) >= lengths.unsqueeze(1)
    return torch.where(past.unsqueeze(2), some[places % len(some)], x)


@check("unrolled-graph-unroll-padded", of="unroll_padded", needs=("unrolled-graph-rnn-step", "unrolled-graph-unroll"))
def unroll_padded(student: Student, draw: Draw) -> None:
    """`unroll_padded` runs each sequence to its own end, where its state stays; neither values nor gradients feel the padding."""
    names, axes = ("states", "h_last"), ("B T H", "B H")
    for sizes, T in draw.cases(
        "lengths T", ((3, 5, 2), 5), ((0, 3), 3), ((2,), 3), ((1, 1), 1), ((3, 3), 3), ((4, 7, 13, 0, 5), 13)
    ):
        params, lengths = draw.params(2, 4), torch.tensor(sizes, device=draw.device)
        x, h0 = draw.normal(len(sizes), T, 2), draw.normal(len(sizes), 4)
        got = student.unroll_padded(x, h0, lengths, params)
        want = one_by_one(x, h0, sizes, params)
        difference = first_difference(got, want, names, axes)
        if 0 in sizes and difference and _other_rows_right(got, want):
            deny("length-0", difference.summary, LENGTH_0, where=difference.where)
        expect(got, want, names, axes, slips=padded_mistakes.on(x, h0, lengths, params))
    sizes = [3, 1]
    params, lengths = draw.params(3, 4), torch.tensor(sizes, device=draw.device)
    x, h0 = draw.normal(2, 3, 3), draw.normal(2, 4)
    for padding, numbers in PADDINGS.items():
        got = student.unroll_padded(_filled(x, lengths, numbers), h0, lengths, params)
        if difference := first_difference(got, one_by_one(x, h0, sizes, params), names, axes):
            sign = "mask-by-product" if padding == "nan" else "cleaned-by-value"
            deny(sign, difference.summary, VALUES_FELT[padding], where=difference.where)
    x[0, 1] = math.nan  # within the sequence
    got = student.unroll_padded(x, h0, lengths, params)
    if difference := first_difference(got, one_by_one(x, h0, sizes, params), names, axes):
        deny("cleaned-by-value", difference.summary, *NAN_WITHIN, where=difference.where)
    half = draw.to(torch.float32)
    params, x, h0 = half.params(3, 4), half.normal(2, 3, 3), half.normal(2, 4)
    got, want = student.unroll_padded(x, h0, lengths, params), one_by_one(x, h0, sizes, params)
    expect(got, want, names, axes, rtol=_rounding(draw))
    if student.changed:  # whoever writes into an argument has to fix that first
        return
    sizes = [2, 4, 0]
    x, lengths = draw.normal(3, 4, 2), torch.tensor(sizes, device=draw.device)
    toward = [draw.normal(3, 4, 5), draw.normal(3, 5)]
    h0, params = asking(draw.normal(3, 5), draw.params(2, 5))
    back = gradients(one_by_one(x, h0, sizes, params, torch_unroll), toward, h0, params)
    given = {"x": x, "h0": h0, "lengths": lengths, "params": params}
    got = sent_back(student, "unroll_padded", given, toward, list(names))
    expect(got, back, BACK, slips=way_back(x, h0, params, toward, sizes))
    for padding, numbers in PADDINGS.items():
        given["x"] = _filled(x, lengths, numbers)
        got = sent_back(student, "unroll_padded", given, toward, list(names))
        if difference := first_difference(got, back, BACK):
            sign = "nan-on-the-way-back" if padding == "nan" else "cleaned-by-value"
            deny(sign, difference.summary, *WAY_BACK_FELT[padding], where=difference.where)


def _other_rows_right(got: Any, want: tuple[Tensor, Tensor]) -> bool:
    if not isinstance(got, list | tuple) or len(got) != len(want):
        return False
    if any(not isinstance(a, Tensor) or a.shape != b.shape for a, b in zip(got, want, strict=True)):
        return False
    return first_difference([part[1:] for part in got], [part[1:] for part in want]) is None


LENGTH_0 = (
    "Only the sequence of length 0 is wrong. Which state should it have throughout? If you count with `lengths - 1`: that "
    "is -1 here, and the index -1 stands for the last entry."
)
BY_VALUE = (
    "With nan in the padding all is right, with infinite numbers it is not. Do you clean by value, or by length? "
    "Which entries are padding?"
)
VALUES_FELT = {
    "nan": "Here the padding is nan; with other numbers in it all is right. 0 · nan is nan: how can a value be chosen, and not computed with?",
    "infinite": BY_VALUE,
}
NAN_WITHIN = (
    "Here a nan is inside a sequence, before its end. It is not padding, so the state must show it: from this step on it is nan.",
    "Do you clean by value, or by length? Which entries are padding?",
)
WAY_BACK_FELT = {
    "nan": (
        "Here the padding is nan; with other numbers in it all is right. A step was computed from the nan. Its result is not "
        "chosen, so the gradient that comes back to it is 0; but that is multiplied by the slope of the tanh, and 0 · nan is nan.",
        "What has to be done to the padding before a step is computed from it? If you do clean it by a product with 0: "
        "0 · nan is nan, so multiplying does not clean.",
    ),
    "infinite": (BY_VALUE,),
}


NO_PATH = (
    "Which parameters have no part in the loss any more? From which tensor is the guess computed, and has it a graph? "
    "`allow_unused=True` only turns the error into None."
)


def _not_as_found(got: Any, want: Any, found: Any, T: int) -> None:
    """Say how to look where the program is as it was found, and that a path is missing where a gradient is None."""
    parts = ("the loss", "gradients", "log")
    difference = first_difference(got, want, parts)
    if T > 1 and difference and first_difference(got, found, parts) is None:
        deny("as-found", difference.summary, *AS_FOUND)
    gradients = got[1] if isinstance(got, list | tuple) and len(got) == 3 and isinstance(got[1], dict) else {}
    if gone := [name for name in want[1] if name in gradients and gradients[name] is None]:
        summary = f"gradients[{gone[0]!r}] is None; expected a tensor of shape {tuple(want[1][gone[0]].shape)}"
        deny("no-path", summary, "No path leads from this parameter to the loss.", NO_PATH)


AS_FOUND = (
    "This is the program as it was found, or one that gives the same numbers. The loss is right, the log is right, and so are the "
    "gradients of the read-out; those of weight_ih, weight_hh and bias are wrong.",
    "How deep is the graph behind the loss, and how deep should it be for T steps? `graph.depth(loss)` tells, as the lesson shows.",
)


@check("unrolled-graph-bug", of="loss_and_gradients", needs=("unrolled-graph-rnn-step", "unrolled-graph-unroll"))
def loss_and_gradients(student: Student, draw: Draw) -> None:
    """`loss_and_gradients` returns the loss, its whole gradient through all steps, and the log of all states."""
    for B, T, D, H in draw.cases("B T D H", (3, 4, 2, 5), (2, 1, 2, 3), (3, 13, 5, 7)):
        params = draw.params(D, H, V=1)
        x, h0, target = draw.normal(B, T, D), draw.normal(B, H), draw.normal(B)
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
        states = torch_unroll(x, h0, leaves)
        guess = nn.functional.linear(states[:, -1], leaves["weight_out"], leaves["bias_out"])
        loss = nn.functional.mse_loss(guess.squeeze(1), target)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        want = (loss.detach(), gradients, [h0, *states.detach().unbind(1)])
        with on_error(UNUSED.but(NO_PATH), also=True):
            got = student.loss_and_gradients(x, h0, params, target)
        _not_as_found(got, want, mistakes.loss_and_gradients(x, h0, params, target, slips=("cut-each-step",)), T)
        slips = mistakes.loss_and_gradients.on(x, h0, params, target)
        short = (
            isinstance(got, list | tuple) and len(got) == 3 and isinstance(got[2], list | tuple) and len(got[2]) == T
        )
        clue = "The log holds h_0, …, h_T, as you found it: T + 1 states. Which of them is not put in?" if short else ""
        expect(got, want, ("the loss", "gradients", "log"), ("", "", "B H"), slips=slips, clue=clue)
        kept = [t for t, state in enumerate(got[2]) if flags(state).has_graph]
        if kept:
            summary = f"the values are right, but log[{kept[0]}] still has a graph"
            deny(
                "log-keeps-graph",
                summary,
                "As long as the log lives, so do the graphs of all steps. What does a plot need?",
            )
