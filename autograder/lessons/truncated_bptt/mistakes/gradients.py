"""Named mistakes of lesson 05 in truncated gradients: which loss goes back through which steps, and how often it counts."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.step import Params
from autograder.checking.sweeps.sweep import RECURRENT, forward
from autograder.checking.sweeps.truncated import BY_HAND, Case, Window


def gradient_of(case: Case, scale: Sequence[float] = ()) -> Params:
    """The ordinary gradient; `scale[s - 1]` multiplies the state between steps s and s + 1."""
    return replace(case, scale=scale).truncated(frozenset(), [Window(range(case.T), range(case.T))])


@reference(
    Slip("not-cut", "nothing is cut and every loss goes back to step 1", "Where does a state become a constant?"),
    Slip("k1-back", "the losses go back k1 steps and not k2", "Which of the two numbers says how far back the gradient flows?"),
    Slip("k1-k2-swapped", "k1 and k2 have changed places", "Which number says how often, and which says how far back?"),
    Slip("cut-late", "the window reaches one step too far back, k2 + 1 steps",
         "Count the steps between the cut and t on a small drawing: how many are there?"),
    Slip("cut-early", "the window is one step too short, k2 − 1 steps",
         "Count the steps between the cut and t on a small drawing: how many are there?"),
    Slip("cut-every-step", "the state is cut after every step", "Between which steps should the graph stay whole?"),
    Slip("k2-windows", "the state is cut once every k2 steps, counted from the beginning, whatever k1 is",
         "Draw the steps that go back at t = k1, and at t = 2·k1. Do the two stretches overlap?"),
    Slip("own-window", "every loss goes back k2 steps of its own, counted from its own step",
         "The losses of one window go back together: from which step are the k2 steps counted?"),
    Slip("losses-again", "all the losses inside the k2 steps are counted at every t, so that some are counted again",
         "Overlapping windows share steps. Which losses are new since the last time?"),
    Slip("last-loss-only", "at each t only the loss of step t itself goes back",
         "How many losses have come up since the last backward pass?"),
    Slip("last-window-missing", "the window that ends at T is left out", "Which is the last t at which to go back?"),
    Slip("last-window-only", "only the window that ends at T counts", "What happens to the gradients of earlier windows: `=` or `+=`?"),
    Slip("first-window-only", "only the window that ends at k1 counts", "How often is the way back walked? What ends the loop?"),
    Slip("stale-gradients", "gradients of earlier windows are still there when a window is added, and count again",
         "`backward()` adds to `.grad`. If you also add up yourself, what is in `.grad` when the next window begins?"),
    Slip("zero-state", "every window but the first begins from a zero state", "Older states are constants. Is zero their value?"),
    Slip("zero-throughout", "every window, the first one too, begins from a zero state",
         "Before the first step the state is h0, and older states are constants. Is zero their value?"),
    Slip("h0-again", "every window begins from h0", "Older states are constants. Which value does the state have where the window begins?"),
    Slip("state-one-late", "every window but the first begins with the state one step too late, the one that its first step should make",
         "The first step of a window reads the state before it. At which index is that in your list?"),
    Slip("state-late-throughout", "every window, the first one too, begins with the state that its first step should make",
         "The first step of a window reads the state before it. At which index is that in your list?"),
    Slip("state-wraps", "a window before which fewer than k2 steps have gone begins with a state counted from the end: a negative index",
         "Which state does the first window begin with? What is t − k2 there?"),
    Slip("window-inputs-late", "the windows begin with the right states, and in them step t reads x_{t-1}",
         "Step t reads x_t. At which index of x is it, if Python counts from 0?"),
    Slip("window-turned", "the windows begin with the right states, and in them weight_hh is used the wrong way round: h W in place of h Wᵀ",
         "Row i of weight_hh makes unit i. With rows h_{t-1}, is the product h W or h Wᵀ?"),
    Slip("turned-throughout", "weight_hh is used the wrong way round, forward and backward: h W in place of h Wᵀ",
         "Row i of weight_hh makes unit i. With rows h_{t-1}, is the product h W or h Wᵀ?"),
    Slip("linear-throughout", "the tanh is left out, forward and backward", "What is done to a_t before it becomes h_t?"),
    Slip("mean-of-windows", "the gradients of the windows are averaged", "Is a sum or a mean over time asked for?"),
    Slip("mean-over-time", "the losses are averaged over time", "Is a sum or a mean over time asked for?"),
    Slip("mean-in-window", "each window's losses are averaged over its k1 steps", "Is a sum or a mean over time asked for?"),
    Slip("read-out-last", "the read-out's parameters get the loss of each window's last step only",
         "The read-out is used at every step that has a loss. Which of its uses reach your sum?"),
    *BY_HAND,
)  # fmt: skip
def truncated_gradient(slips: Set[str], case: Case, k1: int, k2: int) -> Params:
    """At t = k1, 2·k1, … the losses of the last k1 steps go back through the last k2 steps (Williams and Peng 1990)."""
    if "k1-k2-swapped" in slips:
        k1, k2 = k2, k1
    if "linear-throughout" in slips:
        slips = slips | {"left-linear", "no-local-factor"}
    if "turned-throughout" in slips:
        return _turned(truncated_gradient.compute(slips - {"turned-throughout"}, _turned_case(case), k1, k2))
    reach = case.T if "not-cut" in slips else k1 if "k1-back" in slips else k2
    reach += ("cut-late" in slips) - ("cut-early" in slips)
    ends = list(range(k1, case.T + 1, k1))
    if "last-window-missing" in slips:
        ends = ends[:-1]
    elif "last-window-only" in slips:
        ends = ends[-1:]
    elif "first-window-only" in slips:
        ends = ends[:1]
    count = reach if "losses-again" in slips else 1 if "last-loss-only" in slips else k1
    windows = []
    for number, end in enumerate(ends):
        times = (len(ends) - number if "stale-gradients" in slips else 1) / (k1 if "mean-in-window" in slips else 1)
        windows += _ways_back(slips, range(max(0, end - count), end), reach, times)
    if slips & (_AT_BEGINNINGS | _IN_WINDOWS):
        grads = _restarted(slips, case, windows, reach)
    else:
        grads = case.truncated(slips, windows)
    if "read-out-last" in slips:
        last = case.truncated(slips, [replace(window, losses=window.losses[-1:]) for window in windows])
        grads |= {name: value for name, value in last.items() if name not in RECURRENT}
    over = len(ends) if "mean-of-windows" in slips else case.T if "mean-over-time" in slips else 1
    return {name: value / over for name, value in grads.items()}


def _ways_back(slips: Set[str], losses: range, reach: int, times: float) -> list[Window]:
    """How the losses of one window go back: together, or each by a way of its own."""
    if not slips & {"own-window", "cut-every-step", "k2-windows"}:
        return [Window(losses, range(max(0, losses.stop - reach), losses.stop), times)]
    if "k2-windows" in slips:
        begins = {t: t // max(reach, 1) * reach for t in losses}
    else:
        begins = {t: max(0, t + 1 - reach) if "own-window" in slips else t for t in losses}
    return [Window(range(t, t + 1), range(begin, t + 1), times) for t, begin in begins.items()]


_AT_BEGINNINGS = {
    "zero-state",
    "zero-throughout",
    "h0-again",
    "state-one-late",
    "state-late-throughout",
    "state-wraps",
}
_IN_WINDOWS = {"window-inputs-late", "window-turned"}


def _turned(params: Params) -> Params:
    """The same with weight_hh transposed."""
    return params | {"weight_hh": params["weight_hh"].T}


def _turned_case(case: Case) -> Case:
    return Case(case.x, case.h0, _turned(case.params), case.targets)


def _beginning(slips: Set[str], case: Case, first: int, counted: int) -> Tensor:
    """The state with which a mistaken window begins, before the step at index `first`; `counted` is t − k2."""
    if "zero-throughout" in slips or (first and "zero-state" in slips):
        return torch.zeros_like(case.h0)
    if "h0-again" in slips:
        return case.h0
    states = forward(frozenset(), case.x, case.h0, case.params).states
    if "state-wraps" in slips:
        return states[counted]
    late = "state-late-throughout" in slips or (first > 0 and "state-one-late" in slips)
    return states[first + late]


def _restarted(slips: Set[str], case: Case, windows: Sequence[Window], reach: int) -> Params:
    """Each window by itself, begun from a state of its own: another one than it should begin from, or run in another way."""
    total = {name: torch.zeros_like(value) for name, value in case.params.items()}
    x = case.x.roll(1, 1) if "window-inputs-late" in slips else case.x
    for window in windows:
        first, end = window.steps.start, window.steps.stop
        h = _beginning(slips, case, first, end - reach)
        piece = Case(x[:, first:end], h, case.params, case.targets[:, first:end])
        losses = range(max(0, window.losses.start - first), end - first)
        asked = [replace(window, losses=losses, steps=range(end - first))]
        if "window-turned" in slips:
            alone = _turned(_turned_case(piece).truncated(slips, asked))
        else:
            alone = piece.truncated(slips, asked)
        total = {name: value + alone[name] for name, value in total.items()}
    return total


@reference(
    Slip("no-weights", "what flows back across a kept boundary is not weighted",
         "A path is there with probability p only. By what must it be multiplied so that its mean is what it would be without cuts?"),
    Slip("weight-p", "what flows back is weighted by p and not by 1/p",
         "A path that is there with probability p counts too little on average. Does a weight below 1 fix that?"),
    Slip("weight-one-minus-p", "what flows back is weighted by 1/(1 − p)", "With which probability is a boundary kept?"),
    Slip("weight-once", "the weight 1/p is used once for a path, however many boundaries it crosses",
         "A path across three boundaries is there with which probability?"),
    Slip("weight-on-all", "the whole gradient is multiplied by a 1/p for each kept boundary, local terms too",
         "Which terms cross a boundary, and which do not cross any?"),
    Slip("weight-on-own-step", "a step's own loss is weighted too",
         "Between a step's loss and its own use of the parameters lies no boundary. What should its weight be?"),
    Slip("weight-where-cut", "the weight 1/p is set where the graph is cut and not where it is kept",
         "What flows back across a cut? What can a weight change there?"),
    Slip("forward-scaled", "the state itself is multiplied by the weight, in the forward pass too",
         "The states have to stay as they are. How can a factor act on the way back alone?"),
    Slip("state-dropped", "the state is set to 0 at a cut",
         "A cut takes the graph away. Does it take the value too?"),
)  # fmt: skip
def randomized(slips: Set[str], case: Case, p: float, keep: Sequence[bool]) -> Params:
    """The gradient for one pattern of cuts: keep[b] says whether the graph is kept between steps b + 1 and b + 2."""
    weight = 1 / p
    if "no-weights" in slips or "weight-where-cut" in slips:
        weight = 1.0
    elif "weight-p" in slips:
        weight = p
    elif "weight-one-minus-p" in slips:
        weight = 1 / (1 - p)
    if "forward-scaled" in slips:
        return gradient_of(case, [weight if kept else 0.0 for kept in keep])
    if "state-dropped" in slips:
        return gradient_of(case, [float(kept) for kept in keep])
    T, own = case.T, torch.ones(case.T, dtype=torch.float64)
    weights = torch.zeros(T, T, dtype=torch.float64)
    for t in range(T):
        for s in range(t + 1):
            crossed = keep[s:t]
            power = min(len(crossed), 1) if "weight-once" in slips else len(crossed)
            power += "weight-on-own-step" in slips
            weights[t, s] = all(crossed) * weight**power
    if "weight-on-own-step" in slips:
        own *= weight
    if "weight-on-all" in slips:
        weights, own = (weights != 0) * weight ** sum(keep), own * weight ** sum(keep)
    return case.weighted(weights, own)
