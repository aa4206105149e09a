"""Named mistakes in what is found without a sweep of one's own: copies of the parameters, finite differences, the bug."""

from __future__ import annotations

from collections.abc import Callable, Set

import torch
from torch import Tensor

from autograder.checking.spec import Slip, reference
from autograder.checking.sweeps.step import Params
from autograder.checking.sweeps.sweep import forward, sweep

# What these mistakes are called in a hand-written sweep.
_SWEPT = {"no-way-back": "same-upstream", "last-step-only": "no-carry", "zero-state": "h0-ignored"}


@reference(
    Slip(
        "one-copy",
        "all steps share one copy: each entry of the list holds the whole gradient",
        "Are the tensors of step 1 and of step 2 different objects, or one object under two names?",
    ),
    Slip(
        "evenly-split",
        "the whole gradient is split evenly: each entry is its T-th part",
        "Do all steps contribute the same? The sum cannot tell, but each copy can.",
    ),
    Slip("reversed-list", "the list begins with the last step", "Which step's gradient does the first entry hold?"),
    Slip(
        "last-step-only",
        "only step T gets a gradient and all others zeros: the graph is cut between the steps",
        "Where does the state lose its history on the way from a step to the next?",
    ),
    Slip(
        "no-way-back",
        "each step is given dh_T itself: the immediate derivative is right, the way from h_T back to h_t is missing",
        "dh_T is dL/dh_T. By what is it multiplied on its way back to h_t?",
    ),
    Slip(
        "accumulated-forward",
        "each entry holds the contributions of its own and of all earlier steps",
        "Is something added up from step to step that should be taken apart?",
    ),
    Slip(
        "accumulated-backward",
        "each entry holds the contributions of its own and of all later steps",
        "Is `.grad`, or a sum of yours, carried on from a step to the one before it?",
    ),
    Slip(
        "sum-of-state",
        "h_T is summed, and dh_T is not used",
        "L is not the sum of the entries of h_T. How does dh_T weight them?",
    ),
    Slip("zero-state", "the states start from zeros and not from h0", "What is the state before the first step?"),
    Slip(
        "batch-mean",
        "the gradients are divided by the size of the batch",
        "dh_T is given for every row. Is there anything left to average?",
    ),
    Slip(
        "loss-at-every-step",
        "dh_T is applied to the state of every step",
        "Which state does the loss look at in this exercise?",
    ),
    Slip(
        "weight-hh-shared",
        "only weight_hh is one tensor for all steps, and the others have copies",
        "Has every parameter got a copy of its own at every step?",
    ),
    Slip(
        "bias-shared",
        "only the bias is one tensor for all steps, and the others have copies",
        "Has every parameter got a copy of its own at every step?",
    ),
)
def untied_gradients(slips: Set[str], x: Tensor, h0: Tensor, params: Params, dh_T: Tensor) -> list[Params]:
    """For each step the gradient of its own copy of the parameters."""
    swept_slips = {_SWEPT[id] for id in slips if id in _SWEPT}
    upstream = torch.ones_like(dh_T) if "sum-of-state" in slips else dh_T
    T, run = x.shape[1], forward(swept_slips, x, h0, params)
    own = x.new_zeros(1, *run.states.shape)
    if "loss-at-every-step" in slips:
        own[0, : T - 1] = upstream
    parts = sweep(swept_slips, run, own, params, upstream).parts
    entries = {}
    for name in params:
        share = parts[name][0, :T]
        total = share.sum(0)
        if "batch-mean" in slips:
            share = share / len(x)
        if slips & {"one-copy", f"{name.replace('_', '-')}-shared"}:
            share = total.expand_as(share)
        if "evenly-split" in slips:
            share = (total / T).expand_as(share)
        if "accumulated-forward" in slips:
            share = share.cumsum(0)
        if "accumulated-backward" in slips:
            share = share.flip(0).cumsum(0).flip(0)
        entries[name] = share.flip(0) if "reversed-list" in slips else share
    return [{name: entry[t] for name, entry in entries.items()} for t in range(T)]


