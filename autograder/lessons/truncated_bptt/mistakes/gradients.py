"""Named mistakes of lesson 05 in truncated gradients: which loss reaches back to which step, and with what weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checking.spec import Slip, reference

RECURRENT = ("weight_ih", "weight_hh", "bias")


class Case:
    """One sequence batch with a read-out, and how much each step gives to the gradient of each step's loss."""

    def __init__(self, x: Tensor, h0: Tensor, params: dict[str, Tensor], targets: Tensor):
        self.x, self.h0, self.params, self.targets = x, h0, params, targets
        self.T = x.shape[1]

    @cached_property
    def parts(self) -> dict[str, Tensor]:
        """By parameter, entry [t - 1, s - 1]: the gradient of loss t by the copy of the parameter that step s uses.

        Every step has copies of its own (untied weights); the gradient by all copies of all losses together is the ordinary one.
        """
        copies = {
            name: value.detach().expand(self.T, *value.shape).clone().requires_grad_()
            for name, value in self.params.items()
        }
        losses = run(self.x, self.h0, lambda s: {name: value[s] for name, value in copies.items()}, self.targets)
        rows = [torch.autograd.grad(loss, list(copies.values()), retain_graph=True) for loss in losses]
        return {name: torch.stack([row[i] for row in rows]) for i, name in enumerate(copies)}

    def weighted(self, weights: Tensor, own: Tensor | None = None) -> dict[str, Tensor]:
        """The gradient in which loss t and step s count with weights[t - 1, s - 1]; the read-out's with `own[t - 1]`."""
        own = torch.ones(self.T, dtype=weights.dtype) if own is None else own
        total = {}
        for name, part in self.parts.items():
            mask = (weights if name in RECURRENT else torch.diag(own)).to(part)
            total[name] = torch.einsum("ts,ts...->...", mask, part)
        return total


def run(
    x: Tensor, h0: Tensor, params: Callable[[int], dict[str, Tensor]], targets: Tensor, scale: Sequence[float] = ()
) -> list[Tensor]:
    """The loss of each step (mean over the batch); `scale[s]` multiplies the state between steps s and s + 1."""
    h, losses = h0, []
    for s in range(x.shape[1]):
        p = params(s)
        if scale and s:
            h = h * scale[s - 1]
        h = torch.tanh(x[:, s] @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"])
        losses.append(F.cross_entropy(h @ p["weight_out"].T + p["bias_out"], targets[:, s]))
    return losses


def gradient_of(case: Case, scale: Sequence[float] = (), first: int = 0, last: int | None = None, h: Tensor | None = None,
                count: int | None = None) -> dict[str, Tensor]:  # fmt: skip
    """The gradient on the steps first + 1…last, begun from the state h; only the last `count` losses count."""
    last = case.T if last is None else last
    leaves = {name: value.detach().clone().requires_grad_() for name, value in case.params.items()}
    x, targets = case.x[:, first:last], case.targets[:, first:last]
    losses = run(x, case.h0 if h is None else h, lambda s: leaves, targets, scale)
    total = torch.stack(losses[-count:] if count else losses).sum()
    return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


_WHERE = "Which losses go back from t, and through how many steps?"


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
    Slip("zero-state", "every window begins from a zero state", "Older states are constants. Is zero their value?"),
    Slip("h0-again", "every window begins from h0", "Older states are constants. Which value does the state have where the window begins?"),
    Slip("mean-of-windows", "the gradients of the windows are averaged", "Is a sum or a mean over time asked for?"),
    Slip("mean-over-time", "the losses are averaged over time", "Is a sum or a mean over time asked for?"),
    Slip("mean-in-window", "each window's losses are averaged over its k1 steps", "Is a sum or a mean over time asked for?"),
    Slip("read-out-last", "the read-out's parameters get the loss of each window's last step only",
         "The read-out is used at every step that has a loss. Which of its uses reach your sum?"),
)  # fmt: skip
def truncated_gradient(slips: Set[str], case: Case, k1: int, k2: int) -> dict[str, Tensor]:
    """At t = k1, 2·k1, … the losses of the last k1 steps go back through the last k2 steps (Williams and Peng 1990)."""
    T = case.T
    if "k1-k2-swapped" in slips:
        k1, k2 = k2, k1
    reach = T if "not-cut" in slips else k1 if "k1-back" in slips else k2
    reach += ("cut-late" in slips) - ("cut-early" in slips)
    ends = list(range(k1, T + 1, k1))
    if "last-window-missing" in slips:
        ends = ends[:-1]
    elif "last-window-only" in slips:
        ends = ends[-1:]
    elif "first-window-only" in slips:
        ends = ends[:1]
    count = reach if "losses-again" in slips else 1 if "last-loss-only" in slips else k1
    if slips & {"zero-state", "h0-again"}:
        return _restarted(slips, case, ends, reach, count)
    weights, own = torch.zeros(T, T, dtype=torch.float64), torch.zeros(T, dtype=torch.float64)
    for number, end in enumerate(ends):
        again = len(ends) - number if "stale-gradients" in slips else 1
        again = again / k1 if "mean-in-window" in slips else again
        for t in range(max(0, end - count), end):
            if "k2-windows" in slips:
                weights[t, t // reach * reach : t + 1] += again
                own[t] += again
                continue
            first = (t + 1 - reach) if "own-window" in slips else t if "cut-every-step" in slips else end - reach
            weights[t, max(0, first) : t + 1] += again
            if "read-out-last" not in slips or t == end - 1:
                own[t] += again
    over = len(ends) if "mean-of-windows" in slips else T if "mean-over-time" in slips else 1
    return case.weighted(weights / over, own / over)


def _restarted(slips: Set[str], case: Case, ends: list[int], reach: int, count: int) -> dict[str, Tensor]:
    start = torch.zeros_like(case.h0) if "zero-state" in slips else case.h0
    total = {name: torch.zeros_like(value) for name, value in case.params.items()}
    for end in ends:
        first = max(0, end - reach)
        begin = case.h0 if first == 0 else start
        for name, value in gradient_of(case, (), first, end, begin, min(count, end - first)).items():
            total[name] += value
    return total


@reference(
    Slip("no-weights", "what flows back across a kept boundary is not weighted",
         "A path is there with probability p only. By what must it be multiplied so that its mean is what it would be without cuts?"),
    Slip("weight-p", "what flows back is weighted by p and not by 1/p",
         "A path that is there with probability p counts too little on average. Does a weight below 1 mend that?"),
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
def randomized(slips: Set[str], case: Case, p: float, keep: Sequence[bool]) -> dict[str, Tensor]:
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
