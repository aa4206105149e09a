"""Checks of lesson 01, the unrolled graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from autograder.compare import first_difference
from autograder.draw import Draw
from autograder.expect import deny, expect, explain
from autograder.mistakes import unrolled_graph as mistakes
from autograder.mistakes import unrolled_graph_counts as miscounts
from autograder.predictions import committed, told
from autograder.spec import LearnerFailed, Suspects, check
from autograder.student import Student, describe
from autograder.wire import flags

PARTS = ("h_0", "params['weight_ih']", "params['weight_hh']", "params['bias']")
BACK = tuple(f"the gradient of {part}" for part in PARTS)
WEIGHTS = ("weight_ih", "weight_hh", "bias")


def asking(h0: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Copies of h_0 and of the parameters that require a gradient."""
    return h0.clone().requires_grad_(), {name: tensor.clone().requires_grad_() for name, tensor in params.items()}


def gradients(
    made: tuple[Tensor, ...], toward: list[Tensor], h0: Tensor, params: dict[str, Tensor]
) -> tuple[Tensor, ...]:
    """The oracle: autograd's gradients of Σ toward · made, in the order of BACK."""
    total = torch.stack([(one * weight).sum() for one, weight in zip(made, toward, strict=True)]).sum()
    return torch.autograd.grad(total, [h0, *(params[name] for name in WEIGHTS)])


def sent_back(student: Student, call: str, given: dict[str, Any], toward: list[Tensor], parts: list[str]) -> Any:
    """The gradients that come back through the learner's function, in the order of h_0 and the parameters in `given`."""
    shown = f"the way back through {call}({', '.join(given)})"
    return student.probe("sent_back", call=call, given=list(given.values()), toward=toward, parts=parts, shown=shown)


@contextmanager
def asks(question: str, *words: str) -> Iterator[None]:
    """Add a question to an error of the learner's code whose message has one of these words."""
    try:
        yield
    except LearnerFailed as failed:
        finding = failed.finding
        if finding.sign != "raised" or not any(word in finding.summary for word in words):
            raise
        raise LearnerFailed(failed.status, replace(finding, clues=(*finding.clues, question))) from None