@reference(
    Slip(
        "forward-difference",
        "the step is made to one side: (f(θ + ε) − f(θ)) / ε",
        "A central difference looks to both sides of θ. What does it subtract, and how far apart are the two points?",
    ),
    Slip(
        "backward-difference",
        "the step is made to one side: (f(θ) − f(θ − ε)) / ε",
        "A central difference looks to both sides of θ. What does it subtract, and how far apart are the two points?",
    ),
    Slip("no-two", "the difference is divided by ε and not by 2ε", "How far apart are θ + ε and θ − ε?"),
    Slip(
        "not-divided",
        "the difference is not divided at all",
        "A slope is a difference divided by a distance. Which one?",
    ),
    Slip(
        "divided-then-multiplied",
        "the difference is divided by 2 and then multiplied by ε, so that every entry is off by the factor ε²",
        "Python works through `/` and `*` from left to right. What does your line divide by, and what does it multiply by?",
    ),
    Slip("sign", "the two values are subtracted the other way round", "If f grows with θ, which sign has the slope?"),
    Slip(
        "not-moved-back",
        "an entry that was moved is not moved back before the next one",
        "While entry 2 is moved, where does entry 1 stand?",
    ),
    Slip(
        "all-at-once",
        "all entries are moved at once",
        "Each entry has a slope of its own. How many of them may move at a time?",
    ),
    Slip(
        "double-step",
        "the entries are moved by 2ε to each side, and the difference is divided by 2ε",
        "θ + ε and θ − ε: how far does each lie from θ?",
    ),
    Slip("half-step", "the entries are moved by ε/2 to each side", "θ + ε and θ − ε: how far does each lie from θ?"),
    Slip(
        "relative-step",
        "the step is ε times the entry's own size",
        "ε is how far each entry moves. Does that depend on the entry?",
    ),
    Slip(
        "rows-moved",
        "whole rows of theta are moved at once, and not single entries",
        "How many entries has theta: theta.shape[0], or theta.numel()?",
    ),
    Slip(
        "f-sees-no-change",
        "f gives the same value on both sides: it sees no change",
        "Is the tensor that you move the one that you pass to f?",
    ),
)
def finite_difference(slips: Set[str], f: Callable[[Tensor], Tensor], theta: Tensor, eps: float) -> Tensor:
    """Central differences of f at theta, entry by entry."""
    flat = theta.reshape(-1)
    slopes = torch.zeros_like(flat)
    start = flat.clone()
    for i in range(len(flat)):
        step = torch.zeros_like(flat)
        size = (
            eps * float(flat[i].abs())
            if "relative-step" in slips
            else eps / 2
            if "half-step" in slips
            else eps * (1 + ("double-step" in slips))
        )
        if "all-at-once" in slips:
            step += size
        elif "rows-moved" in slips and theta.dim() > 1:
            width = theta[0].numel()
            step[i // width * width : (i // width + 1) * width] = size
        else:
            step[i] = size
        up = start if "backward-difference" in slips else start + step
        down = start if "forward-difference" in slips else start - step
        apart = size * (1 if slips & {"forward-difference", "backward-difference", "no-two", "double-step"} else 2)
        if "f-sees-no-change" in slips:
            up = down
        difference = f(up.reshape(theta.shape)) - f(down.reshape(theta.shape))
        slopes[i] = difference / (1 if "not-divided" in slips else apart)
        if "divided-then-multiplied" in slips:
            slopes[i] = difference / 2 * eps
        if "not-moved-back" in slips:
            start = start - step
    return (-slopes if "sign" in slips else slopes).reshape(theta.shape)


@reference(
    Slip(
        "as-found",
        "the mistake with which the program was found is still in it",
        "Hold each gradient against finite_difference, for T = 1 and for T = 2. Which are right, and for which T?",
    ),
    Slip(
        "leak-through-slope",
        "the slope of the tanh is applied to the way past the tanh too",
        "Which of the two ways from h_{t-1} to h_t goes through the tanh?",
    ),
    Slip(
        "leak-whole",
        "the way past the tanh passes the whole gradient back, without the factor 1 − α",
        "By what is h_{t-1} multiplied on its way past the tanh?",
    ),
    Slip(
        "leak-of-later-only",
        "the way past the tanh hands on only what came from later steps, and not what the step's own loss wants of h_t",
        "What comes from above, for h_t, has two parts. Does each of them go down both ways?",
    ),
    Slip(
        "leak-by-alpha",
        "the way past the tanh passes back the factor α",
        "By what is h_{t-1} multiplied on its way past the tanh?",
    ),
    Slip(
        "leak-by-u",
        "the way past the tanh is multiplied by u too",
        "Which of the two ways from h_{t-1} to h_t meets the weight u?",
    ),
    Slip("no-alpha", "the factor α is left out on the way through the tanh", "By what is the tanh multiplied in h_t?"),
    Slip(
        "slope-of-state",
        "the slope is taken at the state h_t, which is not the output of the tanh here",
        "h_t is a mixture. Which variable is the tanh's own output?",
    ),
    Slip(
        "own-loss-only",
        "each step sees its own loss only: nothing comes from later steps",
        "h_t matters for its own loss. For what else does it matter?",
    ),
    Slip(
        "overwritten",
        "the gradients are assigned again at each step",
        "u, w and b are used in every step. What happens to the contributions of the other steps?",
    ),
)
def leaky_gradients(slips: Set[str], x: Tensor, y: Tensor, params: Params, alpha: float) -> tuple[Tensor, Params]:
    """Loss and gradients of leaky units h_t = (1 − α) h_{t-1} + α tanh(u h_{t-1} + w x_t + b), read out by v."""
    B, T = x.shape
    u, w, b, v = (params[name] for name in ("u", "w", "b", "v"))
    states, outs = [x.new_zeros(B, len(u))], []
    for t in range(T):
        outs.append(torch.tanh(u * states[-1] + w * x[:, t, None] + b))
        states.append((1 - alpha) * states[-1] + alpha * outs[-1])
    errors = [states[t + 1] @ v - y[:, t] for t in range(T)]
    loss = torch.stack([(error**2).mean() for error in errors]).sum() / T
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    after = torch.zeros_like(states[0])
    for t in range(T - 1, -1, -1):
        own = 2 * errors[t] / (B * T)
        dh = own[:, None] * v if "own-loss-only" in slips else own[:, None] * v + after
        at = states[t + 1] if "slope-of-state" in slips else outs[t]
        slope = 1 - at * at
        dz = dh * slope * (1 if "no-alpha" in slips else alpha)
        parts = {
            "u": (dz * states[t]).sum(0),
            "w": (dz * x[:, t, None]).sum(0),
            "b": dz.sum(0),
            "v": (own[:, None] * states[t + 1]).sum(0),
        }
        grads = {name: part if "overwritten" in slips else grads[name] + part for name, part in parts.items()}
        kept = 1 if "leak-whole" in slips else alpha if "leak-by-alpha" in slips else 1 - alpha
        past = (after if "leak-of-later-only" in slips else dh) * kept
        past = past * (slope if "leak-through-slope" in slips else 1) * (u if "leak-by-u" in slips else 1)
        after = dz * u + (torch.zeros_like(past) if "as-found" in slips else past)
    return loss, grads