def torch_step(x_t: Tensor, h_prev: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle: torch.nn.RNNCell with the same weights; keeps the graph to params and h_prev."""
    H, D = params["weight_ih"].shape
    cell = nn.RNNCell(D, H).to(x_t.device, x_t.dtype)
    weights = {name.replace("bias", "bias_ih"): params[name] for name in WEIGHTS}
    weights["bias_hh"] = torch.zeros_like(params["bias"])
    return torch.func.functional_call(cell, weights, (x_t, h_prev))


@check("unrolled-graph-rnn-step", of="rnn_step", standin=torch_step)
def rnn_step(student: Student, draw: Draw) -> None:
    """`rnn_step` computes h_t = tanh(x_t W_ihᵀ + h_{t-1} W_hhᵀ + b) for every row of the batch."""
    for B, D, H in ((2, 3, 4), (1, 3, 4), (3, 1, 2)):
        params = draw.params(D, H)
        x_t, h_prev = draw.normal(B, D), draw.normal(B, H)
        got = student.rnn_step(x_t, h_prev, params)
        want = torch_step(x_t, h_prev, params)
        expect(got, want, "h_t", axes="B H", slips=mistakes.rnn_step.on(x_t, h_prev, params))
    half = draw.to(torch.float32)
    params, x_t, h_prev = half.params(3, 4), half.normal(2, 3), half.normal(2, 4)
    expect(student.rnn_step(x_t, h_prev, params), torch_step(x_t, h_prev, params), "h_t", axes="B H")
    if student.changed:  # who writes into an argument must mend that first
        return
    x_t, toward = draw.normal(2, 3), [draw.normal(2, 4)]
    h_prev, params = asking(draw.normal(2, 4), draw.params(3, 4))
    got = sent_back(student, "rnn_step", {"x_t": x_t, "h_prev": h_prev, "params": params}, toward, ["h_t"])
    back = gradients((torch_step(x_t, h_prev, params),), toward, h_prev, params)
    expect(got, back, ("the gradient of h_prev", *BACK[1:]))


def torch_unroll(x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> Tensor:
    """The oracle: torch.nn.RNN with the same weights; keeps the graph to params."""
    H, D = params["weight_ih"].shape
    rnn = nn.RNN(D, H, batch_first=True).to(x.device, x.dtype)
    weights = {
        "weight_ih_l0": params["weight_ih"],
        "weight_hh_l0": params["weight_hh"],
        "bias_ih_l0": params["bias"],
        "bias_hh_l0": torch.zeros_like(params["bias"]),
    }
    return torch.func.functional_call(rnn, weights, (x, h0.unsqueeze(0)))[0]


def _standin_unroll(x: Tensor, h0: Tensor, params: dict[str, Tensor]) -> Tensor:
    # In float64 on the CPU: on a GPU, cuDNN's RNN rounds the products of float32 to the ten bits of TF32.
    wide = {name: params[name].to("cpu", torch.float64) for name in ("weight_ih", "weight_hh", "bias")}
    states = torch_unroll(x.to("cpu", torch.float64), h0.to("cpu", torch.float64), wide)
    return states.to(x.device, x.dtype)


def _rounding(draw: Draw) -> float | None:
    """How far a right answer in float32 may lie off: on a GPU `nn.RNN` is a right answer too, and rounds to TF32."""
    return 5e-3 if draw.device.type == "cuda" else None


@check("unrolled-graph-unroll", of="unroll", needs=("unrolled-graph-rnn-step",), standin=_standin_unroll)
def unroll(student: Student, draw: Draw) -> None:
    """`unroll` gives h_1 … h_T, each from the state before it, and gradients find the whole way back to h_0 and the parameters."""
    for B, T, D, H in ((2, 5, 3, 4), (2, 1, 3, 4), (1, 3, 2, 4), (3, 4, 1, 2)):
        params = draw.params(D, H)
        x, h0 = draw.normal(B, T, D), draw.normal(B, H)
        with asks(AXES, "must match", "cannot be multiplied", "size mismatch"):
            got = student.unroll(x, h0, params)
        want = _standin_unroll(x, h0, params)
        expect(got, want, "states", axes="B T H", slips=mistakes.unroll.on(x, h0, params))
    half = draw.to(torch.float32)
    params, x, h0 = half.params(3, 4), half.normal(2, 5, 3), half.normal(2, 4)
    got, want = student.unroll(x, h0, params), _standin_unroll(x, h0, params)
    expect(got, want, "states", axes="B T H", rtol=_rounding(draw))
    if student.changed:  # who writes into an argument must mend that first
        return
    x, toward = draw.normal(2, 4, 3), [draw.normal(2, 4, 5)]
    h0, params = asking(draw.normal(2, 5), draw.params(3, 5))
    got = sent_back(student, "unroll", {"x": x, "h0": h0, "params": params}, toward, ["states"])
    back = gradients((torch_unroll(x, h0, params),), toward, h0, params)
    expect(got, back, BACK, slips=way_back(x, h0, params, toward, [4, 4]))


AXES = "Which axis of x is time? `x[t]` and `for x_t in x` go through axis 0."


def way_back(x: Tensor, h0: Tensor, params: dict[str, Tensor], toward: list[Tensor], lengths: list[int]) -> Suspects:
    """The named mistakes of a way back, for inputs that require gradients."""
    plain = {name: tensor.detach() for name, tensor in params.items()}
    return mistakes.sent_back.on(x, h0.detach(), plain, toward, lengths, pick=tuple)


@check("unrolled-graph-predict-leaves", of="guess_leaves", hygiene=False)
def predict_leaves(student: Student, draw: Draw) -> str:
    """`guess_leaves` is a whole number: the leaves for W_hh in the graph of 6 steps."""
    guess = committed(student, "guess_leaves", 0, 1000, whole=True)
    why = (
        "there is one. The graph is made of operations and of the tensors that they started from, and all six steps "
        "use the same tensor. It has six arrows, one to each step; the gradients that come back along them are added up there."
    )
    return told(guess == 1, why)


@check("unrolled-graph-predict-depth", of="guess_depth_factor", hygiene=False)
def predict_depth(student: Student, draw: Draw) -> str:
    """`guess_depth_factor` is a number: how much deeper 40 steps of 16 units are than 10 steps of 4."""
    guess = committed(student, "guess_depth_factor", 0, 1e6)
    why = "the factor is 4. Each step puts one tanh behind the last, and all units of a state are side by side in it: T counts, H does not."
    return told(abs(guess - 4) < 0.05, why)


def arrows(T: int) -> set[tuple[str, str]]:
    """The oracle: of all pairs of nodes, those that the definition of h_t and L_t names."""
    nodes = ["theta", "h0", *(f"{row}{t}" for row in "xhL" for t in range(1, T + 1))]

    def used(start: str, end: str) -> bool:
        if start == "theta":
            return end[0] == "h" and end != "h0"
        steps = int(end[1:]) - int(start[1:])
        return (start[0], end[0], steps) in {("x", "h", 0), ("h", "h", 1), ("h", "L", 0)}

    return {(start, end) for start in nodes for end in nodes if end != "theta" and used(start, end)}


@check("unrolled-graph-unrolled-edges", of="unrolled_edges", standin=lambda T: sorted(arrows(T)))
def unrolled_edges(student: Student, draw: Draw) -> None:
    """`unrolled_edges(T)` lists every arrow of the unrolled graph once, and no other."""
    for T in (3, 1, 2, draw.integer(5, 9)):
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
            sign, clues = explain(set(pairs), want, miscounts.unrolled_edges.on(T), difference) or (difference.sign, ())
            deny(sign, difference.summary, *clues, where=f"T = {T}")
        if len(pairs) > len(want):
            twice = next(pair for pair in pairs if pairs.count(pair) > 1)
            deny(
                "listed-twice",
                f"{twice} is listed {pairs.count(twice)} times; expected once",
                "Which two lines add the same arrow?",
                where=f"T = {T}",
            )


@check("unrolled-graph-predict-paths", of="guess_path_factor", hygiene=False)
def predict_paths(student: Student, draw: Draw) -> str:
    """`guess_path_factor` is a number: how many times more paths 100 steps have than 50."""
    guess = committed(student, "guess_path_factor", 0, 1e30)
    paths = {T: sum(range(1, T + 1)) for T in (50, 100)}
    why = (
        f"there are {paths[100] / paths[50]:.2f} times as many. The number of paths grows, but it does not explode. "
        "Why that is so you find out next, by counting the paths to one loss."
    )
    return told(3.5 <= guess <= 4.5, why)


def _entries(t: int) -> list[str]:
    """The states at which a path from theta to L_t can enter: those from which L_t can be reached."""
    into: dict[str, list[str]] = {}
    for start, end in arrows(t):
        into.setdefault(end, []).append(start)
    found, waiting = [], [f"L{t}"]
    while waiting:
        for start in into.get(waiting.pop(), ()):
            if start == "theta":
                found.append(start)
            else:
                waiting.append(start)
    return found


@check("unrolled-graph-count-paths", of="count_paths", standin=lambda t: t)
def count_paths(student: Student, draw: Draw) -> None:
    """`count_paths(t)` is the number of paths from theta to L_t."""
    for t in (5, 1, 2, draw.integer(6, 12), draw.integer(20, 40)):
        expect(student.count_paths(t), len(_entries(t)), f"count_paths({t})", slips=miscounts.count_paths.on(t))


@check("unrolled-graph-parameter-count", of="parameter_count")
def parameter_count(student: Student, draw: Draw) -> None:
    """`parameter_count(D, H, V)` counts every entry of the five parameters."""
    for low in (2, 10, 30):
        D, H, V = (draw.integer(low + 3 * i, low + 3 * i + 3) for i in (1, 2, 0))
        cell, readout = nn.RNNCell(D, H), nn.Linear(H, V)
        tensors = [cell.weight_ih, cell.weight_hh, cell.bias_ih, *readout.parameters()]
        want = sum(tensor.numel() for tensor in tensors)
        got = student.parameter_count(D, H, V)
        expect(got, want, f"parameter_count({D}, {H}, {V})", slips=miscounts.parameter_count.on(D, H, V))


def one_by_one(
    x: Tensor, h0: Tensor, lengths: list[int], params: dict[str, Tensor], run: Callable[..., Tensor] = _standin_unroll
) -> tuple[Tensor, Tensor]:
    """The oracle: every sequence run alone, without its padding; its last state repeated past the end.

    With `run=torch_unroll` it keeps the graph.
    """
    rows, last = [], []
    for b, length in enumerate(lengths):
        alone = run(x[b : b + 1, :length], h0[b : b + 1], params)[0] if length else h0[:0]
        end = alone[-1] if length else h0[b]
        rows.append(torch.cat([alone, end.expand(x.shape[1] - length, -1)]))
        last.append(end)
    return torch.stack(rows), torch.stack(last)


@check("unrolled-graph-unroll-padded", of="unroll_padded", needs=("unrolled-graph-rnn-step", "unrolled-graph-unroll"))
def unroll_padded(student: Student, draw: Draw) -> None:
    """`unroll_padded` runs each sequence to its own end, where its state stays; neither values nor gradients feel the padding."""
    names, axes = ("states", "h_last"), ("B T H", "B H")
    for sizes, T in (([3, 5, 2], 5), ([0, 3], 3), ([2], 3), ([1, 1], 1), ([3, 3], 3)):
        params, lengths = draw.params(2, 4), torch.tensor(sizes, device=draw.device)
        x, h0 = draw.normal(len(sizes), T, 2), draw.normal(len(sizes), 4)
        got = student.unroll_padded(x, h0, lengths, params)
        want = one_by_one(x, h0, sizes, params)
        expect(got, want, names, axes, slips=mistakes.unroll_padded.on(x, h0, lengths, params))
    sizes = [3, 1]
    params, lengths = draw.params(3, 4), torch.tensor(sizes, device=draw.device)
    x, h0 = draw.normal(2, 3, 3), draw.normal(2, 4)
    x[1, 1:] = math.nan
    got, want = student.unroll_padded(x, h0, lengths, params), one_by_one(x, h0, sizes, params)
    if difference := first_difference(got, want, names, axes):
        clue = "Here the padding is nan; with other numbers in it all is right. 0 · nan is nan: how can a value be chosen, and not computed with?"
        deny("mask-by-product", difference.summary, clue, where=difference.where)
    half = draw.to(torch.float32)
    params, x, h0 = half.params(3, 4), half.normal(2, 3, 3), half.normal(2, 4)
    got, want = student.unroll_padded(x, h0, lengths, params), one_by_one(x, h0, sizes, params)
    expect(got, want, names, axes, rtol=_rounding(draw))
    if student.changed:  # who writes into an argument must mend that first
        return
    sizes = [2, 4, 0]
    x, lengths = draw.normal(3, 4, 2), torch.tensor(sizes, device=draw.device)
    toward = [draw.normal(3, 4, 5), draw.normal(3, 5)]
    h0, params = asking(draw.normal(3, 5), draw.params(2, 5))
    back = gradients(one_by_one(x, h0, sizes, params, torch_unroll), toward, h0, params)
    given = {"x": x, "h0": h0, "lengths": lengths, "params": params}
    got = sent_back(student, "unroll_padded", given, toward, list(names))
    expect(got, back, BACK, slips=way_back(x, h0, params, toward, sizes))
    x[torch.arange(4, device=x.device) >= lengths.unsqueeze(1)] = math.nan
    got = sent_back(student, "unroll_padded", given, toward, list(names))
    if difference := first_difference(got, back, BACK):
        deny("nan-on-the-way-back", difference.summary, *NAN_BACK, where=difference.where)


NAN_BACK = (
    "Here the padding is nan; with other numbers in it all is right. A step was computed from the nan. Its result is not "
    "chosen, so the gradient that comes back to it is 0; but that is multiplied by the slope of the tanh, and 0 · nan is nan.",
    "What has to be done to the padding before a step is computed from it?",
)


@check("unrolled-graph-bug", of="loss_and_gradients")
def loss_and_gradients(student: Student, draw: Draw) -> None:
    """`loss_and_gradients` returns the loss, its whole gradient through all steps, and the log of all states."""
    for B, T, D, H in ((3, 4, 2, 5), (2, 1, 2, 3)):
        params = draw.params(D, H, V=1)
        x, h0, target = draw.normal(B, T, D), draw.normal(B, H), draw.normal(B)
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in params.items()}
        states = torch_unroll(x, h0, leaves)
        guess = nn.functional.linear(states[:, -1], leaves["weight_out"], leaves["bias_out"])
        loss = nn.functional.mse_loss(guess.squeeze(1), target)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        want = (loss.detach(), gradients, [h0, *states.detach().unbind(1)])
        with asks(
            "Which parameters have no part in the loss any more? Where is the graph behind it lost?",
            "not have been used",
        ):
            got = student.loss_and_gradients(x, h0, params, target)
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
